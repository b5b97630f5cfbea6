"""The rows of a fit, where they are: on the workers of a cluster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self, final

import dask
import distributed
import numpy as np
from numpy.typing import NDArray

from fastem import kernels
from fastem.checks import counting
from fastem.checks.known import (
    check_components_named,
    check_keeps_numbers,
    check_known,
)
from fastem.checks.labels import Partition
from fastem.checks.rows import (
    Rows,
    allows_gaps,
    check_any_value,
    column_name,
    read_only,
)
from fastem.covariances import Repeated
from fastem.covariances.representations import Representation, Variances
from fastem.dask import passes
from fastem.dask.outputs import values_of_rows
from fastem.dask.partitions import Partitions
from fastem.dask.passes import ExpectationTask, GapFacts, RowTask
from fastem.dask.trees import Add, summed
from fastem.em.expectation import Expectation, Memoryless, MemorylessExpectation
from fastem.em.maximization import Maximization
from fastem.em.plan import Plan
from fastem.groups import RowAnswers, warn_of_empty_rows
from fastem.starts.initialization import parameters_of_partition
from fastem.starts.known import parameters_of_known
from fastem.starts.partition import MemberSums, Sums
from fastem.starts.subsample import enough_rows
from fastem.statistics import Array, MixtureParameters, SufficientStatistics
from fastem.storage.json_values import digest
from fastem.training.folds import Fold
from fastem.training.in_memory import (
    RowsInMemory,
    start_on_sample,
    starts_from_known,
)

_LARGE_GRAPH = "distributed.admin.large-graph-warning-threshold"


@final
@dataclass(frozen=True)
class KnownOnCluster:
    """What is known of rows that workers hold.

    Attributes
    ----------
    parts : sequence of Future
        What is known of the rows of each partition.
    named : array of bool of shape (K,)
        Which components have rows that are known to be theirs.
    """

    parts: Sequence[Any]
    named: NDArray[np.bool_]

    @classmethod
    def of(cls, client: distributed.Client, parts: Sequence[Any]) -> Self:
        """Of the partitions."""
        named = client.gather(client.map(passes.named_components, parts, pure=False))
        return cls(parts, np.logical_or.reduce(named))


@final
@dataclass(frozen=True)
class RowsOnCluster:
    """Partitions of rows that workers hold as long as this object lives.

    What the workers hold are results of tasks: the scheduler knows how each was made,
    and has those made again that are lost with a worker.

    Attributes
    ----------
    client : distributed.Client
    values : sequence of Future
        The rows of each partition.
    weights : sequence of Future or array
        The weights of its rows over the largest of all; empty if all are 1.
    lengths : array of int
        Number of its rows.
    shares : array of float
        Sum of its weights.
    n_rows : float
        Number of rows, each as often as its weight says.
    n_features : int
    dtype : dtype
    gaps : GapFacts or None
        None where no value is missing.
    known : KnownOnCluster or None
        None where nothing is known.
    """

    client: distributed.Client
    values: Sequence[Any]
    weights: Sequence[Any]
    lengths: np.ndarray
    shares: Array
    n_rows: float
    n_features: int
    dtype: np.dtype[Any]
    gaps: GapFacts | None = None
    known: KnownOnCluster | None = None

    @classmethod
    def checked(
        cls, estimator: Any, X: Any, sample_weight: Any, labels: Any = None
    ) -> Self:
        """From what the user passed to ``fit``; remembers the columns' names.

        The workers read, check and keep all rows.
        """
        client = _client()
        partitions = Partitions.checked(
            estimator, X, sample_weight, labels, fitting=True
        )
        rows, weights_of_rows = partitions.checked_values()
        K, noise = estimator.n_components, estimator.noise
        known = [] if partitions.labels is None else partitions.known(rows, K, noise)
        # At once, so that what all are made of is made once.
        computed = client.compute([*rows, *known, *weights_of_rows])
        values, known = computed[: len(rows)], computed[len(rows) :][: len(known)]
        given = computed[len(rows) + len(known) :]
        lengths = np.asarray(client.gather(client.map(len, values, pure=False)))
        if lengths.sum() < 2:
            raise ValueError(
                f"X has n_samples = {lengths.sum()} rows, but a fit needs 2 or more"
            )
        shares = lengths.astype(np.float64)
        weights: Sequence[Any] = [read_only(np.empty(0, partitions.dtype))] * len(
            shares
        )
        n_rows = float(lengths.sum())
        if given:
            filled = np.flatnonzero(lengths)
            facts = client.gather(
                client.map(passes.weight_facts, [given[i] for i in filled], pure=False)
            )
            largest = max(fact.largest for fact in facts)
            counting.check_any_weight(largest)
            if min(fact.least for fact in facts) < largest:
                weights = client.map(
                    passes.relative_weights, given, values, largest=largest, pure=False
                )
                shares[filled] = [f.largest / largest * f.relative_sum for f in facts]
            n_rows = largest * float(shares.sum())
        checked = cls(
            client,
            values,
            weights,
            lengths,
            shares,
            n_rows,
            partitions.columns.n_features_in_,
            partitions.dtype,
        )
        if labels is not None:
            check_keeps_numbers(estimator)
            if partitions.labels is None:
                all_known = check_known(labels, int(lengths.sum()), K, noise)
                stops = np.cumsum(lengths)
                cuts = map(slice, stops - lengths, stops)
                parts = [all_known.of(cut) for cut in cuts]
                known = client.map(passes.itself, parts, pure=False)
            checked = replace(checked, known=KnownOnCluster.of(client, known))
        if not allows_gaps(estimator):
            return checked
        gaps: GapFacts = checked.total(passes.gap_facts, passes.gap_facts_of_all)
        check_any_value(gaps.weights == 0, lambda j: column_name(X, j))
        warn_of_empty_rows(gaps.n_empty)
        return replace(checked, gaps=gaps) if gaps.n_gappy else checked

    def part(self, fold: Fold) -> "RowsOnCluster":
        """The same rows, each as often as it is in the fold."""
        unit = self.n_rows / self.shares.sum()
        firsts = np.cumsum(self.lengths) - self.lengths
        every = np.arange(len(self.lengths))
        weights = self._tasks(
            *(passes.weights_of_fold, every, firsts.tolist()), fold=fold, unit=unit
        )
        sums = self.client.map(np.sum, weights, dtype=np.float64, pure=False)
        shares = np.asarray(self.client.gather(sums))
        n_rows = float(unit * shares.sum())
        return replace(self, weights=weights, shares=shares, n_rows=n_rows)

    @property
    def has_gaps(self) -> bool:
        """Whether values are missing."""
        return self.gaps is not None

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        return int(self.lengths.sum()), self.n_features

    def fingerprint(self) -> dict[str, Any]:
        """Shape, type, sum of the weights, and a digest of what partitions hold."""
        return {
            "shape": list(self.shape),
            "dtype": self.dtype.name,
            "sum_of_weights": self.n_rows,
            "values": digest(self.lengths, self.column_variances()),
            **self._digest_of_known(),
        }

    def _digest_of_known(self) -> dict[str, Any]:
        if self.known is None:
            return {}
        tasks = self.client.map(passes.digest_of_labels, self.known.parts, pure=False)
        return {"labels": self.client.gather(tasks)}

    def check_enough(self, n_components: int) -> None:
        """Raise ValueError if there are fewer distinct rows than components."""
        some: Rows = self._results(
            passes.distinct_rows, self._filled[:1], most=n_components
        )[0]
        if len(some) < n_components:
            some = self.total(
                passes.distinct_rows,
                partial(passes.distinct_of_all, most=n_components),
                most=n_components,
            )
        # Repeated they are as many rows as there are, but no more distinct ones.
        n_shown = min(self.shape[0], n_components) if len(some) else 0
        shown = np.resize(some, (n_shown, self.n_features))
        counting.check_enough_rows(shown, np.empty(0, self.dtype), n_components)

    def column_variances(self) -> Array:
        """The variance of each column, (D,): that of a mixture of one component.

        Sums are taken about a row, which is as near to the mean as rows are.
        """
        if self.gaps is not None:
            return self.gaps.variances
        representation = Variances()
        row = self._results(passes.first_row, self._filled[:1])[0]
        ones = np.ones((1, self.n_features))
        expect = self.expectation(representation, None)
        statistics = expect(MixtureParameters(np.ones(1), row, ones, ones))
        variances: Array = np.maximum(representation.spreads(statistics, 0.0)[0], 0.0)
        return variances

    def repeated(self, columns: Sequence[int]) -> tuple[Repeated, ...]:
        """The value that most rows have in each column, among rows drawn at random."""
        return self.sample(1, np.random.RandomState(0)).repeated(columns)

    def expectation(
        self, representation: Representation, n_threads: int | None
    ) -> Expectation:
        """The expectation step on these rows."""
        if self.has_gaps or self.known is not None:
            return GroupsOnCluster(self, representation, n_threads)
        return ExpectationOnCluster(self, representation, n_threads)

    def start(self, plan: Plan, maximize: Maximization) -> MixtureParameters:
        """Parameters to start EM from: the method's, on rows drawn at random.

        Labels are of all rows.
        """
        if plan.given.is_complete:
            none = np.empty((0, self.n_features), self.dtype)
            return RowsInMemory(none, none[:, 0], 0.0).start(plan, maximize)
        if plan.given.labels is not None:
            sums = self._member_sums(plan.given.labels, plan.n_threads)
            return parameters_of_partition(sums, self._point_among(), plan, maximize)
        if self.known is not None and starts_from_known(plan):
            check_components_named(self.known, "lie on a cluster")
            sums = self._known_sums()
            return parameters_of_known(sums, self._point_among(), plan, maximize)
        some = self.sample(plan.n_components, plan.random_state)
        if len(some.values) == self.shape[0]:
            return some.start(plan, maximize)
        return start_on_sample(some, self.shape[0], plan, maximize)

    def _point_among(self) -> Array:
        """A row (D,), or where values are missing the mean."""
        if self.gaps is not None:
            return self.gaps.means
        row: Array = self._results(passes.first_row, self._filled[:1])[0][0]
        return row

    def gathered(
        self,
        function: Callable[..., Any],
        combine: Callable[[list[Any]], Any],
        **settings: Any,
    ) -> Any:
        """What the function makes of all partitions, put together."""
        return self.total(function, combine, **settings)

    def _member_sums(self, labels: Partition, n_threads: int | None) -> MemberSums:
        """The sums of rows that are labelled so, (N,)."""
        ends = np.cumsum(self.lengths)[:-1]
        of_partitions = np.split(labels, ends)
        parts = [of_partitions[i] for i in self._filled]

        def sums(reference: Array, has_matrices: bool, is_shared: bool) -> Sums:
            found: Sums = self.total(
                *(passes.member_sums, passes.sums_of_all, parts),
                reference=reference,
                has_matrices=has_matrices,
                is_shared=is_shared,
                n_threads=n_threads or 1,
                means=None if self.gaps is None else self.gaps.means,
            )
            return found

        return sums

    def _known_sums(self) -> MemberSums:
        """The sums of rows that belong to components by what is known of them."""

        def sums(reference: Array, has_matrices: bool, is_shared: bool) -> Sums:
            found: Sums = self.total(
                *(passes.known_sums, passes.sums_of_all, self.known_parts),
                means=None if self.gaps is None else self.gaps.means,
                reference=reference,
                has_matrices=has_matrices,
                is_shared=is_shared,
            )
            return found

        return sums

    @property
    def known_parts(self) -> list[Any]:
        """What is known of the partitions that have rows."""
        assert self.known is not None
        return [self.known.parts[i] for i in self._filled]

    def labels(self, ask: RowAnswers) -> Any:
        """The most likely component of each row, (N,): a Dask array, not computed."""
        ask = replace(ask, n_threads=ask.n_threads or 1)
        task = RowTask(kernels.label_pass, ask, self.dtype)
        return values_of_rows(self.values, self.lengths.tolist(), task)

    def sample(
        self, n_components: int, random_state: np.random.RandomState
    ) -> RowsInMemory:
        """Rows drawn at random, K (1000 + 20 D) or all, brought to this process."""
        return self.drawn(enough_rows(n_components, self.n_features), random_state)

    def drawn(self, size: int, random_state: np.random.RandomState) -> RowsInMemory:
        """Rows drawn at random, so many or all, brought to this process.

        A row's share of the draws is that of its weight. What is drawn depends on the
        partitions, and not on who holds them.
        """
        if size < self.shape[0]:
            sizes = random_state.multinomial(size, self.shares / self.shares.sum())
            seeds = random_state.randint(np.iinfo(np.int32).max, size=len(sizes))
            chosen = np.flatnonzero((sizes > 0) & (self.lengths > 0))
            arguments = sizes[chosen].tolist(), seeds[chosen].tolist()
            parts = self._results(passes.drawn_rows, chosen, *arguments)
        else:
            parts = self._results(passes.all_rows, self._filled)
        rows, weights = (
            read_only(np.concatenate(arrays)) for arrays in zip(*parts, strict=True)
        )
        n_rows = weights.sum(dtype=np.float64) if len(weights) else len(rows)
        return RowsInMemory(rows, weights, float(n_rows), self.has_gaps)

    def total(
        self, function: Callable[..., Any], add: Add, *arguments: Any, **settings: Any
    ) -> Any:
        """The sum over partitions of what the function makes of rows and weights."""
        tasks = self._tasks(function, self._filled, *arguments, **settings)
        map_ = partial(self.client.map, pure=False)
        return self.client.gather(summed(tasks, add, map_))

    @property
    def _filled(self) -> np.ndarray:
        """Numbers of the partitions that have rows."""
        return np.flatnonzero(self.lengths)

    def _tasks(
        self,
        function: Callable[..., Any],
        numbers: np.ndarray,
        *arguments: Sequence[Any],
        **settings: Any,
    ) -> list[Any]:
        """What a function makes of rows and weights of partitions: a future of each.

        ``arguments`` have one item for each partition, ``settings`` are for all.
        """
        values = [self.values[i] for i in numbers]
        weights = [self.weights[i] for i in numbers]
        tasks: list[Any] = self.client.map(
            function, values, weights, *arguments, pure=False, **settings
        )
        return tasks

    def _results(self, *arguments: Any, **settings: Any) -> list[Any]:
        results: list[Any] = self.client.gather(self._tasks(*arguments, **settings))
        return results


@final
class ExpectationOnCluster(MemorylessExpectation):
    """The expectation step on rows that workers hold.

    In each step the parameters travel to the workers, and one set of sums back.
    """

    def __init__(
        self,
        rows: RowsOnCluster,
        representation: Representation,
        n_threads: int | None,
    ) -> None:
        super().__init__(rows.dtype, representation, n_threads)
        self._rows = rows

    def draw_ill_explained(
        self, parameters: MixtureParameters, random_state: np.random.RandomState
    ) -> Array:
        """A row (D,) from the twentieth explained worst of rows drawn at random."""
        some = self._rows.sample(len(parameters.weights), random_state)
        expect = some.expectation(self._representation, self._n_threads)
        return expect.draw_ill_explained(parameters, random_state)

    def _pass(self, parameters: MixtureParameters, factors: Any) -> kernels.PassSums:
        task = ExpectationTask(
            factors,
            self._representation.scatter_size(*parameters.means.shape),
            self._n_threads or 1,
            self._rows.shape[0],
        )
        client = self._rows.client
        # It is K-sized and sent once an iteration: no reason for a warning.
        with dask.config.set({_LARGE_GRAPH: "1 TiB"}):
            sent = client.submit(passes.itself, task, pure=False)
        sums: kernels.PassSums = self._rows.total(
            passes.expectation, passes.added, task=sent
        )
        return sums


@final
class GroupsOnCluster(Memoryless):
    """The same of rows with gaps, of which each partition gives statistics."""

    def __init__(
        self,
        rows: RowsOnCluster,
        representation: Representation,
        n_threads: int | None,
    ) -> None:
        self._rows = rows
        self._representation = representation
        self._n_threads = n_threads

    def __call__(self, parameters: MixtureParameters) -> SufficientStatistics:
        """The statistics under the parameters, up to rounding."""
        task = passes.GroupsTask(self._representation, parameters, self._n_threads or 1)
        known = [] if self._rows.known is None else [self._rows.known_parts]
        statistics: SufficientStatistics = self._rows.total(
            passes.grouped_expectation, passes.statistics_of_all, *known, task=task
        )
        return statistics

    def draw_ill_explained(
        self, parameters: MixtureParameters, random_state: np.random.RandomState
    ) -> Array:
        """A row (D,) from the twentieth explained worst of rows drawn at random."""
        some = self._rows.sample(len(parameters.weights), random_state)
        expect = some.expectation(self._representation, self._n_threads)
        return expect.draw_ill_explained(parameters, random_state)


def _client() -> distributed.Client:
    """The client that is in use here.

    Raises
    ------
    ValueError
        If there is none.
    """
    try:
        client: distributed.Client = distributed.default_client()
    except ValueError as error:
        raise ValueError(
            "To fit a Dask collection there must be a client of a cluster: make one "
            "with dask.distributed.Client(address), or Client() for this machine"
        ) from error
    return client
