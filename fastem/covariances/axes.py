"""Axes of covariances: of each component's own, or common to all.

Common axes are found by rotations in planes, each the best there is [1]_, with the
variances along the axes taken anew after each: the likelihood rises by every one.

References
----------
.. [1] B. N. Flury, W. Gautschi, "An algorithm for simultaneous orthogonal
   transformation of several positive definite symmetric matrices to nearly diagonal
   form", SIAM J. Sci. Stat. Comput. 7 (1986), 169-184.
.. [2] Z. Drmac, K. Veselic, "New fast and accurate Jacobi SVD algorithm", SIAM J.
   Matrix Anal. Appl. 29 (2008), 1322-1362.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgejsv, dpotrf

from fastem.covariances.representations import dense
from fastem.kernels import turn_in_planes
from fastem.statistics import Array

# Of sweeps over all pairs of axes. EM's next step goes on from the last one's axes; of
# random matrices (D = K = 32) five take 35 ms, and all that helps 700. With two, EM on
# 40,919 flights goes as many passes to the same optima, in four fifths of the time; but
# on thyroid (K = 5) to another one than mclust from its start.
_MOST_SWEEPS, _MOST_FURTHER_SWEEPS = 100, 5
# Where variances differ by more, as columns in units far apart make them, the least
# are lost in the rounding of the largest but for Jacobi's method [2]_. With deviations
# 1e6 apart, no VEV came back from its file: its variances were in proportion to 4e-5.
_WIDE = 1e-6
# Smaller angles change a variance by less than its rounding.
_LEAST_ANGLE = 1e-9


def own(spreads: Array) -> tuple[Array, Array]:
    """Variances (K, D) along the axes of each, ascending, and these axes (K, D, D)."""
    variances, axes = np.linalg.eigh(spreads)
    for k in np.flatnonzero(variances[:, 0] < _WIDE * variances[:, -1]):
        lower, failed_at = dpotrf(spreads[k], lower=1, clean=1)
        if not failed_at:
            roots, own_axes, _, scales, *_ = dgejsv(lower)
            roots = roots * (scales[0] / scales[1])
            variances[k], axes[k] = roots[::-1] ** 2, own_axes[:, ::-1]
    return np.maximum(variances, 0), axes


def along(axes: Array, variances: Array) -> Array:
    """Covariances (K, D, D) with variances (K, D) along axes (D, D) or (K, D, D)."""
    scaled = axes * variances[:, np.newaxis]
    return dense.mirror_lower(scaled @ np.swapaxes(axes, -1, -2))


def common(
    spreads: Array,
    weights: Array,
    confined: Callable[[Array], Array],
    before: Array | None,
) -> tuple[Array, Array]:
    """Axes (D, D) that are the same in all components, and the variances along them.

    Parameters
    ----------
    spreads : array of shape (K, D, D)
    weights : array of shape (K,)
    confined : callable
        The likeliest variances (K, D), given those of the spreads along the axes.
    before : array of shape (K, D, D) or None
        Covariances whose axes to begin with.
    """
    axes = _axes_of(spreads if before is None else before)
    turned = axes.T @ spreads @ axes
    weights = np.array(weights)  # writable, as the kernel is compiled for
    for _ in range(_MOST_SWEEPS if before is None else _MOST_FURTHER_SWEEPS):
        largest = 0.0
        for first, second in _rounds(len(axes)):
            variances = np.ascontiguousarray(confined(np.einsum("kjj->kj", turned)))
            angle = turn_in_planes(weights, variances, first, second, turned, axes)
            largest = max(largest, angle)
        if largest < _LEAST_ANGLE:
            break
    return axes, confined(np.einsum("kjj->kj", turned))


def _axes_of(covariances: Array) -> Array:
    """Axes (D, D) of covariances that have the same ones, or nearly.

    Of a sum of them, in which each counts differently: where variances along two axes
    are alike in one of them, they are not in the sum.
    """
    sizes = np.trace(covariances, axis1=1, axis2=2)
    shares = 1 / (np.sqrt(2) + np.arange(len(covariances)))
    shares = np.divide(shares, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    axes: Array = np.linalg.eigh(np.tensordot(shares, covariances, 1))[1]
    return axes


@lru_cache
def _rounds(n_features: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Pairs of axes, each pair once, in rounds of pairs that have none in common.

    As a tournament is drawn up: one stays, and the others move round.
    """
    n = n_features + n_features % 2
    rounds = []
    circle = np.arange(1, n)
    for _ in range(n - 1):
        order = np.concatenate([[0], circle])
        pairs = np.stack([order[: n // 2], order[: n // 2 - 1 : -1]])
        rounds.append(pairs[:, (pairs < n_features).all(axis=0)])
        circle = np.roll(circle, 1)
    return [(pairs[0].copy(), pairs[1].copy()) for pairs in rounds if pairs.size]
