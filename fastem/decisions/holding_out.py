"""Rows that a fit does not see, wherever they are."""

import math
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from fastem.sources.blocks import Block, Source
from fastem.sources.reading import block_rows
from fastem.statistics import Array

# How many calibration rows are to be below the threshold: of 10 the rate that comes of
# them is right to a third of itself, of 1000 to 3 %.
_FEWEST, _MOST = 10, 1000
_SHARE = 0.2
_FOLDS = 5

Numbers = NDArray[np.intp]


class Part(NamedTuple):
    """What one of the fits sees, and what it does not: rows and weights of each."""

    seen: Any
    weights: Array | None
    held_out: Any
    held_out_weights: Array | None


@dataclass(frozen=True)
class Division:
    """From which fit each row is held out.

    Attributes
    ----------
    n_fits : int
        Number of fits. If there are several, each row is held out from one of them.
    share : float
        Of the rows that are held out from any.
    seed : int
    """

    n_fits: int
    share: float
    seed: int

    @classmethod
    def of(
        cls, wish: str | float, n_rows: Callable[[], int], rate: float, seed: int
    ) -> "Division":
        """As the user says: a share of the rows, a number of folds, or 'auto'.

        'auto' holds a fifth of the rows out, or as many as tell the threshold for this
        rate to 3 %, if they are enough to tell it roughly; else there are folds.
        """
        if not isinstance(wish, str):
            is_share = wish < 1
            return cls(1 if is_share else int(wish), wish if is_share else 1.0, seed)
        n = n_rows()
        if _SHARE * n * rate < _FEWEST:
            return cls(max(2, min(_FOLDS, n)), 1.0, seed)
        return cls(1, min(_SHARE, math.ceil(_MOST / rate) / n), seed)

    def numbers(self, n_rows: int) -> Numbers:
        """The fit that each of so many rows is held out from; -1 for none."""
        random = np.random.default_rng(self.seed)
        if self.n_fits > 1:
            folds: Numbers = random.permutation(n_rows) % self.n_fits
            return folds
        numbers = np.full(n_rows, -1)
        n_held_out = min(max(1, round(self.share * n_rows)), n_rows - 1)
        numbers[random.permutation(n_rows)[:n_held_out]] = 0
        return numbers

    def blocks(self) -> Callable[[int], Numbers]:
        """What gives the numbers of the next so many rows, drawn one by one."""
        random = np.random.default_rng(self.seed)

        def of_next(n_rows: int) -> Numbers:
            drawn = random.random(n_rows)
            if self.n_fits > 1:
                return (drawn * self.n_fits).astype(np.intp)
            return np.where(drawn < self.share, 0, -1)

        return of_next


def parts_in_memory(
    X: Any, n_rows: int, weights: Array | None, division: Division
) -> Iterator[Part]:
    """The parts of a table; each is a table of the same kind."""
    numbers = division.numbers(n_rows)
    for fit in range(division.n_fits):
        seen, held_out = np.flatnonzero(numbers != fit), np.flatnonzero(numbers == fit)
        yield Part(
            *(_rows_of(X, seen), None if weights is None else weights[seen]),
            *(_rows_of(X, held_out), None if weights is None else weights[held_out]),
        )


def parts_of_source(
    source: Source, weights: Array | None, division: Division
) -> Iterator[Part]:
    """The parts of rows that are read block by block."""
    numbers = None if weights is None else division.blocks()(len(weights))
    for fit in range(division.n_fits):
        seen = RowsOfPart(source, division, fit, is_seen=True)
        held_out = RowsOfPart(source, division, fit, is_seen=False)
        if weights is None or numbers is None:
            yield Part(seen, None, held_out, None)
            continue
        is_held_out = numbers == fit
        yield Part(seen, weights[~is_held_out], held_out, weights[is_held_out])


@final
class RowsOfPart:
    """The rows of a source that a fit sees, or those that it does not."""

    def __init__(
        self, source: Source, division: Division, fit: int, *, is_seen: bool
    ) -> None:
        self._source = source
        self._division = division
        self._fit = fit
        self._is_seen = is_seen
        self.names = source.names
        self.n_features = source.n_features
        self.dtype = source.dtype

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """The source's blocks, without the other rows."""
        of_next = self._division.blocks()
        for block in self._source.blocks(n_rows):
            is_held_out = of_next(len(block.values)) == self._fit
            chosen = ~is_held_out if self._is_seen else is_held_out
            kept = chosen
            if block.kept is not None:
                kept = block.kept.copy()
                kept[np.flatnonzero(kept)] = chosen
            yield block._replace(
                values=block.values[chosen],
                weights=None if block.weights is None else block.weights[chosen],
                kept=kept,
            )


def number_of_rows(source: Source) -> int:
    """How many rows a source has, which some have to be read to find out."""
    if isinstance(source, Sized):
        return len(source)
    return sum(len(block.values) for block in source.blocks(block_rows(source)))


def _rows_of(X: Any, numbers: Numbers) -> Any:
    """Some rows of a table, as a table of the same kind."""
    if hasattr(X, "column_names") and hasattr(X, "take"):  # Arrow
        return X.take(numbers)
    if not (isinstance(X, Sequence) or hasattr(X, "shape")):
        X = np.asarray(X)
    return _safe_indexing(X, numbers)
