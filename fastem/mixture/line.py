"""Mixtures on a line, many at once: distribution functions and quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import elementwise
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from fastem.statistics import Array

# Of values, so that what is computed of them together stays in the cache.
_BLOCK_VALUES = 1 << 18
# Widens a bracket in which rounding has left no change of sign, in deviations.
_WIDER = 1e-9


@dataclass(frozen=True, eq=False)
class LineMixtures:
    """n mixtures of K distributions of one column each, or one for all questions.

    Attributes
    ----------
    shares : array of shape (n, K) or (n, K + 1)
        Weights; the last of K + 1 is that of a background.
    means, deviations : arrays of shape (n, K)
        Of Student's t the deviations are its scales.
    degrees_of_freedom : array of shape (K,), or None
        None for normal distributions.
    bounds : array of shape (2,), or None
        Where a background is uniform.
    """

    shares: Array
    means: Array
    deviations: Array
    degrees_of_freedom: Array | None = None
    bounds: Array | None = None

    def cdf(self, x: Array) -> Array:
        """The probability of at most x (n,): of each mixture, or of the only one."""
        return self._tail(x, self._mixture_of(x), np.ones(len(x)))

    def ppf(self, q: Array) -> Array:
        """The quantiles q (n,) of each mixture, or of the only one.

        They lie between the least and the largest of the components'.
        """
        out = np.empty(len(q))
        size = max(1, _BLOCK_VALUES // self.means.shape[1])
        mixtures = self._mixture_of(q)
        for start in range(0, len(q), size):
            part = slice(start, start + size)
            out[part] = self._quantiles(q[part], mixtures[part])
        return out

    def _mixture_of(self, values: Array) -> NDArray[np.intp]:
        """The number of each value's mixture."""
        if len(self.means) == 1:
            return np.zeros(len(values), np.intp)
        return np.arange(len(values))

    def _quantiles(self, q: Array, mixtures: NDArray[np.intp]) -> Array:
        with np.errstate(divide="ignore"):
            standard = (
                ndtri(q)[:, np.newaxis]
                if self.degrees_of_freedom is None
                else stdtrit(self.degrees_of_freedom, q[:, np.newaxis])
            )
        deviations = self.deviations[mixtures]
        of_components = self.means[mixtures] + deviations * standard
        if self.bounds is not None:
            low, high = self.bounds
            of_background = low + (high - low) * q
            of_components = np.column_stack([of_components, of_background])
        # Those without a weight are no bounds, and may be far away.
        counts = self.shares[mixtures] > 0
        low = np.where(counts, of_components, np.inf).min(axis=1)
        high = np.where(counts, of_components, -np.inf).max(axis=1)
        between = (q > 0) & (q < 1) & (low < high)
        out: Array = np.where(q < 0.5, low, high)
        if between.any():
            margin = _WIDER * deviations[between].max(axis=1)
            inner, of_inner = q[between], mixtures[between]
            found: Any = elementwise.find_root(
                self._excess,
                (low[between] - margin, high[between] + margin),
                args=(inner, of_inner),
            )
            # Where both ends are the quantile to rounding, either is.
            out[between] = np.where(found.success, found.x, low[between])
        return out

    def _excess(self, x: Array, q: Array, mixtures: NDArray[np.intp]) -> Array:
        """What is too much in the tail beyond x, the lower or the upper one."""
        sides = np.where(q < 0.5, 1.0, -1.0)
        excess: Array = self._tail(x, mixtures, sides) - np.where(q < 0.5, q, 1 - q)
        return sides * excess

    def _tail(self, x: Array, mixtures: NDArray[np.intp], sides: Array) -> Array:
        """The probability of at most x where the side is 1, of more where it is -1."""
        standard = (x[:, np.newaxis] - self.means[mixtures]) * sides[:, np.newaxis]
        standard /= self.deviations[mixtures]
        of_components = (
            ndtr(standard)
            if self.degrees_of_freedom is None
            else stdtr(self.degrees_of_freedom, standard)
        )
        if self.bounds is not None:
            low, high = self.bounds
            below = np.clip((x - low) / (high - low), 0, 1)
            of_background = np.where(sides > 0, below, 1 - below)
            of_components = np.column_stack([of_components, of_background])
        probabilities: Array = np.einsum(
            "nk,nk->n", self.shares[mixtures], of_components
        )
        return probabilities
