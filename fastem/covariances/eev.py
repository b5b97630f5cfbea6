"""Components have the same size and shape, along axes of their own."""

from typing import ClassVar, final

import numpy as np

from fastem.covariances import axes
from fastem.covariances.representations import Matrices, Representation
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class EEV(CovarianceStructure):
    """Covariances of shape (K, D, D), of equal eigenvalues."""

    code: ClassVar[str] = "EEV"
    name: ClassVar[str] = code
    representation: ClassVar[Representation] = Matrices()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        variances, own_axes = axes.own(spreads)
        shared = np.average(variances, axis=0, weights=weights)
        return axes.along(own_axes, np.tile(shared, (len(weights), 1)))
