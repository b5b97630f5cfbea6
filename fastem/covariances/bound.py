"""A bound on how many times the largest variance is that of the smallest."""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from fastem.covariances import axes
from fastem.covariances.representations import Representation
from fastem.statistics import Array

_SLACK = 1e-9  # relative, for rounding


@dataclass(frozen=True)
class RatioBound:
    """No eigenvalue of any covariance is more than ``ratio`` times another.

    It is what keeps components from shrinking to spikes: with it the likelihood has a
    maximum [1]_, and the likeliest covariances are those of the rows with eigenvalues
    cut off at the best m from below and at ratio x m from above [2]_.

    Parameters
    ----------
    ratio : float
        1 or more.
    scales : array of shape (D,)
        What columns are divided by before.
    least, most : float
        Between which the smallest eigenvalue that is allowed must lie, where other
        covariances are what they are.

    References
    ----------
    .. [1] L. A. Garcia-Escudero, A. Gordaliza, C. Matran, A. Mayo-Iscar, "A general
       trimming approach to robust cluster analysis", Ann. Stat. 36 (2008), 1324-1345.
    .. [2] H. Fritz, L. A. Garcia-Escudero, A. Mayo-Iscar, "A fast algorithm for robust
       constrained clustering", Comput. Stat. Data Anal. 61 (2013), 124-136.
    """

    ratio: float
    scales: Array
    least: float = 0.0
    most: float = math.inf

    def beside(self, covariances: Array, representation: Representation) -> Self:
        """The bound of the others, where these covariances stay what they are.

        Raises
        ------
        ValueError
            If these are farther apart than the bound allows.
        """
        if representation.has_matrices:
            variances, _ = axes.own(covariances / np.outer(self.scales, self.scales))
        else:
            variances = representation.variances(covariances)
            variances = variances / self._squares(variances)
        smallest, largest = float(variances.min()), float(variances.max())
        if largest > (1 + _SLACK) * self.ratio * smallest:
            raise ValueError(
                f"fixed covariances have eigenvalues from {smallest:.3g} to "
                f"{largest:.3g}, and covariance_ratio={self.ratio:g} allows no such "
                "ratio between any two: raise it, or fix others"
            )
        return replace(
            self,
            least=max(self.least, largest / self.ratio),
            most=min(self.most, smallest),
        )

    def clipped(self, variances: Array, weights: Array) -> Array:
        """The likeliest variances (K, D) within the bound, each given the rows' own."""
        largest = max(float(variances.max()), self.ratio * self.least)
        if largest <= self.ratio * min(float(variances.min()), self.most):
            return variances
        # What is lost by cutting off only grows with the distance from the best m.
        best = self._least(variances, weights)
        least = float(np.clip(best, self.least, self.most))
        return np.clip(variances, least, self.ratio * least)

    def within(
        self, covariances: Array, representation: Representation, weights: Array
    ) -> Array:
        """The likeliest covariances within the bound, where rows have these."""
        if representation.has_matrices:
            n_features = covariances.shape[-1]
            matrices = covariances.reshape(-1, n_features, n_features)
            bounded = self._matrices(matrices, weights[: len(matrices)])
        else:
            bounded = self._variances(representation.variances(covariances), weights)
        return bounded.reshape(covariances.shape)

    def _variances(self, variances: Array, weights: Array) -> Array:
        squares = self._squares(variances)
        scaled = variances / squares
        clipped = self.clipped(scaled, weights)
        return variances if clipped is scaled else clipped * squares

    def _squares(self, variances: Array) -> Array | float:
        """What to divide variances by: those of spheres by 1."""
        return self.scales**2 if variances.shape[1] > 1 else 1.0

    def _matrices(self, covariances: Array, weights: Array) -> Array:
        units = np.outer(self.scales, self.scales)
        variances, own_axes = axes.own(covariances / units)
        clipped = self.clipped(variances, weights)
        if clipped is variances:
            return covariances
        return axes.along(own_axes, clipped) * units

    def _least(self, variances: Array, weights: Array) -> Array:
        """The best m to cut variances off at.

        The sum of n (log v + s / v), where rows of weight n vary by s along an axis
        and v is that cut off, has a derivative by log m that only rises with m. It is
        found where it changes its sign, and 0 there.
        """
        own = np.broadcast_to(weights[:, np.newaxis], variances.shape).ravel()
        order = np.argsort(variances, axis=None)
        sorted_, counts = variances.ravel()[order], own[order]
        n = np.concatenate([[0.0], counts.cumsum()])
        s = np.concatenate([[0.0], (counts * sorted_).cumsum()])

        def sums(m: Array) -> tuple[Array, Array]:
            below = np.searchsorted(sorted_, m, side="left")
            above = np.searchsorted(sorted_, self.ratio * m, side="right")
            counted = n[below] + n[-1] - n[above]
            return counted, s[below] + (s[-1] - s[above]) / self.ratio

        # Between two corners the same variances are cut off.
        corners = np.unique([sorted_, sorted_ / self.ratio])
        corners = np.concatenate([[0.0], corners[corners > 0]])
        counted, needed = sums(corners[1:])
        after = 1 + int(np.searchsorted(counted - needed / corners[1:], 0.0))
        after = min(after, len(corners) - 1)
        middle = (corners[after - 1] + corners[after]) / 2
        counted, needed = sums(middle)
        least: Array = needed / counted if counted > 0 else middle
        return least
