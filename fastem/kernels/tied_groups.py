"""The tied structure where groups of rows, and vectors of rows, are left out.

A tile is whitened once, before any group; what a pair costs beside its first moments
is one number. The scatter follows, once a tile, from what components claim of its rows.
"""

import numpy as np

from fastem.kernels.blocks import add_lower_product, four_products, one_product
from fastem.kernels.compilation import subroutine
from fastem.kernels.dispatch import Movement
from fastem.kernels.tiles import GROUP_BYTES
from fastem.kernels.triangles import least_stretch
from fastem.kernels.vectors.arithmetic import (
    add,
    load_narrow,
    load_wide,
    lowest_bit,
    multiply,
    multiply_add,
    narrow_lanes,
    splat_narrow,
    splat_wide,
    store,
    subtract,
    wide_lanes,
)
from fastem.kernels.vectors.stacks import (
    BLOCK_ROWS,
    add_each,
    add_totals_of_rows,
    block_at,
    load_residuals,
    multiply_each,
    repeat_rows,
)


def whitened_boxes(factors, k, middles, half_widths):
    """W (c - m) and |W| h."""
    whitener = factors.whitener.astype(np.float64)
    return (middles - factors.means[k]) @ whitener.T, half_widths @ np.abs(whitener).T


def movement(before, after, steps, reach):
    """The components' movement: see ``dispatch.movement``.

    One whitener for all. Rows and means are whitened by themselves, so that a mean's
    product is rounded as often as it has terms, and the row's likewise.
    """
    n_components, n_features = after.means.shape
    old, new = (f.whitener.astype(np.float64) for f in (before, after))
    shrink, conditions = least_stretch(old[np.newaxis], new[np.newaxis])
    return Movement(
        np.repeat(shrink, n_components),
        np.repeat(conditions, n_components),
        np.linalg.norm(steps @ new.T, axis=1),
        4 * (n_features + 4) * np.linalg.norm(reach @ np.abs(new).T, axis=1),
    )


@subroutine()
def whiten(whitener, tile, b, panel, place, whitened_out):
    """Whiten a wide vector of rows into columns ``place`` and after of (D, ...).

    ``panel`` (D, lanes) is space.
    """
    n_features = tile.shape[0]
    n_fours = n_features - n_features % 4
    for j in range(n_features):
        store(load_wide(tile[j], b), panel[j], 0)
    for i in range(0, n_fours, 4):
        y0, y1, y2, y3 = four_products(whitener, panel, i)
        store(y0, whitened_out[i], place)
        store(y1, whitened_out[i + 1], place)
        store(y2, whitened_out[i + 2], place)
        store(y3, whitened_out[i + 3], place)
    for i in range(n_fours, n_features):
        store(one_product(whitener, panel, i), whitened_out[i], place)


@subroutine(forceinline=True)
def distance_from(mean, whitened, b):
    """Squared distances of whitened rows from a whitened mean: a wide vector."""
    distance = splat_wide(whitened.dtype.type(0))
    for j in range(whitened.shape[0]):
        d = subtract(load_wide(whitened[j], b), splat_wide(mean[j]))
        distance = multiply_add(d, d, distance)
    return distance


@subroutine()
def add_weighted_squares(weights, tile, weighted, scatter_out):
    """Add the lower triangle of sum w x x'. ``weighted`` (D, B) is space."""
    n_features = tile.shape[0]
    for b in range(0, tile.shape[1], narrow_lanes(tile)):
        weight = load_narrow(weights, b)
        for j in range(n_features):
            store(multiply(weight, load_narrow(tile[j], b)), weighted[j], b)
    add_lower_product(weighted, tile, scatter_out)


def open_tile(factors, tile, panel, scratch):
    """Whiten the tile, into the second D rows of ``scratch``."""
    n_features = tile.shape[0]
    whitened = scratch[n_features : 2 * n_features]
    for b in range(0, tile.shape[1], wide_lanes(tile)):
        whiten(factors.whitener, tile, b, panel, b, whitened)


def distances(factors, k, tile, b, panel, scratch):
    """Squared distances of the whitened rows from component k: a wide vector."""
    n_features = tile.shape[0]
    whitened = scratch[n_features : 2 * n_features]
    return distance_from(factors.whitened_means[k], whitened, b)


@subroutine()
def _add_listed_first_moments(rows, r, tile, mean, places, first_out):
    """Add r (x - mean) of the columns ``rows``."""
    first = repeat_rows(splat_narrow(tile.dtype.type(0)), rows)
    for n in range(places.shape[0]):
        b = places[n]
        residuals = load_residuals(tile, mean, rows, b)
        first = add_each(first, multiply_each(residuals, load_narrow(r, b)))
    add_totals_of_rows(first, rows, first_out)


def add_vectors(factors, k, tile, r, places, scratch, first_out, scatter_out):
    """Add the first moments of component k, of the vectors of rows at these places."""
    n_features = tile.shape[0]
    rest = n_features % BLOCK_ROWS
    place = r, tile, factors.means[k], places, first_out[k]
    i = n_features - rest
    for j in range(0, i, BLOCK_ROWS):
        _add_listed_first_moments(block_at(j), *place)
    if rest == 1:
        _add_listed_first_moments((i,), *place)
    elif rest == 2:
        _add_listed_first_moments((i, i + 1), *place)
    elif rest == 3:
        _add_listed_first_moments((i, i + 1, i + 2), *place)


@subroutine()
def _claim(factors, values, done, weights_out):
    """What the components claim of the rows: ``background.claim_weights`` of groups."""
    if factors.background is not None or factors.tails is not None:
        rows, lanes = GROUP_BYTES // values.itemsize, wide_lanes(values)
        weights_out[:] = 0
        for k in range(done.shape[0]):
            bits = done[k]
            while bits != 0:
                g = lowest_bit(bits)
                bits &= bits - 1
                for b in range(g * rows, (g + 1) * rows, lanes):
                    claimed = load_wide(values[k], b)
                    store(add(load_wide(weights_out, b), claimed), weights_out, b)


def close_tile(factors, tile, weights, values, done, scratch, scatter_out):
    """Add the scatter of a tile about the center: w x x', of what is claimed of a row.

    Factors that are not compact carry no bounds.
    """
    n_features = tile.shape[0]
    scatter = scatter_out[: n_features * n_features].reshape(n_features, n_features)
    _claim(factors, values, done, weights)
    add_weighted_squares(weights, tile, scratch[:n_features], scatter)
