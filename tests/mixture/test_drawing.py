"""Rows drawn from a mixture have its covariances, in whatever units."""

import numpy as np
import pytest

from fastem import GaussianMixture, StudentMixture

CORRELATIONS = np.array([[1, 0.8, 0.5], [0.8, 1, 0.7], [0.5, 0.7, 1]])
N = 100_000


@pytest.mark.parametrize("apart", [1, 1e3, 1e6, 1e10])
def test_rows_have_the_covariance_in_whatever_units(apart):
    scales = np.array([1 / apart, 1.0, apart])
    covariance = CORRELATIONS * np.outer(scales, scales)
    model = GaussianMixture.from_parameters([1.0], [scales], [covariance])
    X, _ = model.sample(N, random_state=0)
    units = (X - scales) / scales
    np.testing.assert_allclose(units.mean(axis=0), 0, atol=5 / np.sqrt(N))
    np.testing.assert_allclose(np.cov(units.T), CORRELATIONS, atol=10 / np.sqrt(N))


def test_a_seed_of_the_call_goes_before_that_of_the_model():
    model = GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]], random_state=1)
    mine, other = (model.sample(5, random_state=seed)[0] for seed in (1, 2))
    assert np.array_equal(model.sample(5)[0], mine)
    assert not np.array_equal(mine, other)


def test_the_longest_tails_are_drawn_without_infinity():
    model = StudentMixture.from_parameters(
        [1.0], [[0.0, 5.0]], [np.eye(2)], degrees_of_freedom=[0.01]
    )
    rows, _ = model.sample(2000, random_state=0)
    assert np.isfinite(rows).all()
    assert np.isfinite(model.score_samples(rows)).all()
    # Of 0.01 degrees of freedom a share of about 10 ** -0.01 w is beyond 10 ** w.
    far = np.mean(np.abs(rows[:, 0]) > 1e50)
    assert far == pytest.approx(10**-0.5, abs=0.05)
