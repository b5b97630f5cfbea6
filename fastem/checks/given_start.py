"""The parts of a start that the user gave."""

from dataclasses import dataclass
from typing import Self

from numpy.typing import ArrayLike

from fastem.checks import validation
from fastem.covariances import CovarianceStructure
from fastem.statistics import Array


@dataclass(frozen=True)
class GivenStart:
    """The parts of a start that the user gave; None for the others."""

    weights: Array | None = None
    means: Array | None = None
    precisions: Array | None = None

    @classmethod
    def checked(
        cls,
        weights: ArrayLike | None,
        means: ArrayLike | None,
        precisions: ArrayLike | None,
        structure: CovarianceStructure,
        shape: tuple[int, int],
    ) -> Self:
        """Validated copies of the user's ``*_init``, for (K, D) = ``shape``."""
        return cls(
            None
            if weights is None
            else validation.check_weights(weights, shape[0], "weights_init"),
            None
            if means is None
            else validation.check_means(means, shape, "means_init"),
            None
            if precisions is None
            else validation.check_positive_definite(
                precisions, structure, *shape, "precisions_init"
            ),
        )

    @property
    def is_empty(self) -> bool:
        """Whether the user gave nothing."""
        return self.weights is None and self.means is None and self.precisions is None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to estimate from the rows."""
        return not (
            self.weights is None or self.means is None or self.precisions is None
        )
