"""A covariance matrix of its own for each component."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.background import Uniform
from fastem.kernels.blocks import (
    add_diagonal_scatter,
    add_scatter,
    squared_distances,
)
from fastem.kernels.compilation import subroutine
from fastem.kernels.dispatch import (
    CarryingCosts,
    register_bounds,
    register_factors,
    register_groups,
)
from fastem.kernels.full_groups import (
    add_vectors,
    bound_log_densities,
    distances,
    movement,
    whitened_boxes,
)
from fastem.kernels.tails import StudentTails, log_density_at
from fastem.kernels.tiles import FEWEST_CARRYING
from fastem.kernels.vectors.arithmetic import (
    load_narrow,
    magnitude,
    maximum,
    multiply_add,
    splat_narrow,
    splat_wide,
    store,
    subtract,
    wide_lanes,
)
from fastem.kernels.vectors.stacks import BLOCK_ROWS, block_at


class FullFactors(NamedTuple):
    """What a pass needs of a mixture with full covariances.

    Means and whiteners are in the type of the tile (float32 or float64).
    """

    center: np.ndarray  # (D,) float64, subtracted from each row as it is loaded
    means: np.ndarray  # (K, D), relative to center
    whiteners: np.ndarray  # (K, D, D), lower triangular W with W'W = precision
    log_normalizers: np.ndarray  # (K,), log(weight) + log|W| - D/2 log(2 pi)
    background: Uniform | None = None
    tails: StudentTails | None = None  # Gaussian ones


def _log_densities(factors, tile, scratch, chosen, kept_out, log_densities_out):
    n_features, lanes = tile.shape[0], wide_lanes(tile)
    residuals = scratch.reshape(-1)[: n_features * lanes].reshape(n_features, lanes)
    for a in range(chosen.shape[0]):
        k = chosen[a]
        mean = factors.means[k]
        whitener = factors.whiteners[k]
        log_normalizer = splat_wide(factors.log_normalizers[k])
        for b in range(0, tile.shape[1], lanes):
            distance = squared_distances(whitener, mean, tile, b, residuals)
            log_density = log_density_at(
                factors.tails, k, distance, log_normalizer, b, kept_out
            )
            store(log_density, log_densities_out[a], b)


@subroutine()
def _add_rows(rows, r, tile, mean, weighted, first_out, scatter_out):
    """Add the moments of a block of rows of the scatter."""
    add_diagonal_scatter(rows, r, tile, mean, weighted, first_out, scatter_out)
    for j in range(0, rows[0], BLOCK_ROWS):
        add_scatter(rows, block_at(j), weighted, tile, mean, scatter_out)


def _accumulate(
    factors, tile, row_weights, chosen, values, scratch, first_out, scatter_out
):
    n_components, n_features = factors.means.shape
    scatter = scatter_out.reshape(n_components, n_features, n_features)
    rest = n_features % BLOCK_ROWS
    n_whole = n_features - rest
    for a in range(chosen.shape[0]):
        k = chosen[a]
        place = values[a], tile, factors.means[k], scratch, first_out[k], scatter[k]
        for i in range(0, n_whole, BLOCK_ROWS):
            _add_rows(block_at(i), *place)
        i = n_whole
        if rest == 1:
            _add_rows((i,), *place)
        elif rest == 2:
            _add_rows((i, i + 1), *place)
        elif rest == 3:
            _add_rows((i, i + 1, i + 2), *place)


def _carrying_costs(factors):
    n_features = factors.means.shape[1]
    if n_features < FEWEST_CARRYING:
        return None
    # To 0.06 for eleven mixtures, of which 0.06 to 0.97 had to be computed; since loops
    # go from group to group by their bits, a pass costs up to 0.15 less.
    return CarryingCosts(n_features * (n_features + 1), 0.15, 1.2, 0)


def _coefficients(factors):
    rows, columns = np.tril_indices(factors.means.shape[1])
    return np.hstack([factors.means, factors.whiteners[:, rows, columns]])


def _box_distances(
    factors, blocks, center, half_widths, scratch, central_out, nearest_out
):
    n_features = center.shape[0]
    zero = splat_narrow(np.float64(0))
    for v in range(blocks.shape[0]):
        block = blocks[v]
        central = nearest = zero
        entry = n_features
        for i in range(n_features):
            y = spread = zero
            for j in range(i + 1):
                w = load_narrow(block[entry], 0)
                entry += 1
                residual = subtract(splat_narrow(center[j]), load_narrow(block[j], 0))
                y = multiply_add(w, residual, y)
                width = splat_narrow(half_widths[j])
                spread = multiply_add(magnitude(w), width, spread)
            central = multiply_add(y, y, central)
            gap = maximum(subtract(magnitude(y), spread), zero)
            nearest = multiply_add(gap, gap, nearest)
        store(central, central_out, v * block.shape[1])
        store(nearest, nearest_out, v * block.shape[1])


register_factors(
    FullFactors,
    log_densities=_log_densities,
    accumulate=_accumulate,
    coefficients=_coefficients,
    box_distances=_box_distances,
)
register_groups(
    FullFactors,
    distances=distances,
    add_vectors=add_vectors,
    whitened_boxes=whitened_boxes,
    movement=movement,
    carrying_costs=_carrying_costs,
)
register_bounds(FullFactors, bound_log_densities=bound_log_densities)
