"""One variance for each component, the same for all columns.

The kernels see a variance for each column: a kind of its own would save one
multiplication a value in the expectation step, which is bound by other things.
"""

from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastem.covariances.degeneracy import Degeneracy
from fastem.covariances.representations.representation import Representation
from fastem.covariances.representations.variances import Variances
from fastem.covariances.singular import SingularCovarianceError
from fastem.kernels import DiagonalFactors, PassSums
from fastem.statistics import (
    EPS,
    Array,
    MixtureParameters,
    Ridge,
    SufficientStatistics,
)

_variances = Variances()


@final
class OneVariance(Representation):
    """Covariances of shape (K,)."""

    has_matrices: ClassVar[bool] = False

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components,)

    def spreads(self, statistics: SufficientStatistics, ridge: Ridge) -> Array:
        return _variances.spreads(statistics, ridge)

    def variances(self, covariances: Array) -> Array:
        return covariances[:, np.newaxis]

    def cholesky(self, covariances: Array, eps: float = EPS) -> Array:
        singular = np.flatnonzero(~(covariances > 0))
        if len(singular):
            raise SingularCovarianceError(Degeneracy(int(singular[0])))
        return _variances.cholesky(covariances[:, np.newaxis])[:, 0]

    def cholesky_of_precisions(self, precisions: Array) -> Array:
        return np.sqrt(precisions)

    def gram(self, factors: Array) -> Array:
        return factors**2

    def invert(self, precisions_cholesky: Array) -> Array:
        return precisions_cholesky**-2

    def inverse_factors(self, precisions_cholesky: Array) -> Array:
        return 1 / precisions_cholesky

    def log_determinants(self, precisions_cholesky: Array, n_features: int) -> Array:
        log_determinants: Array = n_features * np.log(precisions_cholesky)
        return log_determinants

    def coordinates(
        self, base: MixtureParameters, inverses: Array, precisions_cholesky: Array
    ) -> Array:
        scales = np.sqrt(2 * base.means.shape[1] * base.weights)
        logarithms = np.log(precisions_cholesky / base.precisions_cholesky)
        coordinates: Array = scales * logarithms
        return coordinates

    def from_coordinates(self, base: MixtureParameters, coordinates: Array) -> Array:
        scales = np.sqrt(2 * base.means.shape[1] * base.weights)
        factors: Array = base.precisions_cholesky * np.exp(coordinates / scales)
        return factors

    def expand(self, covariances: Array, n_components: int, n_features: int) -> Array:
        return covariances[:, np.newaxis, np.newaxis] * np.eye(n_features)

    def compact(self, dense_matrices: Array) -> Array:
        diagonals = np.diagonal(dense_matrices, axis1=1, axis2=2)
        variances: Array = diagonals.mean(axis=1)
        return variances

    def zero_scatter(self, n_components: int, n_features: int) -> Array:
        return _variances.zero_scatter(n_components, n_features)

    def add_scatter(
        self, scatter: Array, component: int, weights: Array, residuals: Array
    ) -> None:
        _variances.add_scatter(scatter, component, weights, residuals)

    def marginal(
        self, covariances: Array, factors: Array, columns: NDArray[np.intp]
    ) -> tuple[Array, Array]:
        return covariances, factors

    def lift(
        self,
        statistics: SufficientStatistics,
        covariances: Array,
        factors: Array,
        columns: NDArray[np.intp],
        missing: NDArray[np.intp],
    ) -> tuple[Array, Array]:
        variances = covariances[:, np.newaxis]
        return _variances.lift(statistics, variances, factors, columns, missing)

    def pooled(self, scatter: Array) -> Array:
        return _variances.pooled(scatter)

    def scatter_size(self, n_components: int, n_features: int) -> int:
        return _variances.scatter_size(n_components, n_features)

    def scatter(self, sums: PassSums, factors: Any) -> Array:
        return _variances.scatter(sums, factors)

    def kernel_factors(
        self,
        center: Array,
        means: Array,
        precisions_cholesky: Array,
        log_normalizers: Array,
        dtype: DTypeLike,
    ) -> DiagonalFactors:
        whiteners = np.broadcast_to(precisions_cholesky[:, np.newaxis], means.shape)
        return _variances.kernel_factors(
            center, means, whiteners, log_normalizers, dtype
        )
