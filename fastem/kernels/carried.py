"""Bounds of distances that are carried from one pass to the next.

Most components are far from most rows, and a pass that has computed by how much knows
it of the next pass as well, when the components have moved a little. This is what
Elkan (ICML 2003) and Hamerly (SDM 2010) do for the Euclidean distances of k-means;
here it is done for the distances of components which change shape as well.

What counts
===========
Component k has the weight w_k, the mean m_k and the whitener W_k, lower triangular with
W_k' W_k = S_k^-1; d_k(x) = |W_k (x - m_k)| is its distance from a row x, and
log w_k f_k(x) = n_k - h(d_k(x)^2) its log-density, with h(q) = q / 2 of a Gaussian and
(v + D) / 2 log(1 + q / v) of Student's law. The responsibility of the component is
taken to be 0 where

    log w_k f_k(x) < max_j log w_j f_j(x) + log w_k - log(64 / eps).                 (1)

The density is then below eps / 64 of the mixture's, so the sums of a pass move by less
than their rounding (``kernels.skipping`` has that proof). Condition (1) is one on each
row, whatever rows it is computed with: *which* pairs have been left out, and why,
cannot be seen in the sums, if only pairs for which (1) holds were left out. These are
added in the order of the components and of the rows, zeros or not. So sums have the
same bits with bounds and without: for any number of threads, and in a fit that goes on
from a checkpoint, where there are no bounds yet.

The bound
=========
Let W, m and d be those of the last pass and W', m', d' those of this one. Then

    d'(x) >= s d(x) - |W' (m' - m)|,     s = smallest singular value of W' W^-1.     (2)

Proof. W' (x - m') = W' W^-1 W (x - m) - W' (m' - m), and |A y| >= s |y| for each y. []

Nothing is supposed of the step from one mixture to the other: EM's, an extrapolated
one, or a component's that was put elsewhere. A step that is small compared to the
covariance has s near 1 and a shift near 0: in default fits, between the second and the
fortieth iteration, s is .93 to .99 and the shift .13 to .01 in the median.

A group of 32 rows (64 of float32) has one number l for each component, no more than
the distance of any of its rows. By (2), l' = s l - |W' (m' - m)| is one for the next
pass; where the pair of group and component is computed, the least distance takes its
place. With a lower bound g of the rows' largest log-densities the component is left out
of the group where n_k - h(l'^2) < g + log w_k - log(64 / eps), which implies (1) at
each of its rows. For g, each row's most likely component of the last pass is computed
first; rows that lie side by side in the table had better lie side by side in space, too
(``kernels.ordering``), so that few components do for a group.

Memory: four bytes for each group and component, N K / 8 in all, and four for each row.

Rounding
========
Distances are computed in the type of the tile, with rounding unit eps. Since
|W| |x - m| = |W| |W^-1 W (x - m)| <= |W| |W^-1| |y| in each coordinate, with
y = W (x - m), a computed distance differs from d by no more than (D + 4) eps r d,
r no less than | |W| |W^-1| |: the relative part below, taken for both mixtures. Rows
less the centre are rounded as well, by eps (|x - m| + |m - centre|) / 2 or less, and
not alike in two passes whose centres differ: the first part of this is relative again,
the second gives the absolute one. s^2 is the least eigenvalue of
W' W^-1 (W' W^-1)' = 1 + C, and so no less than 1 - |C|, less what product and inverse
round in float64; |C|^8 is no more than the sum of the squares of all numbers in C^4.
Bounds are kept in float32, each rounded down by 2^-20 of itself. All of this
is a few millionths where covariances are not close to singular; where they are, r says
so, and bounds bound less.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from fastem.kernels.compilation import subroutine
from fastem.kernels.dispatch import has_groups
from fastem.kernels.tails import LARGEST_RATIO, distance_at, log_of_one_more
from fastem.kernels.tiles import FEWEST_CARRYING, GROUP_BYTES
from fastem.kernels.triangles import inverses, largest_change, sizes
from fastem.kernels.vectors.arithmetic import (
    NARROW_BYTES,
    add,
    load_narrow,
    maximum,
    multiply,
    multiply_add,
    narrow_lanes,
    splat_narrow,
    store,
    subtract,
    where_less,
)

_LANES = NARROW_BYTES // 4
# Many times what float32 rounds.
_ROUNDING = 2.0**-20
_EPS = float(np.finfo(np.float64).eps)
# Groups in a box from whose sides the first bounds follow.
_BOX_GROUPS = 4


class History(NamedTuple):
    """What one pass leaves to the next."""

    nearest: np.ndarray  # (groups, K and a vector more) float32: bounds of distances
    labels: np.ndarray  # (N,) int32: each row's most likely component


class Falls(NamedTuple):
    """Student's law for the vectors in which bounds are kept."""

    inverses: np.ndarray  # (K and a vector more,) float32: 1 / v
    halves: np.ndarray  # like it: (v + D) / 2


class Drift(NamedTuple):
    """What has become of the components since, and how far they count now."""

    shrink: np.ndarray  # (K and a vector more,) float32: s
    shift: np.ndarray  # like it: |W' (m' - m)|
    peaks: np.ndarray  # like it: log-densities at the means, without the weights
    faint: np.ndarray  # (K,): what is so far below a row's largest counts as 0
    tails: Falls | None  # how densities fall, if not as Gaussian ones
    cutoff: float  # log(64 / eps)
    slack: float  # relative rounding of a log-density


def carries_bounds(factors: Any) -> bool:
    """Whether passes with these factors had better carry bounds."""
    n_features = factors.means.shape[1]
    return n_features >= FEWEST_CARRYING and has_groups(factors)


def _n_groups(n_rows: int, dtype: Any) -> int:
    return -(-n_rows * np.dtype(dtype).itemsize // GROUP_BYTES)


def bytes_of_history(n_rows: int, n_components: int, dtype: Any) -> int:
    """How much memory bounds take."""
    return 4 * (_n_groups(n_rows, dtype) * (n_components + _LANES) + n_rows)


def _width(n_components: int) -> int:
    """Of arrays that are gone through in whole vectors."""
    return -(-n_components // _LANES) * _LANES


def first_history(X: np.ndarray, factors: Any) -> History:
    """Bounds from boxes around the rows: nothing is known from an earlier pass.

    A coordinate of W (x - m) lies within |W| h of that of W (c - m), with the box's
    centre c and half widths h.
    """
    n_components = len(factors.means)
    n_groups = _n_groups(len(X), factors.means.dtype)
    rows = _BOX_GROUPS * GROUP_BYTES // factors.means.dtype.itemsize
    starts = np.arange(0, len(X), rows)
    low = np.minimum.reduceat(X, starts, axis=0) - factors.center
    high = np.maximum.reduceat(X, starts, axis=0) - factors.center
    middles, half_widths = (low + high) / 2, (high - low) / 2
    nearest = np.zeros((n_groups, _width(n_components)), np.float32)
    best = np.full(len(starts), -np.inf)
    labels = np.zeros(len(starts), np.int32)
    for k in range(n_components):
        whitener = factors.whiteners[k].astype(np.float64)
        central = np.abs((middles - factors.means[k]) @ whitener.T)
        gaps = np.maximum(central - half_widths @ np.abs(whitener).T, 0)
        distances = np.sqrt((gaps**2).sum(axis=1))
        nearest[:, k] = np.repeat(distances, _BOX_GROUPS)[:n_groups]
        log_densities = factors.log_normalizers[k] - (central**2).sum(axis=1) / 2
        labels[log_densities > best] = k
        best = np.fmax(best, log_densities)
    return History(nearest, np.repeat(labels, rows)[: len(X)])


def _padded(values: np.ndarray, fill: float) -> np.ndarray:
    padded = np.full(_width(len(values)), fill, np.float32)
    padded[: len(values)] = values
    return padded


def drift_of(before: Any, after: Any, log_weights: np.ndarray) -> Drift:
    """From the factors of the last pass, or None, to those of this one."""
    n_features = after.means.shape[1]
    eps = float(np.finfo(after.means.dtype).eps)
    shrink, shift = _moved(after if before is None else before, after, eps)
    log_normalizers = after.log_normalizers.astype(np.float64)
    cutoff, slack = math.log(64 / eps), 8 * n_features * eps
    with np.errstate(invalid="ignore"):  # of weights 0
        peaks = log_normalizers - log_weights
        rounding = np.abs(peaks) + np.abs(log_normalizers) + cutoff
        peaks += (slack + 4 * _ROUNDING) * rounding
    # An empty component counts nowhere; what is not a number counts everywhere.
    peaks[np.isneginf(log_weights)] = -np.inf
    return Drift(
        _padded(shrink * (1 - _ROUNDING), 0.0),
        _padded(shift * (1 + _ROUNDING), 0.0),
        _padded(peaks, -np.inf),
        (log_weights - cutoff).astype(after.means.dtype),
        None
        if after.tails is None
        else Falls(
            _padded(after.tails.inverses, 1.0), _padded(after.tails.halves, 1.0)
        ),
        cutoff,
        slack,
    )


def _moved(before: Any, after: Any, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Factor and length by which a distance to each component may have shrunk."""
    n_features = after.means.shape[1]
    old, new = (f.whiteners.astype(np.float64) for f in (before, after))
    inverse_old, inverse_new = inverses(old), inverses(new)
    condition, relative = sizes(old, inverse_old), sizes(new, inverse_old)
    ratio = new @ inverse_old
    change = largest_change(ratio @ ratio.transpose(0, 2, 1))
    least = 1 - change - 8 * n_features * _EPS * (1 + change)
    shrink = np.sqrt(np.fmax(least, 0))
    shrink -= 4 * n_features * _EPS * condition * relative
    roundings = (n_features + 8) * eps * (condition + sizes(new, inverse_new))
    step = after.center - before.center
    steps = after.means.astype(np.float64) - before.means + step
    shift = np.linalg.norm((new @ steps[:, :, np.newaxis])[:, :, 0], axis=1)
    reach = np.abs(after.means) + np.abs(step)
    rounded = np.linalg.norm((np.abs(new) @ reach[:, :, np.newaxis])[:, :, 0], axis=1)
    shrink = np.maximum(shrink * (1 - roundings), 0)
    return shrink, shift * (1 + roundings) + 4 * eps * rounded


@subroutine()
def carry(nearest, drift):
    """Make the bounds (K and more,) of a group ones of distances now."""
    zero = splat_narrow(np.float32(0))
    for k in range(0, nearest.shape[0], narrow_lanes(nearest)):
        distance = multiply(load_narrow(nearest, k), load_narrow(drift.shrink, k))
        distance = subtract(distance, load_narrow(drift.shift, k))
        store(maximum(distance, zero), nearest, k)


@subroutine()
def _highest_at(tails, k, distance, peak):
    """Log-densities at distances from components k to k + lanes."""
    if tails is None:
        fall = multiply(splat_narrow(np.float32(-0.5)), distance)
        return multiply_add(fall, distance, peak)
    ratio = multiply(multiply(distance, distance), load_narrow(tails.inverses, k))
    largest = splat_narrow(np.float32(LARGEST_RATIO))
    ratio = where_less(ratio, largest, ratio, largest)
    return subtract(
        peak, multiply(load_narrow(tails.halves, k), log_of_one_more(ratio))
    )


@subroutine()
def ask_for(nearest, drift, floor, bit, needed_out):
    """Add ``bit`` to the numbers of components that may count in a group.

    ``floor`` is no more than the largest log-density of any of its rows.
    """
    rounding = (drift.slack + _ROUNDING) * (abs(floor) + drift.cutoff)
    threshold = splat_narrow(np.float32(floor - drift.cutoff - rounding))
    zero, one = splat_narrow(np.float32(0)), splat_narrow(np.float32(bit))
    for k in range(0, nearest.shape[0], narrow_lanes(nearest)):
        distance = load_narrow(nearest, k)
        highest = _highest_at(drift.tails, k, distance, load_narrow(drift.peaks, k))
        # What is not a number counts.
        asked = where_less(highest, threshold, zero, one)
        store(add(load_narrow(needed_out, k), asked), needed_out, k)


@subroutine()
def bound_of(tails, k, log_normalizer, highest, slack):
    """A distance that no row is below whose log-density is ``highest`` at most."""
    fall = log_normalizer - highest - slack * (abs(log_normalizer) + abs(highest))
    if fall > 0:
        distance = math.sqrt(distance_at(tails, k, fall))
        return np.float32(distance * (1 - _ROUNDING))
    return np.float32(0)
