"""Files of columns: CSV, Parquet, Arrow and NPY, opened by suffix."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from fastem.sources.arrow import holds_numbers, holds_text, index_of, numbers
from fastem.sources.conversion import how_to_convert
from fastem.sources.delimited import (
    STANDARD_INPUT,
    Notation,
    called,
    read_delimited,
)
from fastem.sources.written_numbers import Spoiler, describe_spoilers, find_spoiler

_DELIMITED = (".csv", ".csv.gz", ".tsv")
SUFFIXES = (*_DELIMITED, ".parquet", ".arrow", ".feather", ".npy")

# Rows of a Parquet file by which it is told whether its text is numbers.
_LOOKED_AT = 1024


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
    batches : callable
        Gives all rows of some columns, in Arrow's record batches.
    index : tuple of str
        Columns that are the index of a DataFrame, and to pandas no columns.
    spoiler : callable
        Gives what makes text of a column of numbers, or None.
    is_delimited : bool
        Whether it is a CSV or TSV file.
    """

    path: Path
    n_rows: int
    kinds: dict[str, str]
    numeric: tuple[str, ...]
    read: Callable[[str], np.ndarray]
    batches: Callable[[Sequence[str]], Iterator[Any]]
    index: tuple[str, ...] = ()
    spoiler: Callable[[str], Spoiler | None] = lambda name: None
    is_delimited: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that count, unless others are asked for."""
        return tuple(name for name in self.numeric if name not in self.index)


def open_data_file(path: Path, notation: Notation | None = None) -> DataFile:
    """Open a file; its suffix must be one of ``SUFFIXES``. ``-`` is CSV on stdin.

    Parameters
    ----------
    path : Path
    notation : Notation, default=None
        How the values of a CSV file are written; an error for other files.

    Raises
    ------
    ValueError, OSError
        If it cannot be read, with its name and the reason.
    ImportError
        If pyarrow is needed and not installed.
    """
    suffix = _suffix(path)
    if path != STANDARD_INPUT and not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a file")
    check_notation(path, notation)
    if suffix == ".npy":
        return _open_npy(path)
    return _open_arrow(path, suffix, notation or Notation())


def check_notation(path: Path, notation: Notation | None) -> None:
    """Raise ValueError if one is given for what is no CSV file."""
    is_delimited = path.name.lower().endswith(_DELIMITED) or path == STANDARD_INPUT
    if notation is not None and not is_delimited:
        raise ValueError(
            f"{path} is no CSV file: --na-values and --decimal are for those only"
        )


def choose_columns(
    file: DataFile,
    columns: Sequence[str] | None,
    weights: str | None,
    labels: str | None = None,
) -> tuple[str, ...]:
    """Names of the columns to read, after checking all that were asked for.

    Those of weights and labels are not among them.
    """
    asked = (*(columns or ()), *filter(None, (weights, labels)))
    check_known(file, asked)
    text = [name for name in asked if name not in file.numeric and name != labels]
    left_out = {*file.index, labels}
    looked_at = text if columns else [n for n in file.kinds if n not in left_out]
    spoilers = [file.spoiler(name) for name in looked_at]
    if any(spoilers):
        found = describe_spoilers(
            filter(None, spoilers), is_delimited=file.is_delimited
        )
        raise ValueError(f"{file.path}: {found}")
    if text:
        kinds = ", ".join(f"{name!r} ({file.kinds[name]})" for name in text)
        raise ValueError(
            f"{file.path}: columns that do not hold numbers cannot be used: {kinds}. "
            "Leave them out, or encode them as numbers"
        )
    twice = [name for name in asked if asked.count(name) > 1]
    if twice:
        raise ValueError(f"column {twice[0]!r} is asked for twice: name it once")
    names = tuple(columns or (n for n in file.columns if n not in (weights, labels)))
    if not names:
        kinds = ", ".join(f"{name!r} ({kind})" for name, kind in file.kinds.items())
        raise ValueError(f"{file.path} has no numeric columns to use; it has {kinds}")
    return names


def check_known(file: DataFile, names: Sequence[str]) -> None:
    """Raise ValueError for a name that none of the file's columns has."""
    unknown = [name for name in names if name not in file.kinds]
    if unknown:
        raise ValueError(
            f"{file.path} has no column {_quoted(unknown)}"
            f"{_likely(unknown[0], file.kinds)} columns are {_quoted(file.kinds)}"
        )


def _likely(wanted: str, names: Iterable[str]) -> str:
    """The start of "Its columns are", after a question if there is one to ask."""
    by_letters = {name.casefold(): name for name in names}
    near = get_close_matches(wanted.casefold(), by_letters, n=1)
    return f". Did you mean {by_letters[near[0]]!r}? Its" if near else "; its"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _suffix(path: Path) -> str:
    if path == STANDARD_INPUT:
        return ".csv"
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    raise ValueError(
        f"{path}: the name of a data file must end in one of {', '.join(SUFFIXES)}. "
        f"{how_to_convert(path)}"
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

    def batches(names: Sequence[str]) -> Iterator[Any]:
        import pyarrow as pa

        columns = {name: np.array(array[:, positions[name]]) for name in names}
        return iter(pa.table(columns).to_batches())

    return DataFile(
        path,
        n_rows=len(array),
        kinds=dict.fromkeys(positions, str(array.dtype)),
        numeric=tuple(positions),
        read=lambda name: array[:, positions[name]].astype(dtype, copy=False),
        batches=batches,
    )


def _open_arrow(path: Path, suffix: str, notation: Notation) -> DataFile:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ImportError(
            f"{suffix} files need pyarrow: pip install 'fastem[io]'"
        ) from error
    try:
        if suffix == ".parquet":
            return _open_parquet(path)
        if suffix in _DELIMITED:
            return _open_delimited(path, notation)
        return _whole_table(path, _read_arrow(path))
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{called(path)} cannot be read as {suffix}: {reason}"
        ) from error


def _open_parquet(path: Path) -> DataFile:
    from pyarrow import parquet

    file = parquet.ParquetFile(path)

    def spoiler(name: str) -> Spoiler | None:
        for batch in file.iter_batches(_LOOKED_AT, columns=[name]):
            return find_spoiler(name, batch.column(0), Notation())
        return None

    return _arrow_file(
        path,
        file.schema_arrow,
        file.metadata.num_rows,
        lambda name: file.read([name])[name],
        lambda names: file.iter_batches(columns=list(names)),
        spoiler,
    )


def _open_delimited(path: Path, notation: Notation) -> DataFile:
    table = read_delimited(path, notation)
    return _whole_table(called(path), table, notation, is_delimited=True)


def _read_arrow(path: Path) -> Any:
    """The table in a file of Arrow's own format, or a stream of it in a file."""
    import pyarrow as pa

    mapped = pa.memory_map(str(path))
    try:
        return pa.ipc.open_file(mapped).read_all()
    except pa.ArrowInvalid:
        mapped.seek(0)
        return pa.ipc.open_stream(mapped).read_all()


def _whole_table(
    path: Path,
    table: Any,
    notation: Notation | None = None,
    *,
    is_delimited: bool = False,
) -> DataFile:
    def spoiler(name: str) -> Spoiler | None:
        return find_spoiler(name, table[name], notation or Notation())

    def batches(names: Sequence[str]) -> Iterator[Any]:
        return iter(table.select(list(names)).to_batches())

    return _arrow_file(
        *(path, table.schema, table.num_rows, table.column, batches, spoiler),
        is_delimited=is_delimited,
    )


def _arrow_file(
    path: Path,
    schema: Any,
    n_rows: int,
    column: Callable[[str], Any],
    batches: Callable[[Sequence[str]], Iterator[Any]],
    spoiler: Callable[[str], Spoiler | None],
    *,
    is_delimited: bool = False,
) -> DataFile:
    from pyarrow import types

    repeated = [name for name in schema.names if schema.names.count(name) > 1]
    if repeated:
        raise ValueError(
            f"{path} has two columns with the name {repeated[0]!r}: rename one"
        )

    def read(name: str) -> np.ndarray:
        values = numbers(column(name))
        return values if values.dtype == np.float32 else values.astype(np.float64)

    text = {field.name for field in schema if holds_text(field.type)}
    return DataFile(
        path,
        n_rows=n_rows,
        kinds={
            field.name: "text that is not UTF-8"
            if is_delimited and types.is_binary(field.type)
            else str(field.type)
            for field in schema
        },
        numeric=tuple(field.name for field in schema if holds_numbers(field.type)),
        read=read,
        batches=batches,
        index=index_of(schema),
        spoiler=lambda name: spoiler(name) if name in text else None,
        is_delimited=is_delimited,
    )
