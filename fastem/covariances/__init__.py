"""How covariances follow from scatter: one small file a rule, and their registry.

A *rule* estimates covariances and counts their free parameters. How they are stored,
factorised and handed to the kernels is a *representation*, of which there are four
(:mod:`fastem.covariances.representations`). A new structure is a rule in a file of its
own, and its name below.
"""

from difflib import get_close_matches

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
from fastem.covariances.eev import EEV
from fastem.covariances.eii import EII
from fastem.covariances.eve import EVE
from fastem.covariances.evi import EVI
from fastem.covariances.evv import EVV
from fastem.covariances.full import Full
from fastem.covariances.repeated import Find, Repeated, repeated_values
from fastem.covariances.singular import SingularCovarianceError
from fastem.covariances.spherical import Spherical
from fastem.covariances.structure import CovarianceStructure
from fastem.covariances.tied import Tied
from fastem.covariances.vee import VEE
from fastem.covariances.vei import VEI
from fastem.covariances.vev import VEV
from fastem.covariances.vve import VVE

STRUCTURES: dict[str, CovarianceStructure] = {
    structure.name: structure
    for structure in (
        *(Full(), Tied(), Diagonal(), Spherical()),
        *(EII(), EEI(), VEI(), EVI(), VEE(), EVE(), VVE(), EEV(), VEV(), EVV()),
    )
}

_NAMED = {
    **STRUCTURES,
    **{structure.code: structure for structure in STRUCTURES.values()},
}
COVARIANCE_TYPES = tuple(_NAMED)


def boundable(structure: CovarianceStructure) -> CovarianceStructure:
    """The same, or if it takes no bound, the one that is stored alike and ties nothing."""
    if structure.takes_bound:
        return structure
    alike = (
        rule
        for rule in STRUCTURES.values()
        if type(rule.representation) is type(structure.representation)
    )
    return max(alike, key=lambda rule: rule.n_parameters(2, 2))


def structure_of(covariance_type: str) -> CovarianceStructure:
    """The rule of that name, or of that code of three letters.

    Raises
    ------
    ValueError
        If there is none; the text lists all.
    """
    if covariance_type in COVARIANCE_TYPES:
        return _NAMED[covariance_type]
    names = [
        repr(rule.code) + (f" (or {rule.name!r})" if rule.name != rule.code else "")
        for rule in sorted(STRUCTURES.values(), key=lambda rule: rule.code)
    ]
    alike = {name.lower(): name for name in COVARIANCE_TYPES}
    near = get_close_matches(str(covariance_type).lower(), alike, n=1, cutoff=0.7)
    question = f". Did you mean {alike[near[0]]!r}?" if near else ""
    raise ValueError(
        f"covariance_type must be one of {', '.join(names)}, but is "
        f"{covariance_type!r}{question}"
    )


__all__ = [
    "COVARIANCE_TYPES",
    "STRUCTURES",
    "CovarianceStructure",
    "Degeneracy",
    "Find",
    "Repeated",
    "SingularCovarianceError",
    "boundable",
    "condition_number",
    "named_columns",
    "needed_rows",
    "repeated_in",
    "repeated_in_columns",
    "repeated_values",
    "structure_of",
    "what_helps",
]
