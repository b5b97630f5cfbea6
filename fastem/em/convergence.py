"""How near a fit is to its limit, as far as its last steps can tell."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike

FORECAST_BOUNDS = 5


@dataclass(frozen=True)
class Convergence:
    """How near a fit came to its limit, as far as its last steps can tell.

    Attributes
    ----------
    remaining_gain : float
        Total log-likelihood (the sum over rows, times their weights, in nats) that
        EM would still gain if it went on for ever. It is a forecast from how the
        last gains shrink, and foresees no second rise after a plateau;
        ``stopping='remaining_gain'`` looks for one before a fit ends. nan if it
        cannot be told: too few iterations, gains that do not shrink steadily yet, or
        losses: with a ridge, EM may lower the log-likelihood for ever.
    rate : float
        What the gains shrink by in an iteration, in the limit: at 0.99, a hundred
        more iterations leave a third of the remaining gain. nan if it cannot be told.
    at_rounding : bool
        Whether the last gain was too small to be told from rounding.
        ``remaining_gain`` then is the smallest gain that can be told.
    n_decreases : int
        Iterations that lowered the log-likelihood by more than rounding does.
    n_rejected : int
        Passes over the rows that left the parameters as they were: steps that
        ``accelerate`` had to take back, and those that tested the end.
    """

    remaining_gain: float = math.nan
    rate: float = math.nan
    at_rounding: bool = False
    n_decreases: int = 0
    n_rejected: int = 0

    def __str__(self) -> str:
        """What is left to gain, as the middle of a sentence."""
        if self.at_rounding:
            return (
                "no more than rounding is left to gain "
                f"({self.remaining_gain:.1g} nats in total)"
            )
        if math.isnan(self.remaining_gain):
            if not self.n_decreases:
                return "a forecast of further gains takes more iterations"
            times = f"{self.n_decreases} time{'' if self.n_decreases == 1 else 's'}"
            return (
                "what is left to gain cannot be told, as the log-likelihood fell "
                f"{times}: reg_covar decides where this ends (make it smaller, or "
                "'relative')"
            )
        return f"about {self.remaining_gain:.2g} nats in total are left to gain"


UNKNOWN = Convergence()


def rounding_of(dtype: DTypeLike) -> float:
    """How exact a log-likelihood of rows of this type is, relative to it.

    Seen at the limit: changes by up to 10 roundings of float64, in sums over 400,000
    rows; of float32 by up to 0.23, as errors of single rows cancel each other.
    """
    return max(16 * float(np.finfo(np.float64).eps), float(np.finfo(dtype).eps) / 4)


@dataclass
class Trace:
    """What a fit has attained so far.

    Attributes
    ----------
    n_rows : float
        Number of rows, each as often as its weight says.
    rounding : float
        How exact a log-likelihood is, relative to it.
    before : float
        Lower bound of an earlier fit that this one continues.
    lower_bounds : list of float
        Mean log-likelihood of a row, for each pass whose parameters were kept.
    plain_from : int
        Index of the first lower bound since which all steps were EM's own.
    n_rejected : int
        As in :class:`Convergence`.
    broken_at : list of int
        Indices of lower bounds that are those of another mixture than the ones before:
        a component was dropped or seeded anew, or EM left a plateau.
    plateaus : list of float
        The last lower bounds before EM left a plateau.
    """

    n_rows: float
    rounding: float
    before: float = -math.inf
    lower_bounds: list[float] = field(default_factory=list)
    plain_from: int = 0
    n_rejected: int = 0
    broken_at: list[int] = field(default_factory=list)
    plateaus: list[float] = field(default_factory=list)

    def add(self, lower_bound: float, *, extrapolated: bool) -> None:
        """A step was taken, by EM or by extrapolation."""
        if extrapolated:
            self.plain_from = len(self.lower_bounds)
        self.lower_bounds.append(lower_bound)

    def break_off(self) -> None:
        """The next lower bound will be that of another mixture."""
        self.plain_from = len(self.lower_bounds)
        self.broken_at.append(len(self.lower_bounds))

    def returns(self, claim: float) -> int:
        """How often EM, having left a plateau, came to one that is no higher.

        By no more than ``claim``: without a ridge that cannot happen.
        """
        highest = itertools.accumulate(self.plateaus, max)
        return sum(
            after <= before + claim
            for before, after in zip(highest, self.plateaus[1:], strict=False)
        )

    def is_fall(self, lower_bound: float) -> bool:
        """Whether this is less than what was attained, by more than rounding."""
        return not lower_bound >= self.last - self.resolution

    @property
    def last(self) -> float:
        """The last lower bound."""
        return self.lower_bounds[-1] if self.lower_bounds else self.before

    @property
    def change(self) -> float:
        """What the last step gained; inf for the first one of a mixture."""
        bounds = self.lower_bounds
        if not bounds or len(bounds) - 1 in self.broken_at:
            return math.inf
        return bounds[-1] - (bounds[-2] if len(bounds) > 1 else self.before)

    @property
    def resolution(self) -> float:
        """The smallest change of a lower bound that is not rounding."""
        return self.rounding * max(1.0, abs(self.last))

    @property
    def n_plain(self) -> int:
        """Steps of EM's own at the end, of those between two lower bounds."""
        return len(self.lower_bounds) - self.plain_from - 1

    @property
    def is_plain(self) -> bool:
        """Whether the last step was EM's own."""
        return self.plain_from == 0 or self.n_plain > 0

    def forecast(self, ago: int = 0) -> tuple[float, float]:
        """Remaining gain (total, nats) and rate, as seen ``ago`` steps ago.

        nan for what cannot be told from EM's own steps until then.
        """
        stop = len(self.lower_bounds) - ago
        start = max(stop - FORECAST_BOUNDS, self.plain_from)
        gain, rate = forecast(self.lower_bounds[start:stop], self.resolution)
        return gain * self.n_rows, rate

    def certificate(self, otherwise: tuple[float, float]) -> Convergence:
        """What the last steps say about the limit.

        ``otherwise`` are gain (of a row) and rate from another source, to be used if
        there were too few steps of EM's own.
        """
        remaining, rate = self.forecast()
        if math.isnan(remaining):
            remaining, rate = otherwise[0] * self.n_rows, otherwise[1]
        if remaining < 0:
            remaining = math.nan
        at_rounding = self.n_plain > 0 and abs(self.change) <= self.resolution
        if at_rounding:
            remaining = self.resolution * self.n_rows
        n_decreases = sum(
            after - before < -self.resolution
            for i, (before, after) in enumerate(pairwise(self.lower_bounds), 1)
            if i not in self.broken_at
        )
        return Convergence(remaining, rate, at_rounding, n_decreases, self.n_rejected)


def forecast(bounds: Sequence[float], resolution: float) -> tuple[float, float]:
    """What EM will still gain after the last of these bounds, and its limiting rate.

    Near a limit the gains are a sum of geometric sequences, one for each direction
    [1]_; the slowest is what is left in the end. Aitken's process takes the ratio of
    the last two gains for its rate [2]_, which is too low as long as others have not
    died out. So the ratio's own limit is extrapolated, by the same process.

    Parameters
    ----------
    bounds : sequence of float
        Log-likelihoods after consecutive steps of EM.
    resolution : float
        Changes up to this are rounding.

    Returns
    -------
    gain, rate : float
        nan where they cannot be told. The gain is negative for bounds that fall, as
        a ridge on the covariances can make them.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from
       incomplete data via the EM algorithm", JRSS B 39 (1977), section 3.
    .. [2] D. Boehning, E. Dietz, R. Schaub, P. Schlattmann, B. G. Lindsay, "The
       distribution of the likelihood ratio for mixtures of densities from the
       one-parameter exponential family", Ann. Inst. Stat. Math. 46 (1994), 373-388.
    """
    gains = [after - before for before, after in pairwise(bounds)]
    if len(gains) < FORECAST_BOUNDS - 1 or abs(gains[-1]) <= resolution:
        return math.nan, math.nan
    if 0.0 in gains:
        return math.nan, math.nan
    first, second, rate = (after / before for before, after in pairwise(gains))
    rise = rate - second
    noise = 2 * resolution / abs(gains[-1])
    if rise > noise:
        shrinks = rise / (second - first) if second > first else math.inf
        if shrinks >= 1:
            return math.nan, math.nan
        rate += rise * shrinks / (1 - shrinks)
    if not 0 < rate < 1:
        return math.nan, math.nan
    return gains[-1] * rate / (1 - rate), rate
