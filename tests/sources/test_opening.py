"""Sources of rows: every kind gives the same rows, again and again, or says why not."""

import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import dataset, parquet
from sklearn.base import BaseEstimator

from fastem.checks.rows import check_rows
from fastem.mixture.online import BATCH_ROWS
from fastem.sources import opening, reading
from fastem.sources.arrow import ArrowBlocks
from fastem.sources.opening import (
    ArrayBlocks,
    IterableBlocks,
    source_of,
    without_column,
)
from fastem.sources.parquet import ParquetBlocks
from fastem.sources.reading import blocks_of, checked_blocks, read_ahead
from fastem.sources.tables import open_table
from tests.processes import reader_threads

NAMES = ("a", "b", "c")


class Blocks:
    """Blocks of rows, as often as asked; of any sizes."""

    def __init__(self, X, n=700):
        self.X, self.n = X, n

    def __iter__(self):
        for start in range(0, len(self.X), self.n):
            yield self.X[start : start + self.n]


class Frames(Blocks):
    def __iter__(self):
        for block in super().__iter__():
            yield pd.DataFrame(block, columns=list(NAMES))


def table_of(X, **more):
    return pa.table({**dict(zip(NAMES, X.T, strict=True)), **more})


def write_parts(folder, X, n_parts=3, **more):
    """A folder of Parquet files with small row groups."""
    folder.mkdir()
    for i, part in enumerate(np.array_split(X, n_parts)):
        columns = {name: values[: len(part)] for name, values in more.items()}
        path = folder / f"part-{i}.parquet"
        parquet.write_table(table_of(part, **columns), path, row_group_size=500)
    return folder


@pytest.fixture(name="X")
def some_rows(random):
    return random.normal(size=(5000, 3))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1)  # 1024 rows
    monkeypatch.setattr(opening, "_STREAMED_BYTES", 0)


@pytest.fixture
def sources_of(X, tmp_path):
    """Everything that a fit reads block by block, holding X."""
    np.save(tmp_path / "rows.npy", X)
    table = table_of(X)
    folder = write_parts(tmp_path / "parts", X)
    parquet.write_table(table, tmp_path / "one.parquet")
    (folder / "_metadata.parquet").write_text("not read")
    (folder / "README.txt").write_text("not read")
    return {
        "memory map": lambda: np.load(tmp_path / "rows.npy", mmap_mode="r"),
        "Arrow table": lambda: table,
        "reader": lambda: pa.RecordBatchReader.from_batches(
            table.schema, table.to_batches(900)
        ),
        "dataset": lambda: dataset.dataset(sorted(folder.glob("part-*.parquet"))),
        "file": lambda: str(tmp_path / "one.parquet"),
        "folder": lambda: folder,
        "blocks": lambda: Blocks(X),
        "tables": lambda: Frames(X),
    }


KINDS = [
    *("memory map", "Arrow table", "reader", "dataset", "file", "folder", "blocks"),
    "tables",
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_rows_on_the_grid_as_often_as_asked(sources_of, kind, X):
    source = source_of(sources_of[kind]())
    assert (source.n_features, source.dtype) == (3, np.float64)
    assert source.names == (None if kind in ("memory map", "blocks") else NAMES)
    for checked in (False, True, True):
        rows, weights = zip(*blocks_of(source, checked=checked), strict=True)
        assert [len(block) for block in rows] == [1024] * 4 + [904]
        assert all(block.flags["C_CONTIGUOUS"] for block in rows)
        assert not any(block.flags["WRITEABLE"] for block in rows)
        np.testing.assert_array_equal(np.concatenate(rows), X)
        assert not any(map(len, weights))


@pytest.mark.parametrize("n", [1, 3, 1023, 1024, 1025, 2048, 9000])
def test_blocks_of_any_size_are_cut_to_the_grid(X, n):
    rows = [block for block, _ in blocks_of(source_of(Blocks(X[:2500], n)))]
    assert [len(block) for block in rows] == [1024, 1024, 452]
    np.testing.assert_array_equal(np.concatenate(rows), X[:2500])


def test_a_block_holds_sixteen_megabytes(monkeypatch, X):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 2**24)
    rows = reading.block_rows(ArrayBlocks(X))
    assert rows % 1024 == 0
    assert rows % BATCH_ROWS == 0
    assert 0.99 * 2**24 < rows * 3 * 8 <= 2**24
    wide = ArrayBlocks(np.empty((1, 10_000)))
    assert reading.block_rows(wide) == 1024


def test_a_memory_map_is_not_copied(sources_of):
    mapped = sources_of["memory map"]()
    for rows, _ in blocks_of(source_of(mapped)):
        assert np.shares_memory(rows, mapped)


def test_small_memory_maps_and_tables_are_read_whole(sources_of, monkeypatch):
    monkeypatch.setattr(opening, "_STREAMED_BYTES", 2**30)
    assert source_of(sources_of["memory map"]()) is None
    assert source_of(sources_of["Arrow table"]()) is None


@pytest.mark.parametrize(
    "X",
    [
        *([[1.0]], ((1.0,),), np.ones((2, 2)), pd.DataFrame({"a": [1.0]}), range(3)),
        *({"a": 1}, None, 3.0, np.float64(1), {1, 2}),
    ],
    ids=lambda X: type(X).__name__,
)
def test_what_is_no_source_is_read_whole(X):
    assert source_of(X) is None


@pytest.mark.parametrize(
    "make", [lambda X: iter([X]), lambda X: (X for _ in range(2))], ids=["list", "gen"]
)
def test_an_iterator_is_an_error_that_says_what_to_pass(X, make):
    with pytest.raises(TypeError, match=r"nothing is left after one pass.*__iter__"):
        source_of(make(X))


def test_float32_stays_so_and_other_numbers_become_float64(X, tmp_path):
    narrow = X.astype(np.float32)
    assert source_of(Blocks(narrow)).dtype == np.float32
    assert source_of(Blocks(narrow.astype(int))).dtype == np.float64
    parquet.write_table(table_of(narrow), tmp_path / "f.parquet")
    assert source_of(tmp_path / "f.parquet").dtype == np.float32
    mixed = {"a": narrow[:, 0], "b": np.arange(5000), "c": X[:, 1]}
    parquet.write_table(pa.table(mixed), tmp_path / "m.parquet")
    ((rows, _), *_) = blocks_of(source_of(tmp_path / "m.parquet"))
    np.testing.assert_array_equal(rows, np.stack(list(mixed.values()), 1)[:1024])


def test_numeric_columns_are_chosen_and_weights_are_none_of_them(X, tmp_path):
    folder = write_parts(
        *(tmp_path / "p", X),
        text=["x"] * 5000,
        truth=[True] * 5000,
        w=np.arange(5000.0),
    )
    source = ParquetBlocks(folder, weights="w")
    assert source.names == (*NAMES, "truth")
    assert source.unused == {"text": "string"}
    assert len(source) == 5000
    weights = np.concatenate([weights for _, weights in blocks_of(source)])
    np.testing.assert_array_equal(weights[:3], [0, 1, 2])
    assert len(weights) == 5000
    chosen = ParquetBlocks(folder, columns=["c", "a"])
    ((rows, _), *_) = blocks_of(chosen)
    np.testing.assert_array_equal(rows, X[:1024, [2, 0]])


@pytest.fixture
def counted(tmp_path):
    """The same table in every form: a number, a truth value, a category of numbers."""
    columns = {
        "a": [0.5, 1.5, 2.5, 4.0],
        "truth": [True, False, True, True],
        "size": pd.Categorical([1, 2, 1, 3]),
    }
    frame = pd.DataFrame(columns)
    table = pa.Table.from_pandas(frame)
    folder = tmp_path / "folder"
    folder.mkdir()
    parquet.write_table(table, folder / "part.parquet")
    csv = tmp_path / "table.csv"
    frame.to_csv(csv, index=False)
    return {
        "pandas": lambda: frame,
        "polars": lambda: pl.from_arrow(table.set_column(2, "size", [[1, 2, 1, 3]])),
        "Arrow table": lambda: table,
        "dataset": lambda: dataset.dataset(folder),
        "reader": lambda: pa.RecordBatchReader.from_batches(
            table.schema, table.to_batches()
        ),
        "file": lambda: folder / "part.parquet",
        "folder": lambda: folder,
        "read whole": lambda: open_table(folder / "part.parquet").values,
        "CSV": lambda: open_table(csv).values,
    }


@pytest.mark.parametrize(
    "kind",
    [
        *("pandas", "polars", "Arrow table", "dataset", "reader", "file", "folder"),
        *("read whole", "CSV"),
    ],
)
@pytest.mark.parametrize("streamed", [2**30, 0])
def test_a_column_counts_wherever_it_comes_from(counted, kind, streamed, monkeypatch):
    monkeypatch.setattr(opening, "_STREAMED_BYTES", streamed)
    X = counted[kind]()
    rows = rows_of(X)
    np.testing.assert_array_equal(
        rows, [[0.5, 1, 1], [1.5, 0, 2], [2.5, 1, 1], [4, 1, 3]]
    )


def rows_of(X):
    """The rows of X in one array, wherever they are."""
    source = source_of(X)
    if source is None:
        return check_rows(BaseEstimator(), X, fitting=True)
    return np.concatenate([rows for rows, _ in blocks_of(source)])


def test_columns_that_do_not_count_are_named_where_they_are_left_out(tmp_path):
    for hour in (3, 4):
        folder = tmp_path / "big" / f"hour={hour}"
        folder.mkdir(parents=True)
        table = pa.table({"a": [1.0, 2.0], "name": ["x", "y"]})
        parquet.write_table(table, folder / "part-0.parquet")
    with pytest.warns(UserWarning, match="are left out") as caught:
        rows = rows_of(tmp_path / "big")
    assert [warning.filename for warning in caught] == [__file__]
    said = str(caught[0].message)
    assert f"In {tmp_path / 'big'} these are 'name' (string). " in said
    assert f"In {tmp_path / 'big'} these are 'hour' (hour=3). " in said
    np.testing.assert_array_equal(rows[:, 0], [1, 2, 1, 2])
    with pytest.raises(ValueError, match=r"'hour' in names of folders only \(hour=3\)"):
        ParquetBlocks(tmp_path / "big", columns=["a", "hour"])
    with pytest.raises(ValueError, match="'hour' in names of folders only"):
        source_of(tmp_path / "big", weights="hour")
    # Who chose them knows.
    ParquetBlocks(tmp_path / "big", columns=["a"])
    hours = dataset.dataset(tmp_path / "big", partitioning="hive")
    rows = rows_of(hours.scanner(columns=["a", "hour"]))
    np.testing.assert_array_equal(rows, [[1, 3], [2, 3], [1, 4], [2, 4]])


def test_the_index_of_a_frame_is_no_column_of_its_file(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "name": list("wxyz")})
    folder = tmp_path / "big"
    folder.mkdir()
    frame[frame.a != 2].to_parquet(folder / "part-0.parquet")
    with pytest.warns(UserWarning, match="index of a DataFrame") as caught:
        source = source_of(folder)
    said = str(caught[0].message)
    assert f"left out. In {folder} it is '__index_level_0__'." in said
    assert "these are 'name' (" in said
    assert source.names == ("a",)
    whole = open_table(folder / "part-0.parquet")
    assert whole.names == ("a",)
    assert whole.index == ("__index_level_0__",)
    # It can be asked for.
    asked = open_table(folder, columns=["a", "__index_level_0__"])
    assert asked.index == ()
    (block,) = asked.values.blocks(10)
    np.testing.assert_array_equal(block.values, [[1, 0], [3, 2], [4, 3]])


def test_a_column_of_a_table_in_memory_is_its_weights(X):
    table = table_of(X, w=np.ones(5000))
    for kind in (table, table.to_pandas()):
        rest, weights = without_column(kind, "w")
        np.testing.assert_array_equal(np.asarray(rest), X)
        assert weights.sum() == 5000
    with pytest.raises(ValueError, match=r"no column 'v' of weights.*'a', 'b'"):
        without_column(table, "v")
    with pytest.raises(TypeError, match="X is no table"):
        without_column(X, "w")
    with pytest.raises(TypeError, match=r"pass X.collect\(\)"):
        without_column(pl.from_arrow(table).lazy(), "w")
    with pytest.raises(ValueError, match="no column 'v' of weights"):
        source_of(table, weights="v")


def test_the_temporary_file_of_a_reader_is_gone_with_it(
    sources_of, monkeypatch, tmp_path
):
    made = []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    real = opening.spooled

    def spy(reader):
        batches = real(reader)
        made.extend(tmp_path.glob("fastem-*"))
        return batches

    monkeypatch.setattr(opening, "spooled", spy)
    source = source_of(sources_of["reader"]())
    assert sum(len(rows) for rows, _ in blocks_of(source)) == 5000
    (folder,) = made
    assert folder.is_dir()
    del source
    assert not folder.exists()


def test_a_reader_that_is_read_once_is_not_written(sources_of, monkeypatch):
    monkeypatch.setattr(opening, "spooled", None)
    source = source_of(sources_of["reader"](), is_read_once=True)
    assert sum(len(rows) for rows, _ in blocks_of(source)) == 5000


def read(source):
    for _ in blocks_of(source):
        pass


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_a_bad_value_is_named_by_row_block_and_file(X, tmp_path, bad):
    X[3001, 1] = bad
    folder = write_parts(tmp_path / "parts", X, 4)
    part = folder / "part-2.parquet"
    with pytest.raises(ValueError, match="row 3001 ") as error:
        read(source_of(folder))
    assert f"row 3001 (row 501 of {part}, in block 4), column 'b'" in str(error.value)
    with pytest.raises(ValueError, match="row 3001 ") as error:
        read(source_of(Blocks(X)))
    assert "row 3001 (row 201 of block 4), column 1" in str(error.value)
    with pytest.raises(ValueError, match=r"row 3001 \(row 953 of block 2\), column 1"):
        read(ArrayBlocks(X))


def test_a_null_is_a_missing_value(X, tmp_path):
    values = pa.array([*X[:4000, 0], None, *X[4001:, 0]])
    table = pa.table({"a": values, "b": X[:, 1]})
    parquet.write_table(table, tmp_path / "gap.parquet")
    with pytest.raises(ValueError, match=r"1 NaN in 1 .* row 4000 .*column 'a'"):
        read(source_of(tmp_path / "gap.parquet"))


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_a_bad_weight_is_named_by_row_and_file(X, tmp_path, bad):
    weights = np.ones(5000)
    weights[4000] = bad
    parquet.write_table(table_of(X, w=weights), tmp_path / "w.parquet")
    with pytest.raises(
        ValueError, match=r"sample_weight .* row 4000 \(row 4000 of .*w"
    ):
        read(ParquetBlocks(tmp_path / "w.parquet", weights="w"))


def named(names):
    return lambda block: pd.DataFrame(block, columns=list(names))


@pytest.mark.parametrize(
    ("first", "other", "message"),
    [
        (None, lambda X: X[:, :2], "block 1 of X has 2 columns, but block 0 has 3"),
        (None, lambda X: X.astype(np.float32), "block 1 of X has the type float32"),
        (None, lambda X: X.ravel(), "block 1 of X: Expected 2D array"),
        (named("abc"), named("abd"), "block 1 of X has the columns .*'d'.*, but block"),
        (None, lambda X: np.full(X.shape, "x"), "block 1 of X: X does not hold num"),
    ],
    ids=["columns", "type", "shape", "names", "text"],
)
def test_a_block_unlike_the_first_is_named(X, first, other, message):
    class Unlike:
        def __iter__(self):
            yield first(X) if first else X
            yield other(X)

    with pytest.raises(ValueError, match=message):
        read(source_of(Unlike()))


def test_an_object_without_blocks_says_so():
    with pytest.raises(ValueError, match="X gives no blocks of rows"):
        IterableBlocks(Blocks(np.empty((0, 2))))


def rewrite(folder, part, columns):
    parquet.write_table(pa.table(columns), folder / part)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0], "b": [1.0]}, r"part-1.parquet has no column 'c'"),
        ({"a": [1.0], "b": [1.0], "c": ["x"]}, r"part-1.* do not hold numbers.*'c'"),
        (
            {"a": [1.0], "b": [1.0], "c": np.ones(1, np.float32)},
            r"part-1.parquet: column 'c' holds float, but double in .*part-0.parquet",
        ),
        (
            {"a": [1.0], "b": [1.0], "c": [1.0], "d": [1.0]},
            r"part-1.parquet has numeric columns that .*part-0.* not have: 'd'",
        ),
    ],
    ids=["missing", "text", "type", "more"],
)
def test_a_file_with_other_columns_is_named_before_any_work(
    X, tmp_path, columns, message
):
    folder = write_parts(tmp_path / "parts", X)
    rewrite(folder, "part-1.parquet", columns)
    with pytest.raises(ValueError, match=message):
        source_of(folder)


def test_a_truncated_file_is_named_before_any_work(X, tmp_path):
    folder = write_parts(tmp_path / "parts", X)
    part = folder / "part-2.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"part-2.parquet cannot be read"):
        source_of(folder)


def test_a_file_that_is_damaged_in_the_middle_is_named_with_block_and_row(X, tmp_path):
    folder = write_parts(tmp_path / "parts", X)
    part = folder / "part-1.parquet"
    content = bytearray(part.read_bytes())
    middle = len(content) // 2
    content[middle - 4000 : middle + 4000] = bytes(8000)
    part.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read from row") as error:
        read(source_of(folder))
    assert str(part) in str(error.value)
    assert "(in block 2 of X)" in str(error.value)


def test_a_file_that_changes_between_passes_is_named(X, tmp_path):
    source = source_of(write_parts(tmp_path / "parts", X))
    part = tmp_path / "parts" / "part-1.parquet"
    parquet.write_table(table_of(X[:700]), part)
    with pytest.raises(ValueError, match=r"part-1\.parquet has 700 rows, and had 1667"):
        read(source)
    parquet.write_table(table_of(X[:0]), part)
    with pytest.raises(ValueError, match=r"part-1\.parquet has 0 rows, and had 1667"):
        read(source)


def test_small_files_reserve_no_more_than_their_rows(X, tmp_path):
    source = source_of(write_parts(tmp_path / "parts", X[:300]))
    blocks = list(source.blocks(10**6))
    assert [block.values.base is None for block in blocks] == [True] * 3


@pytest.mark.parametrize("kind", ["file", "dataset", "filtered"])
def test_arrow_holds_a_few_row_groups_and_not_the_file(random, tmp_path, kind):
    path = tmp_path / "large.parquet"
    columns = {name: random.normal(size=3_000_000) for name in NAMES}
    parquet.write_table(pa.table(columns), path, row_group_size=20_000)
    del columns
    large = dataset.dataset(path)
    source = source_of(
        {
            "file": path,
            "dataset": large,
            "filtered": large.filter(dataset.field("a") > -9),
        }[kind]
    )
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in source.blocks(20_000)]
    assert len(held) >= 150
    # Of 72. Of a filtered dataset Arrow was seen to queue up to 33 batches, 16 MB,
    # where the machine is busy.
    assert max(held) < 24e6


def test_a_path_that_is_no_data_says_what_is_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*none\.parquet"):
        source_of(tmp_path / "none.parquet")
    with pytest.raises(FileNotFoundError, match="has no Parquet files"):
        source_of(tmp_path)
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="neither a Parquet file"):
        source_of(str(tmp_path / "data.csv"))


def test_rows_of_a_dataset_can_be_chosen(sources_of, X):
    chosen = sources_of["dataset"]().filter(dataset.field("a") > 0)
    rows = [block for block, _ in blocks_of(source_of(chosen))]
    np.testing.assert_array_equal(np.concatenate(rows), X[X[:, 0] > 0])


def test_columns_of_a_dataset_can_be_chosen(sources_of, X):
    whole = sources_of["dataset"]()
    for chosen in (
        source_of(whole, columns=("c", "a")),
        source_of(whole.scanner(columns=["c", "a"])),
    ):
        assert chosen.names == ("c", "a")
        for _ in range(2):
            rows = [block for block, _ in blocks_of(chosen)]
            np.testing.assert_array_equal(np.concatenate(rows), X[:, [2, 0]])
    positive = whole.filter(dataset.field("b") > 0)
    (rows, weights), *_ = blocks_of(source_of(positive, columns=["a"], weights="b"))
    expected = X[X[:, 1] > 0][:1024]
    np.testing.assert_array_equal(rows, expected[:, :1])
    np.testing.assert_array_equal(weights, expected[:, 1])


def test_data_with_nothing_but_weights_is_named(X):
    with pytest.raises(ValueError, match="no columns but that of weights, 'a'"):
        source_of(table_of(X).select(["a"]), weights="a")


def test_text_in_an_arrow_table_is_named(X):
    with pytest.raises(ValueError, match="does not hold numbers in column 'name'"):
        source_of(table_of(X, name=["x"] * 5000))


def test_arrow_numbers_of_all_kinds_are_read():
    table = pa.table(
        {
            "decimal": pa.array([1, 2], pa.decimal128(5, 2)),
            "truth": [True, False],
            "small": pa.array([1, None], pa.int8()),
        }
    )
    source = ArrowBlocks(table.schema, lambda _: iter(table.to_batches()), None)
    (block,) = source.blocks(1024)
    np.testing.assert_array_equal(block.values, [[1, 1, 1], [2, 0, np.nan]])


def test_the_reader_ends_with_the_blocks_and_when_they_are_left(X):
    read(source_of(Blocks(X)))
    assert reader_threads(0) == 0
    blocks = blocks_of(source_of(Blocks(X)))
    next(blocks)
    assert reader_threads(1) == 1
    blocks.close()
    assert reader_threads(0) == 0


def test_an_error_in_the_reader_comes_out_and_ends_it(X):
    def fail():
        yield X
        raise OSError("the disk is gone")

    items = read_ahead(fail())
    assert next(items) is X
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)
    assert reader_threads(0) == 0


def test_items_are_made_here_if_the_reader_never_begins(monkeypatch):
    monkeypatch.setattr(reading, "_PATIENCE", 0.01)
    monkeypatch.setattr(reading, "start_thread", lambda task: None)
    assert list(read_ahead(n for n in range(5))) == [0, 1, 2, 3, 4]


def test_a_slow_reader_is_waited_for(monkeypatch):
    monkeypatch.setattr(reading, "_PATIENCE", 0.001)

    def items():
        for n in range(5):
            time.sleep(0.02)
            yield n

    assert list(read_ahead(items())) == [0, 1, 2, 3, 4]


def test_the_next_item_is_made_while_this_one_is_used():
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    reading_ahead = read_ahead(items())
    assert next(reading_ahead) == 1
    assert made.wait(60)
    reading_ahead.close()


def test_a_source_is_closed_with_its_reader():
    closed = []

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    reading_ahead = read_ahead(items())
    next(reading_ahead)
    reading_ahead.close()
    assert closed == [True]


def test_blocks_that_are_one_buffer_filled_again_are_not_mixed_up(X):
    class Refilled(Blocks):
        def __iter__(self):
            buffer = np.empty((self.n, 3))
            for start in range(0, len(self.X), self.n):
                buffer[:] = self.X[start : start + self.n]
                yield buffer

    rows = [block for block, _ in blocks_of(source_of(Refilled(X, 1000)))]
    np.testing.assert_array_equal(np.concatenate(rows), X)


def test_blocks_end_with_a_file_or_on_the_grid_and_know_their_file(X, tmp_path):
    folder = write_parts(tmp_path / "parts", X, 2)
    blocks = list(checked_blocks(source_of(folder)))
    assert [(block.file.name, block.row, len(block.values)) for block in blocks] == [
        ("part-0.parquet", 0, 1024),
        ("part-0.parquet", 1024, 1024),
        ("part-0.parquet", 2048, 452),
        ("part-1.parquet", 0, 572),
        ("part-1.parquet", 572, 1024),
        ("part-1.parquet", 1596, 904),
    ]


def test_without_pyarrow_the_error_names_the_extra(X, tmp_path):
    write_parts(tmp_path / "parts", X)
    command = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import numpy as np
from fastem import GaussianMixture

class Blocks:
    def __iter__(self):
        yield np.arange(6.0).reshape(3, 2)

print(GaussianMixture().fit(Blocks()).means_)
try:
    GaussianMixture().fit({str(tmp_path / "parts")!r})
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0] == "[[2. 3.]]"
    assert "pip install 'fastem[io]'" in done.stdout
