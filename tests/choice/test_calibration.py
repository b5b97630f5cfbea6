"""Claims of memberships against what is right, and memberships that know errors."""

import numpy as np
import pytest
from scipy.stats import binomtest

from fastem import (
    GaussianMixture,
    StudentMixture,
    bagged_memberships,
    calibration,
)


@pytest.fixture(scope="module", name="table")
def labelled_rows():
    random = np.random.default_rng(0)
    labels = random.integers(3, size=600)
    return random.normal(labels[:, np.newaxis] * 2.5, size=(600, 1)), labels


@pytest.fixture(scope="module", name="true")
def true_mixture():
    return GaussianMixture.from_parameters(
        np.full(3, 1 / 3), [[0.0], [2.5], [5.0]], np.ones((3, 1, 1))
    )


def test_the_true_mixture_is_right_as_often_as_it_claims(table, true):
    X, labels = table
    told = calibration(true, X, labels)
    assert told.n_rows.sum() == 600
    assert np.mean((told.low <= told.claimed) & (told.claimed <= told.high)) > 0.8
    assert abs(told.gap) < 0.03
    assert told.groups == (0, 1, 2)
    assert told.mean_right == np.mean(true.predict(X) == labels)
    assert told.mean_claimed == pytest.approx(true.predict_proba(X).max(axis=1).mean())
    assert abs(told.gap) <= told.error + 1e-12


def test_bins_have_the_shares_of_their_rows_and_wilsons_interval(table, true):
    X, labels = table
    degrees = true.predict_proba(X)
    told = calibration(true, X, labels, bins=[0, 0.6, 0.9, 1], level=0.9)
    claimed, right = degrees.max(axis=1), degrees.argmax(axis=1) == labels
    mine = (claimed >= 0.6) & (claimed < 0.9)
    assert told.n_rows[1] == mine.sum()
    assert told.claimed[1] == pytest.approx(claimed[mine].mean())
    assert told.right[1] == pytest.approx(right[mine].mean())
    of_scipy = binomtest(int(right[mine].sum()), int(mine.sum())).proportion_ci(
        0.9, "wilson"
    )
    assert (told.low[1], told.high[1]) == pytest.approx(tuple(of_scipy))
    frame = told.to_frame()
    assert list(frame["n_rows"]) == told.n_rows.tolist()
    first, _, *lines = str(told).splitlines()
    assert first.startswith("600 rows claim 0.")
    assert len(lines) == 3


def test_weights_are_repetitions(table, true):
    X, labels = table
    counts = np.random.default_rng(1).integers(0, 4, 600)
    weighted = calibration(true, X, labels, counts)
    repeated = calibration(true, np.repeat(X, counts, 0), np.repeat(labels, counts))
    for name in ("n_rows", "claimed", "right", "low", "high"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name))


def test_components_are_matched_by_majority_or_one_to_one(table, true):
    X, labels = table
    names = np.array(["small", "large", "large"])[labels]
    told = calibration(true, X, names)
    assert told.groups == ("small", "large", "large")
    # What is torn between two components of a group is sure of the group.
    assert told.mean_claimed > calibration(true, X, labels).mean_claimed + 0.02
    assert calibration(true, X, names, matching="one-to-one").groups in {
        ("small", "large", None),
        ("small", None, "large"),
    }


def test_the_background_is_matched_to_minus_one():
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(size=(300, 2)), random.uniform(-9, 9, (60, 2))])
    labels = np.repeat([7, -1], [300, 60])
    model = GaussianMixture(1, noise=True).fit(X)
    told = calibration(model, X, labels)
    assert told.groups == (7, -1)
    assert told.mean_right == np.mean((model.predict(X) == -1) == (labels == -1))
    assert calibration(model, X[:300], labels[:300]).groups == (7, None)


@pytest.mark.parametrize(
    "model",
    [
        GaussianMixture(3, covariance_type="tied", random_state=0),
        GaussianMixture(3, random_state=0),
        StudentMixture(3, degrees_of_freedom=10.0, random_state=0),
    ],
    ids=["tied", "full", "student"],
)
def test_bagged_memberships_claim_less_where_rows_are_few(model, table):
    X = table[0][:60]
    model.fit(X)
    told = bagged_memberships(model, X, n_fits=8, random_state=0)
    assert told.sum(axis=1) == pytest.approx(np.ones(60))
    assert told.max(axis=1).mean() < model.predict_proba(X).max(axis=1).mean() - 0.01
    again = bagged_memberships(model, X, X[:5], n_fits=8, random_state=0)
    assert again == pytest.approx(told[:5], abs=1e-12)


def test_bagged_memberships_of_rows_with_gaps_and_noise(table):
    X = np.column_stack([table[0], table[0][::-1]])[:80]
    X[::5, 1] = np.nan
    model = GaussianMixture(
        2, covariance_type="EEV", noise=True, missing_values="marginalize"
    )
    model.set_params(random_state=0, max_iter=500).fit(X)
    told = bagged_memberships(model, X, n_fits=4, random_state=0)
    assert told.shape == (80, 3)
    assert told.sum(axis=1) == pytest.approx(np.ones(80))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"memberships": "predict"}, "memberships must be one of"),
        ({"memberships": np.ones((600, 2))}, r"must have 3 columns"),
        ({"matching": "best"}, "matching must be one of"),
        ({"bins": [0, 0.5]}, "bins must go from 0 to 1"),
        ({"bins": [0, 0.5, 0.5, 1]}, "bins must ascend"),
        ({"level": 95}, "level must lie between 0 and 1"),
        ({"labels": [0, 1]}, r"labels have the shape \(2,\), but X has 600 rows"),
    ],
)
def test_errors_say_what_is_wrong(options, said, table, true):
    X, labels = table
    with pytest.raises(ValueError, match=said):
        calibration(true, X, **{"labels": labels, **options})


def test_bagging_without_fits_says_why(table):
    X = np.array([[0.0], [1.0], [50.0], [51.0]])
    model = GaussianMixture(2, reg_covar=0, random_state=0).fit(X)
    with pytest.raises(ValueError, match="n_fits must be 1 or more, but is 0"):
        bagged_memberships(model, X, n_fits=0)
    blocks = type("Blocks", (), {"__iter__": lambda self: iter([X])})()
    with pytest.raises(ValueError, match="bagged_memberships weighs rows in memory"):
        bagged_memberships(model, blocks)
