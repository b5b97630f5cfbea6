"""Numba's threads, which share the chunks of a walk as Python's threads do.

They run one small parallel loop, the same for all kernels: it calls them by their
address, and is compiled or loaded when it is used for the first time. Which thread
takes which chunk is of no consequence for the sums.

The loop is entered only where that is safe. GNU's OpenMP ends a forked child that
enters it, and Numba's own pool of threads ends a process in which two Python threads
do so at once. There Python's threads do the work, with the same bits.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastem.kernels.compilation import kernel, subroutine
from fastem.kernels.native_calls import (
    FAILED,
    add_at,
    call_thunk,
    native_call,
    slots_of,
    store_at,
)

VARIABLE = "FASTEM_DRIVER"
DRIVERS = ("threads", "numba")

# How many Python threads are in the loop, or ask to enter. Compiled code counts them: a
# Ctrl-C between two lines of Python could leave a lock taken for good.
_inside = np.zeros(1, np.int64)
_is_forked = False

# Bytes from the slot of start to that of stop, and to that of where the sums lie.
_STOP, _SUMS = 8, 48


def _after_fork_in_child() -> None:
    global _is_forked
    _is_forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


@cache
def chosen_driver() -> str:
    """Who shares the chunks of a walk, as the environment says.

    It is asked at each walk, even one that nobody shares: a wrong name is an error with
    a small table too, and none in a program that imports fastem and fits nothing.

    Raises
    ------
    ValueError
        If that is none of the drivers.
    """
    name = os.environ.get(VARIABLE) or DRIVERS[0]
    if name not in DRIVERS:
        raise ValueError(
            f"The environment variable {VARIABLE} is {name!r}: set it to "
            f"{' or '.join(map(repr, DRIVERS))}, or unset it."
        )
    return name


@intrinsic
def _set_number(typing_context, n_threads):
    """Set the number of threads of this thread's loops; what it was.

    As ``numba.set_num_threads`` does, which would keep the code out of the cache.
    """
    int32 = ir.IntType(32)

    def generate(context, builder, signature, values):
        # Types as Numba declares them beside it.
        getter, setter = (
            cgutils.get_or_insert_function(builder.module, function_type, name)
            for name, function_type in {
                "get_num_threads": ir.FunctionType(cgutils.intp_t, []),
                "set_num_threads": ir.FunctionType(ir.VoidType(), [int32]),
            }.items()
        )
        before = builder.trunc(builder.call(getter, []), int32)
        builder.call(setter, [builder.trunc(values[0], int32)])
        return builder.sext(before, ir.IntType(64))

    return types.int64(types.int64), generate


@subroutine()
def _take_chunks(
    thunk, row, part, next_chunk, first, last, chunk_rows, sums, chunk_bytes
):
    """Call with one chunk after the other, as long as there are any."""
    n = add_at(next_chunk, 1)
    start = first + n * chunk_rows
    while start < last:
        stop = start + chunk_rows
        store_at(part, start)
        store_at(part + _STOP, stop if stop < last else last)
        store_at(part + _SUMS, sums + n * chunk_bytes)
        call_thunk(thunk, row)
        n = add_at(next_chunk, 1)
        start = first + n * chunk_rows


@kernel(parallel=True, nogil=True)
def _share_chunks(
    inside,
    n_threads,
    thunk,
    rows,
    row_bytes,
    part,
    next_chunk,
    first,
    last,
    chunk_rows,
    sums,
    chunk_bytes,
):
    """Have threads take chunks, each with a row of slots; ``part`` is where start is.

    False, and nothing done, if another thread is in here. It takes numbers and
    addresses, since a loop over arrays took twice as long to compile. What has to be
    put back is put back here, where no Ctrl-C comes between.
    """
    is_alone = add_at(inside, 1) == 0
    if is_alone:
        before = _set_number(n_threads)
        for t in numba.prange(n_threads):
            row = rows + np.int64(t) * row_bytes
            _take_chunks(
                thunk,
                row,
                row + part,
                next_chunk,
                first,
                last,
                chunk_rows,
                sums,
                chunk_bytes,
            )
        _set_number(before)
    add_at(inside, -1)
    return is_alone


def share_chunks(
    chunk_kernel: Any,
    arguments: tuple[Any, ...],
    space: Callable[[int], Any],
    first: int,
    last: int,
    chunk_rows: int,
    sums: np.ndarray,
    n_threads: int,
) -> bool:
    """Have so many threads walk over rows first:last, as ``grid.walk`` describes it.

    The kernel must have been called with such arguments before, so that it is compiled.
    False, and nothing done, where this is no place for Numba's threads.

    Raises
    ------
    RuntimeError
        If a call has failed.
    """
    if _is_forked:
        return False
    spaces = [space(chunk_rows) for _ in range(n_threads)]
    one_chunk = first, last, sums[:1]
    call = native_call(chunk_kernel, (*arguments, spaces[0], *one_chunk))
    if call is None:
        return False
    of_chunk = slots_of(one_chunk)
    common = [call.function, 0, *slots_of(arguments)]
    rows = np.array([common + slots_of((own,)) + of_chunk for own in spaces])
    next_chunk = np.zeros(1, np.int64)
    is_done = _share_chunks(
        _inside.ctypes.data,
        n_threads,
        call.thunk,
        rows.ctypes.data,
        rows.strides[0],
        rows.strides[0] - 8 * len(of_chunk),
        next_chunk.ctypes.data,
        first,
        last,
        chunk_rows,
        sums.ctypes.data,
        sums.strides[0],
    )
    if rows[:, FAILED].any():
        raise RuntimeError(
            f"{chunk_kernel.__name__} has failed in one of Numba's threads"
        )
    return bool(is_done)
