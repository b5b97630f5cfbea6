"""Whether memberships are right as often as they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from fastem.checks.counting import check_sample_weight
from fastem.choice.frames import frame_of
from fastem.choice.intervals import wilson_interval
from fastem.mixture import GaussianMixture
from fastem.statistics import Array

_METHODS = ("predict_proba", "predict_proba_uncertain")
_MATCHINGS = ("majority", "one-to-one")
# Most rows claim much.
_EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_NOISE = -1


@dataclass(frozen=True)
class Calibration:
    """How often memberships are right, beside what they claim.

    Attributes
    ----------
    lowest, highest : arrays of shape (B,)
        Bounds of what is claimed in each bin; bins without rows are left out.
    n_rows : array of shape (B,)
        Number of rows in each, as often as their weights say.
    claimed : array of shape (B,)
        Mean of what they claim: the probability of the likeliest group.
    right : array of shape (B,)
        The share of them that is in that group.
    low, high : arrays of shape (B,)
        Wilson's interval of that share.
    level : float
        Of the intervals.
    groups : tuple
        The label that each component, and last the background, is matched to; None for
        one that is matched to none.
    """

    lowest: Array
    highest: Array
    n_rows: Array
    claimed: Array
    right: Array
    low: Array
    high: Array
    level: float
    groups: tuple[Any, ...]

    @property
    def mean_claimed(self) -> float:
        """Of all rows."""
        return float(np.average(self.claimed, weights=self.n_rows))

    @property
    def mean_right(self) -> float:
        """The share of all rows that is right."""
        return float(np.average(self.right, weights=self.n_rows))

    @property
    def gap(self) -> float:
        """How much more is claimed than is right, of all rows: overconfidence."""
        return self.mean_claimed - self.mean_right

    @property
    def error(self) -> float:
        """The mean size of that in bins: the expected calibration error."""
        sizes = np.abs(self.claimed - self.right)
        return float(np.average(sizes, weights=self.n_rows))

    def to_frame(self) -> Any:
        """A DataFrame with a row for each bin: of pandas, or of polars without it."""
        names = ("lowest", "highest", "n_rows", "claimed", "right", "low", "high")
        return frame_of({name: getattr(self, name).tolist() for name in names})

    def __str__(self) -> str:
        lines = [
            f"{self.n_rows.sum():,.10g} rows claim {self.mean_claimed:.3f} in the "
            f"mean, and {self.mean_right:.3f} are right",
            f"     claimed      rows   mean  right  {self.level:.0%} interval",
        ]
        lines += [
            f"{self.lowest[b]:5.2f} to {self.highest[b]:4.2f}{self.n_rows[b]:10,.6g}  "
            f"{self.claimed[b]:.3f}  {self.right[b]:.3f}  "
            f"{self.low[b]:.3f} to {self.high[b]:.3f}"
            for b in range(len(self.n_rows))
        ]
        return "\n".join(lines)


def calibration(
    model: GaussianMixture,
    X: Any,
    labels: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    memberships: str | ArrayLike = "predict_proba",
    matching: str = "majority",
    bins: Sequence[float] = _EDGES,
    level: float = 0.95,
) -> Calibration:
    """Whether memberships are right as often as they say, on rows of known groups.

    Use rows that the mixture was not fitted to. What a row claims is the largest
    probability of a group, that of all components that are matched to it; it is right
    if the row is in that group.

    Parameters
    ----------
    model : GaussianMixture or StudentMixture
        Fitted.
    X : array-like of shape (N, D), or a source of rows in blocks
    labels : array-like of shape (N,)
        The group of each row: numbers or texts. With ``noise=True``, -1 is the
        background's.
    sample_weight : array-like of shape (N,), default=None
        How often each row counts.
    memberships : {'predict_proba', 'predict_proba_uncertain'} or array-like, \
default='predict_proba'
        The method to ask for memberships, or memberships (N, K), such as those of
        :func:`fastem.bagged_memberships`; with ``noise=True`` (N, K + 1).
    matching : {'majority', 'one-to-one'}, default='majority'
        Which label a component is matched to: the one that most of its rows have, so
        that several may be of one group; or each another one, as many rows as possible
        being right. A component's rows are those that are likeliest its.
    bins : sequence of float
        What bounds the bins of what is claimed, from 0 to 1.
    level : float, default=0.95
        Of the intervals.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        If labels are not as many as rows, or memberships have another shape.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical
       inference", JASA 22 (1927), 209-212.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, calibration
    >>> random = np.random.default_rng(0)
    >>> labels = np.repeat(["low", "high"], 500)
    >>> X = random.normal(np.where(labels == "low", 0.0, 3.0)[:, None])
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> print(calibration(model, X, labels, bins=[0, 0.7, 0.9, 1]))
    1,000 rows claim 0.933 in the mean, and 0.936 are right
         claimed      rows   mean  right  95% interval
     0.00 to 0.70        74  0.604  0.568  0.454 to 0.674
     0.70 to 0.90       129  0.808  0.845  0.773 to 0.897
     0.90 to 1.00       797  0.984  0.985  0.974 to 0.991
    """
    degrees = _memberships(model, X, memberships)
    labels = np.asarray(labels)
    if labels.shape != (len(degrees),):
        raise ValueError(
            f"labels have the shape {labels.shape}, but X has {len(degrees)} rows: "
            f"they must have the shape ({len(degrees)},)"
        )
    if matching not in _MATCHINGS:
        raise ValueError(f"matching must be one of {_MATCHINGS}, but is {matching!r}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, but is {level}")
    edges = np.asarray(bins, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or edges[0] != 0 or edges[-1] != 1:
        raise ValueError(f"bins must go from 0 to 1, but are {bins!r}")
    if (np.diff(edges) <= 0).any():
        raise ValueError(f"bins must ascend, but are {bins!r}")
    weights = np.ones(len(degrees))
    if sample_weight is not None:
        weights = check_sample_weight(sample_weight, len(degrees))
    names, known = np.unique(labels, return_inverse=True)
    has_noise = hasattr(model, "noise_weight_")
    matched = _matched(degrees, known, names, weights, matching, has_noise)
    groups = np.zeros((len(degrees), len(names) + 1))
    for k, group in enumerate(matched):
        groups[:, group] += degrees[:, k]
    best = groups.argmax(axis=1)
    claimed = np.minimum(groups[np.arange(len(groups)), best], 1.0)
    is_right = best == known
    n_bins = len(edges) - 1
    # The last bin has what is just its upper bound.
    number = np.minimum(np.searchsorted(edges, claimed, side="right") - 1, n_bins - 1)

    def summed(values: Array) -> Array:
        sums: Array = np.bincount(number, values, n_bins).astype(np.float64)
        return sums

    n_rows = summed(weights)
    filled = n_rows > 0
    n_rows = n_rows[filled]
    right = summed(weights * is_right)[filled] / n_rows
    low, high = wilson_interval(right, n_rows, level)
    return Calibration(
        edges[:-1][filled],
        edges[1:][filled],
        n_rows,
        summed(weights * claimed)[filled] / n_rows,
        right,
        low,
        high,
        level,
        tuple(None if g == len(names) else names[g].item() for g in matched),
    )


def _memberships(model: GaussianMixture, X: Any, asked: str | ArrayLike) -> Array:
    """What a method of the model says of the rows, or what was given."""
    n_parts = len(model.weights_) + hasattr(model, "noise_weight_")
    if isinstance(asked, str):
        if asked not in _METHODS:
            raise ValueError(
                f"memberships must be one of {_METHODS} or an array, but is {asked!r}"
            )
        degrees = np.asarray(getattr(model, asked)(X), np.float64)
    else:
        degrees = np.asarray(asked, np.float64)
    if degrees.ndim != 2 or degrees.shape[1] != n_parts:
        raise ValueError(
            f"memberships have the shape {degrees.shape}, but must have {n_parts} "
            "columns: one for each component, and one for a background"
        )
    return degrees


def _matched(
    degrees: Array,
    known: NDArray[np.intp],
    names: NDArray[Any],
    weights: Array,
    matching: str,
    has_noise: bool,
) -> NDArray[np.intp]:
    """The number of the label of each component; as many as there are for none."""
    n_parts, n_groups = degrees.shape[1], len(names)
    counts = np.zeros((n_parts, n_groups))
    np.add.at(counts, (degrees.argmax(axis=1), known), weights)
    matched = np.full(n_parts, n_groups)
    n_components = n_parts - has_noise
    of_components = counts[:n_components]
    if has_noise:
        is_noise = np.array([name == _NOISE for name in names.tolist()])
        of_components = np.where(is_noise, -1.0, of_components)
        if is_noise.any():
            matched[-1] = int(np.argmax(is_noise))
    if matching == "majority":
        has_rows = of_components.max(axis=1) > 0
        best = of_components.argmax(axis=1)
        matched[:n_components] = np.where(has_rows, best, n_groups)
    else:
        components, groups = linear_sum_assignment(-of_components)
        matched[components] = groups
    return matched
