"""Leaves out the components that are too far from a whole tile to count.

A responsibility is r = w f / g, with the component's weight w and density f at the
row, and the density g of the mixture there. A component is left out of a tile where

    f < (eps / 64) g     at each of its rows,                                    (1)

with the rounding unit eps of the rows' type. Over all rows that moves the sum of the
component's responsibilities, N w, by less than N w eps / 64, and the log-likelihood
of a row by less than eps / 64. A whitened second moment takes the squared distance
as a factor, of the order of 2 log(64 / eps) where (1) holds, 80 in float64: less than
two eps of the variance. The same result to rounding, unless a component loses nearly
all of its weight in one iteration: what it keeps is then no more than that rounding.

Where (1) holds follows from the box around the tile. With whitener W and mean m, and
the box's centre c and half widths h, a coordinate of W (x - m) lies within |W| h of
that of W (c - m), so a lower bound of the distance costs two products with W for a
tile, not for each row. Ordered rows (``kernels.ordering``) have small boxes: on maps of
the ocean with 256 components 13 % of the pairs pass the bound, and 11 % must.
"""

import math
from typing import NamedTuple

import numpy as np

from fastem.kernels.compilation import subroutine
from fastem.kernels.dispatch import coefficients
from fastem.kernels.tails import StudentTails, fall_at
from fastem.kernels.vectors.arithmetic import (
    NARROW_BYTES,
    largest_lane,
    load_narrow,
    maximum,
    multiply_add,
    narrow_lanes,
    splat_narrow,
    store,
    subtract,
    total,
)

_LANES = NARROW_BYTES // np.dtype(np.float64).itemsize


class Reach(NamedTuple):
    """How far from its mean each component counts."""

    blocks: np.ndarray  # (K / lanes, R, lanes): coefficients, a vector of components
    log_normalizers: np.ndarray  # (K,), those of the factors
    peaks: np.ndarray  # (K,), log-density of each component at its mean
    cutoff: float  # log(64 / eps)
    slack: float  # relative rounding of a log-density
    tails: StudentTails | None  # those of the factors


def reach_of(factors, log_weights) -> Reach:
    """The reach of the components, up to rounding in the type of the factors."""
    values = coefficients(factors).astype(np.float64)
    n_components, n_features = factors.means.shape
    n_blocks = -(-n_components // _LANES)
    padded = np.zeros((n_blocks * _LANES, values.shape[1]))
    padded[:n_components] = values
    blocks = padded.reshape(n_blocks, _LANES, -1).transpose(0, 2, 1)
    log_normalizers = factors.log_normalizers.astype(np.float64)
    eps = float(np.finfo(factors.means.dtype).eps)
    return Reach(
        np.ascontiguousarray(blocks),
        log_normalizers,
        # An empty component counts nowhere.
        np.subtract(
            log_normalizers,
            log_weights,
            out=np.full(n_components, -np.inf),
            where=log_weights > -np.inf,
        ),
        math.log(64 / eps),
        8 * n_features * eps,
        factors.tails,
    )


@subroutine()
def bound_box(tile, center_out, half_widths_out):
    """The smallest box around the columns of a tile (D, B)."""
    n_features, n_rows = tile.shape
    lanes = narrow_lanes(tile)
    zero = splat_narrow(tile.dtype.type(0))
    for j in range(n_features):
        x = tile[j]
        highest = load_narrow(x, 0)
        negated = subtract(zero, highest)
        for b in range(lanes, n_rows, lanes):
            value = load_narrow(x, b)
            highest = maximum(value, highest)
            negated = maximum(subtract(zero, value), negated)
        high = np.float64(largest_lane(highest))
        low = -np.float64(largest_lane(negated))
        center_out[j] = 0.5 * (low + high)
        half_widths_out[j] = 0.5 * (high - low)


@subroutine()
def choose_central(reach, central, taken_out, chosen_out):
    """Choose what counts at the box's centre; return how many components do.

    A number that is none counts as near, here and below.
    """
    n_components = reach.peaks.shape[0]
    best = -np.inf
    for k in range(n_components):
        fall = fall_at(reach.tails, k, central[k])
        best = max(best, reach.log_normalizers[k] - fall)
    threshold = best - reach.cutoff
    n_chosen = 0
    for k in range(n_components):
        highest = reach.peaks[k] - fall_at(reach.tails, k, central[k])
        near = not (highest < threshold)
        taken_out[k] = near
        if near:
            chosen_out[n_chosen] = k
            n_chosen += 1
    return n_chosen


@subroutine()
def choose_reaching(reach, nearest, lowest, taken, chosen_out, n_chosen):
    """Append what may count somewhere in the box; return how many are chosen now.

    ``lowest`` (B,) are lower bounds of the rows' log-likelihoods.
    """
    floor = np.float64(lowest[0])
    for b in range(1, lowest.shape[0]):
        floor = min(floor, np.float64(lowest[b]))
    threshold = floor - reach.cutoff - reach.slack * abs(floor)
    for k in range(reach.peaks.shape[0]):
        highest = reach.peaks[k] - fall_at(reach.tails, k, nearest[k])
        if not (taken[k] or highest < threshold):
            chosen_out[n_chosen] = k
            n_chosen += 1
    return n_chosen


@subroutine()
def drop_faint(reach, largest, chosen, values, n_chosen):
    """Keep the components that count for some row; return how many are kept.

    ``values`` (n, B) are log-densities of the components ``chosen``, ``largest`` (B,)
    the largest for each row. Both are closed up in place.
    """
    n_rows = largest.shape[0]
    lanes = narrow_lanes(values)
    zero = splat_narrow(values.dtype.type(0))
    n_kept = 0
    for a in range(n_chosen):
        k = chosen[a]
        value, kept = values[a], values[n_kept]
        highest = splat_narrow(values.dtype.type(-np.inf))
        not_a_number = zero
        for b in range(0, n_rows, lanes):
            log_density = load_narrow(value, b)
            difference = subtract(log_density, load_narrow(largest, b))
            highest = maximum(difference, highest)
            not_a_number = multiply_add(difference, zero, not_a_number)
            store(log_density, kept, b)
        share = largest_lane(highest) + total(not_a_number)
        threshold = reach.log_normalizers[k] - reach.peaks[k] - reach.cutoff
        if not (share < threshold):
            chosen[n_kept] = k
            n_kept += 1
    return n_kept
