"""The start that outliers cannot capture, and the steps that it takes."""

import numpy as np
import pytest

from fastem import GaussianMixture
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.em.plan import Plan
from fastem.starts.concentration import (
    Concentration,
    kept_weights,
    variances_by_quartiles,
)
from fastem.starts.subsample import enough_rows
from tests import reference
from tests.mixtures import draw, parameters_of, random_mixture

K, D = 3, 2
N = 400
OUTLIERS = 20
GROUPS = np.array([[0.0, 0.0], [12.0, 0.0], [0.0, 12.0]])


def rows_and_outliers(random, n_rows=N):
    """Three round groups, and a twentieth of rows that are far from all."""
    X = GROUPS[random.integers(K, size=n_rows)] + random.normal(size=(n_rows, D))
    X[: n_rows // 20] = random.uniform(-500, 500, size=(n_rows // 20, D))
    return random.permutation(X)


def start(X, sample_weight=None, **parameters):
    parameters = {"random_state": 0, "init_params": "trimmed", **parameters}
    model = GaussianMixture(K, max_iter=0, **parameters)
    return model.fit(X, sample_weight=sample_weight)


def assert_in_the_groups(model, tolerance=0.5):
    distances = np.linalg.norm(model.means_ - GROUPS[:, np.newaxis], axis=2)
    assert (distances.min(axis=1) < tolerance).all(), model.means_


def kept_one_by_one(values, weights, share):
    """The same in a loop, for values that are all different."""
    kept = weights.astype(float)
    left_out = share * weights.sum()
    for i in np.argsort(values):
        part = min(left_out, kept[i])
        kept[i] -= part
        left_out -= part
    return kept


@pytest.mark.parametrize("share", [0.0, 0.07, 0.3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_a_step_is_that_of_plain_numpy(random, covariance_type, share, dtype, weighted):
    mixture = random_mixture(random, covariance_type, K, D)
    X = read_only(draw(random, mixture, N).astype(dtype))
    row_weights = random.uniform(size=N).astype(dtype) if weighted else np.ones(N)
    plan = Plan(K, STRUCTURES[covariance_type], outlier_share=share)
    concentration = Concentration.of(
        X, read_only(row_weights if weighted else np.empty(0, dtype)), plan
    )
    statistics = concentration.statistics(parameters_of(mixture, covariance_type))

    rows = X.astype(float)
    densities = reference.score_samples(rows, mixture)
    kept = kept_one_by_one(densities, row_weights, share)
    twin = reference.expectation(rows, mixture, kept, statistics.reference)
    tolerance = 1e-9 if dtype == np.float64 else 1e-4
    assert statistics.log_likelihood == pytest.approx(
        twin.log_likelihood, rel=tolerance
    )
    np.testing.assert_allclose(statistics.weights, twin.weights, rtol=tolerance)
    np.testing.assert_allclose(
        statistics.first, twin.first, rtol=tolerance, atol=tolerance * N
    )


def test_rows_of_equal_value_are_left_out_in_equal_part():
    values = np.array([3.0, 1.0, 2.0, 1.0, 2.0])
    kept = kept_weights(values, np.array([1.0, 1.0, 1.0, 2.0, 0.0]), 0.3)
    np.testing.assert_allclose(kept, [1, 0.5, 1, 1, 0])


def test_a_weight_counts_as_rows_given_so_often(random):
    X = rows_and_outliers(random, 200)
    counts = random.integers(1, 4, size=200)
    weighted, repeated = (
        start(rows, weights, outlier_share=0.1)
        for rows, weights in ((X, counts), (np.repeat(X, counts, axis=0), None))
    )
    np.testing.assert_allclose(weighted.weights_, repeated.weights_, rtol=1e-9)
    np.testing.assert_allclose(weighted.covariances_, repeated.covariances_, rtol=1e-9)


@pytest.mark.parametrize("name", STRUCTURES)
def test_no_step_makes_the_kept_rows_less_likely(random, name):
    X = read_only(rows_and_outliers(random))
    plan = Plan(K, STRUCTURES[name], outlier_share=0.04)
    concentration = Concentration.of(X, read_only(np.empty(0)), plan)
    parameters = concentration.balls(X[:K])
    reached = []
    for _ in range(20):
        statistics = concentration.statistics(parameters)
        reached.append(statistics.log_likelihood)
        parameters = concentration.structure.maximize(statistics, 0.0, parameters)
    assert np.diff(reached).min() > -1e-9 * N
    assert reached[-1] > reached[1]


@pytest.mark.parametrize("name", STRUCTURES)
def test_outliers_capture_no_component(random, name):
    X = rows_and_outliers(random)
    assert_in_the_groups(start(X, covariance_type=name))
    captured = start(X, covariance_type=name, init_params="kmeans")
    assert np.abs(captured.means_).max() > 50


def test_nor_do_they_in_a_table_of_which_a_sample_is_used(random):
    n_rows = 2 * enough_rows(K, D)
    assert_in_the_groups(start(rows_and_outliers(random, n_rows)), tolerance=0.2)


def test_fewer_outliers_than_the_share_do_not_matter(random):
    X = rows_and_outliers(random)
    assert_in_the_groups(start(X, outlier_share=0.3))


def test_outliers_are_noise_to_a_fit_that_expects_it(random):
    X = rows_and_outliers(random)
    model = GaussianMixture(K, noise=True, init_params="trimmed", random_state=0).fit(X)
    is_far = (np.linalg.norm(X[:, np.newaxis] - GROUPS, axis=2) > 6).all(axis=1)
    assert np.array_equal(model.predict(X) == -1, is_far)


def test_units_of_columns_do_not_matter(random):
    X = rows_and_outliers(random)
    units = np.array([2.0**-20, 2.0**20])
    one, other = (
        start(rows, reg_covar="relative").sort_components("weight")
        for rows in (X, X * units)
    )
    np.testing.assert_allclose(other.means_, one.means_ * units, rtol=1e-6)


def test_far_outliers_do_not_widen_the_scales(random):
    X = random.normal(size=(2000, 2)) * [1, 3]
    X[:100] = 1e9
    deviations = np.sqrt(variances_by_quartiles(X, np.ones(2000)))
    np.testing.assert_allclose(deviations, [1, 3], rtol=0.15)
    X[:, 1] = 5
    X[:10, 1] = 6
    expected = [deviations[0] ** 2, X[:, 1].var()]
    np.testing.assert_allclose(variances_by_quartiles(X, np.ones(2000)), expected)


def test_what_is_given_of_the_start_stays_as_it_is(random):
    X = rows_and_outliers(random)
    model = start(X, means_init=GROUPS + 1.0)
    np.testing.assert_array_equal(model.means_, GROUPS + 1.0)
    np.testing.assert_allclose(
        model.covariances_, np.tile(np.eye(2), (3, 1, 1)), atol=0.4
    )


@pytest.mark.parametrize("share", [0.5, -0.1])
def test_a_share_out_of_range_is_an_error(share):
    with pytest.raises(
        ValueError, match=r"'outlier_share' parameter .* \[0\.0, 0\.5\)"
    ):
        GaussianMixture(outlier_share=share).fit([[0.0], [1.0]])


@pytest.mark.parametrize(
    ("name", "needed"), [("full", 9), ("tied", 5), ("diag", 6), ("EEI", 4)]
)
def test_a_share_that_leaves_too_few_rows_is_an_error(random, name, needed):
    X = random.normal(size=(2 * needed, D))
    start(X, covariance_type=name, outlier_share=0.49)
    with pytest.raises(
        ValueError,
        match=rf"outlier_share=0\.4 keeps .* of {needed + 1} rows, but the means and "
        rf"covariances of n_components=3 need {needed}\. Lower outlier_share",
    ):
        start(X[: needed + 1], covariance_type=name, outlier_share=0.4)
