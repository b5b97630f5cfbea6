"""The two inner loops of the full structure, in blocks of up to four rows.

Both work on a lower triangle: what is left of a block on the diagonal, and then the
block itself, of which nothing above the diagonal is computed. A block loads a vector
once and does four multiply-adds with it: one row at a time, loads would take longer
than arithmetic.
"""

from fastem.kernels.compilation import subroutine
from fastem.kernels.stacks import (
    add_column,
    add_each,
    add_lower_products,
    add_products,
    add_squares,
    add_totals_of_lower_pairs,
    add_totals_of_pairs,
    add_totals_of_rows,
    add_triangle,
    load_first_rows,
    load_residuals,
    multiply_each,
    repeat_lower_pairs,
    repeat_pairs,
    repeat_rows,
    store_rows,
)
from fastem.kernels.vectors import (
    add_totals,
    load_narrow,
    load_wide,
    multiply_add,
    narrow_lanes,
    splat_narrow,
    splat_wide,
    total,
)


@subroutine()
def add_squared_rows(rows, whitener, mean, tile, b, residuals, distance):
    """The distance plus squares of ``rows`` of whitener @ (tile[:, b:] - mean).

    Wide vectors. ``residuals`` (D, lanes) holds the residuals of the rows before, and
    gets those of these rows.
    """
    y = repeat_rows(splat_wide(tile.dtype.type(0)), rows)
    for j in range(rows[0]):
        y = add_column(whitener, rows, j, load_wide(residuals[j], 0), y)
    y = add_triangle(whitener, mean, rows, tile, b, y, residuals)
    return add_squares(y, distance)


@subroutine()
def add_diagonal_scatter(rows, r, tile, mean, weighted_out, first_out, scatter_out):
    """Add moments of ``rows`` about the mean, weighted by r: first, and second ones.

    ``weighted_out`` (4, B) gets r times the residuals.
    """
    zero = splat_narrow(tile.dtype.type(0))
    first = repeat_rows(zero, rows)
    second = repeat_lower_pairs(zero, rows)
    for b in range(0, tile.shape[1], narrow_lanes(tile)):
        residuals = load_residuals(tile, mean, rows, b)
        weighted = multiply_each(residuals, load_narrow(r, b))
        store_rows(weighted, weighted_out, b)
        first = add_each(first, weighted)
        second = add_lower_products(weighted, residuals, second)
    add_totals_of_rows(first, rows, first_out)
    add_totals_of_lower_pairs(second, rows, scatter_out)


@subroutine()
def add_scatter(rows, columns, weighted, tile, mean, scatter_out):
    """Add second moments of ``rows``, whose ``weighted`` residuals are known."""
    zero = splat_narrow(tile.dtype.type(0))
    second = repeat_pairs(zero, rows, columns)
    for b in range(0, tile.shape[1], narrow_lanes(tile)):
        left = load_first_rows(weighted, rows, b)
        right = load_residuals(tile, mean, columns, b)
        second = add_products(left, right, second)
    add_totals_of_pairs(second, rows, columns, scatter_out)


@subroutine()
def four_products(matrix, panel, first):
    """Rows first to first + 3 of matrix @ panel, as wide vectors.

    ``matrix`` is lower triangular (D, D), ``panel`` (D, lanes of a wide vector).
    """
    m0, m1 = matrix[first], matrix[first + 1]
    m2, m3 = matrix[first + 2], matrix[first + 3]
    zero = splat_wide(panel.dtype.type(0))
    y0 = zero
    y1 = zero
    y2 = zero
    y3 = zero
    for j in range(first + 4):
        x = load_wide(panel[j], 0)
        y0 = multiply_add(splat_wide(m0[j]), x, y0)
        y1 = multiply_add(splat_wide(m1[j]), x, y1)
        y2 = multiply_add(splat_wide(m2[j]), x, y2)
        y3 = multiply_add(splat_wide(m3[j]), x, y3)
    return y0, y1, y2, y3


@subroutine()
def one_product(matrix, panel, row):
    """One row of matrix @ panel, as a wide vector."""
    m = matrix[row]
    y = splat_wide(panel.dtype.type(0))
    for j in range(row + 1):
        y = multiply_add(splat_wide(m[j]), load_wide(panel[j], 0), y)
    return y


@subroutine()
def add_lower_product(left, right, sums_out):
    """sums_out += left @ right.T, lower triangle only, in blocks of 4 x 4.

    ``left`` and ``right`` are (D, B), ``sums_out`` (D, D). Blocks on the diagonal
    are written whole.
    """
    n_rows, n_columns = left.shape
    lanes = narrow_lanes(left)
    zero = splat_narrow(left.dtype.type(0))
    n_fours = n_rows - n_rows % 4
    for i in range(0, n_fours, 4):
        l0, l1, l2, l3 = left[i], left[i + 1], left[i + 2], left[i + 3]
        for j in range(0, i + 4, 4):
            r0, r1, r2, r3 = right[j], right[j + 1], right[j + 2], right[j + 3]
            s00 = s01 = s02 = s03 = zero
            s10 = s11 = s12 = s13 = zero
            s20 = s21 = s22 = s23 = zero
            s30 = s31 = s32 = s33 = zero
            for b in range(0, n_columns, lanes):
                z0, z1 = load_narrow(r0, b), load_narrow(r1, b)
                z2, z3 = load_narrow(r2, b), load_narrow(r3, b)
                x = load_narrow(l0, b)
                s00 = multiply_add(x, z0, s00)
                s01 = multiply_add(x, z1, s01)
                s02 = multiply_add(x, z2, s02)
                s03 = multiply_add(x, z3, s03)
                x = load_narrow(l1, b)
                s10 = multiply_add(x, z0, s10)
                s11 = multiply_add(x, z1, s11)
                s12 = multiply_add(x, z2, s12)
                s13 = multiply_add(x, z3, s13)
                x = load_narrow(l2, b)
                s20 = multiply_add(x, z0, s20)
                s21 = multiply_add(x, z1, s21)
                s22 = multiply_add(x, z2, s22)
                s23 = multiply_add(x, z3, s23)
                x = load_narrow(l3, b)
                s30 = multiply_add(x, z0, s30)
                s31 = multiply_add(x, z1, s31)
                s32 = multiply_add(x, z2, s32)
                s33 = multiply_add(x, z3, s33)
            add_totals(s00, s01, s02, s03, sums_out[i], j)
            add_totals(s10, s11, s12, s13, sums_out[i + 1], j)
            add_totals(s20, s21, s22, s23, sums_out[i + 2], j)
            add_totals(s30, s31, s32, s33, sums_out[i + 3], j)
    for i in range(n_fours, n_rows):
        l0 = left[i]
        for j in range(i + 1):
            r0 = right[j]
            s00 = zero
            for b in range(0, n_columns, lanes):
                s00 = multiply_add(load_narrow(l0, b), load_narrow(r0, b), s00)
            sums_out[i, j] += total(s00)
