"""Moments of rows that belong to one component each."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.compilation import kernel, subroutine
from fastem.kernels.tiles import CHUNK_ROWS

OF_BACKGROUND = -2  # the label of rows that are known to be in no component


class Membership(NamedTuple):
    """Which component each row belongs to, and what moments are wanted of it."""

    labels: np.ndarray  # (N,) int32; negative for none
    reference: np.ndarray  # (K, D) float64, what the moments are about
    positions: np.ndarray  # (K,) intp, where among the sums a component's scatter is
    has_matrices: bool  # D x D sums a scatter rather than D


@subroutine()
def _add_member(x, reference, w, has_matrices, residual, first_out, scatter_out):
    """Add a row of weight w; of a matrix, the lower triangle."""
    n_features = x.shape[0]
    for j in range(n_features):
        residual[j] = np.float64(x[j]) - reference[j]
        first_out[j] += w * residual[j]
    if has_matrices:
        for i in range(n_features):
            weighted = w * residual[i]
            row = scatter_out[i * n_features :]
            for j in range(i + 1):
                row[j] += weighted * residual[j]
    else:
        for j in range(n_features):
            scatter_out[j] += w * residual[j] * residual[j]


@kernel(nogil=True)
def member_chunks(X, row_weights, membership, residual, start, stop, sums_out):
    """Moments of the components' members among rows start:stop, in float64.

    For each chunk, a row of ``sums_out`` holds the K weights, the K x D first moments,
    the scatter, and the weight of rows of the background. Row by row without tiles: it
    is done once a fit, and half of an expectation pass is no reason to compile the
    products of a structure again. ``residual`` (D,) is space to work in.
    """
    n_components, n_features = membership.reference.shape
    for c in range(sums_out.shape[0]):
        sums = sums_out[c]
        for s in range(sums.shape[0]):
            sums[s] = 0
        first = start + c * CHUNK_ROWS
        for i in range(first, min(first + CHUNK_ROWS, stop)):
            k = membership.labels[i]
            w = np.float64(row_weights[i]) if row_weights.shape[0] > 0 else 1.0
            if k == OF_BACKGROUND:
                sums[sums.shape[0] - 1] += w
            if k < 0:  # in none
                continue
            sums[k] += w
            _add_member(
                X[i],
                membership.reference[k],
                w,
                membership.has_matrices,
                residual,
                sums[n_components + k * n_features :],
                sums[membership.positions[k] :],
            )
