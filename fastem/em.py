"""Expectation-Maximisation: the loop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from fastem import blas, convergence_warnings
from fastem.acceleration import Path
from fastem.convergence import UNKNOWN, Convergence, Trace
from fastem.covariances import SingularCovarianceError
from fastem.progress import Reporter
from fastem.statistics import MixtureParameters, SufficientStatistics
from fastem.stopping import StoppingRule


@dataclass(frozen=True)
class Fit:
    """The outcome of one run of EM."""

    parameters: MixtureParameters
    converged: bool
    lower_bounds: list[float]
    convergence: Convergence = UNKNOWN
    dropped: bool = False

    @property
    def n_iter(self) -> int:
        """Number of iterations: passes over the rows."""
        return len(self.lower_bounds) + self.convergence.n_rejected

    @property
    def lower_bound(self) -> float:
        """Mean log-likelihood of a row at the start of the last iteration kept."""
        return self.lower_bounds[-1] if self.lower_bounds else -math.inf

    def shortfall(self, tol: float) -> str:
        """What a fit that did not converge achieved, and what to do."""
        achieved = "after 1 iteration there is no change yet to compare with tol"
        if len(self.lower_bounds) > 1:
            change = self.lower_bounds[-1] - self.lower_bounds[-2]
            achieved = (
                f"after {self.n_iter} iterations the mean log-likelihood still "
                f"changed by {change:.1e} in one, {self.convergence}, and tol is "
                f"{tol:g}"
            )
        return (
            f"Best performing initialization did not converge: {achieved}. Increase "
            "max_iter or tol, or try another start."
        )


def fit(
    parameters: MixtureParameters,
    expect: Callable[[MixtureParameters], SufficientStatistics],
    maximize: Callable[[SufficientStatistics], MixtureParameters],
    *,
    trace: Trace,
    rule: StoppingRule,
    path: Path,
    max_iter: int,
    is_hopeless: Callable[[Trace], bool] = lambda trace: False,
    largest_fall: float = math.inf,
    reporter: Reporter,
) -> Fit:
    """Alternate the two steps until the rule is met.

    Parameters
    ----------
    trace : Trace
        Empty; the lower bounds are added to it.
    rule : StoppingRule
    path : Path
        Chooses the next point: EM's, or one farther along. If the log-likelihood
        fell there, EM's point comes next, for the price of an iteration.
    is_hopeless : callable, optional
        Whether to drop the fit. Asked after each iteration.
    largest_fall : float, default=inf
        EM never lowers the log-likelihood; a fall by more than this, relative to it,
        is warned of. (A ridge on the covariances makes small falls legitimate.)

    Raises
    ------
    SingularCovarianceError
    ValueError
        If the log-likelihood is no number.
    """
    reporter.begin()
    converged = dropped = False
    reached = parameters

    def is_near(remaining: float) -> bool:
        return rule.is_near(trace, remaining * trace.n_rows)

    with blas.one_thread():
        for iteration in range(1, max_iter + 1):
            began = time.perf_counter()
            statistics = expect(parameters)
            lower_bound = statistics.log_likelihood / float(statistics.weights.sum())
            image = _image(statistics, lower_bound, maximize, path, iteration)
            if image is None or (path.extrapolated and trace.is_fall(lower_bound)):
                parameters = path.reject(image)
                trace.n_rejected += 1
            else:
                trace.add(lower_bound, extrapolated=path.extrapolated)
                _warn_of_fall(trace, largest_fall, iteration)
                reached = image
                parameters = path.choose(parameters, image, is_near)
            seconds = time.perf_counter() - began
            reporter.iteration(iteration, trace.last, trace.change, seconds)
            converged = rule.is_met(trace)
            dropped = not converged and is_hopeless(trace)
            if converged or dropped:
                break
    convergence = trace.certificate(path.remaining())
    reporter.end(converged, dropped, trace.last, convergence)
    return Fit(reached, converged, trace.lower_bounds, convergence, dropped)


def _image(
    statistics: SufficientStatistics,
    lower_bound: float,
    maximize: Callable[[SufficientStatistics], MixtureParameters],
    path: Path,
    iteration: int,
) -> MixtureParameters | None:
    """Where EM goes from here; None if it cannot, and need not."""
    if not math.isfinite(lower_bound):
        if path.extrapolated:
            return None
        raise ValueError(
            f"The log-likelihood is {lower_bound} at iteration {iteration}: some rows "
            "lie too far from every component for their distance to be a number. Scale "
            "the data, or start from means among the rows."
        )
    try:
        return maximize(statistics)
    except SingularCovarianceError:
        if path.extrapolated:
            return None
        raise


def _warn_of_fall(trace: Trace, largest_fall: float, iteration: int) -> None:
    fall = -trace.change
    if fall > largest_fall * max(1.0, abs(trace.last)):
        convergence_warnings.warn(
            f"The mean log-likelihood fell by {fall:.1e} in iteration "
            f"{iteration}, which only rounding can do: a covariance is close "
            "to singular. Scale the columns alike, or raise reg_covar.",
            stacklevel=3,
        )
