"""The walk over the rows that leaves out what carried bounds say does not count.

Tile by tile: each row's last component is computed, then what may count beside it;
densities and their sums follow, responsibilities, and the moments of those vectors of
rows of which one at least counts. A component has a bit for each group of the tile.
``kernels.carried`` says why that is the whole of the answer.
"""

from typing import NamedTuple

import numpy as np

from fastem.kernels.background import least_log_density, number_of_backgrounds
from fastem.kernels.carried import ask_for, bound_of, carry
from fastem.kernels.compilation import kernel, subroutine
from fastem.kernels.dispatch import (
    add_vectors,
    close_tile,
    group_distances,
    open_tile,
)
from fastem.kernels.tails import log_density_at, number_of_tails, weigh_vectors
from fastem.kernels.tiles import GROUP_BYTES, TileSpace, load_tile, tile_space
from fastem.kernels.vectors.arithmetic import (
    add,
    divide,
    lanes_at_least,
    largest_lane,
    load_narrow,
    load_wide,
    lowest_bit,
    maximum,
    multiply,
    multiply_add,
    narrow_lanes,
    splat_narrow,
    splat_wide,
    store,
    subtract,
    total,
    where_less,
    wide_lanes,
)
from fastem.kernels.vectors.elementary import exp_nonpositive, log_positive

# Rows in a chunk: zeroing and adding the sums of fewer took up to a tenth of a pass.
SPARSE_CHUNK = 4096


class SparseSpace(NamedTuple):
    """What such a pass works in."""

    tiles: TileSpace
    pending: np.ndarray  # (K,) intp: a bit for each group of the tile
    done: np.ndarray  # (K,) intp
    highest: np.ndarray  # (groups,): log-density
    needed: np.ndarray  # (K and a vector more,) float32: bits, as a number
    counting: np.ndarray  # (B / lanes,) intp: the vectors of rows that count


def sparse_space(factors, width, most_rows):
    """Space for tiles of as many rows as is best, and ``width`` components."""
    tiles = tile_space(factors, min(most_rows, SPARSE_CHUNK))
    n_components = factors.means.shape[0]
    return SparseSpace(
        tiles,
        np.zeros(n_components, np.intp),
        np.zeros(n_components, np.intp),
        np.zeros(tiles.tile.shape[1], tiles.tile.dtype),
        np.zeros(width, np.float32),
        np.zeros(tiles.tile.shape[1], np.intp),
    )


@subroutine()
def _lowest(largest, start, stop):
    """The least of largest[start:stop]."""
    zero = splat_narrow(largest.dtype.type(0))
    negated = subtract(zero, load_narrow(largest, start))
    for b in range(start + narrow_lanes(largest), stop, narrow_lanes(largest)):
        other = subtract(zero, load_narrow(largest, b))
        negated = where_less(negated, other, other, negated)
    return -np.float64(largest_lane(negated))


@subroutine()
def _group_log_densities(factors, k, tiles, panel, bits, largest_out, highest_out):
    """Log-densities of component k for the groups whose bits are set.

    ``largest`` (B,), of each row, is raised to them; ``highest`` (G,) gets that of each
    group.
    """
    tile, value = tiles.tile, tiles.values[k]
    rows = GROUP_BYTES // tile.itemsize
    log_normalizer = splat_wide(factors.log_normalizers[k])
    while bits != 0:
        g = lowest_bit(bits)
        bits &= bits - 1
        highest = splat_wide(tile.dtype.type(-np.inf))
        for b in range(g * rows, (g + 1) * rows, wide_lanes(tile)):
            distance = group_distances(factors, k, tile, b, panel, tiles.scratch)
            log_density = log_density_at(
                factors.tails, k, distance, log_normalizer, b, tiles.kept
            )
            highest = maximum(log_density, highest)
            store(log_density, value, b)
            store(maximum(log_density, load_wide(largest_out, b)), largest_out, b)
        highest_out[g] = largest_lane(highest)


@subroutine()
def _compute(factors, drift, nearest, space, panel, largest):
    """Compute the log-densities of what is pending; return how many groups."""
    tiles, pending, done = space.tiles, space.pending, space.done
    n_groups = nearest.shape[0]
    highest = space.highest[:n_groups]
    n_computed = 0
    for k in range(done.shape[0]):
        bits = pending[k]
        if bits != 0:
            pending[k] = 0
            done[k] |= bits
            _group_log_densities(factors, k, tiles, panel, bits, largest, highest)
            log_normalizer = np.float64(factors.log_normalizers[k])
            while bits != 0:
                g = lowest_bit(bits)
                bits &= bits - 1
                value = np.float64(highest[g])
                nearest[g, k] = bound_of(
                    factors.tails, k, log_normalizer, value, drift.slack
                )
                n_computed += 1
    return n_computed


@subroutine()
def _find_log_densities(factors, drift, nearest, labels, space, panel, largest):
    """Log-densities of all pairs that may count; return how many groups that took."""
    tiles, pending, done, needed = space.tiles, space.pending, space.done, space.needed
    n_groups, n_rows = nearest.shape[0], labels.shape[0]
    rows = GROUP_BYTES // tiles.tile.itemsize
    done[:] = 0
    for g in range(n_groups):
        carry(nearest[g], drift)
        for b in range(g * rows, min((g + 1) * rows, n_rows)):
            pending[labels[b]] |= 1 << g
    largest[:] = largest.dtype.type(least_log_density(factors.background))
    n_computed = 0
    for batch in range(2):
        n_computed += _compute(factors, drift, nearest, space, panel, largest)
        if batch == 0:
            # What was likely gives each row a first log-likelihood.
            needed[:] = 0
            for g in range(n_groups):
                floor = _lowest(largest, g * rows, (g + 1) * rows)
                ask_for(nearest[g], drift, floor, 1 << g, needed)
            for k in range(done.shape[0]):
                pending[k] = np.intp(needed[k]) & ~done[k]
    return n_computed


@subroutine()
def _exponentiate(factors, drift, space, n_groups, largest, best, totals):
    """Turn log-densities into densities over the row's largest; add them in order.

    ``best`` gets each row's most likely component, as a number. Returns 0, or what is
    not a number if one of the log-densities was none, or infinite.
    """
    values, done = space.tiles.values, space.done
    lanes = wide_lanes(values)
    zero = splat_wide(values.dtype.type(0))
    not_a_number = zero
    totals[:] = 0
    rows = GROUP_BYTES // values.itemsize
    n_components = done.shape[0]
    for k in range(n_components):
        bits = done[k]
        if bits != 0:
            value = values[k]
            faint = splat_wide(drift.faint[k])
            label = splat_wide(values.dtype.type(k))
            while bits != 0:
                g = lowest_bit(bits)
                bits &= bits - 1
                for b in range(g * rows, (g + 1) * rows, lanes):
                    below = subtract(load_wide(value, b), load_wide(largest, b))
                    not_a_number = multiply_add(below, zero, not_a_number)
                    likely = where_less(below, zero, load_wide(best, b), label)
                    store(likely, best, b)
                    density = exp_nonpositive(below)
                    density = where_less(below, faint, zero, density)
                    store(density, value, b)
                    store(add(load_wide(totals, b), density), totals, b)
    if number_of_backgrounds(factors.background) > 0:
        value = values[n_components]
        log_density = splat_wide(
            values.dtype.type(least_log_density(factors.background))
        )
        for b in range(0, n_groups * rows, lanes):
            density = exp_nonpositive(subtract(log_density, load_wide(largest, b)))
            store(density, value, b)
            store(add(load_wide(totals, b), density), totals, b)
    return total(not_a_number)


@subroutine()
def _log_likelihood(weights, largest, n_rows, stop, totals, logarithms):
    """The rows' weighted log-likelihood; ``totals`` become weights over totals."""
    for b in range(0, stop, wide_lanes(totals)):
        sums = load_wide(totals, b)
        store(add(load_wide(largest, b), log_positive(sums)), logarithms, b)
        store(divide(load_wide(weights, b), sums), totals, b)
    log_likelihood = 0.0
    for b in range(n_rows):
        log_likelihood += np.float64(weights[b]) * np.float64(logarithms[b])
    return log_likelihood


@subroutine()
def _list_counting(value, shares, bits, counting_out):
    """Turn densities into responsibilities; list the vectors that are not all 0.

    Returns their number, that of the groups they are in, and the sum.
    """
    rows = GROUP_BYTES // value.itemsize
    zero = splat_narrow(value.dtype.type(0))
    all_lanes = (1 << narrow_lanes(value)) - 1
    sums = zero
    n_vectors = 0
    n_in = 0
    while bits != 0:
        g = lowest_bit(bits)
        bits &= bits - 1
        before = n_vectors
        for b in range(g * rows, (g + 1) * rows, narrow_lanes(value)):
            r = multiply(load_narrow(value, b), load_narrow(shares, b))
            store(r, value, b)
            sums = add(sums, r)
            counting_out[n_vectors] = b
            n_vectors += np.intp(lanes_at_least(zero, r) != all_lanes)
        n_in += n_vectors > before
    return n_vectors, n_in, total(sums)


@subroutine()
def _sum_up(
    factors, space, n_groups, totals, weights_out, tails_out, first_out, scatter_out
):
    """Add the moments of a tile; return the number of pairs that they took.

    That is the mean of what log-densities need, of whole groups, and moments, of
    vectors.
    """
    tiles, done = space.tiles, space.done
    tile, scratch, values = tiles.tile, tiles.scratch, tiles.values
    rows, lanes = GROUP_BYTES // tile.itemsize, narrow_lanes(tile)
    n_components = done.shape[0]
    n_pairs = 0
    for k in range(n_components):
        if done[k] != 0:
            r = values[k]
            n_vectors, n_in, weight = _list_counting(r, totals, done[k], space.counting)
            weights_out[k] += weight
            n_pairs += n_in * rows + n_vectors * lanes
            if n_vectors > 0:
                places = space.counting[:n_vectors]
                weigh_vectors(factors.tails, k, places, tiles.kept, r, tails_out)
                sums = scratch, first_out, scatter_out
                add_vectors(factors, k, tile, r, places, *sums)
    close_tile(factors, tile, tiles.weights, values, done, scratch, scatter_out)
    if weights_out.shape[0] > n_components:
        value = values[n_components]
        weight = splat_narrow(value.dtype.type(0))
        for b in range(0, n_groups * rows, lanes):
            r = multiply(load_narrow(value, b), load_narrow(totals, b))
            weight = add(weight, r)
        weights_out[n_components] += total(weight)
    return n_pairs / 2


@kernel(nogil=True)
def sparse_chunks(
    X, row_weights, factors, drift, history, space, start, stop, sums_out
):
    """Sums over rows start:stop, as of ``passes.expectation_chunks``.

    The second and the last number are the pairs that were computed, and those that had
    to be. ``history`` is brought up to date.
    """
    n_components, n_features = factors.means.shape
    tile, weights = space.tiles.tile, space.tiles.weights
    scratch = space.tiles.scratch
    width, rows = tile.shape[1], GROUP_BYTES // tile.itemsize
    lanes = wide_lanes(tile)
    best, largest = scratch[2 * n_features], scratch[2 * n_features + 1]
    totals, logarithms = scratch[2 * n_features + 2], scratch[2 * n_features + 3]
    weights_stop = 2 + n_components + number_of_backgrounds(factors.background)
    first_start = weights_stop + number_of_tails(factors.tails, n_components)
    scatter_start = first_start + n_components * n_features
    last = sums_out.shape[1] - 1
    for c in range(sums_out.shape[0]):
        chunk_start = start + c * SPARSE_CHUNK
        chunk_stop = min(chunk_start + SPARSE_CHUNK, stop)
        panel = scratch.reshape(-1)[: n_features * lanes].reshape(n_features, lanes)
        sums = sums_out[c]
        sums[:] = 0
        weight_sums = sums[2:weights_stop]
        tail_sums = sums[weights_stop:first_start]
        first = sums[first_start:scatter_start].reshape(n_components, n_features)
        scatter = sums[scatter_start:last]
        for tile_start in range(chunk_start, chunk_stop, width):
            tile_stop = min(tile_start + width, chunk_stop)
            n_rows = tile_stop - tile_start
            n_groups = (n_rows + rows - 1) // rows
            load_tile(
                X, row_weights, factors.center, tile_start, tile_stop, tile, weights
            )
            open_tile(factors, tile, panel, scratch)
            first_group = tile_start // rows
            nearest = history.nearest[first_group : first_group + n_groups]
            labels = history.labels[tile_start:tile_stop]
            n_computed = _find_log_densities(
                factors, drift, nearest, labels, space, panel, largest
            )
            sums[1] += n_computed * rows
            for b in range(n_rows):
                best[b] = labels[b]
            not_a_number = _exponentiate(
                factors, drift, space, n_groups, largest, best, totals
            )
            if not_a_number != 0:
                # Nothing is known of what is infinitely far, or was no number.
                nearest[:] = 0
            for b in range(n_rows):
                labels[b] = np.int32(best[b])
            sums[0] += _log_likelihood(
                weights, largest, n_rows, n_groups * rows, totals, logarithms
            )
            added = weight_sums, tail_sums, first, scatter
            sums[last] += _sum_up(factors, space, n_groups, totals, *added)
