"""Runs of EM from several starts, and the choice among them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fastem import convergence_warnings, em
from fastem.acceleration import Path
from fastem.convergence import Trace
from fastem.covariances import SingularCovarianceError
from fastem.em import Fit
from fastem.expectation import Expectation
from fastem.maximization import Maximization
from fastem.progress import Reporter
from fastem.statistics import MixtureParameters
from fastem.stopping import StoppingRule


@dataclass(frozen=True)
class Run:
    """EM from any start: the same rows, the same steps, the same rule.

    Attributes
    ----------
    expect : Expectation
    maximize : Maximization
    rule : StoppingRule
    make_path : callable
        Makes the :class:`Path` of a run.
    n_rows : float
        Number of rows, each as often as its weight says.
    rounding : float
        How exact a log-likelihood is, relative to it.
    max_iter : int
    reporter : Reporter
    before : float
        Lower bound of an earlier fit that this one continues.
    """

    expect: Expectation
    maximize: Maximization
    rule: StoppingRule
    make_path: Callable[[], Path]
    n_rows: float
    rounding: float
    max_iter: int
    reporter: Reporter
    before: float = -math.inf

    def __call__(
        self, parameters: MixtureParameters, is_hopeless: Callable[[Trace], bool]
    ) -> Fit:
        """Fit from these parameters; drop it when ``is_hopeless`` says so."""
        self.expect.forget()
        return em.fit(
            parameters,
            self.expect,
            self.maximize,
            trace=Trace(self.n_rows, self.rounding, self.before),
            rule=self.rule,
            path=self.make_path(),
            max_iter=self.max_iter,
            is_hopeless=is_hopeless,
            reporter=self.reporter,
        )


@dataclass(frozen=True)
class Best:
    """The best of several fits, and how many were dropped before their end."""

    fit: Fit
    n_dropped: int = 0


def best_of(
    starts: Iterable[Callable[[], MixtureParameters]],
    run: Callable[[MixtureParameters, Callable[[Trace], bool]], Fit],
    is_hopeless: Callable[[Trace, float], bool],
) -> Best:
    """Fit from each start in turn, and choose the largest lower bound.

    One that ends in a singular covariance is skipped and counted; if all do, the
    first one's error is raised. The first of equal fits is chosen.

    Parameters
    ----------
    starts : iterable of callables
        Each makes a start.
    run : callable
        Fits from a start, and asks its second argument after each iteration whether
        to drop the fit.
    is_hopeless : callable
        Answers that, given the best lower bound so far.
    """
    best: Fit | None = None
    failures: list[SingularCovarianceError] = []
    n_dropped = 0

    def is_dropped(trace: Trace) -> bool:
        return best is not None and is_hopeless(trace, best.lower_bound)

    for start in starts:
        try:
            candidate = run(start(), is_dropped)
        except SingularCovarianceError as error:
            failures.append(error)
            continue
        if candidate.dropped:
            n_dropped += 1
        elif best is None or candidate.lower_bound > best.lower_bound:
            best = candidate
    if best is None:
        raise failures[0]
    if failures:
        what = "initialisation" if len(failures) == 1 else "initialisations"
        convergence_warnings.warn(
            f"Left out {len(failures)} {what} that ended in a singular covariance; the "
            f"first one said: {failures[0]}",
            stacklevel=4,
        )
    return Best(best, n_dropped)
