"""Covariance structures, one small file each, and the registry of their names."""

from fastem.covariances.diagonal import Diagonal
from fastem.covariances.full import Full
from fastem.covariances.singular import (
    Degeneracy,
    SingularCovarianceError,
    condition_number,
    named_columns,
    needed_rows,
)
from fastem.covariances.spherical import Spherical
from fastem.covariances.structure import CovarianceStructure
from fastem.covariances.tied import Tied

STRUCTURES: dict[str, CovarianceStructure] = {
    structure.name: structure for structure in (Full(), Tied(), Diagonal(), Spherical())
}

__all__ = [
    "STRUCTURES",
    "CovarianceStructure",
    "Degeneracy",
    "SingularCovarianceError",
    "condition_number",
    "named_columns",
    "needed_rows",
]
