"""Each component has a variance of its own for each column."""

from typing import ClassVar, final

from fastem.covariances.representations import Representation, Variances
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class Diagonal(CovarianceStructure):
    """Covariances of shape (K, D)."""

    name: ClassVar[str] = "diag"
    representation: ClassVar[Representation] = Variances()

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * n_features

    def estimate(self, spreads: Array, weights: Array) -> Array:
        return spreads
