"""Numeric columns with names: what the commands fit and label."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastem.checks.rows import Rows
from fastem.sources.carried import CarriedColumns
from fastem.sources.data_files import (
    DataFile,
    check_known,
    check_notation,
    choose_columns,
    open_data_file,
)
from fastem.sources.delimited import Notation
from fastem.sources.label_columns import LabelColumn
from fastem.sources.parquet import ParquetBlocks
from fastem.statistics import Array
from fastem.storage.writing import PathLike

# Parquet files of more bytes are not read whole.
_LARGE_FILE = 2**28


Values = TypeVar("Values", bound=Sized, covariant=True)


@dataclass(frozen=True)
class Table(Generic[Values]):
    """Numeric columns of a file or folder, without missing values if not said else.

    Attributes
    ----------
    path : Path
    names : tuple of str
        Names of the columns; for NPY files x0, x1, ...
    values : array of shape (N, D), or ParquetBlocks
        float32 if all columns are, else float64. Blocks of what is not read whole
        have their own weights.
    kept : array of bool, or None
        For each row of the file whether it is in ``values``, if some are not. Blocks
        know it themselves.
    weights : array of shape (N,), or None
        The column of weights, if one was asked for.
    unused : dict of str to str
        Names and types of the other columns of the file.
    index : tuple of str
        Those of them that are the index of a DataFrame.
    keys : dict of str to str
        What names of folders in a folder say, which is not read: see ParquetBlocks.
    carried : CarriedColumns, or None
        The columns that are to be taken along, if there are any.
    labels : LabelColumn, or None
        The column of labels, if one was asked for.
    """

    path: Path
    names: tuple[str, ...]
    values: Values
    kept: NDArray[np.bool_] | None
    weights: Array | None
    unused: dict[str, str]
    index: tuple[str, ...] = ()
    keys: dict[str, str] = field(default_factory=dict)
    carried: CarriedColumns | None = None
    labels: LabelColumn | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows in ``values``."""
        return len(self.values)

    @property
    def n_dropped(self) -> int:
        """Number of rows left out because values were missing."""
        if isinstance(self.values, ParquetBlocks):
            return self.values.n_dropped
        return 0 if self.kept is None else int((~self.kept).sum())


AnyTable = Table[Rows | ParquetBlocks]


def open_table(
    path: PathLike,
    *,
    columns: Sequence[str] | None = None,
    drop_missing: bool = False,
    keep_missing: bool = False,
    weights: str | None = None,
    labels: str | None = None,
    notation: Notation | None = None,
    carry: Sequence[str] = (),
    carry_unused: bool = False,
) -> AnyTable:
    """:func:`read_table`, or blocks of a folder or a large Parquet file.

    Raises
    ------
    ValueError, OSError, ImportError
        As there.
    """
    path = Path(path)
    is_large = path.suffix.lower() == ".parquet" and (
        path.is_file() and path.stat().st_size > _LARGE_FILE
    )
    if not (path.is_dir() or is_large):
        return read_table(
            path,
            columns=columns,
            drop_missing=drop_missing,
            keep_missing=keep_missing,
            weights=weights,
            labels=labels,
            notation=notation,
            carry=carry,
            carry_unused=carry_unused,
        )
    check_notation(path, notation)
    source = ParquetBlocks(path, columns, weights, labels, drop_missing=drop_missing)
    if carry_unused:
        carry = [name for name in source.unused if name not in source.index]
    carried = CarriedColumns(tuple(carry), source.carried(carry)) if carry else None
    return Table(
        *(path, source.names, source, None, None),
        *(source.unused, source.index, source.keys, carried),
        None if labels is None else source.labels(),
    )


def read_table(
    path: PathLike,
    *,
    columns: Sequence[str] | None = None,
    drop_missing: bool = False,
    keep_missing: bool = False,
    weights: str | None = None,
    labels: str | None = None,
    notation: Notation | None = None,
    carry: Sequence[str] = (),
    carry_unused: bool = False,
) -> Table[Rows]:
    """Read the numeric columns of a CSV, TSV, Parquet or NPY file.

    Parameters
    ----------
    path : path
        The suffix tells the format; the delimiter of a CSV file is recognised.
    columns : sequence of str, default=None
        Columns to read, in this order. By default all numeric ones, truth values
        among them (as 0 and 1).
    drop_missing : bool, default=False
        Whether to leave out rows with missing values (empty, NA, null, NaN).
    keep_missing : bool, default=False
        Whether missing values are NaN. A weight may not be missing.
    weights : str, default=None
        A column that holds a weight for each row, and is not one of the data.
    labels : str, default=None
        A column that says of rows which component they belong to, likewise.
    notation : Notation, default=None
        How the values of a CSV file are written.
    carry : sequence of str, default=()
        Columns to be taken along as they are.
    carry_unused : bool, default=False
        Whether all others are that do not number the rows, in place of ``carry``.

    Returns
    -------
    Table

    Raises
    ------
    ValueError, OSError
        If the file, a column or a value cannot be used; the text says which and why.
    ImportError
        If pyarrow is needed and not installed.
    """
    file = open_data_file(Path(path), notation)
    if file.n_rows == 0:
        raise ValueError(
            f"{file.path} has columns but no rows: there is nothing to read"
        )
    names = choose_columns(file, columns, weights, labels)
    check_known(file, carry)
    used = {*names, weights, labels}
    if carry_unused:
        carry = [name for name in file.kinds if name not in {*used, *file.index}]
    read = {name: file.read(name) for name in names}
    of_rows = None if weights is None else file.read(weights).astype(np.float64)

    gaps = {name: np.isnan(column) for name, column in read.items()}
    if weights is not None and of_rows is not None:
        gaps[weights] = np.isnan(of_rows)
    if keep_missing:
        gaps = {name: gap for name, gap in gaps.items() if name == weights}
    kept: NDArray[np.bool_] | None = ~np.logical_or.reduce(
        [np.zeros(file.n_rows, bool), *gaps.values()]
    )
    if kept is not None and kept.all():
        kept = None
    if kept is not None:
        _check_may_drop(file, gaps, kept, drop_missing)
    for name, column in read.items():
        _check_finite(file, name, column, kept)

    def without_gaps(column: np.ndarray) -> np.ndarray:
        return column if kept is None else column[kept]

    values = np.empty(
        (file.n_rows if kept is None else int(kept.sum()), len(names)),
        np.result_type(*(column.dtype for column in read.values())),
    )
    for j, name in enumerate(names):
        values[:, j] = without_gaps(read.pop(name))
    return Table(
        file.path,
        names,
        values,
        kept,
        None if of_rows is None else without_gaps(of_rows),
        unused={name: kind for name, kind in file.kinds.items() if name not in used},
        index=tuple(name for name in file.index if name not in used),
        carried=CarriedColumns(tuple(carry), file.batches(carry)) if carry else None,
        labels=None
        if labels is None
        else LabelColumn.read(file.batches([labels]), labels).of(kept),
    )


def _check_may_drop(
    file: DataFile,
    gaps: dict[str, NDArray[np.bool_]],
    kept: NDArray[np.bool_],
    drop_missing: bool,
) -> None:
    counts = ", ".join(
        f"{name!r} ({gap.sum():,})" for name, gap in gaps.items() if gap.any()
    )
    if not kept.any():
        raise ValueError(
            f"{file.path}: every row has a missing value, in the columns {counts}. "
            "Choose other columns (--columns)"
        )
    if not drop_missing:
        raise ValueError(
            f"{file.path}: {(~kept).sum():,} of {file.n_rows:,} rows have missing "
            f"values, in the columns {counts}. To leave those rows out, use "
            "--drop-missing; to use the values that they have, --missing marginalize"
        )


def _check_finite(
    file: DataFile, name: str, column: np.ndarray, kept: NDArray[np.bool_] | None
) -> None:
    infinite = np.isinf(column)
    if kept is not None:
        infinite &= kept
    if infinite.any():
        raise ValueError(
            f"{file.path}: column {name!r} has {infinite.sum():,} infinite values, the "
            f"first in row {int(infinite.argmax())} (counted from 0). Remove those "
            "rows or replace the values"
        )
