"""Vectors as values in kernels: several numbers that one instruction works on.

LLVM's own vectoriser decides by the machine it tunes for (256 bits on Intel's
server cores, for 512 that they have) and by aliasing that it cannot exclude;
explicit vectors depend on neither. Called from Python, the functions work on slices
of arrays: the same kernel is then a NumPy program, which tests hold against it.

Two widths: ``narrow`` vectors fill one register. ``wide`` ones fill as many as leave
room for four of them among the registers: the unit of a block of four rows.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, overload, register_model


def _register_shape() -> tuple[int, int]:
    """Bytes in a vector register, and number of vector registers."""
    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    enabled = set(features.split(","))
    if "+avx512f" in enabled:
        return 64, 32
    if "+avx" in enabled:
        return 32, 16
    return 16, 32 if triple.startswith("aarch64") else 16


_REGISTER_BYTES, _N_REGISTERS = _register_shape()
NARROW_BYTES = _REGISTER_BYTES
WIDE_BYTES = _REGISTER_BYTES * (_N_REGISTERS // 8)


class Vector(types.Type):
    """Numba's type of a vector."""

    def __init__(self, dtype, lanes):
        self.dtype = dtype
        self.lanes = lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")

    @property
    def llvm_suffix(self):
        """How LLVM's intrinsic functions name the type."""
        return f"v{self.lanes}f{self.dtype.bitwidth}"


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, llvm_type(fe_type))


def llvm_type(vector):
    """LLVM's type of it."""
    element = ir.DoubleType() if vector.dtype == types.float64 else ir.FloatType()
    return ir.VectorType(element, vector.lanes)


def vector_of(dtype, n_bytes):
    """Type of a vector of so many bytes."""
    return Vector(dtype, n_bytes * 8 // dtype.bitwidth)


# As plain Python, and under NUMBA_DISABLE_JIT=1. Compiled code takes the intrinsic
# functions after them.


def narrow_lanes(array):
    """Numbers of the array's type in a narrow vector."""
    return NARROW_BYTES // array.itemsize


def wide_lanes(array):
    """Numbers of the array's type in a wide vector."""
    return WIDE_BYTES // array.itemsize


def load_narrow(array, index):
    """A narrow vector from array[index:], shape (n,)."""
    return array[index : index + narrow_lanes(array)]


def load_wide(array, index):
    """A wide vector from array[index:], shape (n,)."""
    return array[index : index + wide_lanes(array)]


def store(vector, array, index):
    """Write a vector into array[index:], shape (n,)."""
    array[index : index + len(vector)] = vector


def splat_narrow(scalar):
    """A narrow vector with the same number in each lane."""
    return np.full(NARROW_BYTES // scalar.itemsize, scalar)


def splat_wide(scalar):
    """A wide vector with the same number in each lane."""
    return np.full(WIDE_BYTES // scalar.itemsize, scalar)


def splat_like(vector, number):
    """A vector of the same kind with the number, or what is nearest, in each lane."""
    return np.full_like(vector, number)


def add(a, b):
    """Lane by lane."""
    return a + b


def subtract(a, b):
    """Lane by lane."""
    return a - b


def multiply(a, b):
    """Lane by lane."""
    return a * b


def maximum(a, b):
    """The larger one, lane by lane; b where one of them is not a number."""
    return np.where(a > b, a, b)


def magnitude(vector):
    """The absolute value, lane by lane."""
    return np.abs(vector)


def multiply_add(a, b, c):
    """a * b + c, lane by lane, in one instruction where there is one."""
    return a * b + c


def scale_by_power(a, shifted):
    """a times 2 to the power that is in the low bits of ``shifted``, lane by lane.

    Those bits are added to the exponent of a, so the result must be a normal number.
    """
    integer = np.dtype(f"i{a.itemsize}")
    power = shifted.view(integer) << np.finfo(a.dtype).nmant
    return (a.view(integer) + power).view(a.dtype)


def zero_unless_above(a, x, limit):
    """a where x is greater than the limit, else (and where x is no number) 0."""
    return np.where(x > limit, a, a.dtype.type(0))


def total(vector):
    """The sum over the lanes."""
    return vector.sum()


def largest_lane(vector):
    """The largest number of a vector that holds none that is not a number."""
    return vector.max()


def add_totals(v0, v1, v2, v3, sums, index):
    """Add the totals of four narrow vectors to sums[index : index + 4], float64."""
    sums[index : index + 4] += (v0.sum(), v1.sum(), v2.sum(), v3.sum())


def contiguous(context, builder, array_type, array):
    """The structure of an array whose numbers lie one after the other.

    Pointers are computed without strides: in any other array they would be wrong.
    """
    if array_type.layout != "C":
        raise TypeError(f"vectors need contiguous arrays, not {array_type}")
    return context.make_array(array_type)(context, builder, array)


def vector_pointer(builder, pointer, vector):
    """A pointer to a number as one to a vector."""
    return builder.bitcast(pointer, llvm_type(vector).as_pointer())


def splat_vector(builder, number, vector):
    """The same number in each lane."""
    nothing = ir.Constant(llvm_type(vector), ir.Undefined)
    first = ir.Constant(ir.IntType(32), 0)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.lanes), None)
    single = builder.insert_element(nothing, number, first)
    return builder.shuffle_vector(single, nothing, zeros)


def call_multiply_add(builder, a, b, c, vector):
    """a * b + c of vectors."""
    # llvm.fma would call a library function where there is no instruction.
    name = f"llvm.fmuladd.{vector.llvm_suffix}"
    return _call_llvm(builder, name, a.type, [a, b, c])


def _overload_lanes(function, n_bytes):
    @overload(function)
    def lanes(array):
        n = n_bytes * 8 // array.dtype.bitwidth
        return lambda array: n


def _overload_load(function, n_bytes):
    @intrinsic
    def load(typing_context, array, index):
        vector = vector_of(array.dtype, n_bytes)

        def generate(context, builder, signature, values):
            data = contiguous(context, builder, array, values[0]).data
            pointer = vector_pointer(builder, builder.gep(data, [values[1]]), vector)
            # Rows of a tile start anywhere.
            return builder.load(pointer, align=array.dtype.bitwidth // 8)

        return vector(array, types.intp), generate

    @overload(function)
    def overload_load(array, index):
        return lambda array, index: load(array, index)


def _overload_splat(function, n_bytes):
    @intrinsic
    def splat(typing_context, scalar):
        vector = vector_of(scalar, n_bytes)

        def generate(context, builder, signature, values):
            return splat_vector(builder, values[0], vector)

        return vector(scalar), generate

    @overload(function)
    def overload_splat(scalar):
        return lambda scalar: splat(scalar)


def _overload_arithmetic(function, instruction):
    @intrinsic
    def operation(typing_context, a, b):
        def generate(context, builder, signature, values):
            return getattr(builder, instruction)(*values)

        return a(a, b), generate

    @overload(function)
    def overload_operation(a, b):
        if isinstance(a, Vector):
            return lambda a, b: operation(a, b)
        return None


def _call_llvm(builder, name, result, arguments, **options):
    types_of_arguments = [argument.type for argument in arguments]
    function_type = ir.FunctionType(result, types_of_arguments)
    function = cgutils.get_or_insert_function(builder.module, function_type, name)
    return builder.call(function, arguments, **options)


@intrinsic
def _store(typing_context, vector, array, index):
    def generate(context, builder, signature, values):
        data = contiguous(context, builder, array, values[1]).data
        pointer = builder.bitcast(
            builder.gep(data, [values[2]]), values[0].type.as_pointer()
        )
        builder.store(values[0], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(vector, array, types.intp), generate


@intrinsic
def _multiply_add(typing_context, a, b, c):
    def generate(context, builder, signature, values):
        return call_multiply_add(builder, *values, a)

    return a(a, b, c), generate


@intrinsic
def _maximum(typing_context, a, b):
    def generate(context, builder, signature, values):
        return builder.select(builder.fcmp_ordered(">", *values), *values)

    return a(a, b), generate


@intrinsic
def _magnitude(typing_context, vector):
    def generate(context, builder, signature, values):
        name = f"llvm.fabs.{vector.llvm_suffix}"
        return _call_llvm(builder, name, values[0].type, values)

    return vector(vector), generate


@intrinsic
def _splat_like(typing_context, vector, number):
    def generate(context, builder, signature, values):
        scalar = context.cast(builder, values[1], number, vector.dtype)
        return splat_vector(builder, scalar, vector)

    return vector(vector, number), generate


@intrinsic
def _scale_by_power(typing_context, a, shifted):
    def generate(context, builder, signature, values):
        width, mantissa = a.dtype.bitwidth, 52 if a.dtype == types.float64 else 23
        integers = ir.VectorType(ir.IntType(width), a.lanes)
        bits, power = (builder.bitcast(value, integers) for value in values)
        places = ir.Constant(integers, [mantissa] * a.lanes)
        bits = builder.add(bits, builder.shl(power, places))
        return builder.bitcast(bits, values[0].type)

    return a(a, shifted), generate


@intrinsic
def _zero_unless_above(typing_context, a, x, limit):
    def generate(context, builder, signature, values):
        above = builder.fcmp_ordered(">", values[1], values[2])
        return builder.select(above, values[0], ir.Constant(values[0].type, None))

    return a(a, x, limit), generate


@intrinsic
def _total(typing_context, vector):
    def generate(context, builder, signature, values):
        element = llvm_type(vector).element
        name = f"llvm.vector.reduce.fadd.{vector.llvm_suffix}"
        start = ir.Constant(element, -0.0)
        return _call_llvm(
            builder, name, element, [start, values[0]], fastmath=("reassoc",)
        )

    return vector.dtype(vector), generate


@intrinsic
def _largest_lane(typing_context, vector):
    def generate(context, builder, signature, values):
        element = llvm_type(vector).element
        name = f"llvm.vector.reduce.fmax.{vector.llvm_suffix}"
        return _call_llvm(builder, name, element, values, fastmath=("nnan",))

    return vector.dtype(vector), generate


def shuffle(builder, a, b, lanes):
    """A vector of these lanes of a and b, counted through."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))
    return builder.shuffle_vector(a, b, mask)


def _fold(builder, vector):
    """The sum of a vector's two halves, until it has four lanes (or two)."""
    while vector.type.count > 4:
        n = vector.type.count // 2
        low = shuffle(builder, vector, vector, range(n))
        high = shuffle(builder, vector, vector, range(n, 2 * n))
        vector = builder.fadd(low, high)
    return vector


def totals_of_four(builder, vectors):
    """A vector of four sums: a transposition that adds on its way.

    Four reductions, one after another, take three times the instructions.
    """
    a, b, c, d = (_fold(builder, vector) for vector in vectors)

    def pair(x, y, low, high):
        return builder.fadd(shuffle(builder, x, y, low), shuffle(builder, x, y, high))

    if a.type.count == 2:
        ab = pair(a, b, (0, 2), (1, 3))
        cd = pair(c, d, (0, 2), (1, 3))
        return shuffle(builder, ab, cd, range(4))
    ab = pair(a, b, (0, 4, 2, 6), (1, 5, 3, 7))
    cd = pair(c, d, (0, 4, 2, 6), (1, 5, 3, 7))
    return pair(ab, cd, (0, 1, 4, 5), (2, 3, 6, 7))


@intrinsic
def _add_totals(typing_context, v0, v1, v2, v3, sums, index):
    def generate(context, builder, signature, values):
        totals = totals_of_four(builder, values[:4])
        four_doubles = ir.VectorType(ir.DoubleType(), 4)
        if v0.dtype == types.float32:
            totals = builder.fpext(totals, four_doubles)
        data = contiguous(context, builder, sums, values[4]).data
        pointer = builder.bitcast(
            builder.gep(data, [values[5]]), four_doubles.as_pointer()
        )
        before = builder.load(pointer, align=8)
        builder.store(builder.fadd(before, totals), pointer, align=8)
        return context.get_dummy_value()

    return types.none(v0, v1, v2, v3, sums, types.intp), generate


@overload(add_totals)
def _overload_add_totals(v0, v1, v2, v3, sums, index):
    return lambda v0, v1, v2, v3, sums, index: _add_totals(v0, v1, v2, v3, sums, index)


@overload(store)
def _overload_store(vector, array, index):
    return lambda vector, array, index: _store(vector, array, index)


@overload(maximum)
def _overload_maximum(a, b):
    return lambda a, b: _maximum(a, b)


@overload(magnitude)
def _overload_magnitude(vector):
    return lambda vector: _magnitude(vector)


@overload(multiply_add)
def _overload_multiply_add(a, b, c):
    return lambda a, b, c: _multiply_add(a, b, c)


@overload(largest_lane)
def _overload_largest_lane(vector):
    return lambda vector: _largest_lane(vector)


@overload(splat_like)
def _overload_splat_like(vector, number):
    return lambda vector, number: _splat_like(vector, number)


@overload(scale_by_power)
def _overload_scale_by_power(a, shifted):
    return lambda a, shifted: _scale_by_power(a, shifted)


@overload(zero_unless_above)
def _overload_zero_unless_above(a, x, limit):
    return lambda a, x, limit: _zero_unless_above(a, x, limit)


@overload(total)
def _overload_total(vector):
    return lambda vector: _total(vector)


_overload_lanes(narrow_lanes, NARROW_BYTES)
_overload_lanes(wide_lanes, WIDE_BYTES)
_overload_load(load_narrow, NARROW_BYTES)
_overload_load(load_wide, WIDE_BYTES)
_overload_splat(splat_narrow, NARROW_BYTES)
_overload_splat(splat_wide, WIDE_BYTES)
_overload_arithmetic(add, "fadd")
_overload_arithmetic(subtract, "fsub")
_overload_arithmetic(multiply, "fmul")
