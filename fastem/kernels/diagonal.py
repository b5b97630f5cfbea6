"""A variance of its own for each component and column."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.background import Uniform
from fastem.kernels.diagonal_groups import (
    add_vectors,
    log_densities_of_groups,
    movement,
    whitened_boxes,
)
from fastem.kernels.dispatch import (
    CarryingCosts,
    register_factors,
    register_groups,
)
from fastem.kernels.tails import StudentTails, log_density_at
from fastem.kernels.vectors.arithmetic import (
    add,
    add_totals,
    load_narrow,
    load_wide,
    magnitude,
    maximum,
    multiply,
    multiply_add,
    narrow_lanes,
    splat_narrow,
    splat_wide,
    store,
    subtract,
    total,
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
    n_features, n_rows = tile.shape
    zero = splat_wide(tile.dtype.type(0))
    # Components inside: some rows of a tile stay in the first-level cache, a tile
    # and its log-densities may not.
    for b in range(0, n_rows, wide_lanes(tile)):
        for a in range(chosen.shape[0]):
            k = chosen[a]
            offset = factors.offsets[k]
            whitener = factors.whiteners[k]
            distance = zero
            for j in range(n_features):
                # The rounding of this difference is no more than that of the row
                # less the center, so it costs no digit that the tile still has.
                y = multiply_add(
                    splat_wide(whitener[j]),
                    load_wide(tile[j], b),
                    splat_wide(offset[j]),
                )
                distance = multiply_add(y, y, distance)
            log_normalizer = splat_wide(factors.log_normalizers[k])
            log_density = log_density_at(
                factors.tails, k, distance, log_normalizer, b, kept_out
            )
            store(log_density, log_densities_out[a], b)


def _accumulate(
    factors, tile, row_weights, chosen, values, scratch, first_out, scatter_out
):
    n_components, n_features = factors.means.shape
    n_rows = tile.shape[1]
    lanes = narrow_lanes(tile)
    scatter = scatter_out.reshape(n_components, n_features)
    zero = splat_narrow(tile.dtype.type(0))
    n_fours = n_features - n_features % 4
    for j in range(0, n_fours, 4):
        x0, x1, x2, x3 = tile[j], tile[j + 1], tile[j + 2], tile[j + 3]
        for a in range(chosen.shape[0]):
            k = chosen[a]
            r = values[a]
            mean = factors.means[k]
            m0, m1 = splat_narrow(mean[j]), splat_narrow(mean[j + 1])
            m2, m3 = splat_narrow(mean[j + 2]), splat_narrow(mean[j + 3])
            first0 = first1 = first2 = first3 = zero
            second0 = second1 = second2 = second3 = zero
            for b in range(0, n_rows, lanes):
                w = load_narrow(r, b)
                d = subtract(load_narrow(x0, b), m0)
                wd = multiply(w, d)
                first0 = add(first0, wd)
                second0 = multiply_add(wd, d, second0)
                d = subtract(load_narrow(x1, b), m1)
                wd = multiply(w, d)
                first1 = add(first1, wd)
                second1 = multiply_add(wd, d, second1)
                d = subtract(load_narrow(x2, b), m2)
                wd = multiply(w, d)
                first2 = add(first2, wd)
                second2 = multiply_add(wd, d, second2)
                d = subtract(load_narrow(x3, b), m3)
                wd = multiply(w, d)
                first3 = add(first3, wd)
                second3 = multiply_add(wd, d, second3)
            add_totals(first0, first1, first2, first3, first_out[k], j)
            add_totals(second0, second1, second2, second3, scatter[k], j)
    for j in range(n_fours, n_features):
        x0 = tile[j]
        for a in range(chosen.shape[0]):
            k = chosen[a]
            r = values[a]
            m0 = splat_narrow(factors.means[k, j])
            first0 = second0 = zero
            for b in range(0, n_rows, lanes):
                d = subtract(load_narrow(x0, b), m0)
                wd = multiply(load_narrow(r, b), d)
                first0 = add(first0, wd)
                second0 = multiply_add(wd, d, second0)
            first_out[k, j] += total(first0)
            scatter[k, j] += total(second0)


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
    log_densities=log_densities_of_groups,
    add_vectors=add_vectors,
    whitened_boxes=whitened_boxes,
    movement=movement,
    carrying_costs=_carrying_costs,
)
