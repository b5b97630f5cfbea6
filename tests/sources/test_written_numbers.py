"""Columns of numbers that are text are an error that says why, and what to do."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from fastem.sources import tables
from fastem.sources.delimited import Notation
from fastem.sources.opening import source_of
from fastem.sources.tables import open_table, read_table
from fastem.sources.written_numbers import Spoiler, find_spoiler


def spoiler(values, notation=None):
    return find_spoiler("a", pa.chunked_array([values]), notation or Notation())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2.5", "?", "-3e-4", "?"], Spoiler("a", "?", 2)),
        (["1", "NA", "", None, " 2 ", "many"], Spoiler("a", "many", 5)),
        (["1,5", "2,5", "-"], Spoiler("a", "1,5", 0)),
        (["17", "1,234.5", "1,234,567"], Spoiler("a", "1,234.5", 1)),
        (["1'000", "1.234.567,8"], Spoiler("a", "1'000", 0)),
        (["NA", "1", "2"], Spoiler("a", "1", 1)),  # text, as its writer wanted it
        ([b"1", b"2", b"4\xbd"], Spoiler("a", "4\xbd", 2)),
        (["1", "?"], None),
        (["ada", "bob", "3"], None),
        (["192.168.100.200", "10.0.0.1"], None),
        (["2024-01-01", "12:30", "+49 30 1234"], None),
        ([None, "NA", ""], None),
    ],
)  # fmt: skip
def test_text_is_told_from_numbers_with_something_else_among_them(values, expected):
    assert spoiler(values) == expected
    kind = pa.binary() if values[0] and isinstance(values[0], bytes) else pa.string()
    categories = pa.chunked_array([values], kind).dictionary_encode()
    assert find_spoiler("a", categories, Notation()) == expected


def test_the_notation_says_what_is_a_number_and_what_is_missing():
    values = ["1,5", "?", "2.5"]
    assert spoiler(values, Notation(("?",), ",")) == Spoiler("a", "2.5", 2)


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("age;name;income\n39;ada;1,5\n?;bob;2,5\n41;di;-\n50;ed;3\n")
    return path


def test_the_error_quotes_the_values_with_their_rows_and_offers_options(csv):
    with pytest.raises(ValueError, match="most of their values are numbers") as caught:
        open_table(csv)
    for part in (
        f"{csv}: ", "'age' (row 1 holds '?')", "'income' (row 0 holds '1,5')",
        "counted from 0", "--decimal ,", "--na-values '?'", "--columns",
    ):  # fmt: skip
        assert part in str(caught.value)
    with pytest.raises(ValueError, match=r"'income' \(row 2 holds '-'\)") as caught:
        open_table(csv, columns=["income"], notation=Notation(("?",), ","))
    assert "--na-values -" in str(caught.value)
    assert "--decimal" not in str(caught.value)
    read = open_table(csv, drop_missing=True, notation=Notation(("?", "-"), ","))
    assert read.names == ("age", "income")
    np.testing.assert_array_equal(read.values, [[39, 1.5], [50, 3]])
    np.testing.assert_array_equal(read.kept, [True, False, False, True])


def test_who_chose_other_columns_is_not_told(csv):
    path = csv.with_name("other.csv")
    path.write_text("a,b\n1,2\n3,?\n5,6\n7,8\n")
    np.testing.assert_array_equal(
        read_table(path, columns=["a"]).values[:, 0], [1, 3, 5, 7]
    )
    path.write_text("a\n1,2\n3,4\n")
    read = read_table(path, notation=Notation(decimal=","))
    np.testing.assert_array_equal(read.values, [[1.2], [3.4]])


def test_text_of_parquet_files_is_looked_at_as_well(tmp_path, monkeypatch):
    columns = {"a": [1.0, 2.0, 3.0], "age": ["39", "?", "41"], "name": ["x", "y", "z"]}
    folder = tmp_path / "big"
    folder.mkdir()
    path = folder / "part-0.parquet"
    parquet.write_table(pa.table(columns), path)
    for large in (0, 2**28):
        monkeypatch.setattr(tables, "_LARGE_FILE", large)
        with pytest.raises(ValueError, match=r"'age' \(row 1 holds '\?'\)") as caught:
            open_table(path)
        assert f"{path}: " in str(caught.value)
        assert "Write them as numbers, with nulls" in str(caught.value)
        assert "--na-values" not in str(caught.value)
    with pytest.raises(ValueError, match=r"'age' \(row 1 holds '\?'\)"):
        source_of(folder)
    assert open_table(folder, columns=["a"]).names == ("a",)


@pytest.mark.parametrize("large", [0, 2**28])
def test_a_notation_is_for_csv_files(tmp_path, monkeypatch, large):
    monkeypatch.setattr(tables, "_LARGE_FILE", large)
    parquet.write_table(pa.table({"a": [1.0, 2.0]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet is no CSV file: --na-values"):
        open_table(tmp_path / "a.parquet", notation=Notation(decimal=","))
    with pytest.raises(ValueError, match="is no CSV file: --na-values"):
        open_table(tmp_path, notation=Notation(("?",)))
