"""Blocks of rows from Parquet files: filled from batches, on the grid."""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from fastem.sources.arrow import numbers, turn, type_of
from fastem.sources.blocks import (
    Block,
    UnreadableFileError,
    missing_rows,
    without_missing,
)
from fastem.sources.data_files import (
    DataFile,
    check_known,
    choose_columns,
    open_data_file,
)
from fastem.sources.label_columns import LabelColumn

# Of compressed columns, in which files are read, and of a batch of rows. With 32
# columns, 1 MB and 16 MB took 180 MB of memory to read with, these 80.
_BUFFER_BYTES = 2**17
_BATCH_BYTES = 2**22
_ROWS_TO_LOOK_AT = 2**16


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
    weights, labels : str, default=None
        Names of the columns of weights and of labels, which are not among the others.
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
    index : tuple of str
        Those of them that are the index of a DataFrame.
    keys : dict of str to str
        What names of folders in the folder say of their files, as in ``hour=3``: each
        key with the first such name. Keys are not read.

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
        labels: str | None = None,
        *,
        drop_missing: bool = False,
    ) -> None:
        self.path = path
        self.files = _files_of(path)
        first = open_data_file(self.files[0])
        self.keys = _keys_of(path, self.files, first.kinds)
        apart = tuple(filter(None, (weights, labels)))
        self._check_no_key([*(columns or ()), *apart])
        self.names = choose_columns(first, columns, weights, labels)
        self.n_features = len(self.names)
        self.dtype = type_of(first.kinds[name] for name in self.names)
        self._weights, self._labels = weights, labels
        read = {*self.names, *apart}
        self.unused = {k: kind for k, kind in first.kinds.items() if k not in read}
        self.index = tuple(name for name in first.index if name in self.unused)
        self._n_rows_of = [first.n_rows]
        for file in self.files[1:]:
            opened = open_data_file(file)
            choose_columns(opened, self.names, weights, labels)
            if columns is None:
                self._check_same(set(opened.columns) - set(apart), file)
            self._check_types(first, opened)
            self._n_rows_of.append(opened.n_rows)
        if not any(self._n_rows_of):
            raise ValueError(f"{path} has columns but no rows")
        self._drop_missing = drop_missing
        self.n_dropped = 0
        if drop_missing:
            self.n_dropped = self._count_missing()
        if not len(self):
            raise ValueError(
                f"{path}: every row has a missing value in one of the columns "
                f"{', '.join(map(repr, [*self.names, *filter(None, [weights])]))}. "
                "Choose other columns"
            )

    def __len__(self) -> int:
        """Number of rows in all files, without those that are left out."""
        return sum(self._n_rows_of) - self.n_dropped

    def labels(self) -> LabelColumn:
        """The column of labels, of all rows that are not left out."""
        assert self._labels is not None
        column = LabelColumn.read(self.carried([self._labels]), self._labels)
        return column.of(self.kept())

    def kept(self) -> NDArray[np.bool_] | None:
        """For each row of all files whether it is used; None if all are."""
        if not self.n_dropped:
            return None
        blocks = self.blocks(_ROWS_TO_LOOK_AT)
        return np.concatenate(
            [np.ones(b.n_rows, bool) if b.kept is None else b.kept for b in blocks]
        )

    def _check_no_key(self, asked: Sequence[str]) -> None:
        for name in asked:
            if name in self.keys:
                raise ValueError(
                    f"{self.path} has {name!r} in names of folders only "
                    f"({self.keys[name]}), which are not read as columns. Write it "
                    "into the files as well; or, in Python, read them with "
                    "pyarrow.dataset.dataset(folder, partitioning='hive')"
                )

    def _count_missing(self) -> int:
        blocks = self._whole_blocks(max(1024, _BATCH_BYTES // (8 * self.n_features)))
        return sum(int(missing_rows(block).sum()) for block in blocks)

    def _check_same(self, names: Collection[str], file: Path) -> None:
        more = sorted(name for name in names if name not in self.names)
        if more:
            raise ValueError(
                f"{file} has numeric columns that {self.files[0]} does not have: "
                f"{', '.join(map(repr, more))}. Choose the columns to use"
            )

    def _check_types(self, first: DataFile, other: DataFile) -> None:
        for name in self.names:
            kinds = first.kinds[name], other.kinds[name]
            if type_of(kinds[:1]) != type_of(kinds[1:]):
                raise ValueError(
                    f"{other.path}: column {name!r} holds {kinds[1]}, but "
                    f"{kinds[0]} in {first.path}. Write it in one type"
                )

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """The files' rows in blocks that end with a file, or after ``n_rows`` in all.

        So blocks need not be joined, unless a file ends in the middle of one, or rows
        are left out.
        """
        blocks = self._whole_blocks(n_rows)
        return map(without_missing, blocks) if self._drop_missing else blocks

    def carried(self, names: Sequence[str]) -> Iterator[Any]:
        """All rows of any columns of the files, in Arrow's record batches.

        Raises
        ------
        ValueError
            If a file does not have one of them.
        """
        self._check_no_key(names)
        for file in self.files:
            check_known(open_data_file(file), names)
        return chain.from_iterable(
            self._batches(file, n_rows, names)
            for file, n_rows in zip(self.files, self._n_rows_of, strict=True)
        )

    def _whole_blocks(self, n_rows: int) -> Iterator[Block]:
        room = n_rows
        read = [*self.names, *(() if self._weights is None else (self._weights,))]
        for path, n_in_file in zip(self.files, self._n_rows_of, strict=True):
            row = n_filled = 0
            block: Block | None = None
            for batch in self._batches(path, n_in_file, read):
                while batch.num_rows:
                    if block is None:
                        block = self._empty(min(room, n_in_file - row), row, path)
                    part = batch.slice(0, len(block.values) - n_filled)
                    batch = batch.slice(part.num_rows)
                    place = slice(n_filled, n_filled + part.num_rows)
                    turn(part, self.names, block.values[place])
                    if block.weights is not None:
                        block.weights[place] = numbers(part.column(self._weights))
                    n_filled = place.stop
                    if n_filled == len(block.values):
                        yield block
                        room = (room - n_filled) or n_rows
                        block, row, n_filled = None, row + n_filled, 0

    def _empty(self, n_rows: int, row: int, path: Path) -> Block:
        """A block to be filled."""
        values = np.empty((n_rows, self.n_features), self.dtype)
        weights = None if self._weights is None else np.empty(n_rows)
        return Block(values, weights, row, path)

    def _batches(self, path: Path, n_rows: int, read: Sequence[str]) -> Iterator[Any]:
        """Record batches of a file, which must still have so many rows."""
        import pyarrow as pa
        from pyarrow import parquet

        n_in_batch = max(1024, _BATCH_BYTES // (8 * len(read)))
        row = 0
        try:
            # By default the file is read ahead, and stays in memory until it is closed.
            with parquet.ParquetFile(
                path, buffer_size=_BUFFER_BYTES, pre_buffer=False
            ) as file:
                groups = map(file.metadata.row_group, range(file.num_row_groups))
                n_found = sum(group.num_rows for group in groups)
                if n_found != n_rows:
                    raise UnreadableFileError(
                        f"{path} has {n_found} rows, and had {n_rows} when it was "
                        "opened first: files must stay as they are meanwhile"
                    )
                for batch in file.iter_batches(n_in_batch, columns=list(read)):
                    yield batch
                    row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFileError(
                f"{path} cannot be read from row {row} on: {str(error).splitlines()[0]}"
            ) from error


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


def _keys_of(
    path: Path, files: Sequence[Path], columns: Collection[str]
) -> dict[str, str]:
    """Keys in the names of folders that are in no file, each with the first name."""
    keys: dict[str, str] = {}
    for file in files:
        for name in file.relative_to(path).parts[:-1]:
            key, mark, _ = name.partition("=")
            if mark and key not in columns:
                keys.setdefault(key, name)
    return keys
