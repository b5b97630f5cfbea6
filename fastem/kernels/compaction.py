"""The walk over the rows in which they leave components that do not count for them.

Tile by tile, a list of rows for each component: those that may still count are gathered
into vectors, so that no lane works for nothing. ``kernels.leaving`` says why the answer
is the same.
"""

from typing import Any, NamedTuple

import numpy as np

from fastem.kernels.background import (
    add_background,
    least_log_density,
    number_of_backgrounds,
)
from fastem.kernels.compilation import kernel, subroutine
from fastem.kernels.dispatch import (
    bound_log_densities,
    tile_log_densities,
    write_rows,
)
from fastem.kernels.leaving import is_tame, threshold
from fastem.kernels.tiles import (
    CHUNK_ROWS,
    TileSpace,
    aligned_empty,
    choose_likeliest,
    load_tile,
    tile_space,
)
from fastem.kernels.vectors.arithmetic import (
    lanes_at_least,
    load_wide,
    lowest_bit,
    store,
    wide_lanes,
)
from fastem.kernels.vectors.llvm import WIDE_BYTES
from fastem.kernels.vectors.transposition import (
    gather_transposed,
    listed_rows,
    transposed_rows,
)

# Tiles in which rows are listed have 256 to 1024 of them, as many as keep bounds in the
# core's cache: the longer lists are, the fewer lanes are left over. Tiles of 512 rows
# and not 256 took 5 to 12 % less time, and of 1024 no less.
_VALUES_BYTES = 256 * 1024
_SMALLEST_TILE = 256
_TRIAL_ROWS = 64
# Share of the multiply-adds from which on rows that leave took longer: with .48 it was
# 1.1 times faster than all pairs, with .56 as fast, with .63 slower.
_MOST_WORK = 0.5
# Tiles in full before it is tried again: eight, and eight times as many each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 8, 512
# Bits of a number, each of which is a row.
_WORD = 64


class ListSpace(NamedTuple):
    """What a tile takes in which rows are listed."""

    first: np.ndarray  # (C, B): the first columns of the tile
    values: np.ndarray  # (K, B), with a background (K + 1, B)
    scratch: np.ndarray  # (2, B)
    found: np.ndarray  # (B,): bounds of the rows of a list
    thresholds: np.ndarray  # (B,): components that are below do not count
    guesses: np.ndarray  # (B,): likely components, as numbers
    likely: np.ndarray  # (B,): their log-densities
    panel: np.ndarray  # (D, lanes of a wide vector): gathered rows
    residuals: np.ndarray  # like it
    places: np.ndarray  # (B and a vector more,) uintp: a list of rows
    order: np.ndarray  # (B,) uintp: places of rows, by their guesses
    starts: np.ndarray  # (K + 1,) intp: where those of each component begin there


class CompactSpace(NamedTuple):
    """What such a pass works in."""

    whole: TileSpace  # for tiles that are computed in full
    trial: ListSpace  # for a few rows that tell whether it pays
    long: ListSpace
    # Tiles in full until a trial, or -1 where the last one has paid; those of the next.
    pause: np.ndarray  # (2,) intp


def first_pause() -> np.ndarray:
    """A trial to begin with, for all parts of a pass: what one finds, others know."""
    return np.array([0, _FIRST_PAUSE])


def compact_space(
    factors: Any, leaving: Any, pause: np.ndarray, most_rows: int
) -> CompactSpace:
    """Space for tiles of as many rows as is best."""
    dtype = factors.means.dtype
    n_values = len(factors.means) + number_of_backgrounds(factors.background)
    width = CHUNK_ROWS
    while width > _SMALLEST_TILE and width * n_values * dtype.itemsize > _VALUES_BYTES:
        width //= 2
    return CompactSpace(
        tile_space(factors, most_rows),
        _list_space(factors, leaving.columns[0], n_values, _TRIAL_ROWS),
        _list_space(factors, leaving.columns[0], n_values, width),
        pause,
    )


def _list_space(factors: Any, n_first: int, n_values: int, width: int) -> ListSpace:
    n_components, n_features = factors.means.shape
    dtype = factors.means.dtype
    lanes = WIDE_BYTES // dtype.itemsize
    rows = aligned_empty(n_first + n_values + 6, width, dtype)
    vectors = aligned_empty(2 * n_features, lanes, dtype)
    return ListSpace(
        rows[:n_first],
        rows[n_first:-6],
        rows[-6:-4],
        rows[-4],
        rows[-3],
        rows[-2],
        rows[-1],
        vectors[:n_features],
        vectors[n_features:],
        np.zeros(width + lanes, np.uintp),
        np.zeros(width, np.uintp),
        np.zeros(n_components + 1, np.intp),
    )


@subroutine()
def _bound_rows(factors, k, first, bounds_out):
    """What log-densities of component k are at most, by the first four columns."""
    for b in range(0, first.shape[1], wide_lanes(first)):
        store(bound_log_densities(factors, k, first, b, None), bounds_out, b)


@subroutine()
def _bound_listed(factors, k, X, start, places, n_listed, panel, residuals, bounds_out):
    """The same of the rows that are listed, by as many columns as the panel has."""
    lanes, n_columns = wide_lanes(panel), panel.shape[0]
    for a in range(n_listed, n_listed + lanes):
        places[a] = places[0]
    for a in range(0, n_listed, lanes):
        for b in range(0, lanes, transposed_rows(X)):
            rows = listed_rows(X, places, a + b)
            for strip in range(0, n_columns, 4):
                # The last strip may overlap the one before it.
                j = min(strip, n_columns - 4)
                columns = (j, j + 1, j + 2, j + 3)
                gather_transposed(X, start, rows, columns, factors.center, panel, b)
        bounds = bound_log_densities(factors, k, panel, 0, residuals)
        store(bounds, bounds_out, a)


@subroutine()
def _sort_by_guess(guesses, n_rows, order_out, starts_out):
    """Places of rows in the order of their guesses, and where each one's begin."""
    starts_out[:] = 0
    for b in range(n_rows):
        starts_out[np.uintp(guesses[b])] += 1
    stop = 0
    for k in range(starts_out.shape[0]):
        stop += starts_out[k]
        starts_out[k] = stop
    for b in range(n_rows):
        k = np.uintp(guesses[b])
        starts_out[k] -= 1
        order_out[starts_out[k]] = b


@subroutine()
def _list_staying(bounds, thresholds, places_out):
    """List the rows whose bounds reach the thresholds; return how many do."""
    n_listed = 0
    for start in range(0, bounds.shape[0], _WORD):
        word = 0
        for b in range(start, start + _WORD, wide_lanes(bounds)):
            bits = lanes_at_least(load_wide(bounds, b), load_wide(thresholds, b))
            word |= bits << (b - start)
        while word != 0:
            places_out[n_listed] = start + lowest_bit(word)
            n_listed += 1
            word &= word - 1
    return n_listed


@subroutine()
def _drop(bounds, thresholds, n_listed, places, value_out):
    """Keep in a list the rows whose bounds reach the thresholds."""
    n_kept = 0
    for a in range(n_listed):
        b = places[a]
        value_out[b] = bounds[a]
        places[n_kept] = b
        n_kept += np.intp(bounds[a] >= thresholds[b])
    return n_kept


@subroutine()
def _compute(factors, X, start, stop, tiles):
    """All log-densities of a tile."""
    tile, weights, n_components = tiles.tile, tiles.weights, factors.means.shape[0]
    load_tile(X, weights[:0], factors.center, start, stop, tile, weights)
    computed = tiles.chosen[:n_components], tiles.kept, tiles.values[:n_components]
    tile_log_densities(factors, tile, tiles.scratch, *computed)


@subroutine()
def _find(factors, leaving, X, start, stop, space):
    """Log-densities of what counts in a tile, and what the others are at most.

    Returns the multiply-adds that it took, as a share of all.
    """
    values, thresholds, found = space.values, space.thresholds, space.found
    places, guesses = space.places, space.guesses
    n_components, n_stages = factors.means.shape[0], leaving.columns.shape[0]
    n_rows, weights = stop - start, space.scratch[0]
    load_tile(X, weights[:0], factors.center, start, stop, space.first, weights)
    for k in range(n_components):
        _bound_rows(factors, k, space.first, values[k])
    work = leaving.work[0] * n_rows * n_components
    all_work = leaving.work[-1] * n_rows * n_components
    choose_likeliest(values[:n_components], thresholds, guesses)
    _sort_by_guess(guesses, n_rows, space.order, space.starts)
    thresholds[:n_rows] = threshold(leaving, least_log_density(factors.background))
    thresholds[n_rows:] = np.inf
    for batch in range(2):
        for k in range(n_components):
            value = values[k]
            if batch == 0:
                # Of each row's guess, all columns at once.
                begin = space.starts[k]
                n_listed = space.starts[k + 1] - begin
                for a in range(n_listed):
                    places[a] = space.order[begin + a]
                stage = n_stages - 1
            else:
                n_listed = _list_staying(value, thresholds, places)
                stage = 1
            while n_listed > 0 and stage < n_stages:
                panel = space.panel[: leaving.columns[stage]]
                listed = X, start, places, n_listed
                _bound_listed(factors, k, *listed, panel, space.residuals, found)
                work += leaving.work[stage] * n_listed
                stage += 1
                if stage < n_stages:
                    n_listed = _drop(found, thresholds, n_listed, places, value)
            for a in range(n_listed):
                b = places[a]
                raised = threshold(leaving, found[a])
                thresholds[b] = max(thresholds[b], raised)
                value[b] = found[a]
                if batch == 0:
                    # Nobody is to list it again.
                    space.likely[b] = found[a]
                    value[b] = -np.inf
    for b in range(n_rows):
        values[np.uintp(guesses[b])][b] = space.likely[b]
    return work / all_work


@kernel(nogil=True)
def compact_chunks(X, factors, output, leaving, space, start, stop, sums_out):
    """What ``output`` says of rows start:stop, written into it.

    ``sums_out`` (C, 1) gets the number of rows of each chunk, times the share of the
    multiply-adds that they took.
    """
    whole, pause = space.whole, space.pause
    n_components, n_features = factors.means.shape
    table = X.reshape(-1)
    for c in range(sums_out.shape[0]):
        chunk_start = start + c * CHUNK_ROWS
        chunk_stop = min(chunk_start + CHUNK_ROWS, stop)
        sums_out[c, 0] = 0
        tile_start = chunk_start
        while tile_start < chunk_stop:
            lists = space.trial if pause[0] == 0 else space.long
            tile_stop = min(tile_start + lists.values.shape[1], chunk_stop)
            numbers = table[tile_start * n_features : tile_stop * n_features]
            if pause[0] <= 0 and is_tame(numbers, leaving.limit):
                values, scratch = lists.values, lists.scratch
                share = _find(factors, leaving, X, tile_start, tile_stop, lists)
                pause[0] = -1
                if share > _MOST_WORK:
                    pause[0] = pause[1]
                    pause[1] = min(_FIRST_PAUSE * pause[1], _LONGEST_PAUSE)
            else:
                values, scratch = whole.values, whole.scratch
                tile_stop = min(tile_start + values.shape[1], chunk_stop)
                _compute(factors, X, tile_start, tile_stop, whole)
                share = 1.0
                pause[0] = max(pause[0] - 1, 0)
            sums_out[c, 0] += share * (tile_stop - tile_start)
            add_background(factors.background, values, whole.chosen, n_components)
            write_rows(output, tile_start, tile_stop, values, whole.weights, scratch)
            tile_start = tile_stop
