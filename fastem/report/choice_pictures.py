"""A picture of a choice: the criterion against the number of components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fastem.choice.results import SelectionResults, SelectionRow
from fastem.choice.selector import GaussianMixtureSelector
from fastem.report.figures import axes_or_new, new_figure, write_figure
from fastem.storage.writing import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What is farther from the best than this share of candidates is cut off above.
_SHOWN = 0.8
_SIZE = (8, 5)  # inches
_MARKERS = "osD^v<>"


class SelectionDisplay:
    """The criterion against the number of components, with a line for each structure.

    Filled marks are fits to all rows; open ones estimates from some, of candidates that
    were dropped. Fits that only ``reg_covar`` holds up are left out.

    Parameters
    ----------
    results : SelectionResults

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One for each structure.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixtureSelector, SelectionDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> selector = GaussianMixtureSelector([1, 2, 3], ["full", "diag"]).fit(X)
    >>> display = SelectionDisplay.from_estimator(selector)
    >>> len(display.lines_)
    2
    """

    ax_: Axes
    figure_: Figure
    lines_: list[Any]

    def __init__(self, results: SelectionResults) -> None:
        self.results = results

    @classmethod
    def from_estimator(
        cls, selector: GaussianMixtureSelector, *, ax: Axes | None = None
    ) -> Self:
        """Of a fitted selector, drawn.

        Parameters
        ----------
        selector : GaussianMixtureSelector
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        SelectionDisplay
        """
        return cls(selector.results_).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None for a new figure.

        Returns
        -------
        SelectionDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_or_new(ax, *_SIZE)
        from matplotlib import colormaps

        results = self.results
        rows = [row for row in results if np.isfinite(row.value) and _is_drawn(row)]
        colors = colormaps["tab20"](np.arange(20))
        self.lines_ = []
        names = list(dict.fromkeys(row.covariance_type for row in rows))
        for i, name in enumerate(names):
            own = [row for row in rows if row.covariance_type == name]
            own.sort(key=lambda row: row.n_components)
            style = {"color": colors[i % 20], "marker": _MARKERS[i % len(_MARKERS)]}
            numbers = [row.n_components for row in own]
            values = [row.value for row in own]
            (line,) = ax.plot(
                *(numbers, values), label=name, markersize=5, linewidth=1, **style
            )
            line.set_markerfacecolor("white")
            whole = [j for j, row in enumerate(own) if row.n_rows == results.n_rows]
            ax.plot(
                [numbers[j] for j in whole],
                [values[j] for j in whole],
                linestyle="none",
                markersize=5,
                **style,
            )
            self.lines_.append(line)
        best = results.ranked[0]
        ax.plot(
            *([best.n_components], [best.value]),
            marker="o",
            markersize=14,
            linestyle="none",
            markerfacecolor="none",
            markeredgecolor="black",
            label=f"chosen: {best.covariance_type}, {best.n_components}",
        )
        every = [row.value for row in rows]
        top = max(float(np.quantile(every, _SHOWN)), best.value)
        room = 0.06 * (top - best.value) or 1.0
        ax.set_ylim(best.value - room, top + room)
        ax.set_xticks(sorted({row.n_components for row in results}))
        ax.set_xlabel("components")
        ax.set_ylabel(f"{results.criterion} (lower is better)")
        ax.set_title(_caption(results, cut=max(every) > top), fontsize="medium")
        ax.legend(
            ncols=1, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5)
        )
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self


def draw_selection(results: SelectionResults, path: PathLike) -> None:
    """Write the picture to a file: .png, .svg or .pdf.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    figure = new_figure(*_SIZE)
    SelectionDisplay(results).plot(figure.add_subplot())
    write_figure(figure, path)


def _is_drawn(row: SelectionRow) -> bool:
    """Whether it could have been chosen, or was dropped for its value alone."""
    return not row.reason or row.reason.startswith("dropped")


def _caption(results: SelectionResults, *, cut: bool) -> str:
    """What is drawn, in a line."""
    marks = f"Filled: fits to all {results.n_rows:,} rows"
    if any(row.n_rows < results.n_rows for row in results):
        marks += "; open: estimates from some"
    return f"{marks}{'; the worst are above' if cut else ''}"
