"""What a column is like in each cluster, counted block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.choice.frames import frame_of
from fastem.report.column_values import (
    UntoldColumnError,
    levels_of_numbers,
    read_column,
    written,
)
from fastem.statistics import Array

# Numbers of more values than this are told by their mean; text of more is a name.
MOST_NUMBERS = 10
MOST_LEVELS = 1000
_FEW = 10  # of which nobody thinks that they name the rows
_MIXED = "it holds numbers in one part, and text in another"


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers in each cluster, rows counting as they belong there.

    Arrays have an element for each component, and one more, the last, for the
    background if there is one.

    Attributes
    ----------
    name : str
    n_rows : array
        Sum of the memberships of rows that have a value.
    means, deviations : array
        NaN where no row has a value.
    overall_mean, overall_deviation : float
        Of all rows.
    missing : float
        The share of the rows that has none.
    """

    name: str
    n_rows: Array
    means: Array
    deviations: Array
    overall_mean: float
    overall_deviation: float
    missing: float

    @property
    def differences(self) -> Array:
        """Means less that of all rows, in their standard deviation."""
        unit = self.overall_deviation if self.overall_deviation > 0 else np.nan
        differences: Array = (self.means - self.overall_mean) / unit
        return differences


@dataclass(frozen=True)
class LevelColumn:
    """A column of few values in each cluster, rows counting as they belong there.

    Attributes
    ----------
    name : str
    components : tuple of int
        What the rows of ``counts`` are of; -1 is the background.
    levels : tuple of str
        Text: the most frequent first; numbers in their order.
    counts : array of shape (K, L)
        Sums of memberships; with a background (K + 1, L).
    missing : float
        The share of the rows that has no value.
    """

    name: str
    components: tuple[int, ...]
    levels: tuple[str, ...]
    counts: Array
    missing: float

    @property
    def n_rows(self) -> Array:
        """Sum of the memberships of rows that have a value."""
        sums: Array = self.counts.sum(axis=1)
        return sums

    @property
    def shares(self) -> Array:
        """The share of each level in each cluster; NaN where no row has a value."""
        n_rows = self.n_rows[:, np.newaxis]
        shares: Array = np.divide(
            self.counts, n_rows, out=np.full_like(self.counts, np.nan), where=n_rows > 0
        )
        return shares

    @property
    def overall(self) -> Array:
        """The share of each level among all rows."""
        overall: Array = self.counts.sum(axis=0) / self.counts.sum()
        return overall

    def to_frame(self) -> Any:
        """A DataFrame with a row for each cluster: of pandas, or of polars."""
        columns = dict(zip(self.levels, self.shares.T.tolist(), strict=True))
        return frame_of({"component": list(self.components), **columns})


Told = NumberColumn | LevelColumn


class ColumnTally:
    """Counts what a column is like in each cluster, as long as that can be told.

    Parameters
    ----------
    name : str
    components : sequence of int
        Numbers of the components; -1, the last, for the background, if there is one.
    most_numbers : int, default=10
        How many different numbers may be levels.
    """

    def __init__(
        self, name: str, components: Sequence[int], *, most_numbers: int = MOST_NUMBERS
    ) -> None:
        self.name = name
        self.untold = ""  # why nothing is told
        self.components = tuple(components)
        self._most_numbers = most_numbers
        self._moments: _Moments | None = _Moments(len(components))
        self._levels: _LevelCounts | None = _LevelCounts(len(components))
        self._missing = self._total = 0.0
        self._n_values = 0

    def add(self, values: Any, memberships: Array) -> None:
        """Count consecutive rows, given how much they belong to each: (n, K)."""
        if self.untold:
            return
        try:
            read = read_column(values)
        except UntoldColumnError as error:
            self.untold = f"it holds {error}"
            return
        self._total += float(memberships.sum())
        if isinstance(read, tuple):
            self._add_levels(*read, memberships)
        else:
            self._add_numbers(read, memberships)

    def _add_numbers(self, values: Array, memberships: Array) -> None:
        there = ~np.isnan(values)
        if np.isinf(values).any():
            self.untold = "it holds infinite numbers"
            return
        self._missing += float(memberships[~there].sum())
        if not there.any():
            return
        if self._moments is None:
            self.untold = _MIXED
            return
        self._moments.add(values[there], memberships[there])
        if self._levels is not None:
            self._levels.add(*levels_of_numbers(values), memberships)
            if self._levels.n_levels > self._most_numbers:
                self._levels = None

    def _add_levels(
        self, codes: NDArray[np.intp], names: Sequence[Any], memberships: Array
    ) -> None:
        self._missing += float(memberships[codes < 0].sum())
        self._n_values += int(np.count_nonzero(codes >= 0))
        if not len(names):
            return
        if self._levels is None or (self._moments and self._moments.is_filled):
            self.untold = _MIXED
            return
        self._moments = None
        self._levels.add(codes, names, memberships)
        if self._levels.n_levels > MOST_LEVELS:
            self.untold = f"it has more than {MOST_LEVELS:,} different values"

    def as_numbers(self) -> NumberColumn | None:
        """What has been counted, if it is numbers."""
        moments = self._moments
        if self.untold or moments is None or not moments.is_filled:
            return None
        return NumberColumn(self.name, *moments.told(), self._missing / self._total)

    def as_levels(self) -> LevelColumn | None:
        """What has been counted, if it is text, or few different numbers."""
        levels = self._levels
        if self.untold or levels is None or not levels.n_levels:
            return None
        found = levels.sorted(by_number=self._moments is not None)
        share = self._missing / self._total
        return LevelColumn(self.name, self.components, *found, share)

    def told(self) -> Told | None:
        """What has been counted; None, with ``untold`` for the reason, if nothing."""
        levels = self.as_levels()
        if levels is not None and len(levels.levels) == 1:
            self.untold = f"it is {levels.levels[0]} wherever it has a value"
            return None
        if self._moments is None and levels is not None:
            n_levels = len(levels.levels)
            if n_levels > max(_FEW, self._n_values // 2):
                self.untold = f"its {n_levels:,} values seem to be names of rows"
                return None
        told = levels or self.as_numbers()
        if told is None and not self.untold:
            self.untold = "it has no value"
        return told


class _Moments:
    """Means and variances in each cluster, and of all rows."""

    def __init__(self, n_clusters: int) -> None:
        self._n = np.zeros(n_clusters)
        self._means = np.zeros(n_clusters)
        self._squares = np.zeros(n_clusters)

    @property
    def is_filled(self) -> bool:
        return bool(self._n.any())

    def add(self, values: Array, memberships: Array) -> None:
        """Chan's way of putting parts together (see ``training.survey``)."""
        if not len(values):
            return
        shift = float(values.mean())
        moved = values - shift
        n = memberships.sum(axis=0)
        seen = np.where(n > 0, n, 1.0)
        means = memberships.T @ moved / seen
        squares = np.maximum(memberships.T @ moved**2 - n * means**2, 0.0)
        total = self._n + n
        share = n / np.where(total > 0, total, 1.0)
        step = np.where(self._n > 0, means + shift - self._means, 0.0)
        self._squares += squares + step**2 * self._n * share
        self._means = np.where(self._n > 0, self._means + step * share, means + shift)
        self._n = total

    def told(self) -> tuple[Array, Array, Array, float, float]:
        """Sums of memberships, means, deviations; mean and deviation of all rows."""
        n = self._n
        filled = n > 0
        total = float(n.sum())
        mean = float(n @ self._means) / total
        squares = float(self._squares.sum() + n @ (self._means - mean) ** 2)
        variances = self._squares / np.where(filled, n, 1.0)
        return (
            n,
            np.where(filled, self._means, np.nan),
            np.where(filled, np.sqrt(variances), np.nan),
            *(mean, float(np.sqrt(squares / total))),
        )


@dataclass
class _LevelCounts:
    """How often each level is in each cluster."""

    n_clusters: int
    _names: dict[Any, int] = field(default_factory=dict)
    _counts: Array = field(init=False)

    def __post_init__(self) -> None:
        self._counts = np.zeros((self.n_clusters, 0))

    @property
    def n_levels(self) -> int:
        return len(self._names)

    def add(
        self, codes: NDArray[np.intp], names: Sequence[Any], memberships: Array
    ) -> None:
        """Count rows, given the number of each one's name."""
        places = np.array(
            [self._names.setdefault(name, len(self._names)) for name in names], np.intp
        )
        n_new = len(self._names) - self._counts.shape[1]
        self._counts = np.pad(self._counts, ((0, 0), (0, n_new)))
        if not len(names):
            return
        there = codes >= 0
        whose = places[codes[there]]
        for k, counts in enumerate(self._counts):
            counts += np.bincount(whose, memberships[there, k], len(counts))

    def sorted(self, by_number: bool) -> tuple[tuple[str, ...], Array]:
        """Names and counts of levels that any row has, in order."""
        names, sums = list(self._names), self._counts.sum(axis=0)
        order = [j for j in range(len(names)) if sums[j] > 0]
        order.sort(key=lambda j: names[j] if by_number else (-sums[j], str(names[j])))
        return tuple(written(names[j]) for j in order), self._counts[:, order]
