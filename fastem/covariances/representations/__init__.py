"""How covariances are stored and whitened: four ways, whatever rule estimates them."""

from fastem.covariances.representations.matrices import Matrices
from fastem.covariances.representations.one_variance import OneVariance
from fastem.covariances.representations.representation import (
    Representation,
    mean_shifts,
)
from fastem.covariances.representations.shared_matrix import SharedMatrix
from fastem.covariances.representations.variances import Variances

__all__ = [
    "Matrices",
    "OneVariance",
    "Representation",
    "SharedMatrix",
    "Variances",
    "mean_shifts",
]
