"""The two inner loops of the full structure, in blocks of up to four rows.

Both work on a lower triangle: what is left of a block on the diagonal, and then the
block itself, of which nothing above the diagonal is computed. A block loads a vector
once and does up to four multiply-adds with it: one row at a time, loads would take
longer than arithmetic.
"""

from fastem.kernels.compilation import subroutine
from fastem.kernels.vectors.arithmetic import (
    load_narrow,
    load_wide,
    multiply_add,
    narrow_lanes,
    splat_narrow,
    splat_wide,
)
from fastem.kernels.vectors.stacks import (
    BLOCK_ROWS,
    add_column,
    add_each,
    add_lower_products,
    add_products,
    add_squares,
    add_totals_of_lower_pairs,
    add_totals_of_pairs,
    add_totals_of_rows,
    add_triangle,
    block_at,
    load_first_rows,
    load_residuals,
    load_rows,
    multiply_each,
    repeat_lower_pairs,
    repeat_pairs,
    repeat_rows,
    store_first_rows,
)


@subroutine(forceinline=True)
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


@subroutine(forceinline=True)
def first_squares(whitener, mean, tile, b):
    """The first four squares of squared_distances, for no others to follow."""
    zero = splat_wide(tile.dtype.type(0))
    four = (0, 1, 2, 3)
    y = repeat_rows(zero, four)
    y = add_triangle(whitener, mean, four, tile, b, y, None)
    return add_squares(y, zero)


@subroutine(forceinline=True)
def squared_distances(whitener, mean, tile, b, residuals):
    """Squares of whitener @ (tile[:, b:] - mean), added up: a wide vector.

    Of a tile of the first C columns (C, B), those of the first C rows of the product.
    ``residuals`` (D, lanes) is space.
    """
    n_columns = tile.shape[0]
    rest = n_columns % 4
    n_fours = n_columns - rest
    place = whitener, mean, tile, b, residuals
    distance = splat_wide(tile.dtype.type(0))
    for i in range(0, n_fours, 4):
        distance = add_squared_rows((i, i + 1, i + 2, i + 3), *place, distance)
    i = n_fours
    if rest == 1:
        distance = add_squared_rows((i,), *place, distance)
    elif rest == 2:
        distance = add_squared_rows((i, i + 1), *place, distance)
    elif rest == 3:
        distance = add_squared_rows((i, i + 1, i + 2), *place, distance)
    return distance


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
        store_first_rows(weighted, weighted_out, b)
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
def add_listed_diagonal_scatter(
    rows, r, tile, mean, places, weighted_out, first_out, scatter_out
):
    """Like add_diagonal_scatter, of the vectors of rows at these places alone."""
    zero = splat_narrow(tile.dtype.type(0))
    first = repeat_rows(zero, rows)
    second = repeat_lower_pairs(zero, rows)
    for n in range(places.shape[0]):
        b = places[n]
        residuals = load_residuals(tile, mean, rows, b)
        weighted = multiply_each(residuals, load_narrow(r, b))
        store_first_rows(weighted, weighted_out, b)
        first = add_each(first, weighted)
        second = add_lower_products(weighted, residuals, second)
    add_totals_of_rows(first, rows, first_out)
    add_totals_of_lower_pairs(second, rows, scatter_out)


@subroutine()
def add_listed_scatter(rows, columns, weighted, tile, mean, places, scatter_out):
    """Like add_scatter, of the vectors of rows at these places alone."""
    zero = splat_narrow(tile.dtype.type(0))
    second = repeat_pairs(zero, rows, columns)
    for n in range(places.shape[0]):
        b = places[n]
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
def _add_product_of_rows(rows, left, right, sums_out):
    lanes = narrow_lanes(left)
    zero = splat_narrow(left.dtype.type(0))
    for j in range(0, rows[0], BLOCK_ROWS):
        columns = block_at(j)
        sums = repeat_pairs(zero, rows, columns)
        for b in range(0, left.shape[1], lanes):
            left_rows, right_rows = (
                load_rows(left, rows, b),
                load_rows(right, columns, b),
            )
            sums = add_products(left_rows, right_rows, sums)
        add_totals_of_pairs(sums, rows, columns, sums_out)
    lower = repeat_lower_pairs(zero, rows)
    for b in range(0, left.shape[1], lanes):
        left_rows, right_rows = load_rows(left, rows, b), load_rows(right, rows, b)
        lower = add_lower_products(left_rows, right_rows, lower)
    add_totals_of_lower_pairs(lower, rows, sums_out)


@subroutine()
def add_lower_product(left, right, sums_out):
    """sums_out (D, D) += left @ right.T of (D, B) arrays, the lower triangle only."""
    n_rows = left.shape[0]
    rest = n_rows % BLOCK_ROWS
    i = n_rows - rest
    for j in range(0, i, BLOCK_ROWS):
        _add_product_of_rows(block_at(j), left, right, sums_out)
    if rest == 1:
        _add_product_of_rows((i,), left, right, sums_out)
    elif rest == 2:
        _add_product_of_rows((i, i + 1), left, right, sums_out)
    elif rest == 3:
        _add_product_of_rows((i, i + 1, i + 2), left, right, sums_out)
