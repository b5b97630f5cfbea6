"""A variance of its own for each component and column."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.background import Uniform
from fastem.kernels.diagonal_groups import (
    add_four_moments,
    add_moments,
    add_vectors,
    distances,
    movement,
    squared_distances,
    whitened_boxes,
)
from fastem.kernels.dispatch import (
    CarryingCosts,
    register_factors,
    register_groups,
)
from fastem.kernels.tails import StudentTails, log_density_at
from fastem.kernels.vectors.arithmetic import (
    load_narrow,
    magnitude,
    maximum,
    multiply,
    multiply_add,
    splat_narrow,
    splat_wide,
    store,
    subtract,
    wide_lanes,
)

# Columns from which on bounds are carried. With 7 and 8 (cytometry, flights), passes of
# 64 and 256 components took 0.71 to 0.93 of the time of those with boxes at the end of
# fits, and up to 1.25 in the first ones from random rows: 40 of these took 0.94 to 1.05
# in all. With 9 to 32 (fashion-MNIST) 0.76 to 0.92.
_FEWEST_CARRYING = 9


class DiagonalFactors(NamedTuple):
    """What a pass needs of a mixture with diagonal covariances."""

    center: np.ndarray  # (D,) float64, subtracted from each row as it is loaded
    means: np.ndarray  # (K, D), relative to center
    offsets: np.ndarray  # (K, D), minus mean / standard deviation
    whiteners: np.ndarray  # (K, D), 1 / standard deviation
    log_normalizers: np.ndarray  # (K,), log(weight) + log|W| - D/2 log(2 pi)
    background: Uniform | None = None
    tails: StudentTails | None = None  # Gaussian ones


def _log_densities(factors, tile, scratch, chosen, kept_out, log_densities_out):
    n_rows = tile.shape[1]
    # Components inside: some rows of a tile stay in the first-level cache, a tile
    # and its log-densities may not.
    for b in range(0, n_rows, wide_lanes(tile)):
        for a in range(chosen.shape[0]):
            k = chosen[a]
            distance = squared_distances(factors, k, tile, b)
            log_normalizer = splat_wide(factors.log_normalizers[k])
            log_density = log_density_at(
                factors.tails, k, distance, log_normalizer, b, kept_out
            )
            store(log_density, log_densities_out[a], b)


def _accumulate(
    factors, tile, row_weights, chosen, values, scratch, first_out, scatter_out
):
    n_components, n_features = factors.means.shape
    scatter = scatter_out.reshape(n_components, n_features)
    n_fours = n_features - n_features % 4
    for j in range(0, n_fours, 4):
        for a in range(chosen.shape[0]):
            k = chosen[a]
            sums = factors.means[k], first_out[k], scatter[k]
            add_four_moments(j, tile, values[a], None, *sums)
    for j in range(n_fours, n_features):
        for a in range(chosen.shape[0]):
            k = chosen[a]
            sums = factors.means[k], first_out[k], scatter[k]
            add_moments(j, tile, values[a], None, *sums)


def _carrying_costs(factors):
    n_features = factors.means.shape[1]
    if n_features < _FEWEST_CARRYING:
        return None
    return CarryingCosts(4 * n_features, 0.15, 1.2, 1)


def _coefficients(factors):
    return np.hstack([factors.whiteners, factors.offsets])


def _box_distances(
    factors, blocks, center, half_widths, scratch, central_out, nearest_out
):
    n_features = center.shape[0]
    zero = splat_narrow(np.float64(0))
    for v in range(blocks.shape[0]):
        block = blocks[v]
        central = nearest = zero
        for j in range(n_features):
            w = load_narrow(block[j], 0)
            offset = load_narrow(block[n_features + j], 0)
            y = multiply_add(w, splat_narrow(center[j]), offset)
            central = multiply_add(y, y, central)
            spread = multiply(w, splat_narrow(half_widths[j]))
            gap = maximum(subtract(magnitude(y), spread), zero)
            nearest = multiply_add(gap, gap, nearest)
        store(central, central_out, v * block.shape[1])
        store(nearest, nearest_out, v * block.shape[1])


register_factors(
    DiagonalFactors,
    log_densities=_log_densities,
    accumulate=_accumulate,
    coefficients=_coefficients,
    box_distances=_box_distances,
)
register_groups(
    DiagonalFactors,
    distances=distances,
    add_vectors=add_vectors,
    whitened_boxes=whitened_boxes,
    movement=movement,
    carrying_costs=_carrying_costs,
)
