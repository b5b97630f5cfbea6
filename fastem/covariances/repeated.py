"""Values that many rows have in a column: there, components can lose all spread."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastem.statistics import Array

# Of fewer rows, a component may be too many.
_LEAST_SHARE = 0.01
# A component of such rows alone has no others by this factor.
_ALONE = 1.5
_MOST_TOLD = 3
_MOST_DIGITS = 1e10
_ROUNDINGS = 16  # of standardising and back

# What helps, beside leaving such columns out.
JITTER = "spread their values by a little noise (jitter)"


@dataclass(frozen=True)
class Repeated:
    """A value that many rows have in a column.

    Attributes
    ----------
    column : int
    value : float
    share : float
        Of all rows, by their weights; from a sample where there are many.
    """

    column: int
    value: float
    share: float

    @property
    def is_everywhere(self) -> bool:
        """Whether no row has another value."""
        return self.share > 1 - 1e-12

    def in_units(self, means: Array, deviations: Array, eps: float) -> "Repeated":
        """The same, if rows of this rounding were standardised by these (D,)."""
        mean, deviation = float(means[self.column]), float(deviations[self.column])
        blur = _ROUNDINGS * eps * (abs(mean) + deviation)
        n_decimals = -math.ceil(math.log10(blur))
        return replace(self, value=round(mean + deviation * self.value, n_decimals))

    def __str__(self) -> str:
        """'0 in 82.3 % of all rows'."""
        value = self.value + 0.0  # makes 0.0 of -0.0
        # A code such as 99999999 is written out.
        is_whole = abs(value) < _MOST_DIGITS and value == round(value)
        told = f"{value:.0f}" if is_whole else f"{value:g}"
        if self.is_everywhere:
            return f"{told} in all rows"
        return f"{told} in {100 * self.share:.3g} % of all rows"


# Of columns, what repeats in them.
Find = Callable[[Sequence[int]], tuple[Repeated, ...]]


def repeated_values(
    rows: NDArray[np.floating], weights: NDArray[np.floating], columns: Iterable[int]
) -> tuple[Repeated, ...]:
    """The value that most rows have in each column, where it is 1 % of them or more.

    Parameters
    ----------
    rows : array of shape (N, D)
    weights : array of shape (N,) or (0,)
        Empty means all 1.
    """
    found = []
    for j in columns:
        is_known = ~np.isnan(rows[:, j])
        if not is_known.any():
            continue
        known = rows[is_known, j]
        if len(weights):
            values, numbers, counts = np.unique(
                known, return_inverse=True, return_counts=True
            )
            sums = np.bincount(numbers, weights[is_known])
        else:
            # Without the numbers values are sorted themselves: in a third of the time.
            values, counts = np.unique(known, return_counts=True)
            sums = counts
        most = int(np.argmax(sums))
        share = float(sums[most] / sums.sum())
        if counts[most] > 1 and share >= _LEAST_SHARE:
            found.append(Repeated(int(j), float(values[most]), share))
    return tuple(found)


def reasons(
    columns: Sequence[int], n_features: int | None, weight: float, find: Find
) -> tuple[Repeated, ...]:
    """What repeats, if that is why a component's rows do not differ in some columns.

    Parameters
    ----------
    columns : sequence of int
        In which they do not differ.
    n_features : int or None
        Number of all columns.
    weight : float
        The component's, or nan: a value must be that of half as many rows at least.
    find : callable
    """
    found = tuple(r for r in find(columns) if not r.share < weight / 2)
    # The same few rows, again and again: nothing is wrong with the columns.
    are_equal_rows = n_features is not None and 1 < n_features == len(columns)
    if are_equal_rows and not any(r.share > _ALONE * weight for r in found):
        return ()
    return found


def told(repeated: Sequence[Repeated], named: Callable[[Sequence[int]], str]) -> str:
    """'column 1 is 0 in 82 % of all rows, column 4 is 1 in 60 % of all rows'."""
    parts = [f"{named([r.column])} is {r}" for r in repeated[:_MOST_TOLD]]
    n_more = len(repeated) - len(parts)
    if n_more:
        parts.append(f"and so on in {n_more} more")
    return ", ".join(parts)
