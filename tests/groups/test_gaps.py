"""Rows with gaps: what they have counts, as the plain twin has it."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fastem import (
    GaussianMixture,
    GaussianMixtureSelector,
    SingularCovarianceError,
    StopFit,
    fit_standardized,
    load_model,
    save_model,
)
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.groups import GroupedExpectation, expectation, groups_of, row_by_row
from fastem.kernels import grid
from tests import reference
from tests.mixtures import (
    IN_SHORT,
    assert_close,
    draw,
    parameters_of,
    random_mixture,
    start_of,
    with_noise,
)

K, D, N = 2, 4, 150


def gappy(random, X, share=0.3):
    """The rows with values taken out; two have none, some have all."""
    gaps = random.random(X.shape) < share
    gaps[np.arange(len(X)), np.arange(len(X)) % X.shape[1]] = False
    gaps[:2] = True
    gaps[2:20] = False
    return np.where(gaps, np.nan, X)


def problem(name, noise=False, seed=0):
    random = np.random.default_rng(seed)
    mixture = random_mixture(random, name, K, D)
    X = gappy(random, draw(random, mixture, N))
    return X, (with_noise(mixture) if noise else mixture)


def marginalizing(mixture, name, **settings):
    start = start_of(mixture, name)
    return GaussianMixture(**start, missing_values="marginalize", **settings)


@pytest.fixture(autouse=True)
def said_without_end():
    warnings.filterwarnings("ignore", message="Rows have no value at all")
    warnings.filterwarnings("ignore", message="Best performing")
    warnings.filterwarnings("ignore", message="noise_volume is less")


@pytest.mark.parametrize("fewest_rows", [1, 5, N], ids=["groups", "both", "rows"])
@pytest.mark.parametrize("noise", [False, True], ids=["", "noise"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_statistics_are_those_of_the_twin(name, noise, fewest_rows, monkeypatch):
    monkeypatch.setattr(row_by_row, "fewest_rows", lambda *_: fewest_rows)
    X, mixture = problem(name, noise)
    row_weights = np.random.default_rng(1).uniform(size=N)
    step = GroupedExpectation(
        *(read_only(X), read_only(row_weights), groups_of(X)),
        *(STRUCTURES[name].representation, None),
    )
    actual = step(parameters_of(mixture, name))
    expected = reference.expectation_with_gaps(X, mixture, row_weights)
    assert_close(actual.log_likelihood, expected.log_likelihood, 1e-12)
    assert_close(actual.weights, expected.weights, 1e-12)
    assert_close(actual.reference, mixture.means, 1e-15)
    assert_close(actual.first, expected.first, 1e-12)
    reduced = reference.STRUCTURES[name].reduce_scatter(expected.scatter)
    assert_close(actual.scatter, reduced, 1e-12)
    assert actual.total == pytest.approx(row_weights.sum())


def statistics_of(X, parameters, name, n_threads=None):
    groups = groups_of(X)
    representation = STRUCTURES[name].representation
    none = read_only(np.empty(0))
    return GroupedExpectation(X, none, groups, representation, n_threads)(parameters)


@pytest.mark.parametrize(
    "name",
    ["full", *(pytest.param(n, marks=pytest.mark.exhaustive) for n in ("tied", "EII"))],
)
def test_tails_are_summed_row_by_row_as_in_groups(name, monkeypatch):
    X, mixture = problem(name)
    v = np.array([0.7, 30.0])
    parameters = replace(parameters_of(mixture, name), degrees_of_freedom=v)
    found = []
    for fewest_rows in (1, N):
        monkeypatch.setattr(row_by_row, "fewest_rows", lambda *_, n=fewest_rows: n)
        found.append(statistics_of(read_only(X), parameters, name))
    in_groups, by_rows = found
    twin = reference.Robust(*mixture, degrees_of_freedom=v)
    expected = reference.expectation_with_gaps(X, twin)
    assert_close(by_rows.log_likelihood, expected.log_likelihood, 1e-12)
    assert_close(by_rows.counts, expected.counts, 1e-12)
    assert_close(by_rows.first, expected.first, 1e-11)
    reduced = reference.STRUCTURES[name].reduce_scatter(expected.scatter)
    assert_close(by_rows.scatter, reduced, 1e-11)
    assert_close(by_rows.tails.counts, in_groups.tails.counts, 1e-12)
    assert_close(by_rows.tails.logarithms, in_groups.tails.logarithms, 1e-12)


@pytest.mark.parametrize("fewest_rows", [1, N], ids=["groups", "rows"])
def test_groups_side_by_side_have_the_bits_of_one_thread(fewest_rows, monkeypatch):
    monkeypatch.setattr(row_by_row, "fewest_rows", lambda *_: fewest_rows)
    monkeypatch.setattr(grid, "_LEAST_WORK", 1.0)
    X, mixture = problem("full")
    X = read_only(np.tile(X, (20, 1)))
    one, two = (
        statistics_of(X, parameters_of(mixture, "full"), "full", n) for n in (1, 2)
    )
    assert one.log_likelihood == two.log_likelihood
    assert np.array_equal(one.scatter, two.scatter)
    # Nor does it matter whether copies of rows are kept.
    monkeypatch.setattr(expectation, "_MOST_BYTES", 0)
    not_kept = statistics_of(X, parameters_of(mixture, "full"), "full")
    assert np.array_equal(not_kept.scatter, two.scatter)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", IN_SHORT)
def test_a_fit_is_that_of_the_twin(name, dtype):
    X, mixture = problem(name)
    X = X.astype(dtype)
    model = marginalizing(mixture, name, max_iter=4, tol=0, reg_covar=1e-3).fit(X)
    for lower_bound in model.lower_bounds_:
        statistics = reference.expectation_with_gaps(X.astype(float), mixture)
        tolerance = 1e-5 if dtype == np.float32 else 1e-11
        assert lower_bound == pytest.approx(
            statistics.log_likelihood / N, rel=tolerance
        )
        mixture = reference.maximization(statistics, mixture.means, name, 1e-3)
    assert_close(model.means_, mixture.means, tolerance)
    compact = reference.STRUCTURES[name].compact(mixture.covariances)
    assert_close(model.covariances_, compact, tolerance)


@pytest.mark.parametrize("fewest_rows", [1, N], ids=["groups", "rows"])
@pytest.mark.parametrize("noise", [False, True], ids=["", "noise"])
@pytest.mark.parametrize("name", IN_SHORT)
def test_answers_are_those_of_marginal_densities(name, noise, fewest_rows, monkeypatch):
    monkeypatch.setattr(row_by_row, "fewest_rows", lambda *_: fewest_rows)
    X, mixture = problem(name, noise)
    model = marginalizing(mixture, name, max_iter=0).fit(X)
    bounds = model.noise_bounds_ if noise else None
    values = reference.weighted_log_densities(X, mixture, bounds)
    densities = reference.log_sum_exp(values)
    assert_close(model.score_samples(X), densities, 1e-12)
    degrees = np.exp(values - densities[:, np.newaxis])
    assert_close(model.predict_proba(X), degrees, 1e-12)
    labels = values.argmax(axis=1)
    assert np.array_equal(model.predict(X), np.where(labels == K, -1, labels))
    assert model.score(X) == pytest.approx(densities.mean())
    weights = np.arange(N)
    assert model.score(X, sample_weight=weights) == pytest.approx(
        np.average(densities, weights=weights)
    )
    assert model.fit_predict(X).tolist() == model.predict(X).tolist()


@pytest.mark.parametrize("name", IN_SHORT)
def test_where_nothing_is_missing_nothing_changes(name):
    random = np.random.default_rng(0)
    X = draw(random, random_mixture(random, name, K, D), 500)
    models = [
        GaussianMixture(K, covariance_type=name, missing_values=what, random_state=0)
        for what in ("error", "marginalize")
    ]
    plain, marginal = (model.fit(X) for model in models)
    assert np.array_equal(plain.covariances_, marginal.covariances_)
    assert np.array_equal(plain.predict_proba(X), marginal.predict_proba(X))


def test_one_component_and_nested_gaps_have_a_closed_form():
    """T. W. Anderson (1957): regress the later column on the earlier one."""
    random = np.random.default_rng(3)
    X = random.normal(size=(300, 2)) @ [[1.0, 0.8], [0.0, 0.5]] + [3, -1]
    X[200:, 1] = np.nan
    model = GaussianMixture(
        1, missing_values="marginalize", reg_covar=0, tol=0, max_iter=2000
    ).fit(X)
    x, y = X[:200].T
    slope = np.cov(x, y, bias=True)[0, 1] / x.var()
    mean = X[:, 0].mean()
    assert_close(model.means_[0], [mean, y.mean() + slope * (mean - x.mean())], 1e-10)
    left = y.var() - slope**2 * x.var()
    v = X[:, 0].var()
    expected = [[v, slope * v], [slope * v, left + slope**2 * v]]
    assert_close(model.covariances_[0], expected, 1e-9)


GAPPY = np.array([[1.0, 2.0], [np.nan, 3.0], [4.0, np.nan], [0.5, 1.5], [3.0, 2.5]])
LISTS = [[None if np.isnan(x) else x for x in row] for row in GAPPY]
frame = pd.DataFrame(GAPPY, columns=["a", "b"])
KINDS_OF_GAPS = {
    "None": LISTS,
    "None in an array": np.array(LISTS, dtype=object),
    "NA in an array": np.array(
        [[pd.NA if x is None else x for x in row] for row in LISTS], dtype=object
    ),
    "masked": np.ma.masked_invalid(GAPPY),
    "pandas": frame,
    "nullable": frame.astype("Float64"),
    "nullable integers": (frame * 2).astype("Int64"),
    "objects": frame.astype(object).where(frame.notna(), pd.NA),
    "polars": pl.DataFrame(GAPPY, schema=["a", "b"]).fill_nan(None),
    "Arrow": pa.table({"a": [r[0] for r in LISTS], "b": [r[1] for r in LISTS]}),
}


@pytest.mark.parametrize("kind", KINDS_OF_GAPS)
def test_every_kind_of_gap_is_a_gap(kind):
    X = KINDS_OF_GAPS[kind]
    model = GaussianMixture(1, missing_values="marginalize")
    expected = model.fit(GAPPY).means_ * (2 if kind == "nullable integers" else 1)
    fitted = model.fit(X)
    assert_close(fitted.means_, expected, 1e-5)
    assert fitted.predict(X).tolist() == [0] * 5
    with pytest.raises(ValueError, match="missing_values='marginalize'"):
        GaussianMixture(1).fit(X)


def test_a_fitted_model_answers_about_gaps_without_a_new_fit():
    X, mixture = problem("full")
    model = GaussianMixture.from_parameters(*mixture)
    with pytest.raises(ValueError, match="missing_values='marginalize'"):
        model.score(X)
    model.set_params(missing_values="marginalize")
    expected = reference.expectation_with_gaps(X, mixture).log_likelihood / N
    assert model.score(X) == pytest.approx(expected)


def test_infinite_values_and_empty_columns_are_errors():
    model = GaussianMixture(1, missing_values="marginalize")
    X = GAPPY.copy()
    X[0, 1] = np.inf
    with pytest.raises(ValueError, match=r"1 inf in 1 of 5 rows.* row 0, column 1"):
        model.fit(X)
    X[:, 1] = np.nan
    with pytest.raises(ValueError, match=r"no value in column 1.*Leave that column"):
        model.fit(X)


@pytest.mark.parametrize("name", ["full", "tied", "diag"])
def test_a_column_without_values_in_a_component_is_named(name):
    X, mixture = problem(name)
    mixture = mixture._replace(means=np.array([[-50.0] * D, [50.0] * D]))
    X = X + np.where(np.arange(N) % 2, 50, -50)[:, np.newaxis]
    X = X[2:]
    X[::2, 2] = np.nan
    table = pd.DataFrame(X, columns=list("abcd"))
    with pytest.raises(SingularCovarianceError) as raised:
        marginalizing(mixture, name).fit(table)
    assert "column 'c' has no value" in str(raised.value)
    assert raised.value.columns == (2,)


def test_rows_without_any_value_count_and_move_nothing():
    X, mixture = problem("full")
    settings = {"max_iter": 200, "tol": 0}
    with_them = marginalizing(mixture, "full", **settings)
    with pytest.warns(UserWarning, match="of X these are 2"):
        with_them.fit(X)
    without = marginalizing(mixture, "full", **settings).fit(X[2:])
    assert_close(with_them.means_, without.means_, 1e-5)
    assert with_them.score(X) * N == pytest.approx(without.score(X[2:]) * (N - 2))


@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "random", "subsample"])
def test_every_start_works_where_each_row_has_a_gap(init_params):
    X, _ = problem("full")
    X = X[2:]
    X[np.arange(len(X)), np.arange(len(X)) % D] = np.nan
    model = GaussianMixture(
        K, missing_values="marginalize", init_params=init_params, random_state=0
    ).fit(X)
    assert np.isfinite(model.score(X))
    assert np.diff(model.lower_bounds_).min() > -1e-5


def test_a_stream_of_rows_with_gaps_is_learned_from():
    random = np.random.default_rng(0)
    mixture = random_mixture(random, "full", 1, 2)
    model = GaussianMixture(1, missing_values="marginalize")
    for _ in range(5):
        X = draw(random, mixture, 4000)
        model.partial_fit(np.where(random.random(X.shape) < 0.2, np.nan, X))
    assert_close(model.means_, mixture.means, 0.1)
    assert_close(model.covariances_, mixture.covariances, 0.1)


def test_noise_is_bounded_by_the_values_that_are_there():
    X, _ = problem("full")
    X[5, 1] = 40.0
    model = GaussianMixture(
        1, noise=True, missing_values="marginalize", random_state=0
    ).fit(X)
    assert_close(model.noise_bounds_, np.stack([np.nanmin(X, 0), np.nanmax(X, 0)]).T, 0)
    assert model.noise_volume_ == pytest.approx(np.ptp(model.noise_bounds_, 1).prod())
    assert model.predict(X)[5] == -1


@pytest.mark.parametrize("name", IN_SHORT)
def test_gaps_are_filled_with_what_is_expected_there(name):
    X, mixture = problem(name)
    covariances = parameters_of(mixture, name).covariances
    model = GaussianMixture.from_parameters(
        mixture.weights, mixture.means, covariances, covariance_type=name
    )
    filled = model.impute(X)
    present = ~np.isnan(X)
    assert np.array_equal(filled[present], X[present])
    degrees = reference.responsibilities(X, mixture)
    for has, rows in reference.patterns(X):
        completed = [
            reference.completed(X[rows], has, mean, covariance)[0]
            for mean, covariance in zip(mixture.means, mixture.covariances, strict=True)
        ]
        expected = np.einsum("nk,knd->nd", degrees[rows], np.stack(completed))
        assert_close(filled[rows], expected, 1e-11)


@pytest.mark.parametrize("noise", [False, True], ids=["", "noise"])
def test_draws_vary_as_the_values_do(noise):
    _, mixture = problem("full")
    few = [[np.nan] * D, [mixture.means[0, 0], np.nan, *mixture.means[0, 2:]]]
    model = GaussianMixture.from_parameters(
        mixture.weights * (0.8 if noise else 1),
        *(mixture.means, mixture.covariances),
        noise_weight=0.2 if noise else None,
        noise_bounds=[[-5, 5]] * D if noise else None,
    )
    repeated = np.repeat(few, 4000, axis=0)
    drawn = model.impute(repeated, method="sample", random_state=0)
    again = model.impute(repeated, method="sample", random_state=0)
    assert np.array_equal(drawn, again)
    sample, _ = model.sample(4000, random_state=1)
    assert_close(drawn[:4000].mean(axis=0), sample.mean(axis=0), 0.2)
    assert_close(np.cov(drawn[:4000].T), np.cov(sample.T), 0.2)
    assert drawn[4000:, 1].mean() == pytest.approx(model.impute(few)[1, 1], abs=0.1)


def test_noise_without_a_place_cannot_fill_gaps():
    _, mixture = problem("full")
    model = GaussianMixture.from_parameters(
        *(0.9 * mixture.weights, mixture.means, mixture.covariances),
        noise_weight=0.1,
        noise_volume=2.0,
    )
    with pytest.raises(ValueError, match="give noise_bounds"):
        model.impute([[np.nan] * D])


def test_the_tag_follows_the_option():
    for what, allowed in (("error", False), ("marginalize", True)):
        tags = GaussianMixture(missing_values=what).__sklearn_tags__()
        assert tags.input_tags.allow_nan is allowed


def test_a_model_file_keeps_the_option(tmp_path):
    X, mixture = problem("full", noise=True)
    model = marginalizing(mixture, "full", max_iter=2).fit(X)
    save_model(model, tmp_path / "model.json")
    loaded = load_model(tmp_path / "model.json")
    assert np.array_equal(loaded.score_samples(X), model.score_samples(X))


@pytest.mark.parametrize("noise", [False, True], ids=["", "noise"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_blocks_are_fitted_as_in_memory(tmp_path, weighted, noise):
    X, mixture = problem("full", noise)
    settings = {"max_iter": 3, "tol": 0}
    weights = np.linspace(0.1, 2, N) if weighted else None
    blocks = [X[:50], X[50:]]

    class Blocks:
        def __iter__(self):
            return iter(blocks)

    whole = marginalizing(mixture, "full", **settings).fit(X, sample_weight=weights)
    read = marginalizing(mixture, "full", **settings)
    read.fit(Blocks(), sample_weight=weights)
    assert_close(read.means_, whole.means_, 1e-11)
    assert_close(read.lower_bounds_, whole.lower_bounds_, 1e-12)
    assert np.array_equal(read.predict(Blocks()), whole.predict(X))
    path = tmp_path / "rows.parquet"
    pd.DataFrame(X, columns=list("abcd")).to_parquet(path)
    from_file = marginalizing(mixture, "full", **settings)
    from_file.fit(path, sample_weight=weights)
    assert_close(from_file.means_, whole.means_, 1e-11)
    random = marginalizing(mixture, "full").set_params(
        means_init=None, precisions_init=None, weights_init=None, random_state=0
    )
    for init_params in ("kmeans", "random", np.arange(N) % K):
        random.set_params(init_params=init_params).fit(Blocks())


def test_a_killed_fit_goes_on(tmp_path):
    X, mixture = problem("full")
    path = tmp_path / "fit.json"

    def stop(progress):
        if progress.iteration == 3:
            raise StopFit

    whole = marginalizing(mixture, "full", tol=1e-8).fit(X)
    part = marginalizing(mixture, "full", tol=1e-8)
    part.fit(X, checkpoint=path, callback=stop)
    assert part.n_iter_ == 3
    rest = marginalizing(mixture, "full", tol=1e-8).fit(X, checkpoint=path)
    assert np.array_equal(rest.means_, whole.means_)
    assert rest.n_iter_ == whole.n_iter_


@pytest.mark.parametrize("noise", [False, True], ids=["", "noise"])
def test_standardised_columns_are_fitted_as_they_are(noise):
    X, _ = problem("full", noise)
    scaled = X * [1e3, 1, 1e-3, 10]
    model = GaussianMixture(
        K, missing_values="marginalize", noise=noise, max_iter=3, random_state=0
    )
    ours = fit_standardized(model, scaled)
    assert ours.lower_bound_ > -np.inf
    expected = GaussianMixture.from_parameters(
        *(ours.weights_, ours.means_, ours.covariances_),
        **_noise_of(ours),
        missing_values="marginalize",
        max_iter=1,
        reg_covar=0,
    ).fit(scaled)
    further = fit_standardized(model.set_params(max_iter=4), scaled)
    assert further.lower_bound_ == pytest.approx(expected.lower_bound_, rel=1e-4)


def _noise_of(model):
    if not hasattr(model, "noise_weight_"):
        return {}
    return {
        "noise_weight": model.noise_weight_,
        "noise_volume": model.noise_volume_,
        "noise_bounds": model.noise_bounds_,
    }


def test_a_selector_chooses_among_rows_with_gaps():
    random = np.random.default_rng(0)
    X = np.vstack([random.normal(m, 1, (100, 2)) for m in (0, 8)])
    X[random.random(len(X)) < 0.3, 1] = np.nan
    selector = GaussianMixtureSelector(
        n_components=[1, 2, 3],
        covariance_types=["EII", "full"],
        estimator=GaussianMixture(missing_values="marginalize"),
        random_state=0,
    ).fit(X)
    assert (selector.n_components_, selector.covariance_type_) == (2, "EII")
    assert selector.__sklearn_tags__().input_tags.allow_nan
