"""Starts: from the same random numbers those of scikit-learn, with weights besides."""

import numpy as np
import pytest
from sklearn.cluster import KMeans, kmeans_plusplus

from fastem import GaussianMixture, SingularCovarianceError
from fastem.checks.parameters import GivenStart
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.em.maximization import Maximization
from fastem.em.plan import Plan
from fastem.starts import initialization
from fastem.starts.initialization import initial_parameters
from fastem.starts.partition import member_sums, statistics_of_members
from tests import reference
from tests.mixtures import assert_close, draw, random_mixture, start_of

K, D, N = 3, 4, 240
METHODS = ["kmeans", "k-means++", "random", "random_from_data"]
NO_WEIGHTS = read_only(np.empty(0))


@pytest.fixture(name="X")
def rows_of_a_mixture(random):
    return read_only(draw(random, random_mixture(random, "full", K, D), N))


def start(X, covariance_type, method, row_weights=NO_WEIGHTS, given=None, ridge=1e-3):
    structure = STRUCTURES[covariance_type]
    plan = Plan(
        K,
        structure,
        method=method,
        given=given or GivenStart(),
        random_state=np.random.RandomState(7),
    )
    maximize = Maximization(structure, ridge, "raise", lambda parameters: X[0])
    return initial_parameters(X, row_weights, plan, maximize)


def assert_is_twin(parameters, twin, covariance_type, tolerance=1e-12):
    compact = reference.STRUCTURES[covariance_type].compact
    assert_close(parameters.weights, twin.weights, tolerance)
    assert_close(parameters.means, twin.means, tolerance)
    assert_close(parameters.covariances, compact(twin.covariances), tolerance)


def test_kmeans_starts_from_the_clusters_of_scikit_learn(X, covariance_type):
    labels = KMeans(K, n_init=1, random_state=np.random.RandomState(7)).fit(X).labels_
    twin = reference.start_from_labels(X, labels, covariance_type, 1e-3)
    assert_is_twin(start(X, covariance_type, "kmeans"), twin, covariance_type)


def test_random_starts_from_uniform_responsibilities(X, covariance_type):
    shares = np.random.RandomState(7).uniform(size=(N, K))
    shares /= shares.sum(axis=1)[:, np.newaxis]
    twin = reference.start_from_shares(X, shares, covariance_type, 1e-3)
    assert_is_twin(start(X, covariance_type, "random"), twin, covariance_type)


@pytest.mark.parametrize("method", METHODS)
def test_blocks_of_rows_change_nothing(X, covariance_type, method, monkeypatch):
    whole = start(X, covariance_type, method)
    monkeypatch.setattr(initialization, "_BLOCK_VALUES", 7 * D)
    blocks = start(X, covariance_type, method)
    assert_close(blocks.weights, whole.weights, 1e-13)
    assert_close(blocks.means, whole.means, 1e-13)
    assert_close(blocks.covariances, whole.covariances, 1e-12)


@pytest.mark.parametrize("method", ["k-means++", "random_from_data"])
@pytest.mark.parametrize("name", ["full", "diag", "spherical"])
def test_rows_that_are_chosen_become_means_with_nothing_but_the_ridge(X, name, method):
    state = np.random.RandomState(7)
    chosen = (
        kmeans_plusplus(X, K, random_state=state)[1]
        if method == "k-means++"
        else state.choice(N, size=K, replace=False)
    )
    parameters = start(X, name, method)
    assert np.array_equal(parameters.means, X[chosen])
    assert parameters.weights.tolist() == [1 / N] * K
    ridges = np.repeat(1e-3 * np.eye(D)[np.newaxis], K, axis=0)
    expected = reference.STRUCTURES[name].compact(ridges)
    assert_close(parameters.covariances, expected, 1e-15)


@pytest.mark.parametrize("given", ["weights", "means", "precisions"])
def test_a_part_of_the_users_replaces_that_of_the_method(
    random, X, covariance_type, given
):
    mixture = random_mixture(random, covariance_type, K, D)
    arguments = start_of(mixture, covariance_type)
    theirs = GivenStart.checked(
        **{
            name: arguments[f"{name}_init"] if name == given else None
            for name in ("weights", "means", "precisions")
        },
        structure=STRUCTURES[covariance_type],
        shape=(K, D),
    )
    assert not theirs.is_complete
    mixed = start(X, covariance_type, "kmeans", given=theirs)
    plain = start(X, covariance_type, "kmeans")
    compact = reference.STRUCTURES[covariance_type].compact
    expected = {
        "weights": mixture.weights if given == "weights" else plain.weights,
        "means": mixture.means if given == "means" else plain.means,
        "covariances": compact(mixture.covariances)
        if given == "precisions"
        else plain.covariances,
    }
    for name, value in expected.items():
        assert_close(getattr(mixed, name), value, 1e-12, name)
    assert_close(
        STRUCTURES[covariance_type].representation.gram(mixed.precisions_cholesky),
        compact(
            np.linalg.inv(
                STRUCTURES[covariance_type].representation.expand(
                    mixed.covariances, K, D
                )
            )
        ),
        1e-10,
    )


def test_a_complete_start_draws_no_random_numbers(random, X, covariance_type):
    mixture = random_mixture(random, covariance_type, K, D)
    state = np.random.RandomState(3)
    GaussianMixture(
        **start_of(mixture, covariance_type), random_state=state, max_iter=300
    ).fit(X)
    assert state.uniform() == np.random.RandomState(3).uniform()


def test_a_users_start_is_copied(X):
    means = np.zeros((K, D))
    user = GivenStart.checked(None, means, None, STRUCTURES["full"], (K, D))
    parameters = start(X, "full", "kmeans", given=user)
    assert not np.shares_memory(parameters.covariances, means)
    assert np.array_equal(means, np.zeros((K, D)))


# Weights


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_weight_zero_are_no_part_of_a_start(X, covariance_type, method):
    row_weights = np.ones(N)
    row_weights[::2] = 0
    spoiled = X.copy()
    spoiled[::2] = 1e6
    parameters = start(
        read_only(spoiled), covariance_type, method, read_only(row_weights)
    )
    assert np.abs(parameters.means).max() < 100
    assert np.abs(parameters.covariances).max() < 1e4


def test_random_with_integer_weights_is_random_with_those_responsibilities(
    random, X, covariance_type
):
    row_weights = random.integers(0, 4, size=N).astype(np.float64)
    shares = np.random.RandomState(7).uniform(size=(N, K))
    shares *= (row_weights / shares.sum(axis=1))[:, np.newaxis]
    twin = reference.start_from_shares(X, shares, covariance_type, 1e-3)
    weighted = start(X, covariance_type, "random", read_only(row_weights))
    assert_is_twin(weighted, twin, covariance_type)


def test_statistics_of_labels_are_sums_over_the_members(random, X, covariance_type):
    labels = random.integers(0, K, size=N)
    row_weights = random.uniform(size=N)
    shares = row_weights[:, np.newaxis] * np.eye(K)[labels]
    points = random.normal(size=(K, D))
    statistics = statistics_of_members(
        member_sums(X, read_only(row_weights), labels.astype(np.int32), None),
        points,
        STRUCTURES[covariance_type].representation,
    )
    twin = reference.moments(X, shares, points)
    reduce_scatter = reference.STRUCTURES[covariance_type].reduce_scatter
    assert_close(statistics.weights, twin.weights, 1e-13)
    assert_close(statistics.reference, points, 1e-13)
    assert_close(statistics.first, twin.first, 1e-13)
    assert_close(statistics.scatter, reduce_scatter(twin.scatter), 1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bits(X, covariance_type, method):
    one, other = (start(X, covariance_type, method) for _ in range(2))
    assert np.array_equal(one.means, other.means)
    assert np.array_equal(one.precisions_cholesky, other.precisions_cholesky)


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_float32_start_as_the_same_rows_in_float64(X, covariance_type, method):
    rows = X.astype(np.float32)
    narrow = start(read_only(rows), covariance_type, method)
    wide = start(read_only(rows.astype(np.float64)), covariance_type, method)
    # k-means and the uniform numbers are float32 themselves.
    assert_close(narrow.means, wide.means, 1e-5)
    assert_close(narrow.covariances, wide.covariances, 1e-5)


@pytest.mark.parametrize("method", ["k-means++", "random_from_data"])
@pytest.mark.parametrize("policy", ["raise", "drop", "reseed"])
def test_starts_of_single_rows_need_a_spread_from_elsewhere(
    X, covariance_type, method, policy
):
    """The error names what is to be changed, and given precisions are enough."""
    options = {
        "covariance_type": covariance_type,
        "init_params": method,
        "on_collapse": policy,
        "reg_covar": 0,
        "random_state": 0,
        "tol": 10,
    }
    representation = STRUCTURES[covariance_type].representation
    if representation.is_shared:  # all rows are in what they share
        GaussianMixture(K, **options).fit(X)
        return
    for n_init in (1, 2):
        with pytest.raises(SingularCovarianceError) as raised:
            GaussianMixture(K, n_init=n_init, **options).fit(X)
        text = str(raised.value)
        assert text.startswith(f"init_params={method!r} gives each component one singl")
        assert "Use init_params='kmeans' or 'subsample', give precisions_init" in text
        assert "fewer components" not in text
    ones = np.ones(representation.shape(K, D))
    if representation.has_matrices:
        ones = ones * np.eye(D)
    model = GaussianMixture(K, precisions_init=ones, max_iter=0, **options).fit(X)
    rows = {row.tobytes() for row in X}
    assert all(mean.tobytes() in rows for mean in model.means_)
