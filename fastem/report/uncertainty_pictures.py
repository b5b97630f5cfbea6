"""A picture of doubt: where rows are torn between components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastem.mixture import GaussianMixture
from fastem.report.component_marks import draw_ellipses, ring_handles
from fastem.report.drawn_rows import MAX_POINTS, DrawnRows, Points, draw_rows_in
from fastem.report.figures import axes_or_new
from fastem.report.pictures import title_of, view_of
from fastem.report.row_marks import draw_bars, draw_image, draw_points, note_handles
from fastem.statistics import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (8, 5.5)  # inches
# Pale where rows are sure, dark where they are not, to every eye; but to be seen.
_COLORS, _PALEST = "magma_r", 0.06


class UncertaintyDisplay:
    """Where memberships are unsure.

    The uncertainty of a row is what it lacks to belong to its likeliest component
    wholly: 1 less its largest membership. Unsure rows are dark and lie on top. Of more
    than ``max_points`` rows, each pixel has the mean uncertainty of the rows there and
    is the paler, the fewer they are. A single column has bars instead.

    Parameters
    ----------
    model : GaussianMixture
    rows : DrawnRows
        As :meth:`from_estimator` finds them.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    colorbar_ : matplotlib Colorbar
        The scale of uncertainties.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, UncertaintyDisplay
    >>> random = np.random.default_rng(0)
    >>> X = np.vstack([random.normal(m, 1, (200, 2)) for m in (0, 3)])
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> display = UncertaintyDisplay.from_estimator(model, X)
    >>> float(display.colorbar_.vmax)
    0.5
    """

    ax_: Axes
    figure_: Figure
    colorbar_: Any

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
        sample_weight : array-like of shape (N,), or name of a column, default=None
        columns : sequence of str or int, default=None
        space : {'columns', 'discriminant'}, default='columns'
        feature_names : sequence of str, default=None
        max_points : int, default=20000
        ax : matplotlib Axes, default=None
            All as in :meth:`fastem.ClusterDisplay.from_estimator`.

        Returns
        -------
        UncertaintyDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is no such column, or no discriminant direction.
        """
        view = view_of(model, columns, space, feature_names)
        ax = axes_or_new(ax, *_SIZE)
        (rows,) = draw_rows_in(
            *([view], model, X, uncertainties),
            sample_weight=sample_weight,
            max_points=max_points,
        )
        return cls(model, rows).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None for a new figure.

        Returns
        -------
        UncertaintyDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_or_new(ax, *_SIZE)
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize

        model, rows = self.model, self.rows
        labels = rows.view.labels
        n_choices = len(model.weights_) + hasattr(model, "noise_weight_")
        colors = ListedColormap(colormaps[_COLORS](np.linspace(_PALEST, 1, 256)))
        scale = ScalarMappable(Normalize(0, max(1 - 1 / n_choices, 0.5)), colors)
        marks: list[Any] = []
        names: list[str] = []
        if len(labels) == 1:
            draw_bars(ax, rows, scale.to_rgba(np.nan_to_num(rows.shades[:, 0])))
            ax.set_ylabel("density of rows")
        else:
            if rows.points is None:
                draw_image(ax, rows, scale.to_rgba(rows.shades[..., 0])[..., :3])
            else:
                points = _unsure_last(rows.points)
                draw_points(ax, points, scale.to_rgba(points.shades[:, 0]))
            ax.set_ylim(*rows.limits[1])
            ax.set_ylabel(labels[1])
            greys = ["#555555"] * len(model.weights_)
            draw_ellipses(ax, model, rows.view, greys)
            marks, names = ring_handles(model)
        more, notes = note_handles([rows])
        ax.set_xlim(*rows.limits[0])
        ax.set_xlabel(labels[0])
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_title(title_of(model, rows.n_rows), fontsize="medium")
        if names or notes:
            ax.legend(
                *([*marks, *more], [*names, *notes]),
                loc="upper center",
                bbox_to_anchor=(0.5, -0.13),
                ncols=2,
                frameon=False,
                fontsize="small",
            )
        self.colorbar_ = ax.figure.colorbar(scale, ax=ax)
        of_bins = "" if rows.points is not None and len(labels) == 2 else "mean "
        self.colorbar_.set_label(f"{of_bins}uncertainty: 1 - largest membership")
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self


def uncertainties(degrees: NDArray[Any]) -> Array:
    """What rows lack to belong to one component wholly: (n, 1)."""
    rest: Array = 1 - degrees.max(axis=1, keepdims=True).astype(np.float64)
    return rest


def _unsure_last(points: Points) -> Points:
    order = np.argsort(points.shades[:, 0], kind="stable")
    weights = points.weights[order] if len(points.weights) else points.weights
    return Points(points.coordinates[order], points.shades[order], weights)
