"""One covariance matrix that all components share."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.blocks import (
    add_lower_product,
    four_rows_of_product,
    one_row_of_product,
)
from fastem.kernels.dispatch import register_factors


class TiedFactors(NamedTuple):
    """What a pass needs of a mixture with one shared covariance.

    A tile is whitened once for all components; distances are then plain.
    """

    center: np.ndarray  # (D,) float64, subtracted from each row as it is loaded
    means: np.ndarray  # (K, D), relative to center
    whitened_means: np.ndarray  # (K, D), W @ mean
    whitener: np.ndarray  # (D, D), lower triangular W with W'W = precision
    log_normalizers: np.ndarray  # (K,), log(weight) + log|W| - D/2 log(2 pi)


def _log_densities(factors, tile, scratch, log_densities_out):
    n_features, n_rows = tile.shape
    half = tile.dtype.type(0.5)
    zero = tile.dtype.type(0)
    n_fours = n_features - n_features % 4
    whitened = scratch[:n_features]
    work = scratch[2 * n_features :]
    for i in range(0, n_fours, 4):
        four_rows_of_product(factors.whitener, tile, i, work)
        for j in range(4):
            y, w = whitened[i + j], work[j]
            for b in range(n_rows):
                y[b] = w[b]
    for i in range(n_fours, n_features):
        one_row_of_product(factors.whitener, tile, i, work)
        y, w = whitened[i], work[0]
        for b in range(n_rows):
            y[b] = w[b]
    for k in range(factors.means.shape[0]):
        mean = factors.whitened_means[k]
        distance = log_densities_out[k]
        for b in range(n_rows):
            distance[b] = zero
        for j in range(0, n_fours, 4):
            y0, y1 = whitened[j], whitened[j + 1]
            y2, y3 = whitened[j + 2], whitened[j + 3]
            m0, m1, m2, m3 = mean[j], mean[j + 1], mean[j + 2], mean[j + 3]
            for b in range(n_rows):
                d0, d1, d2, d3 = y0[b] - m0, y1[b] - m1, y2[b] - m2, y3[b] - m3
                distance[b] += d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3
        for j in range(n_fours, n_features):
            y0, m0 = whitened[j], mean[j]
            for b in range(n_rows):
                d0 = y0[b] - m0
                distance[b] += d0 * d0
        log_normalizer = factors.log_normalizers[k]
        for b in range(n_rows):
            distance[b] = log_normalizer - half * distance[b]


def _accumulate(
    factors, tile, row_weights, responsibilities, scratch, first_out, scatter_out
):
    """Scatter about the components' means, without a product for each of them.

    Let a be the mean of the row's most likely component, d = x - a, and
    e_k = mean_k - a. Since the r_k of a row sum to its weight w,

        sum_k r_k (x - mean_k)(x - mean_k)'
            = w d d' - d h' - h d' + sum_k r_k e_k e_k',   h = sum_k r_k e_k.

    The first three terms are two outer products a row, whatever K is. The last
    needs only how much of the rows that prefer component j falls to k: a K x K
    table, kept behind the D x D sums in ``scatter_out``. Taking the total
    scatter of the rows minus that of the means would be shorter, and lose as
    many digits as the components lie standard deviations apart, twice over.
    """
    n_components, n_features = factors.means.shape
    n_rows = tile.shape[1]
    n_scatter = n_features * n_features
    scatter = scatter_out[:n_scatter].reshape(n_features, n_features)
    shared = scatter_out[n_scatter:].reshape(n_components, n_components)
    zero = tile.dtype.type(0)

    # The most likely component of each row, kept as a number in scratch.
    best, largest = scratch[2 * n_features], scratch[2 * n_features + 1]
    for b in range(n_rows):
        best[b] = zero
        largest[b] = responsibilities[0, b]
    for k in range(1, n_components):
        r = responsibilities[k]
        label = tile.dtype.type(k)
        for b in range(n_rows):
            better = r[b] > largest[b]
            best[b] = label if better else best[b]
            largest[b] = r[b] if better else largest[b]
    for b in range(n_rows):
        preferred = np.intp(best[b])
        for k in range(n_components):
            shared[preferred, k] += responsibilities[k, b]

    # w d d' - d h' - h d' = (w d - h) d' + d (-h)', kept as d and minus h.
    minus_h, residual = scratch[:n_features], scratch[n_features : 2 * n_features]
    for j in range(n_features):
        x, h, d = tile[j], minus_h[j], residual[j]
        for b in range(n_rows):
            h[b] = zero
        for k in range(n_components):
            r = responsibilities[k]
            m = factors.means[k, j]
            total = zero
            for b in range(n_rows):
                h[b] -= r[b] * m
                total += r[b] * (x[b] - m)
            first_out[k, j] += total
        for b in range(n_rows):
            a = factors.means[np.intp(best[b]), j]
            d[b] = x[b] - a
            h[b] += row_weights[b] * a
    add_lower_product(residual, minus_h, scatter)
    for j in range(n_features):
        h, d = minus_h[j], residual[j]
        for b in range(n_rows):
            h[b] += row_weights[b] * d[b]
    add_lower_product(minus_h, residual, scatter)


register_factors(TiedFactors, _log_densities, _accumulate)
