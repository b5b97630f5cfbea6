"""One walk over the rows: in parallel over a fixed grid of chunks.

A chunk is a fixed number of rows whatever the number of threads, each chunk has
partial sums of its own, and the partial sums are added in the order of the rows.
So the result is the same to the last bit for any number of threads.
"""

import numpy as np
from numba import prange

from fastem.kernels.calls import call_address
from fastem.kernels.compilation import FASTMATH_EXACT_ROUNDING, kernel, subroutine
from fastem.kernels.dispatch import (
    box_distances,
    tile_accumulate,
    tile_log_densities,
    write_rows,
)
from fastem.kernels.skipping import (
    bound_box,
    choose_central,
    choose_reaching,
    drop_faint,
)
from fastem.kernels.tiles import (
    CHUNK_ROWS,
    NEAR_TILE,
    SMALLEST_TILE,
    load_tile,
    normalize_responsibilities,
    raise_maximum,
    tile_rows,
)

_NOGIL = {"nogil": True}
_SUM_BLOCK = 4096


@subroutine()
def _tile_buffers(n_features, n_components, width, dtype_of):
    tile = np.empty((n_features, width), dtype_of.dtype)
    weights = np.empty(width, dtype_of.dtype)
    values = np.empty((n_components, width), dtype_of.dtype)
    scratch = np.empty((2 * n_features + 4, width), dtype_of.dtype)
    return tile, weights, values, scratch, np.arange(n_components)


@subroutine()
def _near_log_densities(factors, reach, tile, scratch, chosen_out, values_out):
    """Log-densities (n, B) of the n components that count somewhere in a tile.

    Returns the number of components that were computed, and n.
    """
    n_components, n_features = factors.means.shape
    n_blocks, _, lanes = reach.blocks.shape
    largest = scratch[2 * n_features + 2]
    largest[:] = -np.inf
    box = np.empty((2, n_features))
    central = np.empty(n_blocks * lanes)
    nearest = np.empty(n_blocks * lanes)
    taken = np.empty(n_components, np.bool_)
    bound_box(tile, box[0], box[1])
    box_distances(factors, reach.blocks, box[0], box[1], central, nearest)
    n_done = 0
    n_chosen = choose_central(reach, central, taken, chosen_out)
    for batch in range(2):
        values = values_out[n_done:n_chosen]
        tile_log_densities(factors, tile, scratch, chosen_out[n_done:n_chosen], values)
        raise_maximum(values, largest)
        n_done = n_chosen
        if batch == 0:
            # What counts at the centre gives each row a first log-likelihood.
            n_chosen = choose_reaching(
                reach, nearest, largest, taken, chosen_out, n_chosen
            )
    return n_done, drop_faint(reach, largest, chosen_out, values_out, n_done)


@subroutine()
def _count_present(responsibilities, weights):
    """Number of responsibilities that are more than rounding."""
    eps = np.finfo(weights.dtype).eps
    n_present = 0
    for a in range(responsibilities.shape[0]):
        r = responsibilities[a]
        for b in range(weights.shape[0]):
            n_present += r[b] > eps * weights[b]
    return n_present


@kernel(**_NOGIL)
def expectation_chunks(X, row_weights, factors, reach, first_row, last_row, sums_out):
    """Sums over chunks of rows first_row:last_row under the parameters in ``factors``.

    For each chunk, a row of ``sums_out`` holds the log-likelihood, a number of (row,
    component) pairs, the K weights, the K x D first moments and the scatter. The pairs
    are those that were computed, or else, counted in the first tile, those that had
    to be.
    """
    n_components, n_features = factors.means.shape
    width = tile_rows(n_features, n_components, factors.means.itemsize)
    if reach is not None:
        width = min(width, NEAR_TILE)
    tile, weights, values, scratch, chosen = _tile_buffers(
        n_features, n_components, width, factors.means
    )
    first_start = 2 + n_components
    scatter_start = first_start + n_components * n_features
    sums_out[:] = 0
    for c in range(sums_out.shape[0]):
        sums = sums_out[c]
        weight_sums = sums[2:first_start]
        first = sums[first_start:scatter_start].reshape(n_components, n_features)
        scatter = sums[scatter_start:]
        start = first_row + c * CHUNK_ROWS
        stop = min(start + CHUNK_ROWS, last_row)
        for tile_start in range(start, stop, width):
            tile_stop = min(tile_start + width, stop)
            load_tile(
                X, row_weights, factors.center, tile_start, tile_stop, tile, weights
            )
            if reach is None:
                n_chosen = n_components
                tile_log_densities(factors, tile, scratch, chosen, values)
            else:
                n_computed, n_chosen = _near_log_densities(
                    factors, reach, tile, scratch, chosen, values
                )
                sums[1] += n_computed * (tile_stop - tile_start)
            present, r = chosen[:n_chosen], values[:n_chosen]
            sums[0] += normalize_responsibilities(
                r, weights, scratch, present, weight_sums
            )
            if reach is None and tile_start == start:
                n_tiles = (stop - start) / (tile_stop - tile_start)
                sums[1] += _count_present(r, weights) * n_tiles
            tile_accumulate(factors, tile, weights, present, r, scratch, first, scatter)


@kernel(parallel=True)
def expectation_grid(
    address, X, row_weights, factors, reach, first_row, last_row, sums_out
):
    """``expectation_chunks``, a chunk at a time."""
    for c in prange(sums_out.shape[0]):
        start = first_row + c * CHUNK_ROWS
        stop = min(start + CHUNK_ROWS, last_row)
        call_address(
            address, (X, row_weights, factors, reach, start, stop, sums_out[c : c + 1])
        )


@kernel(**_NOGIL)
def row_chunk(X, factors, output, start, stop):
    """What ``output`` says of rows start:stop, written into it."""
    n_components, n_features = factors.means.shape
    width = tile_rows(n_features, n_components, factors.means.itemsize)
    # No wider than the rows need: one row would take as long as a whole tile.
    needed = (stop - start + SMALLEST_TILE - 1) // SMALLEST_TILE * SMALLEST_TILE
    width = min(width, needed)
    tile, weights, values, scratch, chosen = _tile_buffers(
        n_features, n_components, width, factors.means
    )
    for tile_start in range(start, stop, width):
        tile_stop = min(tile_start + width, stop)
        load_tile(X, weights[:0], factors.center, tile_start, tile_stop, tile, weights)
        tile_log_densities(factors, tile, scratch, chosen, values)
        write_rows(output, tile_start, tile_stop, values, weights, scratch)


@kernel(parallel=True)
def row_grid(address, X, factors, output, first_row, last_row):
    """``row_chunk`` on the consecutive chunks of rows first_row:last_row."""
    n_chunks = (last_row - first_row + CHUNK_ROWS - 1) // CHUNK_ROWS
    for c in prange(n_chunks):
        start = first_row + c * CHUNK_ROWS
        stop = min(start + CHUNK_ROWS, last_row)
        call_address(address, (X, factors, output, start, stop))


@subroutine(fastmath=FASTMATH_EXACT_ROUNDING)
def _add_in_order(partial, start, stop, total_out):
    for c in range(partial.shape[0]):
        for s in range(start, stop):
            total_out[s] += partial[c, s]


@kernel(parallel=True)
def add_partial_sums(partial, total_out):
    """Add the rows of ``partial`` (C, S), first to last, to ``total_out`` (S,).

    In parallel over blocks of columns, so that the order of each sum is fixed.
    """
    n_blocks = (total_out.shape[0] + _SUM_BLOCK - 1) // _SUM_BLOCK
    for block in prange(n_blocks):
        start = block * _SUM_BLOCK
        stop = min(start + _SUM_BLOCK, total_out.shape[0])
        _add_in_order(partial, start, stop, total_out)
