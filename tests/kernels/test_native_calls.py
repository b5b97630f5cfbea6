"""Calls by address: arguments arrive as they do in a call from Python."""

import ctypes
from typing import NamedTuple

import numpy as np
import pytest

from fastem.kernels.compilation import kernel
from fastem.kernels.native_calls import (
    FAILED,
    FIRST_ARGUMENT,
    FUNCTION,
    fill_slots,
    native_call,
)


class Inner(NamedTuple):
    numbers: np.ndarray
    nothing: None
    count: int
    scale: float


@kernel()
def tell(table, cube, inner, empty, single, short, switch, nothing, out):
    out[0] = table[1, 2]
    out[1] = cube[1, 0, 2]
    out[2] = inner.numbers[3] * inner.count
    out[3] = inner.scale
    out[4] = single
    out[5] = short
    out[6] = -1 if switch else 1
    out[7] = 5 if nothing is None else 6
    out[8] = len(empty)
    out[9] = table.shape[0] + 10 * table.shape[1] + 100 * cube.size


@kernel()
def fail_of(numbers, out):
    if numbers[0] > 0:
        raise ValueError("the first number is positive")
    out[0] = 1


def call_by_address(compiled, *arguments):
    """Call; whether it has failed."""
    call = native_call(compiled, arguments)
    row = np.zeros(call.n_slots, np.int64)
    row[FUNCTION] = call.function
    end = fill_slots(arguments, row[FIRST_ARGUMENT:].ctypes.data)
    assert end == row.ctypes.data + row.nbytes
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(call.thunk)(row.ctypes.data)
    return row[FAILED] != 0


@pytest.mark.parametrize("switch", [True, False])
def test_each_kind_of_argument_arrives(random, switch):
    arguments = (
        random.normal(size=(6, 10)).astype(np.float32)[::2, ::3],
        np.asfortranarray(random.normal(size=(2, 3, 4))),
        Inner(np.arange(5) - 7, None, -3, -2.5e300),
        (),
        *(np.float32(-0.1), np.int16(-9), switch, None),
    )
    expected, found = np.empty(10), np.zeros(10)
    tell(*arguments, np.empty(10))
    tell.py_func(*arguments, expected)
    assert not call_by_address(tell, *arguments, found)
    np.testing.assert_array_equal(found, expected)


def test_a_call_that_fails_says_so():
    out = np.zeros(1)
    fail_of(np.zeros(1), out)
    assert not call_by_address(fail_of, np.zeros(1), out)
    assert call_by_address(fail_of, np.ones(1), out)


def test_what_was_not_compiled_cannot_be_called():
    fail_of(np.zeros(1), np.zeros(1))
    assert native_call(fail_of, (np.zeros(1, np.int8), np.zeros(1))) is None
