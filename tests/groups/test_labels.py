"""Rows that are known: they belong where they are said to, and the others follow."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow.dataset import dataset
from sklearn import clone, config_context
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastem import GaussianMixture, StopFit, fit_standardized
from fastem.checks.known import check_known
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.groups import GroupedExpectation, groups_of
from tests import reference
from tests.groups.test_gaps import gappy
from tests.mixtures import (
    IN_SHORT,
    assert_close,
    draw,
    parameters_of,
    random_mixture,
    start_of,
    with_noise,
)

K, D, N = 3, 3, 120


def problem(name, *, noise=False, gaps=False):
    """Rows, what is known of them, and a mixture."""
    random = np.random.default_rng(5)
    mixture = random_mixture(random, name, K, D)
    X = draw(random, mixture, N)
    labels = random.integers(-2 if noise else -1, K, size=N)
    labels[::2] = -1
    return (gappy(random, X) if gaps else X), labels, mixture


def allowed_by(labels, noise):
    allowed = labels[:, np.newaxis] == np.arange(K)
    if noise:
        allowed = np.column_stack([allowed, labels == -2])
    return allowed | (labels == -1)[:, np.newaxis]


@pytest.mark.parametrize("gaps", [False, True], ids=["", "gaps"])
@pytest.mark.parametrize("noise", [False, True], ids=["", "noise"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_statistics_are_those_of_the_twin(name, noise, gaps):
    X, labels, mixture = problem(name, noise=noise, gaps=gaps)
    mixture = with_noise(mixture) if noise else mixture
    row_weights = np.random.default_rng(1).uniform(size=N)
    known = check_known(labels, N, K, noise)
    step = GroupedExpectation(
        *(read_only(X), read_only(row_weights), groups_of(X, known)),
        *(STRUCTURES[name].representation, None),
    )
    actual = step(parameters_of(mixture, name))
    allowed = allowed_by(labels, noise)
    expected = reference.expectation_with_gaps(X, mixture, row_weights, allowed)
    assert_close(actual.log_likelihood, expected.log_likelihood, 1e-12)
    assert_close(actual.weights, expected.weights, 1e-12)
    assert_close(actual.first, expected.first, 1e-11)
    reduced = reference.STRUCTURES[name].reduce_scatter(expected.scatter)
    assert_close(actual.scatter, reduced, 1e-11)
    assert actual.total == pytest.approx(row_weights.sum())


@pytest.mark.parametrize("name", IN_SHORT)
def test_a_mask_says_which_components_may_be(name):
    X, labels, mixture = problem(name)
    mask = allowed_by(labels, noise=False)
    mask[labels == 0, 1] = True
    model = GaussianMixture(**start_of(mixture, name), max_iter=1, reg_covar=0)
    with pytest.warns(match="did not converge"):
        model.fit(X, labels=mask)
    statistics = reference.expectation_with_gaps(X, mixture, allowed=mask)
    expected = reference.maximization(statistics, mixture.means, name, 0)
    assert_close(model.means_, expected.means, 1e-12)
    assert model.lower_bound_ == pytest.approx(statistics.log_likelihood / N)


def test_rows_that_are_all_known_take_one_step():
    X, _, _ = problem("full")
    labels = np.arange(N) % K
    model = GaussianMixture(K, reg_covar=0).fit(X, labels=labels)
    expected = reference.start_from_labels(X, labels, "full")
    assert_close(model.means_, expected.means, 1e-12)
    assert_close(model.covariances_, expected.covariances, 1e-12)
    assert model.n_iter_ <= 2


@pytest.mark.parametrize("gaps", [False, True], ids=["", "gaps"])
def test_blocks_and_columns_are_fitted_as_in_memory(gaps, recwarn):
    X, labels, _ = problem("full", gaps=gaps)
    blocks = [X[:50], X[50:]]

    class Blocks:
        def __iter__(self):
            return iter(blocks)

    def fitted(X, labels):
        model = GaussianMixture(K, missing_values="marginalize", max_iter=5, tol=0)
        return model.fit(X, labels=labels)

    whole = fitted(X, labels)
    assert_close(fitted(Blocks(), labels).means_, whole.means_, 1e-11)
    table = pd.DataFrame(X, columns=list("abc")).assign(species=labels)
    named = fitted(table, ("column", "species"))
    assert np.array_equal(named.means_, whole.means_)
    assert named.feature_names_in_.tolist() == ["a", "b", "c"]


def test_labels_go_with_every_way_to_fit(recwarn):
    X, labels, _ = problem("full")
    model = GaussianMixture(K, max_iter=5, tol=0, random_state=0)
    plain = model.fit(X, labels=labels)
    expected = plain.means_
    assert model.fit_predict(X, labels=labels).tolist() == plain.predict(X).tolist()
    scales = np.array([1e3, 1, 1e-2])
    scaled = fit_standardized(model, X * scales, labels=labels)
    assert_close(scaled.means_, expected * scales, 1e-4)
    assert_close(clone(model).partial_fit(X, labels=labels).means_, expected, 0)


@pytest.mark.parametrize("name", IN_SHORT)
def test_a_stream_learns_from_what_is_known_of_its_rows(name):
    X, labels, mixture = problem(name)
    model = GaussianMixture(**start_of(mixture, name), max_iter=0).fit(X)
    n_seen = model.n_samples_seen_
    statistics = reference.expectation_with_gaps(
        X, mixture, allowed=allowed_by(labels, noise=False)
    )
    kept = N / ((1 + N / n_seen) ** 2 - 1) * mixture.weights
    spreads = mixture.covariances - 1e-6 * np.eye(D)
    sums = statistics._replace(
        weights=statistics.weights + kept,
        scatter=statistics.scatter + kept[:, np.newaxis, np.newaxis] * spreads,
    )
    expected = reference.maximization(sums, mixture.means, name, 1e-6)
    model.partial_fit(X, labels=labels)
    assert_close(model.means_, expected.means, 1e-10)
    assert model.lower_bound_ == pytest.approx(statistics.log_likelihood / N)
    with pytest.raises(ValueError, match=r"labels are of 100 rows, but X has 120"):
        model.partial_fit(X, labels=labels[:100])
    with pytest.raises(ValueError, match=r"on_collapse='drop'"):
        model.set_params(on_collapse="drop").partial_fit(X, labels=labels)


def test_labels_are_a_column_of_files_and_arrow_data(tmp_path, recwarn):
    X, labels, _ = problem("full")
    table = pd.DataFrame(X, columns=list("abc"))
    table["kind"] = pd.Series(labels).where(labels >= 0).astype("Int64")  # NA, not -1
    table["often"] = np.arange(N) % 3 + 1.0
    path = tmp_path / "rows.parquet"
    table.to_parquet(path)
    model = GaussianMixture(K, max_iter=5, tol=0)
    given = {"sample_weight": "often", "labels": ("column", "kind")}
    expected = model.fit(
        table[list("abc")], sample_weight=table["often"], labels=labels
    ).means_
    for source in (path, dataset(path), pa.table(table), table):
        assert_close(model.fit(source, **given).means_, expected, 1e-11)
        assert model.feature_names_in_.tolist() == list("abc")
        assert np.isfinite(model.partial_fit(source, **given).means_).all()
    words = pa.table(table).set_column(3, "kind", [["setosa"] * N])
    with pytest.raises(ValueError, match="holds names, such as 'setosa'"):
        model.fit(dataset(words), **given)


def test_a_mask_is_cut_into_blocks(recwarn):
    X, labels, _ = problem("full")
    mask = allowed_by(labels, noise=False)
    mask[labels == 0, 1] = True
    mask[np.arange(3), :] = np.eye(3, dtype=bool)
    start = start_of(problem("full")[2], "full")

    class Blocks:
        def __iter__(self):
            return iter([X[:50], X[50:]])

    model = GaussianMixture(**start, max_iter=3, tol=0)
    whole = model.fit(X, labels=mask).means_
    assert_close(model.fit(Blocks(), labels=mask).means_, whole, 1e-12)


def test_labels_are_routed_as_metadata():
    X, _, _ = problem("full")
    known = np.where(np.arange(N) % 2, -1, np.arange(N) // 2 % K)
    with config_context(enable_metadata_routing=True):
        model = GaussianMixture(K, max_iter=50).set_fit_request(labels=True)
        pipeline = make_pipeline(StandardScaler(), model)
        fitted = pipeline.fit(X, labels=known)[-1]
        scaled = StandardScaler().fit_transform(X)
        expected = clone(model).fit(scaled, labels=known)
        assert np.array_equal(fitted.means_, expected.means_)
        # Labels are cut with the rows.
        scores = cross_validate(pipeline, X, params={"labels": known})["test_score"]
        assert np.isfinite(scores).all()


def test_components_of_which_no_row_is_known_start_among_the_others():
    random = np.random.default_rng(0)
    members = np.arange(300) % 3
    X = random.normal(size=(300, 2)) + 8 * np.array([[0, 0], [1, 0], [0, 1]])[members]
    labels = np.where(np.arange(300) < 60, members, -1)
    labels[labels == 2] = -1
    model = GaussianMixture(3, random_state=0).fit(X, labels=labels)
    assert np.array_equal(model.predict(X), members)


def test_a_killed_fit_knows_its_labels(tmp_path):
    X, labels, _ = problem("full")

    def stop(progress):
        if progress.iteration == 2:
            raise StopFit

    path = tmp_path / "fit.json"
    model = GaussianMixture(K, tol=1e-8, max_iter=500)
    whole = model.fit(X, labels=labels).means_
    model.fit(X, labels=labels, checkpoint=path, callback=stop)
    with pytest.raises(ValueError, match="other"):
        model.fit(X, labels=np.roll(labels, 1), checkpoint=path)
    assert np.array_equal(model.fit(X, labels=labels, checkpoint=path).means_, whole)


@pytest.mark.parametrize(
    ("labels", "settings", "text"),
    [
        ([0, 1], {}, r"in the shape \(120,\).* but has \(2,\)"),
        (np.full(N, 3), {}, r"from 0 to 2, or -1 .*has 3 in row 0"),
        (np.full(N, -2), {}, r"needs noise=True"),
        (np.zeros((N, K), bool), {}, r"allow no component for row 0"),
        (np.zeros((N, K)), {}, r"as booleans in the shape \(120, 3\)"),
        (np.zeros(N), {"on_collapse": "drop"}, r"on_collapse='drop'"),
        (("column", "c"), {}, r"X is no table"),
    ],
)
def test_labels_that_cannot_be_used_are_errors(labels, settings, text):
    X, _, _ = problem("full")
    with pytest.raises((ValueError, TypeError), match=text):
        GaussianMixture(K, **settings).fit(X, labels=labels)


@pytest.mark.parametrize("name", ["tied", "EEV"])
def test_known_rows_that_count_nothing_are_no_rows(name):
    X, _, _ = problem("full")
    labels = np.arange(N) % 2
    counts = (labels == 0).astype(float)
    model = GaussianMixture(2, covariance_type=name, random_state=0)
    with pytest.warns(match="component 1, of weight 0"):
        model.fit(X, sample_weight=counts, labels=labels)
    alone = GaussianMixture(1, covariance_type=name).fit(X[labels == 0])
    assert model.lower_bound_ == pytest.approx(alone.lower_bound_, rel=1e-12)
    assert model.weights_.tolist() == [1, 0]
    assert_close(model.means_[:1], alone.means_, 1e-12)


def test_each_component_needs_rows_to_start_from():
    X, _, _ = problem("full")
    with pytest.raises(ValueError, match="no row of component 2, and something is"):
        GaussianMixture(K).fit(X, labels=np.arange(N) % 2)
