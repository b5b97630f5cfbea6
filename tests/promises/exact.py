"""EM in extended precision, about the centre of the rows and in units of their spread.

The plain twin (``tests/reference.py``) once more, on rows of which every offset and
unit has been taken out before any arithmetic: so its figures are right wherever the
data sit, and where longdouble has more digits than float64, to more digits than any
library's. Nothing of fastem is used.
"""

from typing import NamedTuple

import numpy as np

from tests import reference
from tests.reference import Mixture


class Units(NamedTuple):
    """Where rows sit, and how far they spread: x = center + scales * z."""

    center: np.ndarray  # (D,)
    scales: np.ndarray  # (D,)

    @classmethod
    def of(cls, X, name):
        """Those of the rows; one scale for all columns where a structure needs it."""
        exact = np.asarray(X).astype(np.longdouble)
        center = exact.mean(axis=0)
        deviations = np.abs(exact - center).max(axis=0)  # cannot overflow
        scales = np.where(deviations > 0, deviations, 1)
        if name == "spherical":
            scales = np.full_like(scales, scales.max())
        return cls(center, scales)

    def rows(self, X):
        return (np.asarray(X).astype(np.longdouble) - self.center) / self.scales

    def reduce(self, mixture):
        """A mixture of rows as one of z."""
        weights, means, covariances = (
            np.asarray(part).astype(np.longdouble) for part in mixture
        )
        return Mixture(
            weights,
            (means - self.center) / self.scales,
            covariances / self.scales[:, np.newaxis] / self.scales,
        )

    def restore(self, mixture):
        """A mixture of z as one of rows."""
        return Mixture(
            mixture.weights,
            self.center + mixture.means * self.scales,
            mixture.covariances * self.scales[:, np.newaxis] * self.scales,
        )

    @property
    def log_volume(self):
        """What log-densities of rows are less than those of z."""
        return np.log(self.scales).sum()


class ExactFit(NamedTuple):
    """A fit after some iterations, in the units of the rows; all longdouble."""

    mixture: Mixture
    lower_bounds: np.ndarray
    probabilities: np.ndarray  # (N, K), under the mixture
    log_densities: np.ndarray  # (N,)


def fit(X, start, name, n_iterations, ridge=0.0, row_weights=None):
    """EM from ``start``, a :class:`tests.reference.Mixture` in the units of the rows.

    ``ridge`` is added to every variance, or (D,) to those of each column.
    """
    units = Units.of(X, name)
    Z = units.rows(X)
    mixture, lower_bounds = reference.iterate(
        Z,
        units.reduce(start),
        name,
        np.asarray(ridge) / units.scales**2,
        n_iterations,
        None if row_weights is None else np.asarray(row_weights).astype(np.longdouble),
    )
    return ExactFit(
        units.restore(mixture),
        np.array(lower_bounds) - units.log_volume,
        reference.responsibilities(Z, mixture),
        reference.score_samples(Z, mixture) - units.log_volume,
    )


def answers(X, mixture, name):
    """Probabilities (N, K) and log-densities (N,) of rows under a mixture."""
    units = Units.of(X, name)
    reduced, Z = units.reduce(mixture), units.rows(X)
    log_densities = reference.score_samples(Z, reduced) - units.log_volume
    return reference.responsibilities(Z, reduced), log_densities
