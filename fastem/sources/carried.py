"""Columns that go from a table into an output as they are, whatever they hold."""

from collections.abc import Iterator
from typing import Any, final


@final
class CarriedColumns:
    """Columns of a table, to be taken from its first row on, so many rows at a time.

    Parameters
    ----------
    names : tuple of str
    batches : iterator of pyarrow.RecordBatch
        All rows of the table, also those that are left out of a fit.
    """

    def __init__(self, names: tuple[str, ...], batches: Iterator[Any]) -> None:
        self.names = names
        self._batches = batches
        self._rest: Any = None

    def take(self, n_rows: int) -> list[Any]:
        """The next rows, as an Arrow array for each column."""
        import pyarrow as pa

        parts, n_taken = [], 0
        while n_taken < n_rows:
            if self._rest is None or not self._rest.num_rows:
                self._rest = next(self._batches).select(list(self.names))
            parts.append(self._rest.slice(0, n_rows - n_taken))
            self._rest = self._rest.slice(parts[-1].num_rows)
            n_taken += parts[-1].num_rows
        table = pa.Table.from_batches(parts)
        return [column.combine_chunks() for column in table.columns]
