"""The command report: what a colleague wants to know of clusters, on one page."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastem.mixture.model_file import ModelFile
from fastem.report.columns_beside import ColumnsOfFile
from fastem.report.reported_tables import table_of_rows
from fastem.report.reporting import Report, report, report_on
from fastem.report.subjects import subject_of
from fastem.report.web_page import SUFFIXES
from fastem.report.wording import counted
from fastem.sources.data_files import DataFile, open_data_file
from fastem.sources.parquet import ParquetBlocks
from fastem.terminal import display
from fastem.terminal.applications import refuse
from fastem.terminal.console import plain_messages
from fastem.terminal.model_path import open_any_model
from fastem.terminal.options import ModelPath, Overwrite, Threads, check_outputs
from fastem.terminal.table_fit import say_written
from fastem.terminal.table_options import (
    Data,
    Decimal,
    DropMissing,
    Missing,
    ModelColumns,
    NaValues,
    Weights,
    notation,
    open_for_model,
)


def report_command(
    model: ModelPath,
    data: Data,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page to write (.html).")
    ],
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of known groups to compare clusters with."
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that says what became of each row: its shares, or its mean, "
            "are told for each cluster, with intervals.",
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Title of the page.", show_default="a count")
    ] = None,
    columns: ModelColumns = None,
    weights: Weights = None,
    missing: Missing = None,
    drop_missing: DropMissing = False,
    na_values: NaValues = None,
    decimal: Decimal = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
) -> None:
    """Describe clusters on a page for a colleague, in words, tables and pictures."""
    with plain_messages():
        file = open_any_model(model, data)
        check_outputs(data, overwrite, (output, SUFFIXES, "report"))
        asked = {"labels": labels, "outcome": outcome, "title": title}
        if isinstance(file, ModelFile):
            file.model.n_threads = threads
            options = columns, missing, drop_missing, na_values, decimal
            told = _of_mixture(model, file, data, options, weights, asked)
        else:
            of_mixtures = {
                "--columns": columns,
                "--missing": missing,
                "--drop-missing": drop_missing,
                "--threads": threads,
            }
            refuse(of_mixtures, file, model)
            table = open_data_file(data, notation(na_values, decimal))
            told = report(file, _frame_of(table), sample_weight=weights, **asked)
        told.to_html(output)
        say_written("report", output)
        display.output().print(str(told), markup=False, soft_wrap=True)


def _of_mixture(
    path: Path,
    file: ModelFile,
    data: Path,
    options: tuple[Any, ...],
    weights: str | None,
    asked: dict[str, str | None],
) -> Report:
    table = open_for_model(path, file, data, *options, weights=weights, keep_all=True)
    values = table.values
    kept = values.kept() if isinstance(values, ParquetBlocks) else table.kept
    notes = []
    if table.n_dropped:
        rows = counted(table.n_dropped, "row")
        notes.append(f"Left out: {rows} with missing values.")
    subject = subject_of(file.model)
    reported = table_of_rows(
        subject,
        values,
        file.columns or table.names,
        table.weights,
        ColumnsOfFile(table.carried, kept),
    )
    return report_on(subject, reported, notes=notes, **asked)


def _frame_of(table: DataFile) -> Any:
    """All columns of a file, as a DataFrame, which steps before a mixture take."""
    import pyarrow as pa

    try:
        return pa.Table.from_batches(table.batches(list(table.kinds))).to_pandas()
    except ImportError as error:
        raise ImportError(
            "steps before a mixture take a DataFrame: pip install pandas"
        ) from error
