"""Fits on a real cluster: workers in processes of their own."""

import os
import pickle
import signal
import subprocess
import sys

import dask
import dask.array as da
import dask.bag
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster, wait
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

import fastem
import fastem.dask
from fastem.choice.criteria import CRITERIA
from fastem.covariances import STRUCTURES
from fastem.dask.passes import distinct_of_all, distinct_rows
from fastem.dask.rows import RowsOnCluster
from fastem.dask.trees import summed
from fastem.kernels import CHUNK_ROWS, grid
from fastem.report.pictures import coloured_rows
from fastem.report.views import View
from fastem.training.folds import Fold
from fastem.training.in_memory import RowsInMemory
from tests import mixtures
from tests.mixtures import assert_close

N, D, K = 6000, 3, 4
ATTRIBUTES = ("weights_", "means_", "covariances_", "precisions_cholesky_")
FITS = ["fit", "fit_predict"]
SCORES = ["score_samples", "score", "bic", "aic", "icl", "entropy"]
CHUNKS = ((1500, 2500, 0, 1100, 900), (D,))


def cluster_of(n_workers, threads_per_worker):
    # Without a page and profiles of it, which take a third of the time of a short fit;
    # its server, at any free port: two clusters are open at once.
    dask.config.set({"distributed.worker.profile.enabled": False})
    return LocalCluster(
        n_workers=n_workers,
        threads_per_worker=threads_per_worker,
        processes=True,
        dashboard_address=":0",
        scheduler_kwargs={"dashboard": False},
    )


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(2, 2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    with Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def other_cluster():
    """One whose workers are not started again when they die."""
    with cluster_of(3, 1) as cluster:
        for nanny in cluster.workers.values():
            nanny.auto_restart = False
        yield cluster


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(7)
    mixture = mixtures.random_mixture(random, "full", K, D, spread=3)
    return mixtures.draw(random, mixture, N)


@pytest.fixture(scope="module")
def row_weights():
    return np.random.default_rng(8).uniform(0, 5, N)


@pytest.fixture
def X(rows):  # noqa: N802
    """The rows on a cluster; one of the partitions is empty."""
    return da.from_array(rows, chunks=CHUNKS)


def test_a_background_is_that_of_the_rows_in_memory(client, rows, X, row_weights):
    outliers = np.random.default_rng(3).uniform(-12, 12, size=(300, D))
    rows = np.vstack([rows, outliers])
    there = da.from_array(rows, chunks=(1700, D))
    weights = np.append(row_weights, np.ones(300))
    weights_there = da.from_array(weights, chunks=1700)
    start = start_of(rows, "full")
    for settings in ({}, {"noise_bounds": [[-15, 15]] * D}, {"noise_volume": 2e4}):
        here, cluster = both_fits(
            *(rows, there, {**start, "noise": True, **settings}),
            *(weights, weights_there),
        )
        for name in ("weights_", "means_", "noise_weight_", "noise_volume_"):
            assert_close(getattr(cluster, name), getattr(here, name), 1e-9)
        assert_close(cluster.noise_bounds_, here.noise_bounds_, 1e-12)
        probabilities = cluster.predict_proba(there)
        assert probabilities.shape == (len(rows), K + 1)
        assert_close(probabilities.compute(), here.predict_proba(rows), 1e-8)
        labels = cluster.predict(there).compute()
        np.testing.assert_array_equal(labels, here.predict(rows))
        assert (labels == -1).any()


def test_tails_are_those_of_the_rows_in_memory(client, rows):
    tailed = rows + np.random.default_rng(4).standard_t(3, size=rows.shape)
    there = da.from_array(tailed, chunks=(1700, D))
    settings = {**start_of(rows, "full"), "max_iter": 5, "tol": 0}
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        here = fastem.StudentMixture(**settings).fit(tailed)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        cluster = fastem.dask.StudentMixture(**settings).fit(there)
    for name in (*ATTRIBUTES, "degrees_of_freedom_"):
        assert_close(getattr(cluster, name), getattr(here, name), 1e-9)
    scores = cluster.score_samples(there).compute()
    assert_close(scores, here.score_samples(tailed), 1e-9)


def start_of(rows, covariance_type):
    structure = STRUCTURES[covariance_type]
    precisions = np.ones(structure.representation.shape(K, D))
    if structure.representation.has_matrices:
        precisions = np.broadcast_to(np.eye(D), precisions.shape)
    return {
        "n_components": K,
        "covariance_type": covariance_type,
        "weights_init": np.full(K, 1 / K),
        "means_init": rows[:K],
        "precisions_init": precisions,
    }


def both_fits(rows, X, parameters, sample_weight=None, sample_weight_there=None):
    """In memory and on the cluster, with a few iterations only."""
    fits = []
    for make, table, weight in (
        (fastem.GaussianMixture, rows, sample_weight),
        (fastem.dask.GaussianMixture, X, sample_weight_there),
    ):
        model = make(**parameters, max_iter=5, tol=0)
        with pytest.warns(ConvergenceWarning, match="did not converge"):
            fits.append(model.fit(table, sample_weight=weight))
    return fits


def assert_same_fit(here, there, tolerance=1e-10):
    assert here.n_iter_ == there.n_iter_
    assert_close(there.lower_bounds_, here.lower_bounds_, tolerance)
    for name in ATTRIBUTES:
        assert_close(getattr(there, name), getattr(here, name), tolerance, name)


@pytest.mark.usefixtures("client")
def test_a_fit_is_that_of_one_machine(rows, X, covariance_type):
    here, there = both_fits(rows, X, start_of(rows, covariance_type))
    assert_same_fit(here, there)


@pytest.mark.usefixtures("client")
def test_so_is_a_fit_with_weights(rows, X, row_weights, covariance_type):
    row_weights[1500:4000] = 0  # all of a partition
    weights = da.from_array(row_weights, chunks=CHUNKS[:1])
    parameters = start_of(rows, covariance_type)
    here, there = both_fits(rows, X, parameters, row_weights, weights)
    assert_same_fit(here, there)
    assert there.bic(X, weights) == pytest.approx(
        here.bic(rows, row_weights), rel=1e-12
    )


@pytest.mark.usefixtures("client")
def test_so_is_a_warning_of_weights_that_are_no_numbers_of_rows(rows, X):
    row_weights = np.random.default_rng(9).uniform(0.1, 5, N)
    model = fastem.dask.GaussianMixture(2, random_state=0).fit(rows)
    shares = row_weights / row_weights.sum()
    for weights in (shares, da.from_array(shares, chunks=CHUNKS[:1])):
        table = rows if weights is shares else X
        with pytest.warns(
            UserWarning, match="sum to 1, less than the 6,000 rows"
        ) as caught:
            model.bic(table, weights)
        assert caught[0].filename == __file__
    counts = np.rint(100 * row_weights)
    there = model.aic(X, da.from_array(counts, chunks=CHUNKS[:1]))
    assert there == pytest.approx(model.aic(rows, counts), rel=1e-12)


@pytest.mark.usefixtures("client")
def test_float32_stays_float32(rows):
    """On the grid of chunks, where short sums are of the same rows."""
    single = rows.astype(np.float32)
    X = da.from_array(single, chunks=(2 * CHUNK_ROWS, D))
    here, there = both_fits(single, X, start_of(rows, "full"))
    assert_same_fit(here, there)
    assert there.predict_proba(X).dtype == np.float32


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    "method",
    ["kmeans", "k-means++", "random", "random_from_data", "subsample", "trimmed"],
)
def test_starts_of_a_small_table_are_those_of_one_machine(rows, X, method):
    here, there = both_fits(
        rows[:4000],
        X[:4000],
        {"n_components": K, "init_params": method, "random_state": 3},
    )
    assert_same_fit(here, there)


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("method", ["kmeans", "subsample", "trimmed"])
def test_starts_of_a_large_one_lead_to_the_same_optimum(rows, X, method):
    models = [
        make(K, init_params=method, tol=1e-8, accelerate=True, random_state=0).fit(
            table
        )
        for make, table in (
            (fastem.GaussianMixture, rows),
            (fastem.dask.GaussianMixture, X),
        )
    ]
    here, there = (model.lower_bound_ for model in models)
    assert there == pytest.approx(here, rel=1e-7)


@pytest.mark.usefixtures("client")
def test_rows_are_drawn_by_their_weights(random):
    values = np.arange(5000.0)[:, np.newaxis]
    row_weights = random.uniform(0, 1, 5000)
    row_weights[:1000] *= 10
    X = da.from_array(values, chunks=(625, 1))
    weights = da.from_array(row_weights, chunks=625)
    table = RowsOnCluster.checked(fastem.GaussianMixture(), X, weights)
    samples = [table.sample(1, check_random_state(seed)) for seed in (0, 0, 1)]
    assert np.array_equal(samples[0].values, samples[1].values)
    assert not np.array_equal(samples[0].values, samples[2].values)
    for some in samples:
        assert set(some.values[:, 0]) <= set(values[:, 0])
        assert some.n_rows == 1020
        mean = np.average(some.values[:, 0], weights=some.weights)
        true = np.average(values[:, 0], weights=row_weights)
        deviation = np.sqrt(np.average((values[:, 0] - true) ** 2, weights=row_weights))
        assert abs(mean - true) < 4 * deviation / np.sqrt(1020)


@pytest.mark.usefixtures("client")
def test_a_table_with_names(rows, row_weights):
    table = pd.DataFrame(rows, columns=["a", "b", "c"])
    table["weight"] = row_weights
    X = dd.from_pandas(table, npartitions=3)
    here, there = both_fits(
        table[["a", "b", "c"]], X, start_of(rows, "full"), row_weights, "weight"
    )
    assert_same_fit(here, there)
    assert list(there.feature_names_in_) == ["a", "b", "c"]
    columns = X[["a", "b", "c"]]
    assert np.array_equal(
        there.predict(columns).compute(), here.predict(table[["a", "b", "c"]])
    )
    assert there.score(X, sample_weight="weight") == pytest.approx(
        here.score(table[["a", "b", "c"]], sample_weight=row_weights), rel=1e-12
    )
    with pytest.raises(ValueError, match="feature names should match"):
        there.predict(X)
    with pytest.raises(ValueError, match="no column of that name"):
        there.fit(columns, sample_weight="weight")


@pytest.fixture(scope="module")
def folder(rows, row_weights, tmp_path_factory):
    """Parquet files with more columns than are used: dask puts such files together."""
    folder = tmp_path_factory.mktemp("files")
    table = pd.DataFrame(rows, columns=["a", "b", "c"]).assign(weight=row_weights)
    for i in range(9):
        table[f"unused{i}"] = row_weights[::-1] + i
    for i in range(8):
        table.iloc[N // 8 * i : N // 8 * (i + 1)].to_parquet(folder / f"{i}.parquet")
    return folder


WEIGHTS = {
    "the name": (lambda X: X[["a", "b", "c", "weight"]], lambda X: "weight"),
    "the Series": (lambda X: X[["a", "b", "c"]], lambda X: X["weight"]),
    "made of it": (lambda X: X[["a", "b", "c"]], lambda X: X["weight"] * 2),
    "read alone": (
        lambda X: X[["a", "b", "c"]],
        lambda X: dd.read_parquet(X.folder, columns=["weight"])["weight"],
    ),
    "arrays": (
        lambda X: X[["a", "b", "c", "weight"]].to_dask_array()[:, :3],
        lambda X: X[["a", "b", "c", "weight"]].to_dask_array()[:, 3],
    ),
}


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("what", WEIGHTS)
def test_weights_of_a_folder_of_files_are_those_of_its_rows(
    rows, row_weights, folder, what
):
    whole = dd.read_parquet(folder)
    assert whole["weight"].optimize().npartitions < whole.npartitions == 8
    whole.folder = folder
    X, weights = (part(whole) for part in WEIGHTS[what])
    names = None if what == "arrays" else ["a", "b", "c"]
    table = pd.DataFrame(rows, columns=names) if names else rows
    here, there = both_fits(table, X, start_of(rows, "full"), row_weights, weights)
    assert_same_fit(here, there)
    factor = 2 if what == "made of it" else 1
    for name in ("score", "icl"):
        assert getattr(there, name)(X, sample_weight=weights) == pytest.approx(
            getattr(here, name)(table, sample_weight=factor * row_weights), rel=1e-12
        )


@pytest.mark.usefixtures("client")
def test_answers_about_a_folder_have_its_partitions(rows, folder):
    X = dd.read_parquet(folder)[["a", "b", "c"]] * 1
    assert X.optimize().npartitions < X.npartitions
    model = fastem.dask.GaussianMixture(2, random_state=0)
    labels = model.fit_predict(X)
    assert labels.numblocks == model.predict(X).numblocks == (X.npartitions,)
    expected = model.predict(pd.DataFrame(rows, columns=["a", "b", "c"]))
    assert np.array_equal(labels.compute(), expected)
    first = model.predict(X).blocks[0].compute()
    assert np.array_equal(first, expected[: N // 8])


@pytest.mark.usefixtures("client")
def test_what_makes_rows_and_their_weights_is_run_once(rows, row_weights):
    """Run again, it would draw other weights than those of the rows."""

    def draw(number):
        random = np.random.default_rng()
        table = pd.DataFrame(random.normal(size=(500, 2)), columns=["a", "b"])
        return table.assign(weight=(table["a"] > 0) * 1.0)

    X = dd.from_map(draw, range(4), meta=draw(0))
    model = fastem.dask.GaussianMixture(1).fit(X, sample_weight="weight")
    assert model.means_[0, 0] == pytest.approx(np.sqrt(2 / np.pi), abs=0.1)


@pytest.mark.usefixtures("client")
def test_answers_are_dask_arrays_not_computed_yet(rows, X):
    there = both_fits(rows, X, start_of(rows, "full"))[1]
    for name, shape in (
        ("predict", ()),
        ("predict_proba", (K,)),
        ("score_samples", ()),
    ):
        lazy = getattr(there, name)(X)
        assert isinstance(lazy, da.Array)
        assert lazy.chunks[0] == X.chunks[0]
        assert lazy.shape[1:] == shape
        computed = lazy.compute()
        assert (lazy.dtype, lazy._meta.ndim) == (computed.dtype, computed.ndim)
        assert np.array_equal(computed, getattr(there, name)(rows)), "not as in memory"
    for name in ("score", "bic", "aic", "entropy"):
        value = getattr(there, name)(X)
        assert isinstance(value, float)
        assert value == pytest.approx(getattr(there, name)(rows), rel=1e-12)
    unknown = there.predict(X[X[:, 0] > 0])
    assert np.isnan(unknown.shape[0])
    assert np.array_equal(unknown.compute(), there.predict(rows[rows[:, 0] > 0]))
    by_column = X.rechunk((1500, 1))
    assert np.array_equal(there.predict(by_column).compute(), there.predict(rows))


@pytest.mark.usefixtures("client")
def test_labels_of_fit_predict_are_those_of_predict(X):
    model = fastem.dask.GaussianMixture(K, random_state=0)
    labels = model.fit_predict(X)
    assert isinstance(labels, da.Array)
    assert labels.chunks[0] == X.chunks[0]
    assert np.array_equal(labels.compute(), model.predict(X).compute())
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(X).compute(), labels.compute())


@pytest.mark.usefixtures("client")
def test_a_mixture_is_chosen_where_the_rows_are(rows, X):
    selector = fastem.GaussianMixtureSelector(
        [2, 4], ["diag", "tied"], estimator=fastem.dask.GaussianMixture()
    )
    there = selector.set_params(random_state=0).fit(X)
    best = there.results_.ranked[0]
    assert best.n_rows == N
    assert there.best_estimator_.bic(rows) == pytest.approx(best.value, rel=1e-12)
    assert isinstance(there.predict(X), da.Array)
    here = selector.set_params(estimator=None).fit(rows)
    assert here.n_components_ == there.best_estimator_.n_components


@pytest.mark.usefixtures("client")
def test_folds_are_those_of_the_same_rows_in_memory(rows, X):
    model = fastem.dask.GaussianMixture(2, covariance_type="diag", random_state=0)
    here = model.fit(rows)._training_rows(rows, None)
    there = model._training_rows(X, None)
    for fold in (Fold(2, 5, 1), Fold(2, 5, 1).rest()):
        parts = [table.part(fold) for table in (here, there)]
        weights = np.concatenate(there.client.gather(list(parts[1].weights)))
        assert np.array_equal(weights, parts[0].weights)
        assert parts[1].n_rows == pytest.approx(parts[0].n_rows, rel=1e-12)
    told = [CRITERIA["held_out"].of(model, table, 1) for table in (here, there)]
    assert told[1] == pytest.approx(told[0], rel=1e-9)


@pytest.mark.usefixtures("client")
def test_rows_in_memory_are_fitted_in_this_process(rows):
    models = [
        make(K, random_state=0).fit(rows)
        for make in (fastem.GaussianMixture, fastem.dask.GaussianMixture)
    ]
    assert np.array_equal(models[0].means_, models[1].means_)
    assert isinstance(models[1].predict(rows), np.ndarray)


@pytest.mark.usefixtures("client")
def test_a_ridge_relative_to_the_columns(rows, X):
    scale = np.array([1.0, 1e3, 0.0]) + 1e6 * np.array([1, 1, 1])
    constant = rows * np.array([1, 1, 0])
    here, there = (
        table.column_variances()
        for table in (
            RowsInMemory(constant + scale, np.empty(0), float(N)),
            RowsOnCluster.checked(
                fastem.GaussianMixture(), X * np.array([1, 1, 0]) + scale, None
            ),
        )
    )
    assert_close(there, here, 1e-9)
    assert there[2] == 0


@pytest.mark.usefixtures("client")
def test_a_component_is_seeded_anew_among_rows_explained_badly(rows, X):
    structure = STRUCTURES["full"]
    table = RowsOnCluster.checked(fastem.GaussianMixture(), X, None)
    model = fastem.GaussianMixture(K, random_state=0).fit(rows)
    row = table.expectation(structure.representation, None).draw_ill_explained(
        model._fitted()[1], check_random_state(0)
    )
    assert row.tolist() in rows.tolist()
    score = model.score_samples(row[np.newaxis])[0]
    assert score < np.quantile(model.score_samples(rows), 0.06)


@pytest.mark.usefixtures("client")
def test_a_value_that_repeats_is_named(rows):
    random = np.random.default_rng(1)
    many = np.where(random.random((N, D)) < 0.7, 0, rows + 20)
    many[:, 1:] = rows[:, 1:]
    model = fastem.dask.GaussianMixture(3, covariance_type="diag", random_state=0)
    with pytest.warns(fastem.RegularizationWarning, match="Column 0 is 0 in [67]"):
        model.fit(da.from_array(many, chunks=CHUNKS))


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({(3999, 1): np.nan}, "In partition 1: X contains 1 NaN .* row 2499, column 1"),
        ({(4000, 0): np.inf}, "In partition 3: X contains 1 inf .* row 0, column 0"),
        ({(5, 2): 1e200}, "In partition 0: X has values too large .* row 5, column 2"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(rows, change, said):
    wrong = rows.copy()
    for where, value in change.items():
        wrong[where] = value
    X = da.from_array(wrong, chunks=CHUNKS)
    model = fastem.dask.GaussianMixture(2)
    with pytest.raises(ValueError, match=said):
        model.fit(X)
    assert not hasattr(model, "n_features_in_"), "a failed fit leaves nothing"
    fitted = fastem.dask.GaussianMixture(2, random_state=0).fit(rows)
    with pytest.raises(ValueError, match=said):
        fitted.predict(X).compute()
    with pytest.raises(ValueError, match=said):
        fitted.score(X)


@pytest.mark.usefixtures("client")
def test_weights_that_cannot_be_used_are_named(rows, X, row_weights):
    model = fastem.dask.GaussianMixture(2, random_state=0)
    wrong = row_weights.copy()
    wrong[4001] = -1
    for weights, said in (
        (da.from_array(wrong, chunks=CHUNKS[:1]), "partition 3: .* -1 in row 1"),
        (
            da.from_array(wrong, chunks=1500),
            "has 4 partitions, but X has 5: .* Make the weights a column of the table",
        ),
        (da.zeros(N, chunks=CHUNKS[:1]), "zero for every row"),
        (
            da.ones(N, chunks=((1500, 2500, 0, 900, 1100),)),
            "partition [34]: sample_weight has .* rows, but X has .* a column of the",
        ),
    ):
        with pytest.raises(ValueError, match=said):
            model.fit(X, sample_weight=weights)
    with pytest.raises(TypeError, match="Dask array or Series like X"):
        model.fit(X, sample_weight=row_weights)
    fitted = model.fit(rows)
    with pytest.raises(ValueError, match="zero for every row"):
        fitted.score(X, sample_weight=da.zeros(N, chunks=CHUNKS[:1]))


@pytest.mark.usefixtures("client")
def test_tables_that_cannot_be_used_are_refused(rows, X):
    model = fastem.dask.GaussianMixture(3, random_state=0)
    for table, said in (
        (X[:1], "n_samples = 1 rows, but a fit needs 2"),
        (X[:2], "3 components need at least as many rows"),
        (X[:, 0], "Expected 2D array"),
        (da.zeros((40, 30, 3), chunks=20), r"Of an image, X.reshape\(-1, 3\)"),
        (da.zeros((100, 2), chunks=20), "only 1 distinct row, fewer"),
        (
            dd.from_pandas(pd.DataFrame({"a": ["x", "y"], "b": [1, 2]}), npartitions=1),
            "does not hold numbers in column 'a'",
        ),
    ):
        with pytest.raises(ValueError, match=said):
            model.fit(table)
    with pytest.raises(TypeError, match="X is a Dask Bag"):
        model.fit(dask.bag.from_sequence([1, 2]))
    with pytest.raises(
        ValueError, match="has 2 features, but GaussianMixture is expec"
    ):
        model.fit(rows).predict(X[:, :2])


@pytest.mark.parametrize("kind", ["DataFrame", "Series", "Array", "Bag"])
def test_the_plain_estimator_refuses_dask_collections(rows, kind):
    """Columns in another order would pass, as NumPy would drop their names."""
    table = pd.DataFrame(rows, columns=["a", "b", "c"])
    fitted = fastem.GaussianMixture(2, random_state=0).fit(table)
    X = dd.from_pandas(table[["c", "a", "b"]], npartitions=2)
    X = {
        "DataFrame": lambda: X,
        "Series": lambda: X["a"],
        "Array": X.to_dask_array,
        "Bag": lambda: dask.bag.from_sequence(rows),
    }[kind]()
    for method in (*FITS, "partial_fit", "predict", "predict_proba", *SCORES):
        model = fastem.GaussianMixture(2) if method in FITS else fitted
        with pytest.raises(
            TypeError, match=f"X is a Dask {kind}. fastem.dask.Gaussian"
        ):
            getattr(model, method)(X)


@pytest.mark.usefixtures("client")
def test_a_stream_begins_on_the_cluster_and_goes_on_here(rows, X):
    model = fastem.dask.GaussianMixture(2, random_state=0).partial_fit(X)
    with pytest.raises(TypeError, match=r"X.partitions\[i\].compute\(\), or use fit"):
        model.partial_fit(X)
    model.partial_fit(X.partitions[0].compute())
    assert model.n_samples_seen_ == N + 1500


def test_without_dask_or_a_client_the_error_names_what_is_needed():
    command = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "distributed":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
try:
    import fastem.dask
except ImportError as error:
    print(error)
del sys.meta_path[0]

import dask.array as da
from fastem.dask import GaussianMixture

try:
    GaussianMixture().fit(da.ones((4, 2)))
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    without_dask, without_client = done.stdout.splitlines()
    assert "pip install 'fastem[dask]'" in without_dask
    assert "dask.distributed.Client(address)" in without_client


@pytest.mark.usefixtures("client")
def test_rows_are_told_about_where_they_are(client, rows, X, row_weights):
    model = fastem.dask.GaussianMixture(K, random_state=0).fit(rows)
    w = da.from_array(row_weights, chunks=CHUNKS[0])
    told = fastem.summary(model, X, w)
    assert str(told) == str(fastem.summary(model, rows, row_weights))
    merged = fastem.merge_components(model, X, w).entropy
    of_rows = fastem.merge_components(model, rows, row_weights).entropy
    np.testing.assert_allclose(merged, of_rows, rtol=1e-9)
    views = [View.of_columns([0, 1], ["a", "b", "c"])]
    (there,) = coloured_rows(views, model, X, sample_weight=w, max_points=100)
    (here,) = coloured_rows(views, model, rows, sample_weight=row_weights, max_points=1)
    assert there.points is None
    assert (there.n_rows, here.n_rows) == (N, N)
    assert there.counts.sum() == pytest.approx(here.counts.sum(), rel=0.01)


def test_large_parameters_are_sent_without_a_warning():
    random = np.random.default_rng(0)
    n_components, n_features = 420, 80  # 11 MB of triangular factors
    X = da.from_array(random.normal(size=(500, n_features)), chunks=(250, -1))
    model = fastem.dask.GaussianMixture(
        n_components,
        weights_init=np.full(n_components, 1 / n_components),
        means_init=random.normal(size=(n_components, n_features)),
        precisions_init=np.repeat(np.eye(n_features)[np.newaxis], n_components, 0),
        max_iter=1,
        reg_covar=1.0,
    )
    with (
        pytest.warns(ConvergenceWarning, match="did not converge"),
        pytest.warns(fastem.RegularizationWarning),
    ):
        model.fit(X)


def has_kernel_threads():
    return grid._helpers.n_started > 0


@pytest.mark.exhaustive
def test_a_task_is_one_thread_where_it_is_not_told_otherwise(rows, other_cluster):
    X = da.from_array(np.tile(rows, (10, 1)), chunks=(20_000, D))
    with Client(other_cluster) as client:
        for n_threads, has_others in ((None, False), (2, True)):
            model = fastem.dask.GaussianMixture(
                **start_of(rows, "full"), tol=10, n_threads=n_threads
            )
            model.fit(X)
            assert any(client.run(has_kernel_threads).values()) == has_others


@pytest.mark.exhaustive
@pytest.mark.usefixtures("client")
def test_a_worker_that_dies_costs_time_only(rows, X, other_cluster, monkeypatch):
    """In the third iteration, the one that holds the parameters and some rows."""
    model = fastem.dask.GaussianMixture(**start_of(rows, "full"), tol=0, max_iter=6)

    def fitted():
        with pytest.warns(ConvergenceWarning, match="did not converge"):
            model.fit(X)
        return [getattr(model, name).tobytes() for name in ATTRIBUTES]

    expected = fitted()
    with Client(other_cluster) as client:
        assert fitted() == expected, "on another number of workers"
        processes = client.run(os.getpid)
        sent, killed = [], []

        def submit(*arguments, **settings):
            future = Client.submit(client, *arguments, **settings)
            wait(future)
            sent.append(future.key)
            if len(sent) == 3:
                (holder,) = client.who_has(future)[future.key]
                os.kill(processes[holder], signal.SIGKILL)
                killed.append(holder)
            return future

        monkeypatch.setattr(client, "submit", submit)
        assert fitted() == expected
        assert len(sent) == model.n_iter_
        # Another one may have been started in its place, at another address.
        assert not set(killed) & set(client.scheduler_info()["workers"])


@pytest.mark.parametrize("n_tasks", [1, 2, 8, 9, 64, 65, 600])
def test_a_tree_adds_everything_in_order(n_tasks):
    def submit(add, groups):
        return [add(group) for group in groups]

    words = [f"{i} " for i in range(n_tasks)]
    assert summed(words, "".join, submit) == "".join(words)


def test_distinct_rows_are_found_up_to_a_number():
    rows = np.array([[0.0, 1], [-0.0, 1], [2, 2], [3, 3], [2, 2]])
    none = np.empty(0)
    assert distinct_rows(rows, none, 5).tolist() == [[0, 1], [2, 2], [3, 3]]
    assert distinct_rows(rows, none, 2).tolist() == [[0, 1], [2, 2]]
    weights = np.array([0, 0, 1, 0, 1.0])
    assert distinct_rows(rows, weights, 5).tolist() == [[2, 2]]
    assert distinct_of_all([rows[:3], rows[2:]], 5).tolist() == [[0, 1], [2, 2], [3, 3]]


@pytest.mark.parametrize(
    "gaps",
    [False, pytest.param(True, marks=pytest.mark.exhaustive)],
    ids=["", "gaps"],
)
def test_known_rows_lie_where_the_table_does(client, rows, gaps, tmp_path):
    labels = np.where(np.arange(N) % 7, -1, np.arange(N) // 7 % K)
    X = rows.copy()
    if gaps:
        X[::5, 1] = np.nan
    settings = {"missing_values": "marginalize", "max_iter": 4, "tol": 0}
    whole = fastem.GaussianMixture(K, **settings)
    ours = fastem.dask.GaussianMixture(K, **settings)
    collection = da.from_array(X, chunks=CHUNKS)
    frame = pd.DataFrame(X, columns=list("abc")).assign(kind=labels)
    many = dd.from_pandas(frame, npartitions=3)
    mask = (labels[:, np.newaxis] == np.arange(K)) | (labels == -1)[:, np.newaxis]
    given = [
        (collection, labels),
        (collection, da.from_array(labels, chunks=CHUNKS[0])),
        (collection, da.from_array(mask, chunks=(CHUNKS[0], 2))),
        (many, ("column", "kind")),
        (many[list("abc")], many["kind"]),
    ]
    with pytest.warns(ConvergenceWarning):
        expected = whole.fit(X, labels=labels).means_
    for table, known in given:
        with pytest.warns(ConvergenceWarning):
            ours.fit(table, labels=known)
        assert_close(ours.means_, expected, 1e-10)
    wrong = np.where(np.arange(N) == 4100, K, labels)
    with pytest.raises(ValueError, match="In partition 3: labels must hold numbers"):
        ours.fit(collection, labels=da.from_array(wrong, chunks=CHUNKS[0]))
    with pytest.raises(ValueError, match="labels has 1 partitions, but X has 5"):
        ours.fit(collection, labels=da.from_array(labels, chunks=N))
    with pytest.raises(ValueError, match="labels name no row of component 2"):
        ours.fit(collection, labels=np.where(labels == 2, -1, labels))
