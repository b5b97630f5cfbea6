"""Exponential and logarithm, against those of NumPy in longdouble."""

import numpy as np
import pytest

from fastem.kernels.compilation import kernel
from fastem.kernels.vectors.arithmetic import (
    load_narrow,
    load_wide,
    narrow_lanes,
    store,
    wide_lanes,
)
from fastem.kernels.vectors.elementary import exp_nonpositive, log_positive
from fastem.kernels.vectors.llvm import WIDE_BYTES

pytestmark = pytest.mark.interpreted

# Relative errors in units of eps. The module states 0.7 and 1.5 as the largest seen.
EXP_ERROR, LOG_ERROR = 0.75, 1.6
N_ARGUMENTS = 20_000


def in_whole_vectors(values):
    """The numbers, and ones up to the end of a wide vector."""
    lanes = WIDE_BYTES // values.itemsize
    padded = np.ones(-(-len(values) // lanes) * lanes, values.dtype)
    padded[: len(values)] = values
    return padded


@kernel()
def replace_by_exponentials(values):
    for i in range(0, len(values), wide_lanes(values)):
        store(exp_nonpositive(load_wide(values, i)), values, i)


@kernel()
def replace_by_logarithms(values):
    for i in range(0, len(values), narrow_lanes(values)):
        store(log_positive(load_narrow(values, i)), values, i)


def exponentials(values):
    out = in_whole_vectors(values)
    replace_by_exponentials(out)
    return out[: len(values)]


def logarithms(values):
    out = in_whole_vectors(values)
    replace_by_logarithms(out)
    return out[: len(values)]


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    return request.param


def relative_error(actual, exact, dtype):
    """Largest relative error in units of eps."""
    error = np.abs((actual.astype(np.longdouble) - exact) / exact)
    return float(error.max() / np.finfo(dtype).eps)


def smallest_exponent(dtype):
    return -87.0 if dtype is np.float32 else -708.0


@pytest.mark.parametrize("width", [1.0, 1e-3, 1e-6])
def test_exponential_is_right_to_one_rounding(random, dtype, width):
    x = random.uniform(width * smallest_exponent(dtype), 0, N_ARGUMENTS).astype(dtype)
    exact = np.exp(x.astype(np.longdouble))
    assert relative_error(exponentials(x), exact, dtype) <= EXP_ERROR


def test_exponential_is_right_where_it_changes_its_reduction(dtype):
    halves = -np.log(2) * np.arange(0.5, 60, 0.5)
    x = np.concatenate([np.nextafter(halves, 0), halves, np.nextafter(halves, -100)])
    x = x.astype(dtype)
    exact = np.exp(x.astype(np.longdouble))
    assert relative_error(exponentials(x), exact, dtype) <= EXP_ERROR


def test_exponential_of_zero_is_one_and_of_minus_infinity_zero(dtype):
    x = np.array([0.0, -0.0, -np.inf], dtype)
    assert exponentials(x).tolist() == [1.0, 1.0, 0.0]


def test_exponential_ends_in_zero_before_subnormal_numbers(dtype):
    smallest = dtype(smallest_exponent(dtype))
    x = np.array([np.nextafter(smallest, dtype(0)), smallest, smallest * 2], dtype)
    above, at, below = exponentials(x)
    exact = float(np.exp(np.longdouble(x[0])))
    assert above == pytest.approx(exact, rel=float(np.finfo(dtype).eps))
    assert above >= np.finfo(dtype).tiny
    assert at == below == 0


def test_exponential_of_the_lowest_number_is_zero(dtype):
    assert exponentials(np.array([np.finfo(dtype).min], dtype))[0] == 0


@pytest.mark.parametrize(("low", "high"), [(0.7, 1.5), (1.0, 64.0), (1e-30, 1e30)])
def test_logarithm_is_right_to_two_roundings(random, dtype, low, high):
    x = np.exp(random.uniform(np.log(low), np.log(high), N_ARGUMENTS)).astype(dtype)
    x = x[x != 1]
    exact = np.log(x.astype(np.longdouble))
    assert relative_error(logarithms(x), exact, dtype) <= LOG_ERROR


def test_logarithm_is_right_next_to_one_and_at_powers_of_two(dtype):
    powers = 2.0 ** np.arange(-30, 31, dtype=np.float64)
    roots = np.sqrt(0.5) * powers
    x = np.concatenate([powers, roots]).astype(dtype)
    x = np.concatenate([np.nextafter(x, dtype(0)), x, np.nextafter(x, dtype(1e30))])
    x = x[x != 1]
    exact = np.log(x.astype(np.longdouble))
    assert relative_error(logarithms(x), exact, dtype) <= LOG_ERROR


def test_logarithm_of_one_is_zero(dtype):
    assert logarithms(np.ones(1, dtype))[0] == 0
