"""Anomalies with a stated rate of false alarms."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.stats import false_discovery_control
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastem
from fastem import (
    GaussianMixture,
    GaussianMixtureSelector,
    MixtureOutlierDetector,
    StudentMixture,
)
from fastem.decisions.holding_out import Division
from tests.sources.test_opening import Blocks


def of_random_parts(estimator):
    name = "check_sample_weight_equivalence_on_dense_data"
    return {name: "which rows are held out depends on the random numbers"}


@pytest.mark.filterwarnings("ignore:No row can be flagged")
@pytest.mark.filterwarnings("ignore::fastem.RegularizationWarning")
@parametrize_with_checks(
    [
        MixtureOutlierDetector(
            GaussianMixture(covariance_type="diag"),
            false_alarm_rate=0.1,
            calibration=2,
        ),
        MixtureOutlierDetector(false_alarm_rate=0.1, calibration=0.5),
    ],
    expected_failed_checks=of_random_parts,
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


def clouds(random, n_rows, n_columns=3):
    return random.normal(size=(n_rows, n_columns)) + 7 * random.integers(
        2, size=(n_rows, 1)
    )


@pytest.fixture(name="X")
def ordinary_rows(random):
    return clouds(random, 600)


@pytest.fixture(name="new")
def new_rows(random):
    return np.vstack([clouds(random, 50), np.full((3, 3), 30.0)])


def make(mixture=None, rate=0.05, **settings):
    return MixtureOutlierDetector(
        GaussianMixture(2) if mixture is None else mixture,
        false_alarm_rate=rate,
        random_state=0,
        **settings,
    )


def assert_among(scores, others):
    """To rounding, which depends on where rows lie in a pass."""
    distances = np.abs(np.subtract.outer(scores, others)).min(axis=1)
    assert distances.max() < 1e-9


@pytest.mark.parametrize("calibration", ["auto", 0.3, 4])
def test_answers_go_together(X, new, calibration):
    detector = make(calibration=calibration).fit(X)
    p_values = detector.p_values(new)
    labels = detector.predict(new)
    np.testing.assert_array_equal(labels == -1, p_values <= 0.05)
    np.testing.assert_array_equal(labels == -1, detector.decision_function(new) < 0)
    assert (labels[-3:] == -1).all()
    assert p_values.min() == pytest.approx(1 / (1 + detector.calibration_.n_rows))
    adjusted = detector.p_values(new, adjust="bh")
    with pytest.raises(ValueError, match="n_rows must be at least 1"):
        detector.explain(new, n_rows=0)
    np.testing.assert_allclose(adjusted, false_discovery_control(p_values))
    with pytest.raises(ValueError, match="adjust must be 'bh', 'by' or None"):
        detector.p_values(new, adjust="bonferroni")


def test_the_threshold_comes_from_rows_that_the_fit_did_not_see(X):
    """Each of which is scored by the mixture that did not see it."""
    detector = make(calibration=5).fit(X)
    numbers = Division.of(
        5, lambda: 600, 0.05, np.random.RandomState(0).randint(2**31)
    ).numbers(600)
    assert sorted(np.bincount(numbers)) == [120] * 5
    scores = [
        mixture.score_samples(X[numbers == fold])
        for fold, mixture in enumerate(detector.mixtures_)
    ]
    np.testing.assert_allclose(
        detector.calibration_.scores, np.sort(np.concatenate(scores))
    )
    for fold, mixture in enumerate(detector.mixtures_):
        seen = X[numbers != fold]
        assert mixture.n_samples_seen_ == len(seen)
        np.testing.assert_allclose(mixture.weights_ @ mixture.means_, seen.mean(axis=0))
    densities = np.exp([mixture.score_samples(X) for mixture in detector.mixtures_])
    scores = detector.score_samples(X)
    np.testing.assert_allclose(np.exp(scores), densities.mean(axis=0), rtol=1e-9)


def test_how_much_is_held_out_follows_the_rate():
    def division(n_rows, rate):
        found = Division.of("auto", lambda: n_rows, rate, 0)
        return found.n_fits, found.share

    assert division(4_999, 0.01) == (5, 1.0)
    assert division(5_000, 0.01) == (1, 0.2)
    assert division(10**6, 0.01) == (1, 0.1)
    assert division(3, 0.01) == (3, 1.0)


def test_rows_that_do_not_count_calibrate_nothing(X, new):
    weights = (np.arange(600) % 3 == 0).astype(float)
    for calibration in ("auto", 0.3):
        detector = make(calibration=calibration).fit(X, sample_weight=weights)
        n = 200 if calibration == "auto" else 60
        assert detector.calibration_.n_rows == n
        assert detector.mixtures_[0].n_samples_seen_ == (160 if n == 200 else 140)
    with pytest.raises(ValueError, match="calibration=300 folds need as many rows"):
        make(calibration=300).fit(X, sample_weight=weights)


def test_too_few_rows_for_the_rate_are_said_at_fit(X, new):
    with pytest.warns(UserWarning, match="No row can be flagged: ") as caught:
        detector = make(rate=0.001, calibration=0.5).fit(X)
    assert "300, so that no p-value is below 0.00332" in str(caught[0].message)
    assert "needs 999 of them: give more rows, or calibration=5" in str(
        caught[0].message
    )
    assert caught[0].filename == __file__
    assert (detector.predict(new) == 1).all()
    assert (detector.score_samples(new)[-3:] < -100).all()


MIXTURES = {
    "Student": StudentMixture(2),
    "noise": GaussianMixture(2, noise=True),
    "trimmed": GaussianMixture(2, init_params="trimmed", noise=True),
    "chosen": GaussianMixtureSelector([1, 2], ["diag", "tied"]),
}


@pytest.mark.parametrize("kind", list(MIXTURES))
def test_any_mixture_does(X, new, kind):
    detector = make(MIXTURES[kind], calibration=0.3).fit(X)
    assert (detector.predict(new)[-3:] == -1).all()
    assert np.mean(detector.predict(new)[:50] == -1) < 0.2
    assert isinstance(detector.mixtures_[0], GaussianMixture)


def test_a_contaminated_table_is_cleaned(random):
    X = clouds(random, 1000)
    X[:60] = random.uniform(-30, 30, size=(60, 3))
    mixture = GaussianMixture(2, init_params="trimmed", outlier_share=0.1, noise=True)
    labels = make(mixture, rate=0.06).fit_predict(X)
    assert np.mean(labels[:60] == -1) > 0.8
    assert np.mean(labels[60:] == -1) < 0.03


KINDS = {
    "pandas": lambda X: pd.DataFrame(X, columns=["a", "b", "c"]),
    "polars": lambda X: pl.DataFrame(X, schema=["a", "b", "c"]),
    "arrow": lambda X: pa.table({name: X[:, j] for j, name in enumerate("abc")}),
    "lists": lambda X: X.tolist(),
    "masked": np.ma.masked_invalid,
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_tables_of_any_kind_give_the_same(X, new, kind):
    detector = make().fit(KINDS[kind](X))
    plain = make().fit(X)
    np.testing.assert_array_equal(
        detector.score_samples(KINDS[kind](new)), plain.score_samples(new)
    )
    names = getattr(detector, "feature_names_in_", ["x0", "x1", "x2"])
    explanation = detector.explain(KINDS[kind](new), n_rows=3)
    assert list(explanation.columns) == list(names)
    assert set(explanation.rows) == {50, 51, 52}


def test_rows_in_blocks_are_held_out_too(X, new):
    long = np.tile(X, (4, 1)) + np.arange(2400)[:, None] / 1e4
    weights = np.arange(2400) % 3 + 1.0
    for of_rows in (None, weights):
        detector = make(calibration=0.25).fit(Blocks(long, 777), sample_weight=of_rows)
        n = detector.calibration_.n_rows
        (mixture,) = detector.mixtures_
        assert n + mixture.n_samples_seen_ == (
            2400 if of_rows is None else weights.sum()
        )
        expected = 0.25 * (2400 if of_rows is None else weights.sum())
        assert n == pytest.approx(expected, rel=0.15)
        assert_among(detector.calibration_.scores, mixture.score_samples(long))
        np.testing.assert_array_equal(
            detector.predict(Blocks(new, 20)), detector.predict(new)
        )
    lowest = detector.explain(Blocks(new, 20), n_rows=3)
    np.testing.assert_array_equal(np.sort(lowest.rows), [50, 51, 52])
    assert (np.diff(lowest.scores) >= 0).all()


def test_a_folder_with_weights_and_names(X, tmp_path):
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(w=np.arange(600) % 2 + 1.0)
    frame.iloc[:200].to_parquet(tmp_path / "0.parquet", index=False)
    frame.iloc[200:].to_parquet(tmp_path / "1.parquet", index=False)
    detector = make(calibration=3).fit(tmp_path, sample_weight="w")
    assert detector.calibration_.n_rows == 900
    assert list(detector.feature_names_in_) == ["a", "b", "c"]
    assert (detector.predict(frame[["a", "b", "c"]]) == 1).mean() > 0.9
    whole = make(calibration=3).fit(frame, sample_weight="w")
    assert whole.calibration_.n_rows == 900


def test_gaps_are_the_mixtures_affair(X, random):
    gappy = np.where(random.random(X.shape) < 0.2, np.nan, X)
    with pytest.raises(ValueError, match="missing_values='marginalize'"):
        make().fit(gappy)
    detector = make(GaussianMixture(2, missing_values="marginalize"))
    detector.fit(gappy[~np.isnan(gappy).all(axis=1)])
    far = np.array([[30.0, np.nan, np.nan], [0.0, np.nan, np.nan], [np.nan] * 3])
    np.testing.assert_array_equal(detector.predict(far), [-1, 1, 1])
    assert np.isnan(detector.explain(far).parts[0, 1:]).all()
    # Any fitted detector answers about gaps once it is told to.
    complete = make().fit(X).set_params(mixture__missing_values="marginalize")
    np.testing.assert_array_equal(complete.predict(far), [-1, 1, 1])
    assert np.isfinite(complete.score_samples(far)).all()


def test_a_stream_is_scored_before_it_is_learned_from(X, random):
    detector = make(calibration=0.5, memory=100).partial_fit(X)
    before = detector.mixtures_[0]
    kept = before.means_.copy()
    block = clouds(random, 2000)
    detector.partial_fit(block)
    assert detector.mixtures_[0].n_samples_seen_ == before.n_samples_seen_ + 2000
    np.testing.assert_array_equal(before.means_, kept)
    newest = before.score_samples(block[-50:])
    assert_among(newest, detector.calibration_.scores)
    assert detector.calibration_.n_rows == pytest.approx(100, abs=1)


def test_the_threshold_follows_rows_that_change(random):
    detector = make(GaussianMixture(2, memory=2000), calibration=0.5, memory=1000)
    alarms = []
    for i in range(25):
        block = clouds(random, 400) * (1 + 0.02 * i)
        if i:
            alarms.append(np.mean(detector.predict(block) == -1))
        detector.partial_fit(block)
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.02)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("calibration", [0.3, 3])
def test_a_file_keeps_all_of_it(X, new, tmp_path, calibration):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    detector = make(calibration=calibration).fit(frame)
    fastem.save_model(detector, tmp_path / "detector.json")
    loaded = fastem.load_model(tmp_path / "detector.json")
    for method in ("predict", "p_values", "score_samples"):
        np.testing.assert_array_equal(
            getattr(loaded, method)(new), getattr(detector, method)(new)
        )
    later, before = loaded.partial_fit(X), detector.partial_fit(X)
    assert later.offset_ == before.offset_


def test_a_failed_call_leaves_the_detector_as_it_was(X):
    detector = make().fit(X)
    before = dict(vars(detector))
    for call in (detector.fit, detector.partial_fit):
        with pytest.raises(ValueError, match="row 5"):
            call(np.where(np.arange(600)[:, None] == 5, np.inf, X))
        assert vars(detector) == before


def test_a_dask_collection_is_refused_by_name(X):
    array = pytest.importorskip("dask.array").from_array(X, chunks=100)
    with pytest.raises(TypeError, match="a detector cannot hold rows out"):
        make().fit(array)
    with pytest.raises(TypeError, match="about which it does not answer"):
        make().fit(X).predict(array)


def test_it_is_at_home_in_a_pipeline(X, new):
    pipeline = make_pipeline(StandardScaler(), make()).fit(X)
    assert (pipeline.predict(new)[-3:] == -1).all()
    narrow = make().fit(X.astype("f4"))
    assert narrow.score_samples(X.astype("f4")).dtype == np.float64
    assert fastem.MixtureOutlierDetector is MixtureOutlierDetector


def test_what_is_to_be_said_of_each_fold_is_said_once(random):
    X = random.normal(size=(200, 2))
    X[:90, 1] = 7.0
    mixture = GaussianMixture(2, max_iter=2, tol=0, random_state=0)
    detector = MixtureOutlierDetector(mixture, calibration=3, false_alarm_rate=0.1)
    with pytest.warns() as said:
        detector.fit(X)
    beginnings = [str(w.message).split(". ")[0] for w in said]
    assert len(detector.mixtures_) == 3
    assert len(beginnings) == len(set(beginnings)) == 2
    with pytest.warns() as said:
        detector.fit(X)  # and again in the next call
    assert len(said) == 2
