"""The grid of a pass: threads and their lock, segments, chunks."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np

from fastem.kernels.calls import native_address
from fastem.kernels.tiles import CHUNK_ROWS

# Multiply-adds in a segment: one kernel call, between two of which Python can see
# a Ctrl-C. 4e9 take 0.3 s on one slow core.
_SEGMENT_WORK = 4e9
_SEGMENT_BYTES = 64 * 1024 * 1024
_FEWEST_CHUNKS = 32

# Numba's workqueue threading layer aborts the process when two Python threads
# enter it. The threads share the cores anyway, so let them take turns.
_lock = threading.Lock()
_forked = False


def _after_fork_in_child() -> None:
    """GNU OpenMP kills a forked child that enters a parallel kernel."""
    global _lock, _forked
    _lock = threading.Lock()
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


@contextmanager
def threads(n_threads: int | None) -> Iterator[int]:
    """Hold the lock with at most ``n_threads`` threads; restore the setting.

    One thread needs no lock, as it enters no parallel kernel: Python threads that
    want one each, as workers of a cluster have them, run side by side.
    """
    if n_threads == 1:
        yield 1
        return
    with _lock:
        before = numba.get_num_threads()
        n = (
            before
            if n_threads is None
            else min(n_threads, numba.config.NUMBA_NUM_THREADS)
        )
        if n != before:
            numba.set_num_threads(n)
        try:
            yield 1 if _forked or numba.config.DISABLE_JIT else n
        finally:
            if n != before:
                numba.set_num_threads(before)


def segments(
    n_rows: int, row_work: float, chunk_bytes: int
) -> Iterator[tuple[int, int]]:
    """Start and stop of consecutive runs of whole chunks."""
    by_work = int(_SEGMENT_WORK / (row_work * CHUNK_ROWS))
    by_memory = _SEGMENT_BYTES // chunk_bytes
    rows = CHUNK_ROWS * max(_FEWEST_CHUNKS, min(by_work, by_memory))
    for start in range(0, n_rows, rows):
        yield start, min(start + rows, n_rows)


def chunks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Start and stop of the chunks of rows start:stop."""
    for chunk_start in range(start, stop, CHUNK_ROWS):
        yield chunk_start, min(chunk_start + CHUNK_ROWS, stop)


def walk(
    chunk_kernel: Any,
    grid_kernel: Any,
    arguments: tuple[Any, ...],
    *,
    n_rows: int,
    n_sums: int,
    row_work: float,
    n_threads: int | None,
) -> Iterator[np.ndarray]:
    """Walk over the rows; for each segment, the sums of its chunks, (C, n_sums).

    ``chunk_kernel`` takes the arguments, start, stop and the sums of any number of
    chunks; ``grid_kernel`` the same, and its address before them.
    """
    for start, stop in segments(n_rows, row_work, 8 * n_sums):
        sums = np.empty((-(-(stop - start) // CHUNK_ROWS), n_sums))
        with threads(n_threads) as n:
            if n == 1 or n_rows <= CHUNK_ROWS:
                chunk_kernel(*arguments, start, stop, sums)
            else:
                address = native_address(chunk_kernel, *arguments, start, stop, sums)
                grid_kernel(address, *arguments, start, stop, sums)
        yield sums
