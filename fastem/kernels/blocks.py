"""The two inner loops of every dense structure, in blocks of 4 x 4 features.

Rows of a tile are contiguous, so each loop over ``b`` becomes vector code. A
block loads 4 rows of the tile and does 16 multiply-adds a vector with them:
one row at a time, loads would take longer than arithmetic.
"""

from fastem.kernels.compilation import subroutine


@subroutine()
def four_rows_of_product(matrix, rows, first, product_out):
    """product_out = matrix[first : first + 4] @ rows, for lower triangular matrix.

    ``rows`` is (D, B), ``product_out`` (4, B), and ``first`` a multiple of 4.
    """
    y0, y1, y2, y3 = product_out[0], product_out[1], product_out[2], product_out[3]
    m0, m1 = matrix[first], matrix[first + 1]
    m2, m3 = matrix[first + 2], matrix[first + 3]
    # The diagonal block comes first: it sets what the others add to.
    d0, d1, d2, d3 = rows[first], rows[first + 1], rows[first + 2], rows[first + 3]
    a00 = m0[first]
    a10, a11 = m1[first], m1[first + 1]
    a20, a21, a22 = m2[first], m2[first + 1], m2[first + 2]
    a30, a31, a32, a33 = m3[first], m3[first + 1], m3[first + 2], m3[first + 3]
    for b in range(rows.shape[1]):
        x0, x1, x2, x3 = d0[b], d1[b], d2[b], d3[b]
        y0[b] = a00 * x0
        y1[b] = a10 * x0 + a11 * x1
        y2[b] = a20 * x0 + a21 * x1 + a22 * x2
        y3[b] = a30 * x0 + a31 * x1 + a32 * x2 + a33 * x3
    for j in range(0, first, 4):
        d0, d1, d2, d3 = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
        a00, a01, a02, a03 = m0[j], m0[j + 1], m0[j + 2], m0[j + 3]
        a10, a11, a12, a13 = m1[j], m1[j + 1], m1[j + 2], m1[j + 3]
        a20, a21, a22, a23 = m2[j], m2[j + 1], m2[j + 2], m2[j + 3]
        a30, a31, a32, a33 = m3[j], m3[j + 1], m3[j + 2], m3[j + 3]
        for b in range(rows.shape[1]):
            x0, x1, x2, x3 = d0[b], d1[b], d2[b], d3[b]
            y0[b] += a00 * x0 + a01 * x1 + a02 * x2 + a03 * x3
            y1[b] += a10 * x0 + a11 * x1 + a12 * x2 + a13 * x3
            y2[b] += a20 * x0 + a21 * x1 + a22 * x2 + a23 * x3
            y3[b] += a30 * x0 + a31 * x1 + a32 * x2 + a33 * x3


@subroutine()
def one_row_of_product(matrix, rows, row, product_out):
    """product_out[0] = matrix[row] @ rows, for lower triangular matrix."""
    y, m = product_out[0], matrix[row]
    for b in range(rows.shape[1]):
        y[b] = 0
    n_fours = (row + 1) - (row + 1) % 4
    for j in range(0, n_fours, 4):
        d0, d1, d2, d3 = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
        a0, a1, a2, a3 = m[j], m[j + 1], m[j + 2], m[j + 3]
        for b in range(rows.shape[1]):
            y[b] += a0 * d0[b] + a1 * d1[b] + a2 * d2[b] + a3 * d3[b]
    for j in range(n_fours, row + 1):
        d0, a0 = rows[j], m[j]
        for b in range(rows.shape[1]):
            y[b] += a0 * d0[b]


@subroutine()
def add_lower_product(left, right, sums_out):
    """sums_out += left @ right.T, lower triangle only, in blocks of 4 x 4.

    ``left`` and ``right`` are (D, B), ``sums_out`` (D, D). Blocks on the diagonal
    are written whole.
    """
    n_rows, n_columns = left.shape
    zero = left.dtype.type(0)
    n_fours = n_rows - n_rows % 4
    for i in range(0, n_fours, 4):
        l0, l1, l2, l3 = left[i], left[i + 1], left[i + 2], left[i + 3]
        for j in range(0, i + 4, 4):
            r0, r1, r2, r3 = right[j], right[j + 1], right[j + 2], right[j + 3]
            s00 = s01 = s02 = s03 = zero
            s10 = s11 = s12 = s13 = zero
            s20 = s21 = s22 = s23 = zero
            s30 = s31 = s32 = s33 = zero
            for b in range(n_columns):
                x0, x1, x2, x3 = l0[b], l1[b], l2[b], l3[b]
                z0, z1, z2, z3 = r0[b], r1[b], r2[b], r3[b]
                s00 += x0 * z0
                s01 += x0 * z1
                s02 += x0 * z2
                s03 += x0 * z3
                s10 += x1 * z0
                s11 += x1 * z1
                s12 += x1 * z2
                s13 += x1 * z3
                s20 += x2 * z0
                s21 += x2 * z1
                s22 += x2 * z2
                s23 += x2 * z3
                s30 += x3 * z0
                s31 += x3 * z1
                s32 += x3 * z2
                s33 += x3 * z3
            sums_out[i, j] += s00
            sums_out[i, j + 1] += s01
            sums_out[i, j + 2] += s02
            sums_out[i, j + 3] += s03
            sums_out[i + 1, j] += s10
            sums_out[i + 1, j + 1] += s11
            sums_out[i + 1, j + 2] += s12
            sums_out[i + 1, j + 3] += s13
            sums_out[i + 2, j] += s20
            sums_out[i + 2, j + 1] += s21
            sums_out[i + 2, j + 2] += s22
            sums_out[i + 2, j + 3] += s23
            sums_out[i + 3, j] += s30
            sums_out[i + 3, j + 1] += s31
            sums_out[i + 3, j + 2] += s32
            sums_out[i + 3, j + 3] += s33
    for i in range(n_fours, n_rows):
        l0 = left[i]
        for j in range(0, n_fours, 4):
            r0, r1, r2, r3 = right[j], right[j + 1], right[j + 2], right[j + 3]
            s00 = s01 = s02 = s03 = zero
            for b in range(n_columns):
                x0 = l0[b]
                s00 += x0 * r0[b]
                s01 += x0 * r1[b]
                s02 += x0 * r2[b]
                s03 += x0 * r3[b]
            sums_out[i, j] += s00
            sums_out[i, j + 1] += s01
            sums_out[i, j + 2] += s02
            sums_out[i, j + 3] += s03
        for j in range(n_fours, i + 1):
            r0 = right[j]
            s00 = zero
            for b in range(n_columns):
                s00 += l0[b] * r0[b]
            sums_out[i, j] += s00
