import gzip
import io
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from fastem.sources.delimited import Notation
from fastem.sources.tables import read_table

CSV = """\
speed,name,height,late,when
1.5,ada,3,true,2024-01-01
2.5,bob,NA,false,2024-01-02
,cy,5,true,2024-01-03
3.5,di,7,true,2024-01-04
"""


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(CSV)
    return path


def test_numeric_columns_are_read_and_others_named(csv):
    table = read_table(csv, drop_missing=True)
    assert table.names == ("speed", "height", "late")
    np.testing.assert_array_equal(table.values, [[1.5, 3, 1], [3.5, 7, 1]])
    assert list(table.unused) == ["name", "when"]
    assert table.unused["name"] == "string"


def test_rows_that_are_dropped_can_be_identified(csv):
    table = read_table(csv, drop_missing=True)
    np.testing.assert_array_equal(table.kept, [True, False, False, True])
    assert table.n_dropped == 2


def test_missing_values_are_counted_and_the_option_named(csv):
    with pytest.raises(ValueError, match="2 of 4 rows") as caught:
        read_table(csv)
    for part in ("'speed' (1)", "'height' (1)", "--drop-missing", "people.csv"):
        assert part in str(caught.value)


def test_missing_values_in_other_columns_do_not_matter(csv):
    table = read_table(csv, columns=["late"])
    assert table.kept is None
    np.testing.assert_array_equal(table.values[:, 0], [1, 0, 1, 1])


def test_columns_come_in_the_order_asked_for(csv):
    table = read_table(csv, columns=["height", "speed"], drop_missing=True)
    np.testing.assert_array_equal(table.values, [[3, 1.5], [7, 3.5]])


def test_the_column_of_weights_is_not_one_of_the_data(csv):
    table = read_table(csv, weights="height", drop_missing=True)
    assert table.names == ("speed", "late")
    np.testing.assert_array_equal(table.weights, [3, 7])
    assert "height" not in table.unused


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        (["speed", "hight"], ["no column 'hight'", "'speed', 'name', 'height'"]),
        (["speed", "name"], ["do not hold numbers", "'name' (string)"]),
        (["when"], ["'when' (date32[day])"]),
        (["speed", "speed"], ["'speed' is asked for twice"]),
    ],
)
def test_columns_that_cannot_be_used_are_named(csv, columns, parts):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the texts are compared
        read_table(csv, columns=columns, drop_missing=True)
    for part in parts:
        assert part in str(caught.value)


def test_numbers_that_turn_from_whole_to_broken_late_are_read(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("x,y\n" + "1,2\n" * 400_000 + "1.5,2\n")
    table = read_table(path)
    assert table.values[-1, 0] == 1.5
    assert len(table.values) == 400_001


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_recognised(tmp_path, delimiter):
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n3,4\n".replace(",", delimiter))
    np.testing.assert_array_equal(read_table(path).values, [[1, 2], [3, 4]])


def test_compressed_csv_is_read(tmp_path):
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n3,4\n"))
    np.testing.assert_array_equal(read_table(path).values, [[1, 2], [3, 4]])


def test_text_in_another_encoding_is_left_out_and_said_to_be(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes("a,name\n1,Jörg\n3,Ada\n".encode("latin-1"))
    table = read_table(path)
    assert table.names == ("a",)
    assert table.unused == {"name": "text that is not UTF-8"}


@pytest.mark.parametrize("form", ["file", "stream"])
@pytest.mark.parametrize("suffix", [".arrow", ".feather"])
def test_files_of_arrow_are_read(tmp_path, form, suffix):
    table = pa.table({"a": [1.5, None, 3], "b": [True, False, True], "n": ["x"] * 3})
    path = tmp_path / f"data{suffix}"
    make = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    with make(path, table.schema) as writer:
        writer.write_table(table)
    read = read_table(path, drop_missing=True)
    np.testing.assert_array_equal(read.values, [[1.5, 1], [3, 1]])
    assert read.unused == {"n": "string"}


def stdin_of(monkeypatch, content):
    stream = io.TextIOWrapper(io.BytesIO(content))
    monkeypatch.setattr(sys, "stdin", stream)


def test_a_dash_is_csv_on_standard_input(monkeypatch):
    stdin_of(monkeypatch, b"a;b\n1,5;?\n2,5;3\n")
    table = read_table("-", drop_missing=True, notation=Notation(("?",), ","))
    np.testing.assert_array_equal(table.values, [[2.5, 3]])
    for content, text in (
        (gzip.compress(b"a\n1\n"), "standard input is compressed by gzip: unpack"),
        (b"\xff\n1\n", r"standard input is not UTF-8.*UTF-8 FILE \| fastem"),
        (b"a\n", "standard input has columns but no rows"),
        (b"1\n2\n", "standard input: the first line must hold"),
        (b"a\nx\n", "standard input has no numeric columns"),
        (b"", "standard input cannot be read as .csv"),
    ):
        stdin_of(monkeypatch, content)
        with pytest.raises(ValueError, match=text):
            read_table("-")


def test_a_name_that_is_nearly_that_of_a_column_is_asked_back(csv):
    for asked in ("hight", "Height", "HEIGTH"):
        with pytest.raises(ValueError, match=r"Did you mean 'height'\? Its columns"):
            read_table(csv, columns=["speed", asked])
    with pytest.raises(ValueError, match="no column 'x'; its columns are"):
        read_table(csv, columns=["x"])


def test_a_missing_header_is_noticed(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("1.5,2.5\n3.5,4.5\n")
    with pytest.raises(ValueError, match=r"must hold the names.*1\.5, 2\.5"):
        read_table(path)


def test_float32_stays_float32_only_if_all_columns_are(tmp_path):
    path = tmp_path / "data.parquet"
    narrow = np.array([1, 2], np.float32)
    parquet.write_table(pa.table({"a": narrow, "b": narrow, "c": [1, 2]}), path)
    assert read_table(path, columns=["a", "b"]).values.dtype == np.float32
    assert read_table(path).values.dtype == np.float64


def test_parquet_nulls_decimals_and_dotted_names_are_read(tmp_path):
    path = tmp_path / "data.parquet"
    price = pa.array([1, None, 3], pa.int64()).cast(pa.decimal128(30, 2))
    parquet.write_table(pa.table({"price.net": price, "b": [1, 2, None]}), path)
    table = read_table(path, drop_missing=True)
    assert table.names == ("price.net", "b")
    np.testing.assert_array_equal(table.values, [[1, 1]])


def test_columns_of_arrays_are_numbered(tmp_path):
    path = tmp_path / "data.npy"
    np.save(path, np.arange(6, dtype=np.uint8).reshape(2, 3))
    table = read_table(path, columns=["x2", "x0"])
    assert table.values.dtype == np.float64
    np.testing.assert_array_equal(table.values, [[2, 0], [5, 3]])


@pytest.mark.parametrize(
    ("array", "part"),
    [
        (np.zeros(3), r"shape \(3,\)"),
        (np.array([["a"]]), "<U1"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.zeros((0, 2)), "no rows"),
        (np.zeros((2, 0)), "no numeric columns"),
        (np.full((2, 2), np.nan), "every row has a missing value"),
    ],
)
def test_arrays_that_cannot_be_used_are_described(tmp_path, array, part):
    np.save(tmp_path / "data.npy", array)
    with pytest.raises(ValueError, match=part):
        read_table(tmp_path / "data.npy", drop_missing=True)


def test_arrays_of_objects_are_refused_without_unpickling(tmp_path):
    np.save(tmp_path / "data.npy", np.array([[{}]]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"cannot be read as \.npy"):
        read_table(tmp_path / "data.npy")


def test_infinite_values_are_counted_and_placed(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n3,inf\n-inf,-inf\n")
    with pytest.raises(ValueError, match=r"'a' has 1 infinite values.*row 2"):
        read_table(path, drop_missing=True)


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        (
            *("data.xlsx", b""),
            r"must end in one of \.csv.*read_excel\(\"data.xlsx\"\).to_parquet",
        ),
        ("data.zip", b"", r"must end in .*Unpack it first"),
        ("data.txt", b"", r"must end in .*rename it to \.csv or \.tsv"),
        ("data.rdata", b"", r"must end in .*Write the table as Parquet or CSV"),
        ("data.arrow", b"not arrow at all", r"cannot be read as \.arrow"),
        (
            *("data.csv", "größe,b\n1,2\n".encode("latin-1")),
            r"not UTF-8 text, but perhaps LATIN1. Convert it: iconv -f LATIN1",
        ),
        ("data.csv", "a,b\n1,2\n".encode("utf-16"), "perhaps UTF-16. Convert it"),
        ("data.csv", b"a,b\n", "has columns but no rows"),
        (
            *("data.csv.gz", b"a,b\n1,2\n"),
            r"not compressed by gzip.*rename it to .*/data\.csv$",
        ),
        (
            *("data.csv", gzip.compress(b"a,b\n1,2\n", mtime=0)),
            r"is compressed by gzip: rename it to .*/data\.csv\.gz$",
        ),
        (
            *("data.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:20]),
            r"cannot be read as \.csv\.gz: Truncated",
        ),
        ("data.parquet", b"not parquet", r"cannot be read as \.parquet"),
        ("data.npy", b"not numpy", r"cannot be read as \.npy"),
        ("data.npy", b"", r"cannot be read as \.npy"),
        ("data.csv", b"", r"cannot be read as \.csv"),
        ("data.csv", b"a,b\n1,2\n3\n", r"cannot be read as \.csv.*Expected 2 columns"),
        ("data.csv", b"a,a\n1,2\n", "two columns with the name 'a'"),
        ("data.csv", b"name\nada\n", r"no numeric columns to use; it has 'name'"),
    ],
)
def test_files_that_cannot_be_read_are_named_with_the_reason(
    tmp_path, name, content, part
):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=part) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_absent_or_a_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*data\.csv"):
        read_table(tmp_path / "data.csv")
    (tmp_path / "data.csv").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read_table(tmp_path / "data.csv")


def test_without_pyarrow_the_extra_is_named(csv, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"fastem\[io\]"):
        read_table(csv)
