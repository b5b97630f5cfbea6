"""The contract of a covariance structure."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from fastem.kernels import PassSums
from fastem.statistics import Array, MixtureParameters, SufficientStatistics

# A component with less than this share of all responsibility has none: products
# of so small numbers with squared distances are no longer exact.
_EMPTY = 1e-280


class SingularCovarianceError(ValueError):
    """A covariance is not positive definite, so its density has no bound.

    Attributes
    ----------
    component : int or None
        The component, or None where all components share the covariance.
    columns : tuple of int
        The columns without variance of their own, given the ones before them.
    """

    def __init__(
        self,
        component: int | None,
        columns: tuple[int, ...],
        names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(component, columns, names)
        self.component = component
        self.columns = columns
        self._names = names

    def with_names(self, names: Sequence[str] | None) -> "SingularCovarianceError":
        """The same error, with names for all columns of the data."""
        return SingularCovarianceError(self.component, self.columns, names)

    def __str__(self) -> str:
        names = [
            str(j) if self._names is None else repr(self._names[j])
            for j in self.columns
        ]
        whose = (
            "The covariance that the components share"
            if self.component is None
            else f"The covariance of component {self.component}"
        )
        if not names:
            why = "its rows do not differ"
        elif len(names) == 1:
            why = (
                f"column {names[0]} is constant among its rows, or a linear "
                "combination of other columns"
            )
        else:
            why = (
                f"columns {', '.join(names)} are constant among its rows, or "
                "linear combinations of other columns"
            )
        return (
            f"{whose} is singular: {why}. Use fewer components, leave such columns "
            "out, or raise reg_covar (it is added to every variance, so choose it in "
            "the units of the data)."
        )


class CovarianceStructure(ABC):
    """How the components' covariances may differ, and how they follow from data.

    A new structure is a final subclass in a file of its own and an entry in
    ``STRUCTURES``. ``covariances``, ``scatter`` and ``precisions_cholesky`` are
    arrays in the structure's own shape. K is the number of components, D of columns.
    """

    name: ClassVar[str]
    has_matrices: ClassVar[bool]  # matrices (..., D, D) rather than variances

    @abstractmethod
    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Shape of the covariances."""

    @abstractmethod
    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Number of free parameters of the covariances."""

    @abstractmethod
    def estimate(self, statistics: SufficientStatistics, ridge: float) -> Array:
        """Maximum-likelihood covariances, plus ``ridge`` on every variance."""

    @abstractmethod
    def cholesky(self, covariances: Array) -> Array:
        """precisions_cholesky; raises SingularCovarianceError."""

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
    def log_determinants(self, precisions_cholesky: Array, n_features: int) -> Array:
        """log det U for each component: shape (K,) or (1,)."""

    @abstractmethod
    def coordinates(self, base: MixtureParameters, precisions_cholesky: Array) -> Array:
        """Where covariances lie, as seen from the ones of ``base``: shape of U.

        Logarithms of diagonal elements, the other elements as they are, of U in the
        units of the base's: inv(U_base) U. Scaled so that the squared length is twice
        the Kullback-Leibler divergence per row from the base, to second order.
        """

    @abstractmethod
    def from_coordinates(self, base: MixtureParameters, coordinates: Array) -> Array:
        """precisions_cholesky, from what :meth:`coordinates` returned."""

    @abstractmethod
    def expand(self, covariances: Array, n_components: int, n_features: int) -> Array:
        """Dense covariances, shape (K, D, D)."""

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
        """The kernel's flat scatter in the structure's shape."""

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

    def count_unclaimed(
        self, scatter: Array, second_moment: Callable[[], Array]
    ) -> Array:
        """Scatter of a start whose responsibilities cover only some of the rows.

        ``second_moment`` walks over the other rows and returns the sum of row row',
        (D, D). Only a structure that takes it for scatter, as scikit-learn's does,
        calls it.
        """
        return scatter

    def factors(self, parameters: MixtureParameters, dtype: DTypeLike) -> Any:
        """What the kernels need of the parameters, in their type."""
        n_features = parameters.means.shape[1]
        center = parameters.center
        log_normalizers = (
            parameters.log_weights
            + self.log_determinants(parameters.precisions_cholesky, n_features)
            - 0.5 * n_features * np.log(2 * np.pi)
        )
        return self.kernel_factors(
            center,
            # Users' starts come in any layout, and kernels take one.
            np.ascontiguousarray(parameters.means) - center,
            np.ascontiguousarray(parameters.precisions_cholesky),
            log_normalizers,
            dtype,
        )

    def statistics(self, sums: PassSums, factors: Any) -> SufficientStatistics:
        """The sums of a pass with these factors, as statistics."""
        reference = factors.center + factors.means.astype(np.float64)
        return SufficientStatistics(
            sums.log_likelihood,
            sums.weights,
            reference,
            sums.first,
            self.scatter(sums, factors),
        )

    def maximize(
        self, statistics: SufficientStatistics, ridge: float
    ) -> MixtureParameters:
        """The maximisation step: the parameters under which the rows are likeliest.

        A component without rows stays where it was, with weight 0.
        """
        covariances = self.estimate(statistics, ridge)
        return MixtureParameters(
            weights=statistics.weights / statistics.weights.sum(),
            means=statistics.reference + mean_shifts(statistics),
            covariances=covariances,
            precisions_cholesky=self.cholesky(covariances),
        )


def counted_weights(statistics: SufficientStatistics) -> Array:
    """Sums of responsibilities to divide by: never 0."""
    smallest = _EMPTY * float(statistics.weights.sum())
    return np.maximum(statistics.weights, smallest)


def mean_shifts(statistics: SufficientStatistics) -> Array:
    """The new means less the reference points, shape (K, D)."""
    shifts: Array = statistics.first / counted_weights(statistics)[:, np.newaxis]
    return shifts
