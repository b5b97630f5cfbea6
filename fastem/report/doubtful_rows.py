"""Rows that are torn between clusters, and rows that belong to none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.choice.frames import frame_of
from fastem.statistics import Array

SURE = 0.9
_N_LISTED = 20


@dataclass(frozen=True)
class TornRow:
    """A row, and the two clusters that it belongs to most.

    Attributes
    ----------
    row : int
        Its number in the table, from 0.
    name : str
        What the table calls it: by its number, or by the index of a DataFrame.
    first, second : int
        Components; -1 is the background.
    first_degree, second_degree : float
        How much it belongs to each.
    """

    row: int
    name: str
    first: int
    second: int
    first_degree: float
    second_degree: float


@dataclass(frozen=True)
class Doubts:
    """Rows that are not sure of their cluster, and those of none.

    Attributes
    ----------
    n_rows : float
        How many rows belong to their likeliest cluster to 90 % or less; by their
        weights, if they have any.
    share : float
        What share of all that is.
    pairs : tuple of (int, int, float)
        Between which two clusters they lie, and how many there: most first.
    rows : tuple of TornRow
        Those that are torn most, at most twenty.
    noise_rows : tuple of TornRow
        Those that belong to the background most, at most twenty.
    """

    n_rows: float
    share: float
    pairs: tuple[tuple[int, int, float], ...]
    rows: tuple[TornRow, ...]
    noise_rows: tuple[TornRow, ...]

    def to_frame(self) -> Any:
        """A DataFrame with a row for each of the rows listed: of pandas, or polars."""
        names = ("row", "name", "first", "second", "first_degree", "second_degree")
        return frame_of({n: [getattr(row, n) for row in self.rows] for n in names})


class DoubtTally:
    """Counts doubtful rows and remembers the most doubtful ones.

    Parameters
    ----------
    n_clusters : int
        With one for the background, if there is one.
    has_background : bool
    """

    def __init__(self, n_clusters: int, *, has_background: bool) -> None:
        self._numbers = [*range(n_clusters - has_background), *[-1] * has_background]
        self._counts = np.zeros((n_clusters, n_clusters))
        self._total = 0.0
        self._torn = _Listed(n_clusters)
        self._noise = _Listed(n_clusters) if has_background else None

    def add(self, degrees: NDArray[Any], weights: Array, start: int) -> None:
        """Count consecutive rows, of which the first has this number."""
        self._total += float(weights.sum())
        if degrees.shape[1] < 2:
            return
        largest = degrees.max(axis=1)
        torn = np.flatnonzero(largest <= SURE)
        order = np.argsort(-degrees[torn], axis=1, kind="stable")
        first, second = order[:, 0], order[:, 1]
        np.add.at(self._counts, (first, second), weights[torn])
        self._torn.add(largest[torn], degrees[torn], start + torn)
        if self._noise is not None:
            lost = np.flatnonzero(degrees.argmax(axis=1) == degrees.shape[1] - 1)
            self._noise.add(-degrees[lost, -1], degrees[lost], start + lost)

    def told(self, name: Callable[[int], tuple[int, str]]) -> Doubts:
        """What has been counted; ``name`` gives number and name of a row."""
        both = self._counts + self._counts.T
        pairs = [
            (self._numbers[i], self._numbers[j], float(both[i, j]))
            for i, j in zip(*np.triu_indices(len(both), 1), strict=True)
            if both[i, j] > 0
        ]
        n_rows = float(self._counts.sum())
        return Doubts(
            n_rows,
            n_rows / self._total if self._total else 0.0,
            tuple(sorted(pairs, key=lambda pair: -pair[2])),
            self._torn.rows(name, self._numbers),
            () if self._noise is None else self._noise.rows(name, self._numbers),
        )


class _Listed:
    """The rows with the least of something, at most twenty."""

    def __init__(self, n_clusters: int) -> None:
        self._keys = np.empty(0)
        self._degrees = np.empty((0, n_clusters))
        self._rows = np.empty(0, np.intp)

    def add(self, keys: NDArray[Any], degrees: NDArray[Any], rows: Any) -> None:
        keys = np.concatenate([self._keys, keys])
        least = np.argsort(keys, kind="stable")[:_N_LISTED]
        self._degrees = np.concatenate([self._degrees, degrees])[least]
        self._rows = np.concatenate([self._rows, rows])[least]
        self._keys = keys[least]

    def rows(
        self, name: Callable[[int], tuple[int, str]], numbers: Sequence[int]
    ) -> tuple[TornRow, ...]:
        found = []
        for row, degrees in zip(self._rows, self._degrees, strict=True):
            first, second = (int(k) for k in np.argsort(-degrees, kind="stable")[:2])
            found.append(
                TornRow(
                    *name(int(row)),
                    *(numbers[first], numbers[second]),
                    *(float(degrees[first]), float(degrees[second])),
                )
            )
        return tuple(found)
