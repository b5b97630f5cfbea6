"""Transposes numbers in registers: rows of a table, columns of a tile.

A strip of four columns is a transposition of four by four within each group of four
lanes: loads of four numbers, and two stages of shuffles however many lanes there are.
A table of fewer columns is a run of whole vectors, whose lanes are put in order.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastem.kernels.compilation import compiled_by, subroutine
from fastem.kernels.vectors.arithmetic import narrow_lanes
from fastem.kernels.vectors.llvm import NARROW_BYTES, contiguous, shuffle

_STRIP = 4


@subroutine()
def transposed_rows(array):
    """Rows that are transposed at once: a narrow vector of them, but at least four."""
    return max(_STRIP, narrow_lanes(array))


def _transpose_groups(builder, vectors):
    """Transpose four vectors in each group of four lanes: its own inverse.

    Two stages, either of pairs of numbers that lie side by side, or of pairs that one
    instruction finds in each half of a register of doubles: half as many of them.
    """
    n = vectors[0].type.count
    groups = range(0, n, 4)
    if vectors[0].type.element == ir.DoubleType():
        even = [lane for g in groups for lane in (g, n + g, g + 2, n + g + 2)]
        odd = [lane + 1 for lane in even]
        low = [lane for g in groups for lane in (g, g + 1, n + g, n + g + 1)]
        high = [lane + 2 for lane in low]
        a, b, c, d = vectors
        vectors = [
            shuffle(builder, x, y, lanes)
            for x, y in ((a, b), (c, d))
            for lanes in (even, odd)
        ]
        a, b, c, d = vectors
        return [
            shuffle(builder, x, y, lanes)
            for lanes in (low, high)
            for x, y in ((a, c), (b, d))
        ]
    low = [lane for g in groups for lane in (g, n + g, g + 1, n + g + 1)]
    high = [lane + 2 for lane in low]
    for _ in range(2):
        pairs = [(vectors[0], vectors[2]), (vectors[1], vectors[3])]
        vectors = [
            shuffle(builder, a, b, lanes) for a, b in pairs for lanes in (low, high)
        ]
    return vectors


def _pick(builder, vectors, places):
    """A vector of the lanes at these places, counted through the vectors."""
    n = len(places)
    picked = vectors[0]
    for v, vector in enumerate(vectors):
        lanes = [
            n + place % n if place // n == v else lane
            for lane, place in enumerate(places)
        ]
        picked = shuffle(builder, picked, vector, lanes)
    return picked


def _join(builder, vectors):
    """One vector of all lanes of one, two or four vectors."""
    while len(vectors) > 1:
        lanes = range(2 * vectors[0].type.count)
        halves = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [shuffle(builder, a, b, lanes) for a, b in halves]
    return vectors[0]


class _Table:
    """Vectors of consecutive numbers of an array, at a row and a column or past it."""

    def __init__(self, context, builder, array_type, array):
        self._builder = builder
        self._view = contiguous(context, builder, array_type, array)
        self._element = context.get_data_type(array_type.dtype)
        self._align = array_type.dtype.bitwidth // 8

    def _pointer(self, row, column, past, count):
        builder, data = self._builder, self._view.data
        if row is not None:
            width = builder.extract_value(self._view.shape, 1)
            data = builder.gep(data, [builder.mul(row, width)])
        data = builder.gep(
            builder.gep(data, [column]), [ir.Constant(column.type, past)]
        )
        vector = ir.VectorType(self._element, count)
        return builder.bitcast(data, vector.as_pointer())

    def load(self, row, column, count, past=0):
        pointer = self._pointer(row, column, past, count)
        return self._builder.load(pointer, align=self._align)

    def store(self, vector, row, column, past=0):
        pointer = self._pointer(row, column, past, vector.type.count)
        self._builder.store(vector, pointer, align=self._align)


def _shifted(builder, index, distance):
    return builder.add(index, ir.Constant(index.type, distance))


def _subtract(builder, a, b):
    # Numba would add the flags of the caller, and LLVM reorder what is to be exact.
    return builder.fsub(a, b, flags=("contract",))


def _rows_at_once(dtype):
    return max(_STRIP, NARROW_BYTES * 8 // dtype.bitwidth)


def _write_columns(context, builder, types_of, vectors, first, center, out, b):
    """Write vectors of rows, less the center, as columns of a tile."""
    X, n_columns, center_type, tile = types_of
    if tile.dtype != X.dtype:
        wider = ir.VectorType(ir.DoubleType(), vectors[0].type.count)
        vectors = [builder.fpext(vector, wider) for vector in vectors]
    means = []
    if center_type != types.none:
        centers = _Table(context, builder, center_type, center)
        means = [centers.load(None, first, n_columns)]
    if means and tile.dtype == types.float32:
        floats = ir.VectorType(ir.FloatType(), n_columns)
        high = builder.fptrunc(means[0], floats)
        low = _subtract(builder, means[0], builder.fpext(high, means[0].type))
        means = [high, builder.fptrunc(low, floats)]
    n = vectors[0].type.count
    for v in range(n_columns):
        lanes = [(v * n + lane) % n_columns for lane in range(n)]
        for mean in means:
            repeated = shuffle(builder, mean, mean, lanes)
            vectors[v] = _subtract(builder, vectors[v], repeated)
    if n_columns == _STRIP:
        vectors = _transpose_groups(builder, vectors)
    else:
        vectors = [
            _pick(builder, vectors, range(j, n * n_columns, n_columns))
            for j in range(n_columns)
        ]
    columns = _Table(context, builder, tile, out)
    for j, vector in enumerate(vectors):
        columns.store(vector, _shifted(builder, first, j), b)
    return context.get_dummy_value()


def _strips(builder, rows, row_at, first, n):
    """Four vectors of ``n`` rows' four numbers each: of rows 0, 4, ...; 1, 5, ..."""
    return [
        _join(
            builder,
            [rows.load(row_at(q + g), first, _STRIP) for g in range(0, n, _STRIP)],
        )
        for q in range(_STRIP)
    ]


@intrinsic
def _load_transposed(typing_context, X, row, columns, center, tile, b):
    n, n_columns = _rows_at_once(X.dtype), columns.count

    def generate(context, builder, signature, values):
        rows = _Table(context, builder, X, values[0])
        first = builder.extract_value(values[2], 0)
        if n_columns == _STRIP:
            vectors = _strips(
                builder, rows, lambda q: _shifted(builder, values[1], q), first, n
            )
        else:
            vectors = [rows.load(values[1], first, n, v * n) for v in range(n_columns)]
        types_of = X, n_columns, center, tile
        return _write_columns(context, builder, types_of, vectors, first, *values[3:])

    signature = types.none(X, types.intp, columns, center, tile, types.intp)
    return signature, generate


@intrinsic
def _listed_rows(typing_context, X, places, a):
    rows = types.UniTuple(types.intp, _rows_at_once(X.dtype))

    def generate(context, builder, signature, values):
        listed = contiguous(context, builder, places, values[1]).data
        numbers = [
            builder.load(builder.gep(listed, [_shifted(builder, values[2], q)]))
            for q in range(rows.count)
        ]
        return context.make_tuple(builder, rows, numbers)

    return rows(X, places, types.intp), generate


@intrinsic
def _gather_transposed(typing_context, X, start, rows, columns, center, tile, b):
    def generate(context, builder, signature, values):
        table = _Table(context, builder, X, values[0])
        first = builder.extract_value(values[3], 0)

        def row_at(q):
            return builder.add(values[1], builder.extract_value(values[2], q))

        vectors = _strips(builder, table, row_at, first, rows.count)
        types_of = X, _STRIP, center, tile
        return _write_columns(context, builder, types_of, vectors, first, *values[4:])

    signature = types.none(X, types.intp, rows, columns, center, tile, types.intp)
    return signature, generate


@intrinsic
def _store_transposed(typing_context, values, factors, b, columns, table, row):
    n, n_columns = _rows_at_once(values.dtype), columns.count

    def generate(context, builder, signature, arguments):
        columns_in, factors_in, out = (
            _Table(context, builder, array_type, arguments[place])
            for array_type, place in ((values, 0), (factors, 1), (table, 4))
        )
        b_, row_ = arguments[2], arguments[5]
        first = builder.extract_value(arguments[3], 0)
        factor = factors_in.load(None, b_, n)
        vectors = [
            builder.fmul(columns_in.load(_shifted(builder, first, k), b_, n), factor)
            for k in range(n_columns)
        ]
        if table.dtype != values.dtype:
            narrower = ir.VectorType(ir.FloatType(), n)
            vectors = [builder.fptrunc(vector, narrower) for vector in vectors]
        if n_columns == _STRIP:
            for q, vector in enumerate(_transpose_groups(builder, vectors)):
                for g in range(0, n, _STRIP):
                    strip = shuffle(builder, vector, vector, range(g, g + _STRIP))
                    out.store(strip, _shifted(builder, row_, q + g), first)
        else:
            for v in range(n_columns):
                places = [
                    place % n_columns * n + place // n_columns
                    for place in range(v * n, v * n + n)
                ]
                out.store(_pick(builder, vectors, places), row_, first, v * n)
        return context.get_dummy_value()

    signature = types.none(values, factors, types.intp, columns, table, types.intp)
    return signature, generate


@compiled_by(_load_transposed)
def load_transposed(X, row, columns, center, tile_out, b):
    """Copy rows of X, less the center, to columns of a tile.

    tile_out[j, b + i] = X[row + i, j] - center[j] for i < ``transposed_rows`` and j in
    ``columns``: four consecutive ones, or else all that X has.

    A tile of float64 takes rows of float32, too. ``center`` is float64. In a tile of
    float32 it is subtracted as the sum of two numbers of that type: near the center,
    where digits would be lost, the first difference is exact. Taking it in float64 was
    three times the instructions. None: no center.
    """
    rows, n = slice(row, row + transposed_rows(X)), transposed_rows(X)
    if center is None:
        for j in columns:
            tile_out[j, b : b + n] = X[rows, j]
        return
    high = center.astype(tile_out.dtype)
    low = (center - high).astype(tile_out.dtype)
    for j in columns:
        tile_out[j, b : b + n] = X[rows, j] - high[j] - low[j]


@compiled_by(_listed_rows)
def listed_rows(X, places, a):
    """The numbers places[a:], of as many rows of X as are transposed at once."""
    return tuple(places[a : a + transposed_rows(X)])


@compiled_by(_gather_transposed)
def gather_transposed(X, start, rows, columns, center, tile_out, b):
    """Copy listed rows of X, less the center, to columns of a tile.

    Like load_transposed, of the rows start + rows[0], start + rows[1], ... and of four
    columns.
    """
    load_transposed(X[start + np.array(rows)], 0, columns, center, tile_out, b)


@compiled_by(_store_transposed)
def store_transposed(values, factors, b, columns, table_out, row):
    """Copy columns of ``values`` (K, B), times the factors (B,), to rows of a table.

    table_out[row + i, k] = values[k, b + i] * factors[b + i], for i and k as above.
    A table of float32 takes values of float64, too.
    """
    n = transposed_rows(values)
    for k in columns:
        table_out[row : row + n, k] = (values[k] * factors)[b : b + n]
