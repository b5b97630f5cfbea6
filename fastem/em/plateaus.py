"""Whether EM's end is a maximum, or a plateau with a way up that its steps hide.

EM ends where its steps are small. Where components coincide, or one lies between two
clusters, that need not be a maximum: beside directions that its steps shorten there is
one that they lengthen, or will a little farther on. Often that is by less than a
hundredth each, and begins with rounding: gains shrink for a thousand iterations before
they grow. No forecast from gains can see that, but passes beside the end do.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from fastem.em.charts import Chart
from fastem.em.maximization import Maximization
from fastem.statistics import Array, MixtureParameters

_MOST_DIRECTIONS = 20
_FEWEST_DIRECTIONS = 4
# Steps that differ by this, in the length that a chart defines, tell how EM's steps
# change from one to the other.
_SMALL = 1e-4
# Where EM shortens every step to less than this share, it hides nothing.
_QUICK = 0.5
# The largest factor of EM's steps is known well enough if it is to this share of what
# it differs from 1.
_EXACTNESS = 0.05
# The lengths of steps that try a way up: from the first one each is twice the last.
_SHORTEST, _LONGEST = 0.01, 3.0
# No factor is taken to be closer to 1 in a step to where EM's would be 0.
_LEAST_CURVATURE = 1e-3


@dataclass(frozen=True)
class End:
    """Where EM ended, and what was said of it.

    Attributes
    ----------
    parameters : MixtureParameters
        Those of the last pass.
    image : MixtureParameters
        Where EM goes from them.
    lower_bound : float
        Mean log-likelihood of a row, with ``parameters``.
    shares : array of shape (K,)
        Shares of the components in the rows, in that pass.
    claim : float
        EM would gain less than this, per row, if it went on.
    """

    parameters: MixtureParameters
    image: MixtureParameters
    lower_bound: float
    shares: Array
    claim: float


@dataclass(frozen=True)
class Answer:
    """What a pass tells: the lower bound, and where EM goes; None if nowhere."""

    lower_bound: float
    image: MixtureParameters | None


_Asking = Generator[MixtureParameters, Answer, MixtureParameters | None]


@final
class PlateauTest:
    """Looks for a way up from where EM ended.

    How EM's step changes between points close to the end is a matrix; its largest
    eigenvalues are found by Arnoldi's process [1]_, from the step and a random
    direction, with a pass for each of up to twenty directions. Then a few passes lead
    away from the end: to where the step would vanish, and along the eigenvector of the
    largest eigenvalue both ways. Each step is EM's and twice the last one's length,
    as long as the log-likelihood rises. If it rises by more than what was claimed to be
    left, the claim is refuted. It is no proof of the opposite: a second rise beyond a
    stretch that is a maximum in all directions looked at stays unseen.

    Parameters
    ----------
    maximize : Maximization
        The steps of EM that ended there.
    end : End
    answers : sequence of Answer, optional
        Those that an earlier test of this end was given, to go on from there.

    Attributes
    ----------
    end : End
    answers : list of Answer
    asked : MixtureParameters or None
        Those of the next pass; None if the test is over.
    way_up : MixtureParameters or None
        From where EM is to go on, if the claim is refuted.

    References
    ----------
    .. [1] Y. Saad, "Numerical Methods for Large Eigenvalue Problems", SIAM (2011),
       chapter 6.
    """

    def __init__(
        self, maximize: Maximization, end: End, answers: Sequence[Answer] = ()
    ) -> None:
        self.end = end
        self.answers: list[Answer] = []
        self._maximize = maximize
        self._chart = Chart(maximize.structure.representation, end.parameters)
        self._em_step = self._chart.coordinates(end.image)
        self._asking = self._look()
        self.asked: MixtureParameters | None = None
        self.way_up: MixtureParameters | None = None
        self._go_on(None)
        for answer in answers:
            self.hear(answer)

    def hear(self, answer: Answer) -> None:
        """What the pass with the parameters asked for has told."""
        self.answers.append(answer)
        self._go_on(answer)

    def _go_on(self, answer: Answer | None) -> None:
        try:
            self.asked = self._asking.send(answer)  # type: ignore[arg-type]
        except StopIteration as over:
            self.asked, self.way_up = None, over.value

    def _look(self) -> _Asking:
        if not np.isfinite(self._em_step).all():
            return None
        factors, directions = yield from self._slow_directions()
        if len(factors) == 0 or factors[-1] < _QUICK:
            return None
        slowness = 1 / np.maximum(np.abs(1 - factors), _LEAST_CURVATURE)
        upward = directions @ (slowness * (directions.T @ self._em_step))
        slowest = directions[:, -1]
        for way in (upward, slowest, -slowest):
            found = yield from self._climb(way)
            if found is not None:
                return found
        return None

    def _slow_directions(
        self,
    ) -> Generator[MixtureParameters, Answer, tuple[Array, Array]]:
        """Directions, as columns, and the factors by which EM's steps change them.

        In increasing order: the last direction is the slowest. None if EM cannot go on
        from beside the end.
        """
        size = len(self._em_step)
        direction = _normalized(self._em_step) + self._chart.any_direction()
        basis = np.empty((0, size))
        products = np.empty((0, 0))
        while True:
            basis = np.vstack([basis, _normalized(direction)])
            _, answer = yield from self._pass(_SMALL * basis[-1])
            if answer is None or answer.image is None:
                return np.empty(0), np.empty((size, 0))
            image = self._chart.coordinates(answer.image)
            changed = (image - self._em_step) / _SMALL
            products = np.pad(products, ((0, 1), (0, 1)))
            products[:, -1] = basis @ changed
            factors, vectors = np.linalg.eigh(products, UPLO="U")
            direction = changed - products[:, -1] @ basis
            direction -= (basis @ direction) @ basis
            rest = float(np.linalg.norm(direction))
            error = rest * abs(vectors[-1, -1])
            if (
                rest < _SMALL
                or len(basis) == min(_MOST_DIRECTIONS, size)
                or (
                    len(basis) >= _FEWEST_DIRECTIONS
                    and error < _EXACTNESS * abs(1 - factors[-1])
                )
            ):
                return factors, basis.T @ vectors

    def _climb(self, way: Array) -> _Asking:
        """The highest mixture on the way, if that is high enough."""
        way = _normalized(way)
        at, length = np.zeros_like(way), _SHORTEST
        highest, rise = None, 0.0
        while length < _LONGEST:
            parameters, answer = yield from self._pass(at + length * way)
            if parameters is None or answer is None or answer.image is None:
                break
            higher = self._height(parameters, answer.lower_bound)
            if not higher > rise:
                break
            highest, rise = parameters, higher
            at = self._chart.coordinates(answer.image)
            length *= 2
        return highest if rise > self.end.claim else None

    def _pass(
        self, coordinates: Array
    ) -> Generator[
        MixtureParameters, Answer, tuple[MixtureParameters | None, Answer | None]
    ]:
        found = self._chart.within(self._maximize.structure, coordinates)
        if found is None:
            return None, None
        return found[0], (yield found[0])

    def _height(self, parameters: MixtureParameters, lower_bound: float) -> float:
        """How much higher than the end, in what EM climbs."""
        end = self.end
        return (
            (lower_bound - end.lower_bound)
            + self._maximize.penalty(end.shares, end.parameters)
            - self._maximize.penalty(end.shares, parameters)
        )


def _normalized(vector: Array) -> Array:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector
