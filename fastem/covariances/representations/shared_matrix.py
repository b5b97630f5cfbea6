"""One covariance matrix for all components."""

from collections.abc import Callable
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastem.covariances.representations import dense
from fastem.covariances.representations.representation import (
    Representation,
    mean_shifts,
)
from fastem.kernels import PassSums, TiedFactors
from fastem.statistics import (
    EPS,
    Array,
    MixtureParameters,
    Ridge,
    SufficientStatistics,
)

# Part of all digits that scatter may lose by being computed about the center.
_LOST_DIGITS = 0.25


@final
class SharedMatrix(Representation):
    """Covariances of shape (D, D)."""

    has_matrices: ClassVar[bool] = True
    is_shared: ClassVar[bool] = True

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_features, n_features)

    def spreads(self, statistics: SufficientStatistics, ridge: Ridge) -> Array:
        shifts = mean_shifts(statistics)
        between = (statistics.counts * shifts.T) @ shifts
        covariance = (statistics.scatter - between) / statistics.weights.sum()
        return dense.add_to_diagonal(dense.mirror_lower(covariance), ridge)

    def variances(self, covariances: Array) -> Array:
        variances: Array = np.diag(covariances)[np.newaxis]
        return variances

    def cholesky(self, covariances: Array, eps: float = EPS) -> Array:
        factor: Array = dense.inverse_cholesky(
            covariances[np.newaxis], shared=True, eps=eps
        )[0]
        return factor

    def cholesky_of_precisions(self, precisions: Array) -> Array:
        factor: Array = dense.cholesky_of_precision(
            precisions[np.newaxis], shared=True
        )[0]
        return factor

    def gram(self, factors: Array) -> Array:
        return factors @ factors.T

    def invert(self, precisions_cholesky: Array) -> Array:
        covariance: Array = dense.inverse_gram(precisions_cholesky[np.newaxis])[0]
        return covariance

    def inverse_factors(self, precisions_cholesky: Array) -> Array:
        inverse: Array = dense.inverse_upper(precisions_cholesky[np.newaxis])[0]
        return inverse

    def log_determinants(self, precisions_cholesky: Array, n_features: int) -> Array:
        log_determinant: Array = np.log(np.diag(precisions_cholesky)).sum(keepdims=True)
        return log_determinant

    def coordinates(
        self, base: MixtureParameters, inverses: Array, precisions_cholesky: Array
    ) -> Array:
        return dense.log_relative(
            base.precisions_cholesky, inverses, precisions_cholesky
        )

    def from_coordinates(self, base: MixtureParameters, coordinates: Array) -> Array:
        return dense.from_log_relative(base.precisions_cholesky, coordinates)

    def expand(self, covariances: Array, n_components: int, n_features: int) -> Array:
        return np.repeat(covariances[np.newaxis], n_components, axis=0)

    def compact(self, dense_matrices: Array) -> Array:
        matrix: Array = dense_matrices.mean(axis=0)
        return matrix

    def zero_scatter(self, n_components: int, n_features: int) -> Array:
        return np.zeros((n_features, n_features))

    def add_scatter(
        self, scatter: Array, component: int, weights: Array, residuals: Array
    ) -> None:
        scatter += (weights * residuals.T) @ residuals

    def count_unclaimed(
        self, scatter: Array, second_moment: Callable[[], Array]
    ) -> Array:
        return scatter + second_moment()

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
        counts = statistics.weights.sum()
        regression = dense.regression(covariances, factors, columns, missing)
        return dense.lifted(statistics, counts, regression, columns, missing)

    def pooled(self, scatter: Array) -> Array:
        pooled: Array = scatter.sum(axis=0)
        return pooled

    def scatter_size(self, n_components: int, n_features: int) -> int:
        return n_features**2 + n_components**2

    def scatter(self, sums: PassSums, factors: Any) -> Array:
        n_components, n_features = factors.means.shape
        products, shared = np.split(sums.scatter, [n_features**2])
        scatter: Array = dense.mirror_lower(products.reshape(n_features, n_features))
        means = factors.means.astype(np.float64)
        if factors.is_compact:
            # sum r (x - m)(x - m)' = sum r x x' - f m' - m f' - n m m'.
            counts = sums.weights if factors.tails is None else sums.tails[0]
            cross = (sums.first + 0.5 * counts[:, np.newaxis] * means).T @ means
            scatter -= cross + cross.T
            return scatter
        # The kernel's K x K table: rows that prefer component j, as they fall to k.
        shared = shared.reshape(n_components, n_components)
        for mean, row in zip(means, shared, strict=True):
            difference = means - mean
            scatter += (row * difference.T) @ difference
        return scatter

    def more_exact_factors(self, sums: PassSums, factors: Any) -> Any | None:
        if not factors.is_compact:
            return None
        n_features = factors.means.shape[1]
        products = sums.scatter[: n_features**2 : n_features + 1]
        left = np.diag(self.scatter(sums, factors))
        if (left >= np.finfo(factors.means.dtype).eps ** _LOST_DIGITS * products).all():
            return None
        return factors._replace(is_compact=False)

    def kernel_factors(
        self,
        center: Array,
        means: Array,
        precisions_cholesky: Array,
        log_normalizers: Array,
        dtype: DTypeLike,
    ) -> TiedFactors:
        whitened_means = means @ precisions_cholesky
        # What moments about the center will lose, if the covariance stays what it is.
        lost = (whitened_means**2).sum(axis=1).max()
        return TiedFactors(
            center,
            means.astype(dtype),
            whitened_means.astype(dtype),
            np.ascontiguousarray(precisions_cholesky.T, dtype),
            log_normalizers.astype(dtype),
            bool(lost < np.finfo(dtype).eps ** -_LOST_DIGITS),
        )
