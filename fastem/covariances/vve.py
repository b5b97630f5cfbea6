"""Components have variances of their own along axes that are the same."""

from typing import ClassVar, final

from fastem.covariances import axes
from fastem.covariances.representations import Matrices, Representation
from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array


@final
class VVE(CovarianceStructure):
    """Covariances of shape (K, D, D), of equal eigenvectors."""

    code: ClassVar[str] = "VVE"
    name: ClassVar[str] = code
    representation: ClassVar[Representation] = Matrices()

    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        def free(variances: Array) -> Array:
            if self.bound is None:
                return variances
            return self.bound.clipped(variances, weights)

        return axes.along(*axes.common(spreads, weights, free, before))
