"""One walk over the rows: in parallel over a fixed grid of chunks.

A chunk is a fixed number of rows whatever the number of threads, each chunk has
partial sums of its own, and the partial sums are added in the order of the rows.
So the result is the same to the last bit for any number of threads.
"""

import numpy as np
from numba import prange

from fastem.kernels.calls import call_address
from fastem.kernels.compilation import FASTMATH_EXACT_ROUNDING, kernel, subroutine
from fastem.kernels.dispatch import tile_accumulate, tile_log_densities, write_rows
from fastem.kernels.tiles import load_tile, normalize_responsibilities, tile_rows

_NOGIL = {"nogil": True}
_SUM_BLOCK = 4096


@subroutine()
def _tile_buffers(n_features, n_components, dtype_of):
    width = tile_rows(n_features, n_components, dtype_of.itemsize)
    tile = np.empty((n_features, width), dtype_of.dtype)
    weights = np.empty(width, dtype_of.dtype)
    values = np.empty((n_components, width), dtype_of.dtype)
    scratch = np.empty((2 * n_features + 4, width), dtype_of.dtype)
    return tile, weights, values, scratch


@kernel(**_NOGIL)
def expectation_chunk(X, row_weights, factors, start, stop, sums_out):
    """Sums over rows start:stop under the parameters in ``factors``.

    ``sums_out`` holds the log-likelihood, the K weights, the K x D first moments
    and the scatter, one after another.
    """
    n_components, n_features = factors.means.shape
    tile, weights, values, scratch = _tile_buffers(
        n_features, n_components, factors.means
    )
    width = tile.shape[1]
    sums_out[:] = 0
    first_start = 1 + n_components
    scatter_start = first_start + n_components * n_features
    weight_sums = sums_out[1:first_start]
    first = sums_out[first_start:scatter_start].reshape(n_components, n_features)
    scatter = sums_out[scatter_start:]
    for tile_start in range(start, stop, width):
        tile_stop = min(tile_start + width, stop)
        load_tile(X, row_weights, factors.center, tile_start, tile_stop, tile, weights)
        tile_log_densities(factors, tile, scratch, values)
        sums_out[0] += normalize_responsibilities(values, weights, scratch)
        for k in range(n_components):
            r = values[k]
            total = 0.0
            for b in range(width):
                total += r[b]
            weight_sums[k] += total
        tile_accumulate(factors, tile, weights, values, scratch, first, scatter)


@kernel(parallel=True)
def expectation_grid(
    address, X, row_weights, factors, first_row, last_row, chunk_rows, sums_out
):
    """``expectation_chunk`` on consecutive chunks; one row of ``sums_out`` each."""
    for c in prange(sums_out.shape[0]):
        start = first_row + c * chunk_rows
        stop = min(start + chunk_rows, last_row)
        call_address(address, (X, row_weights, factors, start, stop, sums_out[c]))


@kernel(**_NOGIL)
def row_chunk(X, factors, output, start, stop):
    """What ``output`` says of rows start:stop, written into it."""
    n_components, n_features = factors.means.shape
    tile, weights, values, scratch = _tile_buffers(
        n_features, n_components, factors.means
    )
    width = tile.shape[1]
    for tile_start in range(start, stop, width):
        tile_stop = min(tile_start + width, stop)
        load_tile(X, weights[:0], factors.center, tile_start, tile_stop, tile, weights)
        tile_log_densities(factors, tile, scratch, values)
        write_rows(output, tile_start, tile_stop, values, weights, scratch)


@kernel(parallel=True)
def row_grid(address, X, factors, output, first_row, last_row, chunk_rows):
    """``row_chunk`` on the consecutive chunks of rows first_row:last_row."""
    n_chunks = (last_row - first_row + chunk_rows - 1) // chunk_rows
    for c in prange(n_chunks):
        start = first_row + c * chunk_rows
        stop = min(start + chunk_rows, last_row)
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
