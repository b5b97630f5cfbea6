"""Where a picture looks from: columns, or directions through all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from fastem.checks.rows import Rows
from fastem.mixture import GaussianMixture
from fastem.report.description import dense_covariances
from fastem.statistics import Array

# Beyond these quantiles outliers would set the limits.
_OUTER = (0.005, 0.995)
_ROOM = 0.2


@dataclass(frozen=True)
class View:
    """One or two coordinates of rows, linear in their columns.

    Attributes
    ----------
    labels : tuple of str
        Of the coordinates.
    origin : array of shape (D,)
        The row whose coordinates are 0.
    directions : array of shape (D, d)
    columns : tuple of int
        Those that are the coordinates; empty if these are no columns.
    """

    labels: tuple[str, ...]
    origin: Array
    directions: Array
    columns: tuple[int, ...] = ()

    @classmethod
    def of_columns(cls, columns: Sequence[int], names: Sequence[str]) -> Self:
        """The view of one or two of so many columns."""
        n_columns = len(names)
        return cls(
            tuple(names[j] for j in columns),
            np.zeros(n_columns),
            np.eye(n_columns)[:, list(columns)],
            tuple(columns),
        )

    def of_rows(self, rows: Rows) -> Array:
        """Coordinates of rows, (n, d): nan where a value is missing that they need."""
        if self.columns:
            return rows[:, list(self.columns)].astype(np.float64)
        coordinates: Array = (rows - self.origin) @ self.directions
        return coordinates

    def means(self, model: GaussianMixture) -> Array:
        """Those of the components, (K, d)."""
        return self.of_rows(model.means_)

    def covariances(self, model: GaussianMixture) -> Array:
        """Those of the components, or Student's scale matrices: (K, d, d)."""
        covariances: Array
        covariances = self.directions.T @ dense_covariances(model) @ self.directions
        return covariances

    def limits(self, model: GaussianMixture, rows: Rows) -> list[tuple[float, float]]:
        """Least and largest value to show of each coordinate.

        Where 99 % of the mixture is, and of these rows, and a margin.
        """
        coordinates = self.of_rows(rows)
        means = self.means(model)
        variances = np.diagonal(self.covariances(model), axis1=1, axis2=2)
        return [
            _limits(
                coordinates[:, j],
                _mixture_range(model.weights_, means[:, j], np.sqrt(variances[:, j])),
            )
            for j in range(len(self.labels))
        ]


def _mixture_range(
    weights: Array, means: Array, deviations: Array
) -> tuple[float, float]:
    """The outer quantiles of a mixture of normal distributions of one column."""
    # Within three deviations of all means lies more than between the quantiles.
    ends = float(np.min(means - 3 * deviations)), float(np.max(means + 3 * deviations))
    shares = weights / weights.sum()

    def excess(x: float, share: float) -> float:
        return float(shares @ norm.cdf(x, means, deviations)) - share

    low, high = (float(brentq(excess, *ends, args=(share,))) for share in _OUTER)
    return low, high


def _limits(values: NDArray[Any], expected: tuple[float, float]) -> tuple[float, float]:
    """Limits that outliers do not set: 99 % of values, what is expected, a margin."""
    present = values[~np.isnan(values)]
    if not len(present):
        present = np.array(expected)
    low, high = np.quantile(present, _OUTER)
    low, high = min(low, expected[0]), max(high, expected[1])
    # All values are shown where that takes little more room.
    room = _ROOM * (high - low)
    low, high = (
        max(low - room, min(low, present.min())),
        min(high + room, max(high, present.max())),
    )
    margin = 0.05 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def chosen_columns(columns: Sequence[str | int], names: Sequence[str]) -> list[int]:
    """The numbers of columns that are given by name or number.

    Raises
    ------
    ValueError
        If there is no such column, or one is named twice.
    """
    known = list(names)
    chosen = []
    for column in columns:
        if isinstance(column, str) and column in known:
            chosen.append(known.index(column))
        elif not isinstance(column, str) and 0 <= column < len(known):
            chosen.append(int(column))
        else:
            raise ValueError(
                f"there is no column {column!r}: those of the model are "
                f"{', '.join(known)}, or 0 to {len(known) - 1}"
            )
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"columns={list(columns)!r} names a column twice")
    return chosen
