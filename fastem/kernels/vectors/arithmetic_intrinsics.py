"""The compiled functions of ``vectors``, where each is told in plain Python."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastem.kernels.vectors.llvm import (
    NARROW_BYTES,
    WIDE_BYTES,
    call_llvm,
    call_multiply_add,
    contiguous,
    llvm_type,
    splat_vector,
    totals_of_four,
    vector_of,
    vector_pointer,
)


def _lanes(array, n_bytes):
    def generate(context, builder, signature, values):
        return ir.Constant(ir.IntType(types.intp.bitwidth), lanes)

    lanes = vector_of(array.dtype, n_bytes).lanes
    return types.intp(array), generate


@intrinsic
def narrow_lanes(typing_context, array):
    """Numbers of the array's type in a narrow vector."""
    return _lanes(array, NARROW_BYTES)


@intrinsic
def wide_lanes(typing_context, array):
    """Numbers of the array's type in a wide vector."""
    return _lanes(array, WIDE_BYTES)


def _load(array, n_bytes):
    vector = vector_of(array.dtype, n_bytes)

    def generate(context, builder, signature, values):
        data = contiguous(context, builder, array, values[0]).data
        pointer = vector_pointer(builder, builder.gep(data, [values[1]]), vector)
        # Rows of a tile start anywhere.
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return vector(array, types.intp), generate


@intrinsic
def load_narrow(typing_context, array, index):
    """A narrow vector from array[index:], shape (n,)."""
    return _load(array, NARROW_BYTES)


@intrinsic
def load_wide(typing_context, array, index):
    """A wide vector from array[index:], shape (n,)."""
    return _load(array, WIDE_BYTES)


@intrinsic
def store(typing_context, vector, array, index):
    """Write a vector into array[index:], shape (n,)."""

    def generate(context, builder, signature, values):
        data = contiguous(context, builder, array, values[1]).data
        pointer = vector_pointer(builder, builder.gep(data, [values[2]]), vector)
        builder.store(values[0], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(vector, array, types.intp), generate


def _splat(scalar, n_bytes):
    vector = vector_of(scalar, n_bytes)

    def generate(context, builder, signature, values):
        return splat_vector(builder, values[0], vector)

    return vector(scalar), generate


@intrinsic
def splat_narrow(typing_context, scalar):
    """A narrow vector with the same number in each lane."""
    return _splat(scalar, NARROW_BYTES)


@intrinsic
def splat_wide(typing_context, scalar):
    """A wide vector with the same number in each lane."""
    return _splat(scalar, WIDE_BYTES)


@intrinsic
def splat_like(typing_context, vector, number):
    """A vector of the same kind with the number, or what is nearest, in each lane."""

    def generate(context, builder, signature, values):
        scalar = context.cast(builder, values[1], number, vector.dtype)
        return splat_vector(builder, scalar, vector)

    return vector(vector, number), generate


def _lane_by_lane(a, b, instruction):
    def generate(context, builder, signature, values):
        return getattr(builder, instruction)(*values)

    return a(a, b), generate


@intrinsic
def add(typing_context, a, b):
    """Lane by lane."""
    return _lane_by_lane(a, b, "fadd")


@intrinsic
def subtract(typing_context, a, b):
    """Lane by lane."""
    return _lane_by_lane(a, b, "fsub")


@intrinsic
def multiply(typing_context, a, b):
    """Lane by lane."""
    return _lane_by_lane(a, b, "fmul")


@intrinsic
def divide(typing_context, a, b):
    """Lane by lane."""
    return _lane_by_lane(a, b, "fdiv")


@intrinsic
def multiply_add(typing_context, a, b, c):
    """a * b + c, lane by lane, in one instruction where there is one."""

    def generate(context, builder, signature, values):
        return call_multiply_add(builder, *values, a)

    return a(a, b, c), generate


@intrinsic
def maximum(typing_context, a, b):
    """The larger one, lane by lane; b where one of them is not a number."""

    def generate(context, builder, signature, values):
        return builder.select(builder.fcmp_ordered(">", *values), *values)

    return a(a, b), generate


@intrinsic
def magnitude(typing_context, vector):
    """The absolute value, lane by lane."""

    def generate(context, builder, signature, values):
        name = f"llvm.fabs.{vector.llvm_suffix}"
        return call_llvm(builder, name, values[0].type, values)

    return vector(vector), generate


def _bits(builder, values, vector):
    """Vectors as ones of integers, and how many bits of each the mantissa has."""
    mantissa = 52 if vector.dtype == types.float64 else 23
    integers = ir.VectorType(ir.IntType(vector.dtype.bitwidth), vector.lanes)
    bits = [builder.bitcast(value, integers) for value in values]
    return bits, ir.Constant(integers, [mantissa] * vector.lanes)


@intrinsic
def scale_by_power(typing_context, a, shifted):
    """a times 2 to the power that is in the low bits of ``shifted``, lane by lane."""

    def generate(context, builder, signature, values):
        (bits, power), places = _bits(builder, values, a)
        bits = builder.add(bits, builder.shl(power, places))
        return builder.bitcast(bits, values[0].type)

    return a(a, shifted), generate


@intrinsic
def binary_exponent(typing_context, x, lowest):
    """n, as numbers like x, with x / 2^n in [lowest, 2 lowest), lane by lane."""

    def generate(context, builder, signature, values):
        bits, places = _bits(builder, values, x)
        exponent = builder.ashr(builder.sub(*bits), places)
        return builder.sitofp(exponent, values[0].type)

    return x(x, lowest), generate


@intrinsic
def zero_unless_above(typing_context, a, x, limit):
    """a where x is greater than the limit, else (and where x is no number) 0."""

    def generate(context, builder, signature, values):
        above = builder.fcmp_ordered(">", values[1], values[2])
        return builder.select(above, values[0], ir.Constant(values[0].type, None))

    return a(a, x, limit), generate


@intrinsic
def where_less(typing_context, a, b, then, otherwise):
    """``then`` in the lanes where a < b, else ``otherwise``."""

    def generate(context, builder, signature, values):
        is_less = builder.fcmp_ordered("<", values[0], values[1])
        return builder.select(is_less, values[2], values[3])

    return then(a, b, then, otherwise), generate


@intrinsic
def lanes_at_least(typing_context, a, b):
    """The bits 2^i, as one number, of the lanes i where a >= b."""

    def generate(context, builder, signature, values):
        is_so = builder.fcmp_ordered(">=", *values)
        bits = builder.bitcast(is_so, ir.IntType(a.lanes))
        whole = ir.IntType(types.int64.bitwidth)
        return bits if a.lanes == whole.width else builder.zext(bits, whole)

    return types.int64(a, b), generate


@intrinsic
def lowest_bit(typing_context, bits):
    """Which is the lowest bit of a number that has one."""

    def generate(context, builder, signature, values):
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@intrinsic
def total(typing_context, vector):
    """The sum over the lanes."""

    def generate(context, builder, signature, values):
        element = llvm_type(vector).element
        name = f"llvm.vector.reduce.fadd.{vector.llvm_suffix}"
        operands = [ir.Constant(element, -0.0), values[0]]
        return call_llvm(builder, name, element, operands, fastmath=("reassoc",))

    return vector.dtype(vector), generate


@intrinsic
def largest_lane(typing_context, vector):
    """The largest number of a vector that holds none that is not a number."""

    def generate(context, builder, signature, values):
        element = llvm_type(vector).element
        name = f"llvm.vector.reduce.fmax.{vector.llvm_suffix}"
        return call_llvm(builder, name, element, values, fastmath=("nnan",))

    return vector.dtype(vector), generate


@intrinsic
def add_totals(typing_context, v0, v1, v2, v3, sums, index):
    """Add the totals of four narrow vectors to sums[index : index + 4], float64."""

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
