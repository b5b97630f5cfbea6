"""The twin itself, against SciPy, scikit-learn and by definition."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture as SklearnMixture

from fastem.covariances import STRUCTURES
from tests import reference
from tests.mixtures import (
    OF_SCIKIT_LEARN,
    assert_close,
    draw,
    random_mixture,
    start_of,
)


def test_every_structure_has_a_twin():
    assert set(reference.STRUCTURES) == set(STRUCTURES)


@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_log_density_is_that_of_scipy(random, n_features):
    mixture = random_mixture(random, "full", 1, n_features)
    X = draw(random, mixture, 50)
    mean, covariance = mixture.means[0], mixture.covariances[0]
    expected = multivariate_normal(mean, covariance).logpdf(X)
    np.testing.assert_allclose(
        reference.log_density(X, mean, covariance), expected, rtol=1e-12
    )


def test_log_sum_exp_is_that_of_scipy(random):
    values = 300 * random.normal(size=(40, 6))
    values[3, 2] = -np.inf
    np.testing.assert_allclose(
        reference.log_sum_exp(values), logsumexp(values, axis=1), rtol=1e-14
    )


def test_responsibilities_follow_from_bayes_theorem(random):
    mixture = random_mixture(random, "full", 3, 2)
    X = draw(random, mixture, 50)
    joint = np.stack(
        [
            weight * multivariate_normal(mean, covariance).pdf(X)
            for weight, mean, covariance in zip(*mixture, strict=True)
        ],
        axis=1,
    )
    expected = joint / joint.sum(axis=1)[:, np.newaxis]
    np.testing.assert_allclose(
        reference.responsibilities(X, mixture), expected, rtol=1e-11
    )


def test_moments_are_sums_over_rows(random):
    X, shares = random.normal(size=(7, 3)), random.uniform(size=(7, 2))
    points = random.normal(size=(2, 3))
    moments = reference.moments(X, shares, points)
    for k in range(2):
        scatter = sum(
            shares[i, k] * np.outer(X[i] - points[k], X[i] - points[k])
            for i in range(7)
        )
        np.testing.assert_allclose(moments.scatter[k], scatter, rtol=1e-12)


def test_maximization_does_not_depend_on_the_reference_points(random, covariance_type):
    mixture = random_mixture(random, covariance_type, 3, 4)
    X = draw(random, mixture, 80)
    elsewhere = mixture.means + random.normal(size=mixture.means.shape)
    one, other = (
        reference.maximization(
            reference.expectation(X, mixture, None, points),
            points,
            covariance_type,
            1e-3,
        )
        for points in (mixture.means, elsewhere)
    )
    for here, there in zip(one, other, strict=True):
        assert_close(there, here, 1e-12)


@pytest.mark.parametrize("covariance_type", OF_SCIKIT_LEARN)
def test_iterations_are_those_of_scikit_learn(random, covariance_type):
    mixture = random_mixture(random, covariance_type, 3, 4)
    X = draw(random, mixture, 400)
    model = SklearnMixture(
        **start_of(mixture, covariance_type), tol=1e-30, reg_covar=1e-3, max_iter=8
    )
    with pytest.warns(UserWarning, match="did not converge"):
        model.fit(X)
    fitted, lower_bounds = reference.iterate(X, mixture, covariance_type, 1e-3, 8)
    compact = reference.STRUCTURES[covariance_type].compact
    assert_close(fitted.weights, model.weights_, 1e-10)
    assert_close(fitted.means, model.means_, 1e-10)
    assert_close(compact(fitted.covariances), model.covariances_, 1e-10)
    assert_close(lower_bounds, model.lower_bounds_, 1e-10)
    assert_close(reference.score_samples(X, fitted), model.score_samples(X), 1e-10)
    assert np.array_equal(reference.predict(X, fitted), model.predict(X))
