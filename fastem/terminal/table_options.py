"""The table that a command reads: its arguments and options, and how it is opened."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from fastem.mixture.model_file import ModelFile
from fastem.sources.delimited import Notation
from fastem.sources.tables import AnyTable, open_table
from fastem.terminal.console import say
from fastem.terminal.options import split
from fastem.terminal.table_fit import listed, say_dropped

WAYS_WITH_MISSING = ("error", "drop", "marginalize")


def notation(na_values: str | None, decimal: str | None) -> Notation | None:
    """How values are written, if that was said."""
    if na_values is None and decimal is None:
        return None
    return Notation(tuple(split(na_values) or ()), decimal or ".")


def _decimal_mark(text: str | None) -> str | None:
    if text not in (None, ".", ","):
        raise typer.BadParameter(f"{text!r} is neither '.' nor ','")
    return text


def _way_with_missing(text: str | None) -> str | None:
    if text not in (None, *WAYS_WITH_MISSING):
        raise typer.BadParameter(f"{text!r} is none of {', '.join(WAYS_WITH_MISSING)}")
    return text


def way_with_missing(missing: str | None, drop: bool, fitted: str = "error") -> str:
    """What ``--missing`` and ``--drop-missing`` say; by default as the model has it.

    Raises
    ------
    ValueError
        If they say different things.
    """
    if drop and missing not in (None, "drop"):
        raise ValueError(f"--drop-missing and --missing {missing}: use one of them")
    return "drop" if drop else missing or fitted


class TrainingTable(NamedTuple):
    """The table of a fit, and what ``missing_values`` has to be for it."""

    table: AnyTable
    missing_values: str


def open_for_fit(
    data: Path,
    columns: str | None,
    weights: str | None,
    missing: str | None,
    drop_missing: bool,
    na_values: str | None,
    decimal: str | None,
    labels: str | None = None,
) -> TrainingTable:
    """The table, as the options of a command that fits say."""
    way = way_with_missing(missing, drop_missing)
    table = open_table(
        data,
        columns=split(columns),
        drop_missing=way == "drop",
        keep_missing=way == "marginalize",
        weights=weights,
        labels=labels,
        notation=notation(na_values, decimal),
    )
    return TrainingTable(table, "marginalize" if way == "marginalize" else "error")


def open_for_model(
    path: Path,
    file: ModelFile,
    data: Path,
    columns: str | None,
    missing: str | None,
    drop_missing: bool,
    na_values: str | None,
    decimal: str | None,
    *,
    weights: str | None = None,
    keep: Sequence[str] = (),
    keep_all: bool = False,
) -> AnyTable:
    """The table to ask a model about, which takes gaps as the options say.

    Raises
    ------
    ValueError
        If it does not have the model's columns.
    """
    model = file.model
    way = way_with_missing(missing, drop_missing, model.missing_values)
    keeps = way == "marginalize"
    model.missing_values = "marginalize" if keeps else "error"
    table = open_table(
        data,
        columns=split(columns) or file.columns,
        drop_missing=way == "drop",
        keep_missing=keeps,
        weights=weights,
        notation=notation(na_values, decimal),
        carry=keep,
        carry_unused=keep_all,
    )
    n_columns = model.means_.shape[1]
    if len(table.names) != n_columns:
        needed = f"but {path} needs {n_columns}"
        if columns is not None and file.columns:
            needed += f": {listed(file.columns)}"
        raise ValueError(
            f"{data} has {len(table.names)} numeric columns, {needed} and has no "
            "names to choose by: name them with --columns"
            if columns is None
            else f"--columns names {len(table.names)}, {needed}"
        )
    ignored = [name for name in table.unused if name not in keep]
    if ignored and not keep_all:
        say(f"Ignored, not in the model: {listed(ignored)}.")
    say_dropped(table)
    return table


Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="CSV, TSV, Parquet, Arrow (.arrow, .feather) or NPY file, a folder of "
        "Parquet files, or - for CSV on standard input. Folders and large Parquet "
        "files are read block by block.",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,C", help="Columns to use.", show_default="all numeric ones"
    ),
]
ModelColumns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="A,B,C",
        help="Columns of the data to use, in the order of the model's.",
        show_default="those of the model",
    ),
]
Weights = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column of row weights.")
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column that says of some rows which component they belong to: its "
        "number, from 0 on (with --noise, -2 for none), or names, which are "
        "numbered by the alphabet. Empty, or -1, is not known.",
    ),
]
DropMissing = Annotated[
    bool, typer.Option("--drop-missing", help="The same as --missing drop.")
]
Missing = Annotated[
    str | None,
    typer.Option(
        callback=_way_with_missing,
        metavar="error|drop|marginalize",
        help="What to do with rows with missing values: end with an error, leave them "
        "out, or use the values that they have.",
        show_default="error, or what the model was fitted with",
    ),
]
NaValues = Annotated[
    str | None,
    typer.Option(
        "--na-values",
        metavar="A,B,C",
        help="What stands for a missing value in a CSV file, beside an empty one, NA, "
        "null, NaN and the like. Such as '?'.",
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option(
        callback=_decimal_mark,
        metavar=".|,",
        help="The decimal mark of a CSV file.",
        show_default=".",
    ),
]
