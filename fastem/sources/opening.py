"""Where blocks of rows come from, when X is more than an array.

Each kind is a small class that can be read from the start as often as asked. None
knows whether values can be used, or what for.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, final

import numpy as np

from fastem.checks.rows import Rows, check_block, check_collected
from fastem.runtime.callers import levels_to_caller
from fastem.sources.arrow import ArrowBlocks, spooled
from fastem.sources.blocks import Block, Source
from fastem.sources.label_columns import LabelColumn
from fastem.sources.parquet import ParquetBlocks
from fastem.statistics import Array

# Memory maps and Arrow tables of fewer bytes are arrays like others: workers of joblib
# get every array of a megabyte as a memory map, and must not fit otherwise.
_STREAMED_BYTES = 2**30
# What columns hold that arguments name.
_HELD_BY = {"sample_weight": "weights", "labels": "labels"}


def source_of(
    X: Any,
    *,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
    labels: str | None = None,
    is_read_once: bool = False,
) -> Source | None:
    """What reads X block by block; None for what is read whole.

    Parameters
    ----------
    X : object
        A path to a Parquet file or a folder of them, a pyarrow dataset, a
        record-batch reader, an iterable of blocks, a memory map or an Arrow table of
        more than a gigabyte, or a Source.
    columns : sequence of str, default=None
        The columns to read of files (by default all numeric ones) and of datasets (by
        default all). What is left out of files by default is said in a warning.
    weights : str, default=None
        The column of files and Arrow data that holds weights.
    labels : str, default=None
        The column of them that :func:`labels_of` reads.
    is_read_once : bool, default=False
        Whether blocks will be asked for once only.

    Raises
    ------
    TypeError
        If X is an iterator, of which nothing is left after a pass, or a Dask
        collection.
    """
    if type(X) is np.ndarray:
        return None
    check_collected(X)
    if isinstance(X, str | Path):
        files = ParquetBlocks(Path(X), columns, weights, labels)
        if columns is None:
            _warn_of_left_out(files)
        return files
    if type(X).__module__.startswith("pyarrow"):
        return _arrow_source(X, columns, weights, labels, is_read_once)
    source = _source_without_weights(X)
    if source is not None and weights is not None:
        without_column(X, weights)  # raises
    if source is not None and labels is not None:
        without_column(X, labels, "labels")  # raises
    return source


def labels_of(source: Source) -> Array:
    """The column of labels that a source was opened with, of all rows."""
    assert isinstance(source, ParquetBlocks | ArrowBlocks)
    column = (
        source.labels()
        if isinstance(source, ParquetBlocks)
        else LabelColumn.read(*source.column_of_labels())
    )
    if column.names:
        raise ValueError(
            "labels are numbers of components, and the column holds names, such as "
            f"{column.names[0]!r}: encode them as numbers, from 0 on"
        )
    return column.values


def split_labels(
    X: Any, name: str, *, columns: Sequence[str] | None, weights: str | None
) -> tuple[Any, Array]:
    """A table without its column of labels, and that.

    Of what is read in blocks a source, which gives weights of its own if their column
    is named. ``columns`` are the others, if they are known.
    """
    source = source_of(X, columns=columns, weights=weights, labels=name)
    if source is None:
        return without_column(X, name, "labels")
    return source, labels_of(source)


def _warn_of_left_out(files: ParquetBlocks) -> None:
    """Say which columns were not chosen, for what reason, and who could choose."""
    sentences = []
    no_numbers = [name for name in files.unused if name not in files.index]
    if files.index:
        sentences.append(
            "The index of a DataFrame is left out. In "
            f"{files.path} it is {', '.join(map(repr, files.index))}."
        )
    if no_numbers:
        columns = ", ".join(f"{name!r} ({files.unused[name]})" for name in no_numbers)
        sentences.append(
            "Columns that do not hold numbers are left out. In "
            f"{files.path} these are {columns}. To choose columns yourself, pass "
            "pyarrow.dataset.dataset(path).scanner(columns=[...])."
        )
    if files.keys:
        keys = ", ".join(f"{key!r} ({name})" for key, name in files.keys.items())
        sentences.append(
            "Names of folders are not read as columns. In "
            f"{files.path} these are {keys}. To have them read, pass "
            "pyarrow.dataset.dataset(path, partitioning='hive')."
        )
    if sentences:
        warnings.warn(" ".join(sentences), stacklevel=levels_to_caller())


def _source_without_weights(X: Any) -> Source | None:
    if isinstance(X, np.memmap):
        return ArrayBlocks(X) if X.nbytes > _STREAMED_BYTES else None
    if isinstance(X, Source):
        return X
    is_table = any(
        hasattr(X, name) for name in ("__array__", "shape", "dtype", "__dataframe__")
    )
    is_collection = isinstance(X, Sequence | Mapping | Set)
    if is_table or is_collection or not hasattr(type(X), "__iter__"):
        return None
    if iter(X) is X:
        raise TypeError(
            f"X is of the type {type(X).__name__}, of which nothing is left after one "
            "pass over the rows, and a fit makes many. Pass an object that starts "
            "anew each time: one whose __iter__ is a generator function, for example."
        )
    return IterableBlocks(X)


def without_column(
    X: Any, name: str, argument: str = "sample_weight"
) -> tuple[Any, np.ndarray]:
    """A table in memory without one of its columns, and that column.

    ``argument`` is what names it.
    """
    held = _HELD_BY[argument]
    check_collected(X)
    names = getattr(X, "column_names", getattr(X, "columns", None))
    if names is None:
        raise TypeError(
            f"{argument} is {name!r}, the name of a column, but X is no table: pass "
            f"an array of {held}"
        )
    if name not in names:
        raise ValueError(
            f"X has no column {name!r} of {held}; its columns are "
            f"{', '.join(map(repr, names))}"
        )
    column = np.asarray(X[name])
    if hasattr(X, "drop_columns"):  # Arrow
        return X.drop_columns([name]), column
    if hasattr(X, "get_column"):  # polars
        return X.drop(name), column
    return X.drop(columns=[name]), column


def _arrow_source(
    X: Any,
    columns: Sequence[str] | None,
    weights: str | None,
    labels: str | None,
    is_read_once: bool,
) -> Source | None:
    import pyarrow as pa

    apart = weights, labels
    if isinstance(X, pa.Table):
        if X.nbytes <= _STREAMED_BYTES:
            return None
        return ArrowBlocks(X.schema, lambda n: iter(X.to_batches(n)), *apart)
    if type(X).__module__ == "pyarrow._dataset":
        return _dataset_source(X, columns, *apart)
    if not isinstance(X, pa.RecordBatchReader):
        return None
    once = ArrowBlocks(X.schema, lambda _: X, *apart)  # checks the columns
    return (
        once
        if is_read_once and labels is None
        else ArrowBlocks(X.schema, spooled(X), *apart)
    )


def _dataset_source(
    X: Any, columns: Sequence[str] | None, *apart: str | None
) -> Source | None:
    import pyarrow as pa
    from pyarrow import dataset

    if isinstance(X, dataset.Scanner):
        return ArrowBlocks(X.projected_schema, lambda _: X.to_reader(), *apart)
    if not isinstance(X, dataset.Dataset):
        return None
    # As few batches at a time as can be; and by default whole files stay in memory.
    reading: dict[str, Any] = {"batch_readahead": 1, "fragment_readahead": 1}
    if isinstance(getattr(X, "format", None), dataset.ParquetFileFormat):
        reading["fragment_scan_options"] = dataset.ParquetFragmentScanOptions(
            pre_buffer=False
        )
    schema = X.schema
    if columns is not None:
        read = [*columns, *filter(None, apart)]
        schema = pa.schema(
            [schema.field(name) for name in read if name in schema.names]
        )
        reading["columns"] = schema.names
    return ArrowBlocks(schema, lambda n: X.to_batches(batch_size=n, **reading), *apart)


@final
class ArrayBlocks:
    """An array (N, D) of numbers, of which views are given away: a memory map."""

    def __init__(self, X: np.ndarray, names: Sequence[str] | None = None) -> None:
        if X.ndim != 2 or X.dtype.kind not in "biuf":
            raise ValueError(
                f"X has the shape {X.shape} and the type {X.dtype}; it must be an "
                "array of numbers, with rows and columns"
            )
        self._X = X
        self.names = None if names is None else tuple(names)
        self.n_features = X.shape[1]
        self.dtype = np.dtype(np.float32 if X.dtype == np.float32 else np.float64)

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """Views, or copies where the type is another."""
        for start in range(0, len(self._X), n_rows):
            rows = self._X[start : start + n_rows]
            yield Block(np.asarray(rows, self.dtype))


@final
class IterableBlocks:
    """An object whose ``iter()`` gives an iterator of arrays or tables each time."""

    def __init__(self, X: Any) -> None:
        self._X = X
        first = next(iter(X), None)
        if first is None:
            raise ValueError("X gives no blocks of rows")
        rows, self.names = self._checked(first, 0)
        self.n_features = rows.shape[1]
        self.dtype = rows.dtype

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """Copies of the blocks, which may be one array that is filled again."""
        for number, block in enumerate(self._X):
            rows, names = self._checked(block, number)
            differs = (
                f"{rows.shape[1]} columns, but block 0 has {self.n_features}"
                if rows.shape[1] != self.n_features
                else f"the columns {names}, but block 0 has {self.names}"
                if names != self.names
                else f"the type {rows.dtype}, but block 0 has {self.dtype}"
                if rows.dtype != self.dtype
                else None
            )
            if differs:
                raise ValueError(f"block {number} of X has {differs}")
            yield Block(np.array(rows, order="C"))

    @staticmethod
    def _checked(block: Any, number: int) -> tuple[Rows, tuple[str, ...] | None]:
        try:
            return check_block(block)
        except (ValueError, TypeError) as error:
            raise type(error)(f"block {number} of X: {error}") from error
