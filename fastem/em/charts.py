"""Coordinates for mixtures, in which they can be added and extrapolated."""

from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy.special import polygamma

from fastem.checks.fixed import Fixed
from fastem.covariances import CovarianceStructure, SingularCovarianceError
from fastem.covariances.held import confined_beside
from fastem.covariances.representations import Representation
from fastem.em.constraints import kept
from fastem.em.tails import StudentTails
from fastem.statistics import Array, MixtureParameters

_LEAST_WEIGHT = 1e-280
_FARTHEST = 1e15  # standard deviations that a mean moves in a step
_SMALL = 1e-4


class Chart:
    """Coordinates about a mixture, in which distance means information.

    A component's logarithm of weight, mean and covariance, as seen from its own
    spread in the base: so neither the units nor the correlations of columns matter; and
    the logarithm of its degrees of freedom, if it has any.
    Scaled by roots of weights, the squared length of a small step is twice the
    Kullback-Leibler divergence, per row, of the mixtures with known memberships. In
    this metric EM is gradient ascent with a step of length 1 [1]_.

    References
    ----------
    .. [1] L. Xu, M. I. Jordan, "On convergence properties of the EM algorithm for
       Gaussian mixtures", Neural Computation 8 (1996), 129-151.
    """

    def __init__(
        self, representation: Representation, parameters: MixtureParameters
    ) -> None:
        self._representation = representation
        self._exact = parameters
        self._base = replace(parameters, weights=_positive(parameters.weights))
        self._scales = np.sqrt(self._base.weights)[:, np.newaxis]
        self._weights = _all_weights(parameters)
        self._weight_scales = np.sqrt(self._weights)

    def coordinates(self, parameters: MixtureParameters) -> Array:
        """Where these parameters lie: a vector."""
        base = self._base
        return np.concatenate(
            [
                self._weight_scales * np.log(_all_weights(parameters) / self._weights),
                (self._scales * self._whitened(parameters.means - base.means)).ravel(),
                self._representation.coordinates(
                    base, self._inverses, parameters.precisions_cholesky
                ).ravel(),
                self._of_tails(parameters),
            ]
        )

    def parameters(self, coordinates: Array) -> MixtureParameters:
        """The parameters there; not finite if it is too far away."""
        base = self._base
        sizes = [len(self._weights), base.means.size, base.precisions_cholesky.size]
        log_ratios, means, shape, tails = np.split(coordinates, np.cumsum(sizes))
        log_weights = np.log(self._weights) + log_ratios / self._weight_scales
        weights: Array = np.exp(log_weights - log_weights.max())
        weights /= weights.sum()
        background = base.background
        if background is not None:
            background = replace(background, weight=float(weights[-1]))
        shifts = self._unwhitened(means.reshape(base.means.shape) / self._scales)
        precisions_cholesky = self._representation.from_coordinates(
            base, shape.reshape(base.precisions_cholesky.shape)
        )
        return MixtureParameters(
            weights[: len(base.weights)],
            base.means + shifts,
            self._representation.invert(precisions_cholesky),
            precisions_cholesky,
            background,
            degrees_of_freedom=self._tails_at(tails),
        )

    def _of_tails(self, parameters: MixtureParameters) -> Array:
        v, base = parameters.degrees_of_freedom, self._base.degrees_of_freedom
        if v is None or base is None:
            return np.empty(0)
        coordinates: Array = self._tail_scales(base) * np.log(v / base)
        return coordinates

    def _tails_at(self, coordinates: Array) -> Array | None:
        base = self._base.degrees_of_freedom
        if base is None:
            return None
        v: Array = base * np.exp(coordinates / self._tail_scales(base))
        return v

    def _tail_scales(self, v: Array) -> Array:
        """Of log v, by the information in what divides covariances."""
        information = v**2 * polygamma(1, v / 2) / 4 - v / 2
        scales: Array = np.sqrt(self._base.weights * information)
        return scales

    def within(
        self,
        structure: CovarianceStructure,
        coordinates: Array,
        tails: StudentTails | None = None,
        fixed: Fixed | None = None,
    ) -> tuple[MixtureParameters, Array] | None:
        """The nearest mixture that the structure allows, and where that lies.

        None if it is too far away. What is ``fixed`` is as in the chart's base.

        Steps of charts with other weights add up to covariances that a structure need
        not have, and whose log-likelihood EM's next step would not reach.
        """
        with np.errstate(all="ignore"):
            parameters = self.parameters(coordinates)
        values = (
            *(parameters.weights, parameters.means),
            *(parameters.covariances, parameters.precisions_cholesky),
        )
        if not all(np.isfinite(value).all() for value in values):
            return None
        moved = np.abs(self._whitened(parameters.means - self._base.means))
        if moved.max() > _FARTHEST:  # as empty ones may, until float32 has no such mean
            return None
        if not parameters.weights.any():  # all is left to the background
            return None
        try:
            confined = (
                structure.confined(parameters)
                if fixed is None
                else confined_beside(
                    structure, parameters, self._exact, fixed.covariances
                )
            )
        except SingularCovarianceError:
            return None
        if tails is not None:
            confined = tails.confined(confined)
        if fixed is not None:
            confined = kept(fixed, confined, self._exact, structure.representation)
        factors = confined.precisions_cholesky
        with np.errstate(divide="ignore"):
            determinants = structure.representation.log_determinants(
                factors, confined.means.shape[1]
            )
        if not np.isfinite(determinants).all():  # so wide that its density is none
            return None
        if confined is parameters:
            return parameters, coordinates
        return confined, self.coordinates(confined)

    def any_direction(self) -> Array:
        """A direction of length 1, the same for each mixture of this shape.

        Components move by as much as seen from their own spread, rather than in the
        chart: there an empty one would fly away.
        """
        base = self._base
        alike = replace(base, weights=np.ones_like(base.weights))
        moves = np.random.default_rng(0).standard_normal(len(self.coordinates(base)))
        moved = Chart(self._representation, alike).parameters(_SMALL * moves)
        moved = replace(moved, weights=base.weights, background=base.background)
        direction = self.coordinates(moved)
        return direction / float(np.linalg.norm(direction))

    @cached_property
    def _inverses(self) -> Array:
        return self._representation.inverse_factors(self._base.precisions_cholesky)

    def _whitened(self, points: Array) -> Array:
        return self._times(points, self._base.precisions_cholesky)

    def _unwhitened(self, points: Array) -> Array:
        return self._times(points, self._inverses)

    def _times(self, points: Array, factors: Array) -> Array:
        if self._representation.has_matrices:
            products: Array = (points[:, np.newaxis] @ factors)[:, 0]
            return products
        return points * factors.reshape(len(points), -1)


def _all_weights(parameters: MixtureParameters) -> Array:
    """Of the components and, the last one, of the background; none is 0."""
    background = parameters.background
    of_background = [] if background is None else [background.weight]
    return _positive(np.append(parameters.weights, of_background))


def _positive(weights: Array) -> Array:
    """An empty component has no logarithm of weight."""
    return np.maximum(weights, _LEAST_WEIGHT)
