"""Transposes squares of numbers in registers: rows of a table, columns of a tile."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastem.kernels.compilation import compiled_by
from fastem.kernels.llvm_vectors import (
    NARROW_BYTES,
    contiguous,
    llvm_type,
    shuffle,
    vector_of,
)
from fastem.kernels.vectors import narrow_lanes


def _transpose(builder, vectors):
    """Vectors of the columns of the square whose rows are given.

    Each stage interleaves vectors that lie half of them apart.
    """
    n = len(vectors)
    half = n // 2
    low = [lane for i in range(half) for lane in (i, n + i)]
    high = [lane + half for lane in low]
    for _ in range(n.bit_length() - 1):
        pairs = [(vectors[i], vectors[i + half]) for i in range(half)]
        vectors = [
            shuffle(builder, a, b, lanes) for a, b in pairs for lanes in (low, high)
        ]
    return vectors


@intrinsic
def _store_transposed(typing_context, X, row, column, center, tile, b):
    vector = vector_of(X.dtype, NARROW_BYTES)
    n = vector.lanes

    def generate(context, builder, signature, values):
        llvm_vector = llvm_type(vector)
        doubles = ir.VectorType(ir.DoubleType(), n)
        alignment = X.dtype.bitwidth // 8

        def pointer(array_type, array, i, j):
            data = contiguous(context, builder, array_type, array)
            width = builder.extract_value(data.shape, 1)
            index = builder.add(builder.mul(i, width), j)
            return builder.bitcast(
                builder.gep(data.data, [index]), llvm_vector.as_pointer()
            )

        def shifted(base, i):
            return builder.add(base, ir.Constant(base.type, i))

        row_, column_, b_ = values[1], values[2], values[5]
        rows = [
            builder.load(
                pointer(X, values[0], shifted(row_, i), column_), align=alignment
            )
            for i in range(n)
        ]
        if center != types.none:
            means = contiguous(context, builder, center, values[3]).data
            mean = builder.load(
                builder.bitcast(builder.gep(means, [column_]), doubles.as_pointer()),
                align=8,
            )
            if X.dtype == types.float32:
                rows = [builder.fpext(values_, doubles) for values_ in rows]
            rows = [builder.fsub(values_, mean) for values_ in rows]
            if X.dtype == types.float32:
                rows = [builder.fptrunc(values_, llvm_vector) for values_ in rows]
        for j, values_ in enumerate(_transpose(builder, rows)):
            target = pointer(tile, values[4], shifted(column_, j), b_)
            builder.store(values_, target, align=alignment)
        return context.get_dummy_value()

    return types.none(X, types.intp, types.intp, center, tile, types.intp), generate


@compiled_by(_store_transposed)
def store_transposed(X, row, column, center, tile, b):
    """Copy a square of X, less the center, to the tile: a narrow vector each way.

    tile[column + j, b + i] = X[row + i, column + j] - center[column + j], for i and j
    up to the lanes of a narrow vector. ``center`` is float64, and so the difference;
    None for one of zeros.
    """
    n = narrow_lanes(tile)
    columns = slice(column, column + n)
    square = X[row : row + n, columns]
    if center is not None:
        square = square - center[columns]
    tile[columns, b : b + n] = square.T
