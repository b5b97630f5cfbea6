"""In which directions the covariances of a structure can move, to second order.

A covariance L (I + B) L' is seen from its own spread: L = U^-T of the
precisions_cholesky U, and B is symmetric, with coordinates B_ij for each pair i <= j,
or B_jj alone where covariances are variances. The structure's free parameters are
logarithms of volumes and shapes, and angles.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastem.covariances.structure import CovarianceStructure
from fastem.statistics import Array, MixtureParameters

Numbers = NDArray[np.intp]


def pairs_of(n_features: int, has_matrices: bool) -> tuple[Numbers, Numbers]:
    """Rows and columns of the coordinates of B: each pair, or the diagonal."""
    if has_matrices:
        rows, columns = np.triu_indices(n_features)
        return rows, columns
    return np.arange(n_features), np.arange(n_features)


def congruence(matrix: Array, *, has_matrices: bool) -> Array:
    """The matrix that takes coordinates of B to those of R B R', for R (E, D)."""
    i, j = (index[:, np.newaxis] for index in pairs_of(len(matrix), has_matrices))
    k, l = pairs_of(matrix.shape[1], has_matrices)  # noqa: E741
    mirrored = np.where(k == l, 0.0, matrix[i, l] * matrix[j, k])
    of_pairs: Array = matrix[i, k] * matrix[j, l] + mirrored
    return of_pairs


@dataclass(frozen=True)
class Directions:
    """Derivatives of all B by P free parameters.

    Attributes
    ----------
    first : array of shape (P, K, n) of coordinates
    logarithms : array of shape (P, K, D, D), or (P, K, D) of their diagonals
        Symmetric X, where I + B = exp(X).
    rotations : array of shape (P, K, D, D), or None
        Skew-symmetric S, where I + B is turned by exp(S) along the axes.
    axes : array of shape (K, D, D)
        From the frame of B to the axes, where there are rotations; columns.
    variances : array of shape (K, D)
        Along these.
    """

    first: Array
    logarithms: Array
    rotations: Array | None = None
    axes: Array | None = None
    variances: Array | None = None

    def of_components(self, which: NDArray[np.bool_]) -> "Directions":
        """The parameters that move some of these components."""
        kept = self.first[:, which].any(axis=(1, 2))
        rotations = self.rotations
        return replace(
            self,
            first=self.first[kept],
            logarithms=self.logarithms[kept],
            rotations=None if rotations is None else rotations[kept],
        )

    def second(self, gradient: Array) -> Array:
        """Sum of a gradient (K, n) times the second derivatives: (P, P)."""
        X = self.logarithms
        P = len(X)
        if X.ndim == 3:
            products: Array = (gradient * X).reshape(P, -1) @ X.reshape(P, -1).T
            return products
        K, D = X.shape[1:3]
        i, j = pairs_of(D, has_matrices=True)
        G = np.zeros((K, D, D))
        G[:, i, j] += gradient / 2
        G[:, j, i] += gradient / 2
        if self.rotations is None or self.axes is None or self.variances is None:
            return _symmetric(_traces(G @ X, X))
        S, roots = self.rotations, np.sqrt(self.variances)
        G = self.axes.transpose(0, 2, 1) @ G @ self.axes
        G = G / (roots[:, :, np.newaxis] * roots[:, np.newaxis])
        V = self.variances
        VG, GV = V[:, :, np.newaxis] * G, G * V[:, np.newaxis]
        U = V[:, :, np.newaxis] * X  # diagonal
        # Of exp(S) V exp(X) exp(-S).
        turned = (_traces(VG @ S, S) + _traces(GV @ S, S)) / 2
        turned = turned + turned.T - _traces(G @ S, V[:, :, np.newaxis] * S)
        turned -= _traces(G @ S, V[:, :, np.newaxis] * S).T
        both = _traces(G @ S, U) - _traces(G @ U, S)
        stretched = _traces(G @ U, X)
        return _symmetric(turned) + both + both.T + _symmetric(stretched)


def directions_of(
    structure: CovarianceStructure, parameters: MixtureParameters
) -> Directions:
    """The directions of a structure at these parameters."""
    volume, shape, axes = list(structure.code)
    representation = structure.representation
    K, D = parameters.means.shape
    if not representation.has_matrices:
        stretches = _stretches(volume, shape, K, D)
        return Directions(stretches, stretches)
    i, j = pairs_of(D, has_matrices=True)
    if (shape == "V") == (axes == "V"):
        X = _each_or_all(volume, K)[:, :, np.newaxis, np.newaxis] * np.eye(D)
        own = _each_or_all(shape, K)
        traceless = _traceless(D)
        shapes = own[:, np.newaxis, :, np.newaxis, np.newaxis] * traceless[:, None]
        X = np.concatenate([X, shapes.reshape(-1, K, D, D)])
        return Directions(X[:, :, i, j], X)
    dense = representation.expand(parameters.covariances, K, D)
    if axes == "V":
        variances, vectors = np.linalg.eigh(dense)
    else:
        # Of any mean they are those of all; of one with such weights, no two of
        # different components' variances fall together.
        shares = np.sqrt(np.arange(2.0, K + 2))
        scales = np.trace(dense, axis1=1, axis2=2)
        mean = np.tensordot(shares / scales, dense, 1)
        vectors = np.broadcast_to(np.linalg.eigh(mean)[1], dense.shape)
        turned = vectors.transpose(0, 2, 1) @ dense @ vectors
        variances = np.diagonal(turned, axis1=1, axis2=2)
    stretches = _stretches(volume, shape, K, D)
    a, b = np.triu_indices(D, 1)
    generators = np.zeros((len(a), D, D))
    generators[np.arange(len(a)), a, b] = 1.0
    generators[np.arange(len(a)), b, a] = -1.0
    own = _each_or_all(axes, K)
    S = own[:, np.newaxis, :, np.newaxis, np.newaxis] * generators[:, np.newaxis]
    S = S.reshape(-1, K, D, D)
    roots = np.sqrt(variances)
    X = np.zeros((len(stretches) + len(S), K, D, D))
    diagonal = np.arange(D)
    X[: len(stretches), :, diagonal, diagonal] = stretches
    rotations = np.concatenate([np.zeros((len(stretches), K, D, D)), S])
    V = variances[:, :, np.newaxis]
    moved = rotations * variances[:, np.newaxis] - V * rotations
    moved = moved / (roots[:, :, np.newaxis] * roots[:, np.newaxis]) + X
    whitened = parameters.precisions_cholesky.transpose(0, 2, 1) @ (
        vectors * roots[:, np.newaxis]
    )
    first = whitened @ moved @ whitened.transpose(0, 2, 1)
    return Directions(first[:, :, i, j], X, rotations, whitened, variances)


def _each_or_all(letter: str, n_components: int) -> Array:
    """Which components a parameter is of: each its own (K, K), or all (1, K)."""
    return np.eye(n_components) if letter == "V" else np.ones((1, n_components))


def _stretches(volume: str, shape: str, n_components: int, n_features: int) -> Array:
    """Logarithms of variances along fixed axes: (P, K, D)."""
    K, D = n_components, n_features
    found = _each_or_all(volume, K)[:, :, np.newaxis] * np.ones(D)
    if shape == "I":
        return found
    own = _each_or_all(shape, K)
    shapes = own[:, np.newaxis, :, np.newaxis] * _contrasts(D)[:, np.newaxis]
    return np.concatenate([found, shapes.reshape(-1, K, D)])


def _contrasts(n_features: int) -> Array:
    """Orthonormal vectors that sum to 0: (D - 1, D)."""
    differences = np.eye(n_features)[:-1] - np.eye(n_features)[1:]
    contrasts: Array = np.linalg.qr(differences.T)[0].T
    return contrasts


def _traceless(n_features: int) -> Array:
    """Symmetric matrices of trace 0 that span all: (D (D + 1) / 2 - 1, D, D)."""
    diagonals = _contrasts(n_features)[:, :, np.newaxis] * np.eye(n_features)
    a, b = np.triu_indices(n_features, 1)
    others = np.zeros((len(a), n_features, n_features))
    others[np.arange(len(a)), a, b] = 1.0
    others[np.arange(len(a)), b, a] = 1.0
    return np.concatenate([diagonals, others])


def _traces(left: Array, right: Array) -> Array:
    """Sums over k of trace(left_pk right_qk): (P, Q)."""
    P, Q = len(left), len(right)
    products: Array = left.reshape(P, -1) @ right.swapaxes(-1, -2).reshape(Q, -1).T
    return products


def _symmetric(matrix: Array) -> Array:
    symmetric: Array = (matrix + matrix.T) / 2
    return symmetric
