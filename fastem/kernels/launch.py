"""Calls the passes of EM: all that is not arithmetic.

The functions here are what the rest of fastem sees of the kernels.
"""

import math
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from fastem.kernels import compaction, passes, sparse
from fastem.kernels.background import number_of_backgrounds
from fastem.kernels.carried import Drift, History
from fastem.kernels.dispatch import EXPONENTIAL
from fastem.kernels.grid import add_in_order, walk
from fastem.kernels.leaving import Leaving, cutoff_of_densities, leaving_of
from fastem.kernels.outputs import Labels, LogLikelihoods, Probabilities
from fastem.kernels.skipping import Reach
from fastem.kernels.tails import number_of_tails
from fastem.kernels.tiles import CHUNK_ROWS, NEAR_TILE, TileSpace, tile_space

BACKGROUND = -1  # the label of rows that belong to it
# Multiply-adds, 10 ms of one core: for fewer it is not worth to have the code compiled
# by which rows leave.
_LEAST_WORK = 1e8


class PassSums(NamedTuple):
    """What an expectation pass returns, added up over all rows."""

    log_likelihood: float
    share: float  # of the (row, component) pairs: computed with boxes, else had to be
    weights: np.ndarray  # (K,) sums of responsibilities
    background: float  # sum of those of the background; 0 if there is none
    tails: np.ndarray  # (2, K), sums of r u and of r (log u - u); (2, 0) of Gaussians
    first: np.ndarray  # (K, D) sums of responsibility x (row - mean)
    scatter: np.ndarray  # flat; its meaning is the structure's
    computed: float = math.nan  # share of the pairs, where bounds are carried


def row_work(n_components: int, n_features: int) -> float:
    """Multiply-adds a row, with those for the exponential of each component."""
    return n_components * (n_features * (n_features + 1.0) + EXPONENTIAL)


class _Places(NamedTuple):
    """Where in a row of sums of a pass things stand, behind two numbers."""

    weights: slice
    background: slice
    tails: slice
    first: slice
    scatter: slice

    @classmethod
    def of(cls, factors: Any, scatter_size: int) -> "_Places":
        n_components, n_features = factors.means.shape
        sizes = (
            n_components,
            number_of_backgrounds(factors.background),
            number_of_tails(factors.tails, n_components),
            n_components * n_features,
            scatter_size,
        )
        stops = list(accumulate(sizes, initial=2))
        return cls(*(slice(*ends) for ends in pairwise(stops)))

    def read(self, totals: np.ndarray, share: float, computed: float) -> PassSums:
        """The sums as they stand there."""
        weights = totals[self.weights]
        return PassSums(
            float(totals[0]),
            share,
            weights,
            float(totals[self.background].sum()),
            totals[self.tails].reshape(2, -1),
            totals[self.first].reshape(len(weights), -1),
            totals[self.scatter],
            computed,
        )


def expectation_pass(
    X: np.ndarray,
    row_weights: np.ndarray,
    factors: Any,
    scatter_size: int,
    n_threads: int | None = None,
    reach: Reach | None = None,
    before: PassSums | None = None,
) -> PassSums:
    """Responsibilities of every row, and the sums they weight, in one pass.

    Parameters
    ----------
    X : array of shape (N, D), C-contiguous, float32 or float64
    row_weights : array of shape (N,) or (0,), the type of X; empty means all 1
    factors : NamedTuple, one of the kernels' kinds, in X's type or in float64
    scatter_size : number of sums that the structure keeps as scatter
    n_threads : at most this many threads; None for Numba's own setting
    reach : how far the components count, of these factors; None to leave out none
    before : sums of the rows before these, which are gone on from. Of rows cut at
        multiples of CHUNK_ROWS, the last sums have the bits of one pass over all
        (except for the share, which is of these rows)
    """

    def space(_: int) -> TileSpace:
        if reach is None:
            return tile_space(factors, CHUNK_ROWS)
        return tile_space(factors, NEAR_TILE, near=True)

    places = _Places.of(factors, scatter_size)
    totals = np.zeros(places.scatter.stop)
    if before is not None:
        totals[0] = before.log_likelihood
        totals[places.weights] = before.weights
        totals[places.background] = before.background
        totals[places.tails] = before.tails.ravel()
        totals[places.first] = before.first.ravel()
        totals[places.scatter] = before.scatter
    for sums in walk(
        passes.expectation_chunks,
        (X, row_weights, factors, reach),
        space,
        n_rows=len(X),
        n_sums=totals.size,
        row_work=row_work(*factors.means.shape),
        n_threads=n_threads,
    ):
        add_in_order(sums, totals, n_threads)
    n_pairs = len(X) * len(factors.means)
    return places.read(totals, totals[1] / n_pairs, math.nan)


def carried_pass(
    X: np.ndarray,
    row_weights: np.ndarray,
    factors: Any,
    scatter_size: int,
    drift: Drift,
    history: History,
    n_threads: int | None = None,
) -> PassSums:
    """Like :func:`expectation_pass`, without the pairs that bounds leave out.

    Of factors that carry bounds. ``drift`` leads from those of the last pass, which has
    left ``history``, to these; the history is brought up to date.
    """
    places = _Places.of(factors, scatter_size)
    totals = np.zeros(places.scatter.stop + 1)
    for sums in walk(
        sparse.sparse_chunks,
        (X, row_weights, factors, drift, history),
        partial(sparse.sparse_space, factors, history.nearest.shape[1]),
        n_rows=len(X),
        n_sums=totals.size,
        row_work=row_work(*factors.means.shape),
        n_threads=n_threads,
        chunk_rows=sparse.SPARSE_CHUNK,
    ):
        add_in_order(sums, totals, n_threads)
    n_pairs = len(X) * len(factors.means)
    return places.read(totals, totals[-1] / n_pairs, totals[1] / n_pairs)


def expectation_passes(
    tables: np.ndarray, factors: Any, n_components: int, scatter_size: int
) -> np.ndarray:
    """Expectation passes over many small tables, each with a mixture of its own.

    For a pass of some ten microseconds, what a walk does beside it takes too long.

    Parameters
    ----------
    tables : array of shape (B, N, D), C-contiguous
    factors : those of all mixtures in a row, of B K components; ``center`` is (B, D)
    n_components : int
        K.
    scatter_size : int
        Number of sums that the structure keeps as scatter of K components.

    Returns
    -------
    array of shape (B, 2 + K + K D + scatter_size)
        For each table the log-likelihood, a number of no use here, sums of
        responsibilities, first moments, and scatter.
    """
    n_tables, n_rows, n_features = tables.shape
    n_sums = 2 + n_components * (1 + n_features) + scatter_size
    sums = np.empty((n_tables, -(-n_rows // CHUNK_ROWS), n_sums))
    no_weights = np.empty(0, tables.dtype)
    kind, (centers, *of_components) = type(factors), factors
    space = None
    for b in range(n_tables):
        mine = slice(b * n_components, (b + 1) * n_components)
        of_table = kind(
            centers[b],
            *(None if field is None else field[mine] for field in of_components),
        )
        if space is None:
            space = tile_space(of_table, min(n_rows, CHUNK_ROWS))
        passes.expectation_chunks(
            tables[b], no_weights, of_table, None, space, 0, n_rows, sums[b]
        )
    totals: np.ndarray = sums.sum(axis=1)
    return totals


def answer_rows(
    X: np.ndarray, factors: Any, output: Any, n_threads: int | None = None
) -> None:
    """Write what the output says of each row."""
    for _ in walk(
        passes.row_chunks,
        (X, factors, output),
        partial(tile_space, factors),
        n_rows=X.shape[0],
        n_sums=0,
        row_work=row_work(*factors.means.shape),
        n_threads=n_threads,
    ):
        pass


def answer_rows_that_leave(
    X: np.ndarray,
    factors: Any,
    output: Any,
    leaving: Leaving,
    n_threads: int | None = None,
) -> float:
    """Write what the output says of each row, without the pairs that do not count.

    Returns the share of the multiply-adds that it took.
    """
    n_rows = 0.0
    for sums in walk(
        compaction.compact_chunks,
        (X, factors, output, leaving),
        partial(compaction.compact_space, factors, leaving, compaction.first_pause()),
        n_rows=X.shape[0],
        n_sums=1,
        row_work=row_work(*factors.means.shape),
        n_threads=n_threads,
    ):
        n_rows += float(sums.sum())
    return n_rows / max(1, len(X))


def _is_large(X: np.ndarray, factors: Any) -> bool:
    """Whether it is worth to find out if rows had better leave, and to compile that."""
    n_components, n_features = factors.means.shape
    n_pairs = len(X) * n_components
    return n_pairs * n_features * (n_features + 3) / 2 >= _LEAST_WORK


def _answer(
    X: np.ndarray,
    factors: Any,
    output: Any,
    leaving: Leaving | None,
    n_threads: int | None,
) -> None:
    if leaving is None:
        answer_rows(X, factors, output, n_threads)
    else:
        answer_rows_that_leave(X, factors, output, leaving, n_threads)


def label_pass(X: np.ndarray, factors: Any, n_threads: int | None = None) -> np.ndarray:
    """Most likely component of each row, -1 for the background: shape (N,), intp."""
    labels = np.empty(len(X), np.intp)
    leaving = leaving_of(factors, 0.0) if _is_large(X, factors) else None
    _answer(X, factors, Labels(labels), leaving, n_threads)
    if factors.background is not None:
        labels[labels == factors.means.shape[0]] = BACKGROUND
    return labels


def log_likelihood_pass(
    X: np.ndarray, factors: Any, n_threads: int | None = None
) -> np.ndarray:
    """Log-density of the mixture at each row: array of shape (N,), as X."""
    out = np.empty(len(X), X.dtype)
    cutoff = cutoff_of_densities(factors)
    leaving = leaving_of(factors, cutoff)
    # Few rows have the bits that they have among many.
    output = LogLikelihoods(out, None if leaving is None else -cutoff)
    _answer(X, factors, output, leaving if _is_large(X, factors) else None, n_threads)
    return out


def probability_pass(
    X: np.ndarray, factors: Any, n_threads: int | None = None
) -> np.ndarray:
    """Responsibilities of each row: array of shape (N, K), as X.

    With a background it has a last column for that.
    """
    n_columns = factors.means.shape[0] + number_of_backgrounds(factors.background)
    out = np.empty((len(X), n_columns), X.dtype)
    answer_rows(X, factors, Probabilities(out), n_threads)
    return out
