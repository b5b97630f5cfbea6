"""Stacks: several vectors as one value, a block of rows that registers hold.

``rows`` is a tuple of row numbers. Its length belongs to its type, so the number of
vectors in a stack is known when a kernel is compiled, and what is done with each of
them is written out: code of one to four rows comes from one text. As in ``vectors``,
the functions are plain Python on tuples of slices where nothing is compiled.
"""

import numpy as np

from fastem.kernels.compilation import compiled_by
from fastem.kernels.vectors import stack_intrinsics
from fastem.kernels.vectors.arithmetic import (
    load_narrow,
    load_wide,
    multiply_add,
    splat_like,
    splat_narrow,
    splat_wide,
    store,
)
from fastem.kernels.vectors.stack_intrinsics import BLOCK_ROWS


@compiled_by(stack_intrinsics.block_at)
def block_at(first):
    """The numbers of BLOCK_ROWS rows: first, first + 1, ..."""
    return tuple(range(first, first + BLOCK_ROWS))


@compiled_by(stack_intrinsics.load_first_rows)
def load_first_rows(array, rows, b):
    """Narrow vectors array[0, b:], array[1, b:] ..., one for each of the rows."""
    return tuple(load_narrow(array[n], b) for n in range(len(rows)))


@compiled_by(stack_intrinsics.load_rows)
def load_rows(array, rows, b):
    """Narrow vectors array[i, b:] for i in rows."""
    return tuple(load_narrow(array[i], b) for i in rows)


@compiled_by(stack_intrinsics.load_residuals)
def load_residuals(array, means, rows, b):
    """Narrow vectors array[i, b:] - means[i] for i in rows."""
    return tuple(load_narrow(array[i], b) - splat_narrow(means[i]) for i in rows)


@compiled_by(stack_intrinsics.store_first_rows)
def store_first_rows(stack, array, b):
    """Write a stack into array[0, b:], array[1, b:], ..., a row for each vector."""
    for n, vector in enumerate(stack):
        store(vector, array[n], b)


@compiled_by(stack_intrinsics.store_rows)
def store_rows(stack, array, rows, b):
    """Write a stack into array[i, b:] for i in rows."""
    for i, vector in zip(rows, stack, strict=True):
        store(vector, array[i], b)


@compiled_by(stack_intrinsics.repeat_rows)
def repeat_rows(vector, rows):
    """The vector, once for each of the rows."""
    return (vector,) * len(rows)


@compiled_by(stack_intrinsics.repeat_pairs)
def repeat_pairs(vector, rows, columns):
    """The vector, once for each row and column."""
    return (vector,) * (len(rows) * len(columns))


@compiled_by(stack_intrinsics.repeat_lower_pairs)
def repeat_lower_pairs(vector, rows):
    """The vector, once for each pair of rows of which the second is no later."""
    return (vector,) * (len(rows) * (len(rows) + 1) // 2)


@compiled_by(stack_intrinsics.add_each)
def add_each(stack, other):
    """The sum of two stacks."""
    return tuple(a + b for a, b in zip(stack, other, strict=True))


@compiled_by(stack_intrinsics.subtract_each)
def subtract_each(stack, other):
    """The difference of two stacks."""
    return tuple(a - b for a, b in zip(stack, other, strict=True))


@compiled_by(stack_intrinsics.multiply_each)
def multiply_each(stack, vector):
    """Each vector of the stack times the same one."""
    return tuple(a * vector for a in stack)


@compiled_by(stack_intrinsics.add_products)
def add_products(left, right, sums):
    """Each vector of the left stack times each of the right one, onto the sums."""
    products = [a * b for a in left for b in right]
    return tuple(s + product for s, product in zip(sums, products, strict=True))


@compiled_by(stack_intrinsics.add_lower_products)
def add_lower_products(left, right, sums):
    """Products left[i] * right[j] for j <= i, onto the sums."""
    products = [a * b for i, a in enumerate(left) for b in right[: i + 1]]
    return tuple(s + product for s, product in zip(sums, products, strict=True))


@compiled_by(stack_intrinsics.add_totals_of_rows)
def add_totals_of_rows(stack, rows, sums):
    """sums[i] += total of the vector of row i. ``sums`` is float64."""
    for i, vector in zip(rows, stack, strict=True):
        sums[i] += vector.sum()


@compiled_by(stack_intrinsics.add_totals_of_pairs)
def add_totals_of_pairs(stack, rows, columns, sums):
    """sums[i, j] += total of the vector of row i and column j."""
    pairs = [(i, j) for i in rows for j in columns]
    for (i, j), vector in zip(pairs, stack, strict=True):
        sums[i, j] += vector.sum()


@compiled_by(stack_intrinsics.add_totals_of_lower_pairs)
def add_totals_of_lower_pairs(stack, rows, sums):
    """sums[i, j] += total of the vector of rows i and j <= i."""
    pairs = [(i, j) for i in rows for j in rows if j <= i]
    for (i, j), vector in zip(pairs, stack, strict=True):
        sums[i, j] += vector.sum()


@compiled_by(stack_intrinsics.add_column)
def add_column(matrix, rows, j, vector, stack):
    """Wide vectors stack[i] + matrix[i, j] * vector for i in rows."""
    return tuple(
        multiply_add(splat_wide(matrix[i, j]), vector, y)
        for i, y in zip(rows, stack, strict=True)
    )


@compiled_by(stack_intrinsics.add_multiples)
def add_multiples(numbers, rows, vector, stack):
    """Vectors stack[i] + numbers[i] * vector for i in rows."""
    return tuple(
        multiply_add(splat_like(vector, numbers[i]), vector, y)
        for i, y in zip(rows, stack, strict=True)
    )


@compiled_by(stack_intrinsics.replace_where_equal)
def replace_where_equal(vector, number, numbers, rows, stack):
    """Vectors stack[i], with numbers[i] in the lanes where vector is the number."""
    return tuple(
        np.where(vector == number, numbers[i], y)
        for i, y in zip(rows, stack, strict=True)
    )


@compiled_by(stack_intrinsics.add_triangle)
def add_triangle(matrix, means, rows, array, b, stack, residuals_out):
    """Wide vectors stack[i] + sum of matrix[i, j] * residual[j], j <= i in rows.

    residual[j] = array[j, b:] - means[j]; written into residuals_out[j], if that is
    not None.
    """
    sums = list(stack)
    for n, j in enumerate(rows):
        residual = load_wide(array[j], b) - splat_wide(means[j])
        if residuals_out is not None:
            store(residual, residuals_out[j], 0)
        for m in range(n, len(rows)):
            weight = splat_wide(matrix[rows[m], j])
            sums[m] = multiply_add(weight, residual, sums[m])
    return tuple(sums)


@compiled_by(stack_intrinsics.add_squares)
def add_squares(stack, vector):
    """The vector, plus the square of each vector of the stack."""
    for y in stack:
        vector = multiply_add(y, y, vector)
    return vector
