"""The command report: the page that the function writes, of a file."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastem
from fastem import GaussianMixture, save_model
from tests.terminal.test_commands import run

NAMES = ["speed", "load"]


@pytest.fixture
def table(random):
    kind = np.repeat([0, 1], [200, 100])
    rows = np.array([[50, 400], [80, 500]])[kind] + random.normal(size=(300, 2)) * 5
    table = pd.DataFrame(rows, columns=NAMES).assign(
        make=np.where(kind, "Acme", "Cat"), stolen=random.random(300) < 0.1 + 0.5 * kind
    )
    table.loc[::30, "load"] = np.nan
    return table


@pytest.mark.parametrize("kind", ["csv", "folder"])
@pytest.mark.parametrize("missing", ["drop", "marginalize"])
def test_a_file_is_told_as_its_rows(table, kind, missing, tmp_path):
    data = tmp_path / ("rows.csv" if kind == "csv" else "rows")
    if kind == "csv":
        table.to_csv(data, index=False)
    else:
        data.mkdir()
        table[:130].to_parquet(data / "0.parquet")
        table[130:].to_parquet(data / "1.parquet")
    used = table.dropna() if missing == "drop" else table
    model = GaussianMixture(2, random_state=0, missing_values="marginalize")
    model.fit(used[NAMES])
    save_model(model, tmp_path / "model.json")
    out = tmp_path / "page.html"
    arguments = "--labels", "make", "--outcome", "stolen", "--missing", missing
    said = run("report", tmp_path / "model.json", data, "-o", out, *arguments)
    expected = fastem.report(model, used, labels="make", outcome="stolen")
    for sentence in expected.sentences:
        assert sentence in out.read_text()
        assert sentence in " ".join(said.split())
    torn = [row.name for row in expected.doubts.rows[:8]]
    assert not torn or f"Torn most: rows {', '.join(torn)}." in " ".join(said.split())
    if missing == "drop":
        assert "Left out: 10 rows with missing values" in " ".join(said.split())


def test_a_pipeline_reads_the_whole_file(table, tmp_path):
    table = table.dropna()
    table.to_csv(tmp_path / "rows.csv", index=False)
    model = make_pipeline(StandardScaler(), GaussianMixture(2, random_state=0))
    save_model(model.fit(table[NAMES]), tmp_path / "model.json")
    out = tmp_path / "page.html"
    given = tmp_path / "model.json", tmp_path / "rows.csv", "-o", out
    said = run("report", *given, "--title", "Cars & more")
    assert "<h1>Cars &amp; more</h1>" in out.read_text()
    for sentence in fastem.report(model, table).sentences:
        assert sentence in " ".join(said.split())
    said = run("report", *given, code=1)
    assert "exists" in said
    said = run("report", *given, "--overwrite", "--threads", "2", code=1)
    assert "--threads is for a mixture" in said
