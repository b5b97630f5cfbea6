"""Fits of all candidates to the first rows, from partitions that they share."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from fastem.checks.labels import Partition
from fastem.choice.candidates import Attempt, Candidate, Fitter, is_complete
from fastem.choice.known import (
    lacking,
    likeliest_labels,
    may_be,
    partitions_of_known,
)
from fastem.choice.starting import Starts
from fastem.mixture.online import AUTO
from fastem.training.in_memory import RowsInMemory


@dataclass(frozen=True)
class FirstFits:
    """Fits that start from partitions which candidates with as many components share.

    And from one of its own: that of the same structure with a component less, of which
    one is cut in two. So candidates of one structure follow each other; those of
    different ones know nothing of each other, and processes may share them.

    Attributes
    ----------
    fitter : Fitter
        To the first rows, which are in memory.
    starts : Starts
        Of these rows.
    partitions : mapping of int to sequence of Partition
        Those shared, for each number of components.
    seed : int
        Of all draws.
    """

    fitter: Fitter
    starts: Starts
    partitions: Mapping[int, Sequence[Partition]]
    seed: int

    @classmethod
    def of(
        cls,
        fitter: Fitter,
        numbers: Collection[int],
        random_state: np.random.RandomState,
    ) -> "FirstFits":
        """With partitions for these numbers of components."""
        assert isinstance(fitter.rows, RowsInMemory)
        starts = Starts.of(fitter.rows, random_state)
        seed = int(random_state.randint(2**31))
        partitions = {
            K: _partitions(fitter, starts, K, _random_of(seed, K)) for K in numbers
        }
        return cls(fitter, starts, partitions, seed)

    def of_all(
        self, candidates: Sequence[Candidate], n_jobs: int | None
    ) -> Iterator[Attempt]:
        """The likeliest fit of each candidate, in any order.

        One after the other, or by processes that take a structure each time.
        """
        structures: dict[str, list[Candidate]] = {}
        for candidate in sorted(candidates, key=lambda one: one.n_components):
            structures.setdefault(candidate.covariance_type, []).append(candidate)
        if min(effective_n_jobs(n_jobs), len(structures)) == 1:
            for some in structures.values():
                yield from self._of_structure(some)
            return
        # Rows as they are: kernels know no file that is mapped into memory.
        shared_out = Parallel(
            n_jobs, return_as="generator_unordered", batch_size=1, max_nbytes=None
        )
        for attempts in shared_out(
            delayed(_listed)(self, some) for some in structures.values()
        ):
            yield from attempts

    def _of_structure(self, candidates: Sequence[Candidate]) -> Iterator[Attempt]:
        """Of one structure, the fewest components first."""
        before: Attempt | None = None
        for candidate in candidates:
            K = candidate.n_components
            own: list[Partition] = []
            if before is not None and before.candidate.n_components == K - 1:
                own = self._splits(before, _random_of(self.seed, K))
            partitions = [*self.partitions[K], *own]
            judged = []
            if self.fitter.template.n_init == AUTO:
                judged = self.fitter.judged(candidate, _random_of(self.seed, K))
            before = self.fitter.from_partitions(
                candidate, [p for p in partitions if is_complete(p, K)], judged
            )
            yield before

    def _splits(
        self, attempt: Attempt, random_state: np.random.RandomState
    ) -> list[Partition]:
        if attempt.model is None:
            return []
        rows, K = self.starts.rows, attempt.candidate.n_components
        split = self.starts.from_split(
            *(likeliest_labels(attempt.model, rows), K, random_state),
            *(self.fitter.template.n_threads, may_be(rows, component=K)),
        )
        return [] if split is None else [split]


def _listed(fits: FirstFits, candidates: Sequence[Candidate]) -> list[Attempt]:
    """What another process is asked for."""
    return list(fits._of_structure(candidates))


def _partitions(
    fitter: Fitter,
    starts: Starts,
    n_components: int,
    random_state: np.random.RandomState,
) -> list[Partition]:
    """Those that all candidates with so many components share."""
    rows, template = starts.rows, fitter.template
    if lacking(rows, n_components):
        return []
    n_threads, n_init = template.n_threads, template.n_init
    if n_components == 1:
        found = [np.zeros(len(starts.scaled), np.int32)]
    else:
        found = [starts.from_tree(n_components)]
        for _ in range(0 if isinstance(n_init, str) else n_init):
            clusters = starts.from_kmeans(n_components, random_state, n_threads)
            found.append(clusters)
    if rows.known is None:
        return list(found)
    try:
        return partitions_of_known(rows, found, n_components, random_state, n_threads)
    except ValueError:  # something is known of each row
        return []


def _random_of(seed: int, n_components: int) -> np.random.RandomState:
    """Random numbers that do not depend on what else is tried."""
    return np.random.RandomState((seed + n_components) % 2**32)
