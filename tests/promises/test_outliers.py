"""Mixtures that expect outliers, with all else that a fit can be asked for."""

import pickle
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_t, t

import fastem
from fastem import (
    GaussianMixture,
    RegularizationWarning,
    StopFit,
    StudentMixture,
)
from fastem.covariances import STRUCTURES
from fastem.em import expectation
from fastem.sources import reading
from tests.mixtures import assert_close
from tests.sources.test_opening import Blocks

K, D = 3, 2
CENTERS = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
FITTED = (
    *("weights_", "means_", "covariances_", "lower_bound_"),
    *("noise_weight_", "noise_volume_", "noise_bounds_", "degrees_of_freedom_"),
)
MODELS = {
    "noise": (GaussianMixture, {"noise": True}),
    "tails": (StudentMixture, {}),
    "tails of 4 degrees of freedom, and noise in bounds": (
        StudentMixture,
        {
            "degrees_of_freedom": 4.0,
            "noise": True,
            "noise_bounds": [[-20.0, 25.0], [-20.0, 25.0]],
        },
    ),
}
# What is fitted in other structures too: the kernels of each take seconds to compile.
IN_STRUCTURES = {
    "noise": MODELS["noise"],
    "tails of one kind": (StudentMixture, {"degrees_of_freedom": "shared"}),
}

pytestmark = pytest.mark.filterwarnings("ignore:.*did not converge")


def maker(kind, settings):
    def make(n_components=K, **more):
        return kind(n_components, random_state=0, **{**settings, **more})

    return make


@pytest.fixture(params=list(MODELS))
def make(request):
    """Makes an estimator with further settings."""
    return maker(*MODELS[request.param])


@pytest.fixture(params=list(IN_STRUCTURES))
def make_any(request):
    """The same, of which kernels for any structure may be compiled."""
    return maker(*IN_STRUCTURES[request.param])


@pytest.fixture(name="X")
def rows_with_outliers(random):
    rows = CENTERS[np.arange(540) % K] + random.normal(size=(540, D))
    X = np.vstack([rows, random.uniform(-9, 18, size=(60, D))])
    return X[random.permutation(len(X))]


def assert_same_fit(one, other, tolerance):
    for name in FITTED:
        assert hasattr(one, name) == hasattr(other, name), name
        if hasattr(one, name):
            assert_close(getattr(one, name), getattr(other, name), tolerance, name)


def assert_same_answers(one, other, X):
    for method in ("predict", "predict_proba", "score_samples"):
        np.testing.assert_array_equal(
            getattr(one, method)(X), getattr(other, method)(X), method
        )
    assert one.bic(X) == other.bic(X)


def total_weight(model):
    return model.weights_.sum() + getattr(model, "noise_weight_", 0.0)


def test_outliers_move_no_component(make_any, X, covariance_type):
    model = make_any(covariance_type=covariance_type, tol=1e-6).fit(X)
    model.sort_components("mean")
    expected = CENTERS[np.lexsort(CENTERS.T[::-1])]
    distances = np.linalg.norm(model.means_[:, np.newaxis] - expected, axis=-1)
    assert sorted(distances.argmin(axis=0)) == [0, 1, 2]
    assert distances.min(axis=0).max() < 0.4
    assert total_weight(model) == pytest.approx(1)


@pytest.mark.parametrize("covariance_type", STRUCTURES)
@pytest.mark.parametrize("reg_covar", [0, 0.3])
def test_no_iteration_lowers_the_likelihood(make_any, X, covariance_type, reg_covar):
    """With a ridge by no more than it may: the fit would warn."""
    settings = {"covariance_type": covariance_type, "tol": 0, "max_iter": 40}
    if reg_covar:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=RegularizationWarning)
            make_any(**settings, reg_covar=reg_covar).fit(X)
        return
    model = make_any(**settings, reg_covar=0).fit(X)
    assert np.diff(model.lower_bounds_).min() > -1e-12


def test_a_weight_is_a_repetition(make, X):
    counts = np.arange(len(X)) % 3
    settings = {
        "weights_init": np.full(K, 1 / K),
        "means_init": CENTERS,
        "max_iter": 20,
        "tol": 0,
    }
    start = make(**settings).fit(X)
    given = {
        **settings,
        "precisions_init": start.precisions_,
        "max_iter": 10,
    }
    one = make(**given).fit(X, sample_weight=counts)
    other = make(**given).fit(np.repeat(X, counts, axis=0))
    assert_same_fit(one, other, 1e-10)
    assert one.bic(X, sample_weight=counts) == pytest.approx(
        other.bic(np.repeat(X, counts, axis=0))
    )


def test_narrow_rows_give_nearly_the_same(make, X):
    one, other = (make(max_iter=15, tol=0).fit(X.astype(t)) for t in ("f4", "f8"))
    assert one.score_samples(X.astype("f4")).dtype == np.float32
    assert_same_fit(one, other, 2e-4)


def test_merged_rows_give_the_same(make, X, monkeypatch):
    plain = make(max_iter=15, tol=0).fit(X)
    monkeypatch.setattr(expectation, "_FEWEST_ROWS", 1)
    merged = make(**start_from(plain), max_iter=10).fit(np.tile(X, (3, 1)))
    again = make(**start_from(plain), max_iter=10).fit(X)
    assert_same_fit(merged, again, 1e-10)


def start_from(model):
    start = {
        "weights_init": model.weights_ / model.weights_.sum(),
        "means_init": model.means_,
        "precisions_init": model.precisions_,
        "tol": 0,
    }
    if hasattr(model, "noise_weight_"):
        start["noise_weight_init"] = model.noise_weight_
    return start


def test_components_that_are_left_out_make_no_difference(make, random, monkeypatch):
    centers = random.uniform(-5e5, 5e5, size=(40, D))
    X = centers[np.arange(6000) % 40] + random.normal(size=(6000, D))
    settings = {"max_iter": 6, "tol": 0, "means_init": centers}
    settings["noise_bounds"] = [[-6e5, 6e5]] * D
    settings = {n: v for n, v in settings.items() if n in make().get_params()}
    plain = make(40, **settings).fit(X)
    monkeypatch.setattr(expectation, "_FEWEST_ROWS", 1)
    monkeypatch.setattr(expectation, "_LEAST_WORK", 0.0)
    monkeypatch.setattr(expectation, "_ORDERING", 0.0)
    used = []
    choose = expectation.ExpectationStep._choose

    def watch(step, *arguments):
        used.append(step._leaves_out)
        choose(step, *arguments)

    monkeypatch.setattr(expectation.ExpectationStep, "_choose", watch)
    assert_same_fit(make(40, **settings).fit(X), plain, 1e-10)
    assert any(used)


@pytest.mark.parametrize(
    "settings",
    [{"accelerate": True, "tol": 1e-10}, {"stopping": "remaining_gain"}],
    ids=["accelerate", "remaining_gain"],
)
def test_other_ways_to_the_limit_end_there_too(make_any, X, covariance_type, settings):
    settings = {"covariance_type": covariance_type, "max_iter": 2000, **settings}
    plainly = {"accelerate": False, "stopping": "change", "tol": 1e-13}
    exact = make_any(**{**settings, **plainly}).fit(X)
    model = make_any(**settings).fit(X)
    assert model.converged_
    difference = len(X) * (model.lower_bound_ - exact.lower_bound_)
    assert difference == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize("on_collapse", ["drop", "reseed"])
def test_a_collapse_leaves_the_others_and_the_outliers(make, X, on_collapse):
    spike = np.vstack([X, np.full((40, D), 4.0)])
    means = np.vstack([CENTERS, [[4.0, 4.0]]])
    model = make(
        4,
        means_init=means,
        weights_init=np.full(4, 0.25),
        precisions_init=np.repeat(np.eye(D)[np.newaxis], 4, axis=0),
        on_collapse=on_collapse,
        tol=1e-6,
        max_iter=300,
    )
    drops = pytest.warns(UserWarning, match="Of 4, 3 are left")
    with drops if on_collapse == "drop" else nullcontext():
        model.fit(spike)
    assert model.collapses_
    assert total_weight(model) == pytest.approx(1)
    if hasattr(model, "noise_weight_"):
        assert model.noise_weight_ > 0


def test_of_several_starts_the_best_is_kept(make, X):
    single = make(tol=1e-8, max_iter=500).fit(X)
    several = make(tol=1e-8, max_iter=500, n_init=4, stopping="remaining_gain").fit(X)
    assert several.lower_bound_ >= single.lower_bound_ - 1e-6


def test_a_fit_that_is_continued_is_one_fit(make, X):
    whole = make(max_iter=9, tol=0).fit(X)
    parts = make(max_iter=4, tol=0, warm_start=True).fit(X)
    parts.set_params(max_iter=5).fit(X)
    assert_same_fit(parts, whole, 1e-12)


def test_a_stream_comes_to_what_a_fit_finds(make, X, random):
    fit = make(tol=1e-8, max_iter=1000).fit(X)
    stream = make().partial_fit(X)
    for _ in range(30):
        stream.partial_fit(X[random.permutation(len(X))])
        assert total_weight(stream) == pytest.approx(1)
    assert stream.n_samples_seen_ == 31 * len(X)
    assert stream.score(X) == pytest.approx(fit.score(X), abs=2e-3)


def test_blocks_are_rows_in_memory(make, X, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1)
    X = np.tile(X, (4, 1)) + np.arange(4 * len(X))[:, np.newaxis] % 7 / 100
    start = start_from(make(max_iter=3, tol=0).fit(X[:600]))
    there = make(**start, max_iter=5).fit(Blocks(X, 777))
    here = make(**start, max_iter=5).fit(X)
    assert_same_fit(there, here, 1e-12)
    assert_same_answers(here, here, Blocks(X, 777))


def test_a_fit_goes_on_from_its_checkpoint_to_the_same_bits(make, X, tmp_path):
    for settings in ({}, {"accelerate": True}):
        whole = make(max_iter=12, tol=0, **settings).fit(X)

        def stop(progress):
            if progress.iteration == 6:
                raise StopFit

        path = tmp_path / "fit.json"
        make(max_iter=12, tol=0, **settings).fit(X, checkpoint=path, callback=stop)
        assert path.exists()
        resumed = make(max_iter=12, tol=0, **settings).fit(X, checkpoint=path)
        assert_same_fit(resumed, whole, 0)
        assert resumed.lower_bounds_ == whole.lower_bounds_


@pytest.mark.parametrize("way", ["model file", "pickle"])
def test_a_model_that_is_kept_is_the_same(make, X, tmp_path, way):
    model = make().fit(X)
    if way == "pickle":
        loaded = pickle.loads(pickle.dumps(model))
    else:
        fastem.save_model(model, tmp_path / "model.json")
        loaded = fastem.load_model(tmp_path / "model.json")
    assert_same_answers(loaded, model, X)
    assert type(loaded) is type(model)
    assert_same_fit(loaded.partial_fit(X[:300]), model.partial_fit(X[:300]), 0)
    # A fit of the loaded model starts where it was, and is of the same kind.
    if way != "pickle":
        again = loaded.set_params(max_iter=1).fit(X)
        assert again.score(X) >= model.score(X) - 1e-6


def test_a_partition_is_one_maximisation_step(X, random):
    """Rows of noise give it their share; without noise they are in no component."""
    labels = random.integers(-1, K, size=len(X))
    weights = random.uniform(size=len(X))
    shares = np.bincount(labels + 1, weights) / weights.sum()
    settings = {"init_params": labels, "max_iter": 0}
    noisy = GaussianMixture(K, noise=True, **settings).fit(X, sample_weight=weights)
    assert [noisy.noise_weight_, *noisy.weights_] == pytest.approx(list(shares))
    plain = GaussianMixture(K, **settings).fit(X, sample_weight=weights)
    assert_close(plain.means_, noisy.means_, 1e-12)
    assert_close(plain.covariances_, noisy.covariances_, 1e-12)
    assert plain.weights_ == pytest.approx(shares[1:] / shares[1:].sum())
    given = GaussianMixture(K, noise=True, noise_weight_init=0.4, **settings)
    given.fit(X, sample_weight=weights)
    assert given.noise_weight_ == pytest.approx(0.4)
    assert given.weights_ == pytest.approx(0.6 * plain.weights_)
    labels[labels == -1] = -2
    with pytest.raises(ValueError, match=r"-2 in row .* noise, and needs noise=True"):
        plain.fit(X)
    noisy.fit(X, sample_weight=weights)
    assert [noisy.noise_weight_, *noisy.weights_] == pytest.approx(list(shares))


def test_components_can_be_sorted(make, X):
    model = make().fit(X)
    before = model.predict_proba(X)
    order = np.argsort(-model.weights_)
    model.sort_components()
    after = model.predict_proba(X)
    assert_close(after[:, :K], before[:, order], 1e-12)
    assert_close(after[:, K:], before[:, K:], 1e-12)


def test_rows_with_gaps_have_the_marginal_tails(random, X):
    """A t in fewer columns is a t of as many degrees of freedom."""
    gappy = np.where(random.random(X.shape) < 0.2, np.nan, X)
    gappy[np.isnan(gappy).all(axis=1), 0] = 1.0
    model = StudentMixture(
        K, missing_values="marginalize", reg_covar=0, tol=0, max_iter=30, random_state=0
    ).fit(gappy)
    assert np.diff(model.lower_bounds_).min() > -1e-12
    actual = model.score_samples(gappy)
    parts = model.weights_, model.means_, model.covariances_, model.degrees_of_freedom_
    for row, log_density in zip(gappy[:50], actual[:50], strict=True):
        known = np.flatnonzero(~np.isnan(row))
        density = 0.0
        for weight, mean, scale, v in zip(*parts, strict=True):
            law = multivariate_t(mean[known], scale[np.ix_(known, known)], v)
            density += weight * law.pdf(row[known])
        assert log_density == pytest.approx(np.log(density))
    empty = model.score_samples(np.full((1, D), np.nan))
    assert empty == pytest.approx([0])


def test_gaps_are_filled_as_a_t_varies(random):
    model = StudentMixture.from_parameters(
        [1.0], [[1.0, 2.0]], [[[2.0, 1.0], [1.0, 3.0]]], degrees_of_freedom=5.0
    ).set_params(missing_values="marginalize")
    X, _ = model.sample(4000, random_state=1)
    gappy = np.column_stack([X[:, 0], np.full(len(X), np.nan)])
    filled = model.impute(gappy, method="sample", random_state=2)
    law = t(5, 2, np.sqrt(3))
    assert kstest(filled[:, 1], law.cdf).pvalue > 1e-3
    # Where the first column is far out, the second one varies more.
    far = np.abs(X[:, 0] - 1) > 3
    left = filled[:, 1] - (2 + (X[:, 0] - 1) / 2)
    assert left[far].std() > 1.3 * left[~far].std()


def test_scikit_learn_has_no_such_mixture(make, X):
    with pytest.raises(ValueError, match="scikit-learn's mixtures"):
        make().fit(X).to_sklearn()


def test_rows_that_are_drawn_are_fitted_by_their_own_mixture(make, X):
    model = make(tol=1e-6).fit(X)
    rows, labels = model.sample(20_000)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="noise_bounds do not hold all rows")
        start = {**start_from(model), "tol": 1e-6}
        if hasattr(model, "noise_bounds_"):
            start["noise_bounds"] = model.noise_bounds_
        again = make(**start).fit(rows)
    assert_close(again.means_, model.means_, 0.03)
    assert_close(again.weights_, model.weights_, 0.05)
    is_noise = labels == -1
    assert np.all(np.diff(np.where(is_noise, K, labels)) >= 0)
    if hasattr(model, "noise_weight_"):
        assert is_noise.mean() == pytest.approx(model.noise_weight_, abs=0.02)
        low, high = model.noise_bounds_.T
        assert ((rows[is_noise] >= low) & (rows[is_noise] <= high)).all()
