"""Memberships of rows to come, given that parameters are not known exactly."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import invwishart, multivariate_normal, multivariate_t, t

import fastem.dask
from fastem import (
    GaussianMixture,
    StudentMixture,
    bagged_memberships,
    load_model,
    save_model,
)
from fastem.mixture.online import rows_counted_alike
from fastem.mixture.predictive import predictive_answers

CODES = ["full", "diag"]


@pytest.fixture(scope="module", name="X")
def rows():
    random = np.random.default_rng(0)
    return np.concatenate(
        [random.normal(m, s, (n, 3)) for m, s, n in ((0, 1, 14), (2, 2, 25))]
    )


def fitted(code, X, **settings):
    return GaussianMixture(2, covariance_type=code, random_state=0, **settings).fit(X)


def twin(model, X):
    """Of each row alone, by scipy's t, on the columns that it has."""
    D = X.shape[1]
    counts = model.weights_ * model.n_effective_
    shared = np.tensordot(model.weights_, model.covariances_, 1) / model.weights_.sum()
    logs = np.empty((len(X), len(counts) + model.noise))
    for i, row in enumerate(X):
        has = ~np.isnan(row)
        for k, n in enumerate(counts):
            logs[i, k] = np.log(n + 1)
            if not has.any():
                continue
            if model.covariance_type == "diag":
                scales = np.sqrt(model.covariances_[k] + shared / n)[has]
                at = (row - model.means_[k])[has] / scales
                logs[i, k] += (t.logpdf(at, n + 1) - np.log(scales)).sum()
            else:
                scale = model.covariances_[k] + D * shared / n
                logs[i, k] += multivariate_t.logpdf(
                    row[has], model.means_[k][has], scale[np.ix_(has, has)], n + 1
                )
        if model.noise:
            widths = np.ptp(model.noise_bounds_, axis=1)
            widths *= (model.noise_volume_ / widths.prod()) ** (1 / D)
            logs[i, -1] = np.log(model.noise_weight_ * model.n_effective_ + 1)
            logs[i, -1] -= np.log(widths[has]).sum()
    return softmax(logs, axis=1)


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("code", CODES)
def test_they_are_those_of_students_t_also_of_rows_with_gaps(code, noise, X):
    model = fitted(code, X, noise=noise, missing_values="marginalize")
    assert model.predict_proba_uncertain(X) == pytest.approx(twin(model, X), abs=1e-12)
    gappy = np.where(np.random.default_rng(1).random(X.shape) < 0.4, np.nan, X)
    told = model.predict_proba_uncertain(gappy)
    assert told == pytest.approx(twin(model, gappy), abs=1e-12)
    assert told.sum(axis=1) == pytest.approx(np.ones(len(X)))
    small = model.predict_proba_uncertain(X.astype(np.float32))
    assert small.dtype == np.float32
    assert small == pytest.approx(model.predict_proba_uncertain(X), abs=1e-4)


def test_the_density_is_the_mean_over_the_posterior(X):
    """Bishop's eq. 10.81 with v = D + n and beta = n, by draws from the posterior."""
    random = np.random.default_rng(0)
    model = GaussianMixture().fit(X[:14])
    n, D = 14, 3
    S, m = model.covariances_[0], model.means_[0]
    posterior = invwishart(D + n, D * S + n * S)  # of one component W is its own
    at = m + np.array([1.5, -1.0, 2.0])
    drawn = [
        multivariate_normal.pdf(at, random.multivariate_normal(m, C / n), C)
        for C in posterior.rvs(1000, random_state=random)
    ]
    told = multivariate_t.pdf(at, m, S + D * S / n, n + 1)
    assert np.mean(drawn) == pytest.approx(told, abs=4 * np.std(drawn) / 1000**0.5)


@pytest.mark.parametrize("code", CODES)
def test_of_many_rows_they_are_those_of_the_parameters(code, X):
    few, many = (fitted(code, X, tol=1e-8, max_iter=500) for _ in range(2))
    many.n_effective_ = 1e7
    plain = few.predict_proba(X)
    assert many.predict_proba_uncertain(X) == pytest.approx(plain, abs=1e-4)
    assert few.predict_proba_uncertain(X).max(1).mean() < plain.max(1).mean() - 0.003
    # Weights are repetitions: what is known of twice the rows is more.
    twice = fitted(code, np.repeat(X, 2, axis=0)).n_effective_
    weighted = GaussianMixture(2, covariance_type=code, random_state=0)
    assert weighted.fit(X, sample_weight=np.full(len(X), 2.0)).n_effective_ == twice


@pytest.mark.parametrize("code", CODES)
def test_files_pickles_and_order_keep_what_it_takes(code, X, tmp_path):
    model = fitted(code, X)
    model.partial_fit(X)
    told = model.predict_proba_uncertain(X)
    save_model(model, tmp_path / "model.json")
    loaded = load_model(tmp_path / "model.json")
    assert loaded.n_effective_ == model.n_effective_
    assert np.array_equal(loaded.predict_proba_uncertain(X), told)
    old = GaussianMixture.__new__(GaussianMixture)
    state = {k: v for k, v in model.__getstate__().items() if k != "n_effective_"}
    old.__setstate__(state)  # of an older version
    assert old.n_effective_ == model.n_samples_seen_
    swapped = model.sort_components([1, 0]).predict_proba_uncertain(X)
    assert swapped[:, ::-1] == pytest.approx(told, abs=1e-12)


def test_a_stream_counts_the_rows_that_count_alike(X):
    model = GaussianMixture(2, memory=100.0, random_state=0).fit(X)
    assert model.n_effective_ == len(X)
    for _ in range(40):
        model.partial_fit(X)
    assert model.n_samples_seen_ == 41 * len(X)
    # Of weights exp(-a / m) at age a, in batches of 39: 2 m.
    assert model.n_effective_ == pytest.approx(200, rel=0.05)
    n = 1.0
    for r in range(1, 2000):  # row r counts r times of what the first one counts
        n = rows_counted_alike(r / 2, n, 1.0)
    assert n == pytest.approx(0.75 * 2000, rel=1e-3)


def test_what_has_no_closed_form_is_named_and_what_has(X):
    tied = fitted("tied", X)
    with pytest.raises(ValueError, match="covariance_type='tied' has no posterior"):
        tied.predict_proba_uncertain(X)
    with pytest.raises(ValueError, match=r"StudentMixture.*fastem.bagged_memberships"):
        StudentMixture(2, random_state=0).fit(X).predict_proba_uncertain(X)
    fixed = GaussianMixture(2, fixed={"means": True}, means_init=X[[0, -1]]).fit(X)
    with pytest.raises(ValueError, match="What is fixed is known exactly"):
        fixed.predict_proba_uncertain(X)
    assert bagged_memberships(fixed, X, n_fits=2, random_state=0).shape == (len(X), 2)
    equal = fitted("full", X, equal_weights=True)
    assert predictive_answers(equal).parameters.weights == pytest.approx([0.5, 0.5])
    made = GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
    with pytest.raises(ValueError, match="from how many rows these parameters come"):
        made.predict_proba_uncertain([[1.0]])
    made.n_effective_ = 10.0
    assert made.predict_proba_uncertain([[1.0]]) == 1


def test_a_component_without_rows_is_no_error(X):
    model = fitted("full", X)
    model.weights_ = np.array([1.0, 0.0])
    told = model.predict_proba_uncertain(X)
    assert np.isfinite(told).all()


def test_the_estimator_for_clusters_answers_of_rows_in_memory(X):
    model = fastem.dask.GaussianMixture(2, random_state=0).fit(X)
    told = model.predict_proba_uncertain(X)
    assert np.array_equal(told, fitted("full", X).predict_proba_uncertain(X))
