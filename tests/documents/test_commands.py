"""Every command in the README and the guides does something, or is known to others."""

import os
import re
import shlex
import sys
import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from distributed.cli import dask_scheduler, dask_worker
from pyarrow import csv, parquet
from typer.testing import CliRunner

import benchmarks.__main__
from fastem.terminal.commands import app
from tests.documents.reading import GUIDES, PAGES, README, ROOT, code_spans, commands

TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in PAGES} | GUIDES
WITH_CLI = sorted(
    name
    for name, text in TEXTS.items()
    if any(command.startswith("fastem ") for command in commands(text))
)
# Commands that prepare a machine, which no test of this process can do: scripts/test
# --all installs fastem into an environment of its own.
PREPARING = {"python3 -m venv .venv", "source .venv/bin/activate", "pip install ."}


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """A folder with small tables under the names that documents use."""
    random = np.random.default_rng(0)

    def table(names, n_rows=600):
        rows = random.normal(size=(n_rows, len(names)))
        return pa.table(
            dict(
                zip(names, rows.T + 6.0 * random.integers(3, size=n_rows), strict=True)
            )
            | {"cars": random.integers(1, 9, n_rows)}
        )

    monkeypatch.chdir(tmp_path)
    flights = table(("air_time", "dep_delay", "arr_delay", "distance"))
    os.mkdir("demo-output")
    csv.write_csv(flights, "demo-output/flights.csv")
    with open("demo-output/flights.csv", "a", encoding="utf-8") as file:
        file.write("1,,,2,1\n")  # a flight that was cancelled
    csv.write_csv(table(("speed", "load")), "cars.csv")
    people = ["age;income", *(f"{20 + i % 40};{i % 7},{i % 10}" for i in range(90))]
    Path("people.csv").write_text("\n".join([*people, "?;1,5"]))
    parquet.write_table(table(("speed", "load"), 4000), "data.parquet")
    os.mkdir("big")
    for i in range(2):
        parquet.write_table(table(("speed", "load", "heat")), f"big/part-{i}.parquet")


def test_the_readme_shows_the_command_line():
    assert {"README.md", "fastem.terminal", "fastem.sources"} <= set(WITH_CLI)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", WITH_CLI)
@pytest.mark.usefixtures("tables")
def test_commands_run_one_after_the_other(name):
    for command in commands(TEXTS[name]):
        program, *arguments = shlex.split(command)
        if program == "cd":
            os.chdir(*arguments)
        elif program == "fastem":
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 0, f"{command}: {result.output}"
            for option in ("--output", "-o", "--plot", "--assign"):
                if option in arguments:
                    file = arguments[arguments.index(option) + 1]
                    assert os.path.exists(file), command


def dask_parses(command):
    _, name, *arguments = shlex.split(command)
    known = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}
    return bool(known[name].make_context(name, arguments).params)


def test_no_command_is_unknown():
    for name, text in TEXTS.items():
        for command in commands(text):
            program = shlex.split(command)[0]
            if program.startswith("scripts/"):
                assert os.access(ROOT / program, os.X_OK), f"{name}: {command}"
            elif program == "dask":
                assert dask_parses(command)
            else:
                known = program in ("fastem", "cd") or command in PREPARING
                assert known, f"{name}: {command}"


def test_scripts_in_running_text_exist():
    spans = [span for text in TEXTS.values() for span in code_spans(text)]
    scripts = {span.split()[0] for span in spans if span.startswith("scripts/")}
    assert {"scripts/demo", "scripts/docs", "scripts/bench"} <= scripts
    for script in scripts:
        assert (ROOT / script).exists(), script


def test_extras_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = "\n".join(TEXTS.values())
    for group in re.findall(r"(?:fastem|'\.)\[([\w,]+)\]", named):
        assert set(group.split(",")) <= extras.keys(), group
    install = README.partition("## Two commands")[0]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", install, flags=re.MULTILINE)
    assert set(re.findall(r"\w+", " ".join(rows))) == extras.keys()


def bench_commands():
    page = (ROOT / "benchmarks" / "README.md").read_text()
    listed = re.findall(
        r"^    (scripts/bench\b.*?)(?:  .*)?$", page, flags=re.MULTILINE
    )
    spans = [span for text in TEXTS.values() for span in code_spans(text)]
    return sorted({*listed, *(s for s in spans if s.startswith("scripts/bench"))})


@pytest.mark.parametrize("command", bench_commands())
def test_the_benchmarks_know_their_options(command, monkeypatch):
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    if command.endswith("--help"):
        with pytest.raises(SystemExit, match="0"):
            benchmarks.__main__._arguments()
    else:
        benchmarks.__main__._arguments()


def test_there_are_many_commands_of_benchmarks():
    assert len(bench_commands()) > 15
