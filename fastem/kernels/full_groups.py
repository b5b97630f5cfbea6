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
from fastem.kernels.vectors.arithmetic import multiply_add, splat_wide
from fastem.kernels.vectors.stacks import BLOCK_ROWS, block_at

_EPS = float(np.finfo(np.float64).eps)
# Columns up to which NumPy's inverse is as fast as any.
_SMALL = 16
_SQUARINGS = 2


def whitened_boxes(factors, k, middles, half_widths):
    """W (c - m) and |W| h."""
    whitener = factors.whiteners[k].astype(np.float64)
    return (middles - factors.means[k]) @ whitener.T, half_widths @ np.abs(whitener).T


def _inverses(matrices: np.ndarray) -> np.ndarray:
    """Of lower triangular matrices (K, D, D), by halves.

    In a third of the time that it takes without using that they are triangular.
    """
    n_features = matrices.shape[-1]
    if n_features <= _SMALL:
        return np.linalg.inv(matrices)
    half = n_features // 2
    first = _inverses(matrices[:, :half, :half])
    last = _inverses(matrices[:, half:, half:])
    inverses = np.zeros_like(matrices)
    inverses[:, :half, :half] = first
    inverses[:, half:, half:] = last
    inverses[:, half:, :half] = -last @ (matrices[:, half:, :half] @ first)
    return inverses


def _sizes(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """No less than the norms of | one | | other |: (K,).

    The root of the largest sum of a row times that of a column, for which the product
    need not be known.
    """
    one, other = np.abs(one), np.abs(other)
    rows = one @ other.sum(axis=2, keepdims=True)
    columns = one.sum(axis=1, keepdims=True) @ other
    return np.sqrt(rows.max(axis=(1, 2)) * columns.max(axis=(1, 2)))


def _largest_change(products: np.ndarray) -> np.ndarray:
    """No less than the largest distance of an eigenvalue from 1: (K,).

    By the sum of eighth powers of them all: a quarter of the time that eigenvalues
    take. Where EM takes its steps it is up to a fifth more, and passes took no longer.
    """
    n_features = products.shape[-1]
    change = products - np.eye(n_features)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(_SQUARINGS):
            change = change @ change
        powers = np.linalg.norm(change, axis=(1, 2))
    largest = powers ** (1 / 2**_SQUARINGS)
    return largest * (1 + 8 * n_features**2 * _EPS)


def movement(before, after, steps, reach):
    """The components' movement: see ``dispatch.movement``."""
    n_features = after.means.shape[1]
    old, new = (f.whiteners.astype(np.float64) for f in (before, after))
    inverse_old, inverse_new = _inverses(old), _inverses(new)
    condition, relative = _sizes(old, inverse_old), _sizes(new, inverse_old)
    ratio = new @ inverse_old
    change = _largest_change(ratio @ ratio.transpose(0, 2, 1))
    least = 1 - change - 8 * n_features * _EPS * (1 + change)
    shrink = np.sqrt(np.fmax(least, 0))
    shrink -= 4 * n_features * _EPS * condition * relative
    shift = new @ steps[:, :, np.newaxis]
    rounded = np.abs(new) @ reach[:, :, np.newaxis]
    return Movement(
        shrink,
        condition + _sizes(new, inverse_new),
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
