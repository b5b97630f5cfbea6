"""The applications of scripts/examples run, on some rows of the tables they are for.

The tables are in packages, which are downloaded once. What is compared with is said by
the tables: tissues, loans that were not paid, values that were hidden.
"""

import re

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from benchmarks.packages import UnavailableError
from fastem.report.reporting import Report
from scripts.examples import (
    anomalies,
    cells,
    credit,
    customers,
    image,
    patients,
    tables,
)
from tests.documents.reading import ROOT, commands

GALLERY = ROOT / "scripts" / "examples"
PAGE = (GALLERY / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted({p.stem for p in GALLERY.glob("*.py")} - {"__init__", "tables"})


def loaded(load):
    """A table, if its package can be had here."""
    try:
        return load()
    except UnavailableError as error:
        pytest.skip(f"{load.__name__}: {error}")


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def pages(monkeypatch):
    """What would be written, by the files' names; and one structure only is tried.

    Pages and pictures have tests of their own, and are dear.
    """
    written = {}

    def keep(told, path, **settings):
        written[path.name] = told

    monkeypatch.setattr(Report, "to_html", keep)
    monkeypatch.setattr(Figure, "savefig", keep)
    for example in (anomalies, cells, credit, customers, patients):
        monkeypatch.setattr(example, "STRUCTURES", example.STRUCTURES[-1:])
    return written


def test_segments_tell_who_leaves_better_than_k_means(pages, tmp_path, capsys):
    table = loaded(tables.load_customers)[::40].reset_index(drop=True)
    ours, k_means = customers.main(table, tmp_path, [5])
    assert ours > 0.7
    assert ours > k_means - 0.01
    told = capsys.readouterr().out
    assert told.count("left is True for") == 5
    assert pages["customers.html"].outcome.name == "left"
    assert "customers.png" in pages


def test_smoothing_finds_parts_of_a_photograph_again(pages, tmp_path):
    photograph = loaded(tables.load_photograph)[:160, 100:260]
    alike = image.main(photograph, tmp_path, [2])
    found = list(alike.values())
    assert found[0] < found[1] < found[2]
    assert found[3] > 80
    assert pages.keys() == {"image.html", "image.png"}


def test_alarms_are_as_many_as_stated(pages, tmp_path):
    readings, is_anomalous = loaded(tables.load_shuttle)
    found = anomalies.main(
        readings[::20].reset_index(drop=True), is_anomalous[::20], tmp_path, [3]
    )
    alarms, seen = found["fastem", 0.05]
    assert 0.03 < alarms < 0.08
    assert seen > 0.95
    assert pages.keys() == {"anomalies.html", "anomalies.png"}


def test_kinds_are_tissues(pages, tmp_path):
    genes, tissues = loaded(tables.load_cells)
    ours, *_ = cells.main(genes.iloc[:, ::5], tissues, tmp_path, [8])
    assert ours > 0.7
    assert pages.keys() == {"cells.html", "cells.png"}


def test_hidden_values_of_patients_are_filled_better_than_by_means(
    pages, tmp_path, capsys
):
    errors = patients.main(loaded(tables.load_patients), tmp_path, [2])
    assert errors["fastem"] < 0.95 * errors["means"]
    told = capsys.readouterr().out
    assert re.search(r"profile 1: .*bili is .*higher", told)
    assert pages.keys() == {"patients.html", "patients.png"}


def test_loans_that_are_not_paid_are_told(pages, tmp_path, capsys):
    table = loaded(tables.load_loans)[::3].reset_index(drop=True)
    told = credit.main(table, tmp_path, [3])
    (ours, our_loss), (area, loss) = told["fastem"], told["logistic regression"]
    assert ours > max(0.75, area - 0.02)
    assert our_loss < loss + 0.03
    assert capsys.readouterr().out.count("bad is True for") == 3
    assert pages.keys() == {"credit.html", "credit.png"}


NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def numbers_in(line):
    return [float(number.replace(",", "")) for number in NUMBER.findall(line)]


def quotes_of(name):
    """What the gallery quotes of an example's output, line by line."""
    section = PAGE.partition(f"scripts/example {name}\n")[2].partition("\n## ")[0]
    return re.findall(r"^    +(.+)$", section, re.MULTILINE)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("example", "load"),
    [
        (anomalies, tables.load_shuttle),
        (cells, tables.load_cells),
        (credit, tables.load_loans),
        (customers, tables.load_customers),
        (image, tables.load_photograph),
        (patients, tables.load_patients),
    ],
)
def test_examples_print_what_the_gallery_quotes(example, load, tmp_path, capsys):
    given = loaded(load)
    example.main(*(given if isinstance(given, tuple) else [given]), tmp_path)
    name = example.__name__.rpartition(".")[2]
    assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert "<h1" in (tmp_path / f"{name}.html").read_text(encoding="utf-8")
    printed = {}
    for line in capsys.readouterr().out.splitlines():
        printed.setdefault(NUMBER.sub("#", line.strip()), []).append(numbers_in(line))
    quoted = quotes_of(name)
    assert quoted
    for line in quoted:
        candidates = printed[NUMBER.sub("#", line)]
        near = pytest.approx(numbers_in(line), rel=0.05, abs=0.02)
        assert any(numbers == near for numbers in candidates), line


def test_the_gallery_shows_each_example_and_small_pictures():
    assert {
        c.split()[1] for c in commands(PAGE) if c.startswith("scripts/example ")
    } == set(EXAMPLES)
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE)
    assert len(pictures) >= len(EXAMPLES)
    sizes = [(GALLERY / picture).stat().st_size for picture in pictures]
    assert max(sizes) < 60_000
    assert sum(sizes) < 400_000


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short(name):
    text = (GALLERY / f"{name}.py").read_text(encoding="utf-8")
    body = text.partition("def main")[2].partition("if __name__")[0]
    assert len([line for line in body.splitlines() if line.strip()]) <= 50
