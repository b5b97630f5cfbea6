"""Columns beside those of a mixture, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastem.report.column_values import part_of
from fastem.sources.carried import CarriedColumns


class ColumnsBeside(Protocol):
    """Columns that are taken from the first row on, so many rows at a time."""

    names: tuple[str, ...]

    def take(self, n_rows: int) -> Mapping[str, Any]:
        """The next rows of each column."""

    def position(self, row: int) -> int:
        """The number in the table of a row that is used."""


class ColumnsInMemory:
    """Columns of a DataFrame, an Arrow table or an array, and arrays beside it.

    Parameters
    ----------
    columns : mapping of str to column
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.names = tuple(columns)
        self._columns = columns
        self._n_taken = 0

    def take(self, n_rows: int) -> Mapping[str, Any]:
        """The next rows of each column."""
        start, self._n_taken = self._n_taken, self._n_taken + n_rows
        for name, column in self._columns.items():
            if len(column) < self._n_taken:
                raise ValueError(f"{name} has {len(column):,} values: X has more rows")
        return {
            name: part_of(column, start, self._n_taken)
            for name, column in self._columns.items()
        }

    def position(self, row: int) -> int:
        """The number in the table of a row."""
        return row

    def check_all_taken(self) -> None:
        """Raise ValueError if there are more values than rows."""
        for name, column in self._columns.items():
            if len(column) != self._n_taken:
                raise ValueError(
                    f"{name} has {len(column):,} values, but X has {self._n_taken:,} "
                    "rows: it must have one for each"
                )


class ColumnsOfFile:
    """Columns of a file or folder, of the rows of it that are used.

    Parameters
    ----------
    carried : CarriedColumns or None
        None if there are no columns.
    kept : array of bool, or None
        For each row of the file whether it is used, if some are not.
    """

    def __init__(
        self, carried: CarriedColumns | None, kept: NDArray[np.bool_] | None
    ) -> None:
        self.names = () if carried is None else carried.names
        self._carried = carried
        self._kept = None if kept is None else np.flatnonzero(kept)
        self._n_taken = self._n_read = 0

    def take(self, n_rows: int) -> Mapping[str, Any]:
        """The next rows of each column."""
        stop = self._n_taken + n_rows
        kept = self._kept
        end = stop if kept is None else int(kept[stop - 1]) + 1 if stop else 0
        columns = {}
        if self._carried is not None and end > self._n_read:
            read = self._carried.take(end - self._n_read)
            if kept is not None:
                used = kept[self._n_taken : stop] - self._n_read
                read = [column.take(used) for column in read]
            columns = dict(zip(self.names, read, strict=True))
        self._n_taken, self._n_read = stop, end
        return columns

    def position(self, row: int) -> int:
        """The number in the file of a row that is used."""
        return row if self._kept is None else int(self._kept[row])


def columns_of(table: Any) -> dict[str, Any] | None:
    """The columns of a table in memory by their names; None of what has none."""
    columns: dict[str, Any] = {}
    for name, column in _columns_of(table):
        if name in columns:
            raise ValueError(
                f"X has several columns that are called {name!r}: give each a name of "
                "its own, or leave the others out"
            )
        columns[name] = column
    return columns or None


def _columns_of(table: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(table, "column_names"):  # Arrow
        for name in table.column_names:
            yield name, table.column(name)
    elif hasattr(table, "get_column"):  # polars
        for name in table.columns:
            yield name, table.get_column(name)
    elif hasattr(table, "iloc") and getattr(table, "ndim", 0) == 2:  # pandas
        for j, name in enumerate(table.columns):
            yield str(name), table.iloc[:, j]


def chosen_from(table: Any, names: Sequence[str]) -> Any:
    """A table of these columns, in this order."""
    if hasattr(table, "select"):  # Arrow, polars
        return table.select(list(names))
    return table[list(names)]
