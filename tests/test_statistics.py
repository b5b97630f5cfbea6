"""Statistics add up: over rows, blocks and chunks."""

import numpy as np
import pytest

from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.em.expectation import ExpectationStep
from fastem.kernels import CHUNK_ROWS
from fastem.statistics import MixtureParameters, SufficientStatistics
from tests.mixtures import assert_close, parameters_of, random_mixture

K, D = 3, 4
FIELDS = ["log_likelihood", "weights", "reference", "first", "scatter"]


@pytest.fixture
def parameters(random, covariance_type):
    return parameters_of(random_mixture(random, covariance_type, K, D), covariance_type)


def statistics_of(X, row_weights, parameters, covariance_type):
    structure = STRUCTURES[covariance_type]
    expect = ExpectationStep(
        read_only(X), read_only(row_weights), structure.representation, None
    )
    return expect(parameters)


def rows_and_weights(random, n_rows):
    return random.normal(size=(n_rows, D)), random.uniform(size=n_rows)


def blocks(X, row_weights, cuts):
    return zip(np.split(X, cuts), np.split(row_weights, cuts), strict=True)


def total(parts):
    parts = iter(parts)
    return sum(parts, next(parts))


@pytest.mark.parametrize("cuts", [[1024], [2048], [1024, 2048, 3072]])
def test_blocks_of_whole_chunks_add_up_to_the_same_bits(
    random, parameters, covariance_type, cuts
):
    assert all(cut % CHUNK_ROWS == 0 for cut in cuts)
    X, row_weights = rows_and_weights(random, 4500)
    whole = statistics_of(X, row_weights, parameters, covariance_type)
    first, *others = (
        statistics_of(*block, parameters, covariance_type)
        for block in blocks(X, row_weights, cuts)
    )
    # One chunk after another: only then is the order of additions the same.
    if all(len(block) <= CHUNK_ROWS for block in np.split(X, cuts)[1:]):
        assert_same(sum(others, first), whole, 0)
    assert_same(sum(others, first), whole, 1e-14)


def assert_same(actual, expected, tolerance):
    for field in FIELDS:
        one, other = getattr(actual, field), getattr(expected, field)
        if tolerance:
            assert_close(one, other, tolerance, field)
        else:
            np.testing.assert_array_equal(one, other, field)


@pytest.mark.parametrize("cuts", [[1], [700], [64, 65, 1023, 1025, 2999]])
def test_blocks_of_any_rows_add_up_to_the_same_numbers(
    random, parameters, covariance_type, cuts
):
    X, row_weights = rows_and_weights(random, 3000)
    whole = statistics_of(X, row_weights, parameters, covariance_type)
    parts = (
        statistics_of(*block, parameters, covariance_type)
        for block in blocks(X, row_weights, cuts)
    )
    assert_same(total(parts), whole, 1e-12)


def test_statistics_about_other_points_are_not_added(
    random, parameters, covariance_type
):
    X, row_weights = rows_and_weights(random, 20)
    one = statistics_of(X, row_weights, parameters, covariance_type)
    moved = MixtureParameters(
        parameters.weights,
        parameters.means + 1,
        parameters.covariances,
        parameters.precisions_cholesky,
    )
    other = statistics_of(X, row_weights, moved, covariance_type)
    with pytest.raises(ValueError, match="different reference points"):
        one + other


def test_addition_adds_every_field_but_the_reference():
    points = np.array([[1.0, 2.0]])
    one = SufficientStatistics(1.0, np.ones(1), points, points * 2, np.ones((1, 2, 2)))
    both = one + one
    assert both.log_likelihood == 2
    assert both.weights == [2]
    assert np.array_equal(both.reference, points)
    assert np.array_equal(both.first, points * 4)
    assert np.array_equal(both.scatter, np.full((1, 2, 2), 2.0))


@pytest.mark.parametrize("weights", [[0.25, 0.75], [0.001, 0.003]])
def test_center_is_the_mean_of_the_mixture_whatever_the_weights_sum_to(weights):
    means = np.array([[0.0, 4.0], [8.0, 0.0]])
    parameters = MixtureParameters(
        np.array(weights), means, np.ones((2, 2)), np.ones((2, 2))
    )
    assert parameters.center.tolist() == pytest.approx([6, 1])
