"""Vectors as values in kernels: several numbers that one instruction works on.

LLVM's own vectoriser decides by the machine it tunes for (256 bits on Intel's
server cores, for 512 that they have) and by aliasing that it cannot exclude;
explicit vectors depend on neither. Where nothing is compiled, the functions are plain
Python on slices of arrays: the same kernel is then a NumPy program, which tests hold
against it.

Two widths: ``narrow`` vectors fill one register. ``wide`` ones fill as many as leave
room for four of them among the registers: the unit of a block of four rows.
"""

import numpy as np

from fastem.kernels.compilation import compiled_by
from fastem.kernels.vectors import arithmetic_intrinsics
from fastem.kernels.vectors.llvm import NARROW_BYTES, WIDE_BYTES


@compiled_by(arithmetic_intrinsics.narrow_lanes)
def narrow_lanes(array):
    """Numbers of the array's type in a narrow vector."""
    return NARROW_BYTES // array.itemsize


@compiled_by(arithmetic_intrinsics.wide_lanes)
def wide_lanes(array):
    """Numbers of the array's type in a wide vector."""
    return WIDE_BYTES // array.itemsize


@compiled_by(arithmetic_intrinsics.load_narrow)
def load_narrow(array, index):
    """A narrow vector from array[index:], shape (n,)."""
    return array[index : index + narrow_lanes(array)]


@compiled_by(arithmetic_intrinsics.load_wide)
def load_wide(array, index):
    """A wide vector from array[index:], shape (n,)."""
    return array[index : index + wide_lanes(array)]


@compiled_by(arithmetic_intrinsics.store)
def store(vector, array, index):
    """Write a vector into array[index:], shape (n,)."""
    array[index : index + len(vector)] = vector


@compiled_by(arithmetic_intrinsics.splat_narrow)
def splat_narrow(scalar):
    """A narrow vector with the same number in each lane."""
    return np.full(NARROW_BYTES // scalar.itemsize, scalar)


@compiled_by(arithmetic_intrinsics.splat_wide)
def splat_wide(scalar):
    """A wide vector with the same number in each lane."""
    return np.full(WIDE_BYTES // scalar.itemsize, scalar)


@compiled_by(arithmetic_intrinsics.splat_like)
def splat_like(vector, number):
    """A vector of the same kind with the number, or what is nearest, in each lane."""
    return np.full_like(vector, number)


@compiled_by(arithmetic_intrinsics.add)
def add(a, b):
    """Lane by lane."""
    return a + b


@compiled_by(arithmetic_intrinsics.subtract)
def subtract(a, b):
    """Lane by lane."""
    return a - b


@compiled_by(arithmetic_intrinsics.multiply)
def multiply(a, b):
    """Lane by lane."""
    return a * b


@compiled_by(arithmetic_intrinsics.divide)
def divide(a, b):
    """Lane by lane."""
    return a / b


@compiled_by(arithmetic_intrinsics.maximum)
def maximum(a, b):
    """The larger one, lane by lane; b where one of them is not a number."""
    return np.where(a > b, a, b)


@compiled_by(arithmetic_intrinsics.magnitude)
def magnitude(vector):
    """The absolute value, lane by lane."""
    return np.abs(vector)


@compiled_by(arithmetic_intrinsics.multiply_add)
def multiply_add(a, b, c):
    """a * b + c, lane by lane, in one instruction where there is one."""
    return a * b + c


@compiled_by(arithmetic_intrinsics.scale_by_power)
def scale_by_power(a, shifted):
    """a times 2 to the power that is in the low bits of ``shifted``, lane by lane.

    Those bits are added to the exponent of a, so the result must be a normal number.
    """
    integer = np.dtype(f"i{a.itemsize}")
    power = shifted.view(integer) << np.finfo(a.dtype).nmant
    return (a.view(integer) + power).view(a.dtype)


@compiled_by(arithmetic_intrinsics.binary_exponent)
def binary_exponent(x, lowest):
    """n, as numbers like x, with x / 2^n in [lowest, 2 lowest), lane by lane.

    For positive, normal x, and vectors of a lowest number in [1/2, 1).
    """
    integer, n_bits = np.dtype(f"i{x.itemsize}"), np.finfo(x.dtype).nmant
    bits = x.view(integer) - lowest.view(integer)
    return (bits >> n_bits).astype(x.dtype)


@compiled_by(arithmetic_intrinsics.zero_unless_above)
def zero_unless_above(a, x, limit):
    """a where x is greater than the limit, else (and where x is no number) 0."""
    return np.where(x > limit, a, a.dtype.type(0))


@compiled_by(arithmetic_intrinsics.where_less)
def where_less(a, b, then, otherwise):
    """``then`` in the lanes where a < b, else ``otherwise``."""
    return np.where(a < b, then, otherwise)


@compiled_by(arithmetic_intrinsics.lanes_at_least)
def lanes_at_least(a, b):
    """The bits 2^i, as one number, of the lanes i where a >= b."""
    return sum(1 << i for i in np.flatnonzero(a >= b).tolist())


@compiled_by(arithmetic_intrinsics.lowest_bit)
def lowest_bit(bits):
    """Which is the lowest bit of a number that has one."""
    return int(bits & -bits).bit_length() - 1


@compiled_by(arithmetic_intrinsics.total)
def total(vector):
    """The sum over the lanes."""
    return vector.sum()


@compiled_by(arithmetic_intrinsics.largest_lane)
def largest_lane(vector):
    """The largest number of a vector that holds none that is not a number."""
    return vector.max()


@compiled_by(arithmetic_intrinsics.add_totals)
def add_totals(v0, v1, v2, v3, sums, index):
    """Add the totals of four narrow vectors to sums[index : index + 4], float64."""
    sums[index : index + 4] += (v0.sum(), v1.sum(), v2.sum(), v3.sum())
