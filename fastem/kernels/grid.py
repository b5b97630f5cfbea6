"""The grid of a pass: segments, chunks, and the threads that share them.

A chunk is a fixed number of rows whatever the number of threads, each chunk has
sums of its own, and these are added in the order of the rows. So the result is the
same to the last bit for any number of threads, whoever starts them.

The threads are Python's, and the kernels release the GIL; or Numba's, in a parallel
loop, where the user has chosen those (``numba_threads``). A parallel loop ends when all
its threads have come to its end, and on busy cores one of them may not have begun: with
other programs on two cores, passes over 10,000 rows took five times as long with
Numba's threads (11.6 ms) as with Python's (2.4 ms), of which only those that have begun
are waited for. Nor may it be entered by a forked child, or by two Python threads at
once, depending on the threading layer.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import pairwise
from threading import Lock
from typing import Any

import numba
import numpy as np
from numba.np.ufunc import parallel

from fastem.kernels.numba_threads import chosen_driver, share_chunks
from fastem.kernels.tiles import CHUNK_ROWS
from fastem.runtime.threads import Helpers

# Multiply-adds in a segment: between two of them Python can see a Ctrl-C. 4e9 take
# 0.3 s on one slow core.
_SEGMENT_WORK = 4e9
_SEGMENT_BYTES = 64 * 1024 * 1024
_FEWEST_CHUNKS = 32
# Least work for a thread, 0.1 ms: to wake another one takes half of that.
_LEAST_WORK = 2e6
# A thread takes one after the other: one that was interrupted leaves more to the rest.
# 1 ms each: the change takes time too.
_THREAD_PARTS = 4
_PART_WORK = 2e7
# Sums from which on a thread of its own adds them up.
_SUM_BLOCK = 4096


_helpers = Helpers(numba.config.NUMBA_NUM_THREADS)


def _after_fork_in_child() -> None:
    """The child has none of the threads."""
    global _helpers
    _helpers = Helpers(numba.config.NUMBA_NUM_THREADS)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def share(work: Any, parts: Iterable[tuple[Any, ...]], n_threads: int) -> None:
    """Call ``work`` with the arguments of each part, on so many threads at most.

    This thread is one of them, and alone if the others are busy with another fit.
    """
    remaining = deque(parts)
    errors: list[BaseException] = []
    helping = [Lock() for _ in range(min(n_threads, len(remaining)) - 1)]

    def take_parts() -> None:
        while True:
            try:
                part = remaining.popleft()
            except IndexError:
                return
            work(*part)

    def help_out(held: AbstractContextManager[object]) -> None:
        with held:
            try:
                take_parts()
            except BaseException as error:
                errors.append(error)
                remaining.clear()

    try:
        for held in helping:
            _helpers.ask(partial(help_out, held))
        take_parts()
    finally:
        # After an error or a Ctrl-C nothing may go on writing. Whoever has not begun
        # finds nothing left.
        remaining.clear()
        for held in helping:
            with held:
                pass
    if errors:
        raise errors[0]


def number_of_threads(n_threads: int | None) -> int:
    """At most ``n_threads``; None for Numba's own setting.

    That is not asked of ``numba.get_num_threads``: it starts Numba's own threads, and
    takes a lock each time, which an interrupt between two lines of Python can leave
    taken for good. As long as they have not been started, nobody has set their number.
    """
    if numba.config.DISABLE_JIT:
        return 1
    most = int(numba.config.NUMBA_NUM_THREADS)
    if n_threads is None:
        return int(getattr(parallel, "_get_num_threads", lambda: most)())
    return min(n_threads, most)


def _cut(length: int, n_parts: int) -> Iterator[tuple[int, int]]:
    """Start and stop of parts of equal length."""
    return pairwise(length * n // n_parts for n in range(n_parts + 1))


def _segments(
    n_rows: int, row_work: float, chunk_rows: int, chunk_bytes: int
) -> Iterator[tuple[int, int]]:
    """Start and stop of consecutive runs of whole chunks."""
    by_work = int(_SEGMENT_WORK / (row_work * chunk_rows))
    by_memory = _SEGMENT_BYTES // max(chunk_bytes, 1)
    rows = chunk_rows * max(_FEWEST_CHUNKS, min(by_work, by_memory))
    for start in range(0, n_rows, rows):
        yield start, min(start + rows, n_rows)


def walk(
    kernel: Any,
    arguments: tuple[Any, ...],
    space: Callable[[int], Any],
    *,
    n_rows: int,
    n_sums: int,
    row_work: float,
    n_threads: int | None,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[np.ndarray]:
    """Walk over the rows; for each segment, the sums of its chunks, (C, n_sums).

    ``kernel`` takes the arguments, space to work in for so many rows, start, stop and
    the sums of any number of chunks.
    """

    def work_on(start: int, stop: int, sums: np.ndarray) -> None:
        kernel(*arguments, space(stop - start), start, stop, sums)

    driver = chosen_driver()
    for first, last in _segments(n_rows, row_work, chunk_rows, 8 * n_sums):
        n_chunks = -(-(last - first) // chunk_rows)
        sums = np.empty((n_chunks, n_sums))
        work = (last - first) * row_work
        most = min(n_chunks, number_of_threads(n_threads))
        n_sharing = max(1, min(most, int(work / _LEAST_WORK)))
        n_parts = min(n_chunks, _THREAD_PARTS * n_sharing, int(work / _PART_WORK))
        parts = []
        for a, b in _cut(n_chunks, max(n_sharing, n_parts)):
            start, stop = first + a * chunk_rows, min(first + b * chunk_rows, last)
            parts.append((start, stop, sums[a:b]))
        if n_sharing > 1:
            # An empty walk has the kernel compiled or loaded by this thread: another
            # one may have too small a stack for LLVM.
            work_on(first, first, sums[:0])
        is_done = (
            driver == "numba"
            and n_sharing > 1
            and share_chunks(
                kernel, arguments, space, first, last, chunk_rows, sums, n_sharing
            )
        )
        if not is_done:
            share(work_on, parts, n_sharing)
        yield sums


def add_in_order(sums: np.ndarray, totals: np.ndarray, n_threads: int | None) -> None:
    """Add the rows of ``sums`` (C, S), first to last, to ``totals`` (S,).

    ``sums`` are used up.
    """

    def add(start: int, stop: int) -> None:
        block = slice(start, stop)
        sums[0, block] += totals[block]
        np.add.reduce(sums[:, block], axis=0, out=totals[block])

    n_blocks = max(1, min(number_of_threads(n_threads), totals.size // _SUM_BLOCK))
    share(add, _cut(totals.size, n_blocks), n_blocks)
