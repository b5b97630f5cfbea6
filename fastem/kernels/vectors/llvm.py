"""Vectors in LLVM: their type in Numba, and what several functions emit of them."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import models, register_model


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


def call_llvm(builder, name, result, arguments, **options):
    """Call one of LLVM's own functions, by its name."""
    types_of_arguments = [argument.type for argument in arguments]
    function_type = ir.FunctionType(result, types_of_arguments)
    function = cgutils.get_or_insert_function(builder.module, function_type, name)
    return builder.call(function, arguments, **options)


def call_multiply_add(builder, a, b, c, vector):
    """a * b + c of vectors."""
    # llvm.fma would call a library function where there is no instruction.
    name = f"llvm.fmuladd.{vector.llvm_suffix}"
    return call_llvm(builder, name, a.type, [a, b, c])


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
