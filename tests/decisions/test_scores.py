"""Rows with gaps are as unusual as complete rows that are as improbable."""

import numpy as np
import pytest
from scipy.stats import chi2, f, multivariate_normal

from fastem import GaussianMixture, StudentMixture
from fastem.decisions.scores import Tails, components_of, scores_of

D = 4
ROOT = np.array([[1, 0.5, 0, 2], [0, 1, 0.3, 0], [0, 0, 2, 0.1], [0, 0, 0, 0.4]])
COVARIANCE = ROOT @ ROOT.T
PRESENT = [0, 2]


def gappy(model):
    return model.set_params(missing_values="marginalize")


def one_component(v=None):
    parts = [1.0], [np.arange(D)], [COVARIANCE]
    if v is None:
        return gappy(GaussianMixture.from_parameters(*parts))
    return gappy(StudentMixture.from_parameters(*parts, degrees_of_freedom=v))


@pytest.mark.parametrize("v", [None, 3.0])
def test_one_component_has_the_tails_of_its_squared_distances(random, v):
    """That is chi-squared; Student's, over the number of columns, F."""
    model = one_component(v)
    X = np.arange(D) + random.normal(size=(60, D)) * np.linspace(0.1, 12, 60)[:, None]
    left = X[:, PRESENT] - np.arange(D)[PRESENT]
    within = COVARIANCE[np.ix_(PRESENT, PRESENT)]
    distances = (left @ np.linalg.inv(within) * left).sum(axis=1)
    X[:, [1, 3]] = np.nan
    peak = model.score_samples([np.arange(D)])[0]
    if v is None:
        tails = chi2.sf(distances, 2)
        expected = peak - chi2.isf(tails, D) / 2
    else:
        tails = f.sf(distances / 2, 2, v)
        expected = peak - (v + D) / 2 * np.log1p(D * f.isf(tails, D, v) / v)
    scores = scores_of(components_of(model), X)
    # Very near the mean all rows are alike, and far out ``isf`` has no digits left.
    told = (tails < 0.99) & (tails > 1e-250)
    assert told.sum() > 30
    np.testing.assert_allclose(scores[told], expected[told], atol=2e-3)
    order = np.argsort(distances)
    assert (np.diff(scores[order]) <= 0).all()
    assert np.diff(scores[order])[-5:].max() < 0


def test_complete_rows_have_their_log_density_and_empty_ones_that_of_the_mean(random):
    model = one_component()
    X = random.normal(size=(5, D))
    X[1] = np.nan
    scores = scores_of(components_of(model), X)
    law = multivariate_normal(np.arange(D), COVARIANCE)
    np.testing.assert_allclose(np.delete(scores, 1), law.logpdf(np.delete(X, 1, 0)))
    assert scores[1] == pytest.approx(law.logpdf(np.arange(D)), abs=0.01)


def test_rows_of_any_columns_are_flagged_alike(random):
    """In a mixture too: the same share of each kind of rows is below a score."""
    model = gappy(
        GaussianMixture.from_parameters(
            [0.3, 0.7], [np.zeros(D), np.full(D, 30.0)], [COVARIANCE, np.eye(D)]
        )
    )
    X, _ = model.sample(20_000, random_state=0)
    ask = components_of(model)
    scores = scores_of(ask, X)
    for missing in ([0], [1, 2], [0, 1, 3]):
        with_gaps = X.copy()
        with_gaps[:, missing] = np.nan
        of_gappy = scores_of(ask, with_gaps)
        for share in (0.01, 0.1):
            below = np.mean(of_gappy < np.quantile(scores, share))
            assert below == pytest.approx(share, rel=0.25)


def test_the_background_is_left_out():
    parts = [0.2, 0.7], [[0.0], [3.0]], [[[1.0]], [[2.0]]]
    noisy = GaussianMixture.from_parameters(*parts, noise_weight=0.1, noise_volume=9)
    plain = GaussianMixture.from_parameters([2 / 9, 7 / 9], *parts[1:])
    far = np.array([[1e3], [2e3]])
    assert np.ptp(noisy.score_samples(far)) == 0
    scores = scores_of(components_of(noisy), far)
    np.testing.assert_allclose(scores, plain.score_samples(far))


@pytest.mark.parametrize(("distance", "excess"), [(40.0, 1.0), (6.0, 1.5)])
def test_tails_of_a_mixture_are_those_of_its_draws(distance, excess):
    """Where components overlap, at most so many times larger."""
    model = GaussianMixture.from_parameters(
        [0.3, 0.7], [[0.0, 0.0], [distance, 0.0]], [np.eye(2), 4 * np.eye(2)]
    )
    X, _ = model.sample(100_000, random_state=1)
    ask = components_of(model)
    tails = Tails.of(ask.representation, ask.parameters)
    densities = model.score_samples(X)
    for share in (0.001, 0.01, 0.1, 0.5):
        at = np.quantile(densities, share)
        odds = np.exp(tails.at(at))
        assert 0.85 * share < odds / (1 + odds) < 1.15 * excess * share
