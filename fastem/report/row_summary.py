"""What rows say of a mixture, from one pass over them."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastem import kernels
from fastem.checks.counting import RowCount
from fastem.checks.rows import Rows, read_only
from fastem.mixture import GaussianMixture
from fastem.mixture.criteria import parts_of
from fastem.report.memberships import Certainty, Tally
from fastem.statistics import Array
from fastem.training.survey import Moments


@dataclass(frozen=True)
class RowSummary:
    """What rows say of a mixture.

    Attributes
    ----------
    n_rows : int
    total_weight : float
        The sum of their weights: ``n_rows`` if there are none.
    n_gappy, n_empty : int
        Number of rows that lack values, and of those that lack all.
    missing : array of shape (D,)
        The share of the rows that lacks a value in each column.
    means, deviations : arrays of shape (D,)
        Of all rows.
    certainty : Certainty
        How sure they are of their component.
    bic, aic, icl : float
        Criteria: lower is better.
    """

    n_rows: int
    total_weight: float
    n_gappy: int
    n_empty: int
    missing: Array
    means: Array
    deviations: Array
    certainty: Certainty
    bic: float
    aic: float
    icl: float


def summarize_rows(
    model: GaussianMixture,
    X: Any,
    sample_weight: ArrayLike | str | None = None,
    *,
    follow: Callable[[Rows, Array], object] | None = None,
) -> RowSummary:
    """Read the rows once, block by block.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, or made from parameters.
    X : array-like of shape (N, D), or what ``fit`` can read block by block
    sample_weight : array-like of shape (N,), or name of a column, default=None
    follow : callable, default=None
        Given memberships and weights of all rows, a part after the other.
    """
    ask = model._row_answers()
    n_components, n_features = model.means_.shape
    has_noise = hasattr(model, "noise_weight_")
    tally, moments = Tally(n_components + has_noise), Moments(n_features)
    count = RowCount()
    n_rows = n_gappy = n_empty = 0
    missing = np.zeros(n_features)
    log_likelihood = of_largest = 0.0
    with closing(model._row_blocks(X, sample_weight)) as blocks:
        for rows, weights in blocks:
            moments.add(rows, weights)
            count += RowCount.of(weights, len(rows))
            n_rows += len(rows)
            gaps = np.isnan(rows)
            if gaps.any():
                n_gappy += int(gaps.any(axis=1).sum())
                n_empty += int(gaps.all(axis=1).sum())
                missing += weights @ gaps if len(weights) else gaps.sum(axis=0)
            for part in parts_of(len(rows), max(n_components, n_features)):
                values = read_only(rows[part])
                degrees = ask(kernels.probability_pass, values)
                densities = ask(kernels.log_likelihood_pass, values)
                w = weights[part] if len(weights) else np.ones(len(values))
                tally.add(degrees, w)
                if follow is not None:
                    follow(degrees, w)
                log_likelihood += float(w @ densities)
                largest = np.log(degrees.max(axis=1).astype(np.float64))
                of_largest += float(w @ largest)
    count.warn_if_scaled("BIC")
    total = count.total
    mean = log_likelihood / total
    bic = model._criterion(mean, total, math.log(total))
    return RowSummary(
        *(n_rows, total, n_gappy, n_empty, missing / total),
        *(moments.mean, np.sqrt(moments.variances), tally.certainty()),
        *(bic, model._criterion(mean, total, 2), bic - 2 * of_largest),
    )
