"""A picture of honesty: what memberships claim, and how often they are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from numpy.typing import ArrayLike

from fastem.choice.calibration import Calibration, calibration
from fastem.mixture import GaussianMixture
from fastem.report.figures import axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (6.5, 5.5)  # inches
_COLOR = "#0072B2"
_JUST_ABOVE = 1.04  # the largest share: for whole marks


class CalibrationDisplay:
    """How often rows are where their memberships say, against what these claim.

    Each mark is a bin of rows that claim about the same, the larger, the more they
    are, with the interval of the share that is right. On the dashed line claims are
    honest; below it memberships are too sure.

    Parameters
    ----------
    calibration : Calibration

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    marks_ : matplotlib PathCollection

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import CalibrationDisplay, GaussianMixture
    >>> random = np.random.default_rng(0)
    >>> labels = np.repeat(["low", "high"], 500)
    >>> X = random.normal(np.where(labels == "low", 0.0, 3.0)[:, None])
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> display = CalibrationDisplay.from_estimator(model, X, labels)
    >>> display.ax_.get_xlabel()
    'claimed: probability of the likeliest group'
    """

    ax_: Axes
    figure_: Figure
    marks_: Any

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration

    @classmethod
    def from_estimator(
        cls,
        model: GaussianMixture,
        X: Any,
        labels: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        memberships: str | ArrayLike = "predict_proba",
        matching: str = "majority",
        ax: Axes | None = None,
        **settings: Any,
    ) -> Self:
        """Of a fitted mixture and rows of known groups, drawn.

        Parameters
        ----------
        model : GaussianMixture
            Fitted to other rows.
        X : array-like of shape (N, D), or a source of rows in blocks
        labels : array-like of shape (N,)
            The group of each row.
        sample_weight : array-like of shape (N,), default=None
        memberships : {'predict_proba', 'predict_proba_uncertain'} or array-like, \
default='predict_proba'
        matching : {'majority', 'one-to-one'}, default='majority'
            As in :func:`fastem.calibration`.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **settings
            Further ones of :func:`fastem.calibration`: ``bins``, ``level``.

        Returns
        -------
        CalibrationDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            As in :func:`fastem.calibration`.
        """
        found = calibration(
            *(model, X, labels, sample_weight),
            memberships=memberships,
            matching=matching,
            **settings,
        )
        return cls(found).plot(ax)

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
        """
        ax = axes_or_new(ax, *_SIZE)
        found = self.calibration
        ax.axline((1, 1), slope=1, ls="--", color="#777777", lw=1, label="honest")
        ax.vlines(found.claimed, found.low, found.high, color=_COLOR, lw=1.6, alpha=0.6)
        areas = 20 + 380 * found.n_rows / found.n_rows.max()
        self.marks_ = ax.scatter(
            found.claimed, found.right, s=areas, color=_COLOR, alpha=0.8
        )
        n_rows, level = f"{found.n_rows.sum():,.6g}", f"{found.level:.0%}"
        self.marks_.set_label(
            f"{n_rows} rows by what they claim, {level} intervals:\n"
            f"{found.mean_claimed:.3f} claimed, {found.mean_right:.3f} right"
        )
        ax.set_xlim(max(0.0, float(found.claimed.min()) - 0.05), _JUST_ABOVE)
        ax.set_ylim(max(0.0, float(found.low.min()) - 0.05), _JUST_ABOVE)
        ax.set_xlabel("claimed: probability of the likeliest group")
        ax.set_ylabel("right: share of rows in that group")
        ax.spines[["top", "right"]].set_visible(False)
        legend = ax.legend(
            loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False, fontsize="small"
        )
        of_marks: Any = legend.legend_handles[-1]
        of_marks.set_sizes([40])
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self
