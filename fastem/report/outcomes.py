"""What became of the rows of each cluster, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fastem.choice.frames import frame_of
from fastem.choice.intervals import wilson_interval
from fastem.report.column_tallies import ColumnTally, LevelColumn, NumberColumn
from fastem.statistics import Array

LEVEL = 0.95
YES = {"1", "true", "yes", "y"}


@dataclass(frozen=True)
class Outcome:
    """What became of the rows of each cluster: shares, or means.

    Each row counts in each cluster to the degree that it belongs there; the sum of
    these degrees is the number of rows that an interval takes. Arrays have a row for
    each component, and one more, the last, for the background if there is one.

    Attributes
    ----------
    name : str
    components : tuple of int
        What the rows of arrays are of; -1 is the background.
    levels : tuple of str
        Those that shares are told of: one of two, or all; empty where it is numbers.
    n_rows : array of shape (K,)
        Sums of the memberships of rows whose outcome is known.
    values, low, high : arrays of shape (K, L)
        Shares and Wilson's interval of 95 %; of numbers (L = 1) means, and Student's.
    overall, overall_low, overall_high : arrays of shape (L,)
        Of all rows.
    missing : float
        The share of the rows whose outcome is not known.
    """

    name: str
    components: tuple[int, ...]
    levels: tuple[str, ...]
    n_rows: Array
    values: Array
    low: Array
    high: Array
    overall: Array
    overall_low: Array
    overall_high: Array
    missing: float

    @property
    def differs(self) -> NDArray[np.bool_]:
        """Where all rows' value is outside of the cluster's interval: (K, L)."""
        return np.asarray((self.low > self.overall) | (self.high < self.overall))

    def to_frame(self) -> Any:
        """A DataFrame with a row for each cluster and level: of pandas, or polars."""
        n_levels = self.values.shape[1]
        columns: dict[str, Any] = {"component": np.repeat(self.components, n_levels)}
        if self.levels:
            columns["level"] = [*self.levels] * len(self.components)
        columns["n_rows"] = np.repeat(self.n_rows, n_levels)
        for name in ("values", "low", "high"):
            columns[name.removesuffix("s")] = getattr(self, name).ravel()
        return frame_of({name: list(values) for name, values in columns.items()})


def outcome_of(tally: ColumnTally) -> Outcome:
    """The outcome that was counted.

    Raises
    ------
    ValueError
        If nothing can be told of the column.
    """
    levels, numbers = tally.as_levels(), tally.as_numbers()
    if levels is not None and len(levels.levels) > 1:
        tally.told()  # knows texts that are names of rows
        levels = None if tally.untold else levels
    if levels is not None and (numbers is None or len(levels.levels) <= 2):
        return _of_levels(levels)
    if numbers is None:
        tally.told()  # knows why
        raise ValueError(
            f"outcome {tally.name!r} cannot be told: {tally.untold}. It should be "
            "numbers, truth values, or a few texts"
        )
    return _of_numbers(numbers, tally.components)


def _of_levels(column: LevelColumn) -> Outcome:
    which = list(range(len(column.levels)))
    if len(which) == 2:
        which = [_event(column)]
    n = column.n_rows
    total = np.array(float(n.sum()))
    shares, overall = column.shares[:, which], column.overall[which]
    sizes = np.where(n > 0, n, np.nan)[:, np.newaxis]
    return Outcome(
        column.name,
        column.components,
        tuple(column.levels[j] for j in which),
        *(n, shares, *wilson_interval(shares, sizes, LEVEL)),
        *(overall, *wilson_interval(overall, total, LEVEL)),
        column.missing,
    )


def _event(column: LevelColumn) -> int:
    """The one of two levels that is told of: yes, or else the rarer."""
    for j, level in enumerate(column.levels):
        if level.casefold() in YES:
            return j
    return int(np.argmin(column.overall))


def _of_numbers(column: NumberColumn, components: tuple[int, ...]) -> Outcome:
    n = column.n_rows
    overall = np.array([column.overall_mean])
    total, deviation = np.array([n.sum()]), np.array([column.overall_deviation])
    means = column.means
    low, high = _student_interval(means, column.deviations, n)
    return Outcome(
        *(column.name, components, (), n, means[:, np.newaxis]),
        *(low[:, np.newaxis], high[:, np.newaxis]),
        *(overall, *_student_interval(overall, deviation, total)),
        column.missing,
    )


def _student_interval(means: Array, deviations: Array, n: Array) -> tuple[Array, Array]:
    """Of a mean of n rows; none where there is no row beside the first."""
    more = np.where(n > 1, n - 1, np.nan)
    half = stats.t.ppf((1 + LEVEL) / 2, more) * deviations / np.sqrt(more)
    return means - half, means + half
