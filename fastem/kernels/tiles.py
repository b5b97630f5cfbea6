"""Tiles: a few hundred rows, transposed, that stay in the core's own cache."""

import numpy as np

from fastem.kernels.compilation import subroutine
from fastem.kernels.elementary import exp_nonpositive, log_positive
from fastem.kernels.transposition import store_transposed
from fastem.kernels.vectors import (
    add,
    load_wide,
    maximum,
    multiply,
    narrow_lanes,
    splat_wide,
    store,
    subtract,
    wide_lanes,
)

# What one core's tile and scratch may take: most of a 1 MB second-level cache. Half of
# it took 7 to 9 % more time for 96 columns, and for 64 columns and 64 components.
_TILE_BYTES = 768 * 1024
# A column of a tile: 256 rows of float64, 512 of float32. With 256 rows of float32,
# adding up the lanes of vectors cost 7 to 13 % of a pass over 2 to 64 columns.
_COLUMN_BYTES = 2048
SMALLEST_TILE = 64
# Where far components are left out of each tile. Of 64, 128 and 256 rows, this took
# the least time on flights, ocean and pixels with 16 to 256 components.
NEAR_TILE = 128

# Rows in a chunk. The grid must not depend on the number of threads, and had
# better not depend on N, so that any table cut at multiples of it gives the same
# bits. At 1024, zeroing and adding the partial sums cost below 1 %.
CHUNK_ROWS = 1024


@subroutine()
def tile_rows(n_features, n_components, itemsize):
    """Number of rows in a tile: a power of two, so that tiles fill up a chunk."""
    row_bytes = itemsize * (3 * n_features + n_components + 4)
    rows = _COLUMN_BYTES // itemsize
    while rows > SMALLEST_TILE and rows * row_bytes > _TILE_BYTES:
        rows //= 2
    return rows


@subroutine()
def load_tile(X, row_weights, center, start, stop, tile_out, weights_out):
    """Copy rows start:stop of X, less the center, as columns of the tile.

    An empty ``row_weights`` means 1 for every row. Columns past ``stop`` hold the
    center itself with weight 0: they take part in every loop and count in none.
    """
    n_rows = stop - start
    n_features, width = tile_out.shape
    lanes = narrow_lanes(tile_out)
    n_whole_rows = n_rows - n_rows % lanes
    n_whole_columns = n_features - n_features % lanes
    for b in range(0, n_whole_rows, lanes):
        for j in range(0, n_whole_columns, lanes):
            store_transposed(X, start + b, j, center, tile_out, b)
    for j in range(n_features):
        x, c = tile_out[j], center[j]
        for b in range(n_whole_rows if j < n_whole_columns else 0, n_rows):
            x[b] = X[start + b, j] - c
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
def subtract_maximum_and_exponentiate(values, largest_out, totals_out):
    """Turn log-densities (n, B), in place, into densities over the row's largest."""
    largest_out[:] = -np.inf
    raise_maximum(values, largest_out)
    for b in range(0, values.shape[1], wide_lanes(values)):
        largest = load_wide(largest_out, b)
        total = splat_wide(values.dtype.type(0))
        for a in range(values.shape[0]):
            value = values[a]
            density = exp_nonpositive(subtract(load_wide(value, b), largest))
            store(density, value, b)
            total = add(total, density)
        store(total, totals_out, b)


@subroutine()
def normalize_responsibilities(values, row_weights, scratch):
    """Turn log-densities (n, B), in place, into responsibilities x row weight.

    Returns the weighted sum of the rows' log-likelihoods (log-sum-exp), in float64.
    """
    n_components, n_rows = values.shape
    largest, totals = scratch[0], scratch[1]
    subtract_maximum_and_exponentiate(values, largest, totals)
    log_likelihood = 0.0
    for b in range(n_rows):
        row_log_likelihood = largest[b] + log_positive(totals[b])
        log_likelihood += np.float64(row_weights[b]) * np.float64(row_log_likelihood)
        totals[b] = row_weights[b] / totals[b]
    for b in range(0, n_rows, wide_lanes(values)):
        factor = load_wide(totals, b)
        for a in range(n_components):
            value = values[a]
            store(multiply(load_wide(value, b), factor), value, b)
    return log_likelihood
