"""Expectation-Maximisation: the loop."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from fastem import blas, convergence_warnings
from fastem.acceleration import Path
from fastem.convergence import UNKNOWN, Convergence, Trace
from fastem.covariances import SingularCovarianceError
from fastem.maximization import Collapse, Maximization
from fastem.progress import Reporter
from fastem.statistics import MixtureParameters, SufficientStatistics
from fastem.stopping import StoppingRule

# Falls up to this, relative to the log-likelihood, and up to so many of its roundings,
# are what rounding does to covariances that are far from singular.
_ROUNDING = 1e-9
_ROUNDINGS = 4000


@dataclass(frozen=True)
class Fit:
    """The outcome of one run of EM."""

    parameters: MixtureParameters
    converged: bool
    lower_bounds: list[float]
    convergence: Convergence = UNKNOWN
    dropped: bool = False
    change: float = math.inf  # what the last step gained; inf if that is not known
    collapses: Sequence[Collapse] = ()

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
        achieved = f"after {self.n_iter} iteration{'' if self.n_iter == 1 else 's'} "
        if math.isinf(self.change):
            achieved += "there is no change yet to compare with tol"
        else:
            achieved += (
                f"the mean log-likelihood still changed by {self.change:.1e} in one, "
                f"{self.convergence}, and tol is {tol:g}"
            )
        return (
            f"Best performing initialization did not converge: {achieved}. Increase "
            "max_iter or tol, or try another start."
        )


def fit(
    parameters: MixtureParameters,
    expect: Callable[[MixtureParameters], SufficientStatistics],
    maximize: Maximization,
    *,
    trace: Trace,
    rule: StoppingRule,
    path: Path,
    max_iter: int,
    is_hopeless: Callable[[Trace], bool] = lambda trace: False,
    reporter: Reporter,
) -> Fit:
    """Alternate the two steps until the rule is met.

    EM lowers the log-likelihood by no more than ``maximize.largest_fall``, which is 0
    without a ridge, and rounding: a larger fall is warned of.

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

    Raises
    ------
    SingularCovarianceError
        If a component collapsed, and ``maximize`` does not mend that.
    ValueError
        If the log-likelihood is no number.
    """
    reporter.begin()
    converged = dropped = False
    reached = parameters
    largest_fall = partial(float, math.inf)  # of the next lower bound, if it falls

    def is_near(remaining: float) -> bool:
        return rule.is_near(trace, remaining * trace.n_rows)

    with blas.one_thread():
        for iteration in range(1, max_iter + 1):
            began = time.perf_counter()
            statistics = expect(parameters)
            lower_bound = statistics.log_likelihood / float(statistics.weights.sum())
            image, mended = _image(statistics, lower_bound, maximize, path, iteration)
            if image is None or (path.extrapolated and trace.is_fall(lower_bound)):
                parameters = path.reject(image)
                trace.n_rejected += 1
            else:
                trace.add(lower_bound, extrapolated=path.extrapolated)
                _warn_of_fall(trace, largest_fall, iteration)
                reached = image
                if mended:
                    trace.break_off()
                    path.begin_anew()
                    largest_fall, parameters = partial(float, math.inf), image
                else:
                    largest_fall = partial(
                        maximize.largest_fall, statistics, parameters, image
                    )
                    parameters = path.choose(parameters, image, is_near)
            seconds = time.perf_counter() - began
            reporter.iteration(iteration, trace.last, trace.change, seconds)
            converged = rule.is_met(trace)
            dropped = not converged and is_hopeless(trace)
            if converged or dropped:
                break
    convergence = trace.certificate(path.remaining())
    reporter.end(converged, dropped, trace.last, convergence)
    return Fit(
        reached,
        converged,
        trace.lower_bounds,
        convergence,
        dropped,
        trace.change,
        maximize.collapses,
    )


def _image(
    statistics: SufficientStatistics,
    lower_bound: float,
    maximize: Maximization,
    path: Path,
    iteration: int,
) -> tuple[MixtureParameters | None, bool]:
    """Where EM goes from here, and whether a collapse had to be mended for that.

    None if it cannot go on, and need not.
    """
    if not math.isfinite(lower_bound):
        if path.extrapolated:
            return None, False
        raise ValueError(
            f"The log-likelihood is {lower_bound} at iteration {iteration}: some rows "
            "lie too far from every component for their distance to be a number. Scale "
            "the data, or start from means among the rows."
        )
    try:
        return maximize(statistics), False
    except SingularCovarianceError as error:
        if path.extrapolated:
            return None, False
        return maximize.mend(statistics, error, iteration), True


def _warn_of_fall(
    trace: Trace, largest_fall: Callable[[], float], iteration: int
) -> None:
    fall = -trace.change
    if fall <= 0:
        return
    rounding = max(_ROUNDING, _ROUNDINGS * trace.rounding) * max(1.0, abs(trace.last))
    if fall > rounding and fall > largest_fall() + rounding:
        convergence_warnings.warn(
            f"The mean log-likelihood fell by {fall:.1e} in iteration "
            f"{iteration}, which only rounding can do: a covariance is close "
            "to singular. Scale the columns alike, or raise reg_covar.",
            stacklevel=7,
        )
