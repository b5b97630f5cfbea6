"""What a pass over the rows can write about each of them."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.compilation import subroutine
from fastem.kernels.dispatch import register_output
from fastem.kernels.tiles import (
    choose_likeliest,
    raise_maximum,
    subtract_maximum_and_exponentiate,
)
from fastem.kernels.vectors.arithmetic import (
    add,
    divide,
    load_wide,
    splat_like,
    splat_wide,
    store,
    subtract,
    where_less,
    wide_lanes,
)
from fastem.kernels.vectors.elementary import exp_nonpositive, log_positive
from fastem.kernels.vectors.transposition import store_transposed, transposed_rows


class Labels(NamedTuple):
    """The most likely component of each row, the first one of equals."""

    out: np.ndarray  # (N,) intp


class LogLikelihoods(NamedTuple):
    """The logarithm of the mixture's density at each row."""

    out: np.ndarray  # (N,)
    faint: float | None = None  # logarithm: what is less beside the largest is 0


class Probabilities(NamedTuple):
    """The probability of each component given the row."""

    out: np.ndarray  # (N, K)


def _write_labels(output, start, stop, values, weights, scratch):
    labels = scratch[0]
    choose_likeliest(values, scratch[1], labels)
    for b in range(stop - start):
        output.out[start + b] = np.intp(labels[b])


@subroutine()
def _density(below, faint):
    """The density over the row's largest one."""
    if faint is None:
        return exp_nonpositive(below)
    nothing = splat_like(below, 0.0)
    return where_less(below, splat_like(below, faint), nothing, exp_nonpositive(below))


def _write_log_likelihoods(output, start, stop, values, weights, scratch):
    largest = scratch[0]
    largest[:] = -np.inf
    raise_maximum(values, largest)
    for b in range(0, values.shape[1], wide_lanes(values)):
        log_density = load_wide(largest, b)
        sums = splat_wide(values.dtype.type(0))
        for k in range(values.shape[0]):
            below = subtract(load_wide(values[k], b), log_density)
            sums = add(sums, _density(below, output.faint))
        store(add(log_density, log_positive(sums)), largest, b)
    for b in range(stop - start):
        output.out[start + b] = largest[b]


def _write_probabilities(output, start, stop, values, weights, scratch):
    n_components, n_rows = values.shape[0], stop - start
    factors, out = scratch[1], output.out
    subtract_maximum_and_exponentiate(values, scratch[0], factors)
    for b in range(0, values.shape[1], wide_lanes(values)):
        one = splat_wide(values.dtype.type(1))
        store(divide(one, load_wide(factors, b)), factors, b)
    rows_at_once = transposed_rows(values)
    n_whole_rows = n_rows - n_rows % rows_at_once
    for b in range(0, n_whole_rows, rows_at_once):
        if n_components == 1:
            store_transposed(values, factors, b, (0,), out, start + b)
        elif n_components == 2:
            store_transposed(values, factors, b, (0, 1), out, start + b)
        elif n_components == 3:
            store_transposed(values, factors, b, (0, 1, 2), out, start + b)
        else:
            for strip in range(0, n_components, 4):
                # The last strip may overlap the one before it.
                k = min(strip, n_components - 4)
                columns = (k, k + 1, k + 2, k + 3)
                store_transposed(values, factors, b, columns, out, start + b)
    for b in range(n_whole_rows, n_rows):
        for k in range(n_components):
            out[start + b, k] = values[k, b] * factors[b]


register_output(Labels, _write_labels)
register_output(LogLikelihoods, _write_log_likelihoods)
register_output(Probabilities, _write_probabilities)
