"""Blocks of rows in registers, against matrix products of NumPy."""

import numpy as np
import pytest

from fastem.kernels.blocks import (
    add_diagonal_scatter,
    add_lower_product,
    add_scatter,
    add_squared_rows,
)
from fastem.kernels.compilation import kernel
from fastem.kernels.vectors.arithmetic import (
    load_narrow,
    load_wide,
    splat_like,
    store,
)
from fastem.kernels.vectors.llvm import NARROW_BYTES, WIDE_BYTES
from fastem.kernels.vectors.stacks import (
    add_multiples,
    load_rows,
    replace_where_equal,
    store_rows,
)

pytestmark = pytest.mark.interpreted

WIDTH = 64
N_BEFORE = 4  # rows before the block
BLOCKS = [(4,), (4, 5), (4, 5, 6), (4, 5, 6, 7)]


@pytest.fixture(params=[np.float32, np.float64])
def whole(request, random):
    """Draws arrays of small whole numbers: every result below is exact."""
    return lambda *shape: random.integers(-4, 5, size=shape).astype(request.param)


@pytest.fixture(params=BLOCKS, ids=lambda rows: f"{len(rows)} rows")
def rows(request):
    return request.param


@kernel()
def squares(rows, whitener, mean, tile, residuals, out):
    zero = splat_like(load_wide(tile[0], 0), 0.0)
    before = add_squared_rows((0, 1, 2, 3), whitener, mean, tile, 0, residuals, zero)
    distance = add_squared_rows(rows, whitener, mean, tile, 0, residuals, before)
    store(distance, out, 0)


def test_squared_rows_are_those_of_the_lower_triangle(whole, rows):
    D = N_BEFORE + len(rows)
    whitener, mean, tile = whole(D, D), whole(D), whole(D, WIDTH)
    out = np.zeros(WIDTH, tile.dtype)
    squares(rows, whitener, mean, tile, np.empty_like(tile), out)
    expected = ((np.tril(whitener) @ (tile - mean[:, None])) ** 2).sum(axis=0)
    lanes = WIDE_BYTES // tile.itemsize
    np.testing.assert_array_equal(out[:lanes], expected[:lanes])


@kernel()
def scatter(rows, r, tile, mean, weighted, first_out, scatter_out):
    add_diagonal_scatter(rows, r, tile, mean, weighted, first_out, scatter_out)
    add_scatter(rows, (0, 1, 2, 3), weighted, tile, mean, scatter_out)


def test_scatter_is_added_to_the_rows_of_the_block_alone(whole, rows):
    D = N_BEFORE + len(rows)
    r, tile, mean = whole(WIDTH), whole(D, WIDTH), whole(D)
    first, second = np.ones(D), np.ones((D, D))
    scatter(rows, r, tile, mean, np.empty((4, WIDTH), r.dtype), first, second)
    residuals = tile - mean[:, None]
    expected_first, expected = np.zeros(D), np.zeros((D, D))
    expected_first[N_BEFORE:] = (r * residuals).sum(axis=1)[N_BEFORE:]
    expected[N_BEFORE:] = np.tril((r * residuals) @ residuals.T)[N_BEFORE:]
    np.testing.assert_array_equal(first - 1, expected_first)
    np.testing.assert_array_equal(second - 1, expected)


@kernel()
def lower_product(left, right, sums_out):
    add_lower_product(left, right, sums_out)


@pytest.mark.parametrize("D", [1, 2, 3, 4, 6, 7, 9])
def test_lower_product_is_the_lower_triangle_of_the_product(whole, D):
    left, right, sums = whole(D, WIDTH), whole(D, WIDTH), np.ones((D, D))
    lower_product(left, right, sums)
    np.testing.assert_array_equal(sums - 1, np.tril(left @ right.T))


@kernel()
def multiples_and_replacements(rows, numbers, labels, array_out):
    stack = load_rows(array_out, rows, 0)
    vector = load_narrow(labels, 0)
    stack = add_multiples(numbers, rows, vector, stack)
    stack = replace_where_equal(vector, labels[0], numbers, rows, stack)
    store_rows(stack, array_out, rows, 0)


def test_rows_get_multiples_and_numbers_in_lanes_with_the_label(whole, rows):
    D = N_BEFORE + len(rows)
    numbers, labels, array = whole(D), whole(WIDTH), whole(D, WIDTH)
    expected = array + numbers[:, None] * labels
    expected[:, labels == labels[0]] = numbers[:, None]
    actual = array.copy()
    multiples_and_replacements(rows, numbers, labels, actual)
    lanes = NARROW_BYTES // array.itemsize
    expected[:N_BEFORE], expected[:, lanes:] = array[:N_BEFORE], array[:, lanes:]
    np.testing.assert_array_equal(actual, expected)
