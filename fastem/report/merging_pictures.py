"""A picture of components that are merged: the tree, and what entropy is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastem.choice.merging import Group, Merging, merge_components
from fastem.mixture import GaussianMixture
from fastem.report.colors import component_colors
from fastem.report.figures import axes_or_new, panels_within

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (9, 5)  # inches
_LEAST_BENT = 4  # of fewer components the line has no bend that tells anything


class MergeDisplay:
    """Which components are merged, one after the other, and what that is worth.

    On the left the tree: each component is a leaf, and from the bottom to the top two
    clusters become one in each step. On the right, on the same steps, the entropy of
    memberships that is left in so many clusters, summed over the rows. A dashed line
    marks where it bends: farther up, merging gains less. Of less than four components
    there is none.

    Parameters
    ----------
    merging : Merging

    Attributes
    ----------
    ax_ : matplotlib Axes
        That of the tree.
    axes_ : array of matplotlib Axes of shape (2,)
        That of the tree, and that of the entropy.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, MergeDisplay
    >>> model = GaussianMixture.from_parameters(
    ...     [0.3, 0.3, 0.4], [[0.0], [1.0], [9.0]], [[1.0], [1.0], [1.0]],
    ...     covariance_type="diag")
    >>> X = np.linspace(-2, 11, 100)[:, np.newaxis]
    >>> display = MergeDisplay.from_estimator(model, X)
    >>> display.axes_[1].get_xlabel()
    'entropy of memberships'
    """

    ax_: Axes
    axes_: Any
    figure_: Figure

    def __init__(self, merging: Merging) -> None:
        self.merging = merging

    @classmethod
    def from_estimator(
        cls,
        model: GaussianMixture,
        X: Any,
        *,
        sample_weight: ArrayLike | str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Merge the components (:func:`fastem.merge_components`), and draw it.

        Parameters
        ----------
        model : GaussianMixture
            Fitted, or made from parameters.
        X : array-like of shape (N, D), or what ``fit`` can read block by block
        sample_weight : array-like of shape (N,), or name of a column, default=None
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        MergeDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_or_new(ax, *_SIZE)
        return cls(merge_components(model, X, sample_weight)).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None for a new figure.

        Returns
        -------
        MergeDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_or_new(ax, *_SIZE)
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        merging = self.merging
        K = len(merging.entropy)
        tree, line = self.axes_ = panels_within(ax, 1, 2, width_ratios=(2, 1))[0]
        _draw_tree(tree, merging)
        numbers = np.arange(1, K + 1)
        line.plot(merging.entropy, numbers, "o-", color="#444444", markersize=5)
        line.set_xlabel("entropy of memberships")
        line.xaxis.set_major_locator(MaxNLocator(4))
        line.xaxis.set_major_formatter(StrMethodFormatter("{x:,.4g}"))
        line.set_xlim(left=min(0.0, -0.04 * float(merging.entropy.max())))
        line.tick_params(labelleft=False)
        for panel in (tree, line):
            panel.set_ylim(K + 0.5, 0.5)  # many clusters at the bottom, one on top
            panel.set_yticks(np.unique(np.linspace(1, K, min(K, 15), dtype=int)))
            panel.spines[["top", "right"]].set_visible(False)
        if K >= _LEAST_BENT:
            label = f"it bends at {merging.elbow} clusters"
            style: dict[str, Any] = {"color": "#D55E00", "linestyle": "--", "lw": 1}
            for panel in (tree, line):
                panel.axhline(merging.elbow, label=label, **style)
            line.legend(loc="lower right", frameon=False, fontsize="small")
        tree.set_ylabel("clusters that are left")
        tree.set_xlabel("component, and its weight")
        ax.set_title(f"{K} components, merged step by step", fontsize="medium")
        self.ax_ = tree
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self


def _draw_tree(axes: Axes, merging: Merging) -> None:
    """Leaves at the bottom, in the order in which no lines cross."""
    K = len(merging.entropy)
    order = _order_of_leaves(merging)
    colors = component_colors(K)
    weights = merging.model.weights_
    # Where each cluster stands now, and at which number of clusters it came about.
    ends: dict[Group, tuple[float, int]] = {
        (k,): (float(place), K) for place, k in enumerate(order)
    }
    for step, (first, second) in enumerate(merging.merges):
        left = K - step - 1
        (x, y), (other_x, other_y) = ends[first], ends[second]
        axes.plot(
            [x, x, other_x, other_x],
            [y, left, left, other_y],
            color="#444444",
            linewidth=1.4,
            solid_joinstyle="miter",
        )
        ends[tuple(sorted(first + second))] = ((x + other_x) / 2, left)
    axes.scatter(range(K), [K] * K, s=40, c=[colors[k] for k in order], zorder=3)
    told = [f"{k}\n{weights[k]:.0%}" if K <= 12 else str(k) for k in order]
    axes.set_xticks(range(K), told, fontsize="small")


def _order_of_leaves(merging: Merging) -> list[int]:
    """The components in an order in which each cluster of the tree is a run."""
    runs: dict[Group, list[int]] = {(k,): [k] for k in range(len(merging.entropy))}
    for first, second in merging.merges:
        runs[tuple(sorted(first + second))] = runs[first] + runs[second]
    return max(runs.values(), key=len)
