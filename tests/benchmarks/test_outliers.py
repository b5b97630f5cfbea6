"""The arithmetic of scripts/bench --outliers, without downloads."""

import numpy as np
import pytest

from benchmarks import outliers
from benchmarks.instruments import Options
from benchmarks.labelled import FAR, NEAR, UNIFORM, LabelledTable, with_outliers
from benchmarks.outliers import Agreement, Way
from benchmarks.packages import UnavailableError
from fastem import GaussianMixture

MODEL = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])


@pytest.fixture(name="table")
def two_groups(random):
    groups = np.arange(180) % 2
    return LabelledTable(
        "two", random.normal(size=(180, 2)) + 8 * groups[:, None], groups
    )


@pytest.mark.parametrize(("kind", "distance"), [(UNIFORM, 1), (FAR, 3), (NEAR, 1.5)])
def test_outliers_are_a_share_of_all_rows_and_lie_where_they_are_said_to(
    table, kind, distance
):
    dirty = with_outliers(table, kind, 0.1, 0)
    assert (dirty.groups == -1).sum() == 20
    assert dirty.n_groups == 2
    genuine, added = (
        dirty.rows[chosen] for chosen in (dirty.groups >= 0, dirty.groups == -1)
    )
    lowest, highest = genuine.min(axis=0), genuine.max(axis=0)
    from_middle = 2 * np.abs(added - (lowest + highest) / 2) / (highest - lowest)
    largest = from_middle.max(axis=1)
    assert largest.max() < 3.2
    if kind != UNIFORM:
        assert abs(largest - distance).max() < 0.3


def test_outliers_of_a_plain_mixture_are_the_least_likely_rows():
    table = LabelledTable(
        "", np.array([[0.0], [0.1], [10.0], [10.1], [50.0]]), np.array([0, 0, 1, 1, -1])
    )
    assert Agreement.of(MODEL, table) == Agreement(1.0, 1.0, 1.0)
    wrong = LabelledTable("", table.rows, np.array([0, -1, 1, 1, 0]))
    found = Agreement.of(MODEL, wrong)
    assert (found.precision, found.recall) == (0, 0)
    assert found.index < 1


def test_targets_are_judged(table, monkeypatch):
    ways = [Way("kmeans", 0.05, True), Way("trimmed", 0.1, True)]
    monkeypatch.setattr(outliers, "WAYS", ways)
    found = {
        (way, case, "two"): [Agreement(index, 0.5, 0.25)] * 2
        for way, index in zip(ways, (0.9, 0.74), strict=True)
        for case in outliers.CONTAMINATIONS
    }
    *_, kmeans, trimmed = outliers.agreement_table(found, ["two"]).splitlines()
    assert "0.900 (target 0.01 lost, met)" in kmeans
    assert "0.900 (0.50, 0.25), target 0.75, met" in kmeans
    assert "0.740 (target 0.01 lost, missed)" in trimmed
    assert "target 0.75, missed" in trimmed


def test_a_document_is_made_of_what_can_be_had(table, monkeypatch):
    def unavailable():
        raise UnavailableError("no network")

    monkeypatch.setattr(outliers, "load_labelled", lambda: [table])
    monkeypatch.setattr(outliers, "load_shuttle", unavailable)
    monkeypatch.setattr(outliers, "WAYS", outliers.WAYS[::4])
    monkeypatch.setattr(outliers, "CONTAMINATIONS", outliers.CONTAMINATIONS[:3])
    text = outliers.document(Options(short=True, n_threads=2))
    assert "**Left out: shuttle (no network).**" in text
    assert "| kmeans; plain | 1.000 (target 0.01 lost, met)" in text
