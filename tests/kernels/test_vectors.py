"""Vectors: compiled, they do what they do as slices of arrays in plain Python."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from fastem.kernels.compilation import kernel
from fastem.kernels.vectors.arithmetic import (
    NARROW_BYTES,
    WIDE_BYTES,
    add,
    add_totals,
    lanes_at_least,
    load_narrow,
    load_wide,
    lowest_bit,
    multiply,
    multiply_add,
    narrow_lanes,
    splat_narrow,
    splat_wide,
    store,
    subtract,
    total,
    wide_lanes,
)
from fastem.kernels.vectors.transposition import (
    gather_transposed,
    listed_rows,
    load_transposed,
    store_transposed,
)


@kernel()
def work_narrow(a, b, out, totals_out):
    lanes = narrow_lanes(a)
    half = splat_narrow(a[0])
    for i in range(0, len(a), lanes):
        x, y = load_narrow(a, i), load_narrow(b, i)
        z = multiply_add(x, y, subtract(add(x, half), multiply(y, half)))
        store(z, out, i)
        totals_out[0] += total(z)
        add_totals(x, y, z, half, totals_out, 1)


@kernel()
def work_wide(a, b, out, totals_out):
    lanes = wide_lanes(a)
    half = splat_wide(a[0])
    for i in range(0, len(a), lanes):
        x, y = load_wide(a, i), load_wide(b, i)
        z = multiply_add(x, y, subtract(add(x, half), multiply(y, half)))
        store(z, out, i)
        totals_out[0] += total(z)


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("work", [work_narrow, work_wide], ids=["narrow", "wide"])
def test_vectors_do_the_arithmetic_of_arrays(random, dtype, work):
    # Eighths: every result is exact, so that no order of additions matters.
    a, b = (random.integers(-8, 8, size=256) / 8 for _ in range(2))
    a[0] = 0.5
    expected = a * b + (a + 0.5 - b * 0.5)
    out, totals = np.zeros(256, dtype), np.zeros(5)
    work(a.astype(dtype), b.astype(dtype), out, totals)
    assert np.array_equal(out, expected)
    assert totals[0] == expected.sum()
    if work is work_narrow:
        assert totals[1:].tolist() == [a.sum(), b.sum(), expected.sum(), 128.0]


def rows_at_once(array):
    return max(4, NARROW_BYTES // array.itemsize)


@kernel()
def load_columns(X, columns, center, tile_out):
    load_transposed(X, 3, columns, center, tile_out, 2)


@kernel()
def store_columns(values, factors, columns, table_out):
    store_transposed(values, factors, 2, columns, table_out, 3)


# All columns of a narrow table, or four of a wider one.
COLUMNS = [(1, (0,)), (2, (0, 1)), (3, (0, 1, 2)), (4, (0, 1, 2, 3)), (9, (5, 6, 7, 8))]


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_columns", "columns"), COLUMNS)
def test_rows_are_transposed_to_a_tile_and_shifted(random, dtype, n_columns, columns):
    # Wholes: the differences are exact.
    X = random.integers(-99, 99, size=(24, n_columns)).astype(dtype)
    center = random.integers(-99, 99, size=n_columns).astype(np.float64)
    tile = np.zeros((n_columns, 24), dtype)
    n, some = rows_at_once(X), list(columns)
    expected = tile.copy()
    expected[some, 2 : n + 2] = (X - center)[3 : n + 3, some].T
    load_columns(X, columns, center, tile)
    assert np.array_equal(tile, expected)
    load_columns(X, columns, None, tile)
    expected[some, 2 : n + 2] = X[3 : n + 3, some].T
    assert np.array_equal(tile, expected)


@kernel()
def gather_columns(X, places, columns, center, tile_out):
    rows = listed_rows(X, places, 1)
    gather_transposed(X, 3, rows, columns, center, tile_out, 2)


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_listed_rows_are_transposed_to_a_tile_and_shifted(random, dtype):
    X = random.integers(-99, 99, size=(24, 9)).astype(dtype)
    center = random.integers(-99, 99, size=9).astype(np.float64)
    n, columns = rows_at_once(X), (3, 4, 5, 6)
    places = random.integers(20, size=n + 1).astype(np.uintp)
    tile = np.zeros((9, 24), dtype)
    expected = tile.copy()
    rows = X[places[1:].astype(int) + 3] - center
    expected[3:7, 2 : n + 2] = rows.T[3:7]
    gather_columns(X, places, columns, center, tile)
    assert np.array_equal(tile, expected)


@kernel()
def list_lanes(a, b, bits_out):
    for n, i in enumerate(range(0, a.shape[0], wide_lanes(a))):
        bits = lanes_at_least(load_wide(a, i), load_wide(b, i))
        bits_out[n, 0] = bits
        bits_out[n, 1] = lowest_bit(bits)


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lanes_that_are_at_least_as_large_are_bits(random, dtype):
    a, b = random.integers(-2, 3, size=(2, 256)).astype(dtype)
    a[-5], b[3], b[9], b[10] = np.nan, np.nan, -np.inf, np.inf
    lanes = WIDE_BYTES // a.itemsize
    bits = np.zeros((256 // lanes, 2), np.uint64)
    list_lanes(a, b, bits)
    for n, flags in enumerate((a >= b).reshape(-1, lanes)):
        where = np.flatnonzero(flags).tolist()
        assert int(bits[n, 0]) == sum(1 << i for i in where)
        assert bits[n, 1] == where[0]


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_columns", "columns"), COLUMNS)
def test_columns_are_multiplied_and_transposed_to_rows(
    random, dtype, n_columns, columns
):
    values = random.integers(-99, 99, size=(n_columns, 24)).astype(dtype)
    factors = random.integers(-9, 9, size=24).astype(dtype)
    table = np.zeros((24, n_columns), dtype)
    n, some = rows_at_once(values), list(columns)
    expected = table.copy()
    expected[3 : n + 3, some] = (values * factors)[some, 2 : n + 2].T
    store_columns(values, factors, columns, table)
    assert np.array_equal(table, expected)


def test_a_center_between_float32_numbers_loses_no_digit():
    # The rows are exact and so are the differences, but the center is not.
    X = (1e6 + np.arange(24) / 16).astype(np.float32)[:, np.newaxis]
    center = np.array([1e6 + 1 / 3])
    tile = np.zeros((1, 24), np.float32)
    load_columns(X, (0,), center, tile)
    n = rows_at_once(X)
    expected = X[3 : n + 3, 0].astype(np.float64) - center
    np.testing.assert_allclose(tile[0, 2 : n + 2], expected, rtol=1e-7)


@pytest.mark.interpreted
def test_vectors_divide_every_tile():
    for n_bytes in (NARROW_BYTES, WIDE_BYTES):
        for itemsize in (4, 8):
            assert 64 % (n_bytes // itemsize) == 0


_COMPARE = """
from itertools import product
import numpy as np
from fastem.kernels.vectors.arithmetic import NARROW_BYTES
from tests.kernels import test_passes
for name, D in product(test_passes.STRUCTURES, (5, 6, 7)):
    random = np.random.default_rng(5)
    problem = test_passes.Problem(random, name, 700, 3, D, weighted=True)
    test_passes.assert_same_statistics(problem, 1e-12)
    labels = test_passes.kernels.label_pass(problem.X, problem.factors)
    expected = test_passes.reference.predict(problem.X, problem.mixture)
    assert (labels == expected).all()
from tests.kernels import test_compaction
mixture = test_compaction.random_mixture(random, "full", 8, 18, 4)
X = test_compaction.rows_of(random, mixture, 1500)
share, _ = test_compaction.assert_same_labels(X, test_compaction.factors_of(mixture))
assert share < 0.7
print(NARROW_BYTES)
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(platform.machine() != "x86_64", reason="names a processor")
def test_processors_with_narrow_registers_get_the_same_numbers():
    done = subprocess.run(
        [sys.executable, "-c", _COMPARE],
        env={**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "16"
