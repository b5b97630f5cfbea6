"""Distributions of quadratic functions of normal variables."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from fastem.statistics import Array

# Terms smaller than this share of the standard deviation are rounding.
_NEGLIGIBLE = 1e-13
# How far the contour leans from the vertical: less than 1, so that normal terms decay.
_SLOPE = 0.5
_FARTHEST = 80.0  # e^-80 is nothing, also where the integrand decays like e^-v
_FIRST_STEP, _LEAST_STEP = 0.2, 0.2 / 2**7
_PRECISION = 1e-10  # of the probability
_NOTHING, _HUGE = 45.0, 300.0  # logarithms, beside what it is at the saddle point


def probability_above(
    squares: Array, products: Array, threshold: float
) -> tuple[float, float]:
    """Probability that sum_l a_l y_l^2 + b_l y_l is above t, y standard normal.

    By Cauchy's integral of the moment generating function [1]_, over a contour through
    the saddle point that leans to where the integrand decays [2]_: so small
    probabilities keep their digits. In one dimension it is known in closed form.

    Parameters
    ----------
    squares, products : arrays of shape (D,)
        a and b.
    threshold : float
        t.

    Returns
    -------
    probability : float
        Of a sum that is always 0, a half for t = 0.
    error : float
        By how much it changed when the step of the integral was halved for the last
        time.

    References
    ----------
    .. [1] R. B. Davies, "The distribution of a linear combination of chi-squared random
       variables", Appl. Stat. 29 (1980), 323-333.
    .. [2] S. O. Rice, "Distribution of quadratic forms in normal random variables -
       evaluation by numerical integration", SIAM J. Sci. Stat. Comput. 1 (1980),
       438-448.
    """
    deviation = math.sqrt(float((2 * squares**2 + products**2).sum()))
    if not deviation > _NEGLIGIBLE:
        return (0.5 if abs(threshold) <= _NEGLIGIBLE else float(threshold < 0)), 0.0
    a, b, t = squares / deviation, products / deviation, threshold / deviation
    is_linear = np.abs(a) <= _NEGLIGIBLE
    linear = math.sqrt(float((b[is_linear] ** 2).sum()))
    a, b = a[~is_linear], b[~is_linear]
    if linear > _NEGLIGIBLE:
        a, b = np.append(a, 0.0), np.append(b, linear)
    if len(a) == 1:
        return _in_one_dimension(float(a[0]), float(b[0]), t), 0.0
    if t >= a.sum():
        return _upper_tail(a, b, t)
    below, error = _upper_tail(-a, -b, -t)
    return 1 - below, error


def _in_one_dimension(a: float, b: float, t: float) -> float:
    """Probability that a y^2 + b y > t."""
    if a == 0:
        return float(ndtr(-t / abs(b)))
    discriminant = b * b + 4 * a * t
    if discriminant <= 0:
        return float(a > 0)
    # Of the two roots, the one without cancellation gives the other.
    larger = -(b + math.copysign(math.sqrt(discriminant), b)) / 2
    roots = sorted((larger / a, -t / larger))
    if a > 0:
        return float(ndtr(roots[0]) + ndtr(-roots[1]))
    if roots[0] > 0:
        return float(ndtr(-roots[0]) - ndtr(-roots[1]))
    return float(ndtr(roots[1]) - ndtr(roots[0]))


def _upper_tail(a: Array, b: Array, t: float) -> tuple[float, float]:
    """Probability above t, which is not below the mean."""
    if a.max() < 0 and t >= float((-(b**2) / (4 * a)).sum()):
        return 0.0, 0.0  # above the largest value
    saddle = _saddle_point(a, b, t)
    factors = 1 - 2 * a * saddle
    curvature = float((2 * a**2 / factors**2 + b**2 / factors**3).sum())
    scale = 1 / math.sqrt(curvature + 1 / saddle**2)
    lean, farthest = _best_lean(a, b, t, saddle, scale)
    step, before = _FIRST_STEP, math.nan
    while True:
        at = np.arange(0, farthest, step)
        logarithms = _logarithms(at, a, b, t, saddle, scale, lean)
        values = np.exp(logarithms.real) * np.sin(logarithms.imag)
        now = step * float(values.sum() - values[0] / 2) / math.pi
        error = abs(now - before)
        if error <= _PRECISION * abs(now) or step < _LEAST_STEP:
            return min(max(now, 0.0), 1.0), error
        step, before = step / 2, now


def _best_lean(
    a: Array, b: Array, t: float, saddle: float, scale: float
) -> tuple[float, float]:
    """The contour on which the integrand is least, and from where on it is nothing."""
    at = np.arange(0, _FARTHEST, _FIRST_STEP)
    found = []
    for lean in (0.0, _SLOPE, -_SLOPE):
        sizes = _logarithms(at, a, b, t, saddle, scale, lean).real
        sizes = np.minimum(sizes - sizes[0], _HUGE)
        farthest = at[np.flatnonzero(sizes > -_NOTHING)[-1]] + _FIRST_STEP
        found.append((float(np.exp(sizes).sum()), lean, float(farthest)))
    return min(found)[1:]


def _saddle_point(a: Array, b: Array, t: float) -> float:
    """Where the integrand is least on the real axis, between 0 and the first pole."""

    def slope(s: float) -> float:
        factors = 1 - 2 * a * s
        terms = a / factors + b**2 * s * (1 - a * s) / factors**2
        return float(terms.sum()) - t - 1 / s

    low = high = 1.0
    if a.max() > 0:
        pole = 1 / (2 * float(a.max()))
        gap = 0.5
        while slope(pole * (1 - gap)) < 0:
            gap /= 2
        high = pole * (1 - gap)
        low = high / 2
    else:
        while slope(high) < 0:
            high *= 2
    while slope(low) > 0:
        low /= 2
    return float(brentq(slope, low, high, rtol=1e-6))


def _logarithms(
    v: Array,
    a: Array,
    b: Array,
    t: float,
    saddle: float,
    scale: float,
    lean: float,
) -> NDArray[np.complex128]:
    """Logarithm of the integrand at these points of the contour."""
    s = saddle + scale * (1j * np.sinh(v) + lean * (np.cosh(v) - 1))
    speed = scale * (1j * np.cosh(v) + lean * np.sinh(v))
    s = s[:, np.newaxis]
    factors = 1 - 2 * a * s
    terms = s * s * b**2 / (2 * factors) - np.log(factors) / 2
    logarithms: NDArray[np.complex128] = terms.sum(axis=1) - s[:, 0] * t
    return logarithms + np.log(speed / s[:, 0])
