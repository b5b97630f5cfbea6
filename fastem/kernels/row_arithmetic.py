"""Arithmetic of vectors that is done once a row: quotients and exponents.

As in ``vectors``, each function is plain Python where nothing is compiled.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastem.kernels.compilation import compiled_by


@intrinsic
def _divide(typing_context, a, b):
    def generate(context, builder, signature, values):
        return builder.fdiv(*values)

    return a(a, b), generate


@intrinsic
def _binary_exponent(typing_context, x, lowest):
    def generate(context, builder, signature, values):
        width, mantissa = x.dtype.bitwidth, 52 if x.dtype == types.float64 else 23
        integers = ir.VectorType(ir.IntType(width), x.lanes)
        bits = [builder.bitcast(value, integers) for value in values]
        places = ir.Constant(integers, [mantissa] * x.lanes)
        exponent = builder.ashr(builder.sub(*bits), places)
        return builder.sitofp(exponent, values[0].type)

    return x(x, lowest), generate


@compiled_by(_divide)
def divide(a, b):
    """Lane by lane."""
    return a / b


@compiled_by(_binary_exponent)
def binary_exponent(x, lowest):
    """n, as numbers like x, with x / 2^n in [lowest, 2 lowest), lane by lane.

    For positive, normal x, and vectors of a lowest number in [1/2, 1).
    """
    integer, n_bits = np.dtype(f"i{x.itemsize}"), np.finfo(x.dtype).nmant
    bits = x.view(integer) - lowest.view(integer)
    return (bits >> n_bits).astype(x.dtype)
