"""Each component has one variance of its own, the same for every column."""

from typing import ClassVar, final

from fastem.covariances.representations import OneVariance, Representation
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class Spherical(CovarianceStructure):
    """Covariances of shape (K,)."""

    name: ClassVar[str] = "spherical"
    code: ClassVar[str] = "VII"
    representation: ClassVar[Representation] = OneVariance()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        variances: Array = spreads.mean(axis=1)
        return variances
