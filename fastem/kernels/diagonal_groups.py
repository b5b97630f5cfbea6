"""The diagonal structure where groups of rows, and vectors of rows, are left out."""

import numpy as np

from fastem.kernels.dispatch import Movement
from fastem.kernels.tails import log_density_at
from fastem.kernels.tiles import GROUP_BYTES
from fastem.kernels.vectors.arithmetic import (
    add,
    add_totals,
    largest_lane,
    load_narrow,
    load_wide,
    lowest_bit,
    maximum,
    multiply,
    multiply_add,
    splat_narrow,
    splat_wide,
    store,
    subtract,
    total,
    wide_lanes,
)


def whitened_boxes(factors, k, middles, half_widths):
    """W (c - m) and |W| h."""
    whitener = factors.whiteners[k].astype(np.float64)
    return whitener * (middles - factors.means[k]), whitener * half_widths


def movement(before, after, steps, reach):
    """The components' movement: see ``dispatch.movement``.

    A coordinate is rounded by itself. Twice the mean over the standard deviation is
    rounded four times: for the offset, and with the row.
    """
    old, new = (f.whiteners.astype(np.float64) for f in (before, after))
    return Movement(
        (new / old).min(axis=1),
        np.full(len(new), 2.0),
        np.linalg.norm(new * steps, axis=1),
        8 * np.linalg.norm(new * reach, axis=1),
    )


def log_densities_of_groups(
    factors, k, tile, scratch, bits, kept_out, value_out, largest_out, highest_out
):
    """Log-densities of component k, for the groups whose bits are set."""
    n_features, lanes = tile.shape[0], wide_lanes(tile)
    rows = GROUP_BYTES // tile.itemsize
    offset, whitener = factors.offsets[k], factors.whiteners[k]
    number = tile.dtype.type
    log_normalizer = splat_wide(factors.log_normalizers[k])
    while bits != 0:
        g = lowest_bit(bits)
        bits &= bits - 1
        highest = splat_wide(number(-np.inf))
        for b in range(g * rows, (g + 1) * rows, lanes):
            distance = splat_wide(number(0))
            for j in range(n_features):
                y = multiply_add(
                    splat_wide(whitener[j]),
                    load_wide(tile[j], b),
                    splat_wide(offset[j]),
                )
                distance = multiply_add(y, y, distance)
            log_density = log_density_at(
                factors.tails, k, distance, log_normalizer, b, kept_out
            )
            highest = maximum(log_density, highest)
            store(log_density, value_out, b)
            store(maximum(log_density, load_wide(largest_out, b)), largest_out, b)
        highest_out[g] = largest_lane(highest)


def add_vectors(factors, k, tile, r, places, scratch, first_out, scatter_out):
    """Add the moments of component k, of the vectors of rows at these places."""
    n_components, n_features = factors.means.shape
    scatter = scatter_out.reshape(n_components, n_features)[k]
    first = first_out[k]
    mean = factors.means[k]
    zero = splat_narrow(tile.dtype.type(0))
    n_fours = n_features - n_features % 4
    for j in range(0, n_fours, 4):
        x0, x1, x2, x3 = tile[j], tile[j + 1], tile[j + 2], tile[j + 3]
        m0, m1 = splat_narrow(mean[j]), splat_narrow(mean[j + 1])
        m2, m3 = splat_narrow(mean[j + 2]), splat_narrow(mean[j + 3])
        first0 = first1 = first2 = first3 = zero
        second0 = second1 = second2 = second3 = zero
        for n in range(places.shape[0]):
            b = places[n]
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
        add_totals(first0, first1, first2, first3, first, j)
        add_totals(second0, second1, second2, second3, scatter, j)
    for j in range(n_fours, n_features):
        x0 = tile[j]
        m0 = splat_narrow(mean[j])
        first0 = second0 = zero
        for n in range(places.shape[0]):
            b = places[n]
            d = subtract(load_narrow(x0, b), m0)
            wd = multiply(load_narrow(r, b), d)
            first0 = add(first0, wd)
            second0 = multiply_add(wd, d, second0)
        first[j] += total(first0)
        scatter[j] += total(second0)
