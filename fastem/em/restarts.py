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
    """

    n_finished: int = 0
    best: Fit | None = None
    n_dropped: int = 0
    failures: list[SingularCovarianceError] = field(default_factory=list)


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
) -> Best:
    """Fit from each start in turn, and choose the largest lower bound.

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
    """
    search = search or Search()
    stopped = False

    def is_dropped(trace: Trace) -> bool:
        best = search.best
        return best is not None and is_hopeless(trace, best.lower_bound)

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
        elif search.best is None or candidate.lower_bound > search.best.lower_bound:
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
