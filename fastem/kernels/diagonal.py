"""A variance of its own for each component and column."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.dispatch import register_factors


class DiagonalFactors(NamedTuple):
    """What a pass needs of a mixture with diagonal covariances."""

    center: np.ndarray  # (D,) float64, subtracted from each row as it is loaded
    means: np.ndarray  # (K, D), relative to center
    whiteners: np.ndarray  # (K, D), 1 / standard deviation
    log_normalizers: np.ndarray  # (K,), log(weight) + log|W| - D/2 log(2 pi)


def _log_densities(factors, tile, scratch, log_densities_out):
    n_features, n_rows = tile.shape
    half = tile.dtype.type(0.5)
    zero = tile.dtype.type(0)
    n_fours = n_features - n_features % 4
    for k in range(factors.means.shape[0]):
        mean = factors.means[k]
        whitener = factors.whiteners[k]
        distance = log_densities_out[k]
        for b in range(n_rows):
            distance[b] = zero
        for j in range(0, n_fours, 4):
            x0, x1, x2, x3 = tile[j], tile[j + 1], tile[j + 2], tile[j + 3]
            m0, m1, m2, m3 = mean[j], mean[j + 1], mean[j + 2], mean[j + 3]
            w0, w1 = whitener[j], whitener[j + 1]
            w2, w3 = whitener[j + 2], whitener[j + 3]
            for b in range(n_rows):
                y0 = w0 * (x0[b] - m0)
                y1 = w1 * (x1[b] - m1)
                y2 = w2 * (x2[b] - m2)
                y3 = w3 * (x3[b] - m3)
                distance[b] += y0 * y0 + y1 * y1 + y2 * y2 + y3 * y3
        for j in range(n_fours, n_features):
            x0, m0, w0 = tile[j], mean[j], whitener[j]
            for b in range(n_rows):
                y0 = w0 * (x0[b] - m0)
                distance[b] += y0 * y0
        log_normalizer = factors.log_normalizers[k]
        for b in range(n_rows):
            distance[b] = log_normalizer - half * distance[b]


def _accumulate(
    factors, tile, row_weights, responsibilities, scratch, first_out, scatter_out
):
    n_components, n_features = factors.means.shape
    n_rows = tile.shape[1]
    scatter = scatter_out.reshape(n_components, n_features)
    zero = tile.dtype.type(0)
    for k in range(n_components):
        mean = factors.means[k]
        r = responsibilities[k]
        for j in range(n_features):
            x, m = tile[j], mean[j]
            first = second = zero
            for b in range(n_rows):
                d = x[b] - m
                rd = r[b] * d
                first += rd
                second += rd * d
            first_out[k, j] += first
            scatter[k, j] += second


register_factors(DiagonalFactors, _log_densities, _accumulate)
