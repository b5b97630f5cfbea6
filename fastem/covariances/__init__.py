"""How covariances follow from scatter: one small file a rule, and their registry.

A *rule* estimates covariances and counts their free parameters. How they are stored,
factorised and handed to the kernels is a *representation*, of which there are four
(:mod:`fastem.covariances.representations`). A new structure is a rule in a file of its
own, and its name below.
"""

from fastem.covariances.degeneracy import (
    Degeneracy,
    condition_number,
    named_columns,
    needed_rows,
    repeated_in,
    repeated_in_columns,
    what_helps,
)
from fastem.covariances.diagonal import Diagonal
from fastem.covariances.eei import EEI
from fastem.covariances.full import Full
from fastem.covariances.repeated import Find, Repeated, repeated_values
from fastem.covariances.singular import SingularCovarianceError
from fastem.covariances.spherical import Spherical
from fastem.covariances.structure import CovarianceStructure
from fastem.covariances.tied import Tied

STRUCTURES: dict[str, CovarianceStructure] = {
    structure.name: structure
    for structure in (Full(), Tied(), Diagonal(), Spherical(), EEI())
}

__all__ = [
    "STRUCTURES",
    "CovarianceStructure",
    "Degeneracy",
    "Find",
    "Repeated",
    "SingularCovarianceError",
    "condition_number",
    "named_columns",
    "needed_rows",
    "repeated_in",
    "repeated_in_columns",
    "repeated_values",
    "what_helps",
]
