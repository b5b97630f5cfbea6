"""Rows that lack the same columns, and may belong to the same components."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastem.checks.known import Known
from fastem.checks.rows import Rows, read_only
from fastem.runtime.callers import levels_to_caller


@dataclass(frozen=True, eq=False)
class Group:
    """Rows that lack the same columns, and may belong to the same components.

    Attributes
    ----------
    rows : array of int of shape (n,)
        Their numbers.
    columns : array of int
        Those that they have.
    allowed : array of bool of shape (K + 1,), or None
        Which components they may belong to, and whether to the background; None for
        all.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    allowed: NDArray[np.bool_] | None = None

    @property
    def is_noise(self) -> bool:
        """Whether the rows are known to belong to the background."""
        return self.allowed is not None and not self.allowed[:-1].any()

    def values(self, X: Rows) -> Rows:
        """What the rows have, as kernels take it; without any column one of zeros."""
        if not len(self.columns):
            return read_only(np.zeros((len(self.rows), 1), X.dtype))
        return read_only(X[self.rows[:, np.newaxis], self.columns])


def has_gaps(X: Rows) -> bool:
    """Whether any value is missing."""
    # Of a sum, not of an array of N x D answers.
    with np.errstate(all="ignore"):
        return bool(np.isnan(X.sum())) and bool(np.isnan(X).any())


def warn_of_empty_rows(n_empty: int) -> None:
    """Say that so many rows are no rows, if there are any."""
    if n_empty:
        warnings.warn(
            "Rows have no value at all. They count as rows and move nothing: of "
            f"X these are {n_empty:,}. Leave them out.",
            stacklevel=levels_to_caller(),
        )


def groups_of(X: Rows, known: Known | None = None) -> list[Group]:
    """The rows of X by what they have and is known, each group in the rows' order."""
    patterns = np.packbits(np.isnan(X), axis=1)
    width = patterns.shape[1]
    keys = np.ascontiguousarray(patterns).view(f"V{width}")[:, 0]
    if width <= 8:  # numbers are sorted many times as fast
        padded = np.zeros((len(X), 8), np.uint8)
        padded[:, :width] = patterns
        keys = padded.view(np.uint64)[:, 0]
    distinct, numbers = np.unique(keys, return_inverse=True)
    if known is not None:
        n_kinds = len(known.allowed)
        both = numbers.ravel() * n_kinds + known.kinds
        distinct, numbers = np.unique(both, return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    stops = np.cumsum(np.bincount(numbers, minlength=len(distinct)))
    return [
        Group(
            rows,
            np.flatnonzero(~np.isnan(X[rows[0]])),
            _limits(known, int(rows[0])),
        )
        for rows in np.split(order, stops[:-1])
    ]


def _limits(known: Known | None, row: int) -> NDArray[np.bool_] | None:
    """Which components a row may belong to, if not to all."""
    if known is None:
        return None
    allowed: NDArray[np.bool_] = known.allowed[known.kinds[row]]
    return None if allowed.all() else allowed
