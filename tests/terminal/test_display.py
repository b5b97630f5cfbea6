"""Tables on terminals of any width: names break between words, figures never."""

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from fastem import GaussianMixture
from fastem.report.description import distinctive_traits
from fastem.report.memberships import Certainty
from fastem.report.wording import number
from fastem.terminal import display

NAMES = (
    "average_speed_on_motorways_kilometres_per_hour",
    "fuelConsumptionInLitresPerHundredKilometres",
    "load in kg",
    "平均速度_公里_每小时_高速_公路上",  # each twice as wide as a letter
)
WORDS = {word.strip() for name in NAMES for word in display._WORDS.split(name)}
N_COMPONENTS = 7


@pytest.fixture
def model(random):
    shape = (N_COMPONENTS, len(NAMES))
    return GaussianMixture.from_parameters(
        np.full(N_COMPONENTS, 1 / N_COMPONENTS),
        random.normal(0, 5000, shape),
        np.ones(shape),
        covariance_type="diag",
    )


@pytest.fixture(params=[60, 80, 110, 300])
def width(request, monkeypatch):
    monkeypatch.setattr(display, "output", lambda: Console(width=request.param))
    return request.param


def column_of(shown, number):
    """What stands in a column of the tables, without empty lines."""
    lines = [line.split("│") for line in shown.splitlines() if line.startswith("│")]
    return [line[number].strip() for line in lines if line[number].strip()]


def broken(parts):
    """Words in these lines that no name has."""
    words = [word.strip() for part in parts for word in display._WORDS.split(part)]
    return [word for word in words if word not in WORDS]


def test_means_stand_on_any_terminal(model, width, capsys):
    display.print_means(model, NAMES)
    shown = capsys.readouterr().out
    assert all(cell_len(line) <= width for line in shown.splitlines())
    assert broken(column_of(shown, 1)) == []
    for k in range(N_COMPONENTS):
        assert f" {k} (14.3%) " in shown
        for j in range(len(NAMES)):
            assert f" {number(model.means_[k, j])} ± 1 " in shown


def test_names_come_whole_before_more_components_do(model, width, capsys):
    display.print_means(model, NAMES)
    shown = capsys.readouterr().out
    n_tables = shown.count("Mean ± standard deviation")
    assert n_tables == {60: 4, 80: 2, 110: 2, 300: 1}[width]
    parts = column_of(shown, 1)
    assert min(map(cell_len, NAMES)) < display._LEAST_WIDTH
    assert (len(parts) == n_tables * len(NAMES)) == (width == 300)


def test_traits_stand_on_any_terminal(model, width, capsys):
    some = np.full(N_COMPONENTS, 0.5)
    n_rows = np.full(N_COMPONENTS, 1_234)
    display.print_components(model, NAMES, Certainty(n_rows, some, some, some))
    shown = capsys.readouterr().out
    assert all(cell_len(line) <= width for line in shown.splitlines())
    assert column_of(shown, 3) == ["1,234"] * N_COMPONENTS
    told = column_of(shown, 5)
    for traits in distinctive_traits(model, NAMES):
        for trait in traits:
            figures = f"{number(trait.mean)} ({trait.difference:+.1f} sd)"
            assert any(figures in line for line in told)
    names = [line.partition("(")[0].rstrip("-0123456789,. ") for line in told]
    if width < 300:  # where a line holds several traits
        assert broken(filter(None, names)) == []
