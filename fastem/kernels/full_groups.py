"""The full structure where groups of rows, and vectors of rows, are left out."""

import numpy as np

from fastem.kernels.blocks import (
    add_listed_diagonal_scatter,
    add_listed_scatter,
    first_squares,
    squared_distances,
)
from fastem.kernels.compilation import subroutine
from fastem.kernels.dispatch import Movement
from fastem.kernels.triangles import least_stretch
from fastem.kernels.vectors.arithmetic import multiply_add, splat_wide
from fastem.kernels.vectors.stacks import BLOCK_ROWS, block_at


def whitened_boxes(factors, k, middles, half_widths):
    """W (c - m) and |W| h."""
    whitener = factors.whiteners[k].astype(np.float64)
    return (middles - factors.means[k]) @ whitener.T, half_widths @ np.abs(whitener).T


def movement(before, after, steps, reach):
    """The components' movement: see ``dispatch.movement``."""
    old, new = (f.whiteners.astype(np.float64) for f in (before, after))
    shrink, conditions = least_stretch(old, new)
    shift = new @ steps[:, :, np.newaxis]
    rounded = np.abs(new) @ reach[:, :, np.newaxis]
    return Movement(
        shrink,
        conditions,
        np.linalg.norm(shift[:, :, 0], axis=1),
        4 * np.linalg.norm(rounded[:, :, 0], axis=1),
    )


def distances(factors, k, tile, b, panel, scratch):
    """Squared whitened distances from component k: a wide vector."""
    return squared_distances(factors.whiteners[k], factors.means[k], tile, b, panel)


def bound_log_densities(factors, k, tile, b, residuals):
    """What log-densities of component k are at most, by the columns of a tile (C, B).

    Squares of further coordinates are added to a distance one after the other, each
    rounded: it never gets less. Of all columns these are the log-densities.
    """
    mean, whitener = factors.means[k], factors.whiteners[k]
    if residuals is None:
        distance = first_squares(whitener, mean, tile, b)
    else:
        distance = squared_distances(whitener, mean, tile, b, residuals)
    log_normalizer = splat_wide(factors.log_normalizers[k])
    return multiply_add(splat_wide(tile.dtype.type(-0.5)), distance, log_normalizer)


@subroutine()
def _add_listed_rows(rows, r, tile, mean, places, weighted, first_out, scatter_out):
    """Add the moments of a block of rows of the scatter."""
    add_listed_diagonal_scatter(
        rows, r, tile, mean, places, weighted, first_out, scatter_out
    )
    for j in range(0, rows[0], BLOCK_ROWS):
        add_listed_scatter(rows, block_at(j), weighted, tile, mean, places, scatter_out)


def add_vectors(factors, k, tile, r, places, scratch, first_out, scatter_out):
    """Add the moments of component k, of the vectors of rows at these places."""
    n_components, n_features = factors.means.shape
    scatter = scatter_out.reshape(n_components, n_features, n_features)
    rest = n_features % BLOCK_ROWS
    n_whole = n_features - rest
    place = r, tile, factors.means[k], places, scratch, first_out[k], scatter[k]
    for i in range(0, n_whole, BLOCK_ROWS):
        _add_listed_rows(block_at(i), *place)
    i = n_whole
    if rest == 1:
        _add_listed_rows((i,), *place)
    elif rest == 2:
        _add_listed_rows((i, i + 1), *place)
    elif rest == 3:
        _add_listed_rows((i, i + 1, i + 2), *place)
