"""How a component's density falls with distance: as Gaussian, or as Student's t.

With the squared whitened distance d, v degrees of freedom and D columns, the t falls by
(v + D) / 2 log(1 + d / v) where the Gaussian falls by d / 2; and a row counts in the
moments by its weight u = (v + D) / (v + d), beside its responsibility.
"""

import math
from typing import NamedTuple

import numpy as np

from fastem.kernels.compilation import FASTMATH_EXACT_ROUNDING, subroutine
from fastem.kernels.vectors.arithmetic import (
    add,
    divide,
    load_narrow,
    load_wide,
    multiply,
    multiply_add,
    splat_like,
    splat_narrow,
    splat_wide,
    store,
    subtract,
    total,
    where_less,
    wide_lanes,
)
from fastem.kernels.vectors.elementary import log_positive

# Of distances over v.
LARGEST_RATIO = 1e37


class StudentTails(NamedTuple):
    """What a pass needs of Student's law, among the factors of the mixture."""

    degrees_of_freedom: np.ndarray  # (K,) float64, v
    inverses: np.ndarray  # (K,), 1 / v, in the type of the tile like the others
    halves: np.ndarray  # (K,), (v + D) / 2
    log_scales: np.ndarray  # (K,), log(1 + D / v): log u at the mean
    scales: np.ndarray  # (K,), 1 + D / v


@subroutine()
def number_of_tails(tails, n_components):
    """How many sums a law needs of its own."""
    if tails is None:
        return 0
    return 2 * n_components


@subroutine(fastmath=FASTMATH_EXACT_ROUNDING)
def log_of_one_more(x):
    """log(1 + x) of a vector x >= 0, with what 1 + x has rounded away.

    That is lost / (1 + x), to first order. Near 1 lost is as good, and where x is
    large it counts for nothing.
    """
    one = splat_like(x, 1.0)
    rounded = add(one, x)
    lost = subtract(x, subtract(rounded, one))
    lost = where_less(x, one, lost, splat_like(x, 0.0))
    return add(log_positive(rounded), lost)


@subroutine()
def log_density_at(tails, k, distance, log_normalizer, b, kept_out):
    """Log-densities of component k at these squared distances, as vectors.

    ``kept`` (2 K, B) gets what :func:`weigh_rows` needs of rows b to b + lanes:
    1 / (1 + d / v), and the logarithm of 1 + d / v.
    """
    if tails is None:
        return multiply_add(splat_like(distance, -0.5), distance, log_normalizer)
    # Farther ones count as this far: their logarithm is a number.
    largest = splat_like(distance, LARGEST_RATIO)
    ratio = multiply(distance, splat_wide(tails.inverses[k]))
    ratio = where_less(ratio, largest, ratio, largest)
    one = splat_like(distance, 1.0)
    fall = log_of_one_more(ratio)
    store(divide(one, add(one, ratio)), kept_out[k], b)
    store(fall, kept_out[tails.halves.shape[0] + k], b)
    return subtract(log_normalizer, multiply(splat_wide(tails.halves[k]), fall))


@subroutine()
def fall_at(tails, k, distance):
    """By how much less the log-density is than at the mean: of a number."""
    if tails is None:
        return 0.5 * distance
    v = tails.degrees_of_freedom[k]
    return np.float64(tails.halves[k]) * math.log1p(distance / v)


@subroutine()
def distance_at(tails, k, fall):
    """The squared distance at which the log-density has fallen by so much."""
    if tails is None:
        return 2 * fall
    ratio = math.expm1(fall / np.float64(tails.halves[k]))
    return min(ratio, LARGEST_RATIO) / np.float64(tails.inverses[k])


@subroutine()
def _pulled(r, nearness, fall, scale, log_scale):
    """r u, and log u - u, of a vector of rows."""
    u = multiply(scale, nearness)
    return multiply(r, u), subtract(subtract(log_scale, fall), u)


@subroutine()
def weigh_rows(tails, chosen, kept, values, sums_out):
    """Multiply responsibilities r (n, B) by u, with what was kept of distances.

    ``sums`` (2 K,) get the sums of r u, and of r (log u - u).
    """
    if tails is not None:
        n_components = tails.halves.shape[0]
        for a in range(chosen.shape[0]):
            k = chosen[a]
            value, nearness, falls = values[a], kept[k], kept[n_components + k]
            counts = logarithms = splat_wide(values.dtype.type(0))
            scale = splat_wide(tails.scales[k])
            log_scale = splat_wide(tails.log_scales[k])
            for b in range(0, values.shape[1], wide_lanes(values)):
                r, near = load_wide(value, b), load_wide(nearness, b)
                weighted, logarithm = _pulled(
                    r, near, load_wide(falls, b), scale, log_scale
                )
                counts = add(counts, weighted)
                logarithms = multiply_add(r, logarithm, logarithms)
                store(weighted, value, b)  # last: in plain Python r is a view
            sums_out[k] += total(counts)
            sums_out[n_components + k] += total(logarithms)


@subroutine()
def weigh_vectors(tails, k, places, kept, value, sums_out):
    """Like :func:`weigh_rows`, of one component and the vectors at these places."""
    if tails is not None:
        n_components = tails.halves.shape[0]
        nearness, falls = kept[k], kept[n_components + k]
        counts = logarithms = splat_narrow(value.dtype.type(0))
        scale = splat_narrow(tails.scales[k])
        log_scale = splat_narrow(tails.log_scales[k])
        for n in range(places.shape[0]):
            b = places[n]
            r, near = load_narrow(value, b), load_narrow(nearness, b)
            weighted, logarithm = _pulled(
                r, near, load_narrow(falls, b), scale, log_scale
            )
            counts = add(counts, weighted)
            logarithms = multiply_add(r, logarithm, logarithms)
            store(weighted, value, b)  # last: in plain Python r is a view
        sums_out[k] += total(counts)
        sums_out[n_components + k] += total(logarithms)
