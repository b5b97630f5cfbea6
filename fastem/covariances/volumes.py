"""Covariances of the same volume, and covariances in proportion to each other.

The volume of a covariance is its determinant to the power of 1/D: the geometric mean
of the variances along its axes. Where rows do not spread it is 0; then covariances
are left as they are, for whoever factorises them to find and name.
"""

from collections.abc import Callable

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtri

from fastem.statistics import Array

# Each of the iterations is exact in the sizes or in the shape, given the other. With
# EM's last sizes to begin from a few are enough.
_MOST_ITERATIONS = 200
_PRECISION = 1e-13


def of_variances(variances: Array) -> Array:
    """Volumes (K,) of variances (K, D)."""
    # Not its mean, whose checks take longer than this many times over.
    volumes: Array = np.exp(np.log(variances).sum(axis=-1) / variances.shape[-1])
    return volumes


def of_matrices(covariances: Array) -> Array:
    """Volumes (K,) of matrices (K, D, D)."""
    signs, log_determinants = np.linalg.slogdet(covariances)
    return np.where(signs > 0, np.exp(log_determinants / covariances.shape[-1]), 0.0)


def equal(spreads: Array, volumes: Array, weights: Array) -> Array:
    """Covariances in the shapes of the spreads, and all of their mean volume.

    If spreads have the volumes v_k, the likeliest common one is the mean of the v_k
    by their weights.
    """
    if not (volumes > 0).all():
        return spreads
    scales = float(weights @ volumes) / float(weights.sum()) / volumes
    return spreads * _of_each(scales, spreads)


def in_proportion(spreads: Array, weights: Array, sizes: Array | None) -> Array:
    """The likeliest variances (K, D) that are in the same proportions in each row.

    Parameters
    ----------
    spreads : array of shape (K, D)
    weights : array of shape (K,)
    sizes : array of shape (K,) or None
        To begin from, up to a common factor.
    """

    def shape_of(pooled: Array) -> tuple[Array, Array] | None:
        if not (pooled > 0).all():
            return None
        shape = pooled / of_variances(pooled)
        return shape, spreads / shape

    return _alternating(spreads, weights, sizes, shape_of)


def matrices_in_proportion(
    spreads: Array, weights: Array, sizes: Array | None
) -> Array:
    """The likeliest matrices (K, D, D) that are multiples of one, likewise."""

    def shape_of(pooled: Array) -> tuple[Array, Array] | None:
        lower, failed_at = dpotrf(pooled, lower=1, clean=1)
        if failed_at:
            return None
        volume = of_variances(np.diag(lower) ** 2)
        whitener = np.sqrt(volume) * dtrtri(lower, lower=1)[0]
        return pooled / volume, ((whitener @ spreads) * whitener).sum(axis=2)

    return _alternating(spreads, weights, sizes, shape_of)


def _alternating(
    spreads: Array,
    weights: Array,
    sizes: Array | None,
    shape_of: Callable[[Array], tuple[Array, Array] | None],
) -> Array:
    """Sizes times one shape, each the likeliest given the other, to convergence.

    ``shape_of`` returns the shape of what is pooled, with volume 1, and the spreads as
    measured by it, (K, D); None if there is no shape, for lack of spread.
    """
    if sizes is None:
        variances = spreads if spreads.ndim == 2 else np.einsum("kjj->kj", spreads)
        sizes = variances.mean(axis=1)
    has_size = sizes > 0
    for _ in range(_MOST_ITERATIONS):
        shares = np.divide(weights, sizes, out=np.zeros(len(sizes)), where=has_size)
        found = shape_of(np.tensordot(shares, spreads, 1))
        if found is None:
            return spreads
        shape, measured = found
        before, sizes = sizes, measured.mean(axis=1)
        changes = np.abs(sizes - before)[has_size]
        if (changes <= _PRECISION * sizes[has_size]).all():
            break
        has_size = sizes > 0
    return _of_each(sizes, spreads) * shape


def _of_each(values: Array, spreads: Array) -> Array:
    """Values (K,) in a shape that multiplies each component's spread."""
    return values.reshape(-1, *[1] * (spreads.ndim - 1))
