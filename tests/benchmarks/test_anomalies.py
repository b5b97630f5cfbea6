"""The arithmetic of scripts/bench --anomalies, without downloads."""

import numpy as np
import pytest

from benchmarks import anomalies
from benchmarks.anomalies import AnomalyTable, Scored, by_mixture
from benchmarks.instruments import Options
from benchmarks.packages import UnavailableError

TABLE = AnomalyTable(
    "ten",
    np.arange(10.0)[:, np.newaxis],
    np.arange(10) >= 8,
)


def by_value(fitted, new, seed):
    flagged = {rate: new[:, 0] > fitted.max() for rate in anomalies.RATES}
    return Scored(new[:, 0], flagged)


def test_what_is_flagged_is_counted_among_ordinary_rows_and_anomalies():
    flagged = {rate: np.arange(10) >= 7 for rate in anomalies.RATES}
    scored = Scored(np.arange(10.0), flagged)
    area, precision, *rates = anomalies._cells([scored], [TABLE.is_anomaly])
    assert (area, precision) == ("1.0000", "1.000")
    assert rates == ["12.50 (100)"] * 3  # one of eight


def test_who_is_told_is_fitted_to_half_of_the_ordinary_rows(monkeypatch):
    seen = []

    def watch(fitted, new, seed):
        seen.append((fitted.ravel(), new.ravel()))
        return by_value(fitted, new, seed)

    anomalies.clean(TABLE, watch, 3)
    for fitted, new in seen:
        assert len(fitted) == 4
        assert fitted.max() < 8
        assert sorted([*fitted, *new]) == list(range(10))
    assert anomalies.mixed(TABLE, by_value, 2)[2:] == ["0.00 (0)"] * 3


@pytest.mark.filterwarnings("ignore:No row can be flagged")
def test_a_document_is_made_of_what_can_be_had(monkeypatch, random):
    rows = np.vstack([random.normal(size=(300, 2)), np.full((9, 2), 12.0)])
    table = AnomalyTable("cloud", rows, np.arange(309) >= 300)
    methods = {"detector": by_mixture(1, knows_of_anomalies=False)}
    monkeypatch.setattr(anomalies, "load_tables", lambda: [table] * 4)
    for name in ("MIXED", "CLEAN"):
        monkeypatch.setattr(anomalies, name, methods)
    text = anomalies.document(Options(short=True, n_threads=2))
    assert text.count("cloud; detector | 1.0000 | 1.000") == 2

    def unavailable():
        raise UnavailableError("no network")

    monkeypatch.setattr(anomalies, "load_tables", unavailable)
    text = anomalies.document(Options(short=True, n_threads=2))
    assert "**Left out: tables (no network).**" in text
