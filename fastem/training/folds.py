"""Folds of rows, as weights: nothing is copied, and rows may be anywhere."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from fastem.checks.rows import Rows, read_only
from fastem.statistics import Array

# What Philox draws at a time.
_WORDS = 4
# How often a row counts at most, where a rest of one no longer matters.
_MOST = 1e15


@dataclass(frozen=True)
class Fold:
    """One of some equal parts of all rows, or what is left without it.

    A row that counts c is c equal rows. They are dealt to the folds in turn, of which
    the first one is drawn at random, by the row's number: so the same rows are in a
    fold wherever they are read from.

    Attributes
    ----------
    number : int
    n_folds : int
    seed : int
    is_without : bool, default=False
        Whether it is what is left without the fold.
    """

    number: int
    n_folds: int
    seed: int
    is_without: bool = False

    def rest(self) -> Self:
        """What is left without it."""
        return replace(self, is_without=True)

    def weights(self, first: int, rows: Rows, row_weights: Rows, unit: float) -> Rows:
        """How often rows count in it, in the unit of their weights.

        Parameters
        ----------
        first : int
            Number of the first row.
        rows : array of shape (n, D)
        row_weights : array of shape (n,) or (0,)
            Empty means all 1.
        unit : float
            How often a row counts whose weight is 1.
        """
        unit = min(unit, _MOST)
        counts = np.full(len(rows), unit)
        if len(row_weights):
            counts *= row_weights
        dealt = _dealt(counts, self._turns(first, len(rows)), self.n_folds)
        if self.is_without:
            dealt = counts - dealt
        return read_only((dealt / unit).astype(rows.dtype))

    def _turns(self, first: int, n: int) -> Array:
        """When the fold's turn comes at each of n rows: 0 for at once."""
        source = np.random.Philox(key=self.seed)
        source.advance(first // _WORDS)
        skipped = first % _WORDS
        uniform = np.random.Generator(source).random(skipped + n)[skipped:]
        starts = np.floor(uniform * self.n_folds)
        return (self.number - starts) % self.n_folds


def _dealt(counts: Array, turns: Array, n_folds: int) -> Array:
    """What is dealt of each number to who has this turn among so many."""
    rounds = np.floor(counts / n_folds)
    dealt: Array = rounds + np.clip(counts - n_folds * rounds - turns, 0.0, 1.0)
    return dealt


def folds(n_folds: int, seed: int) -> list[Fold]:
    """Of each row one is without it: all folds of a table."""
    return [Fold(number, n_folds, seed) for number in range(n_folds)]
