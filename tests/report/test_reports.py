"""Reports for colleagues: what they say is so, and a page is one whole page."""

import inspect
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

import fastem
from fastem import (
    GaussianMixture,
    GaussianMixtureSelector,
    MixtureClassifier,
    MixtureOutlierDetector,
    MixtureRegressor,
    StudentMixture,
)

NAMES = ["speed", "load"]
EVIL = "<script>alert('x')</script> & \"co\""
VOID = {"meta", "link", "img", "br"}


@pytest.fixture
def table(random):
    kind = np.repeat([0, 1, 2], [150, 100, 50])
    means = np.array([[50, 400], [80, 500], [20, 900]])
    rows = means[kind] + random.normal(size=(300, 2)) * [3, 30]
    return pd.DataFrame(rows, columns=NAMES).assign(
        make=np.array(["Acme", EVIL, "Cat"])[kind],
        age=random.normal(5 + 3 * kind),
        stolen=random.random(300) < 0.1 + 0.3 * kind,
    )


@pytest.fixture
def model(table):
    return GaussianMixture(3, random_state=0).fit(table[NAMES])


class Page(HTMLParser):
    """Which elements are open, and what was seen."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.text = path.read_text(encoding="utf-8")
        self.open, self.seen, self.sources, self.ids = [], [], [], []
        self.words = ""
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words += data


@pytest.fixture
def page_of(tmp_path):
    def written(report):
        report.to_html(tmp_path / "page.html")
        return Page(tmp_path / "page.html")

    return written


def test_a_page_is_whole_and_names_every_cluster(model, table, page_of):
    report = fastem.report(model, table, labels="make", outcome="stolen", title=EVIL)
    page = page_of(report)
    assert page.open == []
    assert all(source.startswith("data:") for source in page.sources)
    assert "http" not in page.text
    assert "<script" not in page.text
    assert EVIL in page.words  # as text
    for k in range(3):
        assert f"Cluster {k}" in page.words
    for sentence in report.sentences:
        assert sentence in page.words
    assert len(set(page.ids)) == len(page.ids)
    named = {a["aria-labelledby"] for _, a in page.seen if "aria-labelledby" in a}
    assert named <= set(page.ids)
    tags = [tag for tag, _ in page.seen]
    assert tags.count("table") == tags.count("caption")
    assert all(a["alt"] for tag, a in page.seen if tag == "img")
    assert [tag for tag in tags if tag in ("h1", "h2", "h3")][:3] == ["h1", "h2", "h3"]
    again = fastem.report(model, table, labels="make", outcome="stolen", title=EVIL)
    assert page_of(again).text == page.text


def test_dollars_in_names_are_no_formulas(random, page_of):
    prices = pd.DataFrame(
        random.normal(size=(60, 2)), columns=["$\\frac{$", "US$ by $"]
    )
    prices.iloc[:30] += 10
    model = GaussianMixture(2, random_state=0).fit(prices)
    assert "US$ by $" in page_of(fastem.report(model, prices)).words


def test_what_is_said_is_so(model, table):
    report = fastem.report(model, table, labels="make", outcome="stolen")
    clusters = model.predict(table[NAMES])
    assert report.agreement.adjusted_rand == pytest.approx(
        adjusted_rand_score(table["make"], clusters)
    )
    crossed = pd.crosstab(clusters, table["make"])[list(report.agreement.labels)]
    np.testing.assert_array_equal(report.agreement.counts, crossed)
    frame = report.to_frame().set_index("component")
    by_cluster = table.groupby(clusters)
    np.testing.assert_allclose(
        frame["stolen = True"], by_cluster["stolen"].mean(), atol=1e-3
    )
    np.testing.assert_allclose(frame["age"], by_cluster["age"].mean(), rtol=1e-3)
    np.testing.assert_allclose(frame["load"], model.means_[:, 1])
    assert frame["most of make"].tolist() == [
        part.mode()[0] for _, part in by_cluster["make"]
    ]
    heavy = int(by_cluster["load"].mean().idxmax())
    told = report.sentences[heavy]
    assert re.search(r"load is much higher \(about 9\d\d; all rows 5\d\d\)", told)
    assert re.search(r"speed is much lower \(about (19|2\d)\.?\d*; all rows", told)
    assert "Though not used to find the clusters, age is much higher" in told
    words = " ".join(str(report).split())
    assert f"BIC {model.bic(table[NAMES]):,.1f}" in words
    assert max(map(len, str(report).splitlines())) <= 79
    told = str(fastem.report(model, table))
    assert "stolen = True" in told
    assert "False" not in told  # that is the rest


def test_text_has_room_for_many_clusters(random):
    names = [f"a name that is too long for a table of text, {j}" for j in range(2)]
    K = 17
    model = GaussianMixture.from_parameters(
        np.full(K, 1 / K), 9.0 * np.arange(K)[:, np.newaxis], np.ones((K, 1, 1))
    )
    rows = np.repeat(model.means_, 2, axis=0) + [[0.1], [-0.1]] * K
    table = pd.DataFrame(rows, columns=["x"])
    table[names] = random.normal(size=(2 * K, 2))
    model.feature_names_in_ = np.array(["x"], dtype=object)
    text = str(fastem.report(model, table, labels=np.repeat(np.arange(K), 2)))
    assert max(map(len, text.splitlines())) <= 79
    assert "of text, 0 " in text
    for k in range(K):
        assert f"Cluster {k} (5.9% of all rows; 2 rows most likely here" in text
        assert re.search(rf"Cluster {k} .*\b2\b", text)


@pytest.mark.parametrize("kind", ["polars", "Arrow", "file", "array"])
def test_every_kind_of_table_is_told_alike(model, table, kind, tmp_path):
    expected = fastem.report(model, table, labels="make", outcome="stolen")
    given = {"labels": "make", "outcome": "stolen"}
    if kind == "array":
        model.__dict__.pop("feature_names_in_")
        given = {name: table[column].tolist() for name, column in given.items()}
        found = fastem.report(model, table[NAMES].to_numpy(), **given)
        assert found.summary.columns == ("x0", "x1")
    else:
        if kind == "file":
            table.to_parquet(tmp_path / "rows.parquet")
        other = {
            "polars": lambda: pl.from_pandas(table),
            "Arrow": lambda: pa.Table.from_pandas(table),
            "file": lambda: tmp_path / "rows.parquet",
        }[kind]()
        found = fastem.report(model, other, **given)
        assert found.sentences == expected.sentences
        assert found.notes == expected.notes == ()
    np.testing.assert_allclose(found.outcome.values, expected.outcome.values)
    np.testing.assert_allclose(found.agreement.counts, expected.agreement.counts)
    assert found.doubts.rows == expected.doubts.rows


def test_weights_are_repetitions(model, table, random):
    counts = random.integers(1, 4, len(table))
    given = {"labels": "make", "outcome": "stolen"}
    repeated = fastem.report(model, table.loc[np.repeat(table.index, counts)], **given)
    weighted = fastem.report(model, table.assign(w=counts), sample_weight="w", **given)
    np.testing.assert_allclose(weighted.outcome.low, repeated.outcome.low)
    np.testing.assert_allclose(weighted.agreement.counts, repeated.agreement.counts)
    assert weighted.doubts.n_rows == repeated.doubts.n_rows
    assert weighted.sentences == repeated.sentences
    (age,) = weighted.beside
    np.testing.assert_allclose(age.means, repeated.beside[0].means)


@pytest.mark.parametrize(
    "scaler",
    [
        *(StandardScaler(), RobustScaler(), MinMaxScaler(), "several"),
        StandardScaler().set_output(transform="pandas"),
    ],
)
def test_a_pipeline_is_told_in_the_columns_own_units(table, scaler):
    steps = [StandardScaler(), RobustScaler()] if scaler == "several" else [scaler]
    mixture = GaussianMixture(3, random_state=0, tol=1e-10, reg_covar=0, max_iter=1000)
    pipeline = make_pipeline(*steps, mixture).fit(table[NAMES])
    report = fastem.report(pipeline, table, outcome="stolen")
    own = pipeline[:-1].inverse_transform(pipeline[-1].means_)
    np.testing.assert_allclose(report.summary.means, own, rtol=1e-5)
    assert report.summary.columns == tuple(NAMES)
    degrees = pipeline.predict_proba(table[NAMES])
    shares = degrees.T @ table["stolen"] / degrees.sum(axis=0)
    np.testing.assert_allclose(report.outcome.values[:, 0], shares)
    drawn, (view, *_) = report.drawn
    np.testing.assert_allclose(drawn.means_, own)
    assert set(view.view.labels) == set(NAMES)


def test_any_steps_are_told_by_the_rows(table, page_of):
    encoded = make_column_transformer(
        (StandardScaler(), NAMES), (OneHotEncoder(), ["make"])
    )
    mixture = GaussianMixture(3, covariance_type="diag", random_state=0)
    pipeline = make_pipeline(encoded, PCA(3, random_state=0), mixture).fit(table)
    report = fastem.report(pipeline, table)
    degrees = pipeline.predict_proba(table)
    means = degrees.T @ table[NAMES].to_numpy() / degrees.sum(axis=0)[:, np.newaxis]
    np.testing.assert_allclose(report.summary.means, means)
    beside = {column.name for column in report.beside}
    assert beside == {"make", "age", "stolen"}
    assert any("make is Acme" in sentence for sentence in report.sentences)
    assert all("not used to find the clusters, make" not in s for s in report.sentences)
    assert "pca0" in page_of(report).text


@pytest.mark.parametrize("columns", [NAMES, "positions"])
def test_columns_that_a_pipeline_drops_are_as_if_it_had_not_seen_them(table, columns):
    if columns == "positions":
        columns = [list(table).index(name) for name in NAMES]
    scaled = make_column_transformer((StandardScaler(), columns))
    pipeline = make_pipeline(scaled, GaussianMixture(3, random_state=0)).fit(table)
    report = fastem.report(pipeline, table.drop(columns="age"), outcome="stolen")
    assert report.outcome.name == "stolen"
    assert {column.name for column in report.beside} == {"make"}
    with pytest.raises(ValueError, match=f"no column '{NAMES[-1]}'"):
        fastem.report(pipeline, table.drop(columns=NAMES[-1]))


def test_noise_gaps_tails_and_choices_are_told(table, random, page_of):
    rows = table.copy()
    rows.loc[::10, "load"] = np.nan
    rows.loc[:5, "speed"] = [500, 700, -400, 900, 1500, -900]
    mixture = GaussianMixture(3, noise=True, missing_values="marginalize")
    noisy = mixture.set_params(random_state=0, init_params="trimmed").fit(rows[NAMES])
    report = fastem.report(noisy, rows)
    assert report.components[-1] == -1
    assert set(range(6)) <= {row.row for row in report.doubts.noise_rows}
    assert "Values are missing: load in 10% of the rows" in str(report)
    assert "Noise (" in str(report)
    assert report.to_frame()["component"].tolist() == [0, 1, 2, -1]
    student = StudentMixture(3, random_state=0).fit(table[NAMES])
    assert "scale" in page_of(fastem.report(student, table)).words
    selector = GaussianMixtureSelector([2, 3], ["full", "diag"], random_state=0)
    chosen = fastem.report(selector.fit(table[NAMES]), table)
    assert "is the largest that was tried" in str(chosen)
    words = page_of(chosen).words
    assert "Of 4 candidates" in words
    for row in selector.results_.ranked:
        assert f"{row.value:,.1f}" in words


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_a_fit_warned_of_is_told(table):
    early = GaussianMixture(3, random_state=0, max_iter=1).fit(table[NAMES])
    assert "without having converged" in fastem.report(early, table).notes[0]
    spike = table[NAMES].copy()
    spike.loc[:60] = [100.0, 100.0]
    held_up = GaussianMixture(4, random_state=0).fit(spike)
    assert "depends on reg_covar" in " ".join(fastem.report(held_up, spike).notes)
    dropped = GaussianMixture(4, random_state=0, reg_covar=0, on_collapse="drop")
    told = " ".join(fastem.report(dropped.fit(spike), spike).notes)
    assert "was left out: its rows did not spread in" in told


def test_rows_are_called_as_the_table_calls_them(model, table):
    named = table.set_axis([f"car {i}" for i in range(len(table))])
    line = np.linspace(model.means_[0], model.means_[1], 1000)
    torn = model.predict_proba(pd.DataFrame(line, columns=NAMES)).max(axis=1).argmin()
    near = pd.DataFrame(line[[torn]], columns=NAMES, index=["between"])
    report = fastem.report(model, pd.concat([named[NAMES], near]))
    first = report.doubts.rows[0]
    assert (first.name, first.row) == ("between", 300)
    assert {first.first, first.second} == set(
        np.argsort(model.predict_proba(near)[0])[1:]
    )


REFUSED = {
    "detector": (MixtureOutlierDetector(), "mixtures_\\[0\\]"),
    "classifier": (MixtureClassifier(), "one of mixtures_"),
    "regressor": (MixtureRegressor(), "mixture_, and the table"),
    "scaler": (StandardScaler(), "not about a StandardScaler"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_what_has_no_clusters_is_refused_by_name(table, name, in_pipeline):
    estimator, said = REFUSED[name]
    if in_pipeline:
        estimator = make_pipeline(StandardScaler(), estimator)
    estimator.fit(table[NAMES], table["age"] > 5)
    with pytest.raises(TypeError, match=said):
        fastem.report(estimator, table[NAMES])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"outcome": "load"}, "a column that the clusters were made from"),
        ({"labels": "nothing"}, "labels is 'nothing', which is no column of X"),
        ({"labels": [1, 2]}, "labels has 2 values: X has more rows"),
        ({"outcome": np.zeros(301)}, "outcome has 301 values, but X has 300 rows"),
        ({"outcome": np.zeros((300, 2))}, "must have one value for each row"),
        ({"sample_weight": "w"}, "X has no column 'w'"),
        ({"sample_weight": "load"}, "sample_weight is 'load', a column that the"),
        ({"labels": 3}, r"labels has the shape \(\): it must have one value"),
    ],
)
def test_what_cannot_be_used_is_an_error(model, table, given, said):
    with pytest.raises(ValueError, match=said):
        fastem.report(model, table, **given)


def test_a_table_must_have_the_columns(model, table):
    with pytest.raises(ValueError, match="X has no column 'load'"):
        fastem.report(model, table.drop(columns="load"))
    nameless = GaussianMixture(2, random_state=0).fit(table[NAMES].to_numpy())
    with pytest.raises(ValueError, match="fit it to X\\[columns\\]"):
        fastem.report(nameless, table)
    with pytest.raises(ValueError, match="several columns that are called 'age'"):
        fastem.report(model, pd.concat([table, table[["age"]]], axis=1))
    with pytest.raises(TypeError, match=r"pass X\.collect\(\)"):
        fastem.report(model, pl.from_pandas(table).lazy())
    with pytest.raises(TypeError, match=r"pass X\.read_all"):
        fastem.report(model, pa.Table.from_pandas(table).to_reader())


def test_without_the_extra_there_is_text(model, table, monkeypatch, tmp_path):
    report = fastem.report(model, table)
    with pytest.raises(ValueError, match=r"must end in \.html"):
        report.to_html(tmp_path / "page.txt")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pip install 'fastem\[report\]'"):
        report.to_html(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_the_package_is_a_function():
    from fastem.report.reporting import report

    assert inspect.ismodule(fastem.report)
    assert inspect.signature(fastem.report) == inspect.signature(report)
