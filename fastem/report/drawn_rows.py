"""The rows of a picture: points if they are few, else how many there are where.

One pass over the rows, whatever their number, and memory for a few blocks of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import uniform_filter1d

from fastem import kernels
from fastem.checks.rows import Rows, read_only
from fastem.mixture import GaussianMixture
from fastem.mixture.criteria import parts_of
from fastem.report.views import View
from fastem.statistics import Array

MAX_POINTS = 20_000
_MOST_DISTINCT = 31
_SPREAD = 0.35  # of the distance of neighbouring values, to both sides
_LIMITING_ROWS = 20_000

# What the memberships of rows, (n, K), say of how to draw them: (n, c).
Shade = Callable[[Rows], Array]


@dataclass(frozen=True)
class Points:
    """Rows that are drawn one by one, in random order: the last hides the others.

    Attributes
    ----------
    coordinates : array of shape (n, d)
    shades : array of shape (n, c)
    weights : array of shape (n,) or (0,)
        Relative to their mean; empty if all are the same.
    """

    coordinates: Array
    shades: Array
    weights: Array


@dataclass(frozen=True)
class DrawnRows:
    """Rows in a view.

    Attributes
    ----------
    view : View
    limits : list of (float, float)
        Least and largest value of each coordinate.
    n_rows : int
        Of the table.
    n_hidden : int
        How many of these lack a value that the view needs.
    n_outside : int
        How many of these lie outside the limits.
    is_weighted : bool
    spread : tuple of str
        Coordinates of few values, which are spread a little.
    counts : array of shape (B,) * d
        Sum of the weights of the rows in each bin between the limits, in units of the
        mean weight of a row.
    shades : array of shape (B,) * d + (c,)
        Means over the rows in each bin.
    points : Points or None
        None if there are too many.
    """

    view: View
    limits: list[tuple[float, float]]
    n_rows: int
    n_hidden: int
    n_outside: int
    is_weighted: bool
    spread: tuple[str, ...]
    counts: Array
    shades: Array
    points: Points | None


def draw_rows_in(
    views: Sequence[View],
    model: GaussianMixture,
    X: Any,
    shade: Shade,
    *,
    sample_weight: ArrayLike | str | None = None,
    max_points: int = MAX_POINTS,
    n_bins: int = 200,
) -> list[DrawnRows]:
    """What pictures of each view need of the rows, in one pass for all of them.

    Parameters
    ----------
    views : sequence of View
    model : GaussianMixture
    X : array-like of shape (N, D), or what ``fit`` can read block by block
    shade : callable
    sample_weight : array-like of shape (N,), or name of a column, default=None
    max_points : int, default=20000
        Of more rows there are no points.
    n_bins : int, default=200
        Along each coordinate of two; a single one has at most 80.
    """
    ask = model._row_answers()
    sums: list[_ViewSums] = []
    with closing(model._row_blocks(X, sample_weight)) as blocks:
        for rows, weights in blocks:
            if not sums:
                some = rows[:: -(-len(rows) // _LIMITING_ROWS)]
                sums = [
                    _ViewSums(view, view.limits(model, some), max_points, n_bins)
                    for view in views
                ]
            for part in parts_of(len(rows), max(len(model.weights_), rows.shape[1])):
                values = read_only(rows[part])
                shades = shade(ask(kernels.probability_pass, values))
                for of_view in sums:
                    of_view.add(of_view.view.of_rows(values), shades, weights[part])
    return [of_view.drawn() for of_view in sums]


class _ViewSums:
    """Sums over rows in a view, and the rows themselves as long as they are few."""

    def __init__(
        self,
        view: View,
        limits: list[tuple[float, float]],
        max_points: int,
        n_bins: int,
    ) -> None:
        self.view = view
        self._limits = limits
        self._max_points = max_points
        n_coordinates = len(limits)
        self._shape = (n_bins,) * 2 if n_coordinates == 2 else (80,)
        self._sums: Array | None = None  # of weights, and of weights times shades
        self._n_rows = self._n_hidden = self._n_outside = 0
        self._weight = 0.0
        self._weights_seen: set[float] = set()  # at most two
        self._distinct: list[Array | None] = [np.empty(0)] * n_coordinates
        self._kept: list[tuple[Array, Array, Array]] | None = []

    def add(self, coordinates: Array, shades: Array, weights: Array) -> None:
        """Count more rows; no weights mean 1 for each."""
        if self._sums is None:
            n_bins = int(np.prod(self._shape))
            self._sums = np.zeros((1 + shades.shape[1], n_bins))
        w = weights if len(weights) else np.ones(len(coordinates))
        if len(self._weights_seen) < 2:
            self._weights_seen |= {float(w.min()), float(w.max())}
        self._n_rows += len(coordinates)
        self._weight += float(w.sum())
        here = ~np.isnan(coordinates).any(axis=1)
        if not here.all():
            self._n_hidden += int(np.count_nonzero(~here))
            coordinates, shades, w = coordinates[here], shades[here], w[here]
        self._see_distinct(coordinates)
        if self._n_rows > self._max_points:
            self._kept = None
        if self._kept is not None:
            self._kept.append((coordinates, shades, w))
        places, inside = self._places(coordinates)
        self._n_outside += len(inside) - len(places)
        for channel, total in enumerate(self._sums):
            amounts = w if channel == 0 else w * shades[:, channel - 1]
            total += np.bincount(places, amounts[inside], total.size)

    def _places(self, coordinates: Array) -> tuple[Any, Any]:
        """The number of the bin of each row within the limits, and which these are."""
        lows, highs = np.transpose(self._limits)
        bins = (coordinates - lows) * (np.array(self._shape) / (highs - lows))
        inside = ((bins >= 0) & (bins < self._shape)).all(axis=1)
        bins = bins[inside].astype(np.intp)
        return np.ravel_multi_index(tuple(bins.T), self._shape), inside

    def _see_distinct(self, coordinates: Array) -> None:
        """Remember the values of coordinates that have few."""
        for j, seen in enumerate(self._distinct):
            if seen is not None:
                values = np.union1d(seen, coordinates[:, j])
                self._distinct[j] = values if len(values) <= _MOST_DISTINCT else None

    def drawn(self) -> DrawnRows:
        """What is to be drawn, after the last row."""
        assert self._sums is not None
        n_here = self._n_rows - self._n_hidden
        reaches = np.zeros(len(self._limits))
        if len(self._limits) == 2:  # bars of a histogram stay where they are
            for j, values in enumerate(self._distinct):
                if values is not None and 2 <= len(values) <= n_here // 50:
                    reaches[j] = _SPREAD * float(np.diff(values).min())
        sums = self._sums.reshape(-1, *self._shape)
        for j, reach in enumerate(reaches):
            low, high = self._limits[j]
            width = round(2 * reach * self._shape[j] / (high - low))
            if width > 1:
                sums = uniform_filter1d(sums, width, axis=j + 1, mode="constant")
        if len(self._limits) == 1:
            while sums.shape[1] % 2 == 0 and sums.shape[1] > 4 * np.sqrt(n_here):
                sums = sums[:, ::2] + sums[:, 1::2]  # for bars that tell something
        counts = np.maximum(sums[0], 0)
        # Of what moving sums leave in empty bins nothing is to be seen.
        counts[counts < 1e-9 * counts.max()] = 0
        with np.errstate(invalid="ignore", divide="ignore"):
            shades = np.moveaxis(sums[1:] / counts, 0, -1)
        mean_weight = self._weight / self._n_rows
        return DrawnRows(
            *(self.view, self._limits),
            *(self._n_rows, self._n_hidden, self._n_outside),
            len(self._weights_seen) > 1,
            tuple(
                label
                for label, reach in zip(self.view.labels, reaches, strict=True)
                if reach
            ),
            counts / mean_weight,
            shades,
            None if self._kept is None else self._points(reaches, mean_weight),
        )

    def _points(self, reaches: Array, mean_weight: float) -> Points:
        assert self._kept is not None
        coordinates, shades, weights = map(
            np.concatenate, zip(*self._kept, strict=True)
        )
        moves = np.random.default_rng(1).uniform(-1, 1, coordinates.shape)
        order = np.random.default_rng(0).permutation(len(coordinates))
        is_weighted = len(self._weights_seen) > 1
        return Points(
            (coordinates + reaches * moves)[order],
            shades[order],
            weights[order] / mean_weight if is_weighted else np.empty(0),
        )
