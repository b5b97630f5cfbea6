"""Tiles: a few hundred rows, transposed, that stay in the core's own cache."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from fastem.kernels.background import number_of_backgrounds
from fastem.kernels.compilation import FASTMATH_EXACT_ROUNDING, subroutine
from fastem.kernels.vectors.arithmetic import (
    NARROW_BYTES,
    add,
    divide,
    load_wide,
    maximum,
    multiply,
    splat_like,
    splat_wide,
    store,
    subtract,
    total,
    where_less,
    wide_lanes,
)
from fastem.kernels.vectors.elementary import exp_nonpositive, log_positive
from fastem.kernels.vectors.transposition import load_transposed, transposed_rows

# What one core's tile and scratch may take: most of a 1 MB second-level cache. Half of
# it took 7 to 9 % more time for 96 columns, and for 64 columns and 64 components.
_TILE_BYTES = 768 * 1024
# A column of a tile: 256 rows of float64, 512 of float32. With 256 rows of float32,
# adding up the lanes of vectors cost 7 to 13 % of a pass over 2 to 64 columns.
_COLUMN_BYTES = 2048
SMALLEST_TILE = 64
LINE_BYTES = 64
# Where far components are left out of each tile. Of 64, 128 and 256 rows, this took
# the least time on flights, ocean and pixels with 16 to 256 components.
NEAR_TILE = 128
# Rows are brought into order down to so many. A group of rows that has one bound for
# each component is as many float64, or twice as many float32: a wide vector, or more.
GROUP_ROWS = 32
GROUP_BYTES = 8 * GROUP_ROWS
# Columns from which on bounds are carried. With 4 (ocean, 64 components) a pair costs
# so little that boxes around tiles took three quarters of the time.
FEWEST_CARRYING = 5

# Rows in a chunk. The grid must not depend on the number of threads, and had
# better not depend on N, so that any table cut at multiples of it gives the same
# bits. At 1024, zeroing and adding the partial sums cost below 1 %.
CHUNK_ROWS = 1024


def tile_rows(n_features: int, n_components: int, itemsize: int) -> int:
    """Number of rows in a tile: a power of two, so that tiles fill up a chunk."""
    row_bytes = itemsize * (3 * n_features + n_components + 4)
    rows = _COLUMN_BYTES // itemsize
    while rows > SMALLEST_TILE and rows * row_bytes > _TILE_BYTES:
        rows //= 2
    return rows


def aligned_empty(n_rows: int, width: int, dtype: DTypeLike) -> np.ndarray:
    """As ``np.empty``, but from where a cache line begins.

    From elsewhere each load of a vector, or each other one, touches two lines: up to a
    tenth of a pass.
    """
    n_bytes = n_rows * width * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + LINE_BYTES, np.uint8)
    first = -memory.__array_interface__["data"][0] % LINE_BYTES
    return np.ndarray((n_rows, width), dtype, memory, first)


class NearSpace(NamedTuple):
    """What a pass works in that leaves out components."""

    box: np.ndarray  # (4, D) float64
    distances: np.ndarray  # (2, K and a vector more) float64
    taken: np.ndarray  # (K,) bool


class TileSpace(NamedTuple):
    """What a pass over the rows works in: nothing of it lasts."""

    tile: np.ndarray  # (D, B)
    weights: np.ndarray  # (B,)
    values: np.ndarray  # (K, B), with a background (K + 1, B)
    scratch: np.ndarray  # (2 D + 4, B)
    chosen: np.ndarray  # (K,) intp, at first 0 to K - 1; so (K + 1,)
    kept: np.ndarray  # (2 K, B), or (0, B) where tails are Gaussian
    near: NearSpace | None  # where components are left out


def tile_space(factors: Any, most_rows: int, near: bool = False) -> TileSpace:
    """Space for tiles of as many rows as is best, but of no more than needed."""
    n_components, n_features = factors.means.shape
    n_values = n_components + number_of_backgrounds(factors.background)
    n_kept = 2 * n_components if factors.tails is not None else 0
    dtype = factors.means.dtype
    # A whole tile would take one row as long as all.
    needed = -(-most_rows // SMALLEST_TILE) * SMALLEST_TILE
    width = min(tile_rows(n_features, n_values + n_kept, dtype.itemsize), needed)
    after_tile = n_features
    after_values = after_tile + n_values
    after_scratch = after_values + 2 * n_features + 4
    rows = aligned_empty(after_scratch + 1 + n_kept, width, dtype)
    return TileSpace(
        rows[:after_tile],
        rows[after_scratch],
        rows[after_tile:after_values],
        rows[after_values:after_scratch],
        np.arange(n_values),
        rows[after_scratch + 1 :],
        _near_space(n_components, n_features) if near else None,
    )


def _near_space(n_components: int, n_features: int) -> NearSpace:
    return NearSpace(
        np.empty((4, n_features)),
        np.empty((2, n_components + NARROW_BYTES // 8)),
        np.empty(n_components, np.bool_),
    )


@subroutine()
def rounding_unit(array):
    """The distance from 1 to the next number of the array's type."""
    return 2.0**-52 if array.itemsize == 8 else 2.0**-23


@subroutine(fastmath=FASTMATH_EXACT_ROUNDING)
def load_tile(X, row_weights, center, start, stop, tile_out, weights_out):
    """Copy rows start:stop of X, less the center, as columns of the tile.

    An empty ``row_weights`` means 1 for every row. Columns past ``stop`` hold the
    center itself with weight 0: they take part in every loop and count in none.
    """
    n_rows = stop - start
    n_features, width = tile_out.shape
    rows_at_once = transposed_rows(X)
    n_whole_rows = n_rows - n_rows % rows_at_once
    for b in range(0, n_whole_rows, rows_at_once):
        if n_features == 1:
            load_transposed(X, start + b, (0,), center, tile_out, b)
        elif n_features == 2:
            load_transposed(X, start + b, (0, 1), center, tile_out, b)
        elif n_features == 3:
            load_transposed(X, start + b, (0, 1, 2), center, tile_out, b)
        else:
            for strip in range(0, n_features, 4):
                # The last strip may overlap the one before it.
                j = min(strip, n_features - 4)
                columns = (j, j + 1, j + 2, j + 3)
                load_transposed(X, start + b, columns, center, tile_out, b)
    for j in range(n_features):
        x = tile_out[j]
        high = x.dtype.type(center[j])
        low = x.dtype.type(center[j] - np.float64(high))
        for b in range(n_whole_rows, n_rows):
            x[b] = X[start + b, j] - high - low
        for b in range(n_rows, width):
            x[b] = 0
    if row_weights.shape[0] > 0:
        for b in range(n_rows):
            weights_out[b] = row_weights[start + b]
    else:
        for b in range(n_rows):
            weights_out[b] = 1
    for b in range(n_rows, width):
        weights_out[b] = 0


@subroutine()
def raise_maximum(values, largest_out):
    """Raise each row's largest log-density to that of ``values`` (n, B)."""
    for b in range(0, values.shape[1], wide_lanes(values)):
        largest = load_wide(largest_out, b)
        for a in range(values.shape[0]):
            largest = maximum(load_wide(values[a], b), largest)
        store(largest, largest_out, b)


@subroutine()
def choose_likeliest(values, largest_out, labels_out):
    """The largest of each row's ``values`` (n, B), and which it is, as a number.

    The first one of equals.
    """
    for b in range(0, values.shape[1], wide_lanes(values)):
        largest = load_wide(values[0], b)
        label = splat_wide(values.dtype.type(0))
        for a in range(1, values.shape[0]):
            value = load_wide(values[a], b)
            label = where_less(largest, value, splat_like(value, a), label)
            largest = where_less(largest, value, value, largest)
        store(largest, largest_out, b)
        store(label, labels_out, b)


@subroutine()
def _density(below, faint):
    """The density over the row's largest one, of which it is so far below."""
    if faint is None:
        return exp_nonpositive(below)
    nothing = splat_like(below, 0.0)
    return where_less(below, splat_like(below, faint), nothing, exp_nonpositive(below))


@subroutine()
def subtract_maximum_and_exponentiate(values, faint, largest_out, totals_out):
    """Turn log-densities (n, B), in place, into densities over the row's largest.

    What is below the largest by more than -``faint`` becomes 0; None for no such limit.
    """
    largest_out[:] = -np.inf
    raise_maximum(values, largest_out)
    for b in range(0, values.shape[1], wide_lanes(values)):
        largest = load_wide(largest_out, b)
        sums = splat_wide(values.dtype.type(0))
        for a in range(values.shape[0]):
            value = values[a]
            density = _density(subtract(load_wide(value, b), largest), faint)
            store(density, value, b)
            sums = add(sums, density)
        store(sums, totals_out, b)


@subroutine()
def row_log_likelihoods(values, faint, log_likelihoods_out, totals_out):
    """Turn log-densities (n, B), in place, into densities over the row's largest.

    ``totals`` (B,) are their sums; the logarithm of what they would be without the
    division, the rows' log-likelihoods (log-sum-exp), are written as well.
    """
    subtract_maximum_and_exponentiate(values, faint, log_likelihoods_out, totals_out)
    for b in range(0, values.shape[1], wide_lanes(values)):
        logarithm = log_positive(load_wide(totals_out, b))
        largest = load_wide(log_likelihoods_out, b)
        store(add(largest, logarithm), log_likelihoods_out, b)


@subroutine()
def normalize_responsibilities(values, row_weights, scratch, chosen, weights_out):
    """Turn log-densities (n, B), in place, into responsibilities x row weight.

    Adds their sums to those of the components ``chosen`` (n,), and returns the weighted
    sum of the rows' log-likelihoods, in float64.
    """
    n_rows, lanes = values.shape[1], wide_lanes(values)
    log_likelihoods, factors = scratch[0], scratch[1]
    row_log_likelihoods(values, None, log_likelihoods, factors)
    log_likelihood = 0.0
    for b in range(n_rows):
        log_likelihood += np.float64(row_weights[b]) * np.float64(log_likelihoods[b])
    for b in range(0, n_rows, lanes):
        store(divide(load_wide(row_weights, b), load_wide(factors, b)), factors, b)
    for a in range(values.shape[0]):
        value = values[a]
        weight = splat_wide(values.dtype.type(0))
        for b in range(0, n_rows, lanes):
            r = multiply(load_wide(value, b), load_wide(factors, b))
            store(r, value, b)
            weight = add(weight, r)
        weights_out[chosen[a]] += total(weight)
    return log_likelihood
