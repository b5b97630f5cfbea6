"""How often rows count, and whether enough of them do."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from fastem.checks.arrays import as_numbers
from fastem.checks.rows import Rows, read_only
from fastem.runtime.callers import levels_to_caller
from fastem.statistics import Array

_PREFIX_ROWS = 256
# Weights by age, or of a sample, may sum to some times more or less than their number.
_FAR = 10


@dataclass(frozen=True)
class RowCount:
    """How many rows there are, each as often as its weight says.

    Attributes
    ----------
    total : float
        The sum of the weights.
    n_counted : int
        Number of rows whose weight is not 0.
    are_whole : bool
        Whether all weights are whole numbers, as counts of equal rows are.
    """

    total: float = 0.0
    n_counted: int = 0
    are_whole: bool = True

    @classmethod
    def of(cls, weights: Array, n_rows: int) -> Self:
        """Of so many rows; no weights mean 1 for each."""
        if not len(weights):
            return cls(float(n_rows), n_rows)
        are_whole = bool((weights == np.rint(weights)).all())
        return cls(float(weights.sum()), int(np.count_nonzero(weights)), are_whole)

    def __add__(self, other: "RowCount") -> "RowCount":
        """Of both."""
        return RowCount(
            self.total + other.total,
            self.n_counted + other.n_counted,
            self.are_whole and other.are_whole,
        )

    def warn_if_scaled(self, criterion: str) -> None:
        """Warn if the sum of the weights is no number of rows that were seen."""
        if self.are_whole or (
            self.n_counted / _FAR <= self.total <= self.n_counted * _FAR
        ):
            return
        more_or_less = "more" if self.total > self.n_counted else "less"
        warnings.warn(
            "Criteria count rows by their weights, and these sum to no number of rows. "
            f"For {criterion} they sum to {self.total:.4g}, {more_or_less} than the "
            f"{self.n_counted:,} rows, and that decides which number of components is "
            "the best: a sum of 1 counts as one row, one of 1e9 as a thousand million. "
            "Normalise weights that are no counts: w * len(w) / w.sum().",
            stacklevel=levels_to_caller(),
        )


def check_shape_of_weights(weights: np.ndarray, n_rows: int) -> None:
    """One weight a row."""
    if weights.shape != (n_rows,):
        raise ValueError(
            f"sample_weight has the shape {weights.shape}, but X has {n_rows} rows: it "
            f"must have the shape ({n_rows},)"
        )


def check_range_of_weights(
    weights: np.ndarray, row_name: Callable[[int], str] = "row {}".format
) -> None:
    """No weight may be negative or not finite."""
    bad = np.flatnonzero(~(weights >= 0) | np.isinf(weights))
    if len(bad):
        raise ValueError(
            f"sample_weight must be finite and not negative, but {len(bad)} of "
            f"{len(weights)} values are not: the first is {weights[bad[0]]:g} in "
            f"{row_name(int(bad[0]))}. Rows to leave out have the weight 0"
        )


def check_sample_weight(sample_weight: ArrayLike, n_rows: int) -> Array:
    """One finite weight a row, none negative, not all zero: shape (N,), float64."""
    weights = check_some_weights(sample_weight, n_rows)
    check_any_weight(float(weights.max()))
    return weights


def check_some_weights(sample_weight: ArrayLike, n_rows: int) -> Array:
    """Weights of some of the rows, which may all be zero: shape (n_rows,), float64."""
    weights = as_numbers(sample_weight, "sample_weight")
    check_shape_of_weights(weights, n_rows)
    check_range_of_weights(weights)
    return weights


def check_any_weight(largest: float) -> None:
    """Raise ValueError if the largest weight of all rows is zero."""
    if largest == 0:
        raise ValueError("sample_weight is zero for every row: at least one must count")


def check_row_weights(sample_weight: ArrayLike | None, X: Rows) -> tuple[Rows, float]:
    """Weights as the passes take them, and their sum.

    In the type of X, or empty for None. A common factor has no meaning to a fit. So
    constant weights are none, which for a start that draws rows by weight are other
    random numbers; and all others are scaled to a maximum of 1, so that none can
    overflow. The sum is the number of rows, each as often as its weight says; inf if
    that overflows.
    """
    no_weights = read_only(np.empty(0, X.dtype))
    if sample_weight is None:
        return no_weights, float(len(X))
    weights = check_sample_weight(sample_weight, len(X))
    largest = float(weights.max())
    relative = weights / largest
    n_rows = largest * float(relative.sum())
    if (weights == weights[0]).all():
        return no_weights, n_rows
    return read_only(relative.astype(X.dtype)), n_rows


def check_number_of_rows(n_counted: int, is_weighted: bool, n_components: int) -> None:
    """At least as many rows (of positive weight) as components."""
    if n_counted < n_components:
        what = "rows of positive weight" if is_weighted else "rows"
        raise ValueError(
            f"{n_components} components need at least as many rows: "
            f"n_components={n_components}, but X has n_samples = {n_counted} "
            f"{what}. Use fewer components."
        )


def check_enough_rows(X: Rows, row_weights: Rows, n_components: int) -> None:
    """At least as many distinct rows of positive weight as components."""
    n_counted = np.count_nonzero(row_weights) if len(row_weights) else len(X)
    check_number_of_rows(int(n_counted), len(row_weights) > 0, n_components)
    distinct: set[bytes] = set()
    add_distinct(X, row_weights, n_components, distinct)
    check_distinct(distinct, n_components)


def check_enough_kept(
    X: Rows, row_weights: Rows, outlier_share: float, n_needed: int, n_components: int
) -> None:
    """At least as many rows as a start needs, without those that it leaves out."""
    n_counted = np.count_nonzero(row_weights) if len(row_weights) else len(X)
    n_kept = (1 - outlier_share) * n_counted
    if n_kept < n_needed:
        raise ValueError(
            f"outlier_share={outlier_share:g} keeps {n_kept:.4g} of {n_counted} rows, "
            f"but the means and covariances of n_components={n_components} need "
            f"{n_needed}. Lower outlier_share, use fewer components, or another "
            "init_params."
        )


def add_distinct(
    X: Rows, row_weights: Rows, n_components: int, distinct_out: set[bytes]
) -> None:
    """Add rows of positive weight to a set of them, until it has n_components."""
    # A set of their bytes: np.unique sorts, which for the first rows of a small fit
    # takes 36 us against 2.4 for 150 x 4.
    for start in range(0, len(X), _PREFIX_ROWS):
        if len(distinct_out) >= n_components:
            return
        block = X[start : start + _PREFIX_ROWS]
        if len(row_weights):
            block = block[row_weights[start : start + _PREFIX_ROWS] > 0]
        for row in block + X.dtype.type(0):  # makes 0.0 of -0.0, which equals it
            distinct_out.add(row.tobytes())
            if len(distinct_out) >= n_components:
                return


def check_distinct(distinct: set[bytes], n_components: int) -> None:
    """Raise ValueError if a set of all distinct rows is too small."""
    if len(distinct) >= n_components:
        return
    rows, components = (
        f"{len(distinct)} {what}{'' if len(distinct) == 1 else 's'}"
        for what in ("distinct row", "component")
    )
    raise ValueError(
        f"X has only {rows}, fewer than n_components={n_components}. Use at most "
        f"{components}."
    )
