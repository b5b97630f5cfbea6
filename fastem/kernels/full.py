"""A covariance matrix of its own for each component."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.blocks import add_lower_product, four_products, one_product
from fastem.kernels.dispatch import register_factors
from fastem.kernels.vectors import (
    add,
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


class FullFactors(NamedTuple):
    """What a pass needs of a mixture with full covariances.

    Means and whiteners are in the type of the tile (float32 or float64).
    """

    center: np.ndarray  # (D,) float64, subtracted from each row as it is loaded
    means: np.ndarray  # (K, D), relative to center
    whiteners: np.ndarray  # (K, D, D), lower triangular W with W'W = precision
    log_normalizers: np.ndarray  # (K,), log(weight) + log|W| - D/2 log(2 pi)


def _log_densities(factors, tile, scratch, chosen, log_densities_out):
    n_features, n_rows = tile.shape
    lanes = wide_lanes(tile)
    panel = scratch.reshape(-1)[: n_features * lanes].reshape(n_features, lanes)
    minus_half = splat_wide(tile.dtype.type(-0.5))
    zero = splat_wide(tile.dtype.type(0))
    n_fours = n_features - n_features % 4
    for a in range(chosen.shape[0]):
        k = chosen[a]
        mean = factors.means[k]
        whitener = factors.whiteners[k]
        log_densities = log_densities_out[a]
        log_normalizer = splat_wide(factors.log_normalizers[k])
        for b in range(0, n_rows, lanes):
            for j in range(n_features):
                residual = subtract(load_wide(tile[j], b), splat_wide(mean[j]))
                store(residual, panel[j], 0)
            distance = zero
            for i in range(0, n_fours, 4):
                y0, y1, y2, y3 = four_products(whitener, panel, i)
                distance = multiply_add(y0, y0, distance)
                distance = multiply_add(y1, y1, distance)
                distance = multiply_add(y2, y2, distance)
                distance = multiply_add(y3, y3, distance)
            for i in range(n_fours, n_features):
                y = one_product(whitener, panel, i)
                distance = multiply_add(y, y, distance)
            log_density = multiply_add(minus_half, distance, log_normalizer)
            store(log_density, log_densities, b)


def _accumulate(
    factors, tile, row_weights, chosen, values, scratch, first_out, scatter_out
):
    n_components, n_features = factors.means.shape
    n_rows = tile.shape[1]
    lanes = narrow_lanes(tile)
    scatter = scatter_out.reshape(n_components, n_features, n_features)
    residual = scratch[:n_features]
    weighted = scratch[n_features : 2 * n_features]
    zero = splat_narrow(tile.dtype.type(0))
    for a in range(chosen.shape[0]):
        k = chosen[a]
        r = values[a]
        for j in range(n_features):
            x, d, rd = tile[j], residual[j], weighted[j]
            mean = splat_narrow(factors.means[k, j])
            first = zero
            for b in range(0, n_rows, lanes):
                difference = subtract(load_narrow(x, b), mean)
                product = multiply(load_narrow(r, b), difference)
                store(difference, d, b)
                store(product, rd, b)
                first = add(first, product)
            first_out[k, j] += total(first)
        add_lower_product(weighted, residual, scatter[k])


def _coefficients(factors):
    rows, columns = np.tril_indices(factors.means.shape[1])
    return np.hstack([factors.means, factors.whiteners[:, rows, columns]])


def _box_distances(factors, blocks, center, half_widths, central_out, nearest_out):
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
