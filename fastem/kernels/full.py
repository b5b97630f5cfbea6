"""A covariance matrix of its own for each component."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.blocks import (
    add_lower_product,
    four_rows_of_product,
    one_row_of_product,
)
from fastem.kernels.dispatch import register_factors


class FullFactors(NamedTuple):
    """What a pass needs of a mixture with full covariances.

    Means and whiteners are in the type of the tile (float32 or float64).
    """

    center: np.ndarray  # (D,) float64, subtracted from each row as it is loaded
    means: np.ndarray  # (K, D), relative to center
    whiteners: np.ndarray  # (K, D, D), lower triangular W with W'W = precision
    log_normalizers: np.ndarray  # (K,), log(weight) + log|W| - D/2 log(2 pi)


def _log_densities(factors, tile, scratch, log_densities_out):
    n_features, n_rows = tile.shape
    residual = scratch[:n_features]
    whitened = scratch[2 * n_features :]
    half = tile.dtype.type(0.5)
    zero = tile.dtype.type(0)
    n_fours = n_features - n_features % 4
    for k in range(factors.means.shape[0]):
        mean = factors.means[k]
        whitener = factors.whiteners[k]
        distance = log_densities_out[k]
        for j in range(n_features):
            x, d, m = tile[j], residual[j], mean[j]
            for b in range(n_rows):
                d[b] = x[b] - m
        for b in range(n_rows):
            distance[b] = zero
        for i in range(0, n_fours, 4):
            four_rows_of_product(whitener, residual, i, whitened)
            y0, y1, y2, y3 = whitened[0], whitened[1], whitened[2], whitened[3]
            for b in range(n_rows):
                distance[b] += (
                    y0[b] * y0[b] + y1[b] * y1[b] + y2[b] * y2[b] + y3[b] * y3[b]
                )
        for i in range(n_fours, n_features):
            one_row_of_product(whitener, residual, i, whitened)
            y0 = whitened[0]
            for b in range(n_rows):
                distance[b] += y0[b] * y0[b]
        log_normalizer = factors.log_normalizers[k]
        for b in range(n_rows):
            distance[b] = log_normalizer - half * distance[b]


def _accumulate(
    factors, tile, row_weights, responsibilities, scratch, first_out, scatter_out
):
    n_components, n_features = factors.means.shape
    n_rows = tile.shape[1]
    scatter = scatter_out.reshape(n_components, n_features, n_features)
    residual = scratch[:n_features]
    weighted = scratch[n_features : 2 * n_features]
    zero = tile.dtype.type(0)
    for k in range(n_components):
        mean = factors.means[k]
        r = responsibilities[k]
        for j in range(n_features):
            x, d, rd, m = tile[j], residual[j], weighted[j], mean[j]
            total = zero
            for b in range(n_rows):
                d[b] = x[b] - m
                rd[b] = r[b] * d[b]
                total += rd[b]
            first_out[k, j] += total
        add_lower_product(weighted, residual, scatter[k])


register_factors(FullFactors, _log_densities, _accumulate)
