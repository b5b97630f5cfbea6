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
from itertools import chain
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastem.kernels.compilation import kernel, subroutine
from fastem.kernels.native_calls import (
    FAILED,
    FIRST_ARGUMENT,
    add_at,
    call_thunk,
    copy_bytes,
    fill_slots,
    load_at,
    native_call,
    store_at,
)
from fastem.kernels.tiles import LINE_BYTES, aligned_empty

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


class Plan(NamedTuple):
    """What the threads share: addresses, and numbers of bytes and of rows."""

    thunk: int
    template: int  # the row of slots that each thread starts from
    row_bytes: int
    rows: int  # the threads' own
    arrays: int  # of the space: for each, where the template tells of it, and bytes
    n_arrays: int
    space_bytes: int
    spaces: int  # the threads' own
    chunk: int  # in a row, where start is
    next_chunk: int  # its number
    first: int
    last: int
    chunk_rows: int
    sums: int
    chunk_bytes: int


@subroutine()
def _own_row(plan, t):
    """The address of a thread's row, with a space of its own.

    The thread copies the space itself, since all wait for what Python does before. That
    is 60 us for any number of threads; a space and its slots took 16 us for each.
    """
    row = plan.rows + t * plan.row_bytes
    copy_bytes(row, plan.template, plan.row_bytes)
    target = plan.spaces + t * plan.space_bytes
    for n in range(plan.n_arrays):
        address = row + load_at(plan.arrays + 16 * n) - plan.template
        n_bytes = load_at(plan.arrays + 16 * n + 8)
        copy_bytes(target, load_at(address), n_bytes)
        store_at(address, target)
        target += _whole_lines(n_bytes)
    return row


@subroutine()
def _whole_lines(n_bytes):
    """So many bytes, or as many more as fill up a line of the cache."""
    return (n_bytes + LINE_BYTES - 1) // LINE_BYTES * LINE_BYTES


@subroutine()
def _take_chunks(plan, row):
    """Call with one chunk after the other, as long as there are any."""
    n = add_at(plan.next_chunk, 1)
    start = plan.first + n * plan.chunk_rows
    while start < plan.last:
        stop = start + plan.chunk_rows
        store_at(row + plan.chunk, start)
        store_at(row + plan.chunk + _STOP, stop if stop < plan.last else plan.last)
        store_at(row + plan.chunk + _SUMS, plan.sums + n * plan.chunk_bytes)
        call_thunk(plan.thunk, row)
        n = add_at(plan.next_chunk, 1)
        start = plan.first + n * plan.chunk_rows


@kernel(parallel=True, nogil=True)
def _share_chunks(inside, n_threads, plan):
    """Have so many threads take chunks.

    False, and nothing done, if another thread is in here. It takes addresses, since a
    loop over arrays took twice as long to compile. What has to be put back is put back
    here, where no Ctrl-C comes between.
    """
    is_alone = add_at(inside, 1) == 0
    if is_alone:
        before = _set_number(n_threads)
        for t in numba.prange(n_threads):
            _take_chunks(plan, _own_row(plan, np.int64(t)))
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
    own, chunk = space(chunk_rows), (first, last, sums[:1])
    call = native_call(chunk_kernel, (*arguments, own, *chunk))
    if call is None:
        return False
    rows = np.empty((1 + n_threads, call.n_slots), np.int64)
    template, row_bytes = rows.ctypes.data, 8 * call.n_slots
    rows[0, :FIRST_ARGUMENT] = call.function, 0
    arrays: list[tuple[int, int]] = []
    of_space = fill_slots(arguments, template + 8 * FIRST_ARGUMENT)
    of_chunk = fill_slots((own,), of_space, arrays)
    fill_slots(chunk, of_chunk)
    space_bytes = sum(_whole_lines(n_bytes) for _, n_bytes in arrays)
    spaces = aligned_empty(n_threads, space_bytes, np.uint8)
    # The number of the next chunk, and the arrays.
    shared = np.array([0, *chain.from_iterable(arrays)])
    next_chunk = shared.ctypes.data
    plan = Plan(
        thunk=call.thunk,
        template=template,
        row_bytes=row_bytes,
        rows=template + row_bytes,
        arrays=next_chunk + 8,
        n_arrays=len(arrays),
        space_bytes=space_bytes,
        spaces=spaces.ctypes.data,
        chunk=of_chunk - template,
        next_chunk=next_chunk,
        first=first,
        last=last,
        chunk_rows=chunk_rows,
        sums=sums.ctypes.data,
        chunk_bytes=sums.strides[0],
    )
    is_done = bool(_share_chunks(_inside.ctypes.data, n_threads, plan))
    if is_done and rows[1:, FAILED].any():
        raise RuntimeError(
            f"{chunk_kernel.__name__} has failed in one of Numba's threads"
        )
    return is_done
