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
    load_wide,
    maximum,
    multiply,
    multiply_add,
    splat_like,
    splat_wide,
    store,
    subtract,
    total,
    where_less,
    wide_lanes,
)
from fastem.kernels.vectors.elementary import exp_nonpositive, log_positive

# Distances over v that are more count as this: their logarithm is a number.
_LARGEST = 1e37


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
def _log_of_one_more(x):
    """log(1 + x) of a vector x >= 0, with what 1 + x has rounded away."""
    one = splat_like(x, 1.0)
    largest = splat_like(x, _LARGEST)
    x = where_less(x, largest, x, largest)
    rounded = add(one, x)
    lost = subtract(x, subtract(rounded, one))
    return add(log_positive(rounded), divide(lost, rounded))


@subroutine()
def log_density_at(tails, k, distance, log_normalizer):
    """Log-densities of component k at these squared distances, as vectors."""
    if tails is None:
        return multiply_add(splat_like(distance, -0.5), distance, log_normalizer)
    fall = _log_of_one_more(multiply(distance, splat_wide(tails.inverses[k])))
    return subtract(log_normalizer, multiply(splat_wide(tails.halves[k]), fall))


@subroutine()
def fall_at(tails, k, distance):
    """By how much less the log-density is than at the mean: of a number."""
    if tails is None:
        return 0.5 * distance
    v = tails.degrees_of_freedom[k]
    return np.float64(tails.halves[k]) * math.log1p(distance / v)


@subroutine()
def keep_log_densities(tails, values, kept_out):
    """Keep log-densities (n, B), from which distances can be told later."""
    if tails is not None:
        for a in range(values.shape[0]):
            for b in range(0, values.shape[1], wide_lanes(values)):
                store(load_wide(values[a], b), kept_out[a], b)


@subroutine()
def weigh_rows(tails, log_normalizers, chosen, kept, values, sums_out):
    """Multiply responsibilities r (n, B) by u, of rows at densities that were kept.

    ``sums`` (2 K,) get the sums of r u, and of r (log u - u).
    """
    if tails is not None:
        n_components = log_normalizers.shape[0]
        for a in range(chosen.shape[0]):
            k = chosen[a]
            if log_normalizers[k] == -np.inf:  # no row belongs to it
                continue
            value, log_densities = values[a], kept[a]
            zero = splat_wide(values.dtype.type(0))
            counts = logarithms = zero
            log_normalizer = splat_wide(log_normalizers[k])
            per_half = splat_wide(values.dtype.type(1) / tails.halves[k])
            scale, log_scale = tails.scales[k], tails.log_scales[k]
            for b in range(0, values.shape[1], wide_lanes(values)):
                fall = subtract(log_normalizer, load_wide(log_densities, b))
                fall = maximum(multiply(fall, per_half), zero)
                u = multiply(splat_wide(scale), exp_nonpositive(subtract(zero, fall)))
                r = load_wide(value, b)
                weighted = multiply(r, u)
                store(weighted, value, b)
                counts = add(counts, weighted)
                log_u = subtract(splat_wide(log_scale), fall)
                logarithms = multiply_add(r, subtract(log_u, u), logarithms)
            sums_out[k] += total(counts)
            sums_out[n_components + k] += total(logarithms)
