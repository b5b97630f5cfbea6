"""A picture of the fourteen structures: what each makes of the same two clusters."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fastem.covariances import STRUCTURES, CovarianceStructure
from fastem.report.figures import new_figure
from fastem.statistics import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEANS = np.array([[0.0, 0.0], [5.0, 1.0]])
_N_COLUMNS = 5


def _covariances() -> Array:
    """A large long cluster that leans to the right, and a small one to the left."""
    turns = np.radians([25.0, 105.0])
    axes = np.array([[np.cos(turns), -np.sin(turns)], [np.sin(turns), np.cos(turns)]])
    axes = axes.transpose(2, 0, 1)
    variances = np.array([[4.0, 0.4], [1.1, 0.5]])
    covariances: Array = (axes * variances[:, np.newaxis]) @ axes.transpose(0, 2, 1)
    return covariances


def _as_structure(structure: CovarianceStructure) -> Array:
    """The likeliest covariances (2, 2, 2) of the structure, if rows have these."""
    representation = structure.representation
    spreads = _covariances()
    if not representation.has_matrices:
        spreads = np.diagonal(spreads, axis1=1, axis2=2)
    elif representation.is_shared:
        spreads = spreads.mean(axis=0)
    estimate = structure.estimate(spreads, np.ones(2))
    return representation.expand(estimate, 2, 2)


def draw_structures() -> "Figure":
    """Draw the same two clusters as each covariance structure takes them.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each structure, in the order of its number of free parameters,
        with ellipses at two standard deviations; the clusters themselves in grey.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    structures = sorted(STRUCTURES.values(), key=lambda s: s.n_parameters(2, 2))
    n_rows = -(-len(structures) // _N_COLUMNS)
    figure = new_figure(2.2 * _N_COLUMNS, 1.9 * n_rows)
    panels = figure.subplots(n_rows, _N_COLUMNS, sharex=True, sharey=True)
    for panel in panels.flat:
        panel.set_axis_off()
    for panel, structure in zip(panels.flat, structures, strict=False):
        _draw_ellipses(panel, _covariances(), color="0.85", fill=True)
        _draw_ellipses(panel, _as_structure(structure), color="C0", fill=False)
        name = "" if structure.name == structure.code else f" ({structure.name})"
        panel.set_title(f"{structure.code}{name}", fontsize=10)
        panel.set_aspect("equal")
        panel.set_xlim(-5, 8.5)
        panel.set_ylim(-3.8, 4.2)
    figure.suptitle(
        "Grey: two clusters. Blue: as each structure takes them, at 2 deviations",
        fontsize=10,
    )
    return figure


def _draw_ellipses(axes: "Axes", covariances: Array, **style: Any) -> None:
    from matplotlib.patches import Ellipse

    for mean, covariance in zip(_MEANS, covariances, strict=True):
        variances, directions = np.linalg.eigh(covariance)
        width, height = 4 * np.sqrt(variances)
        turn = np.degrees(np.arctan2(directions[1, 0], directions[0, 0]))
        axes.add_patch(Ellipse(tuple(mean), width, height, angle=turn, lw=1.6, **style))
