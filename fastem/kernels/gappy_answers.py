"""What a mixture says of each row with gaps, row by row."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.compilation import kernel
from fastem.kernels.gaps import (
    GappyFactors,
    claim,
    complete,
    factorize,
    gappy_row_work,
    gappy_space,
    lacks_the_same,
)
from fastem.kernels.grid import walk
from fastem.kernels.tiles import CHUNK_ROWS


class GappyAnswers(NamedTuple):
    """Where answers are written, by the rows' numbers; what is not wanted is empty."""

    labels: np.ndarray  # (N,) intp, the first one of equals
    log_densities: np.ndarray  # (N,)
    shares: np.ndarray  # (N, K) or, with a background, (N, K + 1)
    filled: np.ndarray  # (N, D), the rows; gaps get what is expected there


@kernel(nogil=True, error_model="numpy")
def gappy_answer_chunks(
    X, order, factors, middle, answers, space, start, stop, sums_out
):
    """Write answers about the rows order[start:stop]; ``sums_out`` (C, 0) stays.

    ``middle`` (D,) is what rows of the background are expected to have.
    """
    n_features, n_components = factors.means.shape
    r = space.values
    for c in range(sums_out.shape[0]):
        chunk_start = start + c * CHUNK_ROWS
        chunk_stop = min(chunk_start + CHUNK_ROWS, stop)
        n_present = 0
        for n in range(chunk_start, chunk_stop):
            i = order[n]
            if n == chunk_start or not lacks_the_same(X[i], X[order[n - 1]]):
                n_present = factorize(X[i], factors, space)
            complete(X[i], factors, space, n_present)
            if answers.labels.shape[0] > 0:
                best = 0
                for k in range(1, n_components + 1):
                    if r[k] > r[best]:
                        best = k
                answers.labels[i] = best
            log_density = claim(r, 1.0)
            if answers.log_densities.shape[0] > 0:
                answers.log_densities[i] = log_density
            if answers.shares.shape[0] > 0:
                for k in range(answers.shares.shape[1]):
                    answers.shares[i, k] = r[k]
            if answers.filled.shape[0] > 0:
                for p in range(n_present, n_features):
                    j = space.order[p]
                    expected = r[n_components] * middle[j]
                    mean, residual = factors.means[j], space.residual[j]
                    for k in range(n_components):
                        value = factors.center[j] + mean[k] + residual[k]
                        expected += r[k] * value
                    answers.filled[i, j] = expected


def answer_gappy(
    X: np.ndarray,
    order: np.ndarray,
    factors: GappyFactors,
    answers: GappyAnswers,
    middle: np.ndarray | None = None,
    n_threads: int | None = None,
) -> None:
    """Write answers about the rows of X (N, D) that ``order`` names.

    Of these, rows with the same gaps should be next to each other.
    """
    D, K = factors.means.shape
    middle = np.ascontiguousarray(np.zeros(D) if middle is None else middle)
    for _ in walk(
        gappy_answer_chunks,
        (X, order, factors, middle, answers),
        lambda _: gappy_space(factors),
        n_rows=len(order),
        n_sums=0,
        row_work=gappy_row_work(K, D),
        n_threads=n_threads,
    ):
        pass
