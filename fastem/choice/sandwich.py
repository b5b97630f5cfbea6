"""Standard errors from derivatives of the log-likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from fastem.checks.fixed import Fixed
from fastem.choice.information import (
    Information,
    frame,
    information,
    weight_information,
)
from fastem.choice.scores import n_coordinates
from fastem.covariances import CovarianceStructure
from fastem.covariances.directions import (
    Directions,
    congruence,
    directions_of,
    pairs_of,
)
from fastem.em.tails import ESTIMATE, LEAST, MOST, SHARED
from fastem.mixture import GaussianMixture
from fastem.mixture.fixed import fixed_of
from fastem.mixture.tails import tails_of_fit
from fastem.statistics import Array, MixtureParameters

# More coordinates are not held at once: as many squared are 32 MB.
_MOST = 2000
# Of the information in a parameter, once the others are known: less is rounding.
_LEAST = 1e-10


@dataclass(frozen=True)
class Sandwich:
    """Standard errors, in the shapes of the parameters."""

    weights: Array
    means: Array
    covariances: Array
    by_component: bool
    degrees_of_freedom: Array | None = None


def sandwich(
    model: GaussianMixture, X: Any, sample_weight: ArrayLike | str | None
) -> Sandwich:
    """Standard errors of a mixture fitted to these rows.

    Raises
    ------
    ValueError
    """
    structure, parameters = model._fitted()
    K, D = parameters.means.shape
    fixed = fixed_of(model, K)
    _check(model, parameters, fixed)
    has_matrices = structure.representation.has_matrices
    has_tails = parameters.degrees_of_freedom is not None
    q = n_coordinates(D, has_matrices, has_tails)
    pairs = slice(1 + D, q - has_tails)
    n_weights = K + (parameters.background is not None)
    if K * q <= _MOST or K == 1:
        told = information(model, X, sample_weight)
        of_weights = _weight_directions(n_weights, K, fixed)
        directions = _free(directions_of(structure, parameters), fixed)
        of_tails = _tail_directions(model, parameters)
        jacobian = _jacobian(of_weights, directions, of_tails, fixed, K, D)
        gradient = told.score[: K * q].reshape(K, q)[:, pairs]
        curvature = _curvature(directions, gradient, jacobian, of_tails)
        covariance = _covariance(told, jacobian, curvature)
        blocks = [
            covariance[k * q : (k + 1) * q, k * q : (k + 1) * q] for k in range(K)
        ]
        places = q * np.arange(K)
        if n_weights > K:
            places = np.append(places, len(covariance) - 1)
        of_logarithms = covariance[np.ix_(places, places)]
        return _errors(structure, parameters, of_logarithms, blocks, by_component=False)
    if _tail_directions(model, parameters).sum(axis=0).max(initial=0) > 1:
        raise ValueError(
            f"method='sandwich' would hold {K * q:,} x {K * q:,} numbers, and "
            "components cannot be taken one by one, which share their "
            "degrees_of_freedom: use method='bootstrap'"
        )
    if not structure.shares_nothing:
        raise ValueError(
            f"method='sandwich' would hold {K * q:,} x {K * q:,} numbers, and "
            "components cannot be taken one by one, which share parts with "
            f"covariance_type={structure.name!r}: use method='bootstrap'"
        )
    return _one_by_one(model, X, sample_weight, fixed)


def _check(
    model: GaussianMixture, parameters: MixtureParameters, fixed: Fixed | None
) -> None:
    if model.covariance_ratio is not None:
        raise ValueError(
            "method='sandwich' is for a maximum at which derivatives are 0, and with "
            "covariance_ratio it may lie where the bound begins: use method='weighted'"
        )
    if fixed is not None and 0 < fixed.weights.sum() < len(fixed.weights):
        raise ValueError(
            "method='sandwich' takes weights as fixed all or none: use "
            "method='bootstrap'"
        )
    empty = np.flatnonzero(parameters.weights == 0)
    if len(empty):
        raise ValueError(
            f"Component {empty[0]} has weight 0, at the edge of where weights may be, "
            "and no rows tell of it: use fewer components"
        )


def _weight_directions(n_weights: int, n_components: int, fixed: Fixed | None) -> Array:
    """Orthonormal directions of logarithms of weights, up to a common one: (n, m)."""
    free = np.eye(n_weights)
    if fixed is not None and (fixed.equal_weights or fixed.weights.all()):
        # All move as one, beside the background.
        free = np.zeros((n_weights, 1))
        free[:n_components] = 1.0
    free = free - free.mean(axis=0)
    left, sizes, _ = np.linalg.svd(free, full_matrices=False)
    directions: Array = left[:, sizes > 1e-8]
    return directions


def _tail_directions(model: GaussianMixture, parameters: MixtureParameters) -> Array:
    """Which logarithms of degrees of freedom move as one, where they do: (K, m).

    Those that are at the edge of where they may be do not.
    """
    v, tails = parameters.degrees_of_freedom, tails_of_fit(model)
    if v is None or tails is None:
        return np.zeros((0, 0))
    is_free = (v > LEAST) & (v < MOST)
    directions: Array = np.eye(len(v))[:, is_free]
    if tails.wish == SHARED:
        return np.ones((len(v), int(is_free.all())))
    return directions if tails.wish == ESTIMATE else np.zeros((len(v), 0))


def _free(directions: Directions, fixed: Fixed | None) -> Directions:
    """Those of covariances that are not fixed."""
    if fixed is None:
        return directions
    return directions.of_components(~fixed.covariances)


def _jacobian(
    of_weights: Array,
    directions: Directions,
    of_tails: Array,
    fixed: Fixed | None,
    K: int,
    D: int,
) -> Array:
    """What coordinates are of free parameters: weights, means, covariances, tails.

    ``of_tails`` has no rows where components have no degrees of freedom.
    """
    n_pairs = directions.first.shape[2]
    q = 1 + D + n_pairs + (len(of_tails) > 0)
    free = np.ones(K, bool) if fixed is None else ~fixed.means
    n_means = D * int(free.sum())
    n_weights = of_weights.shape[1]
    n_covariances = len(directions.first)
    p = n_weights + n_means + n_covariances + of_tails.shape[1]
    jacobian = np.zeros((K * q + len(of_weights) - K, p))
    by_component = jacobian[: K * q].reshape(K, q, p)
    by_component[:, 0, :n_weights] = of_weights[:K]
    jacobian[K * q :, :n_weights] = of_weights[K:]
    column = n_weights
    for k in np.flatnonzero(free):
        by_component[k, 1 : 1 + D, column : column + D] = np.eye(D)
        column += D
    pairs = slice(1 + D, 1 + D + n_pairs)
    stop = column + n_covariances
    by_component[:, pairs, column:stop] = directions.first.transpose(1, 2, 0)
    if len(of_tails):
        by_component[:, -1, stop:] = of_tails
    return jacobian


def _curvature(
    directions: Directions, gradient: Array, jacobian: Array, of_tails: Array
) -> Array:
    """What the curves of covariances add to second derivatives."""
    curvature = np.zeros((jacobian.shape[1],) * 2)
    stop = len(curvature) - of_tails.shape[1]
    mine = slice(stop - len(directions.first), stop)
    curvature[mine, mine] = directions.second(gradient)
    return curvature


def _covariance(told: Information, jacobian: Array, curvature: Array) -> Array:
    """Of all coordinates: J H^-1 G H^-1 J'."""
    observed = jacobian.T @ told.observed @ jacobian - curvature
    outer = jacobian.T @ told.outer @ jacobian
    if not len(observed):
        return np.zeros((len(jacobian),) * 2)
    scales = np.sqrt(np.maximum(np.diag(observed), 0.0))
    try:
        if not (scales > 0).all():
            raise LinAlgError
        factor = cho_factor(observed / np.outer(scales, scales))
        if np.diag(factor[0]).min() ** 2 < _LEAST:
            raise LinAlgError
    except LinAlgError:
        raise ValueError(
            "The log-likelihood does not fall in all directions from these parameters, "
            "so that method='sandwich' has no errors for them: the fit is not at its "
            "maximum for these rows (lower tol, raise max_iter, stopping="
            "'remaining_gain'), or some parameters do not matter, such as axes along "
            "which a component has the same variances"
        ) from None
    half = cho_solve(factor, (jacobian / scales).T)
    scaled = outer / np.outer(scales, scales)
    covariance: Array = half.T @ scaled @ half
    return covariance


def _errors(
    structure: CovarianceStructure,
    parameters: MixtureParameters,
    of_logarithms: Array,
    blocks: list[Array],
    *,
    by_component: bool,
) -> Sandwich:
    """Of the parameters, from covariances of coordinates."""
    representation = structure.representation
    K, D = parameters.means.shape
    has_matrices = representation.has_matrices
    shares = np.append(parameters.weights, parameters.background_weight)
    shares = shares[: len(of_logarithms)]
    to_weights = np.diag(shares) - np.outer(shares, shares)
    of_weights = _roots(to_weights @ of_logarithms @ to_weights)[:K]
    i, j = pairs_of(D, has_matrices)
    pairs = slice(1 + D, 1 + D + len(i))
    means, dense = np.empty((K, D)), np.empty((K, D, D) if has_matrices else (K, D))
    for k, block in enumerate(blocks):
        whitening = frame(representation, parameters, k)
        unwhitening = np.asarray(np.linalg.inv(whitening).T, np.float64)
        of_means = block[1 : 1 + D, 1 : 1 + D]
        means[k] = _roots(unwhitening @ of_means @ unwhitening.T)
        of_pairs = congruence(unwhitening, has_matrices=has_matrices)
        errors = _roots(of_pairs @ block[pairs, pairs] @ of_pairs.T)
        if has_matrices:
            dense[k, i, j] = dense[k, j, i] = errors
        else:
            dense[k] = errors
    shape = parameters.covariances.shape
    if representation.is_shared:
        covariances = dense[0]
    else:
        # One variance for all columns has the same error in each.
        covariances = dense if dense.shape == shape else dense[:, 0]
    v = parameters.degrees_of_freedom
    if v is not None:
        v = v * np.array([math.sqrt(max(block[-1, -1], 0.0)) for block in blocks])
    return Sandwich(of_weights, means, covariances, by_component, v)


def _roots(covariance: Array) -> Array:
    roots: Array = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return roots


def _one_by_one(
    model: GaussianMixture,
    X: Any,
    sample_weight: ArrayLike | str | None,
    fixed: Fixed | None,
) -> Sandwich:
    """Components by themselves, and weights by themselves: a pass for each."""
    structure, parameters = model._fitted()
    K, D = parameters.means.shape
    everything = directions_of(structure, _first_of(parameters))
    of_tails = _tail_directions(model, parameters)
    blocks = []
    for k in range(K):
        told = information(model, X, sample_weight, np.array([k]))
        free = None
        if fixed is not None:
            mask = np.array([k])
            free = Fixed(
                fixed.weights[mask], fixed.means[mask], fixed.covariances[mask]
            )
        directions = _free(everything, free)
        mine = of_tails[k : k + 1]
        mine = mine[:, mine.any(axis=0)]
        jacobian = _jacobian(np.zeros((1, 0)), directions, mine, free, 1, D)
        n_pairs = directions.first.shape[2]
        gradient = told.score[np.newaxis, 1 + D : 1 + D + n_pairs]
        curvature = _curvature(directions, gradient, jacobian, mine)
        blocks.append(_covariance(told, jacobian, curvature))
    told = weight_information(model, X, sample_weight)
    n_weights = len(told.score)
    of_weights = _weight_directions(n_weights, K, fixed)
    nothing = np.zeros((of_weights.shape[1],) * 2)
    of_logarithms = _covariance(told, of_weights, nothing)
    return _errors(structure, parameters, of_logarithms, blocks, by_component=True)


def _first_of(parameters: MixtureParameters) -> MixtureParameters:
    """A mixture of one component: where nothing is shared, each moves alike."""
    return MixtureParameters(
        *(parameters.weights[:1], parameters.means[:1]),
        *(parameters.covariances[:1], parameters.precisions_cholesky[:1]),
    )
