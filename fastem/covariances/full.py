"""Each component has its own covariance matrix."""

from typing import ClassVar, final

from fastem.covariances.representations import Matrices, Representation
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class Full(CovarianceStructure):
    """Covariances of shape (K, D, D)."""

    name: ClassVar[str] = "full"
    representation: ClassVar[Representation] = Matrices()

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * n_features * (n_features + 1) // 2

    def estimate(self, spreads: Array, weights: Array) -> Array:
        return spreads
