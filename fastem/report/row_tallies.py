"""What all columns of a table are like in each cluster, from one pass over rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastem.checks.rows import Rows
from fastem.mixture import GaussianMixture
from fastem.mixture.noise import background_of_model
from fastem.report.column_tallies import MOST_LEVELS, ColumnTally, Told
from fastem.report.columns_beside import ColumnsBeside, ColumnsInMemory
from fastem.report.doubtful_rows import DoubtTally
from fastem.statistics import Array


class RowTallies:
    """Follows the memberships of all rows, and takes their other columns along.

    Parameters
    ----------
    model : GaussianMixture
    beside : ColumnsBeside
        The table's other columns.
    outcome, labels : str, array-like or None
        The name of one of these, or values.

    Attributes
    ----------
    columns : dict of str to ColumnTally
        Those of other columns than outcome and labels.
    outcome, labels : ColumnTally or None
    doubts : DoubtTally
    n_rows : int
        Rows so far.

    Raises
    ------
    ValueError
        If there is no such column.
    """

    def __init__(
        self, model: GaussianMixture, beside: ColumnsBeside, outcome: Any, labels: Any
    ) -> None:
        has_background = background_of_model(model) is not None
        K = len(model.weights_)
        self.components = (*range(K), *[-1] * has_background)
        self._beside = beside
        given = {"outcome": outcome, "labels": labels}
        names = {k: v for k, v in given.items() if isinstance(v, str)}
        for argument, name in names.items():
            if name not in beside.names:
                raise ValueError(
                    f"{argument} is {name!r}, which is no column of X beside those "
                    f"of the mixture: {', '.join(map(repr, beside.names)) or 'none'}. "
                    "It may be an array too"
                )
        values = {k: v for k, v in given.items() if v is not None and k not in names}
        self._given = ColumnsInMemory({k: _flat(v, k) for k, v in values.items()})
        self.columns = {
            name: ColumnTally(name, self.components)
            for name in beside.names
            if name not in names.values()
        }
        self.outcome = self.labels = None
        if outcome is not None:
            self.outcome = ColumnTally(
                _name_of(outcome, "outcome"), self.components, most_numbers=2
            )
        if labels is not None:
            self.labels = ColumnTally(
                _name_of(labels, "label"), self.components, most_numbers=MOST_LEVELS
            )
        self._names = names
        self.doubts = DoubtTally(len(self.components), has_background=has_background)
        self.n_rows = 0

    def __call__(self, degrees: Rows, weights: Array) -> None:
        """Count the next rows."""
        taken: dict[Any, Any] = {
            **self._beside.take(len(degrees)),
            **{
                (argument,): values  # no name of a column
                for argument, values in self._given.take(len(degrees)).items()
            },
        }
        memberships = degrees * weights[:, np.newaxis]
        memberships = memberships.astype(np.float64, copy=False)
        for name, tally in self.columns.items():
            tally.add(taken[name], memberships)
        if self.outcome is not None:
            self.outcome.add(self._values_of("outcome", taken), memberships)
        if self.labels is not None:
            likeliest = degrees.argmax(axis=1)
            whole = np.zeros_like(memberships)
            whole[np.arange(len(whole)), likeliest] = weights
            self.labels.add(self._values_of("labels", taken), whole)
        self.doubts.add(degrees, weights, self.n_rows)
        self.n_rows += len(degrees)

    def _values_of(self, argument: str, taken: Mapping[Any, Any]) -> Any:
        return taken[self._names.get(argument, (argument,))]

    def told(self) -> tuple[list[Told], dict[str, str]]:
        """What there is to say of other columns, and why not of the rest of them."""
        self._given.check_all_taken()
        found: Sequence[tuple[ColumnTally, Told | None]]
        found = [(tally, tally.told()) for tally in self.columns.values()]
        untold = {tally.name: tally.untold for tally, told in found if told is None}
        return [told for _, told in found if told is not None], untold


def _flat(values: Any, argument: str) -> Any:
    """Values (n,) of any kind."""
    if isinstance(values, list | tuple):
        values = np.asarray(values, dtype=None if _is_plain(values) else object)
    if getattr(values, "ndim", int(hasattr(values, "__len__"))) != 1:
        raise ValueError(
            f"{argument} has the shape {np.shape(values)}: it must have one value "
            "for each row, or be the name of a column"
        )
    return values


def _is_plain(values: Sequence[Any]) -> bool:
    """Whether an array of these keeps what they are."""
    return len({isinstance(value, str) for value in values}) == 1 and not any(
        value is None for value in values
    )


def _name_of(given: Any, default: str) -> str:
    name = given if isinstance(given, str) else getattr(given, "name", None)
    return name if isinstance(name, str) else default
