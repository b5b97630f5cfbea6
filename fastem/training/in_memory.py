"""What a fit needs of its rows, wherever they are."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastem import kernels
from fastem.checks import counting
from fastem.checks.known import Knowledge, Known
from fastem.checks.rows import Rows, allows_gaps, check_rows, read_only
from fastem.covariances import Repeated, SingularCovarianceError, repeated_values
from fastem.covariances.representations import Representation
from fastem.em.expectation import Expectation, ExpectationStep
from fastem.em.maximization import Maximization
from fastem.em.plan import Plan
from fastem.groups import (
    GroupedExpectation,
    RowAnswers,
    groups_of,
    has_gaps,
    warn_of_empty_rows,
)
from fastem.starts.gaps import filled, rows_to_start_from
from fastem.starts.initialization import (
    column_variances,
    initial_parameters,
    warn_of_identical,
)
from fastem.starts.known import known_sums, parameters_of_known, with_all_named
from fastem.starts.subsample import (
    best_on_sample,
    draw_subsample,
    subsample_parameters,
)
from fastem.starts.trimming import trimmed_parameters
from fastem.statistics import Array, MixtureParameters
from fastem.storage.json_values import digest
from fastem.training.folds import Fold
from fastem.training.known_sample import sample_of_known
from fastem.training.survey import Moments

# Rows, evenly from the whole table, by which it is known again.
_ROWS_TO_KNOW = 10_000
# Of so many the most frequent value is looked for: a share of 1 % to 0.03 %.
_ROWS_TO_COUNT = 100_000


class TrainingRows(Protocol):
    """The rows of a fit, and what can be asked of them."""

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""

    @property
    def has_gaps(self) -> bool:
        """Whether values are missing."""

    @property
    def n_rows(self) -> float:
        """Number of rows, each as often as its weight says."""

    @property
    def known(self) -> Knowledge | None:
        """Which components the rows are known to belong to, if anything is."""

    def part(self, fold: Fold) -> "TrainingRows":
        """The same rows, each as often as it is in the fold."""

    def fingerprint(self) -> dict[str, Any]:
        """Plain values by which a checkpoint knows the rows and weights again."""

    def check_enough(self, n_components: int) -> None:
        """Raise ValueError if there are fewer distinct rows than components."""

    def column_variances(self) -> Array:
        """The variance of each column, (D,)."""

    def repeated(self, columns: Sequence[int]) -> tuple[Repeated, ...]:
        """The value that most rows have in each column, where it is 1 % or more."""

    def expectation(
        self, representation: Representation, n_threads: int | None
    ) -> Expectation:
        """The expectation step on these rows."""

    def start(self, plan: Plan, maximize: Maximization) -> MixtureParameters:
        """Parameters to start EM from."""

    def gathered(
        self,
        function: Callable[..., Any],
        combine: Callable[[list[Any]], Any],
        **settings: Any,
    ) -> Any:
        """What the function makes of all parts of rows and weights, put together."""

    def drawn(self, size: int, random_state: np.random.RandomState) -> "RowsInMemory":
        """Rows drawn at random by their weights: about so many, or all."""

    def labels(self, ask: RowAnswers) -> NDArray[np.intp]:
        """The most likely component of each row, (N,)."""


@final
@dataclass(frozen=True)
class RowsInMemory:
    """An array of rows, and one of weights (empty means all 1)."""

    values: Rows
    weights: Rows
    n_rows: float
    has_gaps: bool = False
    known: Known | None = None

    @classmethod
    def checked(cls, estimator: Any, X: Any, sample_weight: ArrayLike | None) -> Self:
        """From what the user passed to ``fit``; remembers the columns' names."""
        rows = check_rows(estimator, X, fitting=True)
        gaps = allows_gaps(estimator) and has_gaps(rows)
        if gaps:
            warn_of_empty_rows(int(np.isnan(rows).all(axis=1).sum()))
        return cls(rows, *counting.check_row_weights(sample_weight, rows), gaps)

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        n_rows, n_features = self.values.shape
        return n_rows, n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.values.dtype

    def part(self, fold: Fold) -> "RowsInMemory":
        """The same rows, each as often as it is in the fold."""
        unit = self.n_rows / _total(self.values, self.weights)
        weights = fold.weights(0, self.values, self.weights, unit)
        n_rows = unit * _total(self.values, weights)
        return replace(self, weights=weights, n_rows=n_rows)

    def fingerprint(self) -> dict[str, Any]:
        """Shape, type, sum of the weights, and a digest of rows from all over."""
        some = slice(None, None, max(1, len(self.values) // _ROWS_TO_KNOW))
        return {
            "shape": list(self.shape),
            "dtype": self.dtype.name,
            "sum_of_weights": self.n_rows,
            "values": digest(self.values[some], self.values[-1:], self.weights[some]),
            **digest_of_known(self.known),
        }

    def check_enough(self, n_components: int) -> None:
        """Raise ValueError if there are fewer distinct rows than components."""
        counting.check_enough_rows(self.values, self.weights, n_components)

    def column_variances(self) -> Array:
        """The variance of each column, (D,)."""
        if self.has_gaps:
            return self.moments().variances
        return column_variances(self.values, self.weights)

    def repeated(self, columns: Sequence[int]) -> tuple[Repeated, ...]:
        """The value that most rows have in each column, where it is 1 % or more."""
        some: slice | NDArray[np.int64] = slice(None)
        if len(self.values) > _ROWS_TO_COUNT:
            draw = np.random.default_rng(0).integers
            some = draw(len(self.values), size=_ROWS_TO_COUNT)
        weights = self.weights[some] if len(self.weights) else self.weights
        return repeated_values(self.values[some], weights, columns)

    def expectation(
        self, representation: Representation, n_threads: int | None
    ) -> Expectation:
        """The expectation step on these rows."""
        table = self.values, self.weights
        if self.has_gaps or self.known is not None:
            groups = groups_of(self.values, self.known)
            return GroupedExpectation(*table, groups, representation, n_threads)
        return ExpectationStep(*table, representation, n_threads)

    def start(self, plan: Plan, maximize: Maximization) -> MixtureParameters:
        """Parameters to start EM from."""
        if self.known is not None and starts_from_known(plan):
            return self._start_from_known(self.known, plan, maximize)
        table = self.to_start_from(plan)
        if plan.method == "subsample" and plan.given.labels is None:
            return subsample_parameters(*table, plan, maximize)
        if plan.method == "trimmed" and plan.given.labels is None:
            return trimmed_parameters(*table, plan, maximize)
        parameters = initial_parameters(*table, plan, maximize)
        warn_of_identical(parameters, plan.representation)
        return parameters

    def _start_from_known(
        self, known: Known, plan: Plan, maximize: Maximization
    ) -> MixtureParameters:
        X = self.values
        if self.has_gaps:
            X = filled(X, self.moments().mean)
        known, shares = with_all_named(
            known, X, self.weights, plan.random_state, plan.n_threads
        )
        sums = known_sums(X, self.weights, known.kinds, shares)
        return parameters_of_known(sums, X[0].astype(np.float64), plan, maximize)

    def moments(self) -> Moments:
        """Mean and variances of the values that there are."""
        moments = Moments(self.values.shape[1])
        moments.add(self.values, self.weights)
        return moments

    def to_start_from(self, plan: Plan) -> tuple[Rows, Rows]:
        """Rows without gaps, and their weights."""
        table = self.values, self.weights
        if not self.has_gaps:
            return table
        is_partition = plan.given.labels is not None
        return rows_to_start_from(*table, plan.n_components, all_rows=is_partition)

    def only(self, some: NDArray[np.bool_]) -> "RowsInMemory":
        """Some of the rows."""
        values, weights = read_only(self.values[some]), self.weights
        share = np.count_nonzero(some) / max(len(some), 1)
        if len(weights):
            weights = read_only(weights[some])
            share = weights.sum(dtype=np.float64) / self.weights.sum(dtype=np.float64)
        gaps = self.has_gaps and has_gaps(values)
        known = None if self.known is None else self.known.of(some)
        return RowsInMemory(values, weights, self.n_rows * float(share), gaps, known)

    def known_blocks(self) -> Generator[tuple[Rows, Rows, Known | None]]:
        """All rows, their weights, and what is known of them: one block."""
        yield self.values, self.weights, self.known

    def gathered(
        self,
        function: Callable[..., Any],
        combine: Callable[[list[Any]], Any],
        **settings: Any,
    ) -> Any:
        """What the function makes of all rows and weights."""
        return function(self.values, self.weights, **settings)

    def drawn(self, size: int, random_state: np.random.RandomState) -> "RowsInMemory":
        """Rows drawn at random by their weights: so many, or all.

        Where something is known of rows, of each kind so many.
        """
        if size >= len(self.values):
            return self
        if self.known is not None:
            return sample_in_memory(self, self.known, size, random_state)
        rows, weights = draw_subsample(self.values, self.weights, size, random_state)
        gaps = self.has_gaps and has_gaps(rows)
        return RowsInMemory(rows, weights, _total(rows, weights), gaps)

    def labels(self, ask: RowAnswers) -> NDArray[np.intp]:
        """The most likely component of each row, (N,)."""
        labels: NDArray[np.intp] = ask(kernels.label_pass, self.values)
        return labels


def sample_in_memory(
    rows: Any, known: Known, size: int, random_state: np.random.RandomState
) -> RowsInMemory:
    """Rows of each kind, of rows in memory or in blocks."""
    with closing(rows.known_blocks()) as blocks:
        sample = sample_of_known(
            blocks, known, rows.shape[1], rows.dtype, size, random_state
        )
    gaps = rows.has_gaps and has_gaps(sample.rows)
    total = _total(sample.rows, sample.weights)
    return RowsInMemory(sample.rows, sample.weights, total, gaps, sample.known)


def _total(rows: Rows, weights: Rows) -> float:
    """The sum of weights, which are 1 if there are none."""
    return float(weights.sum(dtype=np.float64)) if len(weights) else float(len(rows))


def starts_from_known(plan: Plan) -> bool:
    """Whether rows that are known say where to start, and not the user otherwise."""
    is_open = plan.given.labels is None and plan.partition is None
    return is_open and not plan.given.is_complete


def digest_of_known(known: Known | None) -> dict[str, Any]:
    """By which a checkpoint knows again what is known of rows."""
    return {} if known is None else {"labels": digest(known.kinds, known.allowed)}


def start_on_sample(
    sample: RowsInMemory, n_rows: int, plan: Plan, maximize: Maximization
) -> MixtureParameters:
    """Parameters to start EM from, of a sample of so many rows.

    For 'subsample' the sample has been drawn already; if all runs on it turn singular,
    the start is k-means on it.
    """
    if plan.method == "subsample" and sample.known is None:
        table = sample.to_start_from(plan)
        try:
            return best_on_sample(*table, n_rows, plan)
        except SingularCovarianceError:
            plan = replace(plan, method="kmeans")
    return sample.start(plan, maximize)
