"""Streams: stepwise EM, against a plain twin, and what a stream must keep to."""

import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from benchmarks.problems import Problem, generate
from fastem import (
    GaussianMixture,
    RegularizationWarning,
    SingularCovarianceError,
    load_model,
    save_model,
)
from fastem.covariances import STRUCTURES
from fastem.mixture.online import BATCH_ROWS, rows_remembered
from fastem.sources import reading
from fastem.statistics import SufficientStatistics
from tests import reference
from tests.mixtures import assert_close, draw, parameters_of, random_mixture, start_of
from tests.reference import Mixture

EXACT = ("weights_", "means_", "covariances_", "precisions_cholesky_")


def bits(model):
    return [getattr(model, name).tobytes() for name in EXACT]


def dense(model):
    K, D = model.means_.shape
    structure = STRUCTURES[model.covariance_type]
    covariances = structure.representation.expand(model.covariances_, K, D)
    return Mixture(model.weights_, model.means_, covariances)


def averages(X, row_weights, mixture):
    """Mean responsibility, and responsibility times x and x x': uncentred."""
    shares = reference.responsibilities(X, mixture) * row_weights[:, np.newaxis]
    total = row_weights.sum()
    return (
        shares.sum(axis=0) / total,
        shares.T @ X / total,
        np.einsum("nk,ni,nj->kij", shares, X, X) / total,
    )


def maximum(averages, name, ridge):
    weights, first, second = averages
    means = first / weights[:, np.newaxis]
    about_means = second - np.einsum("k,ki,kj->kij", weights, means, means)
    covariances = reference.STRUCTURES[name].estimate(weights, about_means)
    return Mixture(weights, means, covariances + ridge * np.eye(means.shape[1]))


def stepwise(X, row_weights, mixture, name, steps, size, ridge):
    """Cappe and Moulines: averages of sufficient statistics, and their maximum.

    The first ``size`` rows start them off.
    """
    blocks = [slice(start, start + size) for start in range(0, len(X), size)]
    running = None
    for block, step in zip(blocks, steps, strict=True):
        new = averages(X[block], row_weights[block], mixture)
        running = (
            new
            if running is None
            else [
                (1 - step) * old + step * s for old, s in zip(running, new, strict=True)
            ]
        )
        mixture = maximum(running, name, ridge)
    return mixture


def one_iteration(mixture, name, **options):
    """A model whose first call is one iteration from the mixture."""
    return GaussianMixture(**start_of(mixture, name), max_iter=1, **options)


def learn(model, blocks, sample_weight=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RegularizationWarning)
        for i, block in enumerate(blocks):
            given = {} if sample_weight is None else {"sample_weight": sample_weight[i]}
            model.partial_fit(block, **given)
    return model


@pytest.mark.parametrize("ridge", [1e-6, 0.3])
@pytest.mark.parametrize(("forgetting", "memory"), [(1, None), (2.5, None), (2, 700)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_is_stepwise_em(random, covariance_type, forgetting, memory, dtype, ridge):
    mixture = random_mixture(random, covariance_type, 3, 2)
    X = draw(random, mixture, 1500).astype(dtype)
    row_weights = random.uniform(0.5, 2, size=len(X))
    size = 300
    seen = row_weights.reshape(-1, size).sum(axis=1).cumsum()
    steps = [1.0]
    for before, after in pairwise(seen):
        retained = (before / after) ** forgetting
        if memory is not None:
            retained = min(retained, np.exp(-(after - before) / memory))
        steps.append(1 - retained)
    expected = stepwise(
        X.astype(float), row_weights, mixture, covariance_type, steps, size, ridge
    )
    model = learn(
        one_iteration(
            mixture,
            covariance_type,
            forgetting=forgetting,
            memory=memory,
            reg_covar=ridge,
        ),
        X.reshape(-1, size, 2),
        row_weights.reshape(-1, size),
    )
    tolerance = 1e-11 if dtype == "float64" else 2e-5
    for one, other in zip(dense(model), expected, strict=True):
        assert_close(one, other, tolerance)
    assert model.n_samples_seen_ == pytest.approx(row_weights.sum())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_far_from_zero_nothing_is_lost(random, covariance_type, dtype):
    mixture = random_mixture(random, covariance_type, 3, 2)
    X = draw(random, mixture, 2000).astype("float32")
    # So that both tables hold the same rows exactly.
    X = np.round(X * 1024) / 1024
    offset = 2.0**12 if dtype == "float32" else 2.0**30
    models = [
        learn(
            one_iteration(mixture._replace(means=mixture.means + c), covariance_type),
            (X.astype("float64") + c).astype(dtype).reshape(10, 200, 2),
        )
        for c in (0.0, offset)
    ]
    near, far = models
    tolerance = 1e-6 if dtype == "float64" else 1e-4
    assert_close(far.covariances_, near.covariances_, tolerance)
    assert_close(far.means_ - offset, near.means_, tolerance)


@pytest.mark.interpreted
@pytest.mark.parametrize("ridge", [0.0, 0.2, np.array([0.1, 0.3, 0.0])])
def test_statistics_of_parameters_lead_back_to_them(random, covariance_type, ridge):
    structure = STRUCTURES[covariance_type]
    mixture = random_mixture(random, covariance_type, 3, 3)
    before = parameters_of(mixture, covariance_type)
    before = structure.maximize(
        structure.representation.statistics_of(before, 50.0, 0.0), ridge
    )
    statistics = structure.representation.statistics_of(before, 200.0, ridge)
    assert statistics.weights.sum() == pytest.approx(200)
    after = structure.maximize(statistics, ridge)
    for name in ("weights", "means", "covariances", "precisions_cholesky"):
        assert_close(getattr(after, name), getattr(before, name), 1e-14, name)


@pytest.mark.interpreted
def test_statistics_move_as_if_taken_about_the_new_points(random, covariance_type):
    structure = STRUCTURES[covariance_type]
    X = random.normal(size=(40, 3))
    shares = random.dirichlet(np.ones(2), size=len(X)).T

    def about(points):
        scatter = structure.representation.zero_scatter(2, 3)
        for k in range(2):
            structure.representation.add_scatter(scatter, k, shares[k], X - points[k])
        first = shares @ X - shares.sum(axis=1)[:, np.newaxis] * points
        return SufficientStatistics(-3.0, shares.sum(axis=1), points, first, scatter)

    here, there = random.normal(size=(2, 2, 3))
    moved, expected = structure.representation.move(about(here), there), about(there)
    for name in ("weights", "reference", "first", "scatter"):
        assert_close(getattr(moved, name), getattr(expected, name), 1e-14, name)
    assert moved.log_likelihood == -3


@pytest.mark.interpreted
def test_rows_are_remembered_by_their_age():
    assert rows_remembered(10, 90, 1.0, None) == pytest.approx(90)
    # Cut in two, it is the same for those before.
    for forgetting, memory in ((1.0, None), (2.0, None), (1.5, 40.0), (1.0, 7.0)):
        whole = rows_remembered(10, 90, forgetting, memory)
        first = rows_remembered(5, 90, forgetting, memory)
        second = rows_remembered(5, 95, forgetting, memory)
        share = first / (first + 5) * second / (second + 5)
        assert share == pytest.approx(whole / (whole + 10))
    assert rows_remembered(1e9, 1.0, 1.0, 1.0) < 1e-290  # all forgotten, no overflow


def test_the_first_call_is_a_fit(random):
    X = draw(random, random_mixture(random, "full", 3, 2), 500)
    settings = {"n_init": 2, "random_state": 0}
    fitted = GaussianMixture(3, **settings).fit(X)
    streamed = GaussianMixture(3, **settings).partial_fit(X)
    assert bits(streamed) == bits(fitted)
    assert streamed.lower_bounds_ == fitted.lower_bounds_
    assert streamed.converged_
    # And a fit can go on as a stream.
    assert bits(streamed.partial_fit(X + 1)) == bits(fitted.partial_fit(X + 1))
    assert not streamed.converged_
    assert streamed.n_samples_seen_ == 1000


def test_fit_after_a_stream_starts_anew(random):
    X = draw(random, random_mixture(random, "full", 3, 2), 500)
    model = GaussianMixture(3, random_state=0)
    streamed = learn(model, [X, X + 5, X + 7])
    assert bits(clone(streamed).fit(X)) == bits(streamed.fit(X))
    assert streamed.n_samples_seen_ == len(X)
    assert not hasattr(clone(streamed), "n_samples_seen_")


def test_a_long_call_is_cut_into_batches(random):
    mixture = random_mixture(random, "full", 3, 2)
    X = draw(random, mixture, 3 * BATCH_ROWS + 100)
    weights = random.uniform(size=len(X))
    weights[0] = 1  # the largest, to which each call scales
    starts = range(500, len(X), BATCH_ROWS)
    one, many = (learn(GaussianMixture(3, random_state=0), [X[:500]]) for _ in range(2))
    one.partial_fit(X[500:])
    learn(many, [X[start : start + BATCH_ROWS] for start in starts])
    assert bits(one) == bits(many)
    assert one.n_iter_ == len(one.lower_bounds_) == len(starts)
    assert one.lower_bounds_[-1] == many.lower_bound_
    before = learn(GaussianMixture(3, random_state=0), [X[:500]])
    batch = X[500 : 500 + BATCH_ROWS]
    assert one.lower_bounds_[0] == pytest.approx(before.score(batch), abs=1e-12)


def test_threads_change_no_bit(random):
    X = draw(random, random_mixture(random, "full", 4, 5), 9000)
    one, two = (
        learn(GaussianMixture(4, random_state=0, n_threads=n), [X[:1000], X[1000:]])
        for n in (1, 2)
    )
    assert bits(one) == bits(two)


def test_weights_count_rows_and_calls(random, covariance_type):
    mixture = random_mixture(random, covariance_type, 3, 2)
    X = draw(random, mixture, 900)
    blocks = X.reshape(3, 300, 2)
    counts = [random.integers(0, 4, size=300) for _ in blocks[:2]]
    counts.append(np.full(300, 3))  # a common factor, in one call of three
    repeated = [np.repeat(b, c, axis=0) for b, c in zip(blocks, counts, strict=True)]
    weighted = learn(one_iteration(mixture, covariance_type), blocks, counts)
    again = learn(one_iteration(mixture, covariance_type), repeated)
    for name in EXACT:
        assert_close(getattr(weighted, name), getattr(again, name), 1e-10, name)
    assert weighted.n_samples_seen_ == again.n_samples_seen_ == sum(map(np.sum, counts))


def test_batches_of_no_weight_are_passed_over(random):
    X = draw(random, random_mixture(random, "full", 3, 2), 500 + 2 * BATCH_ROWS)
    weights = np.ones(2 * BATCH_ROWS)
    weights[:BATCH_ROWS] = 0
    one, two = (learn(GaussianMixture(3, random_state=0), [X[:500]]) for _ in range(2))
    one.partial_fit(X[500:], sample_weight=weights)
    two.partial_fit(X[500 + BATCH_ROWS :])
    assert bits(one) == bits(two)


def test_weights_as_large_as_numbers_are_can_be_counted(random, tmp_path):
    X = draw(random, random_mixture(random, "full", 2, 2), 400)
    weights = random.uniform(1e304, 1e306, len(X))
    model = learn(GaussianMixture(2, random_state=0), [X, X, X], [weights] * 3)
    assert model.n_samples_seen_ == np.finfo(float).max
    assert np.isfinite(model.means_).all()
    save_model(model, tmp_path / "model.json")
    learn(model, [X], [np.full(len(X), 1e-20)])
    expected = load_model(tmp_path / "model.json")
    assert_close(model.means_, expected.means_, 1e-10)


def test_a_single_row_is_learned_from(random):
    X = draw(random, random_mixture(random, "full", 2, 2), 400)
    model = learn(GaussianMixture(2, random_state=0), [X])
    before = model.means_.copy()
    model.partial_fit(X[:1])
    assert 0 < np.abs(model.means_ - before).max() < 0.05


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_one_pass_over_shuffled_rows_is_as_good_as_batch_em(covariance):
    problem = Problem("small", 60_000, 4, 6, covariance)
    X, start = generate(problem)
    settings = {
        "covariance_type": covariance,
        "weights_init": start.weights,
        "means_init": start.means,
        "precisions_init": start.precisions,
    }
    batch = GaussianMixture(6, **settings).fit(X)
    assert batch.converged_
    stream = learn(GaussianMixture(6, **settings), np.split(X, 10))
    assert stream.score(X) > batch.score(X) - 1e-2


def test_a_memory_follows_a_moving_mixture(random):
    centers = np.array([[0.0, 0.0], [6.0, 0.0]])
    path = np.array([[0.0, 8.0], [0.0, -8.0]])  # over the whole stream
    n_blocks, n_rows = 100, 1000

    def block(i):
        labels = random.integers(2, size=n_rows)
        return (centers + path * i / n_blocks)[labels] + random.normal(size=(n_rows, 2))

    blocks = [block(i) for i in range(n_blocks)]
    start = {"means_init": centers, "random_state": 0}
    with_memory = learn(GaussianMixture(2, memory=2000, **start), blocks)
    without = learn(GaussianMixture(2, forgetting=1, **start), blocks)
    now = centers + path
    # The mean age of what it remembers is 2000 rows: 2 blocks, by 0.08 each.
    assert np.abs(with_memory.means_ - now).max() < 0.3
    assert np.abs(without.means_ - now).max() > 2
    assert np.abs(with_memory.covariances_ - np.eye(2)).max() < 0.3
    fresh = block(n_blocks)
    assert with_memory.score(fresh) > without.score(fresh) + 0.5


def test_it_goes_on_from_given_parameters(random):
    mixture = random_mixture(random, "full", 2, 2)
    X = draw(random, mixture, 300)
    model = GaussianMixture.from_parameters(*mixture, max_iter=1)
    expected, _ = reference.iterate(X, mixture, "full", 1e-6, 1)
    learn(model, [X])
    assert_close(model.means_, expected.means, 1e-10)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda X: np.where(np.arange(len(X))[:, None] == 7, np.nan, X), "row 7"),
        (lambda X: X[:, :1], "1 features"),
        (lambda X: X[:0], "0 sample"),
    ],
)
def test_an_error_leaves_the_estimator_as_it_was(random, spoil, what):
    X = draw(random, random_mixture(random, "full", 2, 2), 300)
    model = learn(GaussianMixture(2, random_state=0), [X, X])
    before = dict(vars(model))
    with pytest.raises(ValueError, match=what):
        model.partial_fit(spoil(X))
    assert vars(model) == before
    with pytest.raises(ValueError, match="sample_weight"):
        model.partial_fit(X, sample_weight=-np.ones(len(X)))
    assert vars(model) == before


@pytest.fixture
def folder(random, tmp_path):
    """Rows, weights that are zero for a while, and both in Parquet files."""
    X = draw(random, random_mixture(random, "full", 3, 2), 5 * BATCH_ROWS + 100)
    weights = random.uniform(size=len(X))
    weights[BATCH_ROWS : 3 * BATCH_ROWS] = 0
    for i, part in enumerate(np.array_split(np.column_stack([X, weights]), 3)):
        columns = dict(zip(("a", "b", "weight"), part.T, strict=True))
        parquet.write_table(pa.table(columns), tmp_path / f"part-{i}.parquet")
    return X, weights, tmp_path


def test_blocks_are_learned_from_as_rows_in_memory(folder, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", BATCH_ROWS * 2 * 8)
    X, weights, path = folder
    frame = pd.DataFrame(X, columns=["a", "b"])
    streamed, named, given = (
        learn(GaussianMixture(3, random_state=0), [frame[:500]]) for _ in range(3)
    )
    starts = range(0, len(X), BATCH_ROWS)
    learn(
        streamed,
        [frame[start : start + BATCH_ROWS] for start in starts if weights[start]],
        [weights[start : start + BATCH_ROWS] for start in starts if weights[start]],
    )
    named.partial_fit(path, sample_weight="weight")
    source = Parts([path / f"part-{i}.parquet" for i in range(3)])
    given.partial_fit(source, sample_weight=weights)
    assert bits(named) == bits(given) == bits(streamed)
    assert named.n_samples_seen_ == streamed.n_samples_seen_
    assert named.n_iter_ == 4


class Parts:
    """Frames of the files' columns a and b, as often as asked."""

    def __init__(self, paths):
        self.paths = paths

    def __iter__(self):
        for path in self.paths:
            yield pd.read_parquet(path, columns=["a", "b"])


def test_a_bad_block_leaves_the_estimator_as_it_was(folder):
    X, weights, path = folder
    frame = pd.DataFrame(X, columns=["a", "b"])
    model = learn(GaussianMixture(3, random_state=0), [frame[:500]])
    before = dict(vars(model))
    for wrong in (weights[:-1], np.append(weights, 1.0)):
        source = Parts(sorted(path.iterdir()))
        with pytest.raises(ValueError, match="sample_weight has the shape"):
            model.partial_fit(source, sample_weight=wrong)
        assert vars(model) == before
    bad = pd.read_parquet(path / "part-2.parquet")
    bad.loc[5000, "b"] = np.nan
    bad.to_parquet(path / "part-2.parquet")
    with pytest.raises(ValueError, match=r"row 5000 of .*part-2.parquet.* column 'b'"):
        model.partial_fit(path, sample_weight="weight")
    assert vars(model) == before


def collapsing(random, on_collapse):
    """A model, and blocks in which a component's rows become one point."""
    X = np.vstack([random.normal(m, 1, (300, 2)) for m in (0, 30, 60)])
    point = np.vstack([X[:600], np.full((300, 2), 60.0)])
    model = GaussianMixture(
        3, on_collapse=on_collapse, reg_covar=1e-4, memory=100, random_state=0
    )
    return learn(model, [X]), [point] * 3


def test_a_collapse_is_an_error_that_leaves_the_stream_as_it_was(random):
    model, blocks = collapsing(random, "raise")
    model.set_params(reg_covar=0, memory=0.1)
    model.fit(np.vstack([random.normal(m, 1, (300, 2)) for m in (0, 30, 60)]))
    before = bits(model), model.n_samples_seen_, model.n_iter_
    with pytest.raises(SingularCovarianceError, match=r"columns? 0"):
        model.partial_fit(blocks[0])
    assert (bits(model), model.n_samples_seen_, model.n_iter_) == before


@pytest.mark.parametrize(("on_collapse", "left"), [("drop", 2), ("reseed", 3)])
def test_a_collapse_in_a_stream_is_mended(random, on_collapse, left):
    model, blocks = collapsing(random, on_collapse)
    learn(model, blocks)
    assert len(model.weights_) == left
    assert model.collapses_[0].action == {"drop": "dropped"}.get(
        on_collapse, "reseeded"
    )
    model.partial_fit(blocks[0])
    assert model.collapses_  # of earlier calls too
    assert len(model.predict(blocks[0])) == 900


def test_a_relative_ridge_does_not_depend_on_units(random, covariance_type):
    if covariance_type == "spherical":  # whose answer does, in any case
        units = np.array([1e6, 1e6])
    else:
        units = np.array([1.0, 1e6])
    mixture = random_mixture(random, covariance_type, 2, 2)
    scaled = Mixture(
        mixture.weights,
        mixture.means * units,
        mixture.covariances * np.outer(units, units),
    )
    blocks = draw(random, mixture, 900).reshape(3, 300, 2)
    one, other = (
        learn(one_iteration(m, covariance_type, reg_covar="relative"), rows)
        for m, rows in ((mixture, blocks), (scaled, blocks * units))
    )
    for a, b, scale in zip(
        dense(one), dense(other), (1, units, np.outer(units, units)), strict=True
    ):
        assert_close(b / scale, a, 1e-12)


def test_a_collapse_names_the_columns(random):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(random.normal(size=(50, 2)), columns=["speed", "load"])
    model = GaussianMixture(reg_covar=0, memory=0.01).partial_fit(X)
    with pytest.raises(SingularCovarianceError, match="column 'speed' is constant"):
        model.partial_fit(X.assign(speed=1.0))


def test_names_of_columns_are_checked(random):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(random.normal(size=(50, 2)), columns=["a", "b"])
    model = GaussianMixture().partial_fit(X).partial_fit(X)
    assert list(model.feature_names_in_) == ["a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        model.partial_fit(X[["b", "a"]])


@pytest.mark.parametrize(
    "setting", [{"forgetting": 0.5}, {"memory": 0}, {"memory": "long"}]
)
def test_settings_are_checked(random, setting):
    with pytest.raises(ValueError, match=f"The '{next(iter(setting))}' parameter"):
        GaussianMixture(**setting).partial_fit(random.normal(size=(9, 2)))


# What a stream wears away


def two_groups(covariance_type, **options):
    """A stream of two groups of rows, of which it remembers 500."""
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(size=(300, 2)), random.normal(8, 1, (300, 2))])
    options = {"memory": 500, "tol": 1e-2, "random_state": 0, **options}
    return GaussianMixture(2, covariance_type=covariance_type, **options).partial_fit(X)


def warnings_of(model, rows, n_calls):
    """What a stream says: the number of the call, and the text."""
    said = []
    for i in range(n_calls):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.partial_fit(rows)
        assert {warning.filename for warning in caught} <= {__file__}
        said += [(i, str(warning.message)) for warning in caught]
    return said


def test_a_spike_is_no_secret(covariance_type):
    model = two_groups(covariance_type)
    said = warnings_of(model, np.full((200, 2), 8.0), 60)
    (fading,) = [i for i, text in said if "fades: its rows now count less" in text]
    ridge = [i for i, text in said if "reg_covar=1e-06 is" in text]
    # Once, not at each call. Of 500 rows, e^-0.4 are left of each in a call.
    assert fading == 13
    assert len(ridge) == 1


def test_a_component_of_less_than_a_row_in_memory_fades_too(tmp_path):
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(size=(9970, 2)), random.normal(8, 1, (30, 2))])
    start = {"means_init": [[0, 0], [8, 8]], "random_state": 0}
    model = GaussianMixture(2, memory=200, **start).fit(X)
    assert model.weights_[1] * 200 == pytest.approx(0.6)
    said = []
    for _ in range(10):
        said += warnings_of(model, random.normal(size=(200, 2)), 1)
        save_model(model, tmp_path / "model.json")
        model = load_model(tmp_path / "model.json")
    assert len(said) == 1
    assert "A component fades: its rows now count less than one" in said[0][1]
    assert "It is component 1, " in said[0][1]


def test_a_rare_component_does_not_fade_at_each_gap():
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(size=(9970, 2)), random.normal(8, 1, (30, 2))])
    start = {"means_init": [[0, 0], [8, 8]], "random_state": 0}
    model = GaussianMixture(2, covariance_type="tied", memory=500, **start).fit(X)
    for i in range(50):
        rows = random.normal(size=(400, 2))
        rows[: i % 2] += 8
        assert not warnings_of(model, rows, 1)


def test_a_spike_without_a_ridge_is_an_error(covariance_type):
    model = two_groups(covariance_type, reg_covar=0)
    states = []

    def learn():
        for _ in range(100):
            states.append(vars(model).copy())
            warnings_of(model, np.full((200, 2), 8.0), 1)

    with pytest.raises(SingularCovarianceError, match="is singular") as raised:
        learn()
    is_shared = STRUCTURES[covariance_type].is_shared
    assert (raised.value.component is None) == is_shared
    assert raised.value.condition_number == np.inf
    assert vars(model) == states[-1]  # the stream can go on with other rows


@pytest.mark.parametrize("policy", ["drop", "reseed"])
def test_a_component_whose_rows_fade_is_mended(covariance_type, policy):
    model = two_groups(covariance_type, on_collapse=policy)
    random = np.random.default_rng(1)
    for _ in range(20):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*'drop' left out.*count less than one")
            model.partial_fit(random.normal(8, 1, (200, 2)))
    (collapse,) = model.collapses_[:1]
    assert collapse.action == {"drop": "dropped", "reseed": "reseeded"}[policy]
    assert 0 < collapse.degeneracy.n_rows < 1
    assert len(model.weights_) == (1 if policy == "drop" else 2)
    assert model.weights_.min() > 1e-3


def test_a_component_that_fades_is_told_once_and_comes_back(covariance_type):
    model = two_groups(covariance_type)
    rows = np.random.default_rng(1).normal(8, 1, (200, 2))
    said = warnings_of(model, rows, 20)
    assert [i for i, text in said if "fades" in text] == [13]
    assert warnings_of(model, rows - 8, 5) == []
    assert model.weights_.min() > 0.1
