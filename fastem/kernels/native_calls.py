"""Calls of compiled kernels from compiled code that knows their address alone.

A function that Numba compiles takes its arguments flat: an array as seven numbers or
more, a named tuple as those of its fields, None as a pointer. Here they lie in rows of
8-byte slots, and a thunk, which is compiled in milliseconds, loads them and calls. It
depends only on how many arguments are pointers, integers or floats, in which order: the
code that calls thunks needs no types, and is the same for all kernels.
"""

from collections.abc import Iterable
from ctypes import PYFUNCTYPE, c_double, c_float, c_int, c_int64, c_void_p, py_object
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba._dispatcher import compute_fingerprint
from numba._helperlib import c_helpers
from numba.core import cgutils
from numba.core.callconv import RETCODE_NONE, RETCODE_OK
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from fastem.kernels.compilation import interrupts_later

_SLOT = ir.IntType(64)
_THUNK = ir.FunctionType(ir.VoidType(), [_SLOT])
# The first slots of a row.
FUNCTION, FAILED, FIRST_ARGUMENT = range(3)
_WHERE = 4  # of the slots of an array, the one with its address
_N_PLACES = 2  # what a function takes before its arguments, for results and exceptions


class NativeCall(NamedTuple):
    """A kernel's machine code for arguments of certain types, and how to call it.

    The thunk takes the address of a row of slots: the function's address, a number that
    is not 0 after a call has failed, and the arguments.
    """

    function: int  # its address
    thunk: int  # the address of the thunk
    n_slots: int  # in a row


# Numba's own, for arrays in arguments: a third of the time of asking NumPy for each
# number. Counts of references, which no kernel looks at, are none.
_describe = PYFUNCTYPE(c_int, py_object, c_void_p)(c_helpers["adapt_ndarray"])
_NUMBERS: dict[type, Any] = {float: c_double, np.float64: c_double, np.float32: c_float}

_calls: dict[tuple[Any, bytes], NativeCall | None] = {}
_thunks: dict[str, tuple[int, Any]] = {}


def native_call(kernel: Any, arguments: tuple[Any, ...]) -> NativeCall | None:
    """How to call a kernel that was called before with arguments of these types.

    None where it has no machine code for exactly these types.
    """
    key = kernel, compute_fingerprint(arguments)
    if key not in _calls:
        with interrupts_later(), global_compiler_lock:
            _calls[key] = _prepare(kernel, arguments)
    return _calls[key]


def _prepare(kernel: Any, arguments: tuple[Any, ...]) -> NativeCall | None:
    compiled = kernel.overloads.get(tuple(map(kernel.typeof_pyval, arguments)))
    if compiled is None:
        return None
    context, description = compiled.target_context, compiled.fndesc
    function_type = context.call_conv.get_function_type(
        description.restype, description.argtypes
    )
    n_arguments = len(function_type.args) - _N_PLACES
    if n_arguments != _number_of_slots(arguments):
        raise RuntimeError(
            f"{kernel.__name__} takes {n_arguments} numbers in this version of Numba, "
            f"not {_number_of_slots(arguments)}: set FASTEM_DRIVER to 'threads'"
        )
    signature = str(function_type)
    if signature not in _thunks:
        _thunks[signature] = _build_thunk(context.codegen(), function_type)
    return NativeCall(
        compiled.library.get_pointer_to_function(description.llvm_func_name),
        _thunks[signature][0],
        FIRST_ARGUMENT + n_arguments,
    )


def _build_thunk(codegen: Any, function_type: Any) -> tuple[int, Any]:
    """Its address, and what keeps the code alive."""
    name = f"fastem_thunk_{len(_thunks)}"
    library = codegen.create_library(name)
    module = library.create_ir_module(name)
    thunk = ir.Function(module, _THUNK, name)
    builder = ir.IRBuilder(thunk.append_basic_block())
    (row,) = thunk.args
    places = function_type.args[:_N_PLACES]
    values = [builder.bitcast(builder.alloca(_SLOT), kind) for kind in places]
    for n, kind in enumerate(function_type.args[_N_PLACES:], FIRST_ARGUMENT):
        values.append(_load(builder, row, n, kind))
    function = _load(builder, row, FUNCTION, function_type.as_pointer())
    status = builder.call(function, values)
    failed = builder.and_(
        builder.icmp_signed("!=", status, RETCODE_OK),
        builder.icmp_signed("!=", status, RETCODE_NONE),
    )
    before = _load(builder, row, FAILED, _SLOT)
    after = builder.or_(before, builder.zext(failed, _SLOT))
    builder.store(after, _pointer(builder, row, FAILED))
    builder.ret_void()
    library.add_ir_module(module)
    library.finalize()
    return library.get_pointer_to_function(name), library


def _pointer(builder: Any, row: Any, n: int) -> Any:
    address = builder.add(row, _SLOT(8 * n))
    return builder.inttoptr(address, _SLOT.as_pointer())


def _load(builder: Any, row: Any, n: int, kind: Any) -> Any:
    """What is in a slot, as a value of some type."""
    number = builder.load(_pointer(builder, row, n))
    if isinstance(kind, ir.PointerType):
        return builder.inttoptr(number, kind)
    if isinstance(kind, ir.DoubleType):
        return builder.bitcast(number, kind)
    if isinstance(kind, ir.FloatType):
        return builder.bitcast(builder.trunc(number, ir.IntType(32)), kind)
    return number if kind == _SLOT else builder.trunc(number, kind)


def fill_slots(
    arguments: Iterable[Any], address: int, found: list[tuple[int, int]] | None = None
) -> int:
    """Write what a function takes of these arguments; the address after it.

    They must outlive the call. ``found`` gets, for each array, the address of the slot
    that tells where it is, and its bytes.
    """
    for value in arguments:
        if isinstance(value, np.ndarray):
            _describe(value, address)
            if found is not None:
                found.append((address + 8 * _WHERE, value.nbytes))
            address += 8 * (_WHERE + 1 + 2 * value.ndim)
        elif isinstance(value, tuple):
            address = fill_slots(value, address, found)
        else:
            if value is not None:
                number = _NUMBERS.get(type(value), c_int64)
                number.from_address(address).value = value
            address += 8
    return address


def _number_of_slots(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return _WHERE + 1 + 2 * value.ndim
    return sum(map(_number_of_slots, value)) if isinstance(value, tuple) else 1


@intrinsic
def call_thunk(typing_context, thunk, row):
    """Call the thunk at an address with the address of a row."""

    def generate(context, builder, signature, values):
        pointer = builder.inttoptr(values[0], _THUNK.as_pointer())
        builder.call(pointer, values[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def load_at(typing_context, address):
    """The integer at an address."""

    def generate(context, builder, signature, values):
        return builder.load(builder.inttoptr(values[0], _SLOT.as_pointer()))

    return types.int64(types.int64), generate


@intrinsic
def store_at(typing_context, address, number):
    """Have the integer at an address be that."""

    def generate(context, builder, signature, values):
        builder.store(values[1], builder.inttoptr(values[0], _SLOT.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def copy_bytes(typing_context, target, source, n_bytes):
    """Copy so many bytes from one address to another."""

    def generate(context, builder, signature, values):
        pointers = (builder.inttoptr(value, cgutils.voidptr_t) for value in values[:2])
        cgutils.raw_memcpy(builder, *pointers, values[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def add_at(typing_context, address, number):
    """Add to the integer at an address, in one step for all threads; what it was."""

    def generate(context, builder, signature, values):
        pointer = builder.inttoptr(values[0], _SLOT.as_pointer())
        return builder.atomic_rmw("add", pointer, values[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate
