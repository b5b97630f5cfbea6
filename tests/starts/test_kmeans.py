"""k-means: the clusters of scikit-learn, whatever the shape, type and weights."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning

from fastem.checks.rows import read_only
from fastem.starts import kmeans
from fastem.starts.kmeans import _Lloyd, choose_seeds, cluster
from tests.mixtures import assert_close, draw, random_mixture

SHAPES = [(5, 1, 3), (300, 4, 1), (300, 4, 2), (900, 2, 7), (5000, 3, 5), (2500, 9, 40)]


def rows_and_weights(random, n_rows, n_features, n_clusters, *, dtype, weighted):
    mixture = random_mixture(random, "full", n_clusters, n_features)
    X = draw(random, mixture, n_rows).astype(dtype)
    row_weights = np.empty(0, dtype)
    if weighted:
        row_weights = random.uniform(size=n_rows).astype(dtype)
        row_weights[::7] = 0
    return read_only(X), read_only(row_weights)


def state():
    return np.random.RandomState(4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_labels_are_those_of_scikit_learn(random, shape, dtype, weighted):
    if weighted and shape[0] < 10:
        shape = (20, *shape[1:])
    X, row_weights = rows_and_weights(random, *shape, dtype=dtype, weighted=weighted)
    n_clusters = shape[2]
    theirs = KMeans(n_clusters, n_init=1, random_state=state()).fit(
        X.astype(np.float64), sample_weight=row_weights if weighted else None
    )
    ours = cluster(X, row_weights, n_clusters, state())
    # As near to two centers, to the rounding of float32.
    n_ties = 0 if dtype is np.float64 else len(X) // 500
    assert (ours.labels != theirs.labels_).sum() <= n_ties
    w = row_weights if weighted else np.ones(len(X))
    shares = w.astype(np.float64)[:, np.newaxis] * np.eye(n_clusters)[ours.labels]
    means = (shares.T @ X) / shares.sum(axis=0)[:, np.newaxis]
    assert_close(ours.centers, means, 1e-11)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_seeds_are_those_of_scikit_learn(random, shape, weighted):
    if weighted and shape[0] < 10:
        shape = (20, *shape[1:])
    X, row_weights = rows_and_weights(
        random, *shape, dtype=np.float64, weighted=weighted
    )
    _, theirs = kmeans_plusplus(
        X,
        shape[2],
        sample_weight=row_weights if weighted else None,
        random_state=state(),
    )
    ours = choose_seeds(X, row_weights, shape[2], state())
    assert np.array_equal(ours, theirs)


def test_the_state_of_the_random_numbers_afterwards_is_that_of_scikit_learn(random):
    X, none = rows_and_weights(random, 500, 3, 4, dtype=np.float64, weighted=False)
    ours, theirs = state(), state()
    cluster(X, none, 4, ours)
    KMeans(4, n_init=1, random_state=theirs).fit(X)
    assert ours.uniform() == theirs.uniform()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_number_of_threads_gives_the_same_bits(random, dtype):
    X, row_weights = rows_and_weights(random, 5000, 3, 5, dtype=dtype, weighted=True)
    one, two = (cluster(X, row_weights, 5, state(), n) for n in (1, 2))
    assert np.array_equal(one.labels, two.labels)
    assert np.array_equal(one.centers, two.centers)


@pytest.mark.parametrize("n_far", [1, 2, 3])
def test_clusters_without_rows_get_far_ones_as_in_scikit_learn(random, n_far):
    X, none = rows_and_weights(random, 400, 3, 4, dtype=np.float64, weighted=False)
    points = np.concatenate([X[:4], 1e3 + np.arange(3 * n_far).reshape(n_far, 3)])
    theirs = KMeans(len(points), init=points, n_init=1, max_iter=1).fit(X)
    center, _ = kmeans._mean_and_variance(X)
    lloyd = _Lloyd(X, none, center, points - center, None)
    lloyd.assign()
    lloyd.move()
    lloyd.assign()
    assert np.array_equal(lloyd.clusters().labels, theirs.labels_)


def test_more_clusters_than_distinct_rows_are_warned_of():
    X = read_only(np.repeat(np.eye(3), 4, axis=0))
    with pytest.warns(
        ConvergenceWarning, match="distinct clusters than components. There are 3"
    ):
        clusters = cluster(X, read_only(np.empty(0)), 5, state())
    assert len(np.unique(clusters.labels)) == 3


def test_rows_far_from_zero_are_clustered_as_near_it(random):
    X, none = rows_and_weights(random, 2000, 3, 4, dtype=np.float64, weighted=False)
    X = np.round(X * 2**20) / 2**20  # so that the sum is exact
    near = cluster(read_only(X), none, 4, state())
    far = cluster(read_only(X + 2.0**26), none, 4, state())
    assert np.array_equal(near.labels, far.labels)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_bounds_leave_no_row_at_a_center_that_is_not_the_nearest(random, scale):
    X, none = rows_and_weights(random, 3000, 5, 6, dtype=np.float64, weighted=False)
    X = read_only(X * scale)
    lloyd = _Lloyd(X, none, np.zeros(5), X[:6].copy(), None)
    n_skipped = 0
    for _ in range(30):
        nearest = lloyd._nearest
        n_skipped += (nearest.values > nearest.travel[nearest.labels]).sum()
        lloyd.assign()
        squared = ((X[:, np.newaxis] - nearest.points) ** 2).sum(axis=2)
        assert np.array_equal(nearest.labels, squared.argmin(axis=1))
        counts = np.bincount(nearest.labels, minlength=7)
        assert np.array_equal(lloyd._sums[:-1, -1], counts[:-1])
        lloyd.move()
    assert n_skipped > 30 * len(X) // 3


@pytest.mark.parametrize("distance", [0.0, 1e2, 1e4, 1e6])
def test_clusters_that_float32_cannot_tell_apart_are_told_apart(random, distance):
    # Pairs of clusters, each pair far from the others and from the mean.
    centers = distance * random.normal(size=(3, 17)).repeat(2, axis=0)
    centers += 3 * random.normal(size=(6, 17))
    X = read_only(np.repeat(centers, 400, axis=0) + random.normal(size=(2400, 17)))
    center, _ = kmeans._mean_and_variance(X)
    lloyd = _Lloyd(X, read_only(np.empty(0)), center, X[::400] - center, None)
    for _ in range(5):
        lloyd.assign()
        residuals = (X - center)[:, np.newaxis] - lloyd._nearest.points
        nearest = (residuals**2).sum(axis=2).argmin(axis=1)
        assert np.array_equal(lloyd._nearest.labels, nearest)
        lloyd.move()


def test_a_row_as_near_to_two_centers_belongs_to_the_first():
    X = read_only(np.array([[0.0, 1], [0, -1], [0, 0], [3, 0]]))
    points = np.array([[1.0, 0], [1, 0], [-1, 0]])
    lloyd = _Lloyd(X, read_only(np.empty(0)), np.zeros(2), points, None)
    lloyd.assign()
    assert lloyd._nearest.labels.tolist() == [0, 0, 0, 0]


def test_a_cluster_that_a_heavy_row_has_left_keeps_its_light_rows():
    X = read_only(np.array([[0.0], [1], [10]]))
    row_weights = read_only(np.array([1e-3, 1e-3, 1e20]))
    lloyd = _Lloyd(X, row_weights, np.zeros(1), np.array([[0.0], [30.0]]), None)
    lloyd.assign()
    lloyd._nearest.travel[:-1] += 100
    lloyd._nearest = lloyd._nearest._replace(points=np.array([[0.0], [10.0]]))
    assert lloyd.assign() == 1
    assert_close(lloyd._sums[:-1, 1], np.array([2e-3, 1e20]), 1e-15)
    assert_close(lloyd.clusters().centers, np.array([[0.5], [10.0]]), 1e-15)


def test_the_mean_and_the_variance_are_those_of_numpy(random):
    for shape in ((7, 3), (70_000, 3), (300, 600)):
        X = read_only(1e4 + random.normal(size=shape))
        mean, variance = kmeans._mean_and_variance(X)
        wide = X.astype(np.longdouble)
        assert_close(mean, wide.mean(axis=0).astype(np.float64), 1e-15)
        assert_close(variance, float(wide.var(axis=0).mean()), 1e-12)


def test_no_warning_where_all_clusters_have_rows(random):
    X, none = rows_and_weights(random, 300, 2, 3, dtype=np.float64, weighted=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cluster(X, none, 3, state())
