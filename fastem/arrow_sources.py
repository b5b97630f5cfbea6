"""Blocks of rows from Arrow data and Parquet files: columns turned into rows."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from fastem.blocks import Block, UnreadableFileError
from fastem.data_files import DataFile, choose_columns, open_data_file
from fastem.statistics import Array
from fastem.validation import Rows

# Of compressed columns, in which Parquet files are read, and of a batch of rows. With
# 32 columns, 1 MB and 16 MB took 180 MB of memory to read with, these 80.
_BUFFER_BYTES = 2**17
_BATCH_BYTES = 2**22
# That are turned from columns into rows at once: they stay in the cache.
_TURNED_BYTES = 2**19


@final
class ArrowBlocks:
    """Arrow data of numbers, one column of which may be weights.

    Parameters
    ----------
    schema : pyarrow.Schema
    batches : callable
        Gives an iterator of record batches of at most so many rows each.
    weights : str, default=None
        Name of the column of weights.
    """

    def __init__(
        self, schema: Any, batches: Callable[[int], Iterator[Any]], weights: str | None
    ) -> None:
        import pyarrow as pa

        kinds = {field.name: str(field.type) for field in schema}
        if weights is not None and weights not in kinds:
            raise ValueError(
                f"X has no column {weights!r} of weights; its columns are "
                f"{', '.join(map(repr, kinds))}"
            )
        for field in schema:
            if not _holds_numbers(field.type, pa.types):
                raise ValueError(
                    f"X does not hold numbers in column {field.name!r}, but "
                    f"{field.type}. Leave that column out, or encode it as numbers."
                )
        self.names = tuple(name for name in kinds if name != weights)
        self.n_features = len(self.names)
        self.dtype = _type_of(kinds[name] for name in self.names)
        self._batches = batches
        self._weights = weights

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """Record batches as arrays of rows."""
        for batch in self._batches(n_rows):
            values = np.empty((batch.num_rows, self.n_features), self.dtype)
            _turn(batch, self.names, values)
            weights = None
            if self._weights is not None:
                weights = _numbers(batch.column(self._weights)).astype(np.float64)
            yield Block(values, weights)


@final
class ParquetBlocks:
    """The numeric columns of a Parquet file, or of all files in a folder.

    Parameters
    ----------
    path : Path
        Files of a folder, and of folders in it, are read in the order of their
        names; those that begin with a dot or an underscore are not.
    columns : sequence of str, default=None
        Columns to read, in this order; all numeric ones of the first file by default.
    weights : str, default=None
        Name of the column of weights, which is not one of the others.
    drop_missing : bool, default=False
        Whether to leave out rows with missing values. They are counted first, which is
        a pass over all files.

    Attributes
    ----------
    files : list of Path
    n_dropped : int
        Number of rows that are left out.
    unused : dict of str to str
        Names and types of the columns of the first file that are not read.

    Raises
    ------
    ValueError, OSError
        If a file cannot be opened, or does not have the columns of the first one.
    ImportError
        If pyarrow is not installed.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str] | None = None,
        weights: str | None = None,
        *,
        drop_missing: bool = False,
    ) -> None:
        self.path = path
        self.files = _files_of(path)
        first = open_data_file(self.files[0])
        self.names = choose_columns(first, columns, weights)
        self.n_features = len(self.names)
        self.dtype = _type_of(first.kinds[name] for name in self.names)
        self._weights = weights
        read = {*self.names, weights}
        self.unused = {k: kind for k, kind in first.kinds.items() if k not in read}
        n_rows = first.n_rows
        for file in self.files[1:]:
            opened = open_data_file(file)
            choose_columns(opened, self.names, weights)
            if columns is None:
                self._check_same(choose_columns(opened, None, weights), file)
            self._check_types(first, opened)
            n_rows += opened.n_rows
        if not n_rows:
            raise ValueError(f"{path} has columns but no rows")
        self._drop_missing = drop_missing
        self.n_dropped = 0
        if drop_missing:
            self.n_dropped = self._count_missing()
        self._n_kept = n_rows - self.n_dropped
        if not self._n_kept:
            raise ValueError(
                f"{path}: every row has a missing value in one of the columns "
                f"{', '.join(map(repr, [*self.names, *filter(None, [weights])]))}. "
                "Choose other columns"
            )

    def __len__(self) -> int:
        """Number of rows in all files, without those that are left out."""
        return self._n_kept

    def _count_missing(self) -> int:
        n_values = _BATCH_BYTES // 8
        blocks = self.blocks(max(1024, n_values // self.n_features))
        return sum(block.n_rows - len(block.values) for block in blocks)

    def _check_same(self, names: Sequence[str], file: Path) -> None:
        more = [name for name in names if name not in self.names]
        if more:
            raise ValueError(
                f"{file} has numeric columns that {self.files[0]} does not have: "
                f"{', '.join(map(repr, more))}. Choose the columns to use"
            )

    def _check_types(self, first: DataFile, other: DataFile) -> None:
        for name in self.names:
            kinds = first.kinds[name], other.kinds[name]
            if _type_of(kinds[:1]) != _type_of(kinds[1:]):
                raise ValueError(
                    f"{other.path}: column {name!r} holds {kinds[1]}, but "
                    f"{kinds[0]} in {first.path}. Write it in one type"
                )

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """The files' rows in blocks that end with a file, or after ``n_rows`` in all.

        So blocks need not be joined, unless a file ends in the middle of one.
        """
        room = n_rows
        for path in self.files:
            for block in self._blocks_of(path, n_rows, room):
                room = (room - block.n_rows) or n_rows
                yield block

    def _blocks_of(self, path: Path, n_rows: int, room: int) -> Iterator[Block]:
        """One file's; the first one has ``room`` rows at most."""
        import pyarrow as pa
        from pyarrow import parquet

        read = [*self.names, *(() if self._weights is None else (self._weights,))]
        n_in_batch = max(1024, _BATCH_BYTES // (8 * len(read)))
        row = n_filled = 0
        values, weights = self._empty(room)

        def filled() -> Block:
            rows = values[:n_filled]
            of_rows = None if weights is None else weights[:n_filled]
            if not self._drop_missing:
                return Block(rows, of_rows, row, path)
            missing = np.asarray(np.isnan(rows).any(axis=1))
            if of_rows is not None:
                missing |= np.isnan(of_rows)
            kept = ~missing
            of_rows = None if of_rows is None else of_rows[kept]
            return Block(rows[kept], of_rows, row, path, kept)

        try:
            # Without pre_buffer, which holds a whole row group in memory.
            with parquet.ParquetFile(path, buffer_size=_BUFFER_BYTES) as file:
                for batch in file.iter_batches(n_in_batch, columns=read):
                    while batch.num_rows:
                        part = batch.slice(0, len(values) - n_filled)
                        batch = batch.slice(part.num_rows)
                        place = slice(n_filled, n_filled + part.num_rows)
                        _turn(part, self.names, values[place])
                        if weights is not None:
                            weights[place] = _numbers(part.column(self._weights))
                        n_filled = place.stop
                        if n_filled == len(values):
                            yield filled()
                            row, n_filled = row + n_filled, 0
                            values, weights = self._empty(n_rows)
        except (pa.ArrowException, OSError) as error:
            if n_filled:
                yield filled()
            raise UnreadableFileError(
                f"{path} cannot be read from row {row + n_filled} on: "
                f"{str(error).splitlines()[0]}"
            ) from error
        if n_filled:
            yield filled()

    def _empty(self, n_rows: int) -> tuple[Rows, Array | None]:
        """Memory for a block's values and weights."""
        values = np.empty((n_rows, self.n_features), self.dtype)
        return values, None if self._weights is None else np.empty(n_rows)


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


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        if path.suffix.lower() != ".parquet" and path.exists():
            raise ValueError(
                f"{path} is neither a Parquet file (.parquet) nor a folder of them. "
                "Read it first, or write it as Parquet"
            )
        return [path]
    files = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() == ".parquet"
        and not any(p.startswith((".", "_")) for p in file.relative_to(path).parts)
    )
    if not files:
        raise FileNotFoundError(f"the folder {path} has no Parquet files (*.parquet)")
    return files


def _type_of(kinds: Iterable[str]) -> np.dtype[Any]:
    """float32 if all columns are, else float64."""
    return np.dtype(np.float32 if set(kinds) == {"float"} else np.float64)


def _holds_numbers(kind: Any, types: Any) -> bool:
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
    )


def _turn(batch: Any, names: Sequence[str], rows: Rows) -> None:
    """Write columns of a record batch as rows, with NaN for nulls."""
    columns = [_numbers(batch.column(name)) for name in names]
    n_turned = max(256, _TURNED_BYTES // (8 * len(columns)))
    for start in range(0, len(rows), n_turned):
        some = slice(start, start + n_turned)
        for j, column in enumerate(columns):
            rows[some, j] = column[some]


def _numbers(column: Any) -> np.ndarray:
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.float64(), safe=False)
    values: np.ndarray = column.to_numpy(zero_copy_only=False)
    return values
