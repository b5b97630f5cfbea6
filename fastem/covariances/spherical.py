"""Each component has one variance of its own, the same for every column."""

from typing import ClassVar, final

from fastem.covariances.representations import OneVariance, Representation
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class Spherical(CovarianceStructure):
    """Covariances of shape (K,)."""

    name: ClassVar[str] = "spherical"
    representation: ClassVar[Representation] = OneVariance()

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components

    def estimate(self, spreads: Array, weights: Array) -> Array:
        variances: Array = spreads.mean(axis=1)
        return variances
