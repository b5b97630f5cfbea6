"""The commands: fit, predict, info."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

import fastem
from fastem.em.ridge import RELATIVE
from fastem.mixture import GaussianMixture
from fastem.mixture.model_file import read_model_file, save_model
from fastem.report import memberships, pictures
from fastem.report.memberships import measure_certainty, write_memberships
from fastem.report.pictures import draw_clusters
from fastem.sources.delimited import Notation
from fastem.sources.tables import open_table
from fastem.storage import writing
from fastem.terminal import display
from fastem.terminal.console import plain_messages, say
from fastem.terminal.table_fit import fit_table, say_dropped, say_used, say_written

app = typer.Typer(
    help="Gaussian mixture models: soft clusters in the rows of a table.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _one_of(parameter: str) -> dict[str, Any]:
    """Choices that the estimator declares for a parameter."""
    choices = sorted(GaussianMixture._parameter_constraints[parameter][0].options)

    def check(value: str) -> str:
        if value not in choices:
            raise typer.BadParameter(f"{value!r} is none of {', '.join(choices)}")
        return value

    return {"callback": check, "metavar": "|".join(choices)}


def _number_or_relative(text: str) -> str:
    """Check the text of a number that is not negative, or 'relative'."""
    try:
        is_right = text == RELATIVE or 0 <= float(text) < math.inf
    except ValueError:
        is_right = False
    if not is_right:
        raise typer.BadParameter(
            f"{text!r} is neither a number, 0 or more, nor {RELATIVE!r}"
        )
    return text


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",")]


def _decimal_mark(text: str | None) -> str | None:
    if text not in (None, ".", ","):
        raise typer.BadParameter(f"{text!r} is neither '.' nor ','")
    return text


def _notation(na_values: str | None, decimal: str | None) -> Notation | None:
    if na_values is None and decimal is None:
        return None
    return Notation(tuple(_split(na_values) or ()), decimal or ".")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fastem {fastem.__version__}")
        raise typer.Exit


Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="CSV, TSV, Parquet or NPY file, or a folder of Parquet files. Folders and "
        "large Parquet files are read block by block.",
    ),
]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="JSON file of fit.")]
DropMissing = Annotated[
    bool, typer.Option("--drop-missing", help="Leave out rows with missing values.")
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
Threads = Annotated[
    int | None, typer.Option(min=1, help="Most threads to use.", show_default="all")
]


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def fit(
    data: Data,
    components: Annotated[
        int, typer.Option("-k", "--components", min=1, help="Number of components.")
    ],
    covariance: Annotated[
        str, typer.Option(help="Form of the covariances.", **_one_of("covariance_type"))
    ] = "full",
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C", help="Columns to use.", show_default="all numeric ones"
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of row weights.")
    ] = None,
    standardize: Annotated[
        bool,
        typer.Option(
            "--standardize",
            help="Fit on columns scaled to mean 0 and standard deviation 1; the model "
            "is saved in the units of the data.",
        ),
    ] = False,
    drop_missing: DropMissing = False,
    na_values: NaValues = None,
    decimal: Decimal = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Save the model (.json).")
    ] = None,
    assign: Annotated[
        Path | None,
        typer.Option(help="Save the memberships (.parquet, .csv, or a new folder)."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--plot", help="Draw the clusters (.png).")
    ] = None,
    max_iter: Annotated[int, typer.Option(min=1, help="Most iterations.")] = 100,
    tol: Annotated[
        float,
        typer.Option(min=0, help="Stop when what --stopping names is less than this."),
    ] = 1e-3,
    stopping: Annotated[
        str,
        typer.Option(
            help="Stop by the change of the mean log-likelihood in an iteration, or by "
            "what is left to gain in total (then raise --max-iter).",
            **_one_of("stopping"),
        ),
    ] = "change",
    accelerate: Annotated[
        bool,
        typer.Option(
            "--accelerate", help="Take longer steps than EM's: fewer iterations."
        ),
    ] = False,
    reg_covar: Annotated[
        str,
        typer.Option(
            callback=_number_or_relative,
            metavar="FLOAT|relative",
            help="Added to every variance, in squared units of the data (with "
            "--standardize, of standard deviations); or a millionth of the column's "
            "own variance.",
        ),
    ] = "1e-6",
    on_collapse: Annotated[
        str,
        typer.Option(
            help="What to do with a component whose rows do not spread in all columns "
            "any more: end with an error, leave it out, or put it elsewhere.",
            **_one_of("on_collapse"),
        ),
    ] = "raise",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the start.")] = 0,
    n_init: Annotated[
        int, typer.Option(min=1, help="Number of starts; the best is kept.")
    ] = 1,
    init: Annotated[
        str, typer.Option(help="How to start.", **_one_of("init_params"))
    ] = "kmeans",
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Keep the state of the fit in this file (.json), about once a second: "
            "if it is killed, the same command goes on from there."
        ),
    ] = None,
    threads: Threads = None,
) -> None:
    """Fit a mixture to the rows of a table."""
    with plain_messages():
        for path, suffixes, extra in (
            (output, (".json",), None),
            (checkpoint, (".json",), None),
            (assign, memberships.SUFFIXES, "io"),
            (picture, pictures.SUFFIXES, "plot"),
        ):
            if path is not None:
                writing.check_writable(path, suffixes, data, extra)
        table = open_table(
            data,
            columns=_split(columns),
            drop_missing=drop_missing,
            weights=weights,
            notation=_notation(na_values, decimal),
        )
        say_used(table, all_numeric=columns is None)
        model = GaussianMixture(
            components,
            covariance_type=covariance,
            tol=tol,
            reg_covar=reg_covar if reg_covar == RELATIVE else float(reg_covar),
            max_iter=max_iter,
            stopping=stopping,
            accelerate=accelerate,
            on_collapse=on_collapse,
            n_init=n_init,
            init_params=init,
            random_state=seed,
            n_threads=threads,
        )
        model = fit_table(model, table, standardize=standardize, checkpoint=checkpoint)
        # Files first: whoever reads the table may close the pipe (fastem fit | head).
        if output is not None:
            about = {"n_rows": table.n_rows, "standardized": standardize}
            save_model(model, output, columns=table.names, about_fit=about)
            say_written("model", output)
        certainty = None
        if assign is not None:
            certainty = write_memberships(assign, model, table.values, table.kept)
            say_written("memberships", assign)
        if picture is not None:
            draw_clusters(model, table.values, picture, table.names)
            say_written("picture", picture)
        if certainty is None:
            certainty = measure_certainty(model, table.values)
        display.print_components(model, table.names, certainty)
        display.print_certainty(certainty)


@app.command()
def predict(
    model: ModelPath,
    data: Data,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Memberships to write: .parquet, .csv, or a new folder, with a file "
            "for each file of the data.",
        ),
    ],
    drop_missing: DropMissing = False,
    na_values: NaValues = None,
    decimal: Decimal = None,
    threads: Threads = None,
) -> None:
    """Say which component each row belongs to, and how surely."""
    with plain_messages():
        writing.check_writable(output, memberships.SUFFIXES, data, "io")
        file = read_model_file(model)
        file.model.n_threads = threads
        table = open_table(
            data,
            columns=file.columns,
            drop_missing=drop_missing,
            notation=_notation(na_values, decimal),
        )
        n_columns = file.model.means_.shape[1]
        if len(table.names) != n_columns:
            raise ValueError(
                f"{data} has {len(table.names)} numeric columns, but {model} needs "
                f"{n_columns} and has no names to choose by"
            )
        if table.unused:
            say(f"Ignored, not in the model: {', '.join(table.unused)}.")
        say_dropped(table)
        certainty = write_memberships(output, file.model, table.values, table.kept)
        say_written("memberships", output)
        display.print_certainty(certainty)


@app.command()
def info(model: ModelPath) -> None:
    """Show the components of a model."""
    with plain_messages():
        file = read_model_file(model)
        n_components, n_columns = file.model.means_.shape
        columns = file.columns or tuple(f"x{j}" for j in range(n_columns))
        console = display.output()
        console.print(
            f"{n_components} components, covariance {file.model.covariance_type}, "
            f"{n_columns} columns: {escape(', '.join(columns))}"
        )
        facts = [
            f"{name} {display.number(value) if type(value) is float else value}"
            for name, value in file.fit.items()
            if value is not None
        ]
        console.print(
            f"Fit by fastem {file.fastem_version}: {escape(', '.join(facts))}"
        )
        display.print_components(file.model, columns)
        display.print_means(file.model, columns)
