"""Whether EM's end is a maximum, or a plateau with a way up that its steps hide.

EM ends where its steps are small. Where components coincide, or one lies between two
clusters, that need not be a maximum: beside directions in which its steps get shorter
there is one in which they get longer, or will a little farther on. Often that is by
less than a hundredth in each, and begins with rounding: gains shrink for a thousand
iterations before they grow. No forecast from gains can see that. Passes beside the end
can.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, final

import numpy as np

from fastem.em.charts import Chart
from fastem.em.constraints import weighed
from fastem.em.maximization import Maximization
from fastem.statistics import Array, MixtureParameters

# So many directions are looked at, fewer if they are more numbers than that.
_FEWEST_DIRECTIONS, _MOST_DIRECTIONS = 4, 20
_MOST_NUMBERS = 10_000_000
# The distance of points that tell how EM's steps change, as a chart measures it.
_SMALL = 1e-4
# The largest factor by which they do is known well enough if it is to this share of
# what it differs from 1. Below the other number EM hides nothing.
_EXACTNESS = 0.05
_QUICK = 0.5
# No factor is taken to be closer to 1 when it is told where steps would vanish.
_CLOSEST = 1e-3
# The lengths of steps that try a way up: from the first one each is twice the last.
_SHORTEST, _LONGEST = 0.01, 3.0
# After a rise of this share of the claim it is worth to look about anew.
_WORTH = 0.25
# A component of less than this weight does not show, even if each step of EM makes it
# heavier by more than that factor.
_DORMANT, _GROWTH = 1e-4, 1.01


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


@dataclass(frozen=True)
class Place:
    """A mixture, where EM goes from it, and how much higher it is than the end.

    In what EM climbs, with the end's shares: the log-likelihood, less the ridge's part.
    """

    parameters: MixtureParameters
    image: MixtureParameters
    rise: float


_Result = TypeVar("_Result")
_Passes = Generator[MixtureParameters, Answer, _Result]


@final
class PlateauTest:
    """Looks for a way up from where EM ended.

    How EM's step changes from the end to points beside it is a matrix, nearly symmetric
    in a chart. Its largest eigenvalues are found by Lanczos' process [1]_, from the
    step and a random direction, with a pass for each of up to twenty directions. Then a
    few passes lead away from the end: to where the step would vanish, and both ways
    along the eigenvector of the largest eigenvalue. Each goes on from where EM goes,
    twice as far as the last, as long as that is higher. If one is higher than the end
    by more than EM was claimed to gain, the claim is refuted.

    If none is, that proves nothing: what begins to rise beyond a fall is not seen, nor
    is a direction that hides among more than twenty others.

    Parameters
    ----------
    maximize : Maximization
        The steps of EM that ended there.
    end : End

    Attributes
    ----------
    end : End
    asked : MixtureParameters or None
        Those of the next pass; None if the test is over.
    way_up : MixtureParameters or None
        From where EM is to go on, if the claim is refuted.

    References
    ----------
    .. [1] G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th ed., Johns Hopkins
       (2013), chapter 10.
    """

    def __init__(self, maximize: Maximization, end: End) -> None:
        self.end = end
        self.asked: MixtureParameters | None = None
        self.way_up: MixtureParameters | None = None
        self._maximize = maximize
        self._passes = self._look()
        self._go_on(lambda: next(self._passes))

    def hear(self, answer: Answer) -> None:
        """What the pass with the parameters asked for has told."""
        self._go_on(lambda: self._passes.send(answer))

    def _go_on(self, resume: Callable[[], MixtureParameters]) -> None:
        try:
            self.asked = resume()
        except StopIteration as over:
            self.asked, self.way_up = None, over.value

    def _look(self) -> _Passes[MixtureParameters | None]:
        """Ask for passes with parameters that are yielded; at last, the way up."""
        highest = yield from self._awaken(
            Place(self.end.parameters, self.end.image, 0.0)
        )
        while True:
            base = highest
            chart = Chart(self._maximize.structure.representation, base.parameters)
            for way in (yield from self._ways(chart, chart.coordinates(base.image))):
                reached = yield from self._climb(chart, way, base)
                highest = max(highest, reached, key=lambda place: place.rise)
                if highest.rise > self.end.claim:
                    return highest.parameters
            if highest.rise < base.rise + _WORTH * self.end.claim:
                return None

    def _awaken(self, base: Place) -> _Passes[Place]:
        """With components that grow from next to nothing to what can be seen."""
        weights = base.parameters.weights
        grows = (weights < _DORMANT) & (base.image.weights > _GROWTH * weights)
        if not grows.any():
            return base
        awake = np.where(grows, _DORMANT, weights)
        awake *= weights.sum() / awake.sum()
        parameters = replace(base.parameters, weights=awake)
        if self._maximize.fixed is not None:
            parameters = weighed(self._maximize.fixed, parameters, base.parameters)
        place = yield from self._pass(parameters)
        return base if place is None or place.rise < base.rise else place

    def _ways(self, chart: Chart, em_step: Array) -> _Passes[Sequence[Array]]:
        """Directions in which to try: where EM's step would vanish, and the slowest."""
        if not np.isfinite(em_step).all():
            return ()
        factors, directions = yield from self._slow_directions(chart, em_step)
        if len(factors) == 0 or factors[-1] < _QUICK:
            return ()
        slowness = 1 / np.maximum(np.abs(1 - factors), _CLOSEST)
        upward = directions @ (slowness * (directions.T @ em_step))
        slowest = directions[:, -1]
        return _normalized(upward), slowest, -slowest

    def _slow_directions(
        self, chart: Chart, em_step: Array
    ) -> _Passes[tuple[Array, Array]]:
        """Directions, as columns, and the factors by which EM's steps change in them.

        In increasing order: in the last direction EM is slowest. None if EM cannot go
        on from beside the base.
        """
        size = len(em_step)
        most = min(
            size, _MOST_DIRECTIONS, max(_FEWEST_DIRECTIONS, _MOST_NUMBERS // size)
        )
        basis = np.empty((0, size))
        products = np.empty((0, 0))
        direction = _normalized(em_step) + chart.any_direction()
        while True:
            basis = np.vstack([basis, _normalized(direction)])
            beside = yield from self._pass_at(chart, _SMALL * basis[-1])
            if beside is None:
                return np.empty(0), np.empty((size, 0))
            changed = (chart.coordinates(beside.image) - em_step) / _SMALL
            products = np.pad(products, ((0, 1), (0, 1)))
            products[:, -1] = basis @ changed
            factors, vectors = np.linalg.eigh(products, UPLO="U")
            direction = changed - products[:, -1] @ basis
            direction -= (basis @ direction) @ basis
            rest = float(np.linalg.norm(direction))
            error = rest * abs(vectors[-1, -1])
            is_known = len(basis) >= _FEWEST_DIRECTIONS and (
                error < _EXACTNESS * abs(1 - factors[-1])
            )
            if is_known or rest < _SMALL or len(basis) == most:
                return factors, basis.T @ vectors

    def _climb(self, chart: Chart, way: Array, base: Place) -> _Passes[Place]:
        """The highest place on the way from the base of the chart."""
        at, length = np.zeros_like(way), _SHORTEST
        highest = base
        while length < _LONGEST:
            place = yield from self._pass_at(chart, at + length * way)
            if place is None or not place.rise > highest.rise:
                break
            highest = place
            at = chart.coordinates(place.image)
            length *= 2
        return highest

    def _pass_at(self, chart: Chart, coordinates: Array) -> _Passes[Place | None]:
        """What a pass finds there; None if nothing that EM can go on from."""
        maximize = self._maximize
        found = chart.within(
            *(maximize.structure, coordinates, maximize.tails, maximize.fixed)
        )
        return None if found is None else (yield from self._pass(found[0]))

    def _pass(self, parameters: MixtureParameters) -> _Passes[Place | None]:
        answer = yield parameters
        if answer.image is None:
            return None
        end = self.end
        rise = (
            (answer.lower_bound - end.lower_bound)
            + self._maximize.penalty(end.shares, end.parameters)
            - self._maximize.penalty(end.shares, parameters)
        )
        return Place(parameters, answer.image, rise)


def _normalized(vector: Array) -> Array:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector
