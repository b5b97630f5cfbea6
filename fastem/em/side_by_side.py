"""EM on many small tables side by side, each with a mixture of its own.

Where a table has some hundred rows, a pass over it takes ten microseconds, and all else
that belongs to an iteration a hundred times as long. Here that is done for all tables
at once: their mixtures are one of B K components, which is what rules of covariances
take as well as one of K, where each covariance follows from its own rows.
"""

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastem import kernels
from fastem.covariances import CovarianceStructure, SingularCovarianceError
from fastem.em.acceleration import (
    ASSUMED_CURVATURE,
    LEAST_CURVATURE,
    LONGEST,
    LONGEST_IN_EM_STEPS,
    MEMORY,
)
from fastem.em.charts import Chart
from fastem.em.ridge import NOTICEABLE
from fastem.statistics import Array, MixtureParameters, Ridge, SufficientStatistics

Numbers = NDArray[np.intp]
_AGREEING = 3  # forecasts, that no more is left to gain than is asked for
_ROUNDING = 1e-13  # relative to a log-likelihood
# Logarithms of weights move by less in a step; those of tiny ones may not.
_FARTHEST, _LEAST_SCALE = 10.0, 1e-100


@dataclass(frozen=True)
class Mixtures:
    """As many mixtures as there are tables.

    Attributes
    ----------
    parameters : MixtureParameters
        Of B K components; the K weights of each mixture sum to 1.
    n_components : int
        K.
    """

    parameters: MixtureParameters
    n_components: int

    def __len__(self) -> int:
        return len(self.parameters.weights) // self.n_components

    def taken(self, which: Numbers) -> "Mixtures":
        """Some of them."""
        places = self._places(which)
        p = self.parameters
        return Mixtures(
            MixtureParameters(
                *(p.weights[places], p.means[places]),
                *(p.covariances[places], p.precisions_cholesky[places]),
            ),
            self.n_components,
        )

    def put(self, which: Numbers, others: "Mixtures") -> None:
        """Replace some of them, in place."""
        places = self._places(which)
        for name in ("weights", "means", "covariances", "precisions_cholesky"):
            getattr(self.parameters, name)[places] = getattr(others.parameters, name)

    def normalized(self, parameters: MixtureParameters) -> "Mixtures":
        """Others of this shape, whose weights are to sum to 1 in each."""
        weights = parameters.weights.reshape(-1, self.n_components)
        weights = weights / weights.sum(axis=1, keepdims=True)
        return Mixtures(replace(parameters, weights=weights.ravel()), self.n_components)

    @property
    def is_finite(self) -> NDArray[np.bool_]:
        """Which of them have parameters that are numbers."""
        p = self.parameters
        finite = np.ones(len(self), bool)
        for values in (p.weights, p.means, p.covariances, p.precisions_cholesky):
            finite &= np.isfinite(values.reshape(len(self), -1)).all(axis=1)
        return finite

    def _places(self, which: Numbers) -> Numbers:
        of_each = np.arange(self.n_components)
        places: Numbers = (which[:, np.newaxis] * self.n_components + of_each).ravel()
        return places


@dataclass(frozen=True)
class SideBySide:
    """The steps of EM on many tables of as many rows.

    Attributes
    ----------
    structure : CovarianceStructure
        One that ``shares_nothing``.
    ridge : float or array of shape (D,)
    tables : array of shape (B, N, D)
    """

    structure: CovarianceStructure
    ridge: Ridge
    tables: Array

    def taken(self, which: Numbers) -> "SideBySide":
        """Some of the tables."""
        return replace(self, tables=self.tables[which])

    def of_partitions(self, labels: NDArray[np.intp], n_components: int) -> Mixtures:
        """The maximisation step on partitions (B, N) of the tables' rows."""
        B, _, D = self.tables.shape
        centers = self.tables.mean(axis=1)
        residuals = self.tables - centers[:, np.newaxis]
        members = labels[:, np.newaxis] == np.arange(n_components)[:, np.newaxis]
        shares = members.astype(np.float64)  # (B, K, N)
        if self.structure.representation.has_matrices:
            scatter = np.stack(
                [
                    (of_k[:, np.newaxis] * residuals.transpose(0, 2, 1)) @ residuals
                    for of_k in shares.transpose(1, 0, 2)
                ],
                axis=1,
            )
        else:
            scatter = shares @ residuals**2
        statistics = SufficientStatistics(
            0.0,
            shares.sum(axis=2).ravel(),
            centers.repeat(n_components, axis=0),
            (shares @ residuals).reshape(B * n_components, D),
            scatter.reshape(B * n_components, *scatter.shape[2:]),
        )
        return self.maximized(statistics, n_components)

    def maximized(
        self, statistics: SufficientStatistics, n_components: int
    ) -> Mixtures:
        """The maximisation step for all tables.

        Raises
        ------
        SingularCovarianceError
            Of a component of B K.
        """
        parameters = self.structure.maximize(statistics, self.ridge)
        totals = statistics.weights.reshape(-1, n_components).sum(axis=1)
        weights = statistics.weights / totals.repeat(n_components)
        return Mixtures(replace(parameters, weights=weights), n_components)

    def expected(self, mixtures: Mixtures) -> tuple[Array, SufficientStatistics]:
        """The log-likelihood of each table (B,), and what all rows say: a pass."""
        representation = self.structure.representation
        parameters, K = mixtures.parameters, mixtures.n_components
        B, _, D = self.tables.shape
        shares = parameters.weights.reshape(B, 1, K)
        centers = (shares @ parameters.means.reshape(B, K, D))[:, 0]
        log_normalizers = (
            parameters.log_weights
            + representation.log_determinants(parameters.precisions_cholesky, D)
            - 0.5 * D * math.log(2 * math.pi)
        )
        factors = representation.kernel_factors(
            centers,
            parameters.means - centers.repeat(K, axis=0),
            parameters.precisions_cholesky,
            log_normalizers,
            np.float64,
        )
        sums = kernels.expectation_passes(
            self.tables, factors, K, representation.scatter_size(K, D)
        )
        first_start = 2 + K
        scatter_start = first_start + K * D
        together = kernels.PassSums(
            *(0.0, 1.0, sums[:, 2:first_start].ravel(), 0.0, np.empty((2, 0))),
            sums[:, first_start:scatter_start].reshape(B * K, D),
            sums[:, scatter_start:].ravel(),
        )
        alike = factors._replace(center=np.zeros(D))
        statistics = representation.statistics(together, alike)
        return sums[:, 0], replace(statistics, reference=parameters.means)

    def is_held_up(self, mixtures: Mixtures) -> NDArray[np.bool_]:
        """Which of them the ridge holds up: (B,)."""
        shares = self.structure.representation.ridge_shares(
            mixtures.parameters.precisions_cholesky, self.ridge
        )
        return np.asarray((shares > NOTICEABLE).reshape(len(mixtures), -1).any(axis=1))

    def climbed(self, start: Mixtures, tol: float, max_iter: int) -> "Climb":
        """EM from these mixtures, until less than ``tol`` nats are left to gain.

        As three forecasts in a row say, of steps of EM's own. Before, steps are longer
        where that lowers no log-likelihood (:class:`fastem.em.acceleration`).
        """
        climb = Climb(start, np.full(len(start), -math.inf), 0)
        run = _Run(self, start, np.arange(len(start)), tol)
        for _ in range(max_iter):
            climb.n_passes += len(run.left)
            over = run.step()
            climb.reach(run)
            if over.all():
                break
            if over.any():
                run = run.taken(np.flatnonzero(~over))
        return climb


@dataclass
class Climb:
    """Where EM has led.

    Attributes
    ----------
    mixtures : Mixtures
    log_likelihoods : array of shape (B,)
        Of these; nan where a component turned singular.
    n_passes : int
        Over single tables.
    """

    mixtures: Mixtures
    log_likelihoods: Array
    n_passes: int

    def reach(self, run: "_Run") -> None:
        """Keep where a run is."""
        self.mixtures.put(run.left, run.reached)
        self.log_likelihoods[run.left] = run.log_likelihoods


class _Run:
    """Iterations on the tables that are left.

    Attributes
    ----------
    left : array of int
        Their numbers.
    reached : Mixtures
        The likeliest so far.
    log_likelihoods : array of shape (A,)
        Of these.
    """

    def __init__(
        self, side_by_side: SideBySide, start: Mixtures, left: Numbers, tol: float
    ) -> None:
        self._of = side_by_side
        self._tol = tol
        self.left = left
        self.reached = start
        n = len(left)
        self.log_likelihoods = np.full(n, -math.inf)
        self._at, self._image = start, start
        self._is_longer = np.zeros(n, bool)
        self._gains = np.full(n, math.nan)
        self._n_agreeing = np.zeros(n, int)
        self._step = self._em_step = np.zeros((n, 0))
        self._secants = _Secants()

    def taken(self, which: Numbers) -> "_Run":
        """Some of the tables."""
        run = _Run(
            *(self._of.taken(which), self.reached.taken(which), self.left[which]),
            self._tol,
        )
        run._at, run._image = self._at.taken(which), self._image.taken(which)
        for name in (
            *("log_likelihoods", "_is_longer", "_gains", "_n_agreeing"),
            *("_step", "_em_step"),
        ):
            setattr(run, name, getattr(self, name)[which])
        run._secants = self._secants.taken(which)
        return run

    def step(self) -> NDArray[np.bool_]:
        """An iteration on all tables; which of them are over."""
        log_likelihoods, statistics = self._of.expected(self._at)
        image, failed = self._images(statistics)
        failed |= ~np.isfinite(log_likelihoods)
        fell = self._is_longer & ~(log_likelihoods >= self.log_likelihoods)
        failed &= ~fell
        with np.errstate(all="ignore"):
            gains = log_likelihoods - self.log_likelihoods
            rates = gains / self._gains
            remaining = gains * rates / (1 - rates)
        is_plain = ~self._is_longer & ~fell
        small = (gains < self._tol) & (rates < 1) & (remaining < self._tol)
        small |= np.abs(gains) <= _ROUNDING * np.abs(log_likelihoods)
        # A plateau, on which gains do not shrink.
        doubted = is_plain & ~small & np.isfinite(self._gains)
        self._n_agreeing = np.where(is_plain & small, self._n_agreeing + 1, 0)
        kept = np.flatnonzero(~fell)
        self._gains = np.where(is_plain, gains, math.nan)
        self.log_likelihoods[kept] = log_likelihoods[kept]
        self.log_likelihoods[failed] = math.nan
        self.reached.put(kept, self._at.taken(kept))
        self._choose(image, fell, gains, doubted)
        return failed | (self._n_agreeing >= _AGREEING)

    def _choose(
        self,
        image: Mixtures,
        fell: NDArray[np.bool_],
        gains: Array,
        doubted: NDArray[np.bool_],
    ) -> None:
        """The next mixtures: farther than EM's, but for those that are near the end.

        Those that fell go back to EM's point.
        """
        representation = self._of.structure.representation
        chart = Chart(representation, self._at.parameters)
        em_step = _by_table(chart.coordinates(image.parameters), self._at)
        known = ~fell & np.isfinite(em_step).all(axis=1)
        if self._em_step.shape == em_step.shape:
            self._secants.learn(self._step, self._em_step, em_step, known)
        em_step = np.where(fell[:, np.newaxis], self._em_step_or(em_step), em_step)
        back = np.flatnonzero(fell)
        image.put(back, self._image.taken(back))
        step, left_to_gain = self._secants.step(em_step)
        left_to_gain *= self._of.tables.shape[1]
        near = (gains < self._tol) & ~(left_to_gain >= self._tol) & ~doubted
        lengths = np.sqrt((step**2).sum(axis=1))
        em_lengths = np.sqrt((em_step**2).sum(axis=1))
        longest = np.maximum(LONGEST, LONGEST_IN_EM_STEPS * em_lengths)
        with np.errstate(all="ignore"):
            step *= np.minimum(1, longest / lengths)[:, np.newaxis]
        scales = np.sqrt(self._at.parameters.weights.reshape(len(fell), -1))
        moves = np.abs(step[:, : scales.shape[1]]) / np.maximum(scales, _LEAST_SCALE)
        longer = (
            (known & ~near & ((step * em_step).sum(axis=1) > 0))
            & (moves.max(axis=1) < _FARTHEST)
            & bool(self._secants)
        )
        nowhere = np.where(longer[:, np.newaxis], step, 0.0)
        with np.errstate(all="ignore"):
            farther = self._at.normalized(chart.parameters(_as_one(nowhere, self._at)))
        longer &= farther.is_finite
        self._image, self._em_step = image, em_step
        self._step = np.where(longer[:, np.newaxis], step, em_step)
        self._is_longer = longer
        self._at = image.taken(np.arange(len(fell)))
        ahead = np.flatnonzero(longer)
        self._at.put(ahead, farther.taken(ahead))

    def _em_step_or(self, em_step: Array) -> Array:
        same = self._em_step.shape == em_step.shape
        return self._em_step if same else em_step

    def _images(
        self, statistics: SufficientStatistics
    ) -> tuple[Mixtures, NDArray[np.bool_]]:
        """Where EM goes, and which mixtures have a component that is singular."""
        K = self._at.n_components
        failed = np.zeros(len(self.left), bool)
        while True:
            try:
                return self._of.maximized(statistics, K), failed
            except SingularCovarianceError as error:
                failed[(error.component or 0) // K] = True
                if failed.all():
                    return self._at, failed
                # These are left out: any that are sound will do in their place.
                which = np.where(failed, np.argmin(failed), np.arange(len(failed)))
                statistics = _statistics_taken(statistics, which, K)


class _Secants:
    """Those of :class:`fastem.em.acceleration.Secants`, for many mixtures at once."""

    def __init__(self) -> None:
        self.pairs: deque[tuple[Array, Array, Array]] = deque(maxlen=MEMORY)

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def taken(self, which: Numbers) -> "_Secants":
        """Those of some mixtures."""
        some = _Secants()
        some.pairs.extend(
            (step[which], shortening[which], product[which])
            for step, shortening, product in self.pairs
        )
        return some

    def learn(
        self, step: Array, before: Array, after: Array, known: NDArray[np.bool_]
    ) -> None:
        """EM's step was ``before``; after ``step`` it is ``after``, where known."""
        squared = (step * step).sum(axis=1)
        shortening = before - after
        product = (step * shortening).sum(axis=1)
        known = known & (squared > 0) & np.isfinite(product)
        least = np.where(product > 0, LEAST_CURVATURE, ASSUMED_CURVATURE) * squared
        with np.errstate(all="ignore"):
            missing = np.where(product < least, (least - product) / squared, 0.0)
        shortening = shortening + missing[:, np.newaxis] * step
        # One that is not known changes nothing.
        product = np.where(known, np.maximum(product, least), math.inf)
        shown = known[:, np.newaxis]
        self.pairs.append(
            (np.where(shown, step, 0.0), np.where(shown, shortening, 0.0), product)
        )

    def step(self, em_step: Array) -> tuple[Array, Array]:
        """The quasi-Newton step where EM's is this one, and its promise for a row."""
        step = em_step.copy()
        factors = []
        for taken, shortening, product in reversed(self.pairs):
            factors.append((taken * step).sum(axis=1) / product)
            step -= factors[-1][:, np.newaxis] * shortening
        for taken, shortening, product in self.pairs:
            factor = factors.pop() - (shortening * step).sum(axis=1) / product
            step += factor[:, np.newaxis] * taken
        return step, (em_step * step).sum(axis=1) / 2


def _by_table(coordinates: Array, mixtures: Mixtures) -> Array:
    """Coordinates of mixtures that were taken for one: a row for each."""
    parameters, B = mixtures.parameters, len(mixtures)
    sizes = [len(parameters.weights), parameters.means.size]
    parts = np.split(coordinates, np.cumsum(sizes))
    return np.hstack([part.reshape(B, -1) for part in parts])


def _as_one(coordinates: Array, mixtures: Mixtures) -> Array:
    """The way back."""
    K = mixtures.n_components
    D = mixtures.parameters.means.shape[1]
    parts = np.split(coordinates, [K, K + K * D], axis=1)
    return np.concatenate([part.ravel() for part in parts])


def _statistics_taken(
    statistics: SufficientStatistics, which: Numbers, n_components: int
) -> SufficientStatistics:
    places = (which[:, np.newaxis] * n_components + np.arange(n_components)).ravel()
    names = "weights", "reference", "first", "scatter"
    blur = statistics.blur
    return replace(
        statistics,
        blur=blur[places] if isinstance(blur, np.ndarray) else blur,
        **{name: getattr(statistics, name)[places] for name in names},
    )
