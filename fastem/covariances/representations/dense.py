"""Cholesky factors of dense matrices, for the structures that have them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dtrtri

from fastem.covariances.degeneracy import Degeneracy
from fastem.covariances.singular import SingularCovarianceError
from fastem.statistics import EPS, Array, Ridge, SufficientStatistics


def degeneracy(component: int | None, covariance: Array, eps: float) -> Degeneracy:
    """Which columns have no variance, and which none given the columns before them.

    Symmetric elimination, in which such a column is skipped. What is left of a
    variance is zero if it is within D roundings of the variance itself. Of a column
    to which one column before it leaves nothing, it is told which.
    """
    left = covariance.copy()
    n_features = len(left)
    smallest = n_features * eps * np.diag(covariance)
    constant, collinear, copied = [], [], []
    kept: list[int] = []
    for j in range(n_features):
        if not covariance[j, j] > 0:
            constant.append(j)
        elif not left[j, j] > smallest[j]:
            collinear.append(j)
            explained = covariance[kept, j] ** 2 / np.diag(covariance)[kept]
            given_one = covariance[j, j] - explained
            copies = np.flatnonzero(given_one <= smallest[j])
            copied.append(kept[copies[0]] if len(copies) else -1)
        else:
            kept.append(j)
            factor = left[j + 1 :, j] / left[j, j]
            left[j + 1 :, j + 1 :] -= np.outer(factor, left[j, j + 1 :])
    if not any(source >= 0 for source in copied):
        copied = []
    return Degeneracy(
        component, tuple(constant), tuple(collinear), copied_columns=tuple(copied)
    )


def inverse_cholesky(covariances: Array, shared: bool, eps: float = EPS) -> Array:
    """Upper triangular U with U U' = inverse, for each matrix of (K, D, D).

    Raises
    ------
    SingularCovarianceError
        For the first matrix that is not positive definite to rounding.
    """
    n_features = covariances.shape[-1]
    diagonal = np.arange(n_features)
    factors = np.empty_like(covariances)
    roots = np.empty(covariances.shape[:2])
    for k, covariance in enumerate(covariances):
        lower, failed_at = dpotrf(covariance, lower=1, clean=1)
        roots[k] = np.nan if failed_at else lower.diagonal()
        factors[k] = dtrtri(lower, lower=1, overwrite_c=1)[0].T
    smallest = n_features * eps * covariances[:, diagonal, diagonal]
    # Written so that a NaN counts as singular.
    singular = ~(roots**2 > smallest).all(axis=1)
    if singular.any():
        k = int(np.argmax(singular))
        raise SingularCovarianceError(
            degeneracy(None if shared else k, covariances[k], eps)
        )
    return factors


def cholesky_of_precision(precisions: Array, shared: bool) -> Array:
    """Upper triangular U with U U' = precision, for each matrix of (K, D, D).

    Cholesky gives lower factors; reversing rows and columns before and after makes
    them upper.

    Raises
    ------
    SingularCovarianceError
        For the first matrix that is not positive definite.
    """
    factors = np.empty_like(precisions)
    for k, precision in enumerate(precisions):
        lower, failed_at = dpotrf(precision[::-1, ::-1], lower=1, clean=1)
        if failed_at:
            raise SingularCovarianceError(
                degeneracy(None if shared else k, precision, EPS)
            )
        factors[k] = lower[::-1, ::-1]
    return factors


def inverse_upper(factors: Array) -> Array:
    """The inverse of each upper triangular matrix of (K, D, D)."""
    return np.stack([dtrtri(factor, lower=0)[0] for factor in factors])


def inverse_gram(factors: Array) -> Array:
    """Covariances (U U')^-1 = V' V with V = U^-1, for each U of (K, D, D)."""
    inverses = inverse_upper(factors)
    covariances: Array = inverses.transpose(0, 2, 1) @ inverses
    return covariances


class Regression(NamedTuple):
    """Columns that are missing, given those present."""

    coefficients: Array  # (..., M, O): B = S_mo S_oo^-1
    covariance: Array  # (..., M, M) of what is left: S_mm - B S_om


def regression(
    covariances: Array,
    factors: Array,
    columns: NDArray[np.intp],
    missing: NDArray[np.intp],
) -> Regression:
    """Of covariances (..., D, D), given U of the columns present, (..., O, O)."""
    rows = missing[:, np.newaxis]
    whitened = covariances[..., rows, columns] @ factors
    explained = whitened @ np.swapaxes(whitened, -1, -2)
    coefficients = whitened @ np.swapaxes(factors, -1, -2)
    return Regression(coefficients, covariances[..., rows, missing] - explained)


def lifted(
    statistics: SufficientStatistics,
    counts: Array,
    regression: Regression,
    columns: NDArray[np.intp],
    missing: NDArray[np.intp],
) -> tuple[Array, Array]:
    """First moments and scatter in all columns, of rows that lack some.

    With A = [I; B] they are A s and A T A' + n (S_mm - B S_om), of these moments s and
    this scatter T of the rows, of which ``counts`` are n.
    """
    B, left = regression
    n_features = len(columns) + len(missing)
    first = np.empty((len(statistics.weights), n_features))
    first[:, columns] = statistics.first
    first[:, missing] = (B @ statistics.first[:, :, np.newaxis])[:, :, 0]
    T = statistics.scatter
    scatter = np.empty((*T.shape[:-2], n_features, n_features))
    between = B @ T
    rows, columns_of = missing[:, np.newaxis], columns[:, np.newaxis]
    scatter[..., columns_of, columns] = T
    scatter[..., rows, columns] = between
    scatter[..., columns_of, missing] = np.swapaxes(between, -1, -2)
    scatter[..., rows, missing] = between @ np.swapaxes(B, -1, -2) + counts * left
    return first, scatter


def log_relative(base: Array, inverses: Array, factors: Array) -> Array:
    """Coordinates of inv(base) factor, for upper triangular factors (..., D, D).

    ``inverses`` are inv(base). Of a factor's difference from the base, so that a small
    step has all its digits.

    With A a small change of the factor in units of the base, the divergence of the
    normal distributions is sum of A_jj squared + half the sum of the other A_ij
    squared: so diagonal elements count by the root of 2.
    """
    diagonal = np.arange(base.shape[-1])
    coordinates = inverses @ (factors - base)
    ratios = factors[..., diagonal, diagonal] / base[..., diagonal, diagonal]
    logarithms = np.log(ratios)
    coordinates[..., diagonal, diagonal] = np.sqrt(2) * logarithms
    return coordinates


def from_log_relative(base: Array, coordinates: Array) -> Array:
    """The factors, from what ``log_relative`` returned."""
    diagonal = np.arange(base.shape[-1])
    relative = np.triu(coordinates, 1)
    logarithms = coordinates[..., diagonal, diagonal] / np.sqrt(2)
    relative[..., diagonal, diagonal] = np.exp(logarithms)
    return base @ relative


def mirror_lower(matrices: Array) -> Array:
    """Symmetric matrices from their lower triangles.

    Of products that are symmetric up to the order in which BLAS adds, too.
    """
    mirrored = matrices.copy()
    upper = ~np.tri(matrices.shape[-1], dtype=bool)
    np.copyto(mirrored, np.swapaxes(matrices, -1, -2), where=upper)
    return mirrored


def add_to_diagonal(matrices: Array, value: Ridge) -> Array:
    """The matrices (..., D, D), in place, with ``value`` added to their diagonals."""
    diagonal = np.arange(matrices.shape[-1])
    matrices[..., diagonal, diagonal] += value
    return matrices
