"""A picture of several columns: each pair of them, and each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastem.mixture import GaussianMixture
from fastem.report.colors import component_colors
from fastem.report.component_marks import (
    component_handles,
    draw_densities,
    draw_ellipses,
    ring_handles,
)
from fastem.report.description import column_names
from fastem.report.drawn_rows import DrawnRows
from fastem.report.figures import axes_or_new, panels_within
from fastem.report.pictures import coloured_rows, title_of
from fastem.report.row_marks import draw_bars, draw_coloured, row_handles
from fastem.report.separation import separating_columns
from fastem.report.views import View, chosen_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_COLUMNS = 5
_MAX_POINTS = 5_000
_PANEL = 1.9  # inches
_ROOMY = 4  # so many columns leave room above the diagonal


class PairsDisplay:
    """Rows and components in each pair of columns, and densities of each column.

    Below the diagonal as :class:`fastem.ClusterDisplay` has it; on the diagonal a
    histogram of the rows, the density of each component times its weight, and their
    sum.

    Parameters
    ----------
    model : GaussianMixture
    rows : dict of (int, int) to DrawnRows
        For each panel, by its row and column: (i, j) with j < i, and (i, i).

    Attributes
    ----------
    ax_ : matplotlib Axes
        The one that the panels stand in.
    axes_ : array of matplotlib Axes of shape (d, d)
        Those above the diagonal are empty.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, PairsDisplay
    >>> random = np.random.default_rng(0)
    >>> X = np.vstack([random.normal(m, 1, (200, 3)) for m in (0, 4)])
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> PairsDisplay.from_estimator(model, X).axes_.shape
    (3, 3)
    """

    ax_: Axes
    axes_: Any
    figure_: Figure

    def __init__(
        self, model: GaussianMixture, rows: dict[tuple[int, int], DrawnRows]
    ) -> None:
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
        feature_names: Sequence[str] | None = None,
        max_points: int = _MAX_POINTS,
        ax: Axes | None = None,
    ) -> Self:
        """Of a fitted mixture and rows, drawn.

        Parameters
        ----------
        model : GaussianMixture
            Fitted, or made from parameters.
        X : array-like of shape (N, D), or what ``fit`` can read block by block
            Read once. A row is drawn where both columns have a value.
        sample_weight : array-like of shape (N,), or name of a column, default=None
        columns : sequence of str or int, default=None
            Names or numbers of columns; by default all, and of more than five those in
            which the components overlap least.
        feature_names : sequence of str, default=None
            Names of all columns; by default the model's own.
        max_points : int, default=5000
            Of more rows there are images instead of points.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        PairsDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is no such column.
        """
        names = column_names(model, feature_names)
        shown: Sequence[int] = (
            separating_columns(model, _MOST_COLUMNS)
            if columns is None
            else chosen_columns(columns, names)
        )
        if not shown:
            raise ValueError("columns is empty: name one or more")
        ax = axes_or_new(ax, *_size(len(shown)))
        cells = [(i, j) for i in range(len(shown)) for j in range(i + 1)]
        views = [
            View.of_columns([shown[j]] if i == j else [shown[j], shown[i]], names)
            for i, j in cells
        ]
        of_views = coloured_rows(
            *(views, model, X),
            sample_weight=sample_weight,
            max_points=max_points,
            n_bins=100,
        )
        return cls(model, dict(zip(cells, of_views, strict=True))).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None for a new figure.

        Returns
        -------
        PairsDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        d = 1 + max(i for i, _ in self.rows)
        ax = axes_or_new(ax, *_size(d))
        colors = component_colors(len(self.model.weights_))
        self.axes_ = panels_within(ax, d, d, hspace=0.08, wspace=0.08)
        limits = [self.rows[i, i].limits[0] for i in range(d)]
        for i, j in np.ndindex(d, d):
            panel = self.axes_[i, j]
            if j > i:
                panel.set_axis_off()
                continue
            rows = self.rows[i, j]
            if i == j:
                draw_bars(panel, rows)
                draw_densities(panel, self.model, rows.view, colors, limits[i])
                panel.set_yticks([])
            else:
                draw_coloured(panel, rows)
                draw_ellipses(panel, self.model, rows.view, colors, numbered=d < 4)
                panel.set_ylim(*limits[i])
            panel.set_xlim(*limits[j])
            panel.spines[["top", "right"]].set_visible(False)
            panel.tick_params(
                labelsize="x-small", labelbottom=i == d - 1, labelleft=j == 0 < i
            )
            if i == d - 1:
                panel.set_xlabel(rows.view.labels[0], fontsize="small")
            if j == 0 and (i or d == 1):
                panel.set_ylabel(
                    rows.view.labels[-1] if i else "density", fontsize="small"
                )
        self._add_words(ax, d)
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self

    def _add_words(self, ax: Axes, d: int) -> None:
        """A title above, and beside the panels what is drawn."""
        marks, names = component_handles(self.model)
        parts = [row_handles(list(self.rows.values()))]
        if d > 1:
            parts.append(ring_handles(self.model))
        for more, words in parts:
            marks, names = [*marks, *more], [*names, *words]
        n_columns = self.model.means_.shape[1]
        of_columns = "" if d == n_columns else f", {d} of {n_columns} columns"
        n_rows = self.rows[0, 0].n_rows
        title = title_of(self.model, n_rows) + of_columns
        self.axes_[0, -1].set_title(title, fontsize="medium", loc="right")
        # Above the diagonal there may be room.
        is_inside = d >= _ROOMY and len(names) <= 4 * d
        ax.legend(
            *(marks, names),
            title="component, weight",
            loc="upper right" if is_inside else "upper left",
            bbox_to_anchor=(1.0, 0.97 if is_inside else 1.0),
            frameon=False,
            fontsize="small",
        )


def _size(n_columns: int) -> tuple[float, float]:
    side = _PANEL * max(n_columns, 2)
    return side + 3 * (n_columns < _ROOMY), side + 0.4
