"""A variance of its own for each component and column."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.dispatch import register_factors
from fastem.kernels.vectors import (
    add,
    load_wide,
    multiply,
    multiply_add,
    splat_wide,
    store,
    subtract,
    total,
    wide_lanes,
)


class DiagonalFactors(NamedTuple):
    """What a pass needs of a mixture with diagonal covariances."""

    center: np.ndarray  # (D,) float64, subtracted from each row as it is loaded
    means: np.ndarray  # (K, D), relative to center
    whiteners: np.ndarray  # (K, D), 1 / standard deviation
    log_normalizers: np.ndarray  # (K,), log(weight) + log|W| - D/2 log(2 pi)


def _log_densities(factors, tile, scratch, log_densities_out):
    n_features, n_rows = tile.shape
    lanes = wide_lanes(tile)
    minus_half = splat_wide(tile.dtype.type(-0.5))
    for k in range(factors.means.shape[0]):
        mean = factors.means[k]
        whitener = factors.whiteners[k]
        log_normalizer = splat_wide(factors.log_normalizers[k])
        for b in range(0, n_rows, lanes):
            distance = splat_wide(tile.dtype.type(0))
            for j in range(n_features):
                d = subtract(load_wide(tile[j], b), splat_wide(mean[j]))
                y = multiply(splat_wide(whitener[j]), d)
                distance = multiply_add(y, y, distance)
            log_density = multiply_add(minus_half, distance, log_normalizer)
            store(log_density, log_densities_out[k], b)


def _accumulate(
    factors, tile, row_weights, responsibilities, scratch, first_out, scatter_out
):
    n_components, n_features = factors.means.shape
    n_rows = tile.shape[1]
    lanes = wide_lanes(tile)
    scatter = scatter_out.reshape(n_components, n_features)
    for k in range(n_components):
        r = responsibilities[k]
        for j in range(n_features):
            x = tile[j]
            mean = splat_wide(factors.means[k, j])
            first = splat_wide(tile.dtype.type(0))
            second = first
            for b in range(0, n_rows, lanes):
                d = subtract(load_wide(x, b), mean)
                rd = multiply(load_wide(r, b), d)
                first = add(first, rd)
                second = multiply_add(rd, d, second)
            first_out[k, j] += total(first)
            scatter[k, j] += total(second)


register_factors(DiagonalFactors, _log_densities, _accumulate)
