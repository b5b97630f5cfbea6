"""How rows are drawn: as points, an image of how many there are, or bars."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from fastem.report.drawn_rows import DrawnRows, Points
from fastem.statistics import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FAINTEST = 0.15  # of a bin with a single row, in an image
_BAR = "#dddddd"


def draw_coloured(axes: Axes, rows: DrawnRows) -> Any:
    """Rows in colours that their shades are: points, or an image if they are many."""
    if rows.points is None:
        return draw_image(axes, rows, rows.shades[..., :3])
    return draw_points(axes, rows.points, rows.points.shades)


def draw_points(axes: Axes, points: Points, colors: Array) -> Any:
    """A point for each row, in colours (n, 4): paler in a crowd."""
    n_points = len(points.coordinates)
    colors = colors.copy()
    colors[:, 3] *= min(1.0, 70 / np.sqrt(max(n_points, 1)))
    size: Any = np.interp(np.log10(max(n_points, 1)), [2, 4.3], [36, 8])
    if len(points.weights):
        size = size * np.clip(points.weights, 0.1, 10)
    x, y = points.coordinates.T
    return axes.scatter(x, y, s=size, c=colors, linewidths=0, rasterized=True)


def draw_image(axes: Axes, rows: DrawnRows, colors: Array) -> Any:
    """A pixel for each bin with rows, in colours (B, B, 3): the deeper, the more."""
    image = np.ones((*rows.counts.shape, 4))
    image[..., :3] = np.nan_to_num(np.clip(colors, 0, 1), nan=1.0)
    image[..., 3] = depth_of(rows.counts)
    (left, right), (bottom, top) = rows.limits
    return axes.imshow(
        image.swapaxes(0, 1),
        origin="lower",
        extent=(left, right, bottom, top),
        aspect="auto",
        interpolation="nearest",
    )


def depth_of(counts: Array) -> Array:
    """Opacity in [0, 1], by the logarithm of the number of rows; 0 where are none."""
    most = max(float(counts.max()), 1.0)
    depth = np.log1p(counts) / np.log1p(most)
    faint: Array = np.where(counts > 0, _FAINTEST + (1 - _FAINTEST) * depth, 0.0)
    return faint


def draw_bars(axes: Axes, rows: DrawnRows, colors: Array | None = None) -> Any:
    """A histogram of a single coordinate, whose bars have the area 1 together.

    Grey, or each bar in a colour of its own.
    """
    ((low, high),) = rows.limits
    edges = np.linspace(low, high, len(rows.counts) + 1)
    n_here = max(rows.n_rows - rows.n_hidden, 1)
    width = edges[1] - edges[0]
    heights = rows.counts / (n_here * width)
    if colors is None:
        return axes.stairs(heights, edges, fill=True, color=_BAR)
    return axes.bar(edges[:-1], heights, width, align="edge", color=colors)


def row_handles(of_views: Sequence[DrawnRows]) -> tuple[list[Any], list[str]]:
    """Marks of rows in these views, what they mean, and notes."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks: list[Any] = []
    names = []
    grey = "#777777"
    plane = [rows for rows in of_views if len(rows.view.labels) == 2]
    if plane and plane[0].points is None:
        marks.append(Patch(color=grey))
        names.append("rows: the deeper, the more")
    elif plane:
        marks.append(Line2D([], [], marker="o", linestyle="", markersize=4, color=grey))
        names.append("a row: the paler, the less certain")
    if len(plane) < len(of_views):
        marks += [Patch(color=_BAR), Line2D([], [], color="black", linewidth=1)]
        names += ["how many rows", "all components together"]
    more, notes = note_handles(of_views)
    return [*marks, *more], [*names, *notes]


def note_handles(of_views: Sequence[DrawnRows]) -> tuple[list[Any], list[str]]:
    """The notes on these views for a legend, without marks."""
    from matplotlib.lines import Line2D

    notes = [fill(note, 30) for note in notes_on(of_views)]
    return [Line2D([], [], linestyle="") for _ in notes], notes


def notes_on(of_views: Sequence[DrawnRows]) -> list[str]:
    """What is not as one would think of the rows in these views, in sentences."""
    notes = []
    hidden = [rows.n_hidden for rows in of_views]
    if any(hidden):
        are = "is" if max(hidden) == 1 else "are"
        notes.append(f"{_up_to(hidden)} {are} not drawn: a value is missing there.")
    outside = [rows.n_outside for rows in of_views]
    if any(outside):
        lie = "lies" if max(outside) == 1 else "lie"
        notes.append(f"{_up_to(outside)} {lie} outside of what is shown.")
    are_points = of_views[-1].points is not None
    if any(rows.is_weighted for rows in of_views):
        notes.append(
            "The heavier a row, the larger."
            if are_points and len(of_views[-1].view.labels) == 2
            else "Rows count by their weights."
        )
    spread = list(dict.fromkeys(label for rows in of_views for label in rows.spread))
    if spread:
        what = "Points of equal" if are_points else "Rows of equal"
        notes.append(f"{what} {' and '.join(spread)} are spread a little, at random.")
    return notes


def _up_to(numbers: Sequence[int]) -> str:
    """So many rows, or as many as in the view with the most."""
    most = max(numbers)
    up_to = "" if len(set(numbers)) == 1 else "Up to "
    return f"{up_to}{most:,} {'row' if most == 1 else 'rows'}"
