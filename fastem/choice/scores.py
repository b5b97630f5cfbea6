"""Derivatives of a component's log-density: of normal ones, and of Student's t.

Coordinates are the logarithm of its weight; the mean, and those of B
(:mod:`fastem.covariances.directions`), as seen from its own spread; and, of Student's
t, the logarithm of its degrees of freedom v. With the whitened residuals y, d = |y|^2
and u = (v + D) / (v + d), derivatives by what moves y are those of a normal
distribution whose rows weigh u, and u falls as d grows.
"""

import numpy as np
from scipy.special import digamma, polygamma

from fastem.covariances.directions import pairs_of
from fastem.statistics import Array


def n_coordinates(n_features: int, has_matrices: bool, has_tails: bool) -> int:
    """How many coordinates a component has."""
    return 1 + n_features + len(pairs_of(n_features, has_matrices)[0]) + has_tails


def scores(y: Array, has_matrices: bool, v: float | None) -> Array:
    """First derivatives at rows (n, D) that are whitened: (n, q)."""
    n, D = y.shape
    i, j = pairs_of(D, has_matrices)
    found = np.empty((n, n_coordinates(D, has_matrices, v is not None)))
    means, pairs = slice(1, 1 + D), slice(1 + D, 1 + D + len(i))
    found[:, 0] = 1.0
    found[:, means] = y
    np.multiply(y[:, i], y[:, j], out=found[:, pairs])
    if v is not None:
        u, d = _weights(y, v)
        found[:, 1 : pairs.stop] *= u[:, np.newaxis]
        found[:, -1] = v * _by_tails(d, D, v)
    diagonal = 1 + D + np.flatnonzero(i == j)
    found[:, diagonal] = (found[:, diagonal] - 1) / 2
    return found


def second_derivatives(
    y: Array, weights: Array, sums: Array, has_matrices: bool, v: float | None
) -> Array:
    """Second derivatives, summed over rows that weigh so much: (q, q).

    Parameters
    ----------
    sums : array of shape (q,)
        The weighted sums of first derivatives.
    """
    D = y.shape[1]
    i, j = pairs_of(D, has_matrices)
    of_tails = slice(1, 1 + D + len(i))
    total, n_u = sums[0], sums[0]
    if v is not None:
        u, d = _weights(y, v)
        n_u = float(weights @ u)
    products = sums[1 + D : of_tails.stop]
    products = np.where(i == j, 2 * products + total, products)
    second = np.zeros((len(sums), len(sums)))
    inner = second[of_tails, of_tails]
    inner[:] = _of_normal(total, n_u, sums[1 : 1 + D], products, has_matrices)
    if v is None:
        return second
    # Half the derivatives of -d by the mean and B.
    halves = np.hstack([y, y[:, i] * y[:, j] / np.where(i == j, 2, 1)])
    falls = 2 * weights * u**2 / (v + D)
    inner += (halves * falls[:, np.newaxis]).T @ halves
    apart = d - D
    mixed = v * (weights * apart / (v + d) ** 2) @ halves
    second[of_tails, -1] = second[-1, of_tails] = mixed
    # By v, and then by its logarithm.
    by_v = d / (v * (v + d)) - apart / (v + d) ** 2
    by_v += (polygamma(1, (v + D) / 2) - polygamma(1, v / 2)) / 2
    second[-1, -1] = v**2 * float(weights @ by_v) / 2 + sums[-1]
    return second


def _weights(y: Array, v: float) -> tuple[Array, Array]:
    """How much rows weigh, u, and the squares of their distances, d."""
    d = (y**2).sum(axis=1)
    weights: Array = (v + y.shape[1]) / (v + d)
    return weights, d


def _by_tails(d: Array, n_features: int, v: float) -> Array:
    """The derivative by degrees of freedom."""
    D = n_features
    constant = digamma((v + D) / 2) - digamma(v / 2)
    derivative: Array = (constant - np.log1p(d / v) + (d - D) / (v + d)) / 2
    return derivative


def _of_normal(
    total: float, n_u: float, y: Array, products: Array, has_matrices: bool
) -> Array:
    """By the mean and B, of rows that sum to ``total``, and to ``n_u`` as they weigh.

    ``y`` (D,) and ``products`` (P,) are weighted sums of residuals and of products.
    """
    D = len(y)
    i, j = pairs_of(D, has_matrices)
    n_pairs = len(i)
    second = np.zeros((D + n_pairs, D + n_pairs))
    second[:D, :D] = -n_u * np.eye(D)
    mixed = np.zeros((D, n_pairs))
    places = np.arange(n_pairs)
    mixed[i, places] -= y[j]
    mixed[j[i != j], places[i != j]] -= y[i[i != j]]
    second[:D, D:] = mixed
    second[D:, :D] = mixed.T
    if not has_matrices:
        second[D:, D:] = np.diag(total / 2 - products)
        return second
    scatter = np.zeros((D, D))
    scatter[i, j] = scatter[j, i] = products
    basis = np.zeros((n_pairs, D, D))
    basis[places, i, j] = basis[places, j, i] = 1.0
    turned = ((total / 2 * np.eye(D) - scatter) @ basis).reshape(n_pairs, -1)
    of_pairs = turned @ basis.reshape(n_pairs, -1).T
    second[D:, D:] = (of_pairs + of_pairs.T) / 2
    return second
