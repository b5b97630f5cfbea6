"""Rows to start from where values are missing."""

from contextlib import suppress

import numpy as np

from fastem.checks.counting import check_enough_rows
from fastem.checks.rows import Rows, read_only
from fastem.covariances import SingularCovarianceError
from fastem.covariances.representations import Matrices, mean_shifts
from fastem.groups import GroupedExpectation, RowAnswers, groups_of, imputed
from fastem.statistics import Array, MixtureParameters

# Complete rows of a component that are enough to start from, for each column.
_ENOUGH = 4
_STEPS = 10
_RIDGE = 1e-6  # of each column's variance


def rows_to_start_from(
    X: Rows, row_weights: Rows, n_components: int, *, all_rows: bool = False
) -> tuple[Rows, Rows]:
    """Rows without gaps, and their weights: the complete ones if there are enough.

    These are 4 (D + 1) for each component. Otherwise gaps are filled with what a
    normal distribution expects there that some steps of EM have fitted to all rows;
    where ``all_rows`` are wanted, for a partition, with the column's mean. That is for
    the start only.
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
    means = column_means(X, row_weights)
    if not all_rows:
        with suppress(SingularCovarianceError):  # too few rows for so many columns
            return _expected(X, row_weights, means), row_weights
    return filled(X, means), row_weights


def _expected(X: Rows, row_weights: Rows, means: Array) -> Rows:
    """The rows with what one normal distribution expects in their gaps."""
    representation = Matrices()
    counts = row_weights if len(row_weights) else np.ones(len(X))
    squares = np.where(np.isnan(X), 0, (X - means) ** 2)
    variances = counts @ squares / np.maximum(counts @ ~np.isnan(X), 1e-300)
    variances = np.where(variances > 0, variances, 1.0)
    spreads = np.diag(variances)[np.newaxis]
    step = GroupedExpectation(X, row_weights, groups_of(X), representation, None)
    for _ in range(_STEPS + 1):
        parameters = MixtureParameters(
            np.ones(1), means[np.newaxis], spreads, representation.cholesky(spreads)
        )
        statistics = step(parameters)
        means = (statistics.reference + mean_shifts(statistics))[0]
        spreads = representation.spreads(statistics, _RIDGE * variances)
    return read_only(imputed(RowAnswers(representation, parameters, None, True), X))


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
