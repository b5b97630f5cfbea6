"""What workers do with the rows of a partition, and how its results are added.

A task has one Numba thread if the user does not say otherwise: a worker runs as many
tasks at a time as it has threads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastem import kernels
from fastem.checks.counting import RowCount
from fastem.checks.known import Known
from fastem.checks.labels import Partition
from fastem.checks.rows import Rows, read_only
from fastem.covariances.representations import Representation
from fastem.groups import GroupedExpectation, RowAnswers, groups_of
from fastem.kernels import PassSums
from fastem.mixture.predictive import ColumnAnswers
from fastem.starts import known as starts
from fastem.starts import partition
from fastem.starts.gaps import column_means, filled
from fastem.starts.initialization import variances_of_sums
from fastem.starts.partition import Sums
from fastem.starts.subsample import draw_subsample
from fastem.statistics import Array, MixtureParameters, SufficientStatistics
from fastem.storage.json_values import digest
from fastem.training.folds import Fold

_LEAST_WEIGHT = 1e-300  # to divide by


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


@dataclass(frozen=True)
class GroupsTask:
    """The same for rows with gaps, of which a pass gives statistics."""

    representation: Representation
    parameters: MixtureParameters
    n_threads: int

    def statistics(
        self, rows: Rows, row_weights: Rows, known: Known | None
    ) -> SufficientStatistics:
        """Those of a partition."""
        rows, row_weights = _for_kernels(rows), _for_kernels(row_weights)
        groups = groups_of(rows, known)
        expect = GroupedExpectation(
            *(rows, row_weights, groups, self.representation, self.n_threads)
        )
        return expect(self.parameters)


def grouped_expectation(
    rows: Rows, row_weights: Rows, known: Known | None = None, *, task: GroupsTask
) -> SufficientStatistics:
    """The statistics of a partition with gaps, or of which something is known."""
    return task.statistics(rows, row_weights, known)


def named_components(known: Known) -> NDArray[np.bool_]:
    """Which components have rows in a partition that are known to be theirs: (K,)."""
    return known.named


def digest_of_labels(known: Known) -> str:
    """By which what is known of a partition is known again."""
    return digest(known.kinds, known.allowed)


def known_sums(
    rows: Rows,
    row_weights: Rows,
    known: Known,
    reference: Array,
    has_matrices: bool,
    is_shared: bool,
    means: Array | None,
) -> Sums:
    """The sums of a partition's rows that belong to components by what is known.

    ``means`` (D,) are put in gaps, if there are any.
    """
    rows = rows if means is None else filled(rows, means)
    sums = starts.known_sums(rows, row_weights, known.kinds, starts.shares_of(known))
    return sums(reference, has_matrices, is_shared)


def statistics_of_all(parts: list[SufficientStatistics]) -> SufficientStatistics:
    """Those of several partitions, added in their order."""
    return reduce(add, parts)


class GapFacts(NamedTuple):
    """What is known of the gaps in rows."""

    n_gappy: int  # rows that lack values
    n_empty: int  # and those that lack all
    weights: Array  # (D,) sums of the weights of the values in each column
    means: Array  # (D,) of those values; 0 where there are none
    squares: Array  # (D,) weighted sums of their squares about the means

    @property
    def variances(self) -> Array:
        """The variance of each column, (D,)."""
        weights = np.maximum(self.weights, _LEAST_WEIGHT)
        return variances_of_sums(self.squares, weights, self.means)


def gap_facts(rows: Rows, row_weights: Rows) -> GapFacts:
    """Of a partition with rows."""
    gaps = np.isnan(rows)
    w = row_weights.astype(np.float64) if len(row_weights) else np.ones(len(rows))
    weights: Array = w @ ~gaps
    means = column_means(rows, row_weights)
    residuals = np.where(gaps, 0.0, rows - means)
    n_gappy, n_empty = gaps.any(axis=1).sum(), gaps.all(axis=1).sum()
    return GapFacts(int(n_gappy), int(n_empty), weights, means, w @ residuals**2)


def gap_facts_of_all(parts: list[GapFacts]) -> GapFacts:
    """Those of several partitions: the parallel axes of Chan, Golub and LeVeque."""
    total = parts[0]
    for other in parts[1:]:
        weights = total.weights + other.weights
        share = other.weights / np.maximum(weights, _LEAST_WEIGHT)
        step = other.means - total.means
        total = GapFacts(
            total.n_gappy + other.n_gappy,
            total.n_empty + other.n_empty,
            weights,
            total.means + step * share,
            total.squares + other.squares + step**2 * (total.weights * share),
        )
    return total


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
    ask : RowAnswers
        The mixture.
    dtype : dtype
        Of the rows.
    """

    kernel: Callable[..., np.ndarray]
    ask: RowAnswers | ColumnAnswers
    dtype: np.dtype[Any]

    def values(self, rows: Rows) -> np.ndarray:
        """The values of a partition's rows."""
        values: np.ndarray = self.ask(self.kernel, _for_kernels(rows))
        return values

    def values_of_none(self) -> np.ndarray:
        """Those of a partition without rows: their type and shape."""
        n_features = self.ask.parameters.means.shape[1]
        return self.values(np.empty((0, n_features), self.dtype))


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


def weights_of_fold(
    rows: Rows, row_weights: Rows, first: int, fold: Fold, unit: float
) -> Rows:
    """How often the rows of a partition count in the fold, the first one's number."""
    return fold.weights(first, rows, row_weights, unit)


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
    labels: Partition,
    reference: Array,
    has_matrices: bool,
    is_shared: bool,
    n_threads: int,
    means: Array | None = None,
) -> Sums:
    """The sums of a partition's rows that are labelled so, (n,).

    ``means`` (D,) are put in gaps, if there are any.
    """
    rows = _for_kernels(rows)
    if means is not None:
        rows = filled(rows, means)
    sums = partition.member_sums(rows, _for_kernels(row_weights), labels, n_threads)
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
