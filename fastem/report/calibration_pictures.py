"""A picture of honesty: what memberships claim, and how often they are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastem.report.figures import axes_or_new
from fastem.statistics import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (6.5, 5.5)  # inches
_COLOR = "#0072B2"


class CalibrationDisplay:
    """How often rows are where their likeliest component says, against its claim.

    Each mark is a bin of rows that claim about the same, the larger, the more they
    are: on the dashed line claims are honest, below it memberships are too sure.

    Parameters
    ----------
    claimed : array-like of shape (B,)
        Mean of the largest membership of the rows in each bin.
    right : array-like of shape (B,)
        Share of these rows that are of the component they claim.
    n_rows : array-like of shape (B,)
        How many rows each bin has; what has none is left out.
    low, high : array-like of shape (B,), default=None
        Interval of ``right``.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    marks_ : matplotlib PathCollection

    Examples
    --------
    >>> from fastem import CalibrationDisplay
    >>> display = CalibrationDisplay([0.6, 0.95], [0.5, 0.9], [20, 80]).plot()
    >>> display.ax_.get_xlabel()
    'claimed: largest membership'
    """

    ax_: Axes
    figure_: Figure
    marks_: Any

    def __init__(
        self,
        claimed: ArrayLike,
        right: ArrayLike,
        n_rows: ArrayLike,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
    ) -> None:
        self.claimed = claimed
        self.right = right
        self.n_rows = n_rows
        self.low = low
        self.high = high

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None for a new figure.

        Returns
        -------
        CalibrationDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If no bin has rows.
        """
        n_rows = np.asarray(self.n_rows, np.float64)
        is_used = n_rows > 0
        if not is_used.any():
            raise ValueError("no bin has rows: nothing can be drawn")
        counts = n_rows[is_used]
        claimed, right = _of_bins(self.claimed, is_used), _of_bins(self.right, is_used)
        ax = axes_or_new(ax, *_SIZE)
        least = min(claimed.min(), right.min())
        bounds = np.array([max(0.0, least - 0.08), 1.02])
        ax.axline((1, 1), slope=1, ls="--", color="#777777", lw=1, label="honest")
        label = f"rows by what they claim, {counts.sum():,.0f} in all"
        if self.low is not None and self.high is not None:
            low, high = _of_bins(self.low, is_used), _of_bins(self.high, is_used)
            ax.vlines(claimed, low, high, color=_COLOR, linewidth=1.6, alpha=0.6)
            bounds[0] = min(bounds[0], max(0.0, low.min() - 0.02))
            label += ", with intervals"
        areas = 20 + 380 * counts / counts.max()
        ax.plot(claimed, right, color=_COLOR, linewidth=1, alpha=0.6)
        self.marks_ = ax.scatter(claimed, right, s=areas, color=_COLOR, alpha=0.8)
        shares = counts / counts.sum()
        told = f"{shares @ claimed:.3f} claimed, {shares @ right:.3f} right"
        self.marks_.set_label(f"{label}:\n{told}")
        ax.set_xlim(*bounds)
        ax.set_ylim(*bounds)
        ax.set_aspect("equal")
        ax.set_xlabel("claimed: largest membership")
        ax.set_ylabel("right: share of rows of that component")
        ax.spines[["top", "right"]].set_visible(False)
        legend = ax.legend(loc="upper left", frameon=False, fontsize="small")
        of_marks: Any = legend.legend_handles[-1]
        of_marks.set_sizes([40])
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self


def _of_bins(values: ArrayLike, is_used: Any) -> Array:
    chosen: Array = np.asarray(values, np.float64)[is_used]
    return chosen
