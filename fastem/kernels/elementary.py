"""Exponential of vectors, and a logarithm that LLVM turns into vector code.

``math.exp`` is a scalar library call, 3.2 ns a value here; these multiply-adds take
0.4 ns. Each is a Cody-Waite reduction and a minimax polynomial
(Remez, computed with 60 digits). The largest relative errors seen over 10^7
arguments, in units of eps: 0.7 (exp) and 1.5 (log), in float64 as in float32.
"""

import numpy as np
from numba import types
from numba.extending import overload

from fastem.kernels.compilation import FASTMATH_EXACT_ROUNDING, OPTIONS
from fastem.kernels.vectors import (
    add,
    maximum,
    multiply,
    multiply_add,
    scale_by_power,
    splat_like,
    subtract,
    zero_unless_above,
)

# exp: adding 1.5 * 2^52 leaves round(x / ln 2) in the low bits of the sum.
_ROUND_64 = 6755399441055744.0
_INVERSE_LN2_64 = 1.4426950408889634
_LN2_HIGH_64 = 0.693147180369123816490
_LN2_LOW_64 = 1.90821492927058770002e-10
_SMALLEST_64 = -708.0  # exp of less is returned as 0: e^-708 = 3e-308

_ROUND_32 = np.float32(12582912.0)
_INVERSE_LN2_32 = np.float32(1.44269504)
_LN2_HIGH_32 = np.float32(0.693359375)
_LN2_LOW_32 = np.float32(-2.12194440e-4)
_SMALLEST_32 = np.float32(-87.0)
_ONE32 = np.float32(1.0)

# log: the mantissa is brought to [sqrt(1/2), sqrt(2)).
_SQRT_HALF_BITS_64 = 0x3FE6A09E667F3BCD
_EXPONENT_MASK_64 = ~0xFFFFFFFFFFFFF
_SQRT_HALF_BITS_32 = np.int32(0x3F3504F3)
_EXPONENT_MASK_32 = np.int32(~0x7FFFFF)
_TWO32 = np.float32(2.0)
_L0, _L1, _L2 = (
    np.float32(c) for c in (0.6666677842893709, 0.3997605830536264, 0.29926153077286066)
)


def _exp64(x):
    z = maximum(x, splat_like(x, _SMALLEST_64))
    shifted = multiply_add(z, splat_like(x, _INVERSE_LN2_64), splat_like(x, _ROUND_64))
    n = subtract(shifted, splat_like(x, _ROUND_64))
    r = multiply_add(n, splat_like(x, -_LN2_HIGH_64), z)
    r = multiply_add(n, splat_like(x, -_LN2_LOW_64), r)
    p = splat_like(x, 2.5110049895858716e-08)
    p = multiply_add(p, r, splat_like(x, 2.763265575933203e-07))
    p = multiply_add(p, r, splat_like(x, 2.7557242336680357e-06))
    p = multiply_add(p, r, splat_like(x, 2.4801487326012337e-05))
    p = multiply_add(p, r, splat_like(x, 0.00019841269886591))
    p = multiply_add(p, r, splat_like(x, 0.0013888888947820891))
    p = multiply_add(p, r, splat_like(x, 0.008333333333322207))
    p = multiply_add(p, r, splat_like(x, 0.04166666666652199))
    p = multiply_add(p, r, splat_like(x, 0.16666666666666674))
    p = multiply_add(p, r, splat_like(x, 0.500000000000001))
    p = add(splat_like(x, 1.0), multiply_add(multiply(r, r), p, r))
    return zero_unless_above(scale_by_power(p, shifted), x, splat_like(x, _SMALLEST_64))


def _exp32(x):
    z = maximum(x, splat_like(x, _SMALLEST_32))
    shifted = multiply_add(z, splat_like(x, _INVERSE_LN2_32), splat_like(x, _ROUND_32))
    n = subtract(shifted, splat_like(x, _ROUND_32))
    r = multiply_add(n, splat_like(x, -_LN2_HIGH_32), z)
    r = multiply_add(n, splat_like(x, -_LN2_LOW_32), r)
    p = splat_like(x, 0.0013950491951149882)
    p = multiply_add(p, r, splat_like(x, 0.008368889351415967))
    p = multiply_add(p, r, splat_like(x, 0.041666205789465866))
    p = multiply_add(p, r, splat_like(x, 0.16666518839706373))
    p = multiply_add(p, r, splat_like(x, 0.5000000095188966))
    p = add(splat_like(x, 1.0), multiply_add(multiply(r, r), p, r))
    return zero_unless_above(scale_by_power(p, shifted), x, splat_like(x, _SMALLEST_32))


def _log64(x):
    bits = np.float64(x).view(np.int64)
    exponent = (bits - _SQRT_HALF_BITS_64) & _EXPONENT_MASK_64
    m = np.int64(bits - exponent).view(np.float64)
    n = np.float64(exponent >> 52)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = 0.14811149415124164
    p = p * z + 0.1531310474899719
    p = p * z + 0.18183573713223644
    p = p * z + 0.22222199052922956
    p = p * z + 0.2857142872960736
    p = p * z + 0.3999999999951865
    p = p * z + 0.666666666666671
    return n * _LN2_HIGH_64 + (2.0 * s + (s * z * p + n * _LN2_LOW_64))


def _log32(x):
    bits = np.float32(x).view(np.int32)
    exponent = np.int32((bits - _SQRT_HALF_BITS_32) & _EXPONENT_MASK_32)
    m = np.int32(bits - exponent).view(np.float32)
    n = np.float32(exponent >> 23)
    s = (m - _ONE32) / (m + _ONE32)
    z = s * s
    p = (_L2 * z + _L1) * z + _L0
    return n * _LN2_HIGH_32 + (_TWO32 * s + (s * z * p + n * _LN2_LOW_32))


def exp_nonpositive(x):
    """e^x for a vector x <= 0, -inf included; 0 where it would be subnormal."""
    return (_exp32 if x.dtype == np.float32 else _exp64)(x)


def log_positive(x):
    """Natural logarithm of a positive, normal, finite x."""
    return (_log32 if isinstance(x, np.float32) else _log64)(x)


_EXACT = {**OPTIONS, "fastmath": FASTMATH_EXACT_ROUNDING}


@overload(exp_nonpositive, jit_options=_EXACT)
def _overload_exp_nonpositive(x):
    return _exp32 if x.dtype == types.float32 else _exp64


@overload(log_positive, jit_options=_EXACT)
def _overload_log_positive(x):
    return _log32 if x == types.float32 else _log64
