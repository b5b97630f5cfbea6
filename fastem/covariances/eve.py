"""Components have the same volume and axes, and shapes of their own."""

from typing import ClassVar, final

from fastem.covariances import axes, volumes
from fastem.covariances.representations import Matrices, Representation
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class EVE(CovarianceStructure):
    """Covariances of shape (K, D, D), of equal eigenvectors and determinants."""

    code: ClassVar[str] = "EVE"
    name: ClassVar[str] = code
    representation: ClassVar[Representation] = Matrices()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        def of_equal_volumes(variances: Array) -> Array:
            return volumes.equal(variances, volumes.of_variances(variances), weights)

        return axes.along(*axes.common(spreads, weights, of_equal_volumes, before))
