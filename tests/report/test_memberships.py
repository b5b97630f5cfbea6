import numpy as np
import pyarrow.csv
import pyarrow.parquet as parquet
import pytest

from fastem import GaussianMixture
from fastem.report.memberships import write_memberships
from fastem.sources.opening import ArrayBlocks


@pytest.fixture
def model():
    return GaussianMixture.from_parameters(
        [0.5, 0.5], [[0.0], [4.0]], [[1.0], [1.0]], covariance_type="diag"
    )


@pytest.mark.parametrize("kept_share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("block_values", [4, 10, 1 << 20])
def test_row_i_of_the_file_is_row_i_of_the_data(
    model, random, tmp_path, monkeypatch, kept_share, block_values
):
    monkeypatch.setattr("fastem.report.memberships._BLOCK_VALUES", block_values)
    kept = random.uniform(size=41) < kept_share
    kept[[3, 20]] = True
    X = random.normal(2, 3, size=(int(kept.sum()), 1))
    write_memberships(tmp_path / "m.parquet", model, X, kept)
    table = parquet.read_table(tmp_path / "m.parquet")
    assert table.column_names == ["component", "probability", "p_0", "p_1"]
    assert table.num_rows == 41
    P = model.predict_proba(X)
    for name, expected in {
        "component": P.argmax(1),
        "probability": P.max(1),
        "p_0": P[:, 0],
        "p_1": P[:, 1],
    }.items():
        column = table[name]
        np.testing.assert_array_equal(column.is_valid().to_numpy(), kept)
        np.testing.assert_array_equal(column.drop_null().to_numpy(), expected)


@pytest.mark.parametrize("name", ["m.parquet", "folder"])
def test_blocks_of_any_layout_are_written(random, tmp_path, name):
    model = GaussianMixture.from_parameters(
        [0.5, 0.5], [[0.0, 0.0], [4.0, 4.0]], [[1.0, 1.0]] * 2, covariance_type="diag"
    )
    X = random.normal(2, 3, size=(500, 2))
    write_memberships(tmp_path / name, model, ArrayBlocks(np.asfortranarray(X)[::-1]))
    path = tmp_path / name
    table = parquet.read_table(path / "part-0.parquet" if path.is_dir() else path)
    np.testing.assert_array_equal(table["p_1"], model.predict_proba(X[::-1])[:, 1])


def test_csv_holds_the_same(model, random, tmp_path):
    X = random.normal(2, 3, size=(10, 1))
    write_memberships(tmp_path / "m.csv", model, X)
    table = pyarrow.csv.read_csv(tmp_path / "m.csv")
    np.testing.assert_array_equal(table["component"], model.predict(X))
    np.testing.assert_allclose(table["p_1"], model.predict_proba(X)[:, 1], rtol=1e-15)


def test_an_interrupted_write_leaves_no_file(model, random, tmp_path, monkeypatch):
    monkeypatch.setattr("fastem.report.memberships._BLOCK_VALUES", 4)
    answers = iter([model.predict_proba(np.zeros((2, 1)))])

    def interrupt(*_):
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("fastem.kernels.probability_pass", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_memberships(tmp_path / "m.parquet", model, np.zeros((10, 1)))
    assert not list(tmp_path.iterdir())
