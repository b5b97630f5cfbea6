"""A mixture on a page: every figure is what the rows or the parameters say."""

import numpy as np
import pandas as pd
import pytest

import fastem
from fastem import GaussianMixture, GaussianMixtureSelector, StudentMixture, overlap
from fastem.report.memberships import measure_certainty

NAMES = ["speed", "load"]
MEANS = np.array([[1.0, 500.0], [3.0, 520.0], [1.2, 900.0]])
COVARIANCES = np.array([[0.2, 400.0], [0.3, 900.0], [0.1, 100.0]])


@pytest.fixture
def model():
    return GaussianMixture.from_parameters(
        *([0.5, 0.3, 0.2], MEANS, COVARIANCES),
        covariance_type="diag",
        feature_names=NAMES,
        missing_values="marginalize",
        random_state=0,
    )


@pytest.fixture
def table(model, random):
    rows = model.sample(900)[0]
    rows[::9, 0] = np.nan
    rows[5] = np.nan
    return pd.DataFrame(random.permutation(rows), columns=NAMES)


def words_of(summary):
    return " ".join(str(summary).split())


@pytest.mark.parametrize("kind", ["memory", "folder"])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_figures_are_those_of_the_rows(
    model, table, random, kind, is_weighted, tmp_path
):
    weights = random.integers(1, 4, len(table)).astype(float) if is_weighted else None
    w = np.ones(len(table)) if weights is None else weights
    given, rows = weights, table
    if kind == "folder":
        for start in (0, 400):
            part = table.assign(w=w)[start : start + 500 if start else 400]
            columns = [*NAMES, "w"] if is_weighted else NAMES
            part[columns].to_parquet(tmp_path / f"{start}.parquet")
        given, rows = ("w" if is_weighted else None), tmp_path
    found = fastem.summary(model, rows, given).rows
    assert found.bic == pytest.approx(model.bic(table, weights), rel=1e-12)
    assert found.aic == pytest.approx(model.aic(table, weights), rel=1e-12)
    assert found.icl == pytest.approx(model.icl(table, weights), rel=1e-12)
    repeated = table.loc[np.repeat(table.index, w.astype(int))]
    np.testing.assert_allclose(found.means, repeated.mean(), rtol=1e-12)
    np.testing.assert_allclose(found.deviations, repeated.std(ddof=0), rtol=1e-10)
    np.testing.assert_allclose(found.missing, repeated.isna().mean(), rtol=1e-12)
    assert (found.n_rows, found.total_weight) == (900, w.sum())
    assert found.n_gappy == table.isna().any(axis=1).sum()
    assert found.n_empty == 1
    expected = measure_certainty(model, repeated)
    for name in ("n_rows", "mean", "sure", "unsure"):
        np.testing.assert_allclose(
            getattr(found.certainty, name), getattr(expected, name), rtol=1e-12
        )


def test_rows_are_read_once(model, table, tmp_path, monkeypatch):
    from fastem.sources.parquet import ParquetBlocks

    table.to_parquet(tmp_path / "rows.parquet")
    passes = []
    blocks = ParquetBlocks.blocks

    def counted(self, n_rows):
        passes.append(n_rows)
        return blocks(self, n_rows)

    monkeypatch.setattr(ParquetBlocks, "blocks", counted)
    (tmp_path / "folder").mkdir()
    (tmp_path / "rows.parquet").rename(tmp_path / "folder" / "rows.parquet")
    fastem.summary(model, tmp_path / "folder")
    assert len(passes) == 1


def test_the_page_is_in_the_units_of_the_columns(model, table):
    summary = fastem.summary(model, table)
    words = words_of(summary)
    mean, deviation = table["load"].mean(), table["load"].std(ddof=0)
    more = f"{900 - mean:.0f} more ({(900 - mean) / deviation:+.1f} sd)"
    assert f"load 900 ± 10 {more}" in words
    assert f"Missing: {table.isna().any(axis=1).sum()} of 900 rows lack values" in words
    assert "1 of them all (speed 11.2%, load 0.1%)" in words
    pair = overlap(model).pairs[0]
    told = f"{pair.first} and {pair.second}: {pair.first_as_second:.1%} of the rows"
    assert told in words
    assert f"BIC {model.bic(table):,.1f}, ICL {model.icl(table):,.1f}" in words
    assert max(map(len, str(summary).splitlines())) <= 79


def test_a_frame_has_a_row_for_each_component(model, table):
    frame = fastem.summary(model, table).to_frame()
    assert frame["component"].tolist() == [0, 1, 2]
    assert frame["speed"].tolist() == MEANS[:, 0].tolist()
    mean, deviation = table["speed"].mean(), table["speed"].std(ddof=0)
    np.testing.assert_allclose(frame["speed (sd)"], (MEANS[:, 0] - mean) / deviation)
    assert frame["n_rows"].sum() == len(table)
    alone = fastem.summary(model).to_frame()
    assert "n_rows" not in alone
    assert alone["weight"].tolist() == [0.5, 0.3, 0.2]


def test_noise_and_tails_are_told():
    model = StudentMixture.from_parameters(
        *([0.9], [[0.0, 0.0]], [np.eye(2)]),
        degrees_of_freedom=4.0,
        noise_weight=0.1,
        noise_bounds=[[-50, 50], [-50, 50]],
    )
    rows = np.vstack([np.zeros((8, 2)), [[40.0, 40.0], [30.0, -30.0]]])
    summary = fastem.summary(model, rows)
    words = words_of(summary)
    assert "Student mixture of 1 component and a background of noise" in words
    assert "tails of Student's t with 4 degrees of freedom" in words
    assert "mean ± scale" in words
    assert "no component: 10.0% of the rows; the likeliest one for 2" in words
    assert summary.to_frame()["component"].tolist() == [0, -1]
    assert "overlap" not in words


def test_a_component_that_only_spreads_is_told_so():
    model = GaussianMixture.from_parameters(
        [0.9, 0.1], [[5.0], [5.0]], [1.0, 100.0], covariance_type="spherical"
    )
    words = words_of(fastem.summary(model, feature_names=["wind"]))
    deviation = np.sqrt(0.9 + 10)
    assert "in every column a mean close to the mixture's" in words
    assert f"wind 5 ± 10 {10 / deviation:.1f} times as far from the mean" in words
    assert f"wind 5 ± 1 {deviation:.1f} times as near" in words


def test_a_choice_is_told_with_its_alternatives(random):
    X = np.vstack([random.normal(m, 1, (100, 2)) for m in (0, 8)])
    selector = GaussianMixtureSelector([1, 2, 3], ["diag", "EII"], random_state=0)
    selector.fit(X)
    words = words_of(fastem.summary(selector, X))
    best, second = selector.results_.ranked[:2]
    assert f"Chosen by BIC from 6 candidates: {best.covariance_type}, 2" in words
    behind = f"worse by {second.value - best.value:,.1f}"
    assert f"{second.covariance_type}, {second.n_components}: {behind}" in words
    assert f"BIC {best.value:,.1f}" in words


def test_overlaps_that_take_minutes_are_left_out(random):
    model = GaussianMixture.from_parameters(
        np.full(8, 1 / 8),
        random.normal(size=(8, 200)),
        np.ones((8, 200)),
        covariance_type="diag",
    )
    summary = fastem.summary(model)
    assert summary.overlap is None
    assert "Overlaps are not computed" in words_of(summary)


def test_rows_of_one_value_have_units_too():
    model = GaussianMixture.from_parameters(
        [0.5, 0.5], [[0.0], [4.0]], [1.0, 1.0], covariance_type="spherical"
    )
    summary = fastem.summary(model, np.full((5, 1), 4.0))
    assert summary.differences[1, 0] == 0
    assert np.isfinite(summary.differences).all()
    assert "likeliest one for 0\n" in str(summary)


def test_a_column_that_no_row_has_is_told_in_units_of_the_mixture():
    model = GaussianMixture.from_parameters(
        *([0.5, 0.5], [[0.0, 10.0], [4.0, 30.0]], [1.0, 1.0]),
        covariance_type="spherical",
        missing_values="marginalize",
    )
    X = np.column_stack([[0.0, 0.0, 4.0, 4.0], np.full(4, np.nan)])
    summary = fastem.summary(model, X)
    assert summary.overall_means == pytest.approx([2, 20])
    assert summary.differences[0, 1] < 0 < summary.differences[1, 1]


@pytest.mark.filterwarnings("ignore:Criteria count rows")
def test_counts_by_weights_may_be_larger_than_integers(model, table):
    huge = fastem.summary(model, table, sample_weight=np.full(len(table), 2.0**70))
    plain = fastem.summary(model, table)
    np.testing.assert_allclose(
        huge.rows.certainty.n_rows, plain.rows.certainty.n_rows * 2.0**70
    )


def test_what_cannot_be_summarized_is_refused(model, table):
    with pytest.raises(ValueError, match="sample_weight is given without X"):
        fastem.summary(model, sample_weight=[1.0])
    with pytest.raises(ValueError, match="feature_names has 1, but the model has 2"):
        fastem.summary(model, feature_names=["a"])
    for unfitted in (GaussianMixture(), GaussianMixtureSelector()):
        with pytest.raises(ValueError, match="not fitted"):
            fastem.summary(unfitted)
