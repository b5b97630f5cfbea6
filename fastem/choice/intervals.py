"""Intervals for shares."""

import numpy as np
from scipy.special import ndtri

from fastem.statistics import Array


def wilson_interval(share: Array, n: Array, level: float) -> tuple[Array, Array]:
    """Wilson's interval, of a share of n rows.

    E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 22 (1927), 209-212.
    """
    z = float(ndtri((1 + level) / 2))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
