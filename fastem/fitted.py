"""What can be asked of a mixture once its parameters are known."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from fastem import kernels, validation
from fastem.covariances import STRUCTURES, CovarianceStructure
from fastem.pickled import VersionedPickle
from fastem.statistics import Array, MixtureParameters
from fastem.validation import Rows


class FittedMixture(DensityMixin, VersionedPickle):  # type: ignore[misc]
    """Every method of :class:`fastem.GaussianMixture` that does not fit.

    The public attributes are the parameters: a model whose attributes were set by
    hand answers like any other.
    """

    covariance_type: str
    n_threads: int | None
    random_state: int | np.random.RandomState | None
    weights_: Array
    means_: Array
    covariances_: Array
    precisions_cholesky_: Array

    def predict(self, X: Any) -> NDArray[np.intp]:
        """The most likely component of each row.

        Parameters
        ----------
        X : array-like of shape (N, D)

        Returns
        -------
        array of shape (N,), int
            The first one of equally likely components.
        """
        rows, factors = self._rows_and_factors(X)
        return kernels.label_pass(rows, factors, self.n_threads)

    def predict_proba(self, X: Any) -> Rows:
        """The probability of each component given the row: the degree of membership.

        Parameters
        ----------
        X : array-like of shape (N, D)

        Returns
        -------
        array of shape (N, K), float32 if X is, else float64
        """
        rows, factors = self._rows_and_factors(X)
        return kernels.probability_pass(rows, factors, self.n_threads)

    def score_samples(self, X: Any) -> Rows:
        """The logarithm of the mixture's density at each row.

        Parameters
        ----------
        X : array-like of shape (N, D)

        Returns
        -------
        array of shape (N,), float32 if X is, else float64
        """
        rows, factors = self._rows_and_factors(X)
        return kernels.log_likelihood_pass(rows, factors, self.n_threads)

    def score(
        self, X: Any, y: None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """The mean log-likelihood of a row.

        Parameters
        ----------
        X : array-like of shape (N, D)
        y : None
            Ignored.
        sample_weight : array-like of shape (N,), default=None

        Returns
        -------
        float
        """
        return self._score(X, sample_weight)[0]

    def bic(self, X: Any, sample_weight: ArrayLike | None = None) -> float:
        """Bayesian information criterion: lower is better.

        Parameters
        ----------
        X : array-like of shape (N, D)
        sample_weight : array-like of shape (N,), default=None
            The number of rows is then the sum of the weights.

        Returns
        -------
        float
            p log N - 2 log L, with p free parameters and N rows.
        """
        mean, n_rows = self._score(X, sample_weight)
        return self._n_parameters() * math.log(n_rows) - 2 * mean * n_rows

    def aic(self, X: Any, sample_weight: ArrayLike | None = None) -> float:
        """Akaike's information criterion: lower is better.

        Parameters
        ----------
        X : array-like of shape (N, D)
        sample_weight : array-like of shape (N,), default=None

        Returns
        -------
        float
            2 p - 2 log L, with p free parameters.
        """
        mean, n_rows = self._score(X, sample_weight)
        return 2 * self._n_parameters() - 2 * mean * n_rows

    def sample(self, n_samples: int = 1) -> tuple[Array, NDArray[np.intp]]:
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int, default=1

        Returns
        -------
        X : array of shape (n_samples, D)
            In the order of their components.
        y : array of shape (n_samples,), int
            The component that each row was drawn from.
        """
        structure, fitted = self._fitted()
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(
                f"n_samples must be a whole number, at least 1, but is {n_samples!r}"
            )
        random = check_random_state(self.random_state)
        n_components, n_features = fitted.means.shape
        counts = random.multinomial(n_samples, fitted.weights)
        if structure.has_matrices:
            matrices = structure.expand(fitted.covariances, n_components, n_features)
            drawn = [
                random.multivariate_normal(mean, matrix, int(count))
                for mean, matrix, count in zip(
                    fitted.means, matrices, counts, strict=True
                )
            ]
        else:
            drawn = [
                mean
                + random.standard_normal(size=(count, n_features)) * np.sqrt(variance)
                for mean, variance, count in zip(
                    fitted.means, fitted.covariances, counts, strict=True
                )
            ]
        return np.concatenate(drawn), np.repeat(np.arange(n_components), counts)

    def _fitted(self) -> tuple[CovarianceStructure, MixtureParameters]:
        """The fitted parameters, as they stand in the public attributes."""
        check_is_fitted(self)
        fitted_type = getattr(self, "_fitted_covariance_type", self.covariance_type)
        if fitted_type != self.covariance_type:
            raise ValueError(
                f"covariance_type is {self.covariance_type!r}, but the fit was made "
                f"with {fitted_type!r}: set it back, or fit anew (warm_start=False)."
            )
        return STRUCTURES[self.covariance_type], MixtureParameters(
            self.weights_, self.means_, self.covariances_, self.precisions_cholesky_
        )

    def _rows_and_factors(self, X: Any) -> tuple[Rows, Any]:
        """The rows, and the parameters as the kernels take them with such rows.

        Factors are not kept from one call to the next: attributes may be set by hand.
        """
        check_is_fitted(self)
        rows = validation.check_rows(self, X, fitting=False)
        return rows, self._factors(rows.dtype)

    def _factors(self, dtype: DTypeLike) -> Any:
        structure, fitted = self._fitted()
        return structure.factors(fitted, dtype)

    def _score(
        self, X: Any, sample_weight: ArrayLike | None
    ) -> tuple[float, float | int]:
        """Mean log-likelihood of a row, and the number of rows."""
        log_likelihoods = self.score_samples(X)
        if sample_weight is None:
            mean = float(log_likelihoods.mean(dtype=np.float64))
            return mean, len(log_likelihoods)
        weights = validation.check_sample_weight(sample_weight, len(log_likelihoods))
        # Scaled, so that no sum overflows; a common factor changes nothing.
        scaled = weights / weights.max()
        return float(np.average(log_likelihoods, weights=scaled)), weights.sum()

    def _n_parameters(self) -> int:
        """Number of free parameters of the model."""
        structure, fitted = self._fitted()
        n_components, n_features = fitted.means.shape
        n_of_means_and_weights: int = n_components * n_features + n_components - 1
        return structure.n_parameters(n_components, n_features) + n_of_means_and_weights


@contextmanager
def unchanged_on_error(estimator: BaseEstimator) -> Iterator[None]:
    """Give the estimator back its attributes if the block raises."""
    before = dict(estimator.__dict__)
    try:
        yield
    except BaseException:
        estimator.__dict__ = before  # at once, whatever interrupts
        raise
