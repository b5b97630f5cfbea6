"""Rows in another order, and equal rows merged: the same table, arranged."""

import numpy as np
import pytest

from fastem import kernels
from fastem.checks.rows import read_only

NO_WEIGHTS = read_only(np.empty(0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("n_rows", [1, 100, 5000, 20_000])
def test_merged_rows_are_the_distinct_ones(random, dtype, weighted, n_rows):
    X = read_only(random.integers(0, 4, size=(n_rows, 3)).astype(dtype))
    row_weights = random.uniform(size=n_rows if weighted else 0)
    n_distinct = len(np.unique(X, axis=0))
    found = kernels.merge_equal_rows(X, read_only(row_weights), n_distinct / n_rows)
    if n_rows == 1:
        assert found is None
        return
    indices, weights = found
    assert (np.diff(indices) > 0).all()
    distinct, inverse = np.unique(X, axis=0, return_inverse=True)
    order = np.lexsort(X[indices].T[::-1])
    np.testing.assert_array_equal(X[indices][order], distinct)
    expected = np.bincount(inverse, row_weights if weighted else None)
    np.testing.assert_allclose(weights[order], expected, rtol=1e-13)


def test_rows_that_differ_in_one_bit_are_not_merged():
    X = np.repeat(np.nextafter(1, [1, 2]), 50)[:, np.newaxis]
    indices, weights = kernels.merge_equal_rows(read_only(X), NO_WEIGHTS, 0.5)
    np.testing.assert_array_equal(indices, [0, 50])
    np.testing.assert_array_equal(weights, [50, 50])


@pytest.mark.parametrize("n_rows", [10, 5000, 100_000])
def test_rows_that_differ_are_left_alone(random, n_rows):
    X = read_only(random.normal(size=(n_rows, 2)))
    assert kernels.merge_equal_rows(X, NO_WEIGHTS, 0.5) is None


@pytest.mark.parametrize("n_copies", [2, 3, 5])
def test_equal_rows_may_stand_anywhere(random, n_copies):
    rows = random.normal(size=(20_000, 2))
    X = read_only(random.permutation(np.vstack([rows] * n_copies)))
    indices, weights = kernels.merge_equal_rows(X, NO_WEIGHTS, 0.5)
    assert len(indices) == 20_000
    assert (weights == n_copies).all()
    assert kernels.merge_equal_rows(X, NO_WEIGHTS, 0.99 / n_copies) is None


def volumes(rows):
    """Of the boxes around tiles, in logarithms."""
    size = kernels.NEAR_TILE
    tiles = rows[: len(rows) // size * size].reshape(-1, size, rows.shape[1])
    return np.log(np.ptp(tiles, axis=1)).sum(axis=1).mean()


@pytest.mark.parametrize("n_rows", [1, 128, 129, 255, 1000, 50_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ordered_rows_are_the_same_rows_in_smaller_boxes(random, n_rows, dtype):
    before = random.normal(size=(n_rows, 3)).astype(dtype)
    rows, weights = before.copy(), np.arange(n_rows).astype(dtype)
    kernels.order_rows(rows, weights, np.ones(3), None)
    np.testing.assert_array_equal(before[weights.astype(int)], rows)
    assert len(np.unique(weights)) == n_rows
    if n_rows > 10_000:
        assert volumes(rows) < volumes(before) - 4


def test_columns_are_compared_in_units_of_their_scales(random):
    before = random.normal(size=(20_000, 3)) * [1, 1e6, 1e-6]
    rows = before.copy()
    kernels.order_rows(rows, np.ones(len(rows)), 1 / before.std(axis=0), None)
    assert volumes(rows) < volumes(before) - 4


@pytest.mark.parametrize("values", [1, 2, 5])
def test_ties_are_ordered_too(random, values):
    before = random.integers(0, values, size=(5000, 2)).astype(float)
    rows, weights = before.copy(), np.arange(5000.0)
    kernels.order_rows(rows, weights, np.ones(2), None)
    np.testing.assert_array_equal(before[weights.astype(int)], rows)


def test_the_order_is_the_same_for_any_number_of_threads(random):
    before = random.normal(size=(30_000, 2))
    orders = []
    for n_threads in (1, 2, None):
        rows, weights = before.copy(), np.arange(30_000.0)
        kernels.order_rows(rows, weights, np.ones(2), n_threads)
        orders.append(weights)
    np.testing.assert_array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], orders[2])


def spans(rows, axis):
    """Of groups of rows along an axis, on average."""
    size = kernels.GROUP_ROWS
    groups = (rows[: len(rows) // size * size] @ axis).reshape(-1, size)
    return np.ptp(groups, axis=1).mean()


@pytest.mark.parametrize(
    "dtype", ["float64", pytest.param("float32", marks=pytest.mark.exhaustive)]
)
@pytest.mark.parametrize("n_rows", [1, 32, 33, 65, 1000, 20_000])
def test_many_columns_are_ordered_along_the_axes_of_the_rows(random, n_rows, dtype):
    # They spread along the diagonal most, and every column spreads alike.
    axis = np.full(6, 6**-0.5)
    before = random.normal(size=(n_rows, 6)) + 30 * random.normal(size=(n_rows, 1)) * (
        axis
    )
    before = before.astype(dtype)
    rows, weights = before.copy(), np.arange(n_rows).astype(dtype)
    kernels.order_rows(rows, weights, np.ones(6), 1)
    np.testing.assert_array_equal(before[weights.astype(int)], rows)
    assert len(np.unique(weights)) == n_rows
    if n_rows == 20_000:
        assert spans(rows, axis) < 0.1 * spans(before, axis)
        again, numbers = before.copy(), np.arange(n_rows).astype(dtype)
        kernels.order_rows(again, numbers, np.ones(6), 2)
        np.testing.assert_array_equal(numbers, weights)


@pytest.mark.parametrize("values", [1, 2])
def test_ties_in_many_columns_are_ordered_too(random, values):
    before = random.integers(0, values, size=(5000, 6)).astype(float)
    rows, weights = before.copy(), np.arange(5000.0)
    kernels.order_rows(rows, weights, np.ones(6), None)
    np.testing.assert_array_equal(before[weights.astype(int)], rows)
