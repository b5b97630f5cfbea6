"""Rows to start from where values are missing."""

from contextlib import suppress

import numpy as np

from fastem.checks.counting import check_enough_rows
from fastem.checks.rows import Rows, read_only
from fastem.statistics import Array

# Complete rows of a component that are enough to start from, for each column.
_ENOUGH = 4


def rows_to_start_from(
    X: Rows, row_weights: Rows, n_components: int, *, all_rows: bool = False
) -> tuple[Rows, Rows]:
    """Rows without gaps, and their weights: the complete ones if there are enough.

    These are 4 (D + 1) for each component. Otherwise, or where ``all_rows`` are wanted,
    gaps are filled with the column's mean. That is for the start only.
    """
    gaps = np.isnan(X)
    is_complete = ~gaps.any(axis=1)
    if len(row_weights):
        is_complete &= row_weights > 0
    needed = _ENOUGH * (X.shape[1] + 1) * n_components
    if not all_rows and np.count_nonzero(is_complete) >= needed:
        weights = row_weights[is_complete] if len(row_weights) else row_weights
        complete = read_only(X[is_complete]), read_only(weights)
        with suppress(ValueError):  # too few of them differ
            check_enough_rows(*complete, n_components)
            return complete
    return filled(X, column_means(X, row_weights)), row_weights


def filled(X: Rows, means: Array) -> Rows:
    """The rows with these means (D,) in their gaps; the same if there are none."""
    gaps = np.isnan(X)
    return read_only(np.where(gaps, means.astype(X.dtype), X)) if gaps.any() else X


def column_means(X: Rows, row_weights: Rows) -> Array:
    """The mean of each column's values, (D,)."""
    weights = row_weights[:, np.newaxis] if len(row_weights) else np.ones((len(X), 1))
    counted = np.where(np.isnan(X), 0, weights)
    sums = np.sum(counted * np.nan_to_num(X, nan=0.0), axis=0, dtype=np.float64)
    means: Array = sums / np.maximum(counted.sum(axis=0, dtype=np.float64), 1e-300)
    return means
