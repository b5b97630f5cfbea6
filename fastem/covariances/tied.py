"""All components share one covariance matrix."""

from typing import ClassVar, final

from fastem.covariances.representations import Representation, SharedMatrix
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class Tied(CovarianceStructure):
    """Covariances of shape (D, D)."""

    name: ClassVar[str] = "tied"
    representation: ClassVar[Representation] = SharedMatrix()
    is_shared: ClassVar[bool] = True

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_features * (n_features + 1) // 2

    def estimate(self, spreads: Array, weights: Array) -> Array:
        return spreads  # pooled already, as the kernels add them up
