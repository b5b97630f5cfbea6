"""How covariances follow from scatter: fourteen structures, one small file a rule.

Which one to choose
===================
`covariance_type` says what components have in common. A code has three letters, for
the volume, the shape and the axes of the ellipsoids: E where they are equal, V where
each component has its own, I for spheres, or for axes along the columns (G. Celeux,
G. Govaert, "Gaussian parsimonious clustering models", 1995; R's mclust has the same
codes). Parameters are those of K covariances in D columns, here for K = 4, D = 10.

| code | name | parameters | clusters are |
| --- | --- | --- | --- |
| EII | | 1 | balls of one size: what k-means supposes |
| VII | 'spherical' | 4 | balls, each of its own size |
| EEI | | 10 | alike, no column tells of another: many columns, few rows |
| VEI | | 13 | the same proportions, some larger: spread grows with rank or age |
| EVI | | 37 | as large as each other, long in different columns |
| VVI | 'diag' | 40 | free, but no column tells of another |
| EEE | 'tied' | 55 | alike, and tilted: linear borders between them |
| VEE | | 58 | one tilted shape, in several sizes |
| EVE | | 82 | as large as each other, long along common tilted axes |
| VVE | | 85 | free along common tilted axes |
| EEV | | 190 | one size and shape, each turned its own way |
| VEV | | 193 | one shape, each in its size and turned its own way |
| EVV | | 217 | free, but none larger than another |
| VVV | 'full' | 220 | free: the default, where there are rows for it |

The more a structure has in common, the fewer rows it needs, and the less can go wrong.
Where several would do, BIC chooses; on small tables it often takes one of the ten that
scikit-learn does not have:

>>> from fastem import GaussianMixture
>>> from sklearn.datasets import load_iris
>>> X = load_iris().data
>>> bic = {}
>>> for name in ("full", "tied", "diag", "spherical", "VEV"):
...     model = GaussianMixture(2, covariance_type=name, n_init=5, random_state=0)
...     bic[name] = model.fit(X).bic(X)
>>> min(bic, key=bic.get)
'VEV'

What each makes of the same two clusters can be drawn:

>>> from fastem.report.structures import draw_structures
>>> draw_structures().savefig("structures.png")

With one column the last two letters mean nothing: all that begin with E are
one model, and all that begin with V another. EII, VII, EVE, VVE, EEV and VEV compare
columns with each other: where those are in unlike units, standardise them first.

`covariances_` has scikit-learn's shape for the four that scikit-learn knows, under
either name; it is (K,) for EII, (K, D) for EEI, VEI and EVI, else (K, D, D).

Against spikes
==============
A component that closes in on a few equal rows has no largest likelihood. `reg_covar`
adds to every variance; `covariance_ratio` bounds the ratio of eigenvalues, in units of
the columns' deviations, which needs no unit and is exact:

>>> X = [[0.0, 0.1], [0.2, 0.0], [0.1, 0.3], [9.0, 9.0], [9.0, 9.0], [9.0, 9.0]]
>>> model = GaussianMixture(2, covariance_ratio=10, reg_covar=0, random_state=0).fit(X)
>>> model.weights_.round(2)
array([0.5, 0.5])

For those who add one
=====================
A *rule* estimates covariances; its code counts their free parameters. How they are
stored, factorised and handed to the kernels is a *representation*, of which there are
four, in the folder `representations`. A new structure is a rule in a file
of its own, and its name below.
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
    """The same, or if it takes no bound, the one stored alike that ties nothing."""
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
