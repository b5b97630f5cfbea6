"""The regressor: targets given features, under one mixture of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from fastem.checks.arrays import as_numbers
from fastem.checks.rows import MARGINALIZE, Rows, allows_gaps, check_rows
from fastem.covariances import SingularCovarianceError
from fastem.groups import imputed
from fastem.groups.conditional import Conditionals, conditionals
from fastem.mixture import GaussianMixture
from fastem.mixture.fitted import unchanged_on_error
from fastem.mixture.line import LineMixtures
from fastem.mixture.probability import shares_asked
from fastem.statistics import Array

# Of the means that components expect, which are computed in blocks and not kept.
_BLOCK_VALUES = 1 << 20


class MixtureRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Regression by a mixture of features and targets together.

    Given the features, targets have a mixture of their own for each row [1]_. So the
    spread of a prediction, and whether it has one peak or several, depend on the row.
    With one 'full' component the mean is that of least squares.

    Parameters
    ----------
    mixture : GaussianMixture, default=None
        What is fitted: also a :class:`fastem.StudentMixture`, or a
        :class:`fastem.GaussianMixtureSelector`. None for ``GaussianMixture()``. With
        ``missing_values='marginalize'`` values may be missing.

    Attributes
    ----------
    mixture_ : GaussianMixture
        The joint mixture; columns of targets come after those of features.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of shape (n_features_in_,)
        Their names, if X had names that are strings.
    n_targets_ : int

    References
    ----------
    .. [1] Z. Ghahramani, M. I. Jordan, "Supervised learning from incomplete data via an
       EM approach", NIPS 6 (1994), 120-127.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import MixtureRegressor
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> MixtureRegressor().fit(X, [1.0, 2.9, 5.1, 7.0]).predict([[4.0]]).round(2)
    array([9.05])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "mixture": [HasMethods(["fit", "score_samples"]), None],
    }

    mixture_: GaussianMixture
    n_features_in_: int
    n_targets_: int

    def __init__(self, mixture: Any = None) -> None:
        self.mixture = mixture

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the mixture of features and targets.

        On an error the estimator is left as it was.

        Parameters
        ----------
        X : array-like of shape (N, D)
        y : array-like of shape (N,) or (N, M)
            Where the mixture takes missing values, they may be missing here too: such
            rows tell of the features.
        sample_weight : array-like of shape (N,), default=None
            How often each row counts.

        Returns
        -------
        MixtureRegressor
            The estimator itself.

        Raises
        ------
        ValueError
            If X, y or a weight cannot be used.
        SingularCovarianceError
            If a component's rows do not spread in all columns, as where a target is an
            exact function of the features.
        """
        self._validate_params()
        mixture = GaussianMixture() if self.mixture is None else clone(self.mixture)
        with unchanged_on_error(self):
            gaps = self.__sklearn_tags__().input_tags.allow_nan
            rows = check_rows(self, X, fitting=True, gaps=gaps)
            targets, names = _checked_targets(y, len(rows), gaps)
            self._is_flat = targets.ndim == 1
            targets = targets.reshape(len(rows), -1)
            self.n_targets_ = targets.shape[1]
            joint = np.hstack([rows, targets.astype(rows.dtype)])
            names = [*getattr(self, "feature_names_in_", ()), *names]
            try:
                mixture.fit(joint, sample_weight=sample_weight)
            except SingularCovarianceError as error:
                known = names if len(names) == joint.shape[1] else None
                raise error.with_names(known) from None
            chosen: Any = getattr(mixture, "best_estimator_", mixture)
            self.mixture_ = chosen
            if len(names) == joint.shape[1]:
                self.mixture_.feature_names_in_ = np.array(names, dtype=object)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Array | tuple[Array, Array]:
        """The mean of the targets of each row, given its features.

        Parameters
        ----------
        X : array-like of shape (N, D)
        return_std : bool, default=False
            Whether to return standard deviations as well.

        Returns
        -------
        mean : array of shape (N,) or (N, M)
        deviation : array of the same shape
            Only with ``return_std``; inf where Student's tails have none.
        """
        rows = self._checked(X)
        mean = np.empty((len(rows), self.n_targets_))
        variances = np.empty_like(mean)
        for part in self._conditionals(rows):
            mean[part.rows] = part.mean
            if return_std:
                variances[part.rows] = part.variances
        if return_std:
            return self._shaped(mean), self._shaped(np.sqrt(variances))
        return self._shaped(mean)

    def predict_quantiles(
        self, X: Any, quantiles: Sequence[float] = (0.05, 0.5, 0.95)
    ) -> Array:
        """Quantiles of each target by itself, given the features of the row.

        Parameters
        ----------
        X : array-like of shape (N, D)
        quantiles : sequence of Q floats in [0, 1], default=(0.05, 0.5, 0.95)

        Returns
        -------
        array of shape (N, Q) or (N, Q, M)
        """
        rows = self._checked(X)
        asked = np.atleast_1d(shares_asked(quantiles, "quantiles"))
        out = np.empty((len(rows), len(asked), self.n_targets_))
        for part in self._conditionals(rows):
            for target in range(self.n_targets_):
                mixtures = _of_target(part, target)
                for number, quantile in enumerate(asked):
                    q = np.full(len(part.rows), quantile)
                    out[part.rows, number, target] = mixtures.ppf(q)
        return self._shaped(out)

    def sample(
        self,
        X: Any,
        n_samples: int = 1,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> Array:
        """Draw targets for each row, given its features.

        Parameters
        ----------
        X : array-like of shape (N, D)
        n_samples : int, default=1
            For each row.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None for the one of the mixture.

        Returns
        -------
        array of shape (N, n_samples) or (N, n_samples, M)
        """
        rows = self._checked(X)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(
                f"n_samples must be a whole number, at least 1, but is {n_samples!r}"
            )
        random = check_random_state(
            self.mixture_.random_state if random_state is None else random_state
        )
        repeated = np.repeat(self._with_targets_open(rows), n_samples, axis=0)
        drawn = imputed(self._row_answers(), repeated, random)[:, self.n_features_in_ :]
        shape = len(rows), n_samples, self.n_targets_
        return self._shaped(drawn.astype(np.float64).reshape(shape))

    def __sklearn_tags__(self) -> Any:
        """Several targets are welcome; whether NaN is follows the mixture."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        if self.mixture is not None:
            of_mixture = self.mixture.__sklearn_tags__()
            tags.input_tags.allow_nan = of_mixture.input_tags.allow_nan
        return tags

    def _checked(self, X: Any) -> Rows:
        """The rows to answer about."""
        check_is_fitted(self)
        return check_rows(self, X, fitting=False, gaps=allows_gaps(self.mixture_))

    def _row_answers(self) -> Any:
        return replace(self.mixture_._row_answers(), allows_gaps=True)

    def _with_targets_open(self, rows: Rows) -> Rows:
        """The same rows, with missing values for the targets."""
        targets = np.full((len(rows), self.n_targets_), np.nan, rows.dtype)
        return np.hstack([rows, targets])

    def _conditionals(self, rows: Rows) -> Iterator[Conditionals]:
        """What the rows say of the targets, some rows at a time."""
        ask = self._row_answers()
        width = len(self.mixture_.weights_) * (self.n_features_in_ + self.n_targets_)
        size = max(1, _BLOCK_VALUES // width)
        targets = self.n_features_in_ + np.arange(self.n_targets_)
        for start in range(0, len(rows), size):
            block = self._with_targets_open(rows[start : start + size])
            for part in conditionals(ask, block, targets):
                yield replace(part, rows=part.rows + start)

    def _shaped(self, answers: Array) -> Array:
        """Without an axis of targets, if y had none."""
        return answers[..., 0] if self._is_flat else answers


def _of_target(part: Conditionals, target: int) -> LineMixtures:
    """The distributions of one target."""
    variances = part.scales * part.covariances[:, target, target]
    bounds = None if part.background is None else part.background.box[target]
    return LineMixtures(
        *(part.shares, part.means[:, :, target], np.sqrt(variances)),
        *(part.degrees_of_freedom, bounds),
    )


def _checked_targets(
    y: Any, n_rows: int, gaps: bool
) -> tuple[NDArray[np.float64], list[str]]:
    """Targets (N,) or (N, M), and their names."""
    if y is None:
        raise ValueError(
            "MixtureRegressor requires y to be passed, but the target y is None"
        )
    names = getattr(y, "columns", None)
    if names is None:
        names = [getattr(y, "name", None) or "y"]
    targets = as_numbers(y, "y")
    if targets.ndim not in (1, 2) or len(targets) != n_rows:
        raise ValueError(
            f"y should have {n_rows} rows, as X has, and at most one axis of targets, "
            f"but has the shape {targets.shape}"
        )
    wrong = np.isinf(targets) if gaps else ~np.isfinite(targets)
    if wrong.any():
        where = tuple(np.argwhere(wrong)[0])
        row, value = where[0], targets[where]
        raise ValueError(
            f"y must be finite, but has {value:g} (NaN is a missing value) in row "
            f"{row}" + (f", and {MARGINALIZE}" if np.isnan(value) else "")
        )
    return targets, [str(name) for name in names]
