"""All components share a variance for each column."""

from typing import ClassVar, final

import numpy as np

from fastem.covariances.representations import Representation, Variances
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class EEI(CovarianceStructure):
    """Covariances of shape (K, D), of equal rows."""

    name: ClassVar[str] = "EEI"
    representation: ClassVar[Representation] = Variances()
    is_shared: ClassVar[bool] = True

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_features

    def estimate(self, spreads: Array, weights: Array) -> Array:
        return np.tile(weights / weights.sum() @ spreads, (len(weights), 1))
