"""Student's t: its constants, and what the kernels need of its degrees of freedom."""

import numpy as np
from numpy.typing import DTypeLike
from scipy.special import digamma, gammaln

from fastem.kernels import StudentTails
from fastem.statistics import Array, TailSums

# From here on, differences of logarithms of the gamma function are Stirling's series:
# those of the function itself lose a digit with each power of ten.
_LARGE = 30.0


def log_constants(degrees_of_freedom: Array, n_features: int) -> Array:
    """Logarithms of the densities at the mean, for the unit scale matrix: (K,)."""
    x, shift = degrees_of_freedom / 2, n_features / 2
    # log of gamma(x + shift) / gamma(x) / x^shift: 0 as x grows.
    exact = gammaln(x + shift) - gammaln(x) - shift * np.log(x)
    series = (x + shift - 0.5) * np.log1p(shift / x) - shift
    series += _stirling(x + shift) - _stirling(x)
    ratios = np.where(x < _LARGE, exact, series)
    constants: Array = ratios - shift * np.log(2 * np.pi)
    return constants


def _stirling(x: Array) -> Array:
    squares = x**-2
    terms: Array = (1 / 12 - squares * (1 / 360 - squares * (1 / 1260))) / x
    return terms


def expected_logarithms(degrees_of_freedom: Array, n_features: int) -> Array:
    """What the expectation of the logarithm is more than log u: (K,), negative."""
    halves = (degrees_of_freedom + n_features) / 2
    differences: Array = digamma(halves) - np.log(halves)
    return differences


def stationary_logarithms(degrees_of_freedom: Array) -> Array:
    """The mean of :class:`TailSums`' logarithms of which these v follow: (K,)."""
    halves = degrees_of_freedom / 2
    logarithms: Array = digamma(halves) - np.log(halves) - 1
    return logarithms


def expected_tail_sums(weights: Array, degrees_of_freedom: Array) -> TailSums:
    """The sums of so many rows of each component, of which these v follow."""
    logarithms = weights * stationary_logarithms(degrees_of_freedom)
    return TailSums(degrees_of_freedom, weights, logarithms)


def kernel_tails(
    degrees_of_freedom: Array, n_features: int, dtype: DTypeLike
) -> StudentTails:
    """What the kernels need, in their type."""
    ratios = n_features / degrees_of_freedom
    return StudentTails(
        np.ascontiguousarray(degrees_of_freedom, np.float64),
        (1 / degrees_of_freedom).astype(dtype),
        ((degrees_of_freedom + n_features) / 2).astype(dtype),
        np.log1p(ratios).astype(dtype),
        (1 + ratios).astype(dtype),
    )
