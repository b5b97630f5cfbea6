"""The choice among several starts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fastem import convergence_warnings
from fastem.convergence import Trace
from fastem.covariances import SingularCovarianceError
from fastem.em import Fit
from fastem.statistics import MixtureParameters


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
        convergence_warnings.warn(
            f"{len(failures)} initialisations ended in a singular covariance and were "
            f"left out; the first one said: {failures[0]}",
            stacklevel=2,
        )
    return Best(best, n_dropped)
