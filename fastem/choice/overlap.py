"""How far components overlap: which share of a component's rows others would get."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats
from sklearn.utils import check_random_state

from fastem import kernels
from fastem.checks.rows import read_only
from fastem.choice.frames import frame_of
from fastem.choice.quadratic_forms import probability_above
from fastem.covariances.representations import Representation, student
from fastem.covariances.view import View
from fastem.mixture import GaussianMixture
from fastem.mixture.drawing import draw_rows
from fastem.statistics import Array, MixtureParameters

_SHOWN = 5
_LEAST_SHOWN = 1e-4


@dataclass(frozen=True)
class Overlap:
    """How far the components of a mixture overlap, pair by pair.

    Attributes
    ----------
    confusion : array of shape (K, K)
        [i, j]: the probability that a row drawn from component i is likelier to be of
        component j, of these two. 0 for i = j.
    error : array of shape (K, K)
        Standard errors of those; for normal components, where it is an integral, by how
        much the last step of its computation changed it.
    lost : array of shape (K,), or None
        With a background: the probability that a row drawn from the component is
        likelier to be of the background.
    """

    confusion: Array
    error: Array
    lost: Array | None = None

    @property
    def pairs(self) -> tuple[OverlappingPair, ...]:
        """Each pair of components, those that overlap most first."""
        found = [
            OverlappingPair(
                *(i, j, float(self.confusion[i, j]), float(self.confusion[j, i])),
                math.hypot(self.error[i, j], self.error[j, i]),
            )
            for i, j in combinations(range(len(self.confusion)), 2)
        ]
        return tuple(sorted(found, key=lambda pair: -pair.overlap))

    def to_frame(self) -> Any:
        """A DataFrame with a row for each pair: of pandas, or of polars without it."""
        pairs = self.pairs
        names = "first", "second", "overlap", "first_as_second", "second_as_first"
        columns = {name: [getattr(p, name) for p in pairs] for name in names}
        return frame_of({**columns, "error": [pair.error for pair in pairs]})

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield "Rows of a component that are likelier to be of another one:"
        pairs = self.pairs
        shown = [pair for pair in pairs[:_SHOWN] if pair.overlap >= _LEAST_SHOWN]
        for pair in shown:
            yield (
                f"  {pair.first:3} and {pair.second}: {_percent(pair.first_as_second)} "
                f"of {pair.first}, {_percent(pair.second_as_first)} of {pair.second}"
            )
        if len(shown) < len(pairs):
            most = _percent(pairs[len(shown)].overlap)
            others = "all others" if shown else "all"
            yield f"  {others} ({len(pairs) - len(shown)}): {most} or less in sum"
        if self.lost is not None:
            told = ", ".join(map(_percent, self.lost))
            yield f"Rows of each that are likelier to be of the background: {told}"


@dataclass(frozen=True)
class OverlappingPair:
    """How far two components overlap.

    Attributes
    ----------
    first, second : int
        The components.
    first_as_second, second_as_first : float
        The probability that a row of the one is likelier to be of the other.
    error : float
        Standard error of :attr:`overlap`.
    """

    first: int
    second: int
    first_as_second: float
    second_as_first: float
    error: float

    @property
    def overlap(self) -> float:
        """The sum of both probabilities: from 0 to 1 or little more."""
        return self.first_as_second + self.second_as_first


def overlap(
    model: GaussianMixture,
    *,
    n_samples: int = 100_000,
    random_state: int | np.random.RandomState | None = None,
) -> Overlap:
    """How far the components of a mixture overlap: the probability of confusion.

    That a row drawn from component i is likelier to be of component j than of i,
    weights taken into account: MixSim's definition [1]_. No other components and no
    rows are looked at: it is the mixture's own claim.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, or made from parameters.
    n_samples : int, default=100000
        How many rows to draw from each component of a :class:`fastem.StudentMixture`,
        where the probability is a share of them. For normal components it is an
        integral, exact to about 10 digits, and none are drawn.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws; None for the one of the model's constructor.

    Returns
    -------
    Overlap

    References
    ----------
    .. [1] R. Maitra, V. Melnykov, "Simulating data to study performance of finite
       mixture modeling and clustering algorithms", J. Comput. Graph. Stat. 19 (2010),
       354-376.

    Examples
    --------
    >>> from fastem import GaussianMixture, overlap
    >>> model = GaussianMixture.from_parameters(
    ...     [0.25, 0.25, 0.5], [[0.0], [2.0], [9.0]], [[1.0], [1.0], [1.0]],
    ...     covariance_type="diag")
    >>> overlap(model).confusion[0, 1].round(6)  # that of 1 standard deviation
    np.float64(0.158655)
    >>> print(overlap(model))
    Rows of a component that are likelier to be of another one:
        0 and 1: 15.9 % of 0, 15.9 % of 1
        1 and 2: 0.0336 % of 1, 0.016 % of 2
      all others (1): 0.000723 % or less in sum
    """
    if n_samples < 2:
        raise ValueError(f"n_samples must be 2 or more, but is {n_samples}")
    structure, parameters = model._fitted()
    representation = structure.representation
    if parameters.degrees_of_freedom is None:
        found = _of_normal(parameters, representation)
    else:
        random = check_random_state(
            model.random_state if random_state is None else random_state
        )
        found = _by_draws(
            parameters, representation, n_samples, random, model.n_threads
        )
    return Overlap(*found, _lost(parameters, representation))


def _of_normal(
    parameters: MixtureParameters, representation: Representation
) -> tuple[Array, Array]:
    """Probabilities and their errors, for normal components."""
    K = len(parameters.weights)
    whitening = _dense_factors(parameters, representation)
    log_densities = np.linalg.slogdet(whitening)[1] + parameters.log_weights
    probabilities, errors = np.zeros((K, K)), np.zeros((K, K))
    for i in range(K):
        unwhitening = np.linalg.inv(whitening[i]).T
        for j in range(K):
            if i == j or parameters.weights[j] == 0:
                continue
            if parameters.weights[i] == 0:
                probabilities[i, j] = 1.0
                continue
            # In deviations of i, y = U_i'(x - m_i), as seen in those of j.
            turned = whitening[j].T @ unwhitening
            shift = whitening[j].T @ (parameters.means[i] - parameters.means[j])
            left, stretches, _ = np.linalg.svd(turned)
            shifts = left.T @ shift
            gain = log_densities[j] - log_densities[i] - float(shift @ shift) / 2
            probabilities[i, j], errors[i, j] = probability_above(
                (1 - stretches**2) / 2, -stretches * shifts, -gain
            )
    return probabilities, errors


def _by_draws(
    parameters: MixtureParameters,
    representation: Representation,
    n_samples: int,
    random: np.random.RandomState,
    n_threads: int | None,
) -> tuple[Array, Array]:
    """Shares of rows drawn, and their standard errors."""
    K, D = parameters.means.shape
    components = [
        View(
            *(representation, parameters, np.arange(D), np.array([k])),
            has_background=False,
        ).parameters
        for k in range(K)
    ]
    alone = [replace(component, weights=np.ones(1)) for component in components]
    factors = [representation.factors(component, np.float64) for component in alone]
    counts = np.zeros((K, K))
    for i, component in enumerate(alone):
        rows = read_only(draw_rows(component, representation, n_samples, random)[0])
        log_densities = [
            log_weight + kernels.log_likelihood_pass(rows, of_component, n_threads)
            for log_weight, of_component in zip(
                parameters.log_weights, factors, strict=True
            )
        ]
        counts[i] = [
            np.count_nonzero(of_j > log_densities[i]) for of_j in log_densities
        ]
    # Those of a posterior, so that no count of 0 is certain.
    shares = (counts + 1) / (n_samples + 2)
    errors = np.sqrt(shares * (1 - shares) / (n_samples + 3))
    np.fill_diagonal(errors, 0.0)
    return counts / n_samples, errors


def _lost(
    parameters: MixtureParameters, representation: Representation
) -> Array | None:
    """Probabilities that rows are likelier to be of the background: (K,), if any.

    Of squared distances, which have a known distribution.
    """
    background, v = parameters.background, parameters.degrees_of_freedom
    if background is None:
        return None
    D = parameters.means.shape[1]
    logarithms = representation.log_determinants(parameters.precisions_cholesky, D)
    heights = parameters.log_weights + logarithms - background.log_density
    if v is None:
        # Where the density has fallen to the background's.
        squares = 2 * (heights - D * math.log(2 * math.pi) / 2)
        lost: Array = stats.chi2.sf(squares, D)
        return lost
    heights += student.log_constants(v, D)
    squares = v * np.expm1(2 * heights / (v + D))
    return np.asarray(stats.f.sf(squares / D, D, v), np.float64)


def _dense_factors(
    parameters: MixtureParameters, representation: Representation
) -> Array:
    """U with U U' = inverse covariance for each component: (K, D, D)."""
    K, D = parameters.means.shape
    factors = parameters.precisions_cholesky
    if representation.has_matrices:
        return np.broadcast_to(factors, (K, D, D))
    return np.broadcast_to(factors.reshape(K, -1), (K, D))[..., np.newaxis] * np.eye(D)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
