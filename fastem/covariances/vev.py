"""Components have the same shape, in sizes and along axes of their own."""

from typing import ClassVar, final

from fastem.covariances import axes, volumes
from fastem.covariances.representations import Matrices, Representation
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class VEV(CovarianceStructure):
    """Covariances of shape (K, D, D), of eigenvalues in proportion."""

    code: ClassVar[str] = "VEV"
    name: ClassVar[str] = code
    representation: ClassVar[Representation] = Matrices()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        variances, own_axes = axes.own(spreads)
        sizes = None if before is None else volumes.of_matrices(before)
        return axes.along(own_axes, volumes.in_proportion(variances, weights, sizes))
