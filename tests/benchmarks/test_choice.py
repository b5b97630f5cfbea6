"""The arithmetic of scripts/bench --choice and --calibration, without downloads."""

import math

import numpy as np
import pytest

from benchmarks import calibration, choice
from benchmarks.calibration import BAGGED, PLUG_IN, PREDICTIVE
from benchmarks.instruments import Options
from benchmarks.labelled import LabelledTable
from benchmarks.packages import UnavailableError
from fastem.choice.results import SelectionRow


def row(covariance_type, n_components, value):
    numbers = (0.0, 3, 150, 1, 0.0, 0.5, 0.0)
    return SelectionRow(covariance_type, n_components, value, *numbers, True, "")


def test_another_choice_than_mclusts_is_explained_by_where_mclust_ends():
    theirs = [["VEV", 2, 561.728], ["VEV", 3, 562.55]]
    told = choice.explained(row("VEV", 2, 561.5), theirs, "iris", 150)
    assert told == "the same"
    better = choice.explained(row("VEV", 2, 550.0), theirs, "iris", 150)
    assert better == "the same, of another optimum"
    # VII, 2: log L of -478.559 with 11 parameters, as iris.json has it.
    other = choice.explained(row("spherical", 2, 500.0), theirs, "iris", 150)
    price = 11 * math.log(150) - 2 * -478.559095769077
    assert other == f"from its start mclust ends at a BIC of {price:,.2f} there"
    one_column = [["E", 2, 392.07]]
    assert choice.explained(row("tied", 2, 392.0), one_column, "", 0) == "the same"


def test_a_lottery_names_the_better_ones_that_were_dropped():
    X = np.random.default_rng(0).normal(size=(300, 2))
    told = choice.of_lottery(X, [1], 1).splitlines()[-1]
    assert "+0.00, 1 unit, met" in told
    assert told.endswith("| none |")


def test_passes_are_counted_by_their_rows():
    X = np.random.default_rng(0).normal(size=(300, 2))
    with choice.counted() as passes:
        fitted = choice.selector([1, 2], 0, covariance_types=["diag"]).fit(X)
    assert passes == {300: sum(row.n_iter for row in fitted.results_)}


def test_gaps_are_judged_and_documents_made_of_what_can_be_had(monkeypatch):
    found = {
        "one": {PLUG_IN: (1.0, 0.8), PREDICTIVE: (0.9, 0.8), BAGGED: (0.95, 0.79)},
        "two": {PLUG_IN: (0.9, 0.9), PREDICTIVE: (0.8, 0.9), BAGGED: (0.9, 0.9)},
    }
    last = calibration.claims_table(found, "full").splitlines()[-1]
    assert "| 0.100 | 0.100 (target 0.05, missed; 0.000 less right)" in last
    assert "0.080 (target 0.05, missed; 0.005 less right)" in last

    def unavailable(names):
        raise UnavailableError("no network")

    monkeypatch.setattr(calibration, "load_labelled", unavailable)
    text = calibration.document(Options(short=True, n_threads=2))
    assert "**Left out: all tables (no network).**" in text


def test_halves_are_judged(random):
    groups = np.arange(60) % 2
    rows = random.normal(size=(60, 2)) + 9.0 * groups[:, np.newaxis]
    table = LabelledTable("two", rows, groups)
    told = list(calibration.judged(table, "diag", 0))
    assert [way for way, _, _ in told] == list(calibration.WAYS)
    for _, claimed, right in told:
        assert claimed == pytest.approx(1.0, abs=0.02)
        assert right == 1.0
