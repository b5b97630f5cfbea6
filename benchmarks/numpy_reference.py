"""EM in plain NumPy, as one who knows NumPy and BLAS would write it.

It is what fastem's speed is measured against from one version to the next: it
changes with NumPy only. All arithmetic on rows is matrix products and whole-array
functions, in the type of the rows. Rows are taken in blocks that fit the cache:
faster than whole columns of temporary arrays, and there is no N x K array.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_BLOCK_VALUES = 1 << 17


@dataclass(frozen=True)
class Mixture:
    """A mixture: ``factors`` are upper triangular U with U U' = precision.

    Shapes of the factors: (K, D, D) full, (D, D) tied, (K, D) diag, (K,) spherical.
    """

    weights: Array
    means: Array
    factors: Array


def factors_of_precisions(precisions: Array, covariance_type: str) -> Array:
    """Factors of a start that is given as precisions."""
    if covariance_type in ("full", "tied"):
        covariances: Array = np.linalg.inv(precisions)
        return factors_of_covariances(covariances, covariance_type)
    return np.sqrt(precisions)


def factors_of_covariances(covariances: Array, covariance_type: str) -> Array:
    """Inverses of the Cholesky factors, transposed; 1 / deviations otherwise."""
    if covariance_type in ("full", "tied"):
        lower = np.linalg.cholesky(covariances)
        return np.swapaxes(np.linalg.inv(lower), -1, -2)
    deviations: Array = np.sqrt(covariances)
    return 1 / deviations


def _squared_distances(X: Array, mixture: Mixture, covariance_type: str) -> Array:
    """Squared Mahalanobis distances, (N, K).

    Where one product gives them for all components, by expanding the square. That
    loses digits only for rows far from the origin, and X has been centred.
    """
    means, factors = mixture.means, mixture.factors
    if covariance_type == "full":
        distances = np.empty((len(X), len(means)), X.dtype)
        for k, mean in enumerate(means):
            residuals = (X - mean) @ factors[k]
            np.einsum("ij,ij->i", residuals, residuals, out=distances[:, k])
        return distances
    if covariance_type == "diag":
        precisions = factors**2
        distances = (X * X) @ precisions.T
        distances -= 2 * (X @ (means * precisions).T)
        distances += (means**2 * precisions).sum(axis=1)
        return distances
    if covariance_type == "tied":
        X, means = X @ factors, means @ factors
    distances = -2 * (X @ means.T)
    distances += np.einsum("ij,ij->i", X, X)[:, np.newaxis]
    distances += (means**2).sum(axis=1)
    if covariance_type == "spherical":
        distances *= factors**2
    return distances


def _log_determinants(mixture: Mixture, covariance_type: str) -> Array:
    """Logarithm of the determinant of each factor: (K,) or a single one."""
    D = mixture.means.shape[1]
    logarithms: Array
    if covariance_type in ("full", "tied"):
        diagonals = np.diagonal(mixture.factors, axis1=-2, axis2=-1)
        logarithms = np.log(diagonals).sum(axis=-1)
    elif covariance_type == "diag":
        logarithms = np.log(mixture.factors).sum(axis=1)
    else:
        logarithms = D * np.log(mixture.factors)
    return logarithms


def _responsibilities(log_densities: Array) -> float:
    """Turn weighted log-densities into responsibilities; return the log-likelihood."""
    largest = log_densities.max(axis=1, keepdims=True)
    np.exp(np.subtract(log_densities, largest, out=log_densities), out=log_densities)
    totals = log_densities.sum(axis=1, keepdims=True)
    log_densities /= totals
    return float((largest + np.log(totals)).sum(dtype=np.float64))


def _moments(
    X: Array, mixture: Mixture, responsibilities: Array, covariance_type: str
) -> tuple[Array, Array]:
    """First and second moments, about the means (full) or about the origin."""
    if covariance_type == "full":
        first = np.empty_like(mixture.means)
        second = np.empty_like(mixture.factors)
        for k, mean in enumerate(mixture.means):
            residuals = X - mean
            weighted = residuals * responsibilities[:, k, np.newaxis]
            first[k] = weighted.sum(axis=0)
            second[k] = weighted.T @ residuals
        return first, second
    first = responsibilities.T @ X
    if covariance_type == "tied":
        return first, X.T @ X
    return first, responsibilities.T @ (X * X)


def iterate(
    X: Array, mixture: Mixture, covariance_type: str, ridge: float
) -> tuple[Mixture, float]:
    """One EM iteration: the next mixture, and the mean log-likelihood before it."""
    N, D = X.shape
    K = len(mixture.weights)
    center = mixture.weights @ mixture.means
    centred = Mixture(
        mixture.weights.astype(X.dtype),
        (mixture.means - center).astype(X.dtype),
        mixture.factors.astype(X.dtype),
    )
    constants = (
        np.log(mixture.weights)
        + _log_determinants(mixture, covariance_type)
        - 0.5 * D * math.log(2 * math.pi)
    ).astype(X.dtype)
    weights, first = np.zeros(K), np.zeros((K, D))
    shapes = {"full": (K, D, D), "tied": (D, D)}
    second = np.zeros(shapes.get(covariance_type, (K, D)))
    log_likelihood = 0.0
    block = max(256, _BLOCK_VALUES // max(D, K))
    for start in range(0, N, block):
        rows = X[start : start + block] - center.astype(X.dtype)
        values = _squared_distances(rows, centred, covariance_type)
        values *= -0.5
        values += constants
        log_likelihood += _responsibilities(values)
        weights += values.sum(axis=0, dtype=np.float64)
        moments = _moments(rows, centred, values, covariance_type)
        first += moments[0]
        second += moments[1]
    reference = mixture.means if covariance_type == "full" else center
    shifts, covariances = _maximize(weights, first, second, covariance_type)
    if covariance_type in ("full", "tied"):
        covariances += ridge * np.eye(D)
    else:
        covariances += ridge
    factors = factors_of_covariances(covariances, covariance_type)
    return Mixture(weights / N, reference + shifts, factors), log_likelihood / N


def _maximize(
    weights: Array, first: Array, second: Array, covariance_type: str
) -> tuple[Array, Array]:
    """New means, less what the moments are about, and covariances."""
    shifts = first / weights[:, np.newaxis]
    if covariance_type == "tied":
        return shifts, (second - (weights * shifts.T) @ shifts) / weights.sum()
    if covariance_type == "full":
        covariances = second / weights[:, np.newaxis, np.newaxis]
        covariances -= shifts[:, :, np.newaxis] * shifts[:, np.newaxis, :]
        return shifts, covariances
    variances = second / weights[:, np.newaxis] - shifts**2
    return shifts, variances if covariance_type == "diag" else variances.mean(axis=1)


def fit(
    X: Array,
    mixture: Mixture,
    covariance_type: str,
    ridge: float,
    n_iterations: int,
) -> list[float]:
    """Mean log-likelihood of a row at the start of each iteration."""
    history = []
    for _ in range(n_iterations):
        mixture, log_likelihood = iterate(X, mixture, covariance_type, ridge)
        history.append(log_likelihood)
    return history
