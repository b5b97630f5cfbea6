"""Each component has its own covariance matrix."""

from typing import ClassVar, final

from fastem.covariances.representations import Matrices, Representation
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class Full(CovarianceStructure):
    """Covariances of shape (K, D, D)."""

    name: ClassVar[str] = "full"
    code: ClassVar[str] = "VVV"
    representation: ClassVar[Representation] = Matrices()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        return spreads
