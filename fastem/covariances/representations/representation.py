"""The contract of a representation: all about covariances but how they follow."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastem.covariances.representations import dense, student
from fastem.kernels import PassSums, StudentTails, Uniform
from fastem.statistics import (
    EPS,
    Array,
    MixtureParameters,
    Ridge,
    SufficientStatistics,
    TailSums,
)

# A component with less than this share of all responsibility has none: products
# of so small numbers with squared distances are no longer exact.
_EMPTY = 1e-280


# Of the rounding of float32 by whitening, and how many times less a distance counts.
# With a column that was the sum of two others and a ridge, 'tied' fits to 3,000 rows
# ended 3e-7 nats a row from those in float64 at 1.4, 2e-5 at 12 and 2e-3 at 120; with
# clusters 1,000 deviations apart at 2e-10. Iris has 2.5, breast cancer 78.
_LARGEST_AMPLIFICATION = 8.0
_DISTANCE_COUNTS = 256.0


class Representation(ABC):
    """How covariances are stored, factorised, summed up by a pass and moved about in.

    ``covariances``, ``scatter`` and ``precisions_cholesky`` are arrays in its own
    shape. K is the number of components, D of columns.
    """

    has_matrices: ClassVar[bool]  # matrices (..., D, D) rather than variances
    is_shared: ClassVar[bool] = False  # one for all components, as is their scatter

    @abstractmethod
    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Shape of the covariances."""

    @abstractmethod
    def spreads(self, statistics: SufficientStatistics, ridge: Ridge) -> Array:
        """Covariances of the rows about their means, plus ``ridge`` on every variance.

        Of each component's own rows, (K, D, D), or their variances, (K, D); where
        scatter is shared, of all rows about their component's mean, (D, D).
        """

    @abstractmethod
    def variances(self, covariances: Array) -> Array:
        """The variances in them: (K, D), with 1 for what K or D share."""

    @abstractmethod
    def cholesky(self, covariances: Array, eps: float = EPS) -> Array:
        """precisions_cholesky; raises SingularCovarianceError.

        ``eps`` is the relative rounding of the covariances.
        """

    @abstractmethod
    def cholesky_of_precisions(self, precisions: Array) -> Array:
        """precisions_cholesky, from the inverses of the covariances."""

    @abstractmethod
    def gram(self, factors: Array) -> Array:
        """U U' for each upper triangular U: precisions from precisions_cholesky."""

    @abstractmethod
    def invert(self, precisions_cholesky: Array) -> Array:
        """Covariances from precisions_cholesky."""

    @abstractmethod
    def inverse_factors(self, precisions_cholesky: Array) -> Array:
        """inv(U): what leads back from whitened points."""

    @abstractmethod
    def log_determinants(self, precisions_cholesky: Array, n_features: int) -> Array:
        """log det U for each component: shape (K,) or (1,)."""

    @abstractmethod
    def coordinates(
        self, base: MixtureParameters, inverses: Array, precisions_cholesky: Array
    ) -> Array:
        """Where covariances lie, as seen from the ones of ``base``: shape of U.

        Logarithms of diagonal elements, the other elements as they are, of U in the
        units of the base's: inv(U_base) U. Scaled so that the squared length is twice
        the Kullback-Leibler divergence per row from the base, to second order.
        ``inverses`` are the base's :meth:`inverse_factors`.
        """

    @abstractmethod
    def from_coordinates(self, base: MixtureParameters, coordinates: Array) -> Array:
        """precisions_cholesky, from what :meth:`coordinates` returned."""

    @abstractmethod
    def expand(self, covariances: Array, n_components: int, n_features: int) -> Array:
        """Dense covariances, shape (K, D, D)."""

    @abstractmethod
    def compact(self, dense_matrices: Array) -> Array:
        """What :meth:`expand` makes matrices (K, D, D) of, if they are of this kind."""

    @abstractmethod
    def zero_scatter(self, n_components: int, n_features: int) -> Array:
        """Scatter of no rows."""

    @abstractmethod
    def add_scatter(
        self, scatter: Array, component: int, weights: Array, residuals: Array
    ) -> None:
        """Add to scatter, in place, what rows give to one component.

        ``weights`` (N,) are responsibilities; ``residuals`` (N, D) are the rows less
        the component's reference point.
        """

    @abstractmethod
    def scatter_size(self, n_components: int, n_features: int) -> int:
        """Number of sums that the kernel keeps as scatter."""

    @abstractmethod
    def scatter(self, sums: PassSums, factors: Any) -> Array:
        """The kernel's flat scatter in this shape."""

    def more_exact_factors(self, sums: PassSums, factors: Any) -> Any | None:
        """Factors to repeat a pass with, whose sums lost too many digits; or None."""
        return None

    @abstractmethod
    def kernel_factors(
        self,
        center: Array,
        means: Array,
        precisions_cholesky: Array,
        log_normalizers: Array,
        dtype: DTypeLike,
    ) -> Any:
        """The kernel's factors, from means relative to the center."""

    @abstractmethod
    def marginal(
        self, covariances: Array, factors: Array, columns: NDArray[np.intp]
    ) -> tuple[Array, Array]:
        """Covariances and precisions_cholesky of some of the columns."""

    @abstractmethod
    def lift(
        self,
        statistics: SufficientStatistics,
        covariances: Array,
        factors: Array,
        columns: NDArray[np.intp],
        missing: NDArray[np.intp],
    ) -> tuple[Array, Array]:
        """First moments and scatter in all columns, of rows that have ``columns``.

        Their expectations, given what the rows have. ``covariances`` are those of all
        columns, ``factors`` the precisions_cholesky of the columns present.
        """

    @abstractmethod
    def pooled(self, scatter: Array) -> Array:
        """Scatter in this shape, from matrices (K, D, D)."""

    def count_unclaimed(
        self, scatter: Array, second_moment: Callable[[], Array]
    ) -> Array:
        """Scatter of a start whose responsibilities cover only some of the rows.

        ``second_moment`` walks over the other rows and returns the sum of row row',
        (D, D). Only a representation that takes it for scatter, as scikit-learn does,
        calls it.
        """
        return scatter

    def amplification(self, parameters: MixtureParameters) -> float:
        """By how much whitening enlarges the rounding of rows. No unit matters to it.

        A whitened value is the sum of U_ij (x_i - m_i), each of which is rounded by a
        share of the column's deviation, and of the mean's distance from the mixture's
        center. Of that all rows get the same, so that it moves no covariance.
        """
        means = (parameters.means - parameters.center) / _DISTANCE_COUNTS
        reach = means**2 + self.variances(parameters.covariances)
        squares = parameters.precisions_cholesky**2
        if self.has_matrices:
            whitened = (reach[:, np.newaxis] @ squares)[:, 0]
        else:
            whitened = reach * squares.reshape(len(reach), -1)
        return math.sqrt(float(whitened.max()))

    def log_peaks(self, parameters: MixtureParameters) -> Array:
        """Logarithms of each component's weight times density at its mean: (K,)."""
        n_features = parameters.means.shape[1]
        peaks: Array = (
            parameters.log_weights
            + self.log_determinants(parameters.precisions_cholesky, n_features)
            - 0.5 * n_features * np.log(2 * np.pi)
        )
        if parameters.degrees_of_freedom is not None:
            peaks += 0.5 * n_features * np.log(2 * np.pi)
            peaks += student.log_constants(parameters.degrees_of_freedom, n_features)
        return peaks

    def factors(self, parameters: MixtureParameters, dtype: DTypeLike) -> Any:
        """What the kernels need of the parameters, in their type.

        That is ``dtype``, the rows', but float64 where rounding to float32 would be
        enlarged too much.
        """
        is_narrow = np.dtype(dtype) == np.float32
        if is_narrow and self.amplification(parameters) > _LARGEST_AMPLIFICATION:
            dtype = np.float64
        n_features = parameters.means.shape[1]
        center = parameters.center
        v = parameters.degrees_of_freedom
        factors = self.kernel_factors(
            center,
            # Users' starts come in any layout, and kernels take one.
            np.ascontiguousarray(parameters.means) - center,
            np.ascontiguousarray(parameters.precisions_cholesky),
            self.log_peaks(parameters),
            dtype,
        )
        if parameters.background is not None:
            uniform = Uniform(parameters.background.log_density)
            factors = factors._replace(background=uniform)
        if v is not None:
            dtype = factors.means.dtype
            tails = student.kernel_tails(v, n_features, dtype)
            factors = factors._replace(tails=tails)
        return factors

    def statistics_by(
        self,
        make_pass: Callable[[Any], PassSums],
        parameters: MixtureParameters,
        dtype: DTypeLike,
    ) -> tuple[PassSums, SufficientStatistics]:
        """The sums of a pass under the parameters, and what they say.

        ``make_pass`` is given the kernels' factors; it is called a second time, with
        other factors, if the sums of the first have lost too many digits.
        """
        factors = self.factors(parameters, dtype)
        sums = make_pass(factors)
        more_exact = self.more_exact_factors(sums, factors)
        if more_exact is not None:
            factors = more_exact
            sums = make_pass(factors)
        return sums, self.statistics(sums, factors)

    def statistics(self, sums: PassSums, factors: Any) -> SufficientStatistics:
        """The sums of a pass with these factors, as statistics."""
        means = factors.means.astype(np.float64)
        reference = factors.center + means
        eps = float(np.finfo(factors.means.dtype).eps)
        return SufficientStatistics(
            sums.log_likelihood,
            sums.weights,
            reference,
            sums.first,
            self.scatter(sums, factors),
            eps,
            eps * np.abs(means),
            sums.background,
            tails=_tail_sums(sums, factors.tails, means.shape[1]),
        )

    def statistics_of(
        self, parameters: MixtureParameters, n_rows: float, ridge: Ridge
    ) -> SufficientStatistics:
        """Statistics of so many rows, of which any rule makes these parameters.

        About their means: so nothing is lost that the parameters have.
        """
        shape = parameters.means.shape
        background, v = parameters.background_weight, parameters.degrees_of_freedom
        scale = parameters.weights.sum() + background
        weights = n_rows * parameters.weights / scale
        if self.has_matrices:
            spreads = dense.add_to_diagonal(parameters.covariances.copy(), -ridge)
        else:
            variances = self.variances(parameters.covariances)
            spreads = np.broadcast_to(variances, shape) - ridge
        counts = weights.reshape(-1, *[1] * (spreads.ndim - 1))
        return SufficientStatistics(
            0.0,
            weights,
            parameters.means,
            np.zeros(shape),
            spreads * (weights.sum() if self.is_shared else counts),
            background=n_rows * background / scale,
            tails=None if v is None else student.expected_tail_sums(weights, v),
        )

    def move(
        self, statistics: SufficientStatistics, reference: Array
    ) -> SufficientStatistics:
        """The same statistics about other points (K, D): Steiner's parallel axes.

        Scatter about c is scatter about the mean m plus n (m - c)(m - c)'.
        """
        shifts = mean_shifts(statistics)
        moves = reference - statistics.reference
        scatter = statistics.scatter.copy()
        for k, count in enumerate(statistics.counts):
            residuals = np.stack([shifts[k], shifts[k] - moves[k]])
            self.add_scatter(scatter, k, np.array([-count, count]), residuals)
        return replace(
            statistics,
            reference=reference,
            first=statistics.first - statistics.counts[:, np.newaxis] * moves,
            scatter=scatter,
        )

    def column_variances(self, parameters: MixtureParameters) -> Array:
        """The variances of the columns under the mixture: (D,)."""
        shares = parameters.weights / parameters.weights.sum()
        within = np.broadcast_to(
            self.variances(parameters.covariances), parameters.means.shape
        )
        between = (parameters.means - parameters.center) ** 2
        variances: Array = shares @ (within + between)
        return variances

    def ridge_shares(self, precisions_cholesky: Array, ridge: Ridge) -> Array:
        """The ridge's share of what each column varies, given all other columns.

        That is the ridge over 1 / precision_jj: (K, D), with 1 for what K or D share.
        """
        squares = precisions_cholesky**2
        if self.has_matrices:
            shares: Array = np.atleast_2d(squares.sum(axis=-1)) * ridge
            return shares
        precisions = squares.reshape(len(squares), -1)
        return precisions * (ridge if precisions.shape[1] > 1 else np.mean(ridge))


def counted_weights(statistics: SufficientStatistics) -> Array:
    """Sums of responsibilities to divide by: never 0."""
    smallest = _EMPTY * statistics.total
    return np.maximum(statistics.weights, smallest)


def mean_shifts(statistics: SufficientStatistics) -> Array:
    """The new means less the reference points, shape (K, D)."""
    counts = np.maximum(statistics.counts, _EMPTY * statistics.total)
    shifts: Array = statistics.first / counts[:, np.newaxis]
    return shifts


def count_ratios(statistics: SufficientStatistics) -> Array:
    """How many rows count in moments for each that belongs to a component: (K,)."""
    smallest = _EMPTY * statistics.total
    ratios: Array = np.maximum(statistics.counts, smallest) / counted_weights(
        statistics
    )
    return ratios


def _tail_sums(
    sums: PassSums, tails: StudentTails | None, n_features: int
) -> TailSums | None:
    """What the kernels have summed up of Student's tails."""
    if tails is None:
        return None
    v = tails.degrees_of_freedom
    counts, logarithms = sums.tails
    more = student.expected_logarithms(v, n_features) * sums.weights
    return TailSums(v, counts, logarithms + more)
