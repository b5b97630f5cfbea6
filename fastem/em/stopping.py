"""When a fit is near enough to its limit, or too far from the best."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Protocol, final

from fastem.em.convergence import FORECAST_BOUNDS, Trace

_AGREEING_FORECASTS = 3
_STEPS_TO_AGREE = FORECAST_BOUNDS + _AGREEING_FORECASTS - 2
_NEGLIGIBLE = 1e-4
_MOST_RETURNS = 10
_STEPS_TO_DROP = 20
_FORECASTS_TO_DROP = 10
_GENEROSITY = 1000.0


def _is_still(trace: Trace, lost: float) -> bool:
    """Whether none of EM's last steps changed the lower bound by more than ``lost``."""
    bounds = trace.lower_bounds[-_AGREEING_FORECASTS - 1 :]
    return trace.n_plain >= _AGREEING_FORECASTS and all(
        abs(after - before) <= lost for before, after in pairwise(bounds)
    )


def _steps_until(small: float, gain: float, rate: float) -> float:
    """After how many steps a gain is ``small``, if each shrinks it by ``rate``."""
    if not (0 < rate < 1 and small > 0 and math.isfinite(gain)):
        return math.inf
    if abs(gain) <= small:
        return 1.0
    return math.ceil(math.log(small / abs(gain)) / math.log(rate))


class StoppingRule(Protocol):
    """When a fit is near enough to its limit."""

    def is_near(self, trace: Trace, remaining: float) -> bool:
        """Whether steps of EM's own should now tell if the fit may end.

        ``remaining`` is what extrapolation takes for the total gain that is left.
        """

    def is_met(self, trace: Trace) -> bool:
        """Whether the fit may end."""

    def claim(self, trace: Trace) -> float | None:
        """What it says that EM gains less than, of a row, if the fit may end.

        That is to be tested; None if there is nothing to test.
        """

    def iterations_left(self, trace: Trace) -> float:
        """When it will be met, as the last gains foretell; inf if they do not."""

    def is_hopeless(self, trace: Trace, best: float) -> bool:
        """Whether to drop a fit, as it will not become better than ``best``."""


@final
@dataclass(frozen=True)
class SmallChange:
    """A step of EM changes the mean log-likelihood of a row by less than ``tol``.

    With a ``tol`` of 0: three in a row change it by no more than rounding.
    """

    name: ClassVar[str] = "change"
    tol: float

    def is_near(self, trace: Trace, remaining: float) -> bool:
        """Whether the last step, of any kind, changed it by less than ``tol``."""
        if self.tol == 0:
            return abs(trace.change) <= trace.resolution
        return abs(trace.change) < self.tol

    def is_met(self, trace: Trace) -> bool:
        """Whether the last step was EM's own and changed it by less than ``tol``."""
        if self.tol == 0:
            return _is_still(trace, trace.resolution)
        return abs(trace.change) < self.tol and trace.is_plain

    def claim(self, trace: Trace) -> None:
        """Nothing is said of what is left to gain."""

    def iterations_left(self, trace: Trace) -> float:
        """Until the last gain has shrunk to ``tol``."""
        return _steps_until(self.tol, trace.change, trace.forecast()[1])

    def is_hopeless(self, trace: Trace, best: float) -> bool:
        """Never: this rule ends a fit before it can be told."""
        return False


@final
@dataclass(frozen=True)
class SmallRemainder:
    """All that EM would still gain in total is less than ``tol`` nats.

    Three forecasts in a row must say so, or as many gains be lost in rounding, or be
    so small that ten thousand of them would be less than ``tol``. Of 150 fits to
    small data sets with tol = 0.01, three forecasts ended 8 too early, most of them on
    a plateau with another rise behind it; one forecast 31; Aitken's usual one, of the
    gains alone, 58, and three of it 27.

    No forecast sees a plateau, not even twenty in a row that agree: of 1,000 random
    problems 24 ended on one that EM left later, for over 0.1 nats. So what is said is
    tested (:class:`fastem.em.plateaus.PlateauTest`): none did then, for 1.18 times the
    passes.
    """

    name: ClassVar[str] = "remaining_gain"
    tol: float

    def is_near(self, trace: Trace, remaining: float) -> bool:
        """Whether less than ``tol`` seems left, or no more than rounding.

        Not if EM's own steps have been asked, and say that it is more.
        """
        is_small = abs(trace.change) * trace.n_rows < self.tol and remaining < self.tol
        if not (is_small or abs(trace.change) <= trace.resolution):
            return False
        return trace.n_plain < _STEPS_TO_AGREE and not (
            abs(trace.forecast()[0]) >= self.tol
        )

    def is_met(self, trace: Trace) -> bool:
        """Whether each of the last forecasts, or of the last gains, is small enough."""
        if _is_still(
            trace, max(trace.resolution, _NEGLIGIBLE * self.tol / trace.n_rows)
        ):
            return True
        return trace.n_plain >= _AGREEING_FORECASTS and all(
            abs(trace.forecast(ago)[0]) < self.tol for ago in range(_AGREEING_FORECASTS)
        )

    def claim(self, trace: Trace) -> float | None:
        """That it is ``tol`` in total, or what is lost in rounding.

        With a ridge EM may come back, or go round in circles: after the tenth time
        that it left a plateau for one no higher, nothing is tested.
        """
        claim = max(self.tol / trace.n_rows, trace.resolution)
        return claim if trace.returns(claim) < _MOST_RETURNS else None

    def iterations_left(self, trace: Trace) -> float:
        """Until what is left to gain has shrunk to ``tol``."""
        return _steps_until(self.tol, *trace.forecast())

    def is_hopeless(self, trace: Trace, best: float) -> bool:
        """Whether a thousand times the gain that is left would not reach ``best``.

        As each of the last ten forecasts must say, after twenty iterations or more.
        No such rule is safe where a plateau hides a rise. Of 1,536 choices among 8
        starts (small data sets, many with too many components, all ways to start)
        five forecasts of this size dropped the winner in 3, and saved 5 % of the
        passes; a hundred times the gain and ten forecasts: 10, and 10 %; ten times and
        three: 94, and 35 %.
        """
        if trace.n_plain < _STEPS_TO_DROP or trace.last >= best:
            return False
        missing = (best - trace.last) * trace.n_rows
        return all(
            _GENEROSITY * abs(trace.forecast(ago)[0]) < missing
            for ago in range(_FORECASTS_TO_DROP)
        )


STOPPING_RULES: dict[str, type[SmallChange] | type[SmallRemainder]] = {
    rule.name: rule for rule in (SmallChange, SmallRemainder)
}
