"""Sums over rows with gaps, row by row: for tables with about as many kinds of gaps.

Where many rows lack the same columns, tiles of them are faster; this is for the rest.
All loops go over the components, which lie side by side in each array: a small Cholesky
factor is that of all components at once.
"""

import math
from typing import NamedTuple

import numpy as np

from fastem.kernels.compilation import kernel, subroutine
from fastem.kernels.grid import walk
from fastem.kernels.tiles import CHUNK_ROWS

_LOG_2_PI = math.log(2 * math.pi)


class GappyTails(NamedTuple):
    """What it needs of Student's law, by how many columns a row has."""

    degrees_of_freedom: np.ndarray  # (K,)
    log_constants: np.ndarray  # (D + 1, K), log-densities at the mean, of unit scale
    logarithms: np.ndarray  # (D + 1, K), of the expected logarithm less log u


class GappyFactors(NamedTuple):
    """What a pass over rows with gaps needs of a mixture, the components last."""

    center: np.ndarray  # (D,), subtracted from each row
    means: np.ndarray  # (D, K), relative to center
    covariances: np.ndarray  # (D, D, K)
    log_weights: np.ndarray  # (K + 1,), the last one of a background; -inf for none
    log_widths: np.ndarray  # (D,), of the background's box
    tails: GappyTails | None  # None where they are Gaussian


class GappySums(NamedTuple):
    """What the pass returns, lifted to all columns."""

    log_likelihood: float
    weights: np.ndarray  # (K,)
    background: float
    present: np.ndarray  # (K, D), sums of responsibilities of rows with the column
    first: np.ndarray  # (K, D)
    scatter: np.ndarray  # (K, D, D), the lower triangle
    tails: np.ndarray  # (2, K), sums of r u and of r (expected logarithm - u)


class GappySpace(NamedTuple):
    """What one thread works in."""

    order: np.ndarray  # (D,) columns, those present first
    factor: np.ndarray  # (D, D, K) their Cholesky factor, as far as they are present
    inverse: np.ndarray  # (D, K) one over its diagonal
    normalizer: np.ndarray  # (K + 1,)
    whitened: np.ndarray  # (D, K)
    residual: np.ndarray  # (D, K)
    values: np.ndarray  # (K + 1,)
    distance: np.ndarray  # (K,) squared
    counts: np.ndarray  # (K,) responsibilities of rows with the same gaps


@subroutine()
def lacks_the_same(a, b):
    """Whether two rows have the same gaps."""
    same = True
    for j in range(a.shape[0]):
        same &= np.isnan(a[j]) == np.isnan(b[j])
    return same


@subroutine()
def _add_constants(tails, n_present, normalizer):
    """Add what log-densities at the mean are, of the unit scale."""
    for k in range(normalizer.shape[0] - 1):
        if tails is None:
            normalizer[k] -= 0.5 * n_present * _LOG_2_PI
        else:
            normalizer[k] += tails.log_constants[n_present, k]


@subroutine()
def _fall(tails, n_present, distance, values):
    """Subtract by how much log-densities fall with the distance."""
    for k in range(distance.shape[0]):
        if tails is None:
            values[k] -= 0.5 * distance[k]
        else:
            v = tails.degrees_of_freedom[k]
            values[k] -= 0.5 * (v + n_present) * math.log1p(distance[k] / v)


@subroutine()
def _pull(tails, n_present, distance, r, sums_out):
    """Multiply responsibilities by the weights u of a row in moments."""
    if tails is not None:
        n_components = distance.shape[0]
        for k in range(n_components):
            v = tails.degrees_of_freedom[k]
            u = (v + n_present) / (v + distance[k])
            expected = math.log(u) + tails.logarithms[n_present, k]
            sums_out[k] += r[k] * u
            sums_out[n_components + k] += r[k] * (expected - u)
            r[k] *= u


@subroutine()
def factorize(row, factors, space):
    """Factors of the columns that the row has; returns how many these are."""
    n_features, n_components = factors.means.shape
    order, L, inverse, normalizer = (
        space.order,
        space.factor,
        space.inverse,
        space.normalizer,
    )
    n_present = 0
    for j in range(n_features):
        if not np.isnan(row[j]):
            order[n_present] = j
            n_present += 1
    n_ordered = n_present
    for j in range(n_features):
        if np.isnan(row[j]):
            order[n_ordered] = j
            n_ordered += 1
    of_noise = factors.log_weights[n_components]
    for j in range(n_present):
        of_noise -= factors.log_widths[order[j]]
    for k in range(n_components):
        normalizer[k] = factors.log_weights[k]
    _add_constants(factors.tails, n_present, normalizer)
    normalizer[n_components] = of_noise
    for i in range(n_features):
        for j in range(min(i + 1, n_present)):
            target = L[i, j]
            S = factors.covariances[order[i], order[j]]
            for k in range(n_components):
                target[k] = S[k]
            for p in range(j):
                a, b = L[i, p], L[j, p]
                for k in range(n_components):
                    target[k] -= a[k] * b[k]
            if i == j:
                for k in range(n_components):
                    target[k] = math.sqrt(target[k])
                    inverse[j, k] = 1 / target[k]
                    normalizer[k] -= math.log(target[k])
            else:
                scale = inverse[j]
                for k in range(n_components):
                    target[k] *= scale[k]
    return n_present


@subroutine()
def complete(row, factors, space, n_present):
    """Log-densities of a row, and its residuals: those missing as they are expected."""
    n_features, n_components = factors.means.shape
    order, L, y, z = space.order, space.factor, space.whitened, space.residual
    values, distance = space.values, space.distance
    for k in range(n_components + 1):
        values[k] = space.normalizer[k]
    for k in range(n_components):
        distance[k] = 0
    for i in range(n_present):
        j = order[i]
        x = np.float64(row[j]) - factors.center[j]
        target, residual, mean = y[i], z[j], factors.means[j]
        for k in range(n_components):
            residual[k] = x - mean[k]
            target[k] = residual[k]
        for p in range(i):
            a, b = L[i, p], y[p]
            for k in range(n_components):
                target[k] -= a[k] * b[k]
        scale = space.inverse[i]
        for k in range(n_components):
            target[k] *= scale[k]
            distance[k] += target[k] * target[k]
    _fall(factors.tails, n_present, distance, values)
    for i in range(n_present, n_features):
        residual = z[order[i]]
        for k in range(n_components):
            residual[k] = 0
        for p in range(n_present):
            a, b = L[i, p], y[p]
            for k in range(n_components):
                residual[k] += a[k] * b[k]


@subroutine()
def claim(values, weight):
    """Make responsibilities of log-densities, times weight; return their logarithm."""
    largest = values[0]
    for k in range(1, values.shape[0]):
        largest = max(largest, values[k])
    total = 0.0
    for k in range(values.shape[0]):
        values[k] = math.exp(values[k] - largest)
        total += values[k]
    for k in range(values.shape[0]):
        values[k] *= weight / total
    return weight * (largest + math.log(total))


@subroutine()
def _end_pattern(factors, space, n_present, present_out, scatter_out):
    """Add what rows with the same gaps have in common."""
    n_features, n_components = factors.means.shape
    order, L, counts = space.order, space.factor, space.counts
    left = space.whitened[0]
    for i in range(n_present):
        for k in range(n_components):
            present_out[order[i], k] += counts[k]
    for i in range(n_present, n_features):
        for j in range(n_present, i + 1):
            S = factors.covariances[order[i], order[j]]
            for k in range(n_components):
                left[k] = S[k]
            for p in range(n_present):
                a, b = L[i, p], L[j, p]
                for k in range(n_components):
                    left[k] -= a[k] * b[k]
            target = scatter_out[order[i], order[j]]  # columns are in order
            for k in range(n_components):
                target[k] += counts[k] * left[k]
    for k in range(n_components):
        counts[k] = 0


@kernel(nogil=True, error_model="numpy")
def gappy_chunks(X, order, row_weights, factors, space, start, stop, sums_out):
    """Sums over the rows order[start:stop], of which neighbours lack the same columns.

    For each chunk, a row of ``sums_out`` holds the log-likelihood, the K weights and
    the background's, 2 K sums of tails (0 of Gaussians), and present, first moments and
    scatter with the components last.
    """
    n_features, n_components = factors.means.shape
    size = n_features * n_components
    tails_start = 2 + n_components
    present_start = tails_start + 2 * n_components
    for c in range(sums_out.shape[0]):
        sums = sums_out[c]
        for s in range(sums.shape[0]):
            sums[s] = 0
        of_tails = sums[tails_start:present_start]
        present = sums[present_start : present_start + size].reshape(
            n_features, n_components
        )
        first = sums[present_start + size : present_start + 2 * size].reshape(
            n_features, n_components
        )
        scatter = sums[present_start + 2 * size :].reshape(
            n_features, n_features, n_components
        )
        for k in range(n_components):
            space.counts[k] = 0
        n_present = 0
        chunk_start = start + c * CHUNK_ROWS
        chunk_stop = min(chunk_start + CHUNK_ROWS, stop)
        for n in range(chunk_start, chunk_stop):
            i = order[n]
            if n == chunk_start:
                n_present = factorize(X[i], factors, space)
            elif not lacks_the_same(X[i], X[order[n - 1]]):
                _end_pattern(factors, space, n_present, present, scatter)
                n_present = factorize(X[i], factors, space)
            complete(X[i], factors, space, n_present)
            weight = np.float64(row_weights[i]) if row_weights.shape[0] > 0 else 1.0
            r, z = space.values, space.residual
            sums[0] += claim(r, weight)
            for k in range(n_components):
                space.counts[k] += r[k]
                sums[1 + k] += r[k]
            sums[1 + n_components] += r[n_components]
            _pull(factors.tails, n_present, space.distance, r, of_tails)
            for j in range(n_features):
                weighted, of_column = space.whitened[j], z[j]
                for k in range(n_components):
                    weighted[k] = r[k] * of_column[k]
                    first[j, k] += weighted[k]
                for other in range(j + 1):
                    target, b = scatter[j, other], z[other]
                    for k in range(n_components):
                        target[k] += weighted[k] * b[k]
        if chunk_stop > chunk_start:
            _end_pattern(factors, space, n_present, present, scatter)


def gappy_space(factors: GappyFactors) -> GappySpace:
    """Space for one thread."""
    D, K = factors.means.shape
    return GappySpace(
        np.empty(D, np.intp),
        np.empty((D, D, K)),
        *(np.empty((D, K)), np.empty(K + 1), np.empty((D, K)), np.empty((D, K))),
        *(np.empty(K + 1), np.empty(K), np.empty(K)),
    )


def gappy_row_work(n_components: int, n_features: int) -> float:
    """Multiply-adds a row, with 50 for the exponential of each component."""
    return n_components * (2.0 * n_features * (n_features + 1) + 50)


def gappy_pass(
    X: np.ndarray,
    order: np.ndarray,
    row_weights: np.ndarray,
    factors: GappyFactors,
    n_threads: int | None = None,
) -> GappySums:
    """Responsibilities of rows with gaps, and the sums they weight, in one pass.

    Parameters
    ----------
    X : array of shape (N, D), C-contiguous, float32 or float64
        NaN is a missing value.
    order : array of intp of shape (n,)
        The rows to walk over, those with the same gaps next to each other.
    row_weights : array of shape (N,) or (0,), the type of X; empty means all 1
    factors : GappyFactors
    n_threads : at most this many threads; None for Numba's own setting
    """
    D, K = factors.means.shape
    parts = np.cumsum([1, K, 1, 2 * K, D * K, D * K])
    totals = np.zeros(parts[-1] + D * D * K)
    for sums in walk(
        gappy_chunks,
        (X, order, row_weights, factors),
        lambda _: gappy_space(factors),
        n_rows=len(order),
        n_sums=totals.size,
        row_work=gappy_row_work(K, D),
        n_threads=n_threads,
    ):
        totals += np.add.reduce(sums, axis=0)
    log_likelihood, weights, background, tails, present, first, scatter = np.split(
        totals, parts
    )
    return GappySums(
        float(log_likelihood[0]),
        weights,
        float(background[0]),
        present.reshape(D, K).T,
        first.reshape(D, K).T,
        scatter.reshape(D, D, K).transpose(2, 0, 1),
        tails.reshape(2, K),
    )
