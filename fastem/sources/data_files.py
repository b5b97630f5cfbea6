"""Files of columns: CSV, Parquet and NPY, opened by suffix."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastem.sources.arrow import holds_numbers, numbers

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".parquet", ".npy")


@dataclass(frozen=True)
class DataFile:
    """An open file: what its columns are called, what they hold, and their values.

    Attributes
    ----------
    path : Path
    n_rows : int
    kinds : dict of str to str
        The type of each column.
    numeric : tuple of str
        Columns of numbers or truth values.
    read : callable
        Gives a column as floats, 0 and 1 for truth values, NaN where one is missing;
        float32 if that is how it is stored, else float64.
    """

    path: Path
    n_rows: int
    kinds: dict[str, str]
    numeric: tuple[str, ...]
    read: Callable[[str], np.ndarray]


def open_data_file(path: Path) -> DataFile:
    """Open a file; its suffix must be one of ``SUFFIXES``.

    Raises
    ------
    ValueError, OSError
        If it cannot be read, with its name and the reason.
    ImportError
        If pyarrow is needed and not installed.
    """
    suffix = _suffix(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a file")
    return _open_npy(path) if suffix == ".npy" else _open_arrow(path, suffix)


def choose_columns(
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
    text = [name for name in asked if name not in file.numeric]
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
    return names


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _suffix(path: Path) -> str:
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    raise ValueError(
        f"{path}: the name of a data file must end in one of {', '.join(SUFFIXES)}"
    )


def _open_npy(path: Path) -> DataFile:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as .npy: {error}") from error
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{path} holds an array of shape {array.shape} and type {array.dtype}; it "
            "must be one of numbers, with rows and columns"
        )
    positions = {f"x{j}": j for j in range(array.shape[1])}
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    return DataFile(
        path,
        n_rows=len(array),
        kinds=dict.fromkeys(positions, str(array.dtype)),
        numeric=tuple(positions),
        read=lambda name: array[:, positions[name]].astype(dtype, copy=False),
    )


def _open_arrow(path: Path, suffix: str) -> DataFile:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ImportError(
            f"{suffix} files need pyarrow: pip install 'fastem[io]'"
        ) from error
    try:
        if suffix == ".parquet":
            file = parquet.ParquetFile(path)
            schema, n_rows = file.schema_arrow, file.metadata.num_rows
        else:
            table = _read_csv(path)
            schema, n_rows = table.schema, table.num_rows
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} cannot be read as {suffix}: {reason}") from error
    repeated = [name for name in schema.names if schema.names.count(name) > 1]
    if repeated:
        raise ValueError(
            f"{path} has two columns with the name {repeated[0]!r}: rename one"
        )

    def read(name: str) -> np.ndarray:
        column = file.read([name])[name] if suffix == ".parquet" else table[name]
        values = numbers(column)
        return values if values.dtype == np.float32 else values.astype(np.float64)

    return DataFile(
        path,
        n_rows=n_rows,
        kinds={field.name: str(field.type) for field in schema},
        numeric=tuple(field.name for field in schema if holds_numbers(field.type)),
        read=read,
    )


def _read_csv(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    with pa.input_stream(path) as stream:  # decompresses by suffix
        header = stream.read(1 << 16).split(b"\n", 1)[0]
    delimiter = max(",;\t", key=lambda mark: header.count(mark.encode()))
    options = csv.ParseOptions(delimiter=delimiter)
    try:
        table = csv.read_csv(path, parse_options=options)
    except pa.ArrowInvalid as error:
        if "conversion error" not in str(error):
            raise
        # Types were guessed from the first megabyte; guess again from all of it.
        whole = csv.ReadOptions(block_size=2**31 - 1)
        table = csv.read_csv(path, parse_options=options, read_options=whole)
    names = table.column_names
    if all(_is_number(name) for name in names):
        raise ValueError(
            f"{path}: the first line must hold the names of the columns, but it holds "
            f"numbers: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}. "
            "Put a line of names before it"
        )
    return table


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
