"""Expectation-Maximisation: the loop, and the choice among restarts."""

import math
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from fastem.covariances import SingularCovarianceError
from fastem.progress import Reporter
from fastem.statistics import MixtureParameters, SufficientStatistics


@dataclass(frozen=True)
class Fit:
    """The outcome of one run of EM."""

    parameters: MixtureParameters
    converged: bool
    lower_bounds: list[float]

    @property
    def n_iter(self) -> int:
        """Number of iterations."""
        return len(self.lower_bounds)

    @property
    def lower_bound(self) -> float:
        """Mean log-likelihood of a row at the start of the last iteration."""
        return self.lower_bounds[-1] if self.lower_bounds else -math.inf


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of this process.

    The maximisation step uses one thread of them. Its matrices are small, and on a
    machine where other programs run, BLAS's threads wait for each other: 388 ms
    against 1 ms for 8 Cholesky factors of 128 columns.
    """
    return ThreadpoolController()


def fit(
    parameters: MixtureParameters,
    expect: Callable[[MixtureParameters], SufficientStatistics],
    maximize: Callable[[SufficientStatistics], MixtureParameters],
    *,
    tol: float,
    max_iter: int,
    lower_bound: float = -math.inf,
    largest_fall: float = math.inf,
    reporter: Reporter,
) -> Fit:
    """Alternate the two steps until the mean log-likelihood gains less than ``tol``.

    ``lower_bound`` is what an earlier run had reached, if this one continues it. EM
    never lowers the log-likelihood; a fall by more than ``largest_fall``, relative to
    it, is warned of. (A ridge on the covariances makes small falls legitimate.)
    """
    reporter.begin()
    lower_bounds: list[float] = []
    converged = False
    with _blas().limit(limits=1, user_api="blas"):
        for iteration in range(1, max_iter + 1):
            began = time.perf_counter()
            statistics = expect(parameters)
            before, lower_bound = (
                lower_bound,
                statistics.log_likelihood / float(statistics.weights.sum()),
            )
            if not math.isfinite(lower_bound):
                raise ValueError(
                    f"The log-likelihood is {lower_bound} at iteration {iteration}: "
                    "some rows lie too far from every component for their distance to "
                    "be a number. Scale the data, or start from means among the rows."
                )
            parameters = maximize(statistics)
            lower_bounds.append(lower_bound)
            change = lower_bound - before
            if -change > largest_fall * max(1.0, abs(lower_bound)):
                warnings.warn(
                    f"The mean log-likelihood fell by {-change:.1e} in iteration "
                    f"{iteration}, which only rounding can do: a covariance is close "
                    "to singular. Scale the columns alike, or raise reg_covar.",
                    ConvergenceWarning,
                    stacklevel=2,
                )
            reporter.iteration(
                iteration, lower_bound, change, time.perf_counter() - began
            )
            if abs(change) < tol:
                converged = True
                break
    reporter.end(converged, lower_bound)
    return Fit(parameters, converged, lower_bounds)


def best_of(fits: Iterable[Callable[[], Fit]]) -> Fit:
    """Run the restarts and return the one with the largest lower bound.

    A restart that ends in a singular covariance is skipped and counted; if all
    do, the first one's error is raised.
    """
    best: Fit | None = None
    failures: list[SingularCovarianceError] = []
    for run in fits:
        try:
            candidate = run()
        except SingularCovarianceError as error:
            failures.append(error)
            continue
        if best is None or candidate.lower_bound > best.lower_bound:
            best = candidate
    if best is None:
        raise failures[0]
    if failures:
        warnings.warn(
            f"{len(failures)} initialisations ended in a singular covariance and were "
            f"left out; the first one said: {failures[0]}",
            ConvergenceWarning,
            stacklevel=2,
        )
    return best
