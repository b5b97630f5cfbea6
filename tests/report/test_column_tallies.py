"""What columns are like in clusters, as NumPy says it of all rows at once."""

import datetime
import itertools

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fastem.report import column_values
from fastem.report.column_tallies import MOST_LEVELS, ColumnTally
from fastem.report.column_values import part_of

N = 500
KINDS = {
    "pandas": lambda v: pd.Series(v, index=-np.arange(len(v))),
    "polars": lambda v: pl.Series(v, nan_to_null=True, strict=False),
    "Arrow": lambda v: pa.array(v, from_pandas=True),
    "objects": lambda v: np.asarray(v, dtype=object),
}


@pytest.fixture
def memberships(random):
    return random.dirichlet([1, 2, 3], N) * random.integers(1, 4, (N, 1))


def tallied(values, memberships, n_parts=3, **settings):
    tally = ColumnTally("it", range(memberships.shape[1]), **settings)
    edges = np.linspace(0, len(memberships), n_parts + 1).astype(int)
    for start, stop in itertools.pairwise(edges):
        tally.add(part_of(values, start, stop), memberships[start:stop])
    return tally


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_numbers_have_weighted_moments(random, memberships, kind, offset):
    values = offset + random.normal(size=N)
    values[::7] = np.nan
    there = ~np.isnan(values)
    told = tallied(KINDS[kind](values.tolist()), memberships).told()
    for k, w in enumerate(memberships[there].T):
        mean = np.average(values[there], weights=w)
        variance = np.average((values[there] - mean) ** 2, weights=w)
        assert told.means[k] == pytest.approx(mean, rel=1e-14)
        assert told.deviations[k] == pytest.approx(np.sqrt(variance), rel=1e-6)
        assert told.n_rows[k] == pytest.approx(w.sum())
    total = memberships.sum(axis=1)
    mean = np.average(values[there], weights=total[there])
    assert told.overall_mean == pytest.approx(mean, rel=1e-14)
    assert told.missing == pytest.approx(total[~there].sum() / total.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_levels_have_weighted_shares(random, memberships, kind):
    names = np.array(["rare", "often", "most"], dtype=object)
    values = names[random.choice(3, N, p=[0.1, 0.3, 0.6])]
    values[::9] = None
    told = tallied(KINDS[kind](values.tolist()), memberships).told()
    assert told.levels == ("most", "often", "rare")
    expected = [memberships[values == name].sum(axis=0) for name in told.levels]
    np.testing.assert_allclose(told.counts.T, expected)
    np.testing.assert_allclose(told.shares.sum(axis=1), 1)
    w = memberships.sum(axis=1)
    assert told.missing == pytest.approx(w[::9].sum() / w.sum())
    frame = told.to_frame()
    np.testing.assert_allclose(frame["most"], told.shares[:, 0])


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([2013, 2015, 2014], ("2013", "2014", "2015")),
        ([0.5, np.nan, 1.0], ("0.5", "1")),
        ([True, False, False], ("False", "True")),
        (pd.Categorical(["b", "a", "b"], categories=["b", "a", "c"]), ("b", "a")),
        (pl.Series(["b", "a", "b"], dtype=pl.Categorical), ("b", "a")),
        (pa.array(["b", None, "a"]).dictionary_encode(), ("a", "b")),
        (pd.Series([True, None, False], dtype="boolean"), ("False", "True")),
        (pd.Series([1, None, 0], dtype="Int64"), ("0", "1")),
    ],
)
def test_few_values_are_levels(values, levels):
    if isinstance(values, list | pd.Categorical):
        values = pd.Series(values)
    told = tallied(values, np.ones((3, 1)), n_parts=1).told()
    assert told.levels == levels


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (pd.Series([datetime.datetime(2020, 1, 1)] * N), "datetime64"),
        (pa.array([[1]] * N), "list"),
        (pl.Series([datetime.date(2020, 1, 1)] * N), "Date"),
        ([f"name {i}" for i in range(N)], "seem to be names"),
        (np.full(N, np.nan), "no value"),
        (np.append(np.arange(N - 1.0), np.inf), "infinite"),
        ([1.0] * (N // 2) + ["a"] * (N // 2), "in another"),
    ],
)
def test_why_nothing_is_told(values, reason):
    values = np.asarray(values, dtype=object) if isinstance(values, list) else values
    tally = tallied(values, np.ones((N, 1)), n_parts=2)
    assert tally.told() is None
    assert reason in tally.untold


def test_too_many_texts_are_names():
    n = 4 * MOST_LEVELS
    values = np.array([f"{i % (n // 3)}" for i in range(n)])
    tally = tallied(values, np.ones((n, 1)))
    assert tally.told() is None
    assert "more than 1,000" in tally.untold


def test_texts_need_no_pandas(random, monkeypatch):
    values = random.choice(["a", "b", None], N, p=[0.6, 0.3, 0.1])
    expected = tallied(values, np.ones((N, 1))).told()
    monkeypatch.setattr(column_values, "find_spec", lambda name: None)
    told = tallied(values, np.ones((N, 1))).told()
    assert told.levels == expected.levels == ("a", "b")
    np.testing.assert_array_equal(told.counts, expected.counts)
    assert told.missing == expected.missing
