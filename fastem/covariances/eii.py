"""All components are spheres of one size."""

from typing import ClassVar, final

import numpy as np

from fastem.covariances.representations import OneVariance, Representation
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class EII(CovarianceStructure):
    """Covariances of shape (K,), of equal elements."""

    code: ClassVar[str] = "EII"
    name: ClassVar[str] = code
    representation: ClassVar[Representation] = OneVariance()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        return np.full(len(weights), np.average(spreads.mean(axis=1), weights=weights))
