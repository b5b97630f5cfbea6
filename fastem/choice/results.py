"""What came of each candidate, as a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from fastem.choice.frames import frame_of
from fastem.choice.search import Outcome

_SHOWN = 3


@dataclass(frozen=True)
class SelectionRow:
    """What came of a candidate.

    Attributes
    ----------
    covariance_type : str
    n_components : int
    value : float
        The criterion: lower is better. An estimate where ``n_rows`` is less than the
        number of all rows; nan if there is no fit, inf if there is none to some fold.
    log_likelihood : float
        Of all rows, as of the last iteration; likewise.
    n_parameters : int
        Number of free parameters.
    n_rows : int
        How many rows the last fit was to.
    n_iter : int
        Passes over rows, from all starts and of all rounds.
    seconds : float
        Without those of the compiler.
    smallest_weight : float
        That of the smallest component.
    ridge_share : float
        The ridge's share of what a column varies in a component, given all others,
        where it is largest: from 1 % on, the fit is not chosen.
    converged : bool
    reason : str
        Why it was not chosen, but for its value; empty if it could have been.
    """

    covariance_type: str
    n_components: int
    value: float
    log_likelihood: float
    n_parameters: int
    n_rows: int
    n_iter: int
    seconds: float
    smallest_weight: float
    ridge_share: float
    converged: bool
    reason: str

    @classmethod
    def of(cls, outcome: Outcome, n_all: float) -> Self:
        """Of an outcome, for so many rows, each as often as its weight says."""
        attempt, model = outcome.attempt, outcome.attempt.model
        candidate = attempt.candidate
        return cls(
            *(candidate.covariance_type, candidate.n_components, outcome.value),
            math.nan if model is None else n_all * model.lower_bound_,
            0 if model is None else model._n_parameters(),
            *(outcome.n_rows, attempt.n_iter, attempt.seconds),
            math.nan if model is None else float(model.weights_.min()),
            attempt.ridge_share,
            model is not None and model.converged_,
            outcome.reason,
        )


@dataclass(frozen=True)
class SelectionResults:
    """What came of all candidates, in the order in which they were given.

    Attributes
    ----------
    criterion : str
        As people write it: 'BIC'.
    n_rows : int
        Number of all rows.
    rows : tuple of SelectionRow
    """

    criterion: str
    n_rows: int
    rows: tuple[SelectionRow, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[SelectionRow]:
        return iter(self.rows)

    @property
    def ranked(self) -> tuple[SelectionRow, ...]:
        """Those that could be chosen, the best first."""
        chosen = [row for row in self.rows if not row.reason]
        return tuple(sorted(chosen, key=lambda row: row.value))

    def to_frame(self) -> Any:
        """A DataFrame with a row for each: of pandas, or of polars without it."""
        names = [field.name for field in fields(SelectionRow)]
        values = [asdict(row) for row in self.rows]
        return frame_of({name: [row[name] for row in values] for name in names})

    def __str__(self) -> str:
        ranked = self.ranked
        lines = [
            f"{self.criterion}, lower is better, of {len(self)} candidates for "
            f"{self.n_rows:,} rows:"
        ]
        for row in ranked[:_SHOWN]:
            name = f"{row.covariance_type}, {row.n_components}"
            behind = row.value - ranked[0].value
            added = f"  +{behind:,.1f}" if row is not ranked[0] else ""
            lines.append(f"  {name:14}{row.value:14,.1f}{added}")
        return "\n".join([*lines, f"{self.fates()} (to_frame() lists all)"])

    def fates(self) -> str:
        """How many were fitted to all rows, dropped, held up, or failed."""
        counts = Counter(self._fate(row) for row in self.rows)
        return ", ".join(
            f"{counts[fate]} {text}" for fate, text in _FATES.items() if counts[fate]
        )

    def _fate(self, row: SelectionRow) -> str:
        if not row.reason:
            return "fitted"
        if math.isnan(row.log_likelihood) or math.isinf(row.value):
            return "failed"
        return (
            "dropped"
            if row.n_rows < self.n_rows and row.value == row.value
            else ("held up")
        )


_FATES = {
    "fitted": "fitted to all rows",
    "dropped": "dropped after some",
    "held up": "that only reg_covar holds up",
    "failed": "without a fit",
}
