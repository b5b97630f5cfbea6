"""Components differ in size; their shape and axes are the same."""

from typing import ClassVar, final

from fastem.covariances import volumes
from fastem.covariances.representations import Matrices, Representation
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class VEE(CovarianceStructure):
    """Covariances of shape (K, D, D), of matrices in proportion."""

    code: ClassVar[str] = "VEE"
    name: ClassVar[str] = code
    representation: ClassVar[Representation] = Matrices()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        sizes = None if before is None else volumes.of_matrices(before)
        return volumes.matrices_in_proportion(spreads, weights, sizes)
