"""Numeric columns with names, without gaps: what the commands fit and label."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastem.data_files import DataFile, open_data_file
from fastem.statistics import Array
from fastem.validation import Rows
from fastem.writing import PathLike


@dataclass(frozen=True)
class Table:
    """Numeric columns of a file, without missing values.

    Attributes
    ----------
    path : Path
    names : tuple of str
        Names of the columns; for NPY files x0, x1, ...
    values : array of shape (N, D)
        float32 if all columns are, else float64.
    kept : array of bool, or None
        For each row of the file whether it is in ``values``, if some are not.
    weights : array of shape (N,), or None
        The column of weights, if one was asked for.
    unused : dict of str to str
        Names and types of the other columns of the file.
    """

    path: Path
    names: tuple[str, ...]
    values: Rows
    kept: NDArray[np.bool_] | None
    weights: Array | None
    unused: dict[str, str]

    @property
    def n_dropped(self) -> int:
        """Number of rows left out because values were missing."""
        return 0 if self.kept is None else int((~self.kept).sum())


def read_table(
    path: PathLike,
    *,
    columns: Sequence[str] | None = None,
    drop_missing: bool = False,
    weights: str | None = None,
) -> Table:
    """Read the numeric columns of a CSV, TSV, Parquet or NPY file.

    Parameters
    ----------
    path : path
        The suffix tells the format; the delimiter of a CSV file is recognised.
    columns : sequence of str, default=None
        Columns to read, in this order. By default all numeric ones; truth values
        are not among those, but can be asked for and are then 0 and 1.
    drop_missing : bool, default=False
        Whether to leave out rows with missing values (empty, NA, null, NaN).
    weights : str, default=None
        A column that holds a weight for each row, and is not one of the data.

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
    file = open_data_file(Path(path))
    names = _choose(file, columns, weights)
    read = {name: file.read(name) for name in names}
    of_rows = None if weights is None else file.read(weights).astype(np.float64)

    gaps = {name: np.isnan(column) for name, column in read.items()}
    if weights is not None and of_rows is not None:
        gaps[weights] = np.isnan(of_rows)
    kept: NDArray[np.bool_] | None = ~np.logical_or.reduce(list(gaps.values()))
    if kept is not None and kept.all():
        kept = None
    if kept is not None:
        _check_may_drop(file, gaps, kept, drop_missing)
    for name, column in read.items():
        _check_finite(file, name, column)

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
        unused={
            name: kind
            for name, kind in file.kinds.items()
            if name not in names and name != weights
        },
    )


def _choose(
    file: DataFile, columns: Sequence[str] | None, weights: str | None
) -> tuple[str, ...]:
    """Names of the columns to read, after checking all that were asked for."""
    asked = (*(columns or ()), *(() if weights is None else (weights,)))
    unknown = [name for name in asked if name not in file.kinds]
    if unknown:
        raise ValueError(
            f"{file.path} has no column {_quoted(unknown)}; its columns are "
            f"{_quoted(file.kinds)}"
        )
    text = [name for name in asked if name not in (*file.numeric, *file.truths)]
    if text:
        kinds = ", ".join(f"{name!r} ({file.kinds[name]})" for name in text)
        raise ValueError(
            f"{file.path}: columns that do not hold numbers cannot be used: {kinds}. "
            "Leave them out, or encode them as numbers"
        )
    twice = [name for name in asked if asked.count(name) > 1]
    if twice:
        raise ValueError(f"column {twice[0]!r} is asked for twice: name it once")
    names = tuple(columns or (name for name in file.numeric if name != weights))
    if not names:
        kinds = ", ".join(f"{name!r} ({kind})" for name, kind in file.kinds.items())
        raise ValueError(f"{file.path} has no numeric columns to use; it has {kinds}")
    if file.n_rows == 0:
        raise ValueError(f"{file.path} has columns but no rows")
    return names


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
            "--drop-missing"
        )


def _check_finite(file: DataFile, name: str, column: np.ndarray) -> None:
    infinite = np.isinf(column)
    if infinite.any():
        raise ValueError(
            f"{file.path}: column {name!r} has {infinite.sum():,} infinite values, the "
            f"first in row {int(infinite.argmax())} (counted from 0). Remove those "
            "rows or replace the values"
        )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
