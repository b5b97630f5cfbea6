"""Stacks: several vectors as one value, a block of rows that registers hold.

``rows`` is a tuple of row numbers. Its length belongs to its type, so the number of
vectors in a stack is known when a kernel is compiled, and what is done with each of
them is written out: code of one to four rows comes from one text. As in ``vectors``,
the functions are plain Python on tuples of slices where nothing is compiled.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from fastem.kernels.vectors import (
    NARROW_BYTES,
    call_multiply_add,
    load_narrow,
    load_wide,
    multiply_add,
    splat_like,
    splat_narrow,
    splat_vector,
    splat_wide,
    store,
    totals_of_four,
    vector_of,
    vector_pointer,
)

# As plain Python, and under NUMBA_DISABLE_JIT=1.


def load_first_rows(array, rows, b):
    """Narrow vectors array[0, b:], array[1, b:] ..., one for each of the rows."""
    return tuple(load_narrow(array[n], b) for n in range(len(rows)))


def load_rows(array, rows, b):
    """Narrow vectors array[i, b:] for i in rows."""
    return tuple(load_narrow(array[i], b) for i in rows)


def load_residuals(array, means, rows, b):
    """Narrow vectors array[i, b:] - means[i] for i in rows."""
    return tuple(load_narrow(array[i], b) - splat_narrow(means[i]) for i in rows)


def store_first_rows(stack, array, b):
    """Write a stack into array[0, b:], array[1, b:], ..., a row for each vector."""
    for n, vector in enumerate(stack):
        store(vector, array[n], b)


def store_rows(stack, array, rows, b):
    """Write a stack into array[i, b:] for i in rows."""
    for i, vector in zip(rows, stack, strict=True):
        store(vector, array[i], b)


def repeat_rows(vector, rows):
    """The vector, once for each of the rows."""
    return (vector,) * len(rows)


def repeat_pairs(vector, rows, columns):
    """The vector, once for each row and column."""
    return (vector,) * (len(rows) * len(columns))


def repeat_lower_pairs(vector, rows):
    """The vector, once for each pair of rows of which the second is no later."""
    return (vector,) * (len(rows) * (len(rows) + 1) // 2)


def add_each(stack, other):
    """The sum of two stacks."""
    return tuple(a + b for a, b in zip(stack, other, strict=True))


def subtract_each(stack, other):
    """The difference of two stacks."""
    return tuple(a - b for a, b in zip(stack, other, strict=True))


def multiply_each(stack, vector):
    """Each vector of the stack times the same one."""
    return tuple(a * vector for a in stack)


def add_products(left, right, sums):
    """Each vector of the left stack times each of the right one, onto the sums."""
    products = [a * b for a in left for b in right]
    return tuple(s + product for s, product in zip(sums, products, strict=True))


def add_lower_products(left, right, sums):
    """Products left[i] * right[j] for j <= i, onto the sums."""
    products = [a * b for i, a in enumerate(left) for b in right[: i + 1]]
    return tuple(s + product for s, product in zip(sums, products, strict=True))


def add_totals_of_rows(stack, rows, sums):
    """sums[i] += total of the vector of row i. ``sums`` is float64."""
    for i, vector in zip(rows, stack, strict=True):
        sums[i] += vector.sum()


def add_totals_of_pairs(stack, rows, columns, sums):
    """sums[i, j] += total of the vector of row i and column j."""
    pairs = [(i, j) for i in rows for j in columns]
    for (i, j), vector in zip(pairs, stack, strict=True):
        sums[i, j] += vector.sum()


def add_totals_of_lower_pairs(stack, rows, sums):
    """sums[i, j] += total of the vector of rows i and j <= i."""
    pairs = [(i, j) for i in rows for j in rows if j <= i]
    for (i, j), vector in zip(pairs, stack, strict=True):
        sums[i, j] += vector.sum()


def add_column(matrix, rows, j, vector, stack):
    """Wide vectors stack[i] + matrix[i, j] * vector for i in rows."""
    return tuple(
        multiply_add(splat_wide(matrix[i, j]), vector, y)
        for i, y in zip(rows, stack, strict=True)
    )


def add_multiples(numbers, rows, vector, stack):
    """Vectors stack[i] + numbers[i] * vector for i in rows."""
    return tuple(
        multiply_add(splat_like(vector, numbers[i]), vector, y)
        for i, y in zip(rows, stack, strict=True)
    )


def replace_where_equal(vector, number, numbers, rows, stack):
    """Vectors stack[i], with numbers[i] in the lanes where vector is the number."""
    return tuple(
        np.where(vector == number, numbers[i], y)
        for i, y in zip(rows, stack, strict=True)
    )


def add_triangle(matrix, means, rows, array, b, stack, residuals_out):
    """Wide vectors stack[i] + sum of matrix[i, j] * residual[j], j <= i in rows.

    residual[j] = array[j, b:] - means[j]; written into residuals_out[j].
    """
    sums = list(stack)
    for n, j in enumerate(rows):
        residual = load_wide(array[j], b) - splat_wide(means[j])
        store(residual, residuals_out[j], 0)
        for m in range(n, len(rows)):
            weight = splat_wide(matrix[rows[m], j])
            sums[m] = multiply_add(weight, residual, sums[m])
    return tuple(sums)


def add_squares(stack, vector):
    """The vector, plus the square of each vector of the stack."""
    for y in stack:
        vector = multiply_add(y, y, vector)
    return vector


# Compiled.


def _stack_of(vector, count):
    return types.UniTuple(vector, count)


def _items(builder, stack):
    return [builder.extract_value(stack, n) for n in range(stack.type.count)]


def _pack(context, builder, stack_type, vectors):
    return context.make_tuple(builder, stack_type, vectors)


def _row(context, builder, array_type, array, i):
    """The pointer to row i, or to item i of an array of one dimension."""
    view = context.make_array(array_type)(context, builder, array)
    if array_type.ndim == 2:
        i = builder.mul(i, builder.extract_value(view.shape, 1))
    return builder.gep(view.data, [i])


def _number(context, builder, array_type, array, i):
    return builder.load(_row(context, builder, array_type, array, i))


def _load(builder, pointer, vector):
    pointer = vector_pointer(builder, pointer, vector)
    return builder.load(pointer, align=vector.dtype.bitwidth // 8)


def _store(builder, value, pointer, vector):
    pointer = vector_pointer(builder, pointer, vector)
    builder.store(value, pointer, align=vector.dtype.bitwidth // 8)


@intrinsic
def _load_first_rows(typing_context, array, rows, b):
    vector = vector_of(array.dtype, NARROW_BYTES)
    stack = _stack_of(vector, rows.count)

    def generate(context, builder, signature, values):
        vectors = []
        for n in range(rows.count):
            row = _row(
                context, builder, array, values[0], ir.Constant(values[2].type, n)
            )
            vectors.append(_load(builder, builder.gep(row, [values[2]]), vector))
        return _pack(context, builder, stack, vectors)

    return stack(array, rows, types.intp), generate


@intrinsic
def _load_rows(typing_context, array, rows, b):
    vector = vector_of(array.dtype, NARROW_BYTES)
    stack = _stack_of(vector, rows.count)

    def generate(context, builder, signature, values):
        vectors = []
        for i in _items(builder, values[1]):
            row = _row(context, builder, array, values[0], i)
            vectors.append(_load(builder, builder.gep(row, [values[2]]), vector))
        return _pack(context, builder, stack, vectors)

    return stack(array, rows, types.intp), generate


@intrinsic
def _store_rows(typing_context, stack, array, rows, b):
    def generate(context, builder, signature, values):
        pairs = zip(*(_items(builder, value) for value in values[:3:2]), strict=True)
        for value, i in pairs:
            row = _row(context, builder, array, values[1], i)
            _store(builder, value, builder.gep(row, [values[3]]), stack.dtype)
        return context.get_dummy_value()

    return types.none(stack, array, rows, types.intp), generate


@intrinsic
def _load_residuals(typing_context, array, means, rows, b):
    vector = vector_of(array.dtype, NARROW_BYTES)
    stack = _stack_of(vector, rows.count)

    def generate(context, builder, signature, values):
        vectors = []
        for i in _items(builder, values[2]):
            row = _row(context, builder, array, values[0], i)
            x = _load(builder, builder.gep(row, [values[3]]), vector)
            mean = _number(context, builder, means, values[1], i)
            vectors.append(builder.fsub(x, splat_vector(builder, mean, vector)))
        return _pack(context, builder, stack, vectors)

    return stack(array, means, rows, types.intp), generate


@intrinsic
def _store_first_rows(typing_context, stack, array, b):
    def generate(context, builder, signature, values):
        for n, value in enumerate(_items(builder, values[0])):
            i = ir.Constant(values[2].type, n)
            row = _row(context, builder, array, values[1], i)
            _store(builder, value, builder.gep(row, [values[2]]), stack.dtype)
        return context.get_dummy_value()

    return types.none(stack, array, types.intp), generate


def _repeat(vector, count):
    stack = _stack_of(vector, count)

    def generate(context, builder, signature, values):
        return _pack(context, builder, stack, [values[0]] * count)

    return stack, generate


@intrinsic
def _repeat_rows(typing_context, vector, rows):
    stack, generate = _repeat(vector, rows.count)
    return stack(vector, rows), generate


@intrinsic
def _repeat_pairs(typing_context, vector, rows, columns):
    stack, generate = _repeat(vector, rows.count * columns.count)
    return stack(vector, rows, columns), generate


@intrinsic
def _repeat_lower_pairs(typing_context, vector, rows):
    stack, generate = _repeat(vector, rows.count * (rows.count + 1) // 2)
    return stack(vector, rows), generate


@intrinsic
def _add_each(typing_context, stack, other):
    def generate(context, builder, signature, values):
        pairs = zip(*(_items(builder, value) for value in values), strict=True)
        return _pack(context, builder, stack, [builder.fadd(a, b) for a, b in pairs])

    return stack(stack, other), generate


@intrinsic
def _subtract_each(typing_context, stack, other):
    def generate(context, builder, signature, values):
        pairs = zip(*(_items(builder, value) for value in values), strict=True)
        return _pack(context, builder, stack, [builder.fsub(a, b) for a, b in pairs])

    return stack(stack, other), generate


@intrinsic
def _multiply_each(typing_context, stack, vector):
    def generate(context, builder, signature, values):
        vectors = [builder.fmul(a, values[1]) for a in _items(builder, values[0])]
        return _pack(context, builder, stack, vectors)

    return stack(stack, vector), generate


@intrinsic
def _add_products(typing_context, left, right, sums):
    def generate(context, builder, signature, values):
        lefts, rights, before = (_items(builder, value) for value in values)
        products = [(a, b) for a in lefts for b in rights]
        after = [
            call_multiply_add(builder, a, b, s, sums.dtype)
            for (a, b), s in zip(products, before, strict=True)
        ]
        return _pack(context, builder, sums, after)

    return sums(left, right, sums), generate


@intrinsic
def _add_lower_products(typing_context, left, right, sums):
    def generate(context, builder, signature, values):
        lefts, rights, before = (_items(builder, value) for value in values)
        products = [(a, b) for i, a in enumerate(lefts) for b in rights[: i + 1]]
        after = [
            call_multiply_add(builder, a, b, s, sums.dtype)
            for (a, b), s in zip(products, before, strict=True)
        ]
        return _pack(context, builder, sums, after)

    return sums(left, right, sums), generate


def _add_totals(builder, vectors, pointer):
    """Add the totals of one to four vectors to as many numbers at the pointer."""
    n = len(vectors)
    totals = totals_of_four(builder, vectors + [vectors[-1]] * (4 - n))
    doubles = ir.VectorType(ir.DoubleType(), n)
    mask = ir.Constant(ir.VectorType(ir.IntType(32), n), list(range(n)))
    totals = builder.shuffle_vector(totals, totals, mask)
    if totals.type.element != doubles.element:
        totals = builder.fpext(totals, doubles)
    place = builder.bitcast(pointer, doubles.as_pointer())
    before = builder.load(place, align=8)
    builder.store(builder.fadd(before, totals), place, align=8)


@intrinsic
def _add_totals_of_rows(typing_context, stack, rows, sums):
    def generate(context, builder, signature, values):
        first = builder.extract_value(values[1], 0)
        place = _row(context, builder, sums, values[2], first)
        _add_totals(builder, _items(builder, values[0]), place)
        return context.get_dummy_value()

    return types.none(stack, rows, sums), generate


@intrinsic
def _add_totals_of_pairs(typing_context, stack, rows, columns, sums):
    n = columns.count

    def generate(context, builder, signature, values):
        vectors = _items(builder, values[0])
        first = builder.extract_value(values[2], 0)
        for m, i in enumerate(_items(builder, values[1])):
            row = _row(context, builder, sums, values[3], i)
            place = builder.gep(row, [first])
            _add_totals(builder, vectors[m * n : (m + 1) * n], place)
        return context.get_dummy_value()

    return types.none(stack, rows, columns, sums), generate


@intrinsic
def _add_totals_of_lower_pairs(typing_context, stack, rows, sums):
    def generate(context, builder, signature, values):
        vectors = _items(builder, values[0])
        first = builder.extract_value(values[1], 0)
        for m, i in enumerate(_items(builder, values[1])):
            row = _row(context, builder, sums, values[2], i)
            place = builder.gep(row, [first])
            done = m * (m + 1) // 2
            _add_totals(builder, vectors[done : done + m + 1], place)
        return context.get_dummy_value()

    return types.none(stack, rows, sums), generate


@intrinsic
def _add_column(typing_context, matrix, rows, j, vector, stack):
    def generate(context, builder, signature, values):
        after = []
        indices, before = _items(builder, values[1]), _items(builder, values[4])
        for i, y in zip(indices, before, strict=True):
            row = _row(context, builder, matrix, values[0], i)
            weight = builder.load(builder.gep(row, [values[2]]))
            weights = splat_vector(builder, weight, vector)
            after.append(call_multiply_add(builder, weights, values[3], y, vector))
        return _pack(context, builder, stack, after)

    return stack(matrix, rows, types.intp, vector, stack), generate


@intrinsic
def _add_multiples(typing_context, numbers, rows, vector, stack):
    def generate(context, builder, signature, values):
        after = []
        indices, before = _items(builder, values[1]), _items(builder, values[3])
        for i, y in zip(indices, before, strict=True):
            number = _number(context, builder, numbers, values[0], i)
            multiple = splat_vector(builder, number, vector)
            after.append(call_multiply_add(builder, multiple, values[2], y, vector))
        return _pack(context, builder, stack, after)

    return stack(numbers, rows, vector, stack), generate


@intrinsic
def _replace_where_equal(typing_context, vector, number, numbers, rows, stack):
    def generate(context, builder, signature, values):
        label = splat_vector(builder, values[1], vector)
        equal = builder.fcmp_ordered("==", values[0], label)
        after = []
        indices, before = _items(builder, values[3]), _items(builder, values[4])
        for i, y in zip(indices, before, strict=True):
            number = _number(context, builder, numbers, values[2], i)
            after.append(
                builder.select(equal, splat_vector(builder, number, vector), y)
            )
        return _pack(context, builder, stack, after)

    return stack(vector, number, numbers, rows, stack), generate


@intrinsic
def _add_triangle(typing_context, matrix, means, rows, array, b, stack, residuals_out):
    vector = stack.dtype

    def generate(context, builder, signature, values):
        indices, sums = _items(builder, values[2]), _items(builder, values[5])
        # One residual after another: all at once would take registers from the sums.
        for n, j in enumerate(indices):
            row = _row(context, builder, array, values[3], j)
            x = _load(builder, builder.gep(row, [values[4]]), vector)
            mean = _number(context, builder, means, values[1], j)
            residual = builder.fsub(x, splat_vector(builder, mean, vector))
            place = _row(context, builder, residuals_out, values[6], j)
            _store(builder, residual, place, vector)
            for m in range(n, len(indices)):
                row = _row(context, builder, matrix, values[0], indices[m])
                weight = builder.load(builder.gep(row, [j]))
                weights = splat_vector(builder, weight, vector)
                sums[m] = call_multiply_add(builder, weights, residual, sums[m], vector)
        return _pack(context, builder, stack, sums)

    signature = stack(matrix, means, rows, array, types.intp, stack, residuals_out)
    return signature, generate


@intrinsic
def _add_squares(typing_context, stack, vector):
    def generate(context, builder, signature, values):
        total = values[1]
        for y in _items(builder, values[0]):
            total = call_multiply_add(builder, y, y, total, vector)
        return total

    return vector(stack, vector), generate


@overload(load_first_rows)
def _overload_load_first_rows(array, rows, b):
    return lambda array, rows, b: _load_first_rows(array, rows, b)


@overload(load_residuals)
def _overload_load_residuals(array, means, rows, b):
    return lambda array, means, rows, b: _load_residuals(array, means, rows, b)


@overload(store_first_rows)
def _overload_store_first_rows(stack, array, b):
    return lambda stack, array, b: _store_first_rows(stack, array, b)


@overload(repeat_rows)
def _overload_repeat_rows(vector, rows):
    return lambda vector, rows: _repeat_rows(vector, rows)


@overload(repeat_pairs)
def _overload_repeat_pairs(vector, rows, columns):
    return lambda vector, rows, columns: _repeat_pairs(vector, rows, columns)


@overload(repeat_lower_pairs)
def _overload_repeat_lower_pairs(vector, rows):
    return lambda vector, rows: _repeat_lower_pairs(vector, rows)


@overload(add_each)
def _overload_add_each(stack, other):
    return lambda stack, other: _add_each(stack, other)


@overload(multiply_each)
def _overload_multiply_each(stack, vector):
    return lambda stack, vector: _multiply_each(stack, vector)


@overload(add_products)
def _overload_add_products(left, right, sums):
    return lambda left, right, sums: _add_products(left, right, sums)


@overload(add_lower_products)
def _overload_add_lower_products(left, right, sums):
    return lambda left, right, sums: _add_lower_products(left, right, sums)


@overload(add_totals_of_rows)
def _overload_add_totals_of_rows(stack, rows, sums):
    return lambda stack, rows, sums: _add_totals_of_rows(stack, rows, sums)


@overload(add_totals_of_pairs)
def _overload_add_totals_of_pairs(stack, rows, columns, sums):
    return lambda stack, rows, columns, sums: _add_totals_of_pairs(
        stack, rows, columns, sums
    )


@overload(add_totals_of_lower_pairs)
def _overload_add_totals_of_lower_pairs(stack, rows, sums):
    return lambda stack, rows, sums: _add_totals_of_lower_pairs(stack, rows, sums)


@overload(add_column)
def _overload_add_column(matrix, rows, j, vector, stack):
    return lambda matrix, rows, j, vector, stack: _add_column(
        matrix, rows, j, vector, stack
    )


@overload(add_triangle)
def _overload_add_triangle(matrix, means, rows, array, b, stack, residuals_out):
    return lambda matrix, means, rows, array, b, stack, residuals_out: _add_triangle(
        matrix, means, rows, array, b, stack, residuals_out
    )


@overload(add_squares)
def _overload_add_squares(stack, vector):
    return lambda stack, vector: _add_squares(stack, vector)


@overload(load_rows)
def _overload_load_rows(array, rows, b):
    return lambda array, rows, b: _load_rows(array, rows, b)


@overload(store_rows)
def _overload_store_rows(stack, array, rows, b):
    return lambda stack, array, rows, b: _store_rows(stack, array, rows, b)


@overload(add_multiples)
def _overload_add_multiples(numbers, rows, vector, stack):
    return lambda numbers, rows, vector, stack: _add_multiples(
        numbers, rows, vector, stack
    )


@overload(replace_where_equal)
def _overload_replace_where_equal(vector, number, numbers, rows, stack):
    return lambda vector, number, numbers, rows, stack: _replace_where_equal(
        vector, number, numbers, rows, stack
    )


@overload(subtract_each)
def _overload_subtract_each(stack, other):
    return lambda stack, other: _subtract_each(stack, other)
