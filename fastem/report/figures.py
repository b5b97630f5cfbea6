"""Figures of matplotlib, which is optional."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastem.storage.writing import PathLike, complete_or_absent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEEDS_MATPLOTLIB = "pictures need matplotlib: pip install 'fastem[plot]'"
SUFFIXES = (".png", ".svg", ".pdf")
_DOTS_PER_INCH = 150


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches.

    Not through pyplot, which would choose a backend for the whole process.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(NEEDS_MATPLOTLIB) from error
    return Figure(figsize=(width, height), layout="constrained")


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """The user's axes, or those of a new figure of pyplot's, of so many inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(NEEDS_MATPLOTLIB) from error
    _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    return ax


def panels_within(ax: Axes, n_rows: int, n_columns: int, **grid: Any) -> Any:
    """Several axes in the place of one, which is not seen then: an array (2-D)."""
    from matplotlib.gridspec import GridSpecFromSubplotSpec

    ax.set_axis_off()
    place = ax.get_subplotspec()
    if place is None:  # of axes that were put somewhere by hand
        box = ax.get_position()
        whole = ax.figure.add_gridspec(
            1, 1, left=box.x0, right=box.x1, bottom=box.y0, top=box.y1
        )
        place = whole[0]
    cells = GridSpecFromSubplotSpec(n_rows, n_columns, subplot_spec=place, **grid)
    panels = np.empty((n_rows, n_columns), dtype=object)
    for i in range(n_rows):
        for j in range(n_columns):
            panels[i, j] = ax.figure.add_subplot(cells[i, j])
    return panels


def without_formulas(figure: Any) -> Any:
    """The same figure, in whose texts dollars stand for nothing else.

    Names of columns may have several, as of prices, which matplotlib takes for TeX.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure


def write_figure(figure: Any, path: PathLike) -> None:
    """Write it to a file, of the kind that its name ends in."""
    without_formulas(figure)
    with complete_or_absent(path) as temporary:
        suffix = Path(path).suffix[1:].lower()
        figure.savefig(temporary, format=suffix, dpi=_DOTS_PER_INCH)
