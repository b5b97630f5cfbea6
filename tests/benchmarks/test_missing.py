"""The arithmetic of scripts/bench --missing, without downloads."""

import numpy as np
import pytest

from benchmarks import few_labels, gappy_passes, gaps_filled, missing
from benchmarks.instruments import Options
from benchmarks.labelled import LabelledTable
from benchmarks.packages import UnavailableError

OPTIONS = Options(short=True, repeats=2, n_threads=2, patience=0)


@pytest.fixture
def table(random):
    groups = np.repeat([0, 1], 40)
    rows = random.normal(size=(80, 4)) + 4 * groups[:, np.newaxis]
    return LabelledTable("two", rows / rows.std(axis=0), groups)


def test_a_share_of_the_values_is_taken_out(table):
    X = gaps_filled.with_gaps(np.ones((1000, 4)), 0.3, 0)
    assert np.isnan(X).mean() == pytest.approx(0.3, abs=0.03)
    for name, way in gaps_filled.WAYS.items():
        least = 0.5 if "median" in name else 0.9
        assert gaps_filled.agreement(table, way, 0.1, 1) > least
    assert gaps_filled.agreement(table, gaps_filled._exact, 0.0, 1) > 0.95


@pytest.mark.filterwarnings("ignore:The answer depends on reg_covar")
def test_three_rows_of_each_group_are_known(table):
    labels = few_labels.labels_of(table, 0)
    assert np.bincount(labels[labels >= 0]).tolist() == [3, 3]
    assert np.array_equal(labels[labels >= 0], table.groups[labels >= 0])
    alone, with_others = few_labels.agreements(table, "tied", 2)
    assert 0.5 < alone <= with_others <= 1


def test_rows_have_so_many_patterns():
    X = gappy_passes.gappy_rows(10, 2000)
    assert len(np.unique(np.isnan(X), axis=0)) <= 10
    assert np.isnan(gappy_passes.gappy_rows(0, 2000)).mean() == pytest.approx(0.2, 0.1)


def test_what_cannot_be_had_is_left_out(table, monkeypatch):
    def unavailable(options):
        raise UnavailableError("no network")

    monkeypatch.setattr(few_labels, "load_labelled", lambda: [table])
    monkeypatch.setattr(few_labels, "load_more", list)
    parts = {"passes": unavailable, "few labels": few_labels.table}
    monkeypatch.setattr(missing, "_PARTS", parts)
    text = missing.document(OPTIONS)
    assert "Left out: passes (no network)" in text
    assert "| two (80 x 4, 2) |" in text
