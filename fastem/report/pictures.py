"""A picture of a mixture: its rows, and the ellipses of its components."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import ArrayLike

from fastem.mixture import GaussianMixture
from fastem.mixture.tails import degrees_of_freedom_of
from fastem.report.colors import colors_of_memberships, component_colors
from fastem.report.component_marks import (
    component_handles,
    draw_densities,
    draw_ellipses,
    held_by_rings,
    ring_handles,
)
from fastem.report.description import column_names
from fastem.report.discriminants import discriminant_view
from fastem.report.drawn_rows import MAX_POINTS, DrawnRows, draw_rows_in
from fastem.report.figures import SUFFIXES, axes_or_new, new_figure, write_figure
from fastem.report.row_marks import draw_bars, draw_coloured, notes_on, row_handles
from fastem.report.separation import separating_views
from fastem.report.views import View, chosen_columns
from fastem.storage.writing import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SUFFIXES", "ClusterDisplay", "draw_clusters"]

_SIZE = (8, 5.5)  # inches
_SPACES = ("columns", "discriminant")


class ClusterDisplay:
    """Rows and the components of a mixture, in two coordinates or one.

    Rows have the colour of their likeliest component and are the paler the less
    certain that is. Of more than ``max_points`` an image shows how many there are
    where: the deeper, the more; where components mix, so do colours. Ellipses lie at 1
    and 2 standard deviations (for Student's t times its scale). A column of few
    distinct values is spread at random by at most a third of their distance. With a
    single column, a histogram and the densities.

    Parameters
    ----------
    model : GaussianMixture
    rows : DrawnRows
        As :meth:`from_estimator` finds them.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    ellipses_ : list of matplotlib Ellipse
        Two for each component, those of lighter ones first; none with a single column.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import ClusterDisplay, GaussianMixture
    >>> random = np.random.default_rng(0)
    >>> X = np.vstack([random.normal(m, 1, (200, 4)) for m in (0, 4)])
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> display = ClusterDisplay.from_estimator(model, X, columns=[0, 3])
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('x0', 'x3')
    """

    ax_: Axes
    figure_: Figure
    ellipses_: list[Any]

    def __init__(self, model: GaussianMixture, rows: DrawnRows) -> None:
        self.model = model
        self.rows = rows

    @classmethod
    def from_estimator(
        cls,
        model: GaussianMixture,
        X: Any,
        *,
        sample_weight: ArrayLike | str | None = None,
        columns: Sequence[str | int] | None = None,
        space: str = "columns",
        feature_names: Sequence[str] | None = None,
        max_points: int = MAX_POINTS,
        ax: Axes | None = None,
    ) -> Self:
        """Of a fitted mixture and rows, drawn.

        Parameters
        ----------
        model : GaussianMixture
            Fitted, or made from parameters.
        X : array-like of shape (N, D), or what ``fit`` can read block by block
            Read once. Rows that lack a value that is shown are not drawn, and counted.
        sample_weight : array-like of shape (N,), or name of a column, default=None
            Heavier rows are larger, or count for more.
        columns : sequence of str or int, default=None
            Names or numbers of one or two columns; by default those in which the
            components overlap least.
        space : {'columns', 'discriminant'}, default='columns'
            'discriminant': the two directions through all columns in which the
            components differ most, in means or covariances.
        feature_names : sequence of str, default=None
            Names of all columns; by default the model's own.
        max_points : int, default=20000
            Of more rows there is an image instead of points.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        ClusterDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is no such column, or no discriminant direction.
        """
        view = view_of(model, columns, space, feature_names)
        ax = axes_or_new(ax, *_SIZE)
        (rows,) = coloured_rows(
            *([view], model, X), sample_weight=sample_weight, max_points=max_points
        )
        return cls(model, rows).plot(ax)

    def plot(self, ax: Axes | None = None, *, legend: bool = True) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None for a new figure.
        legend : bool, default=True
            Whether to say beside the axes what is drawn.

        Returns
        -------
        ClusterDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_or_new(ax, *_SIZE)
        model, rows, view = self.model, self.rows, self.rows.view
        colors = component_colors(len(model.weights_))
        self.ellipses_ = []
        if len(view.labels) == 1:
            draw_bars(ax, rows)
            draw_densities(ax, model, view, colors, rows.limits[0])
        else:
            draw_coloured(ax, rows)
            ax.set_xlim(*rows.limits[0])
            ax.set_ylim(*rows.limits[1])
            self.ellipses_ = draw_ellipses(ax, model, view, colors)
        ax.set_xlabel(view.labels[0])
        ax.set_ylabel("density" if len(view.labels) == 1 else view.labels[1])
        ax.spines[["top", "right"]].set_visible(False)
        if legend:
            ax.set_title(title_of(model, rows.n_rows), fontsize="medium")
            marks, names = self._legend()
            ax.legend(
                *(marks, names),
                title="component, weight",
                loc="upper left",
                bbox_to_anchor=(1.0, 1.0),
                frameon=False,
                fontsize="small",
            )
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self

    def _legend(self) -> tuple[list[Any], list[str]]:
        """Marks, and what they stand for."""
        marks, names = component_handles(self.model)
        parts = [row_handles([self.rows])]
        if len(self.rows.view.labels) == 2:
            parts.append(ring_handles(self.model))
        for more, words in parts:
            marks, names = [*marks, *more], [*names, *words]
        return marks, names


def draw_clusters(
    model: GaussianMixture,
    X: Any,
    path: PathLike,
    columns: Sequence[str] | None = None,
) -> None:
    """Write the pictures of the columns that separate components best to a file.

    Those of :class:`fastem.ClusterDisplay`, two beside each other: the pair in which
    components overlap least, and the one that best separates what still overlaps
    there. A line below says what is drawn.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, or made from parameters.
    X : array-like of shape (N, D), or what ``fit`` can read block by block
    path : path
        Ends in .png, .svg or .pdf.
    columns : sequence of str, default=None
        Names of the columns; by default the model's own.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    names = column_names(model, columns)
    views = [View.of_columns(shown, names) for shown in separating_views(model)]
    figure = new_figure(8 if len(views) == 1 else 13, 6)
    of_views = coloured_rows(views, model, X)
    panels = figure.subplots(1, len(views), squeeze=False)[0]
    for panel, rows in zip(panels, of_views, strict=True):
        ClusterDisplay(model, rows).plot(panel, legend=False)
    marks, words = component_handles(model)
    figure.legend(
        *(marks, words),
        title="component, weight",
        loc="outside right center",
        frameon=False,
        handletextpad=0.2,
    )
    figure.supxlabel(_caption(model, of_views), fontsize=9, color="#555555")
    figure.suptitle(title_of(model, of_views[0].n_rows))
    write_figure(figure, path)


def coloured_rows(
    views: Sequence[View], model: GaussianMixture, X: Any, **settings: Any
) -> list[DrawnRows]:
    """Rows in each view, in the colours of their likeliest components."""
    colors = component_colors(len(model.weights_))
    shade = partial(colors_of_memberships, colors=colors)
    return draw_rows_in(views, model, X, shade, **settings)


def view_of(
    model: GaussianMixture,
    columns: Sequence[str | int] | None,
    space: str,
    feature_names: Sequence[str] | None,
) -> View:
    """The view that the user asks for."""
    names = column_names(model, feature_names)
    if space not in _SPACES:
        raise ValueError(f"space must be one of {_SPACES}, but is {space!r}")
    if space == "discriminant":
        if columns is not None:
            raise ValueError(
                "space='discriminant' shows all columns: leave out columns"
            )
        return discriminant_view(model, names)
    if columns is None:
        return View.of_columns(separating_views(model)[0], names)
    shown = chosen_columns(columns, names)
    if not 1 <= len(shown) <= 2:
        raise ValueError(
            f"columns={columns!r} must be one or two columns; PairsDisplay draws more"
        )
    return View.of_columns(shown, names)


def title_of(model: GaussianMixture, n_rows: int) -> str:
    """Which mixture, and of how many rows."""
    kind = "Gaussian" if degrees_of_freedom_of(model) is None else "Student"
    K = len(model.weights_)
    components = "component" if K == 1 else "components"
    return f"{kind} mixture of {K} {components}, {n_rows:,} rows"


def _caption(model: GaussianMixture, of_views: Sequence[DrawnRows]) -> str:
    """What rows, paleness and lines mean, for who sees such a picture first."""
    first = of_views[0]
    if len(first.view.labels) == 1:
        return (
            "Grey: how many rows have which value. Coloured: each component's density "
            "times its weight. Black: their sum, the mixture."
        )
    drawn = (
        "Each point is a row, in the colour of its most likely component: the paler, "
        "the less certain."
        if first.points is not None
        else "Colours are those of the rows' most likely components: the deeper, the "
        "more rows."
    )
    inner, outer = held_by_rings(model)
    lines = [
        f"{drawn} Each pair of ellipses is a component:",
        f"within the thick one, at {inner[0]}, lie {inner[1]} of it; within the thin "
        f"one, at {outer[0]}, {outer[1]}. The number stands at its mean.",
    ]
    return "\n".join([*lines, *notes_on(of_views)])
