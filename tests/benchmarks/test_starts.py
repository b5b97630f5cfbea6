"""The arithmetic of scripts/bench --starts, without downloads."""

import numpy as np
import pytest

from benchmarks import starts
from benchmarks.instruments import Options
from benchmarks.labelled import LabelledTable
from benchmarks.starts import AUTO, Outcome


def test_shares_are_of_fits_that_found_the_best_and_passes_are_medians():
    ones = [Outcome(-10.0, 20), Outcome(-12.0, 30), Outcome(-np.inf, 70)]
    outcomes = {1: ones, 10: [starts.best_of(ones)], 20: [Outcome(-10.04, 1)]}
    outcomes[AUTO] = [Outcome(-10.06, 40), Outcome(-9.99, 60)]
    *_, line, summary = starts.table_of({"two": outcomes}).splitlines()
    assert "two" in line
    shares = ["0.33 (30)", "1.00 (120)", "1.00 (1)", "0.50 (50)"]
    assert [cell.strip() for cell in line.split("|")[2:-1]] == ["-9.99", *shares]
    assert summary.startswith("| **mean of 1**")


@pytest.mark.exhaustive
def test_a_document_is_made(monkeypatch):
    random = np.random.default_rng(0)
    rows = np.vstack([random.normal(m, 1, (40, 2)) for m in (0, 8)])
    table = LabelledTable("two", rows, np.repeat([0, 1], 40))
    monkeypatch.setattr(starts, "load_labelled", lambda standardized: [table])
    text = starts.document(Options(short=True, n_threads=2))
    assert "| two, 2, full" in text
