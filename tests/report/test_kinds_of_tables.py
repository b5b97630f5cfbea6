"""What is told of rows is the same whatever table they come in."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from fastem import GaussianMixture
from fastem.report.criteria import measure_criteria
from fastem.report.description import distinctive_traits
from fastem.report.memberships import measure_certainty, write_memberships
from fastem.report.pictures import draw_clusters
from fastem.report.scaling import fit_standardized

NAMES = ["speed", "load"]
KINDS = {
    "lists": np.ndarray.tolist,
    # Labels of rows are no positions.
    "pandas": lambda X: pd.DataFrame(X, index=-np.arange(len(X)) / 2, columns=NAMES),
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
    "Arrow": lambda X: pa.table(dict(zip(NAMES, X.T, strict=True))),
    "file": None,
}


@pytest.fixture
def rows(random):
    return np.vstack([random.normal(m, 1, (150, 2)) for m in (0, 4)]) * [0.1, 1e4]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def table(rows, kind, tmp_path):
    if kind != "file":
        return KINDS[kind](rows)
    path = tmp_path / "rows.parquet"
    pd.DataFrame(rows, columns=NAMES).to_parquet(path)
    return path


def test_every_kind_of_table_can_be_told_about(rows, kind, table, tmp_path):
    expected = fit_standardized(GaussianMixture(2, random_state=0), rows)
    fitted = fit_standardized(GaussianMixture(2, random_state=0), table)
    np.testing.assert_allclose(fitted.means_, expected.means_, rtol=1e-12)
    np.testing.assert_allclose(fitted.covariances_, expected.covariances_, rtol=1e-9)
    if kind != "lists":
        assert fitted.feature_names_in_.tolist() == NAMES
        assert distinctive_traits(fitted)[0][0].column in NAMES
    certainty = measure_certainty(fitted, table)
    labels = expected.predict(rows)
    np.testing.assert_array_equal(certainty.n_rows, np.bincount(labels))
    assert measure_criteria(fitted, table).bic == pytest.approx(expected.bic(rows))
    write_memberships(tmp_path / "m.parquet", fitted, table)
    written = parquet.read_table(tmp_path / "m.parquet")["component"]
    np.testing.assert_array_equal(written, labels)


def test_every_kind_of_table_can_be_drawn(rows, kind, table, tmp_path):
    model = GaussianMixture(2, random_state=0).fit(table)
    draw_clusters(model, table, tmp_path / "table.png", NAMES)
    drawn = (tmp_path / "table.png").read_bytes()
    assert len(drawn) > 10_000
    if kind != "file":  # whose rows are drawn in another order
        expected = GaussianMixture(2, random_state=0).fit(rows)
        draw_clusters(expected, rows, tmp_path / "rows.png", NAMES)
        assert drawn == (tmp_path / "rows.png").read_bytes()
