"""The search for the best candidate: on some rows first, and on all in the end."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fastem.choice.candidates import Attempt, Candidate, Fitter
from fastem.choice.criteria import Criterion
from fastem.choice.first_fits import FirstFits
from fastem.choice.known import rows_among
from fastem.mixture import GaussianMixture
from fastem.runtime import compiling
from fastem.starts.subsample import enough_rows
from fastem.statistics import Array
from fastem.training.in_memory import RowsInMemory, TrainingRows

# How much larger the rows of the next round are. Fewer rounds fit more candidates to
# many rows, more rounds fit the good ones more often.
_GROWTH = 8
# So many of the best go on however far they are behind: with more rows EM may climb to
# another optimum. On 327,346 flights, of 168 candidates, one of five seeds chose a fit
# 2 % worse than the second best became, where it was dropped.
_FEWEST = 4
# What is left to gain where a fit to some of the rows ends, in nats: the criterion's
# error is some hundreds.
_SAMPLE_TOL = 0.5


@dataclass(frozen=True)
class Outcome:
    """What came of a candidate.

    Attributes
    ----------
    attempt : Attempt
        Its last fit.
    n_rows : int
        How many rows that was to.
    value : float
        The criterion for all rows; nan if it is not known, inf if it needs fits to
        parts of them of which one failed. If the fit was to some rows, it is that of
        the best candidate then, and what these rows say of the difference.
    error : float
        Standard error of that difference; 0 for a fit to all rows.
    reason : str
        Why it was not chosen, but for its value; empty if it could have been.
    """

    attempt: Attempt
    n_rows: int
    value: float
    error: float
    reason: str


@dataclass(frozen=True)
class Dropped:
    """An attempt that gets no more rows, and by how much it was behind which other."""

    attempt: Attempt
    n_rows: int
    reason: str
    best: Candidate | None = None
    behind: float = math.nan
    error: float = math.nan

    def outcome(self, known: Mapping[Candidate, Outcome]) -> Outcome:
        """What came of it, where it is known what came of the other."""
        value = math.nan if self.best is None else known[self.best].value + self.behind
        return Outcome(self.attempt, self.n_rows, value, self.error, self.reason)


@dataclass(frozen=True)
class Search:
    """How candidates are searched.

    Attributes
    ----------
    template : GaussianMixture
    rows : TrainingRows
    criterion : Criterion
    margin : float
        Candidates are dropped whose criterion is worse than the best by more than so
        many standard errors, as the rows of a round tell it, but for the four best.
        inf drops none.
    random_state : RandomState
    n_jobs : int or None
        Processes that share the structures among them, as joblib counts them.
    report : callable
        Told of each attempt, of how many rows it is to, and of how many attempts are
        still to come with as many.
    report_fold : callable
        Told of each fit without a fold: of the attempt that it is of, of the fold's
        number, of how many are still to come, and of the seconds that it took.
    """

    template: GaussianMixture
    rows: TrainingRows
    criterion: Criterion
    margin: float
    random_state: np.random.RandomState
    n_jobs: int | None = None
    report: Callable[[Attempt, int, int], object] = lambda *_: None
    report_fold: Callable[[Attempt, int, int, float], object] = lambda *_: None

    def outcomes(self, candidates: Sequence[Candidate]) -> list[Outcome]:
        """What came of each candidate, in their order."""
        most = max(candidate.n_components for candidate in candidates)
        n_all, n_features = self.rows.shape
        size = enough_rows(most, n_features)
        sample: TrainingRows = self.rows.drawn(size, self.random_state)
        if 2 * sample.shape[0] > n_all:  # a round of its own would save nothing
            sample = self.rows.drawn(n_all, self.random_state)
        assert isinstance(sample, RowsInMemory)
        attempts = self._first(candidates, sample)
        dropped: list[Dropped] = []
        while sample is not self.rows:
            attempts, hopeless = self._better(attempts, sample)
            dropped += hopeless
            size *= _GROWTH
            larger = self.rows.drawn(size, self.random_state)
            if larger.shape[0] <= sample.shape[0] or 2 * larger.shape[0] > n_all:
                break
            sample = larger
            attempts = self._next(attempts, sample, _SAMPLE_TOL)
        if sample is not self.rows:
            attempts = self._next(attempts, self.rows, self.template.tol)
        seed = int(self.random_state.randint(2**31))
        fitted = sum(attempt.model is not None for attempt in attempts)
        known = {}
        for attempt in attempts:
            fitted -= attempt.model is not None
            known[attempt.candidate] = self._outcome(attempt, seed, fitted)
        for hopeless_one in reversed(dropped):
            known[hopeless_one.attempt.candidate] = hopeless_one.outcome(known)
        return [known[candidate] for candidate in candidates]

    def _first(
        self, candidates: Sequence[Candidate], rows: RowsInMemory
    ) -> list[Attempt]:
        tol = self.template.tol if rows is self.rows else _SAMPLE_TOL
        fits = FirstFits.of(
            Fitter(self.template, rows, tol),
            {candidate.n_components for candidate in candidates},
            self.random_state,
        )
        attempts: dict[Candidate, Attempt] = {}
        for attempt in fits.of_all(candidates, self.n_jobs):
            attempts[attempt.candidate] = attempt
            self.report(attempt, rows.shape[0], len(candidates) - len(attempts))
        return [attempts[candidate] for candidate in candidates]

    def _next(
        self, attempts: Sequence[Attempt], rows: TrainingRows, tol: float
    ) -> list[Attempt]:
        """Fits that go on with more rows."""
        fitter = Fitter(self.template, rows, tol)
        further = []
        for n_done, attempt in enumerate(attempts, 1):
            candidate = attempt.candidate
            later = fitter.from_parameters(candidate, attempt.parameters)
            further.append(later.after(attempt))
            self.report(further[-1], rows.shape[0], len(attempts) - n_done)
        return further

    def _better(
        self, attempts: Sequence[Attempt], rows: RowsInMemory
    ) -> tuple[list[Attempt], list[Dropped]]:
        """Attempts worth more rows, the best first; and the others."""
        regular = [attempt for attempt in attempts if attempt.is_regular]
        dropped = [
            Dropped(attempt, rows.shape[0], attempt.reason)
            for attempt in attempts
            if not attempt.is_regular
        ]
        if not regular:
            return [], dropped
        weights = rows.weights if len(rows.weights) else np.ones(len(rows.values))
        weights = weights.astype(np.float64) / weights.sum(dtype=np.float64)
        n = 1 / float(weights @ weights)
        values = [
            self.criterion.values(a.fitted, _of_attempt(rows, a)) for a in regular
        ]
        N = self.rows.n_rows
        estimates = [
            self.criterion.expected(a.fitted, float(weights @ said), n, N)
            for a, said in zip(regular, values, strict=True)
        ]
        best = int(np.argmin(estimates))
        kept = []
        for rank, i in enumerate(np.argsort(estimates, kind="stable")):
            attempt, winner = regular[i], regular[best].candidate
            error = 2 * N * _error_of_mean(values[i] - values[best], weights, n)
            behind = estimates[i] - estimates[best]
            if behind <= self.margin * error or rank < _FEWEST:
                kept.append(attempt)
                continue
            reason = (
                f"dropped after {rows.shape[0]:,} rows: {behind:,.0f} worse than "
                f"{winner}, give or take {error:,.0f}"
            )
            dropped.append(
                Dropped(attempt, rows.shape[0], reason, winner, behind, error)
            )
        return kept, dropped[::-1]

    def _outcome(self, attempt: Attempt, seed: int, n_left: int) -> Outcome:
        """Of an attempt with all rows; so many others are still to be judged."""
        n_rows, began = self.rows.shape[0], compiling.clock()
        if attempt.model is None:
            return Outcome(attempt, n_rows, math.nan, 0.0, attempt.reason)
        value, reason = math.inf, attempt.reason
        n_folds, last = self.criterion.n_folds, began

        def done(fold: int) -> None:
            nonlocal last
            now = compiling.clock()
            n_more = n_left * n_folds + n_folds - fold
            self.report_fold(attempt, fold, n_more, now - last)
            last = now

        try:
            rows = rows_among(self.rows, attempt.candidate.n_components)
            value = self.criterion.of(attempt.model, rows, seed, done)
        except ValueError as error:
            reason = reason or str(error)
        seconds = attempt.seconds + compiling.clock() - began
        return Outcome(replace(attempt, seconds=seconds), n_rows, value, 0.0, reason)


def _of_attempt(rows: RowsInMemory, attempt: Attempt) -> RowsInMemory:
    found = rows_among(rows, attempt.candidate.n_components)
    assert isinstance(found, RowsInMemory)
    return found


def _error_of_mean(values: Array, weights: Array, n: float) -> float:
    mean = float(weights @ values)
    return math.sqrt(float(weights @ (values - mean) ** 2) / n)
