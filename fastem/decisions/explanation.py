"""What makes rows surprising, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem import kernels
from fastem.checks.rows import Rows
from fastem.choice.frames import frame_of
from fastem.covariances.representations import dense
from fastem.covariances.view import View
from fastem.groups import RowAnswers, groups_of
from fastem.statistics import Array

# Memberships below are those of components that say nothing of a row.
_NEGLIGIBLE = 1e-6
_ROWS_TOLD, _COLUMNS_TOLD = 5, 3


@dataclass(frozen=True, eq=False)
class Explanation:
    """How much each column adds to the surprise of each row.

    The surprise of a row is how much less likely it is, in nats of log-density, than
    the mean of the component that it belongs to; of several components it is the mean
    by memberships. For a normal distribution that is half of the squared Mahalanobis
    distance. Where a row lacks values, all is said of those that it has, and the others
    are NaN.

    Attributes
    ----------
    columns : tuple of str
    rows : array of int of shape (n,)
        Their numbers.
    values, expected : arrays of shape (n, D)
        What the rows hold, and what is expected there given their other columns.
    parts : array of shape (n, D)
        What each column adds: they sum to ``surprise``. They are the Shapley values of
        the squared distance when columns are set to the mean one by one, in all orders
        [1]_. Negative where a column makes the others less surprising.
    given_others : array of shape (n, D)
        How much less surprising the row is without the column: that of its value, given
        all others. For a normal distribution half of the squared deviation from
        ``expected``, in conditional standard deviations.
    alone : array of shape (n, D)
        How surprising its value is if one sees no other column.
    surprise : array of shape (n,)
    scores, p_values : arrays of shape (n,)
        As the detector has them.
    components : array of int of shape (n,)
        The likeliest component of each row, by which it is explained.

    References
    ----------
    .. [1] M. Mayrhofer, P. Filzmoser, "Multivariate outlier explanations using Shapley
       values and Mahalanobis distances", Econometrics and Statistics (2023).
    """

    columns: tuple[str, ...]
    rows: NDArray[np.intp]
    values: Array
    expected: Array
    parts: Array
    given_others: Array
    alone: Array
    surprise: Array
    scores: Array
    p_values: Array
    components: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.rows)

    def to_frame(self) -> Any:
        """A DataFrame with a line for each column of each row."""
        n_columns = len(self.columns)
        columns: dict[str, Sequence[Any]] = {
            "row": np.repeat(self.rows, n_columns).tolist(),
            "p_value": np.repeat(self.p_values, n_columns).tolist(),
            "surprise": np.repeat(self.surprise, n_columns).tolist(),
            "column": list(self.columns) * len(self),
            "value": self.values.ravel().tolist(),
            "expected": self.expected.ravel().tolist(),
            "part": self.parts.ravel().tolist(),
            "given_others": self.given_others.ravel().tolist(),
            "alone": self.alone.ravel().tolist(),
        }
        return frame_of(columns)

    def __str__(self) -> str:
        order = np.argsort(self.scores, kind="stable")
        lines = [
            f"{len(self):,} rows; the most surprising, and what their columns add in "
            "nats (value, expected given the others):"
        ]
        for i in order[:_ROWS_TOLD]:
            told = np.argsort(-np.nan_to_num(self.parts[i]), kind="stable")
            columns = ", ".join(
                f"{self.columns[j]} {self.parts[i, j]:.3g} ({self.values[i, j]:.4g}, "
                f"{self.expected[i, j]:.4g})"
                for j in told[:_COLUMNS_TOLD]
            )
            lines.append(
                f"  row {self.rows[i]}: {self.surprise[i]:.4g}, p-value "
                f"{self.p_values[i]:.3g}: {columns}"
            )
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Explained:
    """What :class:`Explanation` says that needs the mixture alone."""

    values: Array
    expected: Array
    parts: Array
    given_others: Array
    alone: Array
    surprise: Array
    components: NDArray[np.intp]

    @classmethod
    def of(cls, ask: RowAnswers, X: Rows) -> Explained:
        """Of rows (n, D), which may have gaps if the mixture allows them."""
        shares = ask(kernels.probability_pass, X).astype(np.float64)
        components = shares.argmax(axis=1)
        shares[shares < _NEGLIGIBLE] = 0
        shares /= shares.sum(axis=1, keepdims=True)
        gaps = np.isnan(X)
        expected, parts, given_others, alone = (
            np.where(gaps, np.nan, 0.0) for _ in range(4)
        )
        surprise = np.zeros(len(X))
        for group in groups_of(X):
            if not len(group.columns):
                continue
            view = View(ask.representation, ask.parameters, group.columns).parameters
            covariances = ask.representation.expand(view.covariances, *view.means.shape)
            factors = dense.inverse_cholesky(covariances, shared=False)
            present = group.values(X).astype(np.float64)
            for k, mean in enumerate(view.means):
                mine = np.flatnonzero(shares[group.rows, k])
                if not len(mine):
                    continue
                v = view.degrees_of_freedom
                of_component = _Component(
                    *(mean, factors[k], np.diag(covariances[k])),
                    None if v is None else float(v[k]),
                )
                rows = group.rows[mine]
                share = shares[rows, k]
                told = of_component.explained(present[mine])
                surprise[rows] += share * told[0]
                place = np.ix_(rows, group.columns)
                for total, of_rows in zip(
                    (expected, parts, given_others, alone), told[1:], strict=True
                ):
                    total[place] += share[:, np.newaxis] * of_rows
        return cls(
            *(X.astype(np.float64), expected, parts, given_others, alone),
            *(surprise, components),
        )

    def with_numbers(
        self, columns: Sequence[str], rows: NDArray[np.intp], scores: Array, p: Array
    ) -> Explanation:
        """All that is to be told of rows of these numbers."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return Explanation(
            columns=tuple(columns), rows=rows, scores=scores, p_values=p, **own
        )


@dataclass(frozen=True)
class _Component:
    """A component: mean (D,), U of the precision (D, D), variances, tails."""

    mean: Array
    factor: Array
    variances: Array
    degrees_of_freedom: float | None

    def explained(self, X: Array) -> tuple[Array, ...]:
        """Surprise (n,); expected values, parts, given others, and alone, (n, D)."""
        residuals = X - self.mean
        whitened = residuals @ self.factor
        distances = (whitened**2).sum(axis=1)
        # The precision times the residual: over the precision's diagonal it is the
        # residual given all other columns.
        pulls = whitened @ self.factor.T
        precisions = (self.factor**2).sum(axis=1)
        surprise = self._fall(distances, len(self.mean))
        scale = surprise / np.where(distances > 0, distances, 1)
        v = self.degrees_of_freedom
        saved = pulls**2 / precisions
        given_others = saved / 2
        if v is not None:
            rest = saved / (v + distances[:, np.newaxis])
            given_others = -(v + len(self.mean)) / 2 * np.log1p(-rest)
        return (
            surprise,
            X - pulls / precisions,
            residuals * pulls * scale[:, np.newaxis],
            given_others,
            self._fall(residuals**2 / self.variances, 1),
        )

    def _fall(self, distances: Array, n_columns: int) -> Array:
        """By how much the log-density at squared distances is below the peak."""
        v = self.degrees_of_freedom
        if v is None:
            return distances / 2
        falls: Array = (v + n_columns) / 2 * np.log1p(distances / v)
        return falls


def explained(asks: Sequence[RowAnswers], scores: Array, X: Rows) -> Explained:
    """Of rows, each by the mixture under which it is likeliest.

    ``scores`` are those of each mixture, (M, n).
    """
    if len(asks) == 1:
        return Explained.of(asks[0], X)
    chosen = scores.argmax(axis=0)
    answers = [Explained.of(ask, X) for ask in asks]
    at = np.arange(len(X))
    return Explained(
        **{
            field.name: np.stack([getattr(one, field.name) for one in answers])[
                chosen, at
            ]
            for field in fields(Explained)
        }
    )
