"""A variance for each component and column."""

from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastem.covariances.degeneracy import Degeneracy
from fastem.covariances.representations.representation import (
    Representation,
    count_ratios,
    counted_weights,
    mean_shifts,
)
from fastem.covariances.singular import SingularCovarianceError
from fastem.kernels import DiagonalFactors, PassSums
from fastem.statistics import (
    EPS,
    Array,
    MixtureParameters,
    Ridge,
    SufficientStatistics,
)


@final
class Variances(Representation):
    """Covariances of shape (K, D)."""

    has_matrices: ClassVar[bool] = False

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features)

    def spreads(self, statistics: SufficientStatistics, ridge: Ridge) -> Array:
        variances = statistics.scatter / counted_weights(statistics)[:, np.newaxis]
        ratios = count_ratios(statistics)[:, np.newaxis]
        spreads: Array = variances - ratios * mean_shifts(statistics) ** 2 + ridge
        return spreads

    def variances(self, covariances: Array) -> Array:
        return covariances

    def cholesky(self, covariances: Array, eps: float = EPS) -> Array:
        singular = ~(covariances > 0)
        if singular.any():
            k = int(np.flatnonzero(singular.any(axis=1))[0])
            columns = tuple(int(j) for j in np.flatnonzero(singular[k]))
            raise SingularCovarianceError(Degeneracy(k, columns))
        factors: Array = 1 / np.sqrt(covariances)
        return factors

    def cholesky_of_precisions(self, precisions: Array) -> Array:
        return np.sqrt(precisions)

    def gram(self, factors: Array) -> Array:
        return factors**2

    def invert(self, precisions_cholesky: Array) -> Array:
        return precisions_cholesky**-2

    def inverse_factors(self, precisions_cholesky: Array) -> Array:
        return 1 / precisions_cholesky

    def log_determinants(self, precisions_cholesky: Array, n_features: int) -> Array:
        log_determinants: Array = np.log(precisions_cholesky).sum(axis=1)
        return log_determinants

    def coordinates(
        self, base: MixtureParameters, inverses: Array, precisions_cholesky: Array
    ) -> Array:
        scales = np.sqrt(2 * base.weights)[:, np.newaxis]
        return scales * np.log(precisions_cholesky / base.precisions_cholesky)

    def from_coordinates(self, base: MixtureParameters, coordinates: Array) -> Array:
        scales = np.sqrt(2 * base.weights)[:, np.newaxis]
        return base.precisions_cholesky * np.exp(coordinates / scales)

    def expand(self, covariances: Array, n_components: int, n_features: int) -> Array:
        return covariances[:, :, np.newaxis] * np.eye(n_features)

    def compact(self, dense_matrices: Array) -> Array:
        return np.diagonal(dense_matrices, axis1=1, axis2=2)

    def zero_scatter(self, n_components: int, n_features: int) -> Array:
        return np.zeros((n_components, n_features))

    def add_scatter(
        self, scatter: Array, component: int, weights: Array, residuals: Array
    ) -> None:
        scatter[component] += weights @ residuals**2

    def marginal(
        self, covariances: Array, factors: Array, columns: NDArray[np.intp]
    ) -> tuple[Array, Array]:
        return covariances[:, columns], factors[:, columns]

    def lift(
        self,
        statistics: SufficientStatistics,
        covariances: Array,
        factors: Array,
        columns: NDArray[np.intp],
        missing: NDArray[np.intp],
    ) -> tuple[Array, Array]:
        first = np.zeros((len(statistics.weights), len(columns) + len(missing)))
        scatter = np.empty_like(first)
        first[:, columns] = statistics.first
        scatter[:, columns] = statistics.scatter
        variances = np.broadcast_to(covariances, first.shape)[:, missing]
        scatter[:, missing] = statistics.weights[:, np.newaxis] * variances
        return first, scatter

    def pooled(self, scatter: Array) -> Array:
        return np.diagonal(scatter, axis1=1, axis2=2)

    def scatter_size(self, n_components: int, n_features: int) -> int:
        return n_components * n_features

    def scatter(self, sums: PassSums, factors: Any) -> Array:
        return sums.scatter.reshape(factors.means.shape)

    def kernel_factors(
        self,
        center: Array,
        means: Array,
        precisions_cholesky: Array,
        log_normalizers: Array,
        dtype: DTypeLike,
    ) -> DiagonalFactors:
        return DiagonalFactors(
            center,
            means.astype(dtype),
            (-means * precisions_cholesky).astype(dtype),
            np.ascontiguousarray(precisions_cholesky, dtype),
            log_normalizers.astype(dtype),
        )
