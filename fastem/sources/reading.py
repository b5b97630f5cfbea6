"""Blocks of rows as passes take them: checked, cut to the grid, read ahead."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TypeVar

import numpy as np

from fastem.checks.counting import check_range_of_weights
from fastem.checks.rows import Rows, check_range, read_only
from fastem.kernels import CHUNK_ROWS
from fastem.runtime.threads import start_thread
from fastem.sources.blocks import Block, Source, UnreadableFileError
from fastem.statistics import Array

# Of a block. At most four are in memory; of 4 to 64 MB, 8 and 16 took the least time.
_BLOCK_BYTES = 2**24
_BATCH_CHUNKS = 4
# Seconds without a block after which it is looked whether anybody reads.
_PATIENCE = 1.0

Item = TypeVar("Item")


def block_rows(source: Source) -> int:
    """Number of rows in a block: a multiple of what a pass takes at once.

    And, if so many fit in, of what ``partial_fit`` takes at once.
    """
    n_chunks = _BLOCK_BYTES // (source.n_features * source.dtype.itemsize * CHUNK_ROWS)
    n_chunks -= n_chunks % _BATCH_CHUNKS if n_chunks >= _BATCH_CHUNKS else 0
    return max(1, n_chunks) * CHUNK_ROWS


def blocks_of(
    source: Source,
    sample_weight: Array | None = None,
    *,
    checked: bool = False,
    gaps: bool = False,
) -> Generator[tuple[Rows, Array]]:
    """Rows and weights in blocks on the grid, the next of which a thread reads.

    Close it when it is not read to its end: then the thread ends too.

    Parameters
    ----------
    source : Source
    sample_weight : array of shape (N,), default=None
        Instead of the source's own weights.
    checked : bool, default=False
        Whether the values are known to be good, from an earlier pass.
    gaps : bool, default=False
        Whether values may be missing.

    Yields
    ------
    rows : array of shape (n, D)
        As the kernels take them.
    weights : array of shape (n,) or (0,)
        Empty means all 1.

    Raises
    ------
    ValueError
        For values that cannot be used, with the row in all and in its file.
    """
    size = block_rows(source)
    blocks = source.blocks(size) if checked else checked_blocks(source, gaps=gaps)
    return read_ahead(_cut(blocks, size, sample_weight))


def read_ahead(items: Generator[Item]) -> Generator[Item]:
    """The items, the next of which a thread makes while this one is used."""
    wanted: SimpleQueue[bool] = SimpleQueue()
    made: SimpleQueue[list[Item] | BaseException] = SimpleQueue()
    turn = Lock()

    def make() -> None:
        try:
            # One, or none at the end.
            made.put(list(islice(items, 1)))
        except BaseException as error:
            made.put(error)

    def read_on() -> None:
        while wanted.get():
            with turn:
                make()

    def take() -> list[Item] | BaseException:
        while True:
            try:
                return made.get(timeout=_PATIENCE)
            except Empty:
                # Until 3.12 an exception that another thread sets for this one can
                # reach the one that it starts, which then never begins.
                with turn, suppress(Empty):
                    wanted.get_nowait()
                    make()

    taken: list[Item] | BaseException = []
    try:
        start_thread(read_on)
        wanted.put(True)
        while True:
            taken = take()
            if isinstance(taken, BaseException):
                raise taken
            if not taken:
                return
            wanted.put(True)
            yield taken.pop()
    finally:
        del taken  # an error would keep this frame, which would keep it
        wanted.put(False)
        with turn:
            items.close()


def checked_blocks(source: Source, *, gaps: bool = False) -> Generator[Block]:
    """The blocks as they come, if their values can be used.

    With ``gaps`` they may be missing.
    """
    blocks = source.blocks(block_rows(source))

    def column_name(column: int) -> str:
        return name_column(source.names, column)

    number = n_before = 0
    while True:
        try:
            block = next(blocks, None)
        except UnreadableFileError as error:
            raise ValueError(f"{error} (in block {number} of X)") from error
        if block is None:
            return
        row_name = _row_names(block, number, n_before)
        check_range(block.values, column_name, row_name, gaps=gaps)
        if block.weights is not None:
            check_range_of_weights(block.weights, row_name)
        yield block
        number += 1
        n_before += block.n_rows


def name_column(names: Sequence[str] | None, column: int) -> str:
    """'column 3', or its name if it has one."""
    return f"column {column if names is None else repr(names[column])}"


def _row_names(block: Block, number: int, n_before: int) -> Callable[[int], str]:
    """What to call row i of the block, with what it is in all and in its file."""

    def name(row: int) -> str:
        row = block.position(row)
        where = f"row {block.row + row} of "
        where += f"block {number}" if block.file is None else str(block.file)
        if block.file is not None:
            where += f", in block {number}"
        return f"row {n_before + row} ({where})"

    return name


def _cut(
    blocks: Iterable[Block], size: int, sample_weight: Array | None
) -> Generator[tuple[Rows, Array]]:
    """The same rows in blocks of ``size``; copied only where they are put together."""
    parts: list[tuple[Rows, Array]] = []
    n_parts = n_before = 0
    for block in blocks:
        stop = n_before + len(block.values)
        weights = np.empty(0) if block.weights is None else block.weights
        if sample_weight is not None:
            weights = sample_weight[n_before:stop]
            if stop > len(sample_weight):
                raise ValueError(
                    f"sample_weight has the shape {sample_weight.shape}, but X has "
                    "more rows: it must have one weight for each"
                )
        n_before = stop
        rest = block.values, weights
        while n_parts + len(rest[0]) >= size:
            first = size - n_parts
            yield _joined([*parts, (rest[0][:first], rest[1][:first])])
            rest = rest[0][first:], rest[1][first:]
            parts, n_parts = [], 0
        if len(rest[0]):
            parts.append(rest)
            n_parts += len(rest[0])
    if parts:
        yield _joined(parts)


def _joined(parts: list[tuple[Rows, Array]]) -> tuple[Rows, Array]:
    values, weights = zip(*parts, strict=True)
    rows = values[0] if len(parts) == 1 else np.concatenate(values)
    return read_only(np.require(rows, requirements=["C", "A"])), (
        weights[0] if len(parts) == 1 else np.concatenate(weights)
    )
