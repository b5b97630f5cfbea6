"""Fits of the same mixture to other rows."""

from typing import Any

import numpy as np
from sklearn.base import clone

from fastem.checks.rows import read_only, remember_columns
from fastem.mixture import GaussianMixture
from fastem.training.in_memory import RowsInMemory


def unfitted(model: GaussianMixture, **settings: Any) -> GaussianMixture:
    """The same estimator before a fit, but that it knows the names of the columns."""
    fresh: GaussianMixture = clone(model).set_params(**settings)
    remember_columns(fresh, model)
    return fresh


def weighted_at_random(
    rows: RowsInMemory, method: str, random: np.random.RandomState
) -> RowsInMemory:
    """The same rows, weighted at random.

    As often as each is drawn ('bootstrap'), or by exponentially distributed numbers.
    """
    N = len(rows.values)
    shares = rows.weights.astype(np.float64) if len(rows.weights) else np.ones(N)
    if method == "bootstrap":
        n_drawn = max(1, round(rows.n_rows))
        weights = random.multinomial(n_drawn, shares / shares.sum()).astype(np.float64)
    else:
        weights = shares * random.standard_exponential(N)
    relative = (weights / weights.max()).astype(rows.dtype)
    return RowsInMemory(rows.values, read_only(relative), rows.n_rows, rows.has_gaps)
