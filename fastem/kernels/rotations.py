"""Turns axes that components have in common, two at a time."""

import numpy as np

from fastem.kernels.compilation import kernel


@kernel()
def turn_in_planes(weights, variances, first, second, spreads_out, axes_out):
    """Turn each pair of axes in their plane by the best angle; return the largest.

    With the variances a_k along axes as they are, the sum over components of
    n_k (s_k1 / a_k1 + s_k2 / a_k2) is to be least, where s_k are the spreads along
    the axes when they are turned. Pairs must have no axis in common.

    Numbers are few here, and NumPy takes a microsecond to look at each array: turning
    eight axes of six components took 35 times as long there.

    Parameters
    ----------
    weights : array of shape (K,)
        The n_k.
    variances : array of shape (K, D)
    first, second : array of shape (P,)
        The pairs.
    spreads_out : array of shape (K, D, D)
        As seen along the axes.
    axes_out : array of shape (D, D)
        One in each column.
    """
    n_components, n_features = variances.shape
    largest = 0.0
    for p in range(first.shape[0]):
        one, other = first[p], second[p]
        cosine = sine = 0.0
        for k in range(n_components):
            price = weights[k] * (1 / variances[k, one] - 1 / variances[k, other])
            seen = spreads_out[k]
            cosine += price * (seen[one, one] - seen[other, other])
            sine += price * seen[one, other]
        cosine *= 0.5
        angle = 0.5 * np.arctan2(-sine, -cosine)
        # Where there is nothing to choose, or no spread to choose by: then it is NaN,
        # which "reassoc" hides from np.isfinite, as x - x.
        if (sine == 0 and cosine == 0) or not abs(angle) <= np.pi:
            continue
        largest = max(largest, abs(angle))
        c, s = np.cos(angle), np.sin(angle)
        for j in range(n_features):
            x, y = axes_out[j, one], axes_out[j, other]
            axes_out[j, one] = c * x + s * y
            axes_out[j, other] = c * y - s * x
        for k in range(n_components):
            seen = spreads_out[k]
            a, b, d = seen[one, one], seen[one, other], seen[other, other]
            for j in range(n_features):
                x, y = seen[one, j], seen[other, j]
                seen[one, j] = c * x + s * y
                seen[other, j] = c * y - s * x
            for j in range(n_features):
                seen[j, one], seen[j, other] = seen[one, j], seen[other, j]
            seen[one, one] = c * (c * a + s * b) + s * (c * b + s * d)
            seen[other, other] = c * (c * d - s * b) - s * (c * b - s * a)
            seen[one, other] = c * (c * b + s * d) - s * (c * a + s * b)
            seen[other, one] = seen[one, other]
    return largest
