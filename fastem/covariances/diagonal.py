"""Each component has a variance of its own for each column."""

from typing import ClassVar, final

from fastem.covariances.representations import Representation, Variances
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class Diagonal(CovarianceStructure):
    """Covariances of shape (K, D)."""

    name: ClassVar[str] = "diag"
    code: ClassVar[str] = "VVI"
    representation: ClassVar[Representation] = Variances()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        return spreads
