"""What ``reg_covar`` adds to variances, and where that decides the answer."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.covariances import (
    CovarianceStructure,
    Degeneracy,
    Find,
    Repeated,
    named_columns,
    needed_rows,
    repeated_in,
    repeated_in_columns,
    what_helps,
)
from fastem.runtime.callers import levels_to_caller
from fastem.statistics import Array, MixtureParameters, Ridge

RELATIVE = "relative"
_RELATIVE_SHARE = 1e-6
# From this share of what a column varies on, given the others, users are told.
NOTICEABLE = 0.01


class RegularizationWarning(UserWarning):
    """``reg_covar`` is a noticeable share of a component's variance: 1 % or more.

    The text begins with the same sentence for the same trouble, so that a filter of
    Python's, which looks at beginnings, can catch it.

    Parameters
    ----------
    reg_covar : float or 'relative'
    degeneracy : Degeneracy
        The component in which its share is largest, and the columns.
    share : float
        That share: of what a column varies with it, given all other columns.
    n_affected, n_components : int
        In how many of all components it is noticeable. All parameters are attributes.
    advice : str
        What to do about it.
    names : sequence of str, optional
        Names of all columns.
    trouble : str, optional
        What is the matter, in a word.
    repeated : sequence of Repeated, optional
        Values that many rows have in the constant columns.
    """

    def __init__(
        self,
        reg_covar: float | str,
        degeneracy: Degeneracy,
        share: float,
        n_affected: int,
        n_components: int,
        advice: str,
        names: Sequence[str] | None = None,
        trouble: str = "a component has next to no spread",
        repeated: Sequence[Repeated] = (),
    ) -> None:
        super().__init__(
            *(reg_covar, degeneracy, share, n_affected, n_components, advice),
            *(names, trouble, repeated),
        )
        self.reg_covar = reg_covar
        self.degeneracy = degeneracy
        self.share = share
        self.n_affected = n_affected
        self.n_components = n_components
        self.advice = advice
        self.trouble = trouble
        self.repeated = tuple(repeated)
        self._names = names

    def with_names(self, names: Sequence[str] | None) -> "RegularizationWarning":
        """The same warning, with names for all columns of the data."""
        return self._but(names=names)

    def ending_in(self, sentence: str) -> "RegularizationWarning":
        """The same warning, and a sentence more at its end."""
        return self._but(advice=f"{self.advice}.{sentence.rstrip('.')}")

    def in_units(
        self, means: Array, deviations: Array, eps: float
    ) -> "RegularizationWarning":
        """The same warning of a fit to standardised columns, in the data's units."""
        repeated = [r.in_units(means, deviations, eps) for r in self.repeated]
        return self._but(repeated=repeated)

    def _but(self, **changes: Any) -> "RegularizationWarning":
        settings = {
            name: getattr(self, name)
            for name in (
                *("reg_covar", "degeneracy", "share", "n_affected", "n_components"),
                *("advice", "trouble", "repeated"),
            )
        }
        return RegularizationWarning(**{**settings, "names": self._names, **changes})

    def __str__(self) -> str:
        known = self.degeneracy
        text = (
            f"The answer depends on reg_covar: {self.trouble}. "
            f"reg_covar={self.reg_covar!r} is {100 * self.share:.3g} % of the variance "
            f"of {known.whose} in {named_columns(known.columns, self._names)}"
        )
        if not known.constant_columns:
            text += ", beyond what the other columns tell"
        if self.n_affected > 1:
            count = f"{self.n_affected} of {self.n_components}"
            text += f", and noticeable in {count} components"
        if self.repeated:
            told = repeated_in_columns(self.repeated, self._names)
            text += f". {told[0].upper()}{told[1:]}"
        return f"{text}. {self.advice[0].upper()}{self.advice[1:]}."


def ridge_of(reg_covar: float | str, column_variances: Callable[[], Array]) -> Ridge:
    """What to add to the variances of columns.

    Parameters
    ----------
    reg_covar : float or 'relative'
        'relative' is a millionth of each column's variance. A column of none gets
        the mean of the others', or 1e-6 if there are no others.
    column_variances : callable
        Returns the variance of each column, (D,). Called for 'relative' only.
    """
    if reg_covar != RELATIVE:
        return float(reg_covar)
    variances = column_variances()
    varies = variances > 0
    variances[~varies] = variances[varies].mean() if varies.any() else 1.0
    return _RELATIVE_SHARE * variances


def degeneracy_of(
    structure: CovarianceStructure,
    parameters: MixtureParameters,
    component: int,
    n_rows: Array,
    ridge: Ridge,
    share: float,
) -> Degeneracy:
    """What is known of a component that the ridge holds up.

    Parameters
    ----------
    n_rows : array of shape (K,)
        Sums of responsibilities.
    share : float
        Columns are named of whose variance (constant ones), or of whose variance given
        the others (collinear ones) the ridge is more than this share.
    """
    n_features = parameters.means.shape[1]
    representation = structure.representation
    shape = parameters.means.shape
    variances = representation.variances(parameters.covariances)
    shares = representation.ridge_shares(parameters.precisions_cholesky, ridge)
    mine = np.broadcast_to(shares[0 if len(shares) == 1 else component], (n_features,))
    is_constant = ridge > share * np.broadcast_to(variances, shape)[component]
    is_collinear = (mine > share) & ~is_constant
    return Degeneracy(
        None if structure.is_shared else component,
        tuple(int(j) for j in np.flatnonzero(is_constant)),
        tuple(int(j) for j in np.flatnonzero(is_collinear)),
        float(parameters.weights[component]),
        float(n_rows.sum() if structure.is_shared else n_rows[component]),
        n_features,
        math.nan,
    )


def warn_of_ridge(*fit: Any, **settings: Any) -> None:
    """Warn of what :func:`ridge_warning` finds, given the same."""
    warning = ridge_warning(*fit, **settings)
    if warning is not None:
        warnings.warn(warning, stacklevel=levels_to_caller())


def ridge_warning(
    structure: CovarianceStructure,
    parameters: MixtureParameters,
    ridge: Ridge,
    reg_covar: float | str,
    *,
    n_rows: float,
    names: Sequence[str] | None,
    find: Find,
    before: MixtureParameters | None = None,
    held: NDArray[np.bool_] | None = None,
) -> RegularizationWarning | None:
    """What to say if the ridge is a noticeable share of a variance.

    Parameters
    ----------
    n_rows : float
        Number of all rows, each as often as its weight says.
    names : sequence of str or None
        Names of all columns.
    find : callable
        Finds values that many rows have in columns; asked where that may be why.
    before : MixtureParameters, optional
        Those of which a stream has been warned already: where no further component is
        affected, nothing is said again.
    held : array of bool of shape (K,), optional
        Covariances that are fixed, and so have no ridge in them.
    """
    shares = _shares(structure, parameters, ridge, held)
    is_noticeable = shares > NOTICEABLE
    affected = is_noticeable.any(axis=1)
    is_new = affected
    if before is not None and len(before.weights) == len(parameters.weights):
        known = _shares(structure, before, ridge, held) > NOTICEABLE
        is_new = affected & ~known.any(axis=1)
    if not is_new.any():
        return None
    n_affected = int(np.count_nonzero(affected))
    worst = int(np.argmax(shares.max(axis=1)))
    share = float(shares[worst].max())
    rows = parameters.weights * n_rows
    degeneracy = degeneracy_of(
        structure, parameters, worst, rows, ridge, min(NOTICEABLE, share)
    )
    everywhere = is_noticeable.all(axis=0).any()
    variances = structure.representation.column_variances(parameters)
    varies_little = ridge > NOTICEABLE * variances
    repeated = repeated_in(degeneracy, find)
    trouble = "a component has next to no spread"
    if degeneracy.lacks_rows:
        trouble = "components have too few rows for so many columns"
        advice = needed_rows(degeneracy.n_features)
    elif varies_little.any():
        constant = {r.column for r in repeated if r.is_everywhere}
        if constant.issuperset(np.flatnonzero(varies_little)):
            trouble = "a column is constant"
            advice = "leave such a column out"
        else:
            trouble = "it is large beside the variance of a column"
            advice = "leave such a column out if it is constant"
            if reg_covar != RELATIVE:
                advice += "; if not, lower reg_covar, or use reg_covar='relative'"
    elif everywhere and not degeneracy.constant_columns:
        trouble = "columns are combinations of others"
        advice = "leave columns out that are combinations of others"
    elif repeated:
        trouble = "a value repeats in many rows of a column"
        advice = f"no number of components helps: {what_helps(degeneracy)}"
    elif everywhere and reg_covar == RELATIVE:
        advice = (
            "use fewer components, or a number for reg_covar if rows far from all "
            "others make the variance of these columns large"
        )
    else:
        advice = "use fewer components"
        if not everywhere:
            advice += ", or on_collapse='drop'"
    return RegularizationWarning(
        *(reg_covar, degeneracy, share, n_affected, len(shares), advice, names),
        *(trouble, repeated),
    )


def largest_ridge_share(
    structure: CovarianceStructure,
    parameters: MixtureParameters,
    ridge: Ridge,
    held: NDArray[np.bool_] | None = None,
) -> float:
    """The ridge's share of what a column varies, where it is largest."""
    return float(_shares(structure, parameters, ridge, held).max())


def _shares(
    structure: CovarianceStructure,
    parameters: MixtureParameters,
    ridge: Ridge,
    held: NDArray[np.bool_] | None,
) -> Array:
    """The ridge's share of what columns vary: (K, D), with 1 for what is shared."""
    shares = structure.representation.ridge_shares(
        parameters.precisions_cholesky, ridge
    )
    if held is not None:
        shares = np.where(held[: len(shares), np.newaxis], 0.0, shares)
    # What is more than all of it is rounding.
    return np.minimum(shares[:1] if structure.is_shared else shares, 1.0)
