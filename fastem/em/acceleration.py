"""Steps that are longer than EM's: quasi-Newton extrapolation of its path."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, final

import numpy as np

from fastem.checks.fixed import Fixed
from fastem.covariances import CovarianceStructure
from fastem.em.charts import Chart
from fastem.em.tails import StudentTails
from fastem.statistics import Array, MixtureParameters

MEMORY = 5
LONGEST = 0.3
LONGEST_IN_EM_STEPS = 4.0
LEAST_CURVATURE = 1e-4
ASSUMED_CURVATURE = 0.05


class Path(Protocol):
    """Chooses the next point of a fit.

    Attributes
    ----------
    extrapolated : bool
        Whether the point that was chosen last is not EM's own.
    """

    extrapolated: bool

    def choose(
        self,
        parameters: MixtureParameters,
        image: MixtureParameters,
        is_near: Callable[[float], bool],
    ) -> MixtureParameters:
        """The next point, after parameters that are kept and where EM goes from them.

        It must be EM's if the end is near, given the gain (of a row) that is left.
        """

    def reject(self, image: MixtureParameters | None) -> MixtureParameters:
        """EM's point after all; ``image`` is where EM goes from the one chosen.

        None if it cannot go on from there.
        """

    def begin_anew(self) -> None:
        """Forget the way: the next point is of another mixture."""

    def remaining(self) -> tuple[float, float]:
        """Gain that is left, per row, and rate of the gains: nan if not known."""

    def state(self) -> Any:
        """All that the next point depends on: plain values and dataclasses of them."""

    def restore(self, state: Any) -> None:
        """Go on from what :meth:`state` returned."""


@final
class PlainPath:
    """EM's own path, whatever the structure."""

    extrapolated = False

    def __init__(
        self,
        structure: CovarianceStructure,
        tails: StudentTails | None = None,
        fixed: Fixed | None = None,
    ) -> None:
        pass

    def choose(
        self,
        parameters: MixtureParameters,
        image: MixtureParameters,
        is_near: Callable[[float], bool],
    ) -> MixtureParameters:
        """EM's point."""
        return image

    def reject(self, image: MixtureParameters | None) -> NoReturn:
        """Never called: no point was extrapolated."""
        raise AssertionError("EM's own point cannot be rejected")

    def begin_anew(self) -> None:
        """Nothing is kept."""

    def remaining(self) -> tuple[float, float]:
        """Not known."""
        return math.nan, math.nan

    def state(self) -> None:
        """Nothing is kept."""

    def restore(self, state: None) -> None:
        """Nothing is kept."""


@dataclass(frozen=True)
class Pair:
    """A step, and by how much EM's next step was shorter for it."""

    step: Array
    shortening: Array
    product: float


class _Secants:
    """The last steps, as an approximation of the inverse of identity - EM's Jacobian.

    That of L-BFGS [1]_, with the identity to begin from: without any pair its step
    is EM's. The steps are vectors of charts about different mixtures; those lie close
    enough together to mean the same.

    References
    ----------
    .. [1] J. Nocedal, "Updating quasi-Newton matrices with limited storage",
       Math. Comp. 35 (1980), 773-782.
    """

    def __init__(self) -> None:
        self.pairs: deque[Pair] = deque(maxlen=MEMORY)
        self._last: tuple[Array, Array] | None = None  # EM's step, and that from it

    def learn(self, step: Array, before: Array, after: Array) -> None:
        """EM's step was ``before``; after ``step`` it is ``after``.

        Where EM's steps do not get shorter, because the log-likelihood is not concave
        there, they are taken to by a twentieth. Where they hardly do, that is the
        slow direction sought for: down to a ten-thousandth it is believed. (With a
        twentieth for both, two overlapping components in one dimension take 259
        passes to within 1e-6 of the limit in place of 40.)
        """
        squared = float(step @ step)
        shortening = before - after
        product = float(step @ shortening)
        if not math.isfinite(product) or squared == 0:
            return
        least = (LEAST_CURVATURE if product > 0 else ASSUMED_CURVATURE) * squared
        if product < least:
            shortening = shortening + (least - product) / squared * step
            product = least
        self.pairs.append(Pair(step, shortening, product))
        self._last = None

    def step(self, em_step: Array) -> Array:
        """The quasi-Newton step where EM's is this one: Nocedal's two loops.

        It is asked for twice, of what is left to gain and of where to go.
        """
        if self._last is not None and self._last[0] is em_step:
            return self._last[1]
        step = em_step.copy()
        multiple = np.empty_like(step)
        factors = []
        for pair in reversed(self.pairs):
            factors.append(pair.step @ step / pair.product)
            step -= np.multiply(pair.shortening, factors[-1], out=multiple)
        for pair in self.pairs:
            factor = factors.pop() - pair.shortening @ step / pair.product
            step += np.multiply(pair.step, factor, out=multiple)
        self._last = em_step, step
        return step

    def forget(self) -> None:
        """Begin anew."""
        self.pairs.clear()
        self._last = None

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return bool(self.pairs)


@dataclass(frozen=True)
class Place:
    """Where EM goes from some parameters: there, and by this step of their chart."""

    image: MixtureParameters
    em_step: Array


@final
class ExtrapolatedPath:
    """Longer steps than EM's, one pass each.

    Quasi-Newton acceleration in the manner of [1]_: EM's own step stands for the
    gradient. A step is limited to 0.3 in the length that :class:`Chart` defines, or
    four times EM's if that is more. Whoever takes it must check that the
    log-likelihood does not fall, and otherwise :meth:`reject` it. What a rejected
    step showed is not lost, either.

    Of 89 slow problems (50 passes or more to within 1e-6 of the limit; small data
    sets and overlapping clusters), 55 reached EM's own optimum, with 1/4.9 of its
    passes (geometric mean), and as many of the others a higher as a lower one. On
    the way here SQUAREM [2]_ took 1/3.0 to 1/3.3, Anderson acceleration 1/1.8 to
    1/2.2, and these steps in the units of the data 1/2.4.

    Parameters
    ----------
    structure : CovarianceStructure
    tails : StudentTails, optional
    fixed : Fixed, optional
        What no step may move.

    References
    ----------
    .. [1] M. Jamshidian, R. I. Jennrich, "Acceleration of the EM algorithm by using
       quasi-Newton methods", JRSS B 59 (1997), 569-587.
    .. [2] R. Varadhan, C. Roland, "Simple and globally convergent methods for
       accelerating the convergence of any EM algorithm", Scand. J. Stat. 35 (2008),
       335-353.
    """

    def __init__(
        self,
        structure: CovarianceStructure,
        tails: StudentTails | None = None,
        fixed: Fixed | None = None,
    ) -> None:
        self._structure = structure
        self._tails = tails
        self._fixed = fixed
        self._secants = _Secants()
        self._at: Place | None = None
        self._step = np.empty(0)
        self._chosen: MixtureParameters | None = None
        self.extrapolated = False

    def choose(
        self,
        parameters: MixtureParameters,
        image: MixtureParameters,
        is_near: Callable[[float], bool],
    ) -> MixtureParameters:
        """The next point: farther than EM's, unless the end is near."""
        chart = Chart(self._structure.representation, parameters)
        em_step = chart.coordinates(image)
        if not np.isfinite(em_step).all():
            # A covariance has become singular to rounding: start anew from here.
            self.begin_anew()
            return image
        if self._at is not None:
            self._secants.learn(self._step, self._at.em_step, em_step)
        self._at = Place(image, em_step)
        self._step = em_step
        self._chosen = image
        self.extrapolated = False
        if self._secants and not is_near(self.remaining()[0]):
            self._extrapolate(chart, em_step)
        return self._chosen

    def reject(self, image: MixtureParameters | None) -> MixtureParameters:
        """EM's point, in place of the one chosen."""
        assert self._at is not None
        assert self._chosen is not None
        if image is not None:
            em_step = Chart(self._structure.representation, self._chosen).coordinates(
                image
            )
            self._secants.learn(self._step, self._at.em_step, em_step)
        self._step = self._at.em_step
        self._chosen = self._at.image
        self.extrapolated = False
        return self._chosen

    def begin_anew(self) -> None:
        """Forget the steps and the point."""
        self._secants.forget()
        self._at = None
        self.extrapolated = False

    def remaining(self) -> tuple[float, float]:
        """Gain that is left, per row, and rate of the gains: nan if not known.

        Half the product of gradient and Newton's step. Along a direction that EM
        shortens by r a step, gains shrink by its square.
        """
        if self._at is None:
            return math.nan, math.nan
        em_step = self._at.em_step
        product = float(em_step @ self._secants.step(em_step))
        squared = float(em_step @ em_step)
        if not product > squared > 0:
            return math.nan, math.nan
        return product / 2, (1 - squared / product) ** 2

    def state(self) -> dict[str, Any]:
        """The steps and the point."""
        return {
            "pairs": list(self._secants.pairs),
            "at": self._at,
            "step": self._step,
            "chosen": self._chosen,
            "extrapolated": self.extrapolated,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned."""
        self._secants.pairs.extend(state["pairs"])
        self._at = state["at"]
        self._step = state["step"]
        self._chosen = state["chosen"]
        self.extrapolated = state["extrapolated"]

    def _extrapolate(self, chart: Chart, em_step: Array) -> None:
        step = self._secants.step(em_step)
        with np.errstate(over="ignore"):  # of a spike of density
            length = float(np.linalg.norm(step))
        em_length = float(np.linalg.norm(em_step))
        longest = max(LONGEST, LONGEST_IN_EM_STEPS * em_length)
        if not length > 0 or not math.isfinite(length) or step @ em_step <= 0:
            return
        if length > longest:
            step = step * (longest / length)
        found = chart.within(self._structure, step, self._tails, self._fixed)
        if found is None:
            return
        self._chosen, self._step = found
        self.extrapolated = True
