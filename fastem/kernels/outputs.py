"""What a pass over the rows can write about each of them."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.dispatch import register_output
from fastem.kernels.tiles import (
    choose_likeliest,
    row_log_likelihoods,
    subtract_maximum_and_exponentiate,
)
from fastem.kernels.vectors.arithmetic import (
    divide,
    load_wide,
    splat_wide,
    store,
    wide_lanes,
)
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


def _write_log_likelihoods(output, start, stop, values, weights, scratch):
    row_log_likelihoods(values, output.faint, scratch[0], scratch[1])
    for b in range(stop - start):
        output.out[start + b] = scratch[0, b]


def _write_probabilities(output, start, stop, values, weights, scratch):
    n_components, n_rows = values.shape[0], stop - start
    factors, out = scratch[1], output.out
    subtract_maximum_and_exponentiate(values, None, scratch[0], factors)
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
