"""How sure the parameters of a mixture are: fits to the same rows by other weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from sklearn.utils import check_random_state

from fastem.choice.refits import refitted
from fastem.choice.sandwich import sandwich
from fastem.mixture import GaussianMixture
from fastem.statistics import Array, MixtureParameters

_METHODS = ("bootstrap", "weighted", "sandwich")


@dataclass(frozen=True)
class StandardErrors:
    """Standard errors of the parameters of a mixture.

    Attributes
    ----------
    weights : array of shape (K,)
    means : array of shape (K, D)
    covariances : array
        In the shape of ``covariances_``.
    samples : dict of str to array
        The parameters of each fit, under these names; empty for 'sandwich'.
    n_failed : int
        How many fits ended in a singular covariance, and are left out.
    estimates : dict of str to array
        The mixture's own, under the same names.
    by_component : bool
        Whether 'sandwich' took components one by one, as all together have too many
        parameters: what they tell of each other is left out then.
    degrees_of_freedom : array of shape (K,), or None
        Those of a :class:`fastem.StudentMixture`; 0 where they are held.
    """

    weights: Array
    means: Array
    covariances: Array
    samples: dict[str, Array]
    n_failed: int
    estimates: dict[str, Array]
    by_component: bool = False
    degrees_of_freedom: Array | None = None

    def interval(self, name: str, level: float = 0.95) -> tuple[Array, Array]:
        """Between which values a parameter lies with this confidence.

        Those between which this share of the fits lies, symmetrically (percentiles);
        for 'sandwich' the estimate and normal quantiles of errors on both sides.

        Parameters
        ----------
        name : {'weights', 'means', 'covariances', 'degrees_of_freedom'}
        level : float, default=0.95

        Returns
        -------
        low, high : arrays in the shape of the parameter
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, but is {level}")
        tail = (1 - level) / 2
        if self.samples:
            low, high = np.quantile(self.samples[name], [tail, 1 - tail], axis=0)
            return low, high
        reach = -float(ndtri(tail)) * getattr(self, name)
        return self.estimates[name] - reach, self.estimates[name] + reach

    def __str__(self) -> str:
        failed = f" ({self.n_failed} failed)" if self.n_failed else ""
        how = "the sandwich"
        if self.samples:
            how = f"{len(self.samples['weights'])} fits{failed}"
        elif self.by_component:
            how += ", component by component"
        lines = [f"Standard errors by {how}:"]
        for k, (weight, means) in enumerate(zip(self.weights, self.means, strict=True)):
            told = ", ".join(f"{error:.3g}" for error in means)
            lines.append(f"  component {k}: weight {weight:.3g}, means {told}")
            if self.degrees_of_freedom is not None:
                lines[-1] += f", degrees of freedom {self.degrees_of_freedom[k]:.3g}"
        return "\n".join(lines)


def standard_errors(
    model: GaussianMixture,
    X: Any,
    sample_weight: ArrayLike | str | None = None,
    *,
    method: str = "bootstrap",
    n_bootstrap: int = 400,
    random_state: int | np.random.RandomState | None = None,
) -> StandardErrors:
    """Standard errors of a mixture's parameters.

    By fits to rows weighted at random: each starts from the mixture, so that components
    keep their numbers, and goes on to its limit. Rows are not copied: how often each
    was drawn is its weight. Or, for large tables, from derivatives of the
    log-likelihood, in one pass. What the mixture holds fixed has an error of 0.

    Parameters
    ----------
    model : GaussianMixture
        Fitted to these rows.
    X : array-like of shape (N, D), for 'sandwich' also what ``fit`` reads in blocks
    sample_weight : array-like of shape (N,), or name of a column, default=None
        How often each row counts.
    method : {'bootstrap', 'weighted', 'sandwich'}, default='bootstrap'
        'bootstrap': as many rows are drawn as there are, with replacement. 'weighted':
        each row counts as a random number says that is exponentially distributed [1]_,
        so that no row is left out: for components of few rows. 'sandwich': H^-1 G H^-1,
        with minus the second derivative H of the log-likelihood and the sum G of outer
        products of the rows' scores, in the structure's free parameters [2]_ [3]_. It
        holds for many rows, also if they are not from such a mixture, and where
        parameters are far from where they may not go. The volume of a background is
        taken as known.
    n_bootstrap : int, default=400
        Number of fits. A standard error of B fits is right to 1 / sqrt(2 B) of itself.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    StandardErrors

    Raises
    ------
    ValueError
        If X cannot be used, or fewer than two fits succeed; with 'sandwich' if the
        mixture is not at a maximum of the likelihood, or what it is made of has no
        derivatives there: see Notes.

    Notes
    -----
    'sandwich' needs p x p numbers for p free parameters, and rows of K (1 + D + D (D +
    1) / 2) scores, in blocks. With more than 2,000 of these, components that share
    nothing are taken one by one, which ``by_component`` says. It is refused with
    ``covariance_ratio``. Degrees of freedom of a :class:`fastem.StudentMixture` are
    parameters like others, of whose logarithms errors are made; those that are a
    number, or lie at the edge of [0.01, 1e6], are held. ``covariances`` are then of
    scale matrices.

    References
    ----------
    .. [1] M. A. Newton, A. E. Raftery, "Approximate Bayesian inference with the
       weighted likelihood bootstrap", JRSS B 56 (1994), 3-48.
    .. [2] H. White, "Maximum likelihood estimation of misspecified models",
       Econometrica 50 (1982), 1-25.
    .. [3] G. J. McLachlan, D. Peel, "Finite Mixture Models", Wiley (2000), sec. 2.15.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, standard_errors
    >>> X = np.random.default_rng(0).normal(size=(400, 1))
    >>> model = GaussianMixture(random_state=0).fit(X)
    >>> errors = standard_errors(model, X, n_bootstrap=200, random_state=0)
    >>> abs(errors.means[0, 0] - 1 / np.sqrt(400)) < 0.01
    np.True_
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {_METHODS}, but is {method!r}")
    if n_bootstrap < 2:
        raise ValueError(f"n_bootstrap must be 2 or more, but is {n_bootstrap}")
    if method == "sandwich":
        return _by_sandwich(model, X, sample_weight)
    random = check_random_state(random_state)
    fits = list(
        refitted(
            model, X, sample_weight, method, n_bootstrap, random, "standard_errors"
        )
    )
    found = [fit._fitted()[1] for fit in fits if fit is not None]
    if len(found) < 2:
        raise ValueError(
            f"{n_bootstrap - len(found)} of {n_bootstrap} fits failed, as components "
            "turned singular: use fewer components, or method='weighted'"
        )
    estimates = _estimates(model._fitted()[1])
    samples = {
        name: np.array([getattr(parameters, name) for parameters in found])
        for name in estimates
    }
    errors = {name: _errors(values) for name, values in samples.items()}
    n_failed = n_bootstrap - len(found)
    return StandardErrors(
        *(errors["weights"], errors["means"], errors["covariances"]),
        *(samples, n_failed, estimates),
        degrees_of_freedom=errors.get("degrees_of_freedom"),
    )


def _by_sandwich(
    model: GaussianMixture, X: Any, sample_weight: ArrayLike | str | None
) -> StandardErrors:
    found = sandwich(model, X, sample_weight)
    return StandardErrors(
        *(found.weights, found.means, found.covariances, {}, 0),
        _estimates(model._fitted()[1]),
        found.by_component,
        found.degrees_of_freedom,
    )


def _estimates(parameters: MixtureParameters) -> dict[str, Array]:
    names = ["weights", "means", "covariances"]
    if parameters.degrees_of_freedom is not None:
        names.append("degrees_of_freedom")
    return {name: getattr(parameters, name) for name in names}


def _errors(values: Array) -> Array:
    """Standard deviations over fits; of what is the same in all of them exactly 0."""
    varies = (values != values[0]).any(axis=0)
    errors: Array = np.where(varies, values.std(axis=0, ddof=1), 0.0)
    return errors
