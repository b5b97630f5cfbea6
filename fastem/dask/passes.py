"""What workers do with the rows of a partition, and how its results are added.

A task has one Numba thread if the user does not say otherwise: a worker runs as many
tasks at a time as it has threads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastem import kernels
from fastem.checks.counting import RowCount
from fastem.checks.labels import Labels
from fastem.checks.rows import Rows, read_only
from fastem.kernels import PassSums
from fastem.starts import partition
from fastem.starts.partition import Sums
from fastem.starts.subsample import draw_subsample
from fastem.statistics import Array


def _for_kernels(array: Rows) -> Rows:
    """An array that may have travelled, as kernels take it."""
    return read_only(np.require(array, requirements=["C", "A"]))


def itself(value: Any) -> Any:
    """A value as the result of a task: workers hold it, and it can be made again.

    Scattered data cannot: it is lost with the last worker that holds it.
    """
    return value


@dataclass(frozen=True)
class ExpectationTask:
    """The expectation pass under some parameters: all that workers are sent for it.

    Attributes
    ----------
    factors : NamedTuple
        The parameters as the kernels take them.
    scatter_size : int
    n_threads : int
    n_rows : int
        Of all partitions.
    """

    factors: Any
    scatter_size: int
    n_threads: int
    n_rows: int

    def sums(self, rows: Rows, row_weights: Rows) -> PassSums:
        """The sums of a partition; its share of pairs is of the pairs of all rows."""
        sums = kernels.expectation_pass(
            _for_kernels(rows),
            _for_kernels(row_weights),
            self.factors,
            self.scatter_size,
            self.n_threads,
        )
        return sums._replace(share=sums.share * len(rows) / self.n_rows)


def expectation(rows: Rows, row_weights: Rows, task: ExpectationTask) -> PassSums:
    """The sums of a partition."""
    return task.sums(rows, row_weights)


def added(parts: list[PassSums]) -> PassSums:
    """The sums of several partitions, added in their order."""
    total: tuple[Any, ...] = parts[0]
    for other in parts[1:]:
        total = tuple(a + b for a, b in zip(total, other, strict=True))
    return PassSums(*total)


@dataclass(frozen=True)
class RowTask:
    """A pass that gives each row a value or several.

    Attributes
    ----------
    kernel : callable
        One of the passes over rows in :mod:`fastem.kernels`.
    factors : NamedTuple
    n_threads : int
    """

    kernel: Callable[[Rows, Any, int], np.ndarray]
    factors: Any
    n_threads: int

    def values(self, rows: Rows) -> np.ndarray:
        """The values of a partition's rows."""
        return self.kernel(_for_kernels(rows), self.factors, self.n_threads)

    def values_of_none(self) -> np.ndarray:
        """Those of a partition without rows: their type and shape."""
        means = self.factors.means
        return self.values(np.empty((0, means.shape[1]), means.dtype))


def row_values(rows: Rows, task: RowTask) -> np.ndarray:
    """The values of a partition's rows."""
    return task.values(rows)


class WeightFacts(NamedTuple):
    """What is known of the weights of a partition."""

    least: float
    largest: float
    relative_sum: float  # over the largest, so that it cannot overflow


def weight_facts(weights: Array) -> WeightFacts:
    """Of a partition with rows."""
    largest = float(weights.max())
    relative_sum = float((weights / largest).sum()) if largest else 0.0
    return WeightFacts(float(weights.min()), largest, relative_sum)


def relative_weights(weights: Array, rows: Rows, largest: float) -> Rows:
    """Weights of a partition over the largest of all, in the type of the rows."""
    return read_only((weights / largest).astype(rows.dtype))


def distinct_rows(rows: Rows, row_weights: Rows, most: int) -> Rows:
    """The first distinct rows of positive weight, in their order."""
    found: dict[bytes, int] = {}
    for i in np.flatnonzero(row_weights) if len(row_weights) else range(len(rows)):
        # The sum makes 0.0 of -0.0, which equals it.
        found.setdefault((rows[i] + rows.dtype.type(0)).tobytes(), int(i))
        if len(found) == most:
            break
    return rows[list(found.values())]


def distinct_of_all(parts: list[Rows], most: int) -> Rows:
    """The first distinct rows of several partitions."""
    rows = np.concatenate(parts)
    return distinct_rows(rows, rows[:0, 0], most)


def first_row(rows: Rows, row_weights: Rows) -> Array:
    """Of a partition with rows: shape (1, D)."""
    row: Array = rows[:1].astype(np.float64)
    return row


def all_rows(rows: Rows, row_weights: Rows) -> tuple[Rows, Rows]:
    """A partition."""
    return rows, row_weights


def drawn_rows(
    rows: Rows, row_weights: Rows, size: int, seed: int
) -> tuple[Rows, Rows]:
    """Rows of a partition drawn at random, and how often (empty: once each)."""
    if len(rows) <= size:
        if not len(row_weights):
            return rows, row_weights
        expected = size * row_weights / row_weights.sum(dtype=np.float64)
        return rows, expected.astype(rows.dtype)
    return draw_subsample(rows, row_weights, size, np.random.RandomState(seed))


def member_sums(
    rows: Rows,
    row_weights: Rows,
    labels: Labels,
    reference: Array,
    has_matrices: bool,
    is_shared: bool,
    n_threads: int,
) -> Sums:
    """The sums of a partition's rows that are labelled so, (n,)."""
    sums = partition.member_sums(
        _for_kernels(rows), _for_kernels(row_weights), labels, n_threads
    )
    return sums(reference, has_matrices, is_shared)


def sums_of_all(parts: list[Sums]) -> Sums:
    """The sums of several partitions, added in their order."""
    total: Any = parts[0]
    for other in parts[1:]:
        total = tuple(a + b for a, b in zip(total, other, strict=True))
    found: Sums = total
    return found


class MeanScore(NamedTuple):
    """The mean log-likelihood of some rows, and how many they are."""

    mean: float
    counted: RowCount


def mean_score(rows: Rows, weights: Array | None, task: RowTask) -> MeanScore:
    """Of a partition's rows; the mean of no rows is 0."""
    if not len(rows):
        return MeanScore(0.0, RowCount())
    values = task.values(rows)
    if weights is None:
        count = RowCount.of(np.empty(0), len(rows))
        return MeanScore(float(values.mean(dtype=np.float64)), count)
    largest = float(weights.max())
    if largest == 0:
        return MeanScore(0.0, RowCount())
    mean = float(np.average(values, weights=weights / largest))
    return MeanScore(mean, RowCount.of(weights, len(rows)))


def mean_of_all(parts: list[MeanScore]) -> MeanScore:
    """Of the rows of several partitions."""
    count = sum((part.counted for part in parts), start=RowCount())
    totals = np.array([part.counted.total for part in parts])
    largest = totals.max()
    if largest == 0:
        return MeanScore(0.0, count)
    means = [part.mean for part in parts]
    return MeanScore(float(np.average(means, weights=totals / largest)), count)
