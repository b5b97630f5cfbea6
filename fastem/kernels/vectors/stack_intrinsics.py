"""The compiled functions of ``stacks``, where each is told in plain Python.

Those are written out for every vector of a stack when a kernel is compiled.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastem.kernels.vectors.llvm import (
    NARROW_BYTES,
    WIDE_BYTES,
    call_multiply_add,
    contiguous,
    splat_vector,
    totals_of_four,
    vector_of,
    vector_pointer,
)

# Rows and columns of a block of sums: the most that leave 32 or 16 registers room for
# operands. With 16, an EM pass over 16 to 64 columns took 1.4 to 1.6 times as long in
# blocks of 4 x 4, which spill, and 1.15 to 1.2 times in blocks of 2 x 2.
BLOCK_ROWS = 4 if WIDE_BYTES == 4 * NARROW_BYTES else 3


def _stack_of(vector, count):
    return types.UniTuple(vector, count)


def _items(builder, stack):
    return [builder.extract_value(stack, n) for n in range(stack.type.count)]


def _pack(context, builder, stack_type, vectors):
    return context.make_tuple(builder, stack_type, vectors)


def _row(context, builder, array_type, array, i):
    """The pointer to row i, or to item i of an array of one dimension."""
    view = contiguous(context, builder, array_type, array)
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
def block_at(typing_context, first):
    """The numbers of BLOCK_ROWS rows: first, first + 1, ..."""
    rows = types.UniTuple(types.intp, BLOCK_ROWS)

    def generate(context, builder, signature, values):
        steps = [ir.Constant(values[0].type, n) for n in range(BLOCK_ROWS)]
        numbers = [builder.add(values[0], step) for step in steps]
        return _pack(context, builder, rows, numbers)

    return rows(types.intp), generate


@intrinsic
def load_first_rows(typing_context, array, rows, b):
    """Narrow vectors array[0, b:], array[1, b:] ..., one for each of the rows."""
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
def load_rows(typing_context, array, rows, b):
    """Narrow vectors array[i, b:] for i in rows."""
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
def store_rows(typing_context, stack, array, rows, b):
    """Write a stack into array[i, b:] for i in rows."""

    def generate(context, builder, signature, values):
        pairs = zip(*(_items(builder, value) for value in values[:3:2]), strict=True)
        for value, i in pairs:
            row = _row(context, builder, array, values[1], i)
            _store(builder, value, builder.gep(row, [values[3]]), stack.dtype)
        return context.get_dummy_value()

    return types.none(stack, array, rows, types.intp), generate


@intrinsic
def load_residuals(typing_context, array, means, rows, b):
    """Narrow vectors array[i, b:] - means[i] for i in rows."""
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
def store_first_rows(typing_context, stack, array, b):
    """Write a stack into array[0, b:], array[1, b:], ..., a row for each vector."""

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
def repeat_rows(typing_context, vector, rows):
    """The vector, once for each of the rows."""
    stack, generate = _repeat(vector, rows.count)
    return stack(vector, rows), generate


@intrinsic
def repeat_pairs(typing_context, vector, rows, columns):
    """The vector, once for each row and column."""
    stack, generate = _repeat(vector, rows.count * columns.count)
    return stack(vector, rows, columns), generate


@intrinsic
def repeat_lower_pairs(typing_context, vector, rows):
    """The vector, once for each pair of rows of which the second is no later."""
    stack, generate = _repeat(vector, rows.count * (rows.count + 1) // 2)
    return stack(vector, rows), generate


@intrinsic
def add_each(typing_context, stack, other):
    """The sum of two stacks."""

    def generate(context, builder, signature, values):
        pairs = zip(*(_items(builder, value) for value in values), strict=True)
        return _pack(context, builder, stack, [builder.fadd(a, b) for a, b in pairs])

    return stack(stack, other), generate


@intrinsic
def subtract_each(typing_context, stack, other):
    """The difference of two stacks."""

    def generate(context, builder, signature, values):
        pairs = zip(*(_items(builder, value) for value in values), strict=True)
        return _pack(context, builder, stack, [builder.fsub(a, b) for a, b in pairs])

    return stack(stack, other), generate


@intrinsic
def multiply_each(typing_context, stack, vector):
    """Each vector of the stack times the same one."""

    def generate(context, builder, signature, values):
        vectors = [builder.fmul(a, values[1]) for a in _items(builder, values[0])]
        return _pack(context, builder, stack, vectors)

    return stack(stack, vector), generate


@intrinsic
def add_products(typing_context, left, right, sums):
    """Each vector of the left stack times each of the right one, onto the sums."""

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
def add_lower_products(typing_context, left, right, sums):
    """Products left[i] * right[j] for j <= i, onto the sums."""

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
    # Without these flags the caller's let LLVM add ``before`` to one half of a total
    # first, or not: that depended on the kernels that the process had compiled.
    after = builder.fadd(before, totals, flags=("contract",))
    builder.store(after, place, align=8)


@intrinsic
def add_totals_of_rows(typing_context, stack, rows, sums):
    """sums[i] += total of the vector of row i. ``sums`` is float64."""

    def generate(context, builder, signature, values):
        first = builder.extract_value(values[1], 0)
        place = _row(context, builder, sums, values[2], first)
        _add_totals(builder, _items(builder, values[0]), place)
        return context.get_dummy_value()

    return types.none(stack, rows, sums), generate


@intrinsic
def add_totals_of_pairs(typing_context, stack, rows, columns, sums):
    """sums[i, j] += total of the vector of row i and column j."""
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
def add_totals_of_lower_pairs(typing_context, stack, rows, sums):
    """sums[i, j] += total of the vector of rows i and j <= i."""

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
def add_column(typing_context, matrix, rows, j, vector, stack):
    """Wide vectors stack[i] + matrix[i, j] * vector for i in rows."""

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
def add_multiples(typing_context, numbers, rows, vector, stack):
    """Vectors stack[i] + numbers[i] * vector for i in rows."""

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
def replace_where_equal(typing_context, vector, number, numbers, rows, stack):
    """Vectors stack[i], with numbers[i] in the lanes where vector is the number."""

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
def add_triangle(typing_context, matrix, means, rows, array, b, stack, residuals_out):
    """Wide vectors stack[i] + sum of matrix[i, j] * residual[j], j <= i in rows."""
    vector = stack.dtype

    def generate(context, builder, signature, values):
        indices, sums = _items(builder, values[2]), _items(builder, values[5])
        # One residual after another: all at once would take registers from the sums.
        for n, j in enumerate(indices):
            row = _row(context, builder, array, values[3], j)
            x = _load(builder, builder.gep(row, [values[4]]), vector)
            mean = _number(context, builder, means, values[1], j)
            residual = builder.fsub(x, splat_vector(builder, mean, vector))
            if residuals_out != types.none:
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
def add_squares(typing_context, stack, vector):
    """The vector, plus the square of each vector of the stack."""

    def generate(context, builder, signature, values):
        total = values[1]
        for y in _items(builder, values[0]):
            total = call_multiply_add(builder, y, y, total, vector)
        return total

    return vector(stack, vector), generate
