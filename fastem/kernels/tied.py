"""One covariance matrix that all components share."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.background import Uniform, claim_weights
from fastem.kernels.blocks import add_lower_product
from fastem.kernels.compilation import subroutine
from fastem.kernels.dispatch import (
    CarryingCosts,
    register_factors,
    register_groups,
)
from fastem.kernels.tails import StudentTails, log_density_at
from fastem.kernels.tied_groups import (
    add_vectors,
    add_weighted_squares,
    close_tile,
    distance_from,
    distances,
    movement,
    open_tile,
    whiten,
    whitened_boxes,
)
from fastem.kernels.vectors.arithmetic import (
    load_narrow,
    magnitude,
    maximum,
    multiply_add,
    narrow_lanes,
    splat_narrow,
    splat_wide,
    store,
    subtract,
    wide_lanes,
)
from fastem.kernels.vectors.stacks import (
    add_each,
    add_multiples,
    add_totals_of_rows,
    load_residuals,
    load_rows,
    multiply_each,
    repeat_rows,
    replace_where_equal,
    store_rows,
    subtract_each,
)

# Columns from which on bounds are carried. On five and six of cytometry's and with 8 to
# 64 components, passes took 0.95 to 1.09 of the time of those with boxes; on all seven
# 0.9 to 1.05, and with 256 components 0.6.
_FEWEST_CARRYING = 7


class TiedFactors(NamedTuple):
    """What a pass needs of a mixture with one shared covariance.

    A tile is whitened once for all components; distances are then plain.
    """

    center: np.ndarray  # (D,) float64, subtracted from each row as it is loaded
    means: np.ndarray  # (K, D), relative to center
    whitened_means: np.ndarray  # (K, D), W @ mean
    whitener: np.ndarray  # (D, D), lower triangular W with W'W = precision
    log_normalizers: np.ndarray  # (K,), log(weight) + log|W| - D/2 log(2 pi)
    is_compact: bool  # whether second moments about the center are exact enough
    background: Uniform | None = None
    tails: StudentTails | None = None  # Gaussian ones


def _log_densities(factors, tile, scratch, chosen, kept_out, log_densities_out):
    n_features, n_rows = tile.shape
    lanes = wide_lanes(tile)
    panels = scratch.reshape(-1)[: 2 * n_features * lanes]
    panels = panels.reshape(2, n_features, lanes)
    panel, whitened = panels[0], panels[1]
    for b in range(0, n_rows, lanes):
        whiten(factors.whitener, tile, b, panel, 0, whitened)
        for a in range(chosen.shape[0]):
            k = chosen[a]
            distance = distance_from(factors.whitened_means[k], whitened, 0)
            log_normalizer = splat_wide(factors.log_normalizers[k])
            log_density = log_density_at(
                factors.tails, k, distance, log_normalizer, b, kept_out
            )
            store(log_density, log_densities_out[a], b)


@subroutine()
def _add_first_moments(rows, means, tile, chosen, values, first_out):
    """Add r (x - mean) of the columns ``rows`` for each component."""
    zero = splat_narrow(tile.dtype.type(0))
    for a in range(chosen.shape[0]):
        k = chosen[a]
        r = values[a]
        first = repeat_rows(zero, rows)
        for b in range(0, tile.shape[1], narrow_lanes(tile)):
            residuals = load_residuals(tile, means[k], rows, b)
            first = add_each(first, multiply_each(residuals, load_narrow(r, b)))
        add_totals_of_rows(first, rows, first_out[k])


@subroutine()
def _write_differences(
    rows, means, tile, row_weights, chosen, values, best, residual_out, minus_h_out
):
    """Write d and -h of the columns ``rows``; ``best`` holds the components of a."""
    zero = splat_narrow(tile.dtype.type(0))
    for b in range(0, tile.shape[1], narrow_lanes(tile)):
        labels = load_narrow(best, b)
        nearest = repeat_rows(zero, rows)
        minus_h = repeat_rows(zero, rows)
        for a in range(chosen.shape[0]):
            k = chosen[a]
            label = tile.dtype.type(k)
            nearest = replace_where_equal(labels, label, means[k], rows, nearest)
            share = subtract(zero, load_narrow(values[a], b))
            minus_h = add_multiples(means[k], rows, share, minus_h)
        weighted = multiply_each(nearest, load_narrow(row_weights, b))
        store_rows(add_each(minus_h, weighted), minus_h_out, rows, b)
        residuals = subtract_each(load_rows(tile, rows, b), nearest)
        store_rows(residuals, residual_out, rows, b)


def _accumulate(
    factors, tile, row_weights, chosen, values, scratch, first_out, scatter_out
):
    """Scatter about the components' means, without a product for each of them.

    Let a be the mean of the row's most likely component, d = x - a, and
    e_k = mean_k - a. Since the r_k of a row sum to its weight w,

        sum_k r_k (x - mean_k)(x - mean_k)'
            = w d d' - d h' - h d' + sum_k r_k e_k e_k',   h = sum_k r_k e_k.

    The first three terms are two outer products a row, whatever K is. The last
    needs only how much of the rows that prefer component j falls to k: a K x K
    table, kept behind the D x D sums in ``scatter_out``.

    Taking sum w x x' instead, and the means from it afterwards, takes a third of the
    time, and loses as many digits as the components lie standard deviations apart,
    twice over. That is what compact components get: those that lie close together.

    Where a background takes its share, w is what it leaves; where rows have weights of
    their own in each component, it is the sum of these.
    """
    if chosen.shape[0] == 0:
        return
    claim_weights(factors.background, factors.tails, values, row_weights)
    n_components, n_features = factors.means.shape
    n_rows = tile.shape[1]
    n_scatter = n_features * n_features
    scatter = scatter_out[:n_scatter].reshape(n_features, n_features)
    rest = n_features % 4
    i = n_features - rest
    moments = factors.means, tile, chosen, values, first_out
    for j in range(0, i, 4):
        _add_first_moments((j, j + 1, j + 2, j + 3), *moments)
    if rest == 1:
        _add_first_moments((i,), *moments)
    elif rest == 2:
        _add_first_moments((i, i + 1), *moments)
    elif rest == 3:
        _add_first_moments((i, i + 1, i + 2), *moments)
    if factors.is_compact:
        add_weighted_squares(row_weights, tile, scratch[:n_features], scatter)
        return
    shared = scatter_out[n_scatter:].reshape(n_components, n_components)

    # The most likely component of each row, kept as a number in scratch.
    best, largest = scratch[2 * n_features], scratch[2 * n_features + 1]
    for b in range(n_rows):
        best[b] = tile.dtype.type(chosen[0])
        largest[b] = values[0, b]
    for a in range(1, chosen.shape[0]):
        r = values[a]
        label = tile.dtype.type(chosen[a])
        for b in range(n_rows):
            better = r[b] > largest[b]
            best[b] = label if better else best[b]
            largest[b] = r[b] if better else largest[b]
    for b in range(n_rows):
        preferred = np.intp(best[b])
        for a in range(chosen.shape[0]):
            shared[preferred, chosen[a]] += values[a, b]

    # w d d' - d h' - h d' = (w d - h) d' + d (-h)', kept as d, -h and then w d - h.
    minus_h, residual = scratch[:n_features], scratch[n_features : 2 * n_features]
    place = factors.means, tile, row_weights, chosen, values, best, residual, minus_h
    for j in range(0, i, 4):
        _write_differences((j, j + 1, j + 2, j + 3), *place)
    if rest == 1:
        _write_differences((i,), *place)
    elif rest == 2:
        _write_differences((i, i + 1), *place)
    elif rest == 3:
        _write_differences((i, i + 1, i + 2), *place)
    add_lower_product(residual, minus_h, scatter)
    for j in range(n_features):
        h, d = minus_h[j], residual[j]
        for b in range(n_rows):
            h[b] += row_weights[b] * d[b]
    add_lower_product(minus_h, residual, scatter)


def _carrying_costs(factors):
    """Of compact factors: the others need a table of components, pair by pair.

    By groups, on flights, that made a pass of 64 components take 1.5 times what it
    takes with boxes, and one of 256 as long.
    """
    n_features = factors.means.shape[1]
    if n_features < _FEWEST_CARRYING or not factors.is_compact:
        return None
    return CarryingCosts(3 * n_features, 0.3, 1.1, 3)


def _coefficients(factors):
    return factors.whitened_means


def _box_distances(
    factors, blocks, center, half_widths, scratch, central_out, nearest_out
):
    n_features = center.shape[0]
    whitened, spreads = scratch[0], scratch[1]
    for i in range(n_features):
        whitened[i] = spreads[i] = 0.0
        for j in range(i + 1):
            w = np.float64(factors.whitener[i, j])
            whitened[i] += w * center[j]
            spreads[i] += abs(w) * half_widths[j]
    zero = splat_narrow(np.float64(0))
    for v in range(blocks.shape[0]):
        block = blocks[v]
        central = nearest = zero
        for i in range(n_features):
            y = subtract(splat_narrow(whitened[i]), load_narrow(block[i], 0))
            central = multiply_add(y, y, central)
            gap = maximum(subtract(magnitude(y), splat_narrow(spreads[i])), zero)
            nearest = multiply_add(gap, gap, nearest)
        store(central, central_out, v * block.shape[1])
        store(nearest, nearest_out, v * block.shape[1])


register_factors(
    TiedFactors,
    log_densities=_log_densities,
    accumulate=_accumulate,
    coefficients=_coefficients,
    box_distances=_box_distances,
)
register_groups(
    TiedFactors,
    distances=distances,
    add_vectors=add_vectors,
    whitened_boxes=whitened_boxes,
    movement=movement,
    carrying_costs=_carrying_costs,
    open_tile=open_tile,
    close_tile=close_tile,
)
