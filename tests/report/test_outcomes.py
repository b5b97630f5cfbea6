"""Outcomes with intervals, doubtful rows and agreement, against SciPy and sklearn."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from fastem.report.agreement import agreement_of
from fastem.report.column_tallies import MOST_LEVELS, ColumnTally
from fastem.report.doubtful_rows import DoubtTally
from fastem.report.outcomes import outcome_of

SIZES = (40, 7, 1)


def tallied(values, clusters, **settings):
    tally = ColumnTally("it", range(len(SIZES)), **settings)
    tally.add(np.asarray(values), np.eye(len(SIZES))[clusters])
    return tally


@pytest.fixture
def clusters():
    return np.repeat(range(len(SIZES)), SIZES)


@pytest.mark.parametrize("written", ["truth", "numbers", "text", "rarer"])
def test_shares_have_wilsons_interval(random, clusters, written):
    happened = random.random(len(clusters)) < 0.3
    values = {
        "truth": happened,
        "numbers": happened.astype(float),
        "text": np.where(happened, "Yes", "No"),
        "rarer": np.where(happened, "died", "lives"),
    }[written]
    outcome = outcome_of(tallied(values, clusters, most_numbers=2))
    named = {"truth": "True", "numbers": "1", "text": "Yes", "rarer": "died"}
    assert outcome.levels == (named[written],)
    for k in range(len(SIZES)):
        test = stats.binomtest(int(happened[clusters == k].sum()), SIZES[k])
        interval = test.proportion_ci(0.95, "wilson")
        found = outcome.low[k, 0], outcome.high[k, 0]
        np.testing.assert_allclose(found, interval, atol=1e-12)
        assert outcome.values[k, 0] == pytest.approx(happened[clusters == k].mean())
    assert outcome.overall[0] == pytest.approx(happened.mean())
    assert outcome.to_frame()["value"].tolist() == outcome.values.ravel().tolist()


def test_means_have_students_interval(random, clusters):
    values = random.normal(5, 2, len(clusters))
    outcome = outcome_of(tallied(values, clusters, most_numbers=2))
    for k in range(2):
        own = values[clusters == k]
        interval = stats.ttest_1samp(own, 0).confidence_interval(0.95)
        found = outcome.low[k, 0], outcome.high[k, 0]
        np.testing.assert_allclose(found, interval)
    assert np.isnan(outcome.low[2, 0])  # of one row
    assert outcome.values[2, 0] == pytest.approx(values[-1])


def test_several_levels_are_all_told(random, clusters):
    values = random.choice(["a", "b", "c"], len(clusters))
    outcome = outcome_of(tallied(values, clusters))
    assert set(outcome.levels) == {"a", "b", "c"}
    np.testing.assert_allclose(outcome.values.sum(axis=1), 1)


def test_an_outcome_of_names_is_an_error(clusters):
    values = np.array([f"name {i}" for i in range(2 * MOST_LEVELS)])
    tally = ColumnTally("id", range(1))
    tally.add(values, np.ones((len(values), 1)))
    with pytest.raises(ValueError, match="outcome 'id' cannot be told: it has more"):
        outcome_of(tally)
    few = tallied(values[: len(clusters)], clusters)
    with pytest.raises(ValueError, match="seem to be names of rows"):
        outcome_of(few)


def test_agreement_is_scikit_learns(random, clusters):
    labels = np.where(random.random(len(clusters)) < 0.7, clusters, 1)
    tally = tallied(labels, clusters, most_numbers=MOST_LEVELS)
    agreement = agreement_of(tally)
    assert agreement.adjusted_rand == pytest.approx(
        adjusted_rand_score(labels, clusters)
    )
    label, share = agreement.most_of(0)
    assert label == "0"
    assert share == pytest.approx((labels[clusters == 0] == 0).mean())


def test_doubtful_rows_are_those_of_no_clear_cluster(random):
    degrees = random.dirichlet([0.3] * 4, 400)
    weights = random.integers(1, 4, 400).astype(float)
    tally = DoubtTally(4, has_background=True)
    for part in (slice(0, 150), slice(150, 400)):
        tally.add(degrees[part], weights[part], part.start)
    doubts = tally.told(lambda row: (row, f"r{row}"))
    torn = degrees.max(axis=1) <= 0.9
    assert doubts.n_rows == weights[torn].sum()
    assert doubts.share == pytest.approx(weights[torn].sum() / weights.sum())
    order = np.argsort(-degrees, axis=1)[:, :2]
    numbers = np.array([0, 1, 2, -1])
    for first, second, n_rows in doubts.pairs:
        among = np.sort(numbers[order], axis=1) == sorted([first, second])
        assert n_rows == weights[torn & among.all(axis=1)].sum()
    worst = np.argsort(degrees.max(axis=1))[:20]
    assert [row.row for row in doubts.rows] == worst.tolist()
    assert doubts.rows[0].name == f"r{worst[0]}"
    lost = np.argsort(-np.where(degrees.argmax(axis=1) == 3, degrees[:, 3], 0))[:20]
    assert [row.row for row in doubts.noise_rows] == lost.tolist()
    assert all(row.first == -1 for row in doubts.noise_rows)
