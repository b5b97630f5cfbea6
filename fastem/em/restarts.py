"""Runs of EM from several starts, and the choice among them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from fastem.covariances import SingularCovarianceError
from fastem.em import convergence_warnings, loop
from fastem.em.convergence import Trace
from fastem.em.expectation import Expectation
from fastem.em.loop import Fit, Position, Recorder
from fastem.em.maximization import Maximization
from fastem.em.plan import Plan
from fastem.em.progress import Reporter
from fastem.statistics import MixtureParameters


@dataclass(frozen=True)
class Run:
    """EM from any start: the same rows, the same steps, the same rule.

    Attributes
    ----------
    plan : Plan
    expect : Expectation
    maximize : Maximization
    n_rows : float
        Number of rows, each as often as its weight says.
    rounding : float
        How exact a log-likelihood is, relative to it.
    reporter : Reporter
    before : float
        Lower bound of an earlier fit that this one continues.
    recorder : Recorder, optional
        Keeps the positions of the runs.
    """

    plan: Plan
    expect: Expectation
    maximize: Maximization
    n_rows: float
    rounding: float
    reporter: Reporter
    before: float = -math.inf
    recorder: Recorder | None = None

    def __call__(
        self, start: MixtureParameters | Position, is_hopeless: Callable[[Trace], bool]
    ) -> Fit:
        """Fit from here; drop it when ``is_hopeless`` says so."""
        return loop.fit(
            start if isinstance(start, Position) else self._position(start),
            self.expect,
            self.maximize,
            rule=self.plan.stopping,
            max_iter=self.plan.max_iter,
            is_hopeless=is_hopeless,
            reporter=self.reporter,
            recorder=self.recorder,
        )

    def _position(self, parameters: MixtureParameters) -> Position:
        self.expect.forget()
        trace = Trace(self.n_rows, self.rounding, self.before)
        return Position.start(parameters, trace, self.plan.path())


@dataclass
class Search:
    """How far the choice among several starts has come.

    Attributes
    ----------
    n_finished : int
        Number of starts whose fits are over.
    best : Fit or None
        The best of them.
    n_dropped : int
        How many were dropped before their end.
    failures : list of SingularCovarianceError
        The errors of those that ended in a singular covariance.
    waiting : list of MixtureParameters
        Starts to try if those before end as spikes.
    """

    n_finished: int = 0
    best: Fit | None = None
    n_dropped: int = 0
    failures: list[SingularCovarianceError] = field(default_factory=list)
    waiting: list[MixtureParameters] = field(default_factory=list)


@dataclass(frozen=True)
class Best:
    """The best of several fits, and how many were dropped before their end."""

    fit: Fit
    n_dropped: int = 0
    stopped: bool = False  # by the callback


def best_of(
    starts: Iterable[Callable[[], Any]],
    run: Callable[[Any, Callable[[Trace], bool]], Fit],
    is_hopeless: Callable[[Trace, float], bool],
    search: Search | None = None,
    is_regular: Callable[[Fit], bool] = lambda fit: True,
) -> Best:
    """Fit from each start in turn, and choose the largest lower bound of regular fits.

    A spike of density that only a ridge holds up has a larger one than any other fit,
    and is chosen if there is nothing else.
    One that ends in a singular covariance is skipped and counted; if all do, the
    first one's error is raised. The first of equal fits is chosen. If the callback
    stops a fit, it is the last one.

    Parameters
    ----------
    starts : iterable of callables
        Each makes a start.
    run : callable
        Fits from a start, and asks its second argument after each iteration whether
        to drop the fit.
    is_hopeless : callable
        Answers that, given the best lower bound so far.
    search : Search, optional
        What is known of earlier starts. It is kept up to date.
    is_regular : callable, optional
        Whether a fit is no such spike. Asked where there are several to choose from.
    """
    search = search or Search()
    stopped = False
    is_regular = _asked_once(is_regular)

    def is_dropped(trace: Trace) -> bool:
        best = search.best
        if best is None or not is_hopeless(trace, best.lower_bound):
            return False
        return is_regular(best)

    def is_better(candidate: Fit) -> bool:
        best = search.best
        if best is None:
            return True
        of_candidate = is_regular(candidate), candidate.lower_bound
        return of_candidate > (is_regular(best), best.lower_bound)

    for start in starts:
        try:
            candidate = run(start(), is_dropped)
        except SingularCovarianceError as error:
            search.failures.append(error)
            search.n_finished += 1
            continue
        search.n_finished += 1
        if candidate.dropped:
            search.n_dropped += 1
        elif is_better(candidate):
            search.best = candidate
        if candidate.stopped:
            stopped = True
            break
    if search.best is None:
        raise search.failures[0]
    if search.failures:
        n_failed = len(search.failures)
        what = "initialisation" if n_failed == 1 else "initialisations"
        convergence_warnings.warn(
            "Left out initialisations that ended in a singular covariance. "
            f"{n_failed} {what} did, and the first one said: {search.failures[0]}",
        )
    return Best(search.best, search.n_dropped, stopped)


def _asked_once(is_regular: Callable[[Fit], bool]) -> Callable[[Fit], bool]:
    """The same, with the last two answers remembered."""
    known: list[tuple[Fit, bool]] = []

    def answer(fit: Fit) -> bool:
        for other, said in known:
            if other is fit:
                return said
        known.append((fit, is_regular(fit)))
        del known[:-2]
        return known[-1][1]

    return answer
