"""What a fit has to know of rows that it cannot hold, from one pass over them."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from fastem.checks import counting
from fastem.checks.rows import Rows, read_only
from fastem.sources.blocks import Source
from fastem.sources.reading import blocks_of
from fastem.starts.initialization import variances_of_sums, weighted_blocks
from fastem.statistics import Array

_LEAST_WEIGHT = 1e-300  # to divide by


@dataclass(frozen=True)
class Survey:
    """Facts about all rows, and some of them.

    Attributes
    ----------
    n_rows : int
        Number of rows, N.
    total_weight : float
        The sum of their weights: N if there are none.
    largest_weight : float
        0 if all weights are the same: a common factor has no meaning to a fit.
    largest : float
        The largest size of a value.
    mean, variances : arrays of shape (D,)
    n_counted : int
        Number of rows of positive weight.
    shares : array of shape (D,)
        The share of the weights that is that of rows with a value in the column.
    n_gappy, n_empty : int
        Number of rows that lack values, and of those that lack all.
    distinct : set of bytes
        Different rows: all, or as many as were asked for.
    sample : array of shape (m, D)
        Rows drawn without replacement, in their own order. Heavier ones are drawn
        more often.
    sample_weights : array of shape (m,) or (0,)
        Empty if all are the same, or the drawing has taken them into account.
    """

    n_rows: int
    total_weight: float
    largest_weight: float
    largest: float
    mean: Array
    variances: Array
    n_counted: int
    shares: Array
    n_gappy: int
    n_empty: int
    distinct: set[bytes]
    sample: Rows
    sample_weights: Rows

    @property
    def sample_is_all(self) -> bool:
        """Whether no row is missing in the sample."""
        return len(self.sample) == self.n_rows


class Moments:
    """Mean and variances, block by block.

    T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm
    for computing sample variances", COMPSTAT 1982. Relative to the first row, so that
    no digits go to the data's offset.
    """

    def __init__(self, n_features: int) -> None:
        self.weight = 0.0
        self._weights = np.zeros(n_features)  # of the values of each column
        self._squares = np.zeros(n_features)
        self._shift = np.zeros(n_features)  # of the mean, from the first row
        self._first = np.full(n_features, np.nan)

    def add(self, rows: Rows, weights: Rows) -> None:
        """Count more rows; no weights mean 1 for each."""
        for block, w in weighted_blocks(rows, weights, rows.shape[1]):
            weight = float(w.sum())
            if weight == 0:
                continue
            self.weight += weight
            weights = np.full(len(self._first), weight)
            is_new = np.isnan(self._first)
            self._first[is_new] = block[0, is_new]
            gaps = np.isnan(block)
            if gaps.any():
                weights = w @ ~gaps
                firsts = block[gaps.argmin(axis=0), np.arange(len(weights))]
                is_new = np.isnan(self._first)
                self._first[is_new] = firsts[is_new]
            block -= self._first
            block[gaps] = 0
            total = self._weights + weights
            seen = np.maximum(weights, _LEAST_WEIGHT)
            mean = w @ block / seen
            block -= mean
            block[gaps] = 0
            step = mean - self._shift
            share = weights / np.maximum(total, _LEAST_WEIGHT)
            with np.errstate(over="ignore"):
                self._squares += w @ block**2 + step**2 * (self._weights * share)
            self._shift += step * share
            self._weights = total

    @property
    def mean(self) -> Array:
        """The mean of the rows, (D,); 0 if there are none."""
        mean: Array = np.nan_to_num(self._first, nan=0.0) + self._shift
        return mean

    @property
    def variances(self) -> Array:
        """The variance of each column, (D,)."""
        weights = np.maximum(self._weights, _LEAST_WEIGHT)
        return variances_of_sums(self._squares, weights, self.mean)

    @property
    def shares(self) -> Array:
        """The share of the weights that is that of values of each column, (D,)."""
        shares: Array = self._weights / max(self.weight, _LEAST_WEIGHT)
        return shares


class RowSample:
    """Rows with the smallest keys, which are random numbers: a reservoir.

    A key is exponentially distributed with the row's weight as its rate, so that a row
    is the first with a probability that is its weight's share. P. S. Efraimidis,
    P. G. Spirakis, "Weighted random sampling with a reservoir", IPL 97 (2006), with
    -log(u) / w in place of u^(1/w).
    """

    def __init__(
        self, size: int, n_features: int, dtype: DTypeLike, random: np.random.Generator
    ) -> None:
        self._size = size
        self._random = random
        self.rows = np.empty((0, n_features), dtype)
        self.weights = np.empty(0)
        self._keys = np.empty(0)
        self._numbers = np.empty(0, np.intp)

    def add(self, rows: Rows, weights: Array, first: int) -> None:
        """Offer more rows, of which ``first`` is the number of the first."""
        keys = self._random.standard_exponential(len(rows))
        if len(weights):
            with np.errstate(divide="ignore", over="ignore"):
                keys /= weights
        is_full = len(self._keys) == self._size
        chosen = np.flatnonzero(keys < self._keys.max()) if is_full else slice(None)
        all_keys = np.concatenate([self._keys, keys[chosen]])
        kept: np.ndarray | slice = slice(None)
        if len(all_keys) > self._size:
            kept = np.sort(np.argpartition(all_keys, self._size)[: self._size])
        numbers = np.arange(first, first + len(rows))[chosen]
        of_rows = weights[chosen] if len(weights) else np.ones(len(numbers))
        self.rows = np.concatenate([self.rows, rows[chosen]])[kept]
        self.weights = np.concatenate([self.weights, of_rows])[kept]
        self._numbers = np.concatenate([self._numbers, numbers])[kept]
        self._keys = all_keys[kept]


def draw_rows(
    source: Source, size: int, random: np.random.Generator
) -> tuple[Rows, int]:
    """Rows drawn from a source, (m, D), and how many rows it has."""
    sample = RowSample(size, source.n_features, source.dtype, random)
    n_rows = 0
    with closing(blocks_of(source)) as blocks:
        for rows, _ in blocks:
            sample.add(rows, np.empty(0), n_rows)
            n_rows += len(rows)
    return sample.rows, n_rows


def survey(
    blocks: Iterable[tuple[Rows, Array]],
    n_features: int,
    dtype: DTypeLike,
    *,
    n_components: int,
    size: int,
    random: np.random.Generator,
) -> Survey:
    """One pass over all rows.

    Parameters
    ----------
    blocks : iterable of (array of shape (n, D), array of shape (n,) or (0,))
        Rows and weights; empty means all 1.
    n_components : int
        How many different rows to look for.
    size : int
        How many rows to draw.
    random : numpy.random.Generator
        What the sample is drawn with.
    """
    moments = Moments(n_features)
    sample = RowSample(size, n_features, dtype, random)
    distinct: set[bytes] = set()
    n_rows = n_counted = n_gappy = n_empty = 0
    size_seen, smallest, largest = 0.0, np.inf, 0.0
    for rows, weights in blocks:
        counting.add_distinct(rows, weights, n_components, distinct)
        sample.add(rows, weights, n_rows)
        moments.add(rows, weights)
        least, most = rows.min(), rows.max()
        if np.isnan(least):
            gaps = np.isnan(rows)
            n_gappy += int(gaps.any(axis=1).sum())
            n_empty += int(gaps.all(axis=1).sum())
            least, most = np.fmin.reduce(rows, None), np.fmax.reduce(rows, None)
        size_seen = max(size_seen, -float(least), float(most))
        n_rows += len(rows)
        n_counted += int(np.count_nonzero(weights)) if len(weights) else len(rows)
        smallest = min(smallest, weights.min(initial=np.inf))
        largest = max(largest, weights.max(initial=0.0))
    is_weighted = smallest < largest
    keeps_weights = is_weighted and n_counted <= size
    return Survey(
        n_rows,
        moments.weight,
        largest if is_weighted else 0.0,
        size_seen,
        moments.mean,
        moments.variances,
        n_counted,
        moments.shares,
        n_gappy,
        n_empty,
        distinct,
        read_only(sample.rows),
        read_only((sample.weights / largest).astype(dtype))
        if keeps_weights
        else read_only(np.empty(0, np.dtype(dtype))),
    )
