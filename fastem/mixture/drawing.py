"""Rows drawn from a mixture."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dtrtri

from fastem.covariances.representations import Representation
from fastem.kernels import BACKGROUND
from fastem.statistics import Array, Background, MixtureParameters

# How far a covariance may be off, in units of the columns' standard deviations.
_TOLERANCE = 1e-9

# Of tails as long as are allowed (0.01 degrees of freedom) one draw in forty would be
# at infinity, where a float ends.
_LEAST_DIVISOR = 1e-200


def draw_rows(
    parameters: MixtureParameters,
    representation: Representation,
    n_rows: int,
    random: np.random.RandomState,
) -> tuple[Array, NDArray[np.intp]]:
    """Rows (n_rows, D) in the order of their components, and these, (n_rows,).

    The random numbers are those that scikit-learn draws.
    """
    K, D = parameters.means.shape
    background, v = parameters.background, parameters.degrees_of_freedom
    if background is None:
        counts = random.multinomial(n_rows, parameters.weights)
    else:
        shares = np.append(parameters.weights, background.weight)
        counts = random.multinomial(n_rows, shares)
    drawn: list[Array] = []
    for mean, transform, count in zip(
        parameters.means,
        _transforms(parameters, representation),
        counts[:K],
        strict=True,
    ):
        normal = random.standard_normal(size=(count, D))
        residuals = (
            normal @ transform if representation.has_matrices else normal * transform
        )
        if v is not None:
            of_component = v[len(drawn)]
            divisors = random.chisquare(of_component, size=(count, 1)) / of_component
            residuals /= np.sqrt(np.maximum(divisors, _LEAST_DIVISOR))
        drawn.append(mean + residuals)
    labels = np.arange(K)
    if background is not None:
        drawn.append(_uniform_rows(background, int(counts[K]), random))
        labels = np.append(labels, BACKGROUND)
    return np.concatenate(drawn), np.repeat(labels, counts)


def _uniform_rows(
    background: Background, n_rows: int, random: np.random.RandomState
) -> Array:
    low, high = background.box.T
    rows: Array = random.uniform(low, high, size=(n_rows, len(low)))
    return rows


def _transforms(
    parameters: MixtureParameters, representation: Representation
) -> list[Array]:
    """What makes of a standard normal row one of each component: T, or its diagonal."""
    K, D = parameters.means.shape
    if not representation.has_matrices:
        return list(np.sqrt(parameters.covariances))
    covariances = representation.expand(parameters.covariances, K, D)
    factors = parameters.precisions_cholesky
    if representation.is_shared:
        return [_transform(covariances[0], factors)] * K
    return [_transform(*pair) for pair in zip(covariances, factors, strict=True)]


def _transform(covariance: Array, precision_cholesky: Array) -> Array:
    """T with T'T = covariance: the one of NumPy's ``multivariate_normal``, if it is.

    Its singular values are right to rounding of the largest. Of columns with standard
    deviations of 1e-10, 1 and 1e10 the first one's variance came out a third too small.
    """
    _, variances, axes = np.linalg.svd(covariance)
    transform: Array = np.sqrt(variances)[:, np.newaxis] * axes
    deviations = np.sqrt(np.diag(covariance))
    error = np.abs(transform.T @ transform - covariance)
    if (error <= _TOLERANCE * np.outer(deviations, deviations)).all():
        return transform
    inverse: Array = dtrtri(precision_cholesky, lower=0)[0]
    return inverse
