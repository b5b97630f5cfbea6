"""A mixture on a page: how large its components are, what they are, how sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from fastem.choice.overlap import overlap
from fastem.choice.results import SelectionResults
from fastem.choice.selector import GaussianMixtureSelector
from fastem.mixture import GaussianMixture
from fastem.report.description import (
    column_names,
    component_variances,
    distinctive_traits,
    overall_moments,
)
from fastem.report.page import Summary
from fastem.report.row_summary import RowSummary, summarize_rows

# Draws from each of Student's components; and the most K D for overlaps, which take
# some seconds there, and grow with its square.
_N_SAMPLES = 10_000
_MOST_OVERLAPPING = 1000


def summary(
    model: GaussianMixture | GaussianMixtureSelector,
    X: Any = None,
    sample_weight: ArrayLike | str | None = None,
    *,
    feature_names: Sequence[str] | None = None,
) -> Summary:
    """What a mixture says, on a page: of its parameters, or of rows too.

    How large each component is, what sets it apart in the columns' own units, which
    components overlap; with rows also how sure these are, what they lack, and the
    criteria; with a selector the alternatives.

    Parameters
    ----------
    model : GaussianMixture or GaussianMixtureSelector
        Fitted, or made from parameters.
    X : array-like of shape (N, D), or what ``fit`` can read block by block, \
default=None
        Read once.
    sample_weight : array-like of shape (N,), or name of a column, default=None
        Rows count by their weights.
    feature_names : sequence of str, default=None
        Names of the columns; by default the model's own.

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        If X cannot be used, or there are weights without rows.

    Examples
    --------
    >>> import numpy as np
    >>> import fastem
    >>> from fastem import GaussianMixture
    >>> model = GaussianMixture.from_parameters(
    ...     [0.25, 0.75], [[1.6, 52.0], [1.8, 80.0]],
    ...     [[[0.01, 0.1], [0.1, 30.0]], [[0.01, 0.1], [0.1, 90.0]]],
    ...     feature_names=["height", "weight"])
    >>> print(fastem.summary(model))
    Gaussian mixture of 2 components, covariance full (VVV: own volumes, own
    shapes, own axes), 2 columns.
    <BLANKLINE>
    Below each component is what sets it apart, in three columns at most: its mean
    ± standard deviation in the column's own unit, and how much more or less than
    the mean of the mixture that is, also in the latter's standard deviations (sd).
    <BLANKLINE>
    Component 1: 75.0% of the rows
        weight  80 ± 9.49  7 more (+0.5 sd)
        height  1.8 ± 0.1  0.05 more (+0.4 sd)
    Component 0: 25.0% of the rows
        weight  52 ± 5.48  21 less (-1.4 sd)
        height  1.6 ± 0.1  0.15 less (-1.1 sd)
    <BLANKLINE>
    Which components overlap, by the mixture's own account:
        0 and 1: 3.6% of the rows of 0 look like 1, 1.6% of 1 like 0
    """
    results = None
    if isinstance(model, GaussianMixtureSelector):
        check_is_fitted(model)
        model, results = model.best_estimator_, model.results_
    model._fitted()  # raises if there are no parameters
    if X is None and sample_weight is not None:
        raise ValueError("sample_weight is given without X: pass the rows it weighs")
    names = column_names(model, feature_names)
    rows = None if X is None else summarize_rows(model, X, sample_weight)
    return summary_of(model, names, rows, results)


def summary_of(
    model: GaussianMixture,
    names: tuple[str, ...],
    rows: RowSummary | None,
    results: SelectionResults | None,
) -> Summary:
    """The summary of a mixture, of which all that needs rows is known."""
    overall = overall_moments(model)
    if rows is not None:
        # Where all rows have one value, units are the mixture's; where none, all.
        varies, is_empty = rows.deviations > 0, rows.missing > 1 - 1e-9
        overall = (
            np.where(is_empty, overall[0], rows.means),
            np.where(varies, rows.deviations, overall[1]),
        )
    n_components, n_features = model.means_.shape
    overlaps = None
    if n_components * n_features <= _MOST_OVERLAPPING:
        overlaps = overlap(model, n_samples=_N_SAMPLES, random_state=0)
    traits = distinctive_traits(model, names, overall=overall)
    deviations = np.sqrt(component_variances(model))
    of_columns = model.means_.copy(), deviations, *overall
    return Summary(model, names, traits, *of_columns, rows, overlaps, results)
