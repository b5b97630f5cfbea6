"""Components have variances of their own, and the same volume."""

from typing import ClassVar, final

from fastem.covariances import volumes
from fastem.covariances.representations import Representation, Variances
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class EVI(CovarianceStructure):
    """Covariances of shape (K, D), of rows with the same product."""

    code: ClassVar[str] = "EVI"
    name: ClassVar[str] = code
    representation: ClassVar[Representation] = Variances()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        return volumes.equal(spreads, volumes.of_variances(spreads), weights)
