"""Blocks of rows from Arrow data: columns turned into rows."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from fastem.checks.rows import Rows
from fastem.sources.blocks import Block

# That are turned from columns into rows at once: they stay in the cache.
_TURNED_BYTES = 2**19
# A batch of one column.
_ROWS_OF_LABELS = 2**16


@final
class ArrowBlocks:
    """Arrow data of numbers, one column of which may be weights.

    Parameters
    ----------
    schema : pyarrow.Schema
    batches : callable
        Gives an iterator of record batches of at most so many rows each.
    weights, labels : str, default=None
        Names of the columns of weights and of labels, which are not among the others.
    """

    def __init__(
        self,
        schema: Any,
        batches: Callable[[int], Iterator[Any]],
        weights: str | None = None,
        labels: str | None = None,
    ) -> None:
        kinds = {field.name: str(field.type) for field in schema}
        for held, name in (("weights", weights), ("labels", labels)):
            if name is not None and name not in kinds:
                raise ValueError(
                    f"X has no column {name!r} of {held}; its columns are "
                    f"{', '.join(map(repr, kinds))}"
                )
        for field in schema:
            if not holds_numbers(field.type) and field.name != labels:
                raise ValueError(
                    f"X does not hold numbers in column {field.name!r}, but "
                    f"{field.type}. Leave that column out, or encode it as numbers."
                )
        self.names = tuple(name for name in kinds if name not in (weights, labels))
        self.n_features = len(self.names)
        if not self.names:
            apart = (("weights", weights), ("labels", labels))
            those = [f"that of {what}, {name!r}" for what, name in apart if name]
            raise ValueError(f"X has no columns but {' and '.join(those)}")
        self.dtype = type_of(kinds[name] for name in self.names)
        self._batches = batches
        self._weights, self._labels = weights, labels

    def column_of_labels(self) -> tuple[Iterator[Any], str]:
        """Batches of all rows, and the name of the column of labels in them."""
        assert self._labels is not None
        return self._batches(_ROWS_OF_LABELS), self._labels

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """Record batches as arrays of rows."""
        for batch in self._batches(n_rows):
            values = np.empty((batch.num_rows, self.n_features), self.dtype)
            turn(batch, self.names, values)
            weights = None
            if self._weights is not None:
                weights = numbers(batch.column(self._weights)).astype(np.float64)
            yield Block(values, weights)


def spooled(reader: Any) -> Callable[[int], Iterator[Any]]:
    """Batches of a reader from a temporary file, which goes when they are not needed.

    Not memory-mapped: what has been read of a map stays in the process's memory.
    """
    import pyarrow as pa

    folder = tempfile.mkdtemp(prefix="fastem-")
    path = str(Path(folder) / "rows.arrow")

    def batches(n_rows: int) -> Iterator[Any]:
        with pa.OSFile(path) as opened:
            file = pa.ipc.open_file(opened)
            for i in range(file.num_record_batches):
                yield file.get_batch(i)

    weakref.finalize(batches, shutil.rmtree, folder, ignore_errors=True)
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    return batches


def type_of(kinds: Iterable[str]) -> np.dtype[Any]:
    """float32 if all columns are, else float64."""
    return np.dtype(np.float32 if set(kinds) == {"float"} else np.float64)


def holds_numbers(kind: Any) -> bool:
    """Whether a column of this Arrow type counts: the one rule for all tables.

    Truth values do, as 0 and 1. So do categories that are numbers, as in pandas.
    """
    from pyarrow import types

    if types.is_dictionary(kind):
        return holds_numbers(kind.value_type)
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
    )


def holds_text(kind: Any) -> bool:
    """Whether a column of this Arrow type is text, or was to be."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return holds_text(kind.value_type)
    # CSV of unknown encoding is binary.
    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind)
    )


def index_of(schema: Any) -> tuple[str, ...]:
    """Columns that pandas has written as the index of a DataFrame."""
    written = (schema.pandas_metadata or {}).get("index_columns", ())
    return tuple(name for name in written if isinstance(name, str))


def turn(batch: Any, names: Sequence[str], rows: Rows) -> None:
    """Write columns of a record batch as rows, with NaN for nulls."""
    columns = [numbers(batch.column(name)) for name in names]
    n_turned = max(256, _TURNED_BYTES // (8 * len(columns)))
    for start in range(0, len(rows), n_turned):
        some = slice(start, start + n_turned)
        for j, column in enumerate(columns):
            rows[some, j] = column[some]


def numbers(column: Any) -> np.ndarray:
    """A column's values, with NaN for nulls."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.float64(), safe=False)
    values: np.ndarray = column.to_numpy(zero_copy_only=False)
    return values
