"""A covariance matrix for each component."""

from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastem.covariances.representations import dense
from fastem.covariances.representations.representation import (
    Representation,
    count_ratios,
    counted_weights,
    mean_shifts,
)
from fastem.kernels import FullFactors, PassSums
from fastem.statistics import (
    EPS,
    Array,
    MixtureParameters,
    Ridge,
    SufficientStatistics,
)


@final
class Matrices(Representation):
    """Covariances of shape (K, D, D)."""

    has_matrices: ClassVar[bool] = True

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features, n_features)

    def spreads(self, statistics: SufficientStatistics, ridge: Ridge) -> Array:
        shifts = mean_shifts(statistics)
        covariances = statistics.scatter / counted_weights(statistics)[:, None, None]
        weighted = count_ratios(statistics)[:, None] * shifts
        covariances -= weighted[:, :, None] * shifts[:, None, :]
        return dense.add_to_diagonal(dense.mirror_lower(covariances), ridge)

    def variances(self, covariances: Array) -> Array:
        return np.diagonal(covariances, axis1=1, axis2=2)

    def cholesky(self, covariances: Array, eps: float = EPS) -> Array:
        return dense.inverse_cholesky(covariances, shared=False, eps=eps)

    def cholesky_of_precisions(self, precisions: Array) -> Array:
        return dense.cholesky_of_precision(precisions, shared=False)

    def gram(self, factors: Array) -> Array:
        return factors @ factors.transpose(0, 2, 1)

    def invert(self, precisions_cholesky: Array) -> Array:
        return dense.inverse_gram(precisions_cholesky)

    def inverse_factors(self, precisions_cholesky: Array) -> Array:
        return dense.inverse_upper(precisions_cholesky)

    def log_determinants(self, precisions_cholesky: Array, n_features: int) -> Array:
        diagonals = np.diagonal(precisions_cholesky, axis1=1, axis2=2)
        log_determinants: Array = np.log(diagonals).sum(axis=1)
        return log_determinants

    def coordinates(
        self, base: MixtureParameters, inverses: Array, precisions_cholesky: Array
    ) -> Array:
        scales = np.sqrt(base.weights)[:, None, None]
        return scales * dense.log_relative(
            base.precisions_cholesky, inverses, precisions_cholesky
        )

    def from_coordinates(self, base: MixtureParameters, coordinates: Array) -> Array:
        scales = np.sqrt(base.weights)[:, None, None]
        return dense.from_log_relative(base.precisions_cholesky, coordinates / scales)

    def expand(self, covariances: Array, n_components: int, n_features: int) -> Array:
        return covariances

    def compact(self, dense_matrices: Array) -> Array:
        return dense_matrices

    def zero_scatter(self, n_components: int, n_features: int) -> Array:
        return np.zeros((n_components, n_features, n_features))

    def add_scatter(
        self, scatter: Array, component: int, weights: Array, residuals: Array
    ) -> None:
        scatter[component] += (weights * residuals.T) @ residuals

    def marginal(
        self, covariances: Array, factors: Array, columns: NDArray[np.intp]
    ) -> tuple[Array, Array]:
        covariances = covariances[..., columns[:, np.newaxis], columns]
        return covariances, self.cholesky(covariances)

    def lift(
        self,
        statistics: SufficientStatistics,
        covariances: Array,
        factors: Array,
        columns: NDArray[np.intp],
        missing: NDArray[np.intp],
    ) -> tuple[Array, Array]:
        counts = statistics.weights[:, np.newaxis, np.newaxis]
        regression = dense.regression(covariances, factors, columns, missing)
        return dense.lifted(statistics, counts, regression, columns, missing)

    def pooled(self, scatter: Array) -> Array:
        return scatter

    def scatter_size(self, n_components: int, n_features: int) -> int:
        return n_components * n_features**2

    def scatter(self, sums: PassSums, factors: Any) -> Array:
        return dense.mirror_lower(sums.scatter.reshape(factors.whiteners.shape))

    def kernel_factors(
        self,
        center: Array,
        means: Array,
        precisions_cholesky: Array,
        log_normalizers: Array,
        dtype: DTypeLike,
    ) -> FullFactors:
        whiteners = precisions_cholesky.transpose(0, 2, 1)
        return FullFactors(
            center,
            means.astype(dtype),
            np.ascontiguousarray(whiteners, dtype),
            log_normalizers.astype(dtype),
        )
