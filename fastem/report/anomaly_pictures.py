"""A picture of anomalies: what each column adds to the surprise of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fastem.decisions.detector import MixtureOutlierDetector
from fastem.decisions.explanation import Explanation
from fastem.report.figures import axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_MEASURES = {
    "parts": "what each column adds to the surprise, in nats",
    "given_others": "surprise of each value given the row's others, in nats",
    "alone": "surprise of each value by itself, in nats",
}
_CELL = (1.5, 0.42)  # inches
_MARGINS = (4.0, 1.8)
_MOST_COLUMNS = 12
_LONG_NAME = 14  # letters
# Of the largest size: cells above are dark, and their text is white.
_DARK = 0.6


class AnomalyDisplay:
    """The rows that surprise most, and which of their columns make it so.

    A line is a row, a cell one of its values; below the value stands, in brackets, what
    the row's other columns lead one to expect. The colour is what the column adds: red
    for more, blue for less. Of more than twelve columns those are shown that add most.

    Parameters
    ----------
    explanation : Explanation
        Of the rows to draw, in their order from top to bottom.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    im_ : matplotlib AxesImage
        The coloured cells.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import AnomalyDisplay, MixtureOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(1000, 3))
    >>> detector = MixtureOutlierDetector(random_state=0).fit(X)
    >>> display = AnomalyDisplay.from_estimator(detector, X, n_rows=5)
    >>> display.im_.get_array().shape
    (5, 3)
    """

    ax_: Axes
    figure_: Figure
    im_: AxesImage

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation

    @classmethod
    def from_estimator(
        cls,
        detector: MixtureOutlierDetector,
        X: Any,
        *,
        n_rows: int = 10,
        measure: str = "parts",
        ax: Axes | None = None,
    ) -> Self:
        """Of the rows of X that score lowest, drawn.

        Parameters
        ----------
        detector : MixtureOutlierDetector
        X : array-like of shape (N, D), or what ``fit`` can read block by block
        n_rows : int, default=10
        measure : {'parts', 'given_others', 'alone'}, default='parts'
            What the colours are.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        AnomalyDisplay
        """
        return cls(detector.explain(X, n_rows=n_rows)).plot(ax, measure=measure)

    def plot(self, ax: Axes | None = None, *, measure: str = "parts") -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None for a new figure.
        measure : {'parts', 'given_others', 'alone'}, default='parts'
            What the colours are.

        Returns
        -------
        AnomalyDisplay
            Itself.

        Raises
        ------
        ValueError
            If there is no such measure.
        ImportError
            If matplotlib is not installed.
        """
        if measure not in _MEASURES:
            raise ValueError(
                f"measure must be one of {', '.join(map(repr, _MEASURES))}, but is "
                f"{measure!r}"
            )
        told = self.explanation
        added = np.abs(np.nan_to_num(getattr(told, measure))).max(axis=0)
        shown = np.sort(np.argsort(-added, kind="stable")[:_MOST_COLUMNS])
        values = getattr(told, measure)[:, shown]
        width = _MARGINS[0] + _CELL[0] * len(shown)
        ax = axes_or_new(ax, width, _MARGINS[1] + _CELL[1] * len(told))
        from matplotlib.colors import SymLogNorm

        largest = max(1.0, float(np.nanmax(np.abs(values), initial=0.0)))
        norm = SymLogNorm(linthresh=1.0, vmin=-largest, vmax=largest)
        names = [told.columns[j] for j in shown]
        is_long = max(map(len, names)) > _LONG_NAME
        self.im_ = ax.imshow(values, cmap="RdBu_r", norm=norm, aspect="auto")
        for i, j in np.argwhere(np.isfinite(values)):
            is_dark = abs(float(norm(values[i, j])) - 0.5) > _DARK / 2
            column = shown[j]
            ax.text(
                *(j, i),
                f"{told.values[i, column]:.4g}\n({told.expected[i, column]:.4g})",
                color="white" if is_dark else "black",
                ha="center",
                va="center",
                fontsize=8,
            )
        ax.set_xticks(
            np.arange(len(shown)),
            names,
            rotation=25 if is_long else 0,
            ha="left" if is_long else "center",
        )
        ax.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
        ax.set_yticks(
            np.arange(len(told)),
            [
                f"row {row}: {surprise:.3g} nats, p = {p:.2g}"
                for row, surprise, p in zip(
                    told.rows, told.surprise, told.p_values, strict=True
                )
            ],
        )
        figure = ax.figure
        bar = figure.colorbar(
            self.im_,
            ax=ax,
            fraction=0.04,
            pad=0.02,
            ticks=_ticks(largest, has_negative=bool((values < 0).any())),
            format="%g",
        )
        if not (values < 0).any():
            bar.ax.set_ylim(0, largest)
        bar.set_label(_MEASURES[measure].replace(", in", ",\nin"), fontsize=8)
        ax.set_xlabel(_caption(len(shown), len(told.columns)), fontsize=9)
        self.ax_ = ax
        self.figure_ = figure  # type: ignore[assignment]
        return self


def _ticks(largest: float, *, has_negative: bool) -> list[float]:
    """0, 1, 10, 100 and so on, and the same below 0."""
    powers = [10.0**i for i in range(int(np.log10(largest)) + 1)]
    return [*([-power for power in powers] if has_negative else []), 0.0, *powers]


def _caption(n_shown: int, n_columns: int) -> str:
    """What stands in the cells, in a line."""
    text = "Values, and in brackets what the other columns lead one to expect"
    if n_shown < n_columns:
        text += f"; {n_shown} of {n_columns} columns, which add most"
    return text
