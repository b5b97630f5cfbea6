"""The table of a report: rows for its mixture, and all columns beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import issparse

from fastem.checks.rows import check_collected
from fastem.mixture import GaussianMixture
from fastem.report.column_values import library_of, read_column
from fastem.report.columns_beside import (
    ColumnsBeside,
    ColumnsInMemory,
    ColumnsOfFile,
    chosen_from,
    columns_of,
)
from fastem.report.description import column_names
from fastem.report.subjects import Subject, columns_in_use, in_own_units, names_after
from fastem.sources.carried import CarriedColumns
from fastem.sources.parquet import ParquetBlocks
from fastem.statistics import Array


@dataclass(frozen=True)
class ReportedTable:
    """Rows for a mixture, and what else the table has.

    Attributes
    ----------
    rows : array-like of shape (N, D), or what ``fit`` can read block by block
        As the mixture takes them.
    columns : tuple of str
        Names of those.
    weights : array or None
    beside : ColumnsBeside
        The table's other columns; with steps before the mixture all of them.
    used : tuple of str
        Columns among these from which the steps make the mixture's.
    row_name : callable
        What the table calls a row, given its number.
    drawn : (GaussianMixture, rows, tuple of str)
        What pictures show: in the columns' own units where that can be.
    notes : tuple of str
        What is not told of the table.
    """

    rows: Any
    columns: tuple[str, ...]
    weights: Any
    beside: ColumnsBeside
    used: tuple[str, ...]
    row_name: Callable[[int], str]
    drawn: tuple[GaussianMixture, Any, tuple[str, ...]]
    notes: tuple[str, ...] = ()


def table_of(
    subject: Subject, X: Any, sample_weight: Any, apart: Sequence[str] = ()
) -> ReportedTable:
    """The table X of a report; columns in ``apart`` are none of the mixture's.

    Raises
    ------
    ValueError, TypeError
        If it lacks a column, or cannot be read twice.
    """
    if type(X).__name__ == "RecordBatchReader":
        raise TypeError(
            "X is a record-batch reader, of which nothing is left after a pass, and a "
            "report makes two: pass X.read_all(), or the path"
        )
    if type(X).__name__ == "LazyFrame":
        check_collected(X)
    named = sample_weight if isinstance(sample_weight, str) else None
    if named is not None and named in (subject.needed or ()):
        raise ValueError(
            f"sample_weight is {named!r}, a column that the clusters were made from: "
            "name another one, or pass an array"
        )
    if subject.steps is not None:
        return _before_steps(subject, X, sample_weight, apart)
    if isinstance(X, str | Path):
        return _of_files(subject, Path(X), sample_weight)
    columns = None if library_of(X).startswith("dask") else columns_of(X)
    if columns is None:
        names = subject.needed
        if names is not None and hasattr(X, "columns"):  # Dask
            X = X[names]
        return _without_others(subject, X, sample_weight)
    columns, sample_weight = _without_weights(columns, sample_weight)
    given = [name for name in columns if name not in apart]
    names = subject.needed
    if names is None:
        n_columns = subject.mixture.means_.shape[1]
        if len(given) != n_columns:
            raise ValueError(
                f"the mixture was fitted to {n_columns} columns without names, and X "
                f"has {len(given)}: fit it to X[columns], so that it knows which"
            )
        names, rows = given, _as_array(columns, given)
    else:
        _check_has(columns, names)
        rows = X if names == list(columns) else chosen_from(X, names)
    beside = {name: c for name, c in columns.items() if name not in names}
    return ReportedTable(
        *(rows, tuple(names), sample_weight, ColumnsInMemory(beside), ()),
        *(_names_of_rows(X), (subject.mixture, rows, tuple(names))),
    )


def table_of_rows(
    subject: Subject,
    rows: Any,
    columns: tuple[str, ...],
    weights: Array | None,
    beside: ColumnsBeside,
) -> ReportedTable:
    """The same of what was read from a file already."""
    drawn = subject.mixture, rows, columns
    return ReportedTable(rows, columns, weights, beside, (), str, drawn)


def _without_others(subject: Subject, X: Any, sample_weight: Any) -> ReportedTable:
    beside = ColumnsInMemory({})
    names = column_names(subject.mixture)
    drawn = subject.mixture, X, names
    notes: tuple[str, ...] = ()
    if not isinstance(X, np.ndarray | list | tuple):
        kind = type(X).__name__
        notes = (f"Of a {kind} only the columns of the mixture are told of.",)
    return ReportedTable(X, names, sample_weight, beside, (), str, drawn, notes)


def _of_files(subject: Subject, path: Path, sample_weight: Any) -> ReportedTable:
    named = sample_weight if isinstance(sample_weight, str) else None
    files = ParquetBlocks(path, subject.needed, named)
    others = tuple(name for name in files.unused if name not in files.index)
    carried = CarriedColumns(others, files.carried(others)) if others else None
    beside = ColumnsOfFile(carried, None)
    weights = sample_weight if named is None else None
    return table_of_rows(subject, files, files.names, weights, beside)


def _before_steps(
    subject: Subject, X: Any, sample_weight: Any, apart: Sequence[str]
) -> ReportedTable:
    """The table of a pipeline: its steps take it whole."""
    steps, mixture = subject.steps, subject.mixture
    assert steps is not None
    if isinstance(X, str | Path):
        raise TypeError(
            "the steps of a pipeline take a table that is read already: pass "
            f"pandas.read_parquet({str(X)!r}), for example"
        )
    columns, table = columns_of(X), X
    if columns is None:
        table = np.asarray(X)
        columns = {f"x{j}": values for j, values in enumerate(table.T)}
        names = list(columns)
        in_use = columns_in_use(steps, names)
    else:
        columns, sample_weight = _without_weights(columns, sample_weight)
        needed = subject.needed
        names = needed or [name for name in columns if name not in apart]
        in_use = tuple(needed or columns_in_use(steps, names))
        _check_has(columns, names)
        table = chosen_from(X, names)
    rows = steps.transform(table)
    if issparse(rows):
        rows = rows.toarray()  # type: ignore[attr-defined]
    own, drawn = in_own_units(steps, mixture), (mixture, rows, ())
    after = names_after(steps, mixture)
    shown = drawn[0], rows, after
    if own is not None:
        shown = own, _as_array(columns, names), tuple(names)
    return ReportedTable(
        *(rows, after, sample_weight, ColumnsInMemory(columns)),
        *(in_use, _names_of_rows(X), shown),
    )


def _without_weights(
    columns: dict[str, Any], sample_weight: Any
) -> tuple[dict[str, Any], Any]:
    """Columns without that of weights, if one is named, and the weights."""
    if not isinstance(sample_weight, str):
        return columns, sample_weight
    _check_has(columns, [sample_weight])
    rest = {name: c for name, c in columns.items() if name != sample_weight}
    return rest, np.asarray(columns[sample_weight])


def _check_has(columns: Mapping[str, Any], names: Sequence[str]) -> None:
    lacking = [name for name in names if name not in columns]
    if lacking:
        raise ValueError(
            f"X has no column {lacking[0]!r}; its columns are "
            f"{', '.join(map(repr, columns))}"
        )


def _as_array(columns: Mapping[str, Any], names: Sequence[str]) -> Array:
    """Columns of numbers as rows."""
    read = [read_column(columns[name]) for name in names]
    for name, values in zip(names, read, strict=True):
        if isinstance(values, tuple):
            raise ValueError(f"column {name!r} of X does not hold numbers")
    return np.column_stack(read)


def _names_of_rows(X: Any) -> Callable[[int], str]:
    """What a table calls a row: by the index of a DataFrame, if it has one."""
    index = getattr(X, "index", None)
    if index is None or callable(index) or type(index).__name__ == "RangeIndex":
        return str
    return lambda row: str(index[row])
