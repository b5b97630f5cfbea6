"""Starts that users make themselves: degrees of membership, and callables."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering
from sklearn.model_selection import cross_val_score

import fastem
from fastem import GaussianMixture
from fastem.em.checkpoint import plain_settings
from fastem.sources.opening import IterableBlocks
from fastem.training.in_blocks import enough_rows
from tests import reference
from tests.groups.test_gaps import gappy
from tests.mixtures import assert_close, draw, random_mixture

K, D, N = 3, 3, 300


@pytest.fixture(name="X")
def rows(random, covariance_type):
    return draw(random, random_mixture(random, covariance_type, K, D), N)


def ward(X, n_components, random_state):
    return AgglomerativeClustering(n_components).fit_predict(X)


def start(X, partition, covariance_type, **settings):
    """The parameters that EM starts from."""
    settings = {"reg_covar": 0, "max_iter": 0, **settings}
    model = GaussianMixture(
        K, covariance_type=covariance_type, init_params=partition, **settings
    )
    return model.fit(X, sample_weight=settings.pop("sample_weight", None))


def test_a_start_from_degrees_is_the_twins_step(random, X, covariance_type):
    shares = random.dirichlet(np.ones(K), size=N)
    shares[::7] = 0
    model = start(X, shares, covariance_type)
    twin = reference.start_from_shares(X, shares, covariance_type, 0.0)
    compact = reference.STRUCTURES[covariance_type].compact
    assert_close(model.weights_, twin.weights, 1e-12)
    assert_close(model.means_, twin.means, 1e-12)
    assert_close(model.covariances_, compact(twin.covariances), 1e-11)


def test_certain_degrees_are_labels(random, X, covariance_type):
    labels = random.integers(-1, K, size=N)
    degrees = (labels[:, np.newaxis] == np.arange(K)).astype(np.float32)
    ours, theirs = (start(X, p, covariance_type) for p in (degrees, labels))
    assert_close(ours.weights_, theirs.weights_, 1e-14)
    assert_close(ours.covariances_, theirs.covariances_, 1e-12)


def test_of_noise_it_is_the_last_column_or_what_is_left(random):
    X = random.normal(size=(N, D))
    shares = random.dirichlet(np.ones(K + 1), size=N)
    settings = {"noise": True, "noise_volume": 1e3}
    whole = start(X, shares, "full", **settings)
    assert_close(whole.noise_weight_, shares[:, K].mean(), 1e-12)
    left = start(X, shares[:, :K], "full", **settings)
    assert_close(left.noise_weight_, whole.noise_weight_, 1e-12)
    assert_close(left.means_, whole.means_, 1e-12)
    again = GaussianMixture(K, init_params=whole.predict_proba(X), **settings).fit(X)
    assert again.noise_weight_ > 0


def test_a_callable_is_asked_n_init_times_about_rows_without_gaps(random):
    X = gappy(random, random.normal(size=(N, D)))
    X[np.isnan(X).all(axis=1)] = 0.0
    asked = []

    def halves(rows, n_components, random_state):
        assert np.isfinite(rows).all()
        asked.append(random_state.randint(1000))
        return random_state.permutation(np.arange(len(rows)) % n_components)

    model = GaussianMixture(
        2, init_params=halves, n_init=3, missing_values="marginalize", random_state=0
    )
    model.fit(X)
    assert len(set(asked)) == 3
    first = list(asked)
    clone(model).fit(X)
    assert asked == first * 2


def test_a_callable_survives_cross_validation_and_units(random):
    X = np.vstack([random.normal(m, 1, (60, 2)) for m in (0, 8)]) * [1, 1000]
    model = GaussianMixture(2, init_params=ward)
    assert np.isfinite(cross_val_score(model, X)).all()
    labels = ward(X / [1, 1000], 2, None)
    with pytest.raises(ValueError, match=r"cross-validation X is a part .* callable"):
        cross_val_score(GaussianMixture(2, init_params=labels), X, error_score="raise")
    scaled = []

    def noted(rows, n_components, random_state):
        scaled.append(rows.std(axis=0))
        return ward(rows, n_components, random_state)

    fastem.fit_standardized(GaussianMixture(2, init_params=noted), X)
    assert_close(scaled[0], [1, 1], 1e-9)


def test_of_blocks_it_is_asked_about_a_sample(random):
    X = random.normal(size=(5000, 2)) + 6 * (np.arange(5000) % 2)[:, np.newaxis]
    sizes = []

    def noted(rows, n_components, random_state):
        sizes.append(len(rows))
        return (rows[:, 0] > 3).astype(int)

    blocks = IterableBlocks([X[:2000], X[2000:]])
    model = GaussianMixture(2, init_params=noted, random_state=0).fit(blocks)
    assert sizes == [enough_rows(2, 2)]
    plain = GaussianMixture(2, init_params=noted, random_state=0).fit(X)
    assert_close(np.sort(model.means_[:, 0]), np.sort(plain.means_[:, 0]), 0.01)


def test_degrees_of_blocks_are_those_of_memory(random, covariance_type):
    X = random.normal(size=(2500, D))
    shares = random.dirichlet(np.ones(K), size=len(X))
    blocks = IterableBlocks([X[:2000], X[2000:]])
    in_blocks, in_memory = (start(t, shares, covariance_type) for t in (blocks, X))
    assert_close(in_blocks.covariances_, in_memory.covariances_, 1e-11)


@pytest.mark.parametrize(
    ("partition", "said"),
    [
        (np.ones((N, 2)), r"sum to 1 in each row, or to 0 .* sums to 2 in row 0"),
        (np.full((N, 2), -0.5), r"not be negative|not negative, but is -0.5 in row 0"),
        (np.eye(3)[np.zeros(N, int)], r"in the shape \(300, 2\), but has \(300, 3\)"),
        (np.eye(2)[np.zeros(N, int)], "has no row of component 1"),
        (lambda X, K, r: np.zeros(3), r"returned should have a label .* there are 300"),
        (lambda X, K, r: np.full(N, 2), "returned must hold numbers of components"),
    ],
)
def test_what_is_no_partition_is_said(random, partition, said):
    X = random.normal(size=(N, D))
    with pytest.raises(ValueError, match=said):
        GaussianMixture(2, init_params=partition).fit(X)


def test_files_know_a_callable_by_its_name_or_not_at_all(random, tmp_path):
    X = random.normal(size=(N, 2))
    model = GaussianMixture(2, init_params=ward).fit(X)
    fastem.save_model(model, tmp_path / "model.json")
    assert fastem.load_model(tmp_path / "model.json").init_params == "kmeans"
    assert plain_settings({"init_params": ward})["init_params"].endswith(".ward")


def test_there_is_but_one_start_from_a_partition(random, X):
    labels = random.integers(0, K, size=N)
    seen = []
    model = GaussianMixture(K, init_params=labels, n_init=5)
    model.fit(X, callback=seen.append)
    assert {progress.restart for progress in seen} == {0}
