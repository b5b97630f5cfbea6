"""What the commands do with a model that is more than a mixture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from fastem.report.application_files import SUFFIXES, write_application
from fastem.sources.data_files import open_data_file
from fastem.sources.delimited import Notation
from fastem.terminal.display import output as console_of_output
from fastem.terminal.options import check_outputs
from fastem.terminal.table_fit import say_written


def refuse(options: dict[str, Any], model: Any, path: Path) -> None:
    """Raise ValueError for an option that is for mixtures alone, if it is given."""
    given = [name for name, value in options.items() if value not in (None, False)]
    if given:
        raise ValueError(
            f"{given[0]} is for a mixture, and {path} holds a {type(model).__name__}, "
            "whose own steps say what becomes of a row"
        )


def answer_table(
    model: Any,
    data: Path,
    output: Path,
    notation: Notation | None,
    log_density: bool,
    keep: Sequence[str],
    overwrite: bool,
) -> None:
    """Write what the model says of the rows of a table."""
    check_outputs(data, overwrite, (output, SUFFIXES, "io"))
    table = open_data_file(data, notation)
    n_rows = write_application(output, model, table, log_density=log_density, keep=keep)
    say_written(f"answers about {n_rows:,} rows", output)


def print_application(model: Any) -> None:
    """What steps a model consists of, and what was said of its fit."""
    console = console_of_output()
    console.print(escape(repr(model)))
    names = getattr(model, "feature_names_in_", ())
    if len(names):
        console.print(f"Columns: {escape(', '.join(names))}")
    for name, value in getattr(model, "about_fit_", {}).items():
        console.print(f"{escape(str(name))}: {escape(str(value))}")
