"""Fits and answers of rows in blocks: those of the same rows in memory."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy.stats import binomtest, kstest
from sklearn.exceptions import ConvergenceWarning

from fastem import GaussianMixture, kernels
from fastem.checks.rows import read_only
from fastem.sources import opening, reading
from fastem.sources.opening import source_of
from fastem.sources.reading import blocks_of
from fastem.starts.initialization import column_variances
from fastem.starts.subsample import enough_rows
from fastem.training import in_blocks
from fastem.training.survey import RowSample, survey
from tests.mixtures import (
    STARTS_IN_SHORT,
    assert_close,
    draw,
    random_mixture,
    start_of,
)
from tests.processes import reader_threads
from tests.sources.test_opening import Blocks, write_parts

FITTED = ("weights_", "means_", "covariances_", "lower_bound_", "lower_bounds_")
N, D = 5000, 3
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.filterwarnings("ignore:.*did not converge")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1)  # 1024 rows
    monkeypatch.setattr(opening, "_STREAMED_BYTES", 0)


@pytest.fixture
def mixture(random, covariance_type):
    return random_mixture(random, covariance_type, 4, D, spread=3)


@pytest.fixture(name="X")
def some_rows(random):
    return draw(random, random_mixture(random, "full", 4, D, spread=3), N)


@pytest.fixture
def sources_of(X, tmp_path):
    """Everything that a fit reads block by block, holding X."""
    table = pa.table({name: X[:, j] for j, name in enumerate("abc")})

    def memory_map():
        np.save(tmp_path / "rows.npy", X)
        return np.load(tmp_path / "rows.npy", mmap_mode="r")

    return {
        "memory map": memory_map,
        "Arrow table": lambda: table,
        "reader": lambda: pa.RecordBatchReader.from_batches(
            table.schema, table.to_batches(900)
        ),
        "folder": lambda: write_parts(tmp_path / "parts", X),
        "blocks of 777": lambda: Blocks(X, 777),
        "blocks of 1024": lambda: Blocks(X, 1024),
        "one block": lambda: Blocks(X, N),
    }


KINDS = (
    *("memory map", "Arrow table", "reader", "folder"),
    *("blocks of 777", "blocks of 1024", "one block"),
)


def assert_same_bits(model, other):
    for name in FITTED:
        np.testing.assert_array_equal(getattr(model, name), getattr(other, name), name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_has_the_bits_of_the_fit_in_memory(
    X, sources_of, kind, mixture, covariance_type
):
    start = start_of(mixture, covariance_type) | {"max_iter": 6, "tol": 0}
    expected = GaussianMixture(**start).fit(X)
    model = GaussianMixture(**start).fit(sources_of[kind]())
    assert_same_bits(model, expected)
    assert model.n_features_in_ == D
    names = list("abc") if kind in ("Arrow table", "reader", "folder") else None
    assert (
        list(model.feature_names_in_) == names
        if names
        else not hasattr(model, "feature_names_in_")
    )


@pytest.mark.parametrize("weights", ["none", "some", "equal"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_so_do_weighted_fits_and_float32(
    random, mixture, covariance_type, dtype, weights
):
    X = draw(random, mixture, N).astype(dtype)
    row_weights = {
        "none": None,
        "some": random.integers(0, 4, N) / 3,
        "equal": np.full(N, 0.3),
    }[weights]
    start = start_of(mixture, covariance_type) | {"max_iter": 5, "tol": 0}
    expected = GaussianMixture(**start).fit(X, sample_weight=row_weights)
    model = GaussianMixture(**start).fit(Blocks(X, 900), sample_weight=row_weights)
    assert_same_bits(model, expected)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_number_of_threads_changes_nothing(X, n_threads):
    expected = GaussianMixture(3, random_state=0, n_threads=1, max_iter=5).fit(
        Blocks(X, 100)
    )
    model = GaussianMixture(3, random_state=0, n_threads=n_threads, max_iter=5)
    assert_same_bits(model.fit(Blocks(X, 4000)), expected)


def test_a_shared_covariance_is_repeated_by_the_same_decision(random, monkeypatch):
    # Far clusters, of which moments about the centre lose digits in the first pass.
    X = random.normal(size=(3000, 2)) + 1e6 * random.integers(0, 2, (3000, 1))
    passes = []
    real = kernels.expectation_pass

    def spy(rows, row_weights, factors, *arguments, **options):
        passes.append(factors.is_compact)
        return real(rows, row_weights, factors, *arguments, **options)

    monkeypatch.setattr(kernels, "expectation_pass", spy)
    start = {
        "covariance_type": "tied",
        "means_init": [[0, 0], [1e6, 1e6]],
        "weights_init": [0.5, 0.5],
        "precisions_init": 1e-10 * np.eye(2),
        "max_iter": 3,
        "tol": 0,
    }
    expected = GaussianMixture(2, **start).fit(X)
    in_memory, passes[:] = list(passes), []
    model = GaussianMixture(2, **start).fit(Blocks(X, 500))
    assert {True, False} <= set(in_memory)
    assert passes == [compact for compact in in_memory for _ in range(3)]
    assert_same_bits(model, expected)


@pytest.mark.parametrize(("covariance_type", "init"), STARTS_IN_SHORT)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_a_table_no_larger_than_the_sample_starts_as_in_memory(
    X, random, covariance_type, init, weighted
):
    assert enough_rows(5, D) > N
    row_weights = random.uniform(size=N) if weighted else None
    settings = {
        "n_components": 5,
        "covariance_type": covariance_type,
        "init_params": init,
        "random_state": 3,
        "max_iter": 3,
    }
    expected = GaussianMixture(**settings).fit(X, sample_weight=row_weights)
    model = GaussianMixture(**settings).fit(Blocks(X), sample_weight=row_weights)
    assert_same_bits(model, expected)


def test_a_random_start_draws_the_numbers_that_it_draws_in_memory(X, covariance_type):
    assert enough_rows(2, D) < N
    settings = {
        "n_components": 2,
        "covariance_type": covariance_type,
        "init_params": "random",
        "random_state": 1,
        "max_iter": 5,
        "tol": 0,
    }
    expected = GaussianMixture(**settings).fit(X)
    model = GaussianMixture(**settings).fit(Blocks(X))
    for name in FITTED[:3]:
        assert_close(getattr(model, name), getattr(expected, name), 1e-10, name)


@pytest.mark.parametrize("init", ["kmeans", "k-means++", "random_from_data", "trimmed"])
def test_other_starts_are_made_from_the_sample(X, init, monkeypatch):
    used = []
    real = in_blocks.RowsInMemory.start

    def spy(self, plan, maximize):
        used.append((plan.method, self.values))
        return real(self, plan, maximize)

    monkeypatch.setattr(in_blocks.RowsInMemory, "start", spy)
    model = GaussianMixture(2, init_params=init, random_state=0, max_iter=2)
    model.fit(Blocks(X))
    ((method, rows),) = used
    assert method == init
    assert len(rows) == enough_rows(2, D)
    of_X = {row.tobytes(): i for i, row in enumerate(X)}
    drawn = [of_X[row.tobytes()] for row in rows]
    assert drawn == sorted(set(drawn)), "not in order, or drawn twice"


@pytest.mark.parametrize("init", ["subsample", "trimmed"])
def test_a_start_on_a_sample_finds_what_it_finds_in_memory(random, init):
    means = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    X = means[random.integers(0, 3, 30_000)] + random.normal(size=(30_000, 2))
    settings = {"init_params": init, "random_state": 0}
    expected = GaussianMixture(3, **settings).fit(X)
    model = GaussianMixture(3, **settings).fit(Blocks(X, 5000))
    assert model.lower_bound_ == pytest.approx(expected.lower_bound_, abs=1e-3)
    assert_close(np.sort(model.means_, 0), np.sort(expected.means_, 0), 1e-3)


def test_a_seed_is_a_fit_and_another_one_another(X):
    def fit(seed):
        return GaussianMixture(2, random_state=seed, max_iter=1).fit(Blocks(X)).means_

    np.testing.assert_array_equal(fit(0), fit(0))
    assert not np.array_equal(fit(0), fit(1))
    generator = np.random.RandomState(0)
    np.testing.assert_array_equal(fit(generator), fit(0))
    fit(None)


@pytest.mark.parametrize("on_collapse", ["drop", "reseed"])
def test_collapses_are_mended(random, on_collapse):
    X = random.normal(size=(6000, 2))
    model = GaussianMixture(
        *(3,),
        on_collapse=on_collapse,
        weights_init=[0.4, 0.4, 0.2],
        means_init=[[-1, 0], [1, 0], [1e4, 1e4]],  # without rows
        precisions_init=[np.eye(2)] * 3,
        random_state=0,
    )
    with (
        pytest.warns(ConvergenceWarning, match="'drop' left out what")
        if on_collapse == "drop"
        else nullcontext()
    ):
        model.fit(Blocks(X))
    (collapse,) = model.collapses_
    assert collapse.action.startswith(on_collapse)


@pytest.mark.parametrize("accelerate", [False, True])
def test_restarts_relative_ridges_and_acceleration_work(X, accelerate):
    settings = {
        "n_components": 5,
        "n_init": 2,
        "reg_covar": "relative",
        "accelerate": accelerate,
        "random_state": 0,
        "max_iter": 8,
    }
    model = GaussianMixture(**settings).fit(Blocks(X))
    expected = GaussianMixture(**settings).fit(X)
    assert_close(model.means_, expected.means_, 1e-10)
    more = model.set_params(warm_start=True, n_init=1).fit(Blocks(X))
    assert more.lower_bound_ >= expected.lower_bound_ - 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_the_array(X, sources_of, kind):
    model = GaussianMixture(3, random_state=0, max_iter=5).fit(X)
    make = sources_of[kind]
    of_source = make()
    for name in ("predict", "predict_proba", "score_samples"):
        of_source = make() if kind == "reader" else of_source
        answer = getattr(model, name)(of_source)
        np.testing.assert_array_equal(answer, getattr(model, name)(X), name)
    for name in ("score", "bic", "aic", "icl", "entropy"):
        of_source = make() if kind == "reader" else of_source
        expected = getattr(model, name)(X)
        assert getattr(model, name)(of_source) == pytest.approx(expected, rel=1e-13)


def test_fit_predict_is_fit_and_predict(X):
    model = GaussianMixture(3, random_state=0, max_iter=5)
    labels = model.fit_predict(Blocks(X))
    np.testing.assert_array_equal(labels, model.predict(X))


@pytest.mark.parametrize("kind", ["folder", "Arrow", "pandas", "polars"])
def test_weights_may_be_a_column(X, random, tmp_path, kind, monkeypatch):
    row_weights = random.uniform(size=N)
    table = pa.table({"a": X[:, 0], "w": row_weights, "b": X[:, 1]})
    if kind == "folder":
        parquet.write_table(table, tmp_path / "w.parquet")
    else:
        monkeypatch.setattr(opening, "_STREAMED_BYTES", 2**30)
    data = {
        "folder": tmp_path / "w.parquet",
        "Arrow": table,
        "pandas": table.to_pandas(),
        "polars": pl.from_arrow(table),
    }[kind]
    settings = {"n_components": 5, "random_state": 0, "max_iter": 4}
    expected = GaussianMixture(**settings).fit(X[:, :2], sample_weight=row_weights)
    model = GaussianMixture(**settings).fit(data, sample_weight="w")
    assert list(model.feature_names_in_) == ["a", "b"]
    assert_same_bits(model, expected)
    for name in ("score", "bic", "icl"):
        answer = getattr(model, name)(data, sample_weight="w")
        of_array = getattr(expected, name)(X[:, :2], sample_weight=row_weights)
        assert answer == pytest.approx(of_array, rel=1e-12)


def test_a_model_chooses_its_columns_of_a_file(X, tmp_path):
    frame = pd.DataFrame(X, columns=list("abc"))
    model = GaussianMixture(2, random_state=0, max_iter=5).fit(frame)
    other = pa.table({"c": X[:, 2], "id": np.arange(N), "b": X[:, 1], "a": X[:, 0]})
    parquet.write_table(other, tmp_path / "other.parquet")
    labels = model.predict(tmp_path / "other.parquet")
    np.testing.assert_array_equal(labels, model.predict(frame))
    parquet.write_table(other.drop_columns(["b"]), tmp_path / "less.parquet")
    with pytest.raises(ValueError, match=r"less.parquet has no column 'b'"):
        model.predict(str(tmp_path / "less.parquet"))
    with pytest.raises(ValueError, match=r"columns 'c', 'id', 'b', 'a', but the fit|4"):
        model.predict(other)
    with pytest.raises(ValueError, match="X has 2 features, but GaussianMixture is ex"):
        model.predict(Blocks(X[:, :2]))


@pytest.mark.parametrize("method", ["fit", "predict", "score"])
def test_a_generator_is_an_error(X, method):
    model = GaussianMixture(2, random_state=0, max_iter=2).fit(X)
    with pytest.raises(TypeError, match="nothing is left after one pass"):
        getattr(model, method)(block for block in [X])


def test_a_name_of_weights_without_columns_is_an_error(X, sources_of):
    for kind in ("memory map", "one block"):
        with pytest.raises(TypeError, match="X is no table: pass an array of weights"):
            GaussianMixture(2).fit(sources_of[kind](), sample_weight="w")


def test_no_rows_are_no_question(X):
    model = GaussianMixture(2, random_state=0, max_iter=2).fit(X)

    class Empty:
        def __iter__(self):
            yield X[:0]

    for method in (model.predict, model.score, model.fit):
        with pytest.raises(ValueError, match="X has 0 rows"):
            method(Empty())


def test_a_failed_fit_leaves_the_model_and_no_thread(X):
    model = GaussianMixture(2, random_state=0, max_iter=2).fit(X)
    before = dict(vars(model))
    X[4000, 1] = np.nan
    with pytest.raises(ValueError, match=r"row 4000 \(row 500 of block 5\), column 1"):
        model.fit(Blocks(X))
    with pytest.raises(ValueError, match=r"row 4000 \(row 500 of block 5\), column 1"):
        model.predict(Blocks(X))
    assert vars(model) == before
    assert reader_threads(0) == 0


def test_an_error_of_the_object_comes_out_as_it_is(X):
    class Failing(Blocks):
        def __iter__(self):
            yield from super().__iter__()
            raise RuntimeError("the other end is gone")

    with pytest.raises(RuntimeError, match="the other end is gone"):
        GaussianMixture(2).fit(Failing(X))


def test_a_source_that_changes_is_noticed(X):
    class Shrinking(Blocks):
        def __iter__(self):
            yield from super().__iter__()
            self.X = self.X[:-1]

    with pytest.raises(ValueError, match="gave 5000 rows in the first pass, and now 4"):
        GaussianMixture(2, random_state=0).fit(Shrinking(X))


@pytest.mark.parametrize(
    ("X", "weights", "message"),
    [
        (np.zeros((3000, 2)), None, "only 1 distinct row, fewer than n_components=2"),
        (np.ones((1, 2)), None, "n_components=2, but X has n_samples = 1 rows"),
        (np.ones((9, 2)), np.ones(8), r"shape \(8,\), but X has more rows"),
        (np.ones((9, 2)), np.ones(10), r"shape \(10,\), but X has 9 rows"),
        (np.ones((9, 2)), np.zeros(9), "zero for every row"),
        (np.ones((9, 2)), -np.ones(9), "must be finite and not negative"),
        (np.ones((9, 2)), [0] * 8 + [3], "n_samples = 1 rows of positive weight"),
    ],
)
def test_rows_and_weights_are_checked_as_in_memory(X, weights, message):
    for kind in (X, Blocks(X, 4)):
        model = GaussianMixture(2)
        with pytest.raises(ValueError, match=None if kind is X else message):
            model.fit(kind, sample_weight=weights)
        assert not hasattr(model, "means_")


def test_few_different_rows_late_in_the_table_are_enough(random):
    X = np.zeros((9000, 1))
    X[-1] = 5
    start = {
        "weights_init": [0.5, 0.5],
        "means_init": [[0], [5]],
        "precisions_init": [[[1]], [[1]]],
    }
    with pytest.warns(Warning, match="reg_covar"):
        model = GaussianMixture(2, **start).fit(Blocks(X))
    assert model.weights_[1] == pytest.approx(1 / 9000)


def survey_of(X, weights=None, size=10, seed=0, n=700):
    return survey(
        blocks_of(source_of(Blocks(X, n)), weights),
        *(X.shape[1], X.dtype),
        n_components=2,
        size=size,
        random=np.random.default_rng(seed),
    )


@pytest.mark.parametrize("shift", [0.0, 1e8])
def test_a_survey_finds_means_and_variances(random, shift):
    X = random.normal(size=(N, 2)) * [1, 100] + shift
    X[:, 1] = np.sort(X[:, 1])  # each block is elsewhere
    weights = random.uniform(size=N)
    facts = survey_of(X, weights)
    expected = column_variances(X, read_only(weights))
    np.testing.assert_allclose(facts.variances, expected, rtol=1e-12)
    np.testing.assert_allclose(
        facts.mean, np.average(X, 0, weights), rtol=1e-14, atol=1e-12
    )
    assert facts.total_weight == pytest.approx(weights.sum(), rel=1e-14)
    assert (facts.n_rows, facts.n_counted) == (N, N)


def test_a_constant_column_has_no_variance(random):
    X = random.normal(size=(N, 2))
    X[:, 1] = 0.1 + 1e6
    assert survey_of(X).variances[1] == 0


def test_every_row_is_drawn_with_the_same_probability():
    X = np.arange(3000.0)[:, np.newaxis]
    drawn = np.concatenate(
        [survey_of(X, size=100, seed=s).sample[:, 0] for s in range(60)]
    )
    assert kstest(drawn / 3000, "uniform").pvalue > 0.01
    assert len(np.unique(survey_of(X, size=100).sample)) == 100


def test_heavy_rows_are_drawn_more_often():
    X = np.arange(4000.0)[:, np.newaxis]
    weights = np.where(X[:, 0] % 2, 3.0, 1.0)
    weights[:1000] = 0
    facts = survey_of(X, weights, size=200)
    assert not len(facts.sample_weights)
    assert facts.sample.min() >= 1000
    n_odd = int((facts.sample % 2).sum())
    assert binomtest(n_odd, 200, 0.75).pvalue > 0.01


def test_few_rows_of_positive_weight_keep_their_weights():
    X = np.arange(4000.0)[:, np.newaxis]
    weights = np.zeros(4000)
    weights[[7, 2000, 3999]] = [1, 2, 4]
    facts = survey_of(X, weights, size=200)
    kept = facts.sample_weights > 0
    np.testing.assert_array_equal(facts.sample[kept, 0], [7, 2000, 3999])
    np.testing.assert_array_equal(facts.sample_weights[kept], [0.25, 0.5, 1])


def test_a_sample_does_not_depend_on_the_blocks():
    X = np.arange(3000.0)[:, np.newaxis]
    samples = []
    for n in (100, 3000):
        sample = RowSample(50, 1, float, np.random.default_rng(0))
        for start in range(0, 3000, n):
            sample.add(X[start : start + n], np.empty(0), start)
        samples.append(sample.rows)
    np.testing.assert_array_equal(*samples)


_INTERRUPTED = """
import numpy as np
from fastem import GaussianMixture
from tests.processes import reader_threads

X = np.random.default_rng(0).normal(size=(20_000, 4))

class Blocks:
    def __iter__(self):
        for _ in range(10):
            yield X

model = GaussianMixture(8, tol=0, max_iter=10**9)
try:
    model.fit(Blocks(), callback=lambda progress: print("going", flush=True))
except KeyboardInterrupt:
    print("interrupted", hasattr(model, "means_"))
print(reader_threads(0), "readers left")
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_the_fit_and_its_reader():
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout.readline() == "going\n"
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert rest.splitlines()[-2:] == ["interrupted False", "0 readers left"]
    assert process.returncode == 0


_MEASURE = """
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from fastem import GaussianMixture

warnings.simplefilter("ignore")

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

def fit(path):
    model = GaussianMixture(8, random_state=0, max_iter=2, tol=0).fit(path)
    model.score(path)
    return peak()

print(fit(sys.argv[1]), fit(sys.argv[2]))
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_memory_does_not_grow_with_the_folder(random):
    with tempfile.TemporaryDirectory() as folder:
        for n_parts, name in ((8, "small"), (24, "large")):
            os.mkdir(f"{folder}/{name}")
            for i in range(n_parts):
                part = random.normal(size=(200_000, 8))
                columns = {f"x{j}": part[:, j] for j in range(8)}
                parquet.write_table(
                    pa.table(columns), f"{folder}/{name}/{i:02}.parquet"
                )
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, f"{folder}/small", f"{folder}/large"],
            capture_output=True,
            text=True,
            check=True,
        )
    small, large = map(int, done.stdout.split())
    # 205 MB more on disk; a block is 16 MB.
    assert large - small < 60e6
