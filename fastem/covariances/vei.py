"""Components differ in size; columns vary in the same proportions in each."""

from typing import ClassVar, final

from fastem.covariances import volumes
from fastem.covariances.representations import Representation, Variances
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class VEI(CovarianceStructure):
    """Covariances of shape (K, D), of rows in proportion."""

    code: ClassVar[str] = "VEI"
    name: ClassVar[str] = code
    representation: ClassVar[Representation] = Variances()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        sizes = None if before is None else volumes.of_variances(before)
        return volumes.in_proportion(spreads, weights, sizes)
