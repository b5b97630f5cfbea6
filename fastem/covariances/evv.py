"""Components have matrices of their own, and the same volume."""

from typing import ClassVar, final

from fastem.covariances import volumes
from fastem.covariances.representations import Matrices, Representation
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class EVV(CovarianceStructure):
    """Covariances of shape (K, D, D), of equal determinants."""

    code: ClassVar[str] = "EVV"
    name: ClassVar[str] = code
    representation: ClassVar[Representation] = Matrices()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        return volumes.equal(spreads, volumes.of_matrices(spreads), weights)
