"""All components share a variance for each column."""

from typing import ClassVar, final

import numpy as np

from fastem.covariances.representations import Representation, Variances
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class EEI(CovarianceStructure):
    """Covariances of shape (K, D), of equal rows."""

    code: ClassVar[str] = "EEI"
    name: ClassVar[str] = code
    representation: ClassVar[Representation] = Variances()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        return np.tile(weights / weights.sum() @ spreads, (len(weights), 1))
