"""What a pass over the rows can write about each of them."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.dispatch import register_output
from fastem.kernels.elementary import log_positive
from fastem.kernels.tiles import (
    normalize_responsibilities,
    subtract_maximum_and_exponentiate,
)


class Labels(NamedTuple):
    """The most likely component of each row, the first one of equals."""

    out: np.ndarray  # (N,) intp


class LogLikelihoods(NamedTuple):
    """The logarithm of the mixture's density at each row."""

    out: np.ndarray  # (N,)


class Probabilities(NamedTuple):
    """The probability of each component given the row."""

    out: np.ndarray  # (N, K)


def _write_labels(output, start, stop, values, weights, scratch):
    best, labels = scratch[0], output.out
    for b in range(stop - start):
        best[b] = values[0, b]
        labels[start + b] = 0
    for k in range(1, values.shape[0]):
        value = values[k]
        for b in range(stop - start):
            if value[b] > best[b]:
                best[b] = value[b]
                labels[start + b] = k


def _write_log_likelihoods(output, start, stop, values, weights, scratch):
    largest, totals = scratch[0], scratch[1]
    subtract_maximum_and_exponentiate(values, largest, totals)
    for b in range(stop - start):
        output.out[start + b] = largest[b] + log_positive(totals[b])


def _write_probabilities(output, start, stop, values, weights, scratch):
    normalize_responsibilities(values, weights, scratch)
    for b in range(stop - start):
        for k in range(values.shape[0]):
            output.out[start + b, k] = values[k, b]


register_output(Labels, _write_labels)
register_output(LogLikelihoods, _write_log_likelihoods)
register_output(Probabilities, _write_probabilities)
