"""A fit to rows that are read block by block, and answers about such rows."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import add
from typing import Any, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from fastem import kernels
from fastem.checks import counting
from fastem.checks.known import (
    Known,
    check_components_named,
    column_of_labels,
    known_of,
)
from fastem.checks.rows import (
    Rows,
    allows_gaps,
    check_any_value,
    check_columns,
    check_rows,
    check_sums,
    read_only,
)
from fastem.covariances import Repeated
from fastem.covariances.representations import Representation
from fastem.em.expectation import Expectation, Memoryless, MemorylessExpectation
from fastem.em.maximization import Maximization
from fastem.em.plan import Plan
from fastem.groups import (
    GroupedExpectation,
    RowAnswers,
    groups_of,
    warn_of_empty_rows,
)
from fastem.sources.blocks import Source
from fastem.sources.opening import labels_of, source_of, without_column
from fastem.sources.reading import blocks_of, name_column
from fastem.starts.gaps import filled
from fastem.starts.initialization import (
    parameters_of_partition,
    parameters_of_start,
    statistics_of_random,
    warn_of_identical,
    weighted_blocks,
)
from fastem.starts.known import known_sums, parameters_of_known, shares_of
from fastem.starts.partition import MemberSums, Sums, member_sums
from fastem.starts.subsample import enough_rows
from fastem.statistics import Array, MixtureParameters, SufficientStatistics
from fastem.storage.json_values import digest
from fastem.training.folds import Fold
from fastem.training.in_memory import (
    RowsInMemory,
    digest_of_known,
    sample_in_memory,
    start_on_sample,
    starts_from_known,
)
from fastem.training.survey import Survey, survey


def training_rows(
    estimator: Any,
    X: Any,
    sample_weight: ArrayLike | str | None,
    labels: ArrayLike | tuple[str, str] | None = None,
) -> "RowsInMemory | RowsInBlocks":
    """The rows of a fit: in memory, or in blocks if X is a source of them."""
    named = sample_weight if isinstance(sample_weight, str) else None
    column = column_of_labels(labels)
    source = source_of(X, weights=named, labels=column)
    rows: RowsInMemory | RowsInBlocks
    if source is None:
        if column is not None:
            X, labels = without_column(X, column, "labels")
        if named:
            X, sample_weight = without_column(X, named)
        rows = RowsInMemory.checked(estimator, X, sample_weight)
    else:
        if column is not None:
            labels = labels_of(source)
        sample_weight = None if named else sample_weight
        rows = RowsInBlocks.checked(estimator, source, sample_weight)
    if labels is None:
        return rows
    return replace(rows, known=known_of(estimator, labels, rows.shape[0]))


@final
@dataclass(frozen=True)
class RowsInBlocks:
    """A source of rows, the user's weights if there are any, and what is known of both.

    Memory holds some blocks and the survey's sample, whatever N is.
    """

    source: Source
    sample_weight: Array | None
    survey: Survey
    known: Known | None = None
    fold: Fold | None = None

    @classmethod
    def checked(
        cls, estimator: Any, source: Source, sample_weight: ArrayLike | None
    ) -> Self:
        """Walk over all rows once; the estimator remembers the columns' names."""
        check_columns(estimator, source.names, source.n_features, fitting=True)
        weights = None if sample_weight is None else _weights_of(sample_weight)
        # A start must find the random numbers that it would find without the sample.
        random_state = deepcopy(check_random_state(estimator.random_state))
        K = estimator.n_components
        gaps = allows_gaps(estimator)
        with closing(blocks_of(source, weights, gaps=gaps)) as blocks:
            facts = survey(
                blocks,
                source.n_features,
                source.dtype,
                n_components=K,
                size=enough_rows(K, source.n_features),
                random=np.random.default_rng(random_state.randint(2**31)),
            )
        if weights is not None:
            counting.check_shape_of_weights(weights, facts.n_rows)
        if not facts.n_rows:
            raise ValueError("X has 0 rows, but a fit needs at least 2")
        if not facts.n_counted:
            raise ValueError("sample_weight is zero for every row: none is left to use")
        with np.errstate(over="ignore"):
            mean_squares = facts.variances + facts.mean**2

        def column_name(column: int) -> str:
            return name_column(source.names, column)

        check_any_value(facts.shares == 0, column_name)
        warn_of_empty_rows(facts.n_empty)
        check_sums(source.dtype, facts.n_rows, facts.largest, mean_squares, column_name)
        return cls(source, weights, facts)

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        return self.survey.n_rows, self.source.n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.source.dtype

    @property
    def has_gaps(self) -> bool:
        """Whether values are missing."""
        return self.survey.n_gappy > 0

    @property
    def n_rows(self) -> float:
        """Number of rows, each as often as its weight says."""
        if self.fold is None:
            return self.survey.total_weight
        return self._unit * self._total_in_fold

    @property
    def _unit(self) -> float:
        """How often a row counts whose weight is 1 in passes."""
        facts = self.survey
        return facts.largest_weight or facts.total_weight / facts.n_rows

    @cached_property
    def _total_in_fold(self) -> float:
        """The sum of the fold's weights, as passes take them."""
        return sum(float(w.sum(dtype=np.float64)) for _, w in self.blocks())

    def part(self, fold: Fold) -> "RowsInBlocks":
        """The same rows, each as often as it is in the fold."""
        return replace(self, fold=fold)

    def fingerprint(self) -> dict[str, Any]:
        """Shape, type, sum of the weights, and a digest of the columns' moments."""
        return {
            "shape": list(self.shape),
            "dtype": self.dtype.name,
            "sum_of_weights": self.n_rows,
            "values": digest(self.survey.mean, self.survey.variances),
            **digest_of_known(self.known),
        }

    def check_enough(self, n_components: int) -> None:
        """Raise ValueError if there are fewer distinct rows than components."""
        facts = self.survey
        is_weighted = facts.largest_weight > 0
        counting.check_number_of_rows(facts.n_counted, is_weighted, n_components)
        counting.check_distinct(facts.distinct, n_components)

    def column_variances(self) -> Array:
        """The variance of each column, (D,)."""
        return self.survey.variances.copy()

    def repeated(self, columns: Sequence[int]) -> tuple[Repeated, ...]:
        """The value that most rows have in each column, as the sample has it."""
        return self.sample.repeated(columns)

    def blocks(self) -> Generator[tuple[Rows, Rows]]:
        """Rows and weights as passes take them, in blocks on the grid."""
        largest = self.survey.largest_weight
        no_weights = read_only(np.empty(0, self.dtype))
        n_rows = 0
        reading = blocks_of(self.source, self.sample_weight, checked=True)
        with closing(reading) as blocks:
            for rows, weights in blocks:
                scaled = (
                    read_only((weights / largest).astype(self.dtype))
                    if largest
                    else no_weights
                )
                if self.fold is not None:
                    scaled = self.fold.weights(n_rows, rows, scaled, self._unit)
                n_rows += len(rows)
                yield rows, scaled
        if n_rows != self.survey.n_rows:
            raise ValueError(
                f"X gave {self.survey.n_rows} rows in the first pass, and now "
                f"{n_rows}: it must give the same ones each time"
            )

    def known_blocks(self) -> Generator[tuple[Rows, Rows, Known | None]]:
        """The blocks, and what is known of their rows."""
        start = 0
        with closing(self.blocks()) as blocks:
            for rows, weights in blocks:
                stop = start + len(rows)
                known = self.known
                part = None if known is None else known.of(slice(start, stop))
                yield rows, weights, part
                start = stop

    def _start_from_known(
        self, known: Known, plan: Plan, maximize: Maximization
    ) -> MixtureParameters:
        check_components_named(known, "are read in blocks")
        shares = shares_of(known)

        def of_block(rows: Rows, weights: Rows, part: slice) -> MemberSums:
            return known_sums(rows, weights, known.kinds[part], shares)

        return parameters_of_known(
            self._member_sums(of_block), self.survey.mean, plan, maximize
        )

    def _filled_blocks(self) -> Generator[tuple[Rows, Rows]]:
        """The same with columns' means in the gaps: for starts only."""
        with closing(self.blocks()) as blocks:
            for rows, weights in blocks:
                yield filled(rows, self.survey.mean), weights

    def expectation(
        self, representation: Representation, n_threads: int | None
    ) -> Expectation:
        """The expectation step on these rows."""
        if self.has_gaps or self.known is not None:
            return GroupsInBlocks(self, representation, n_threads)
        return ExpectationInBlocks(self, representation, n_threads)

    def gathered(
        self,
        function: Callable[..., Any],
        combine: Callable[[list[Any]], Any],
        **settings: Any,
    ) -> Any:
        """What the function makes of all blocks of rows and weights, put together."""
        with closing(self.blocks()) as blocks:
            return combine([function(*block, **settings) for block in blocks])

    @property
    def sample(self) -> RowsInMemory:
        """Some of the rows, or all."""
        facts = self.survey
        return RowsInMemory(
            *(facts.sample, facts.sample_weights, len(facts.sample), self.has_gaps)
        )

    def drawn(self, size: int, random_state: np.random.RandomState) -> RowsInMemory:
        """The sample of the survey, whatever the size; of known rows one as large."""
        if self.known is None:
            return self.sample
        size = min(size, len(self.survey.sample))
        return sample_in_memory(self, self.known, size, random_state)

    def start(self, plan: Plan, maximize: Maximization) -> MixtureParameters:
        """Parameters to start EM from: of the sample, unless the method is 'random'.

        Labels are of all rows.
        """
        if self.known is not None and starts_from_known(plan):
            return self._start_from_known(self.known, plan, maximize)
        if plan.given.labels is not None and not plan.given.is_complete:
            labels = plan.given.labels

            def of_block(rows: Rows, weights: Rows, part: slice) -> MemberSums:
                return member_sums(rows, weights, labels[part], plan.n_threads)

            sums = self._member_sums(of_block)
            return parameters_of_partition(sums, self.survey.mean, plan, maximize)
        if plan.given.is_complete or self.survey.sample_is_all:
            return self.sample.start(plan, maximize)
        if plan.method == "random":
            parameters = parameters_of_start(*self._random(plan), plan, maximize)
            warn_of_identical(parameters, plan.representation)
            return parameters
        return start_on_sample(self.sample, self.survey.n_rows, plan, maximize)

    def _member_sums(
        self, of_block: Callable[[Rows, Rows, slice], MemberSums]
    ) -> MemberSums:
        """The sums of all rows, from those of each block and its place among them."""

        def sums(reference: Array, has_matrices: bool, is_shared: bool) -> Sums:
            totals: Any = (0.0, 0.0, 0.0, 0.0)
            start = 0
            with closing(self._filled_blocks()) as blocks:
                for rows, weights in blocks:
                    stop = start + len(rows)
                    of_rows = of_block(rows, weights, slice(start, stop))
                    parts = of_rows(reference, has_matrices, is_shared)
                    totals = tuple(a + b for a, b in zip(totals, parts, strict=True))
                    start = stop
            found: Sums = totals
            return found

        return sums

    def _random(self, plan: Plan) -> tuple[SufficientStatistics, float]:
        """Statistics of random responsibilities, and the sum of weights."""
        width = max(plan.n_components, self.source.n_features)
        with closing(self._filled_blocks()) as blocks:
            statistics = statistics_of_random(
                (part for block in blocks for part in weighted_blocks(*block, width)),
                *(self.survey.mean, self.dtype, plan),
            )
        total = self.survey.total_weight / (self.survey.largest_weight or 1.0)
        return statistics, total if self.survey.largest_weight else self.shape[0]

    def labels(self, ask: RowAnswers) -> NDArray[np.intp]:
        """The most likely component of each row, (N,)."""
        labels = np.empty(self.survey.n_rows, np.intp)
        start = 0
        with closing(self.blocks()) as blocks:
            for rows, _ in blocks:
                stop = start + len(rows)
                labels[start:stop] = ask(kernels.label_pass, rows)
                start = stop
        return labels


@final
class ExpectationInBlocks(MemorylessExpectation):
    """Statistics of the rows under any parameters, added up block by block.

    Blocks lie on the grid of the passes and sums are gone on from, so that these have
    the bits of one pass over all rows in memory.
    """

    def __init__(
        self,
        rows: RowsInBlocks,
        representation: Representation,
        n_threads: int | None,
    ) -> None:
        super().__init__(rows.dtype, representation, n_threads)
        self._rows = rows

    def _pass(self, parameters: MixtureParameters, factors: Any) -> kernels.PassSums:
        scatter_size = self._representation.scatter_size(*parameters.means.shape)
        sums = None
        with closing(self._rows.blocks()) as blocks:
            for rows, weights in blocks:
                sums = kernels.expectation_pass(
                    *(rows, weights, factors, scatter_size),
                    n_threads=self._n_threads,
                    before=sums,
                )
        assert sums is not None
        return sums

    def draw_ill_explained(
        self, parameters: MixtureParameters, random_state: np.random.RandomState
    ) -> Array:
        """A row (D,) from the twentieth of the sample that is explained worst."""
        step = self._rows.sample.expectation(self._representation, self._n_threads)
        return step.draw_ill_explained(parameters, random_state)


@final
class GroupsInBlocks(Memoryless):
    """The same of rows with gaps: the groups of each block, one after the other."""

    def __init__(
        self,
        rows: RowsInBlocks,
        representation: Representation,
        n_threads: int | None,
    ) -> None:
        self._rows = rows
        self._representation = representation
        self._n_threads = n_threads

    def __call__(self, parameters: MixtureParameters) -> SufficientStatistics:
        """The statistics under the parameters, up to rounding."""
        return reduce(
            add,
            (
                GroupedExpectation(
                    *(rows, weights, groups_of(rows, known)),
                    *(self._representation, self._n_threads),
                )(parameters)
                for rows, weights, known in self._rows.known_blocks()
            ),
        )

    def draw_ill_explained(
        self, parameters: MixtureParameters, random_state: np.random.RandomState
    ) -> Array:
        """A row (D,) from the twentieth of the sample that is explained worst."""
        step = self._rows.sample.expectation(self._representation, self._n_threads)
        return step.draw_ill_explained(parameters, random_state)


def answerable(
    estimator: Any, X: Any, weights: str | None = None, gaps: bool | None = None
) -> tuple[Rows | Source, np.ndarray | None]:
    """What there is to answer about: validated rows, or a source of rows.

    And the column of weights that was named, if that is one of a table in memory; a
    source gives its own.
    """
    names = vars(estimator).get("feature_names_in_")
    columns = None if names is None else tuple(names)
    source = source_of(X, columns=columns, weights=weights, is_read_once=True)
    if source is not None:
        check_columns(estimator, source.names, source.n_features, fitting=False)
        return source, None
    of_rows = None
    if weights is not None:
        X, of_rows = without_column(X, weights)
    return check_rows(estimator, X, fitting=False, gaps=gaps), of_rows


def answer_blocks(
    estimator: Any,
    X: Any,
    sample_weight: ArrayLike | str | None = None,
    *,
    gaps: bool | None = None,
) -> Generator[tuple[Rows, Array]]:
    """Rows to answer about, validated, and weights; an array is one block.

    Weights are those of a column of X if ``sample_weight`` is its name; none are empty.
    Whether there may be ``gaps`` the estimator says by default.
    """
    named = sample_weight if isinstance(sample_weight, str) else None
    rows, of_column = answerable(estimator, X, named, gaps)
    if not isinstance(rows, Source):
        weights = sample_weight if named is None else of_column
        yield rows, _weights_of(weights, len(rows))
        return
    given = None
    if not named and sample_weight is not None:
        given = _weights_of(sample_weight)
    n_rows = 0
    gaps = allows_gaps(estimator) if gaps is None else gaps
    with closing(blocks_of(rows, given, gaps=gaps)) as blocks:
        for block in blocks:
            n_rows += len(block[0])
            yield block
    if given is not None:
        counting.check_shape_of_weights(given, n_rows)
    if not n_rows:
        raise ValueError("X has 0 rows, but at least 1 is needed")


def _weights_of(sample_weight: Any, n_rows: int | None = None) -> Array:
    """Checked weights of so many rows, by default of as many as there are weights."""
    if sample_weight is None:
        return np.empty(0)
    if n_rows is None:
        n_rows = len(np.atleast_1d(np.asarray(sample_weight)))
    return counting.check_sample_weight(sample_weight, n_rows)
