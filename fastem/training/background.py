"""How large the region is in which rows that belong to no component lie."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from fastem.checks.parameters import check_bounds
from fastem.checks.rows import Rows
from fastem.covariances import named_columns
from fastem.runtime.callers import levels_to_caller
from fastem.starts.initialization import weighted_blocks
from fastem.statistics import Array, Background

# What the background starts with where nobody says otherwise.
NOISE_WEIGHT = 0.1
# Volumes that differ by less are the same, written with few digits.
_WRITTEN = 1e-4
# A width of fewer roundings is none: columns are combinations of others.
_ROUNDINGS = 16


class RowsToMeasure(Protocol):
    """Rows, wherever they are, of which any part can be asked."""

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""

    @property
    def has_gaps(self) -> bool:
        """Whether values are missing."""

    def gathered(
        self,
        function: Callable[..., Any],
        combine: Callable[[list[Any]], Any],
        **settings: Any,
    ) -> Any:
        """What the function makes of all parts of rows and weights, put together."""


@dataclass(frozen=True)
class _Box:
    """Points within ``bounds`` (D, 2) along ``axes`` (D, D) from ``center`` (D,)."""

    center: Array
    axes: Array
    bounds: Array

    @property
    def widths(self) -> Array:
        widths: Array = self.bounds[:, 1] - self.bounds[:, 0]
        return widths

    @property
    def volume(self) -> float:
        # Not the product, which overflows before its logarithm does.
        with np.errstate(divide="ignore"):
            return _exponential(float(np.log(self.widths).sum()))

    def shrunk_to(self, volume: float) -> "_Box":
        """One of the same shape about the same middle."""
        factor = (volume / self.volume) ** (1 / len(self.center))
        middle = self.bounds.mean(axis=1, keepdims=True)
        return replace(self, bounds=middle + factor * (self.bounds - middle))


def background_region(
    rows: RowsToMeasure,
    names: Sequence[str] | None,
    *,
    weight: float,
    volume: float | None,
    bounds: ArrayLike | None,
) -> Background:
    """The background of a fit to the rows.

    Parameters
    ----------
    names : sequence of str or None
        Names of all columns.
    weight : float
        What it starts with.
    volume : float or None
        Given by the user; by default that of the bounds, or the smaller one of the box
        around the rows and the box around them in the directions of their principal
        components (of rows with gaps the former).
    bounds : array-like of shape (D, 2) or None
        Given by the user; by default the ranges of the rows.

    Raises
    ------
    ValueError
        If the volume is 0, or too large or too small to be a number.
    """
    n_features = rows.shape[1]
    if bounds is not None:
        given = check_bounds(bounds, n_features, "noise_bounds")
        box = _Box(np.zeros(n_features), np.eye(n_features), given)
        n_outside = _number_outside(rows, box)
        if n_outside:
            warnings.warn(
                f"noise_bounds do not hold all rows. {_of_all(n_outside, rows)} lie "
                "outside. The background's density is the same there; widen the bounds "
                "if such rows belong to it.",
                stacklevel=levels_to_caller(),
            )
        return Background(weight, volume or _usable(box, names), given)
    box = _box_of(rows, np.zeros(n_features), np.eye(n_features))
    if volume is None:
        return Background(weight, _usable(_smaller(rows, box), names), box.bounds)
    smaller = _smaller(rows, box)
    if volume < smaller.volume * (1 - _WRITTEN):
        n_outside = _number_outside(rows, smaller.shrunk_to(volume))
        warnings.warn(
            "noise_volume is less than that of the smallest box around the rows. It is "
            f"{volume:.4g}, and the box's {smaller.volume:.4g}: "
            f"{_of_all(n_outside, rows)} would lie outside a box of that volume about "
            "the same middle.",
            stacklevel=levels_to_caller(),
        )
    return Background(weight, volume, box.bounds)


def _smaller(rows: RowsToMeasure, box: _Box) -> _Box:
    """The box, or the one along the principal components if that is smaller."""
    if len(box.center) == 1 or not box.widths.all() or rows.has_gaps:
        return box
    middle = box.bounds.mean(axis=1)
    sums = rows.gathered(_products, _added, center=middle)
    mean = sums[0, 1:] / sums[0, 0]
    covariance = sums[1:, 1:] / sums[0, 0] - np.outer(mean, mean)
    axes = np.linalg.eigh(covariance)[1]
    principal = _box_of(rows, middle, axes)
    eps = float(np.finfo(rows.dtype).eps)
    rounding = _ROUNDINGS * eps * (np.abs(axes.T) @ np.abs(box.bounds).max(axis=1))
    is_flat = (principal.widths <= rounding)[:, np.newaxis]
    principal = replace(principal, bounds=np.where(is_flat, 0, principal.bounds))
    return principal if principal.volume < box.volume else box


def _box_of(rows: RowsToMeasure, center: Array, axes: Array) -> _Box:
    """The smallest box around the rows along these axes."""
    extremes = rows.gathered(_extremes, _largest, center=center, axes=axes)
    bounds = np.column_stack([-extremes[0], extremes[1]])
    return _Box(center, axes, bounds)


def _number_outside(rows: RowsToMeasure, box: _Box) -> int:
    return int(rows.gathered(_outside, _added, box=box))


def _usable(box: _Box, names: Sequence[str] | None) -> float:
    """Its volume, if the density in it is a number."""
    volume = box.volume
    if 0 < volume < math.inf:
        return volume
    constant = np.flatnonzero(box.widths <= 0)
    if volume == math.inf or not len(constant):
        raise ValueError(
            f"noise=True needs the volume of a box around the rows, and that is too "
            f"{'large' if volume else 'small'} to be a number. Scale the columns"
        )
    if np.array_equal(box.axes, np.eye(len(box.axes))):
        what = f"{named_columns([int(j) for j in constant], names)} is constant"
    else:
        what = "columns are combinations of others"
    raise ValueError(
        f"noise=True needs a box around the rows, and that has no volume: {what}. "
        "Leave such columns out, or give noise_volume or noise_bounds"
    )


def _extremes(rows: Rows, weights: Rows, center: Array, axes: Array) -> Array:
    """The largest of minus the coordinates, and of the coordinates: (2, D)."""
    largest = np.full((2, len(center)), -np.inf)
    for block, w in weighted_blocks(rows, weights, len(center)):
        counted = block[w > 0]
        if len(counted):
            along = _along(counted, center, axes)
            np.fmax(largest[0], -np.fmin.reduce(along), out=largest[0])
            np.fmax(largest[1], np.fmax.reduce(along), out=largest[1])
    return largest


def _along(rows: Array, center: Array, axes: Array) -> Array:
    """Coordinates of rows along axes; of those with gaps these are the columns."""
    residuals = rows - center
    return residuals if np.isnan(residuals).any() else residuals @ axes


def _products(rows: Rows, weights: Rows, center: Array) -> Array:
    """Sums of weights, of rows less the center, and of their products: (D + 1,)^2."""
    sums = np.zeros((len(center) + 1, len(center) + 1))
    for block, w in weighted_blocks(rows, weights, len(center)):
        with_ones = np.column_stack([np.ones(len(block)), block - center])
        sums += (w * with_ones.T) @ with_ones
    return sums


def _outside(rows: Rows, weights: Rows, box: _Box) -> int:
    n_outside = 0
    for block, w in weighted_blocks(rows, weights, len(box.center)):
        along = _along(block, box.center, box.axes)
        is_outside = (along < box.bounds[:, 0]) | (along > box.bounds[:, 1])
        n_outside += int(np.count_nonzero(is_outside.any(axis=1) & (w > 0)))
    return n_outside


def _added(parts: list[Any]) -> Any:
    return sum(parts)


def _largest(parts: list[Array]) -> Array:
    largest: Array = np.max(parts, axis=0)
    return largest


def _exponential(logarithm: float) -> float:
    return math.exp(logarithm) if logarithm < 709 else math.inf


def _of_all(n_outside: int, rows: RowsToMeasure) -> str:
    return f"{n_outside:,} of {rows.shape[0]:,} rows"
