"""Fits of the same mixture to other rows, or to the same by other weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from fastem.checks.rows import read_only, remember_columns
from fastem.covariances import SingularCovarianceError
from fastem.em import convergence_warnings
from fastem.mixture import GaussianMixture
from fastem.mixture.fixed import masks_of
from fastem.training.in_memory import RowsInMemory


def unfitted(model: GaussianMixture, **settings: Any) -> GaussianMixture:
    """The same estimator before a fit, but that it knows the names of the columns."""
    fresh: GaussianMixture = clone(model).set_params(**settings)
    remember_columns(fresh, model)
    return fresh


def refitted(
    model: GaussianMixture,
    X: Any,
    sample_weight: ArrayLike | str | None,
    method: str,
    n_fits: int,
    random: np.random.RandomState,
    asked: str,
) -> Iterator[GaussianMixture | None]:
    """Fits to rows weighted at random, each from the mixture on to its limit.

    So components keep their numbers. None for a fit whose components turned singular.

    Parameters
    ----------
    asked : str
        The function that the user called, for the text of an error.
    """
    template = unfitted(
        model,
        fixed=masks_of(model),
        n_components=len(model.weights_),
        stopping="remaining_gain",
        tol=0.01,
        accelerate=True,
        max_iter=max(1000, model.max_iter),
        verbose=0,
    )
    rows = template._training_rows(X, sample_weight)
    if not isinstance(rows, RowsInMemory):
        raise ValueError(
            f"{asked} weighs rows in memory, and X is read in blocks: pass some of its "
            "rows, as errors shrink with the root of their number"
        )
    start = model._fitted()[1]
    for _ in range(n_fits):
        fit = unfitted(template)
        try:
            with convergence_warnings.muted():
                fit._fit_rows(
                    weighted_at_random(rows, method, random),
                    continued=(start, -math.inf),
                )
        except SingularCovarianceError:
            yield None
            continue
        yield fit if len(fit.weights_) == len(start.weights) else None


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
