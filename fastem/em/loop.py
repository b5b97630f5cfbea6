"""Expectation-Maximisation: the loop."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self

from fastem.covariances import SingularCovarianceError
from fastem.em import convergence_warnings
from fastem.em.acceleration import Path
from fastem.em.convergence import UNKNOWN, Convergence, Trace
from fastem.em.maximization import Collapse, Maximization
from fastem.em.plateaus import Answer, End, PlateauTest
from fastem.em.progress import Reporter
from fastem.em.stopping import StoppingRule
from fastem.runtime import blas, compiling
from fastem.statistics import MixtureParameters, SufficientStatistics

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
    stopped: bool = False  # by the callback
    change: float = math.inf  # what the last step gained; inf if that is not known
    collapses: Sequence[Collapse] = ()
    untested: bool = False  # a test of the end was not over

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
        achieved = f"After {self.n_iter} iteration{'' if self.n_iter == 1 else 's'} "
        if math.isinf(self.change):
            achieved += "there is no change yet to compare with tol"
        else:
            achieved += (
                f"the mean log-likelihood still changed by {self.change:.1e} in one, "
                f"{self.convergence}, and tol is {tol:g}"
            )
        if self.untested:
            achieved += "; the test of that was not over"
        return (
            f"Best performing initialization did not converge. {achieved}. Increase "
            "max_iter or tol, or try another start."
        )


@dataclass
class Position:
    """Where a run of EM stands between two iterations: what the next one needs.

    Attributes
    ----------
    parameters : MixtureParameters
        Those of the next pass.
    reached : MixtureParameters
        Where EM's last step that was kept has led.
    trace : Trace
        The lower bounds so far.
    path : Path
        Chooses the next point: EM's, or one farther along. If the log-likelihood
        fell there, EM's point comes next, for the price of an iteration.
    iteration : int
        Number of iterations so far.
    largest_fall : callable
        Returns by how much the next lower bound may be less than the last.
    test : PlateauTest or None
        Asks for the next passes, since the rule is met.
    """

    parameters: MixtureParameters
    reached: MixtureParameters
    trace: Trace
    path: Path
    iteration: int
    largest_fall: Callable[[], float]
    test: PlateauTest | None = None

    @classmethod
    def start(cls, parameters: MixtureParameters, trace: Trace, path: Path) -> Self:
        """Where a run begins."""
        return cls(parameters, parameters, trace, path, 0, partial(float, math.inf))

    def begin_anew(self, parameters: MixtureParameters) -> None:
        """Go on from another mixture."""
        self.trace.break_off()
        self.path.begin_anew()
        self.largest_fall = partial(float, math.inf)
        self.parameters = parameters
        self.test = None

    def begin_test(self, test: PlateauTest) -> None:
        """Ask for the passes of the test next."""
        self.test = test
        if test.asked is not None:
            self.parameters = test.asked

    def hear(self, answer: Answer) -> None:
        """The answer of the pass that the test asked for."""
        assert self.test is not None
        self.test.hear(answer)
        if self.test.way_up is not None:
            self.trace.plateaus.append(self.trace.last)
            self.begin_anew(self.test.way_up)
        elif self.test.asked is not None:
            self.parameters = self.test.asked

    @property
    def is_tested(self) -> bool:
        """Whether no test of what was reached is under way."""
        return self.test is None or self.test.asked is None


class Recorder(Protocol):
    """Keeps the positions of a run, to go on from if it is killed."""

    def record(self, position: Position, *, at_once: bool = False) -> None:
        """Keep it if that is due; in any case, if ``at_once``."""


class NoRecorder:
    """Keeps nothing."""

    def record(self, position: Position, *, at_once: bool = False) -> None:
        """Nothing is kept."""


def fit(
    position: Position,
    expect: Callable[[MixtureParameters], SufficientStatistics],
    maximize: Maximization,
    *,
    rule: StoppingRule,
    max_iter: int,
    is_hopeless: Callable[[Trace], bool] = lambda trace: False,
    reporter: Reporter,
    recorder: Recorder | None = None,
) -> Fit:
    """Alternate the two steps until the rule is met.

    EM lowers the log-likelihood by no more than ``maximize.largest_fall``, which is 0
    without a ridge, and rounding: a larger fall is warned of.

    Parameters
    ----------
    position : Position
        Where to begin, or to go on. It is moved.
    rule : StoppingRule
    is_hopeless : callable, optional
        Whether to drop the fit. Asked after each iteration.
    recorder : Recorder, optional
        Is shown the position before each iteration, and where the callback stopped
        the fit; of a test only where it begins.

    Raises
    ------
    SingularCovarianceError
        If a component collapsed, and ``maximize`` does not mend that.
    ValueError
        If the log-likelihood is no number.
    """
    recorder = recorder or NoRecorder()
    at, trace, path = position, position.trace, position.path
    reporter.begin(at.iteration)
    # A position that was recorded when the callback stopped the fit may be its end.
    converged = rule.is_met(trace) and at.is_tested
    dropped = not converged and is_hopeless(trace)
    stopped = False

    def is_near(remaining: float) -> bool:
        return rule.is_near(trace, remaining * trace.n_rows)

    def iterations_left() -> float:
        if converged:
            return 0.0
        return min(rule.iterations_left(trace), max_iter - at.iteration)

    with blas.one_thread():
        while at.iteration < max_iter and not (converged or dropped or stopped):
            if at.test is None:
                recorder.record(at)
            began = compiling.clock()
            at.iteration += 1
            parameters = at.parameters
            statistics = expect(parameters)
            lower_bound = statistics.log_likelihood / statistics.total
            image, mended = _image(
                *(statistics, lower_bound, maximize, parameters, at.iteration),
                is_trial=path.extrapolated or at.test is not None,
            )
            if at.test is not None:
                trace.n_rejected += 1
                at.hear(Answer(lower_bound, image))
            elif image is None or (path.extrapolated and trace.is_fall(lower_bound)):
                at.parameters = path.reject(image)
                trace.n_rejected += 1
            else:
                trace.add(lower_bound, extrapolated=path.extrapolated)
                _warn_of_fall(trace, at.largest_fall, at.iteration)
                at.reached = image
                if mended:
                    at.begin_anew(image)
                else:
                    at.largest_fall = partial(
                        maximize.largest_fall, statistics, parameters, image
                    )
                    at.parameters = path.choose(parameters, image, is_near)
            is_met = rule.is_met(trace)
            claim = rule.claim(trace) if is_met and at.test is None else None
            if claim is not None:
                shares = statistics.weights / statistics.total
                end = End(parameters, at.reached, lower_bound, shares, claim)
                at.begin_test(PlateauTest(maximize, end))
                recorder.record(at, at_once=True)
            converged = is_met and at.is_tested
            dropped = not converged and is_hopeless(trace)
            seconds = compiling.clock() - began
            stopped = reporter.iteration(
                *(at.iteration, trace.last, trace.change, seconds),
                iterations_left,
            )
        convergence = trace.certificate(path.remaining())
    if stopped and at.test is None:
        recorder.record(at, at_once=True)
    reporter.end(converged, dropped, trace.last, convergence)
    return Fit(
        at.reached,
        converged,
        trace.lower_bounds,
        convergence,
        dropped,
        stopped,
        trace.change,
        maximize.collapses,
        not at.is_tested,
    )


def _image(
    statistics: SufficientStatistics,
    lower_bound: float,
    maximize: Maximization,
    before: MixtureParameters,
    iteration: int,
    *,
    is_trial: bool,
) -> tuple[MixtureParameters | None, bool]:
    """Where EM goes from here, and whether a collapse had to be mended for that.

    None if it cannot go on, and need not, since ``is_trial``.
    """
    if not math.isfinite(lower_bound):
        if is_trial:
            return None, False
        raise ValueError(
            f"The log-likelihood is {lower_bound} at iteration {iteration}: some rows "
            "lie too far from every component for their distance to be a number. Scale "
            "the data, or start from means among the rows."
        )
    try:
        return maximize(statistics, before), False
    except SingularCovarianceError as error:
        if is_trial:
            return None, False
        return maximize.mend(statistics, error, iteration, before), True


def _warn_of_fall(
    trace: Trace, largest_fall: Callable[[], float], iteration: int
) -> None:
    fall = -trace.change
    if fall <= 0:
        return
    rounding = max(_ROUNDING, _ROUNDINGS * trace.rounding) * max(1.0, abs(trace.last))
    if fall > rounding and fall > largest_fall() + rounding:
        convergence_warnings.warn(
            "The mean log-likelihood fell, which only rounding can do: a covariance is "
            f"close to singular. It fell by {fall:.1e} in iteration {iteration}. Scale "
            "the columns alike, or raise reg_covar.",
        )
