"""The commands: fit, select, predict, info, report."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

import fastem
from fastem.decisions.files import save_model
from fastem.em.ridge import RELATIVE
from fastem.mixture import GaussianMixture, StudentMixture
from fastem.mixture.model_file import ModelFile
from fastem.mixture.online import AUTO
from fastem.report import memberships, pictures
from fastem.report.criteria import Criteria, measure_criteria
from fastem.report.membership_files import Wanted
from fastem.report.memberships import measure_certainty, write_memberships
from fastem.report.pictures import draw_clusters
from fastem.report.summary import summary
from fastem.report.wording import number
from fastem.terminal import display
from fastem.terminal.applications import answer_table, print_application, refuse
from fastem.terminal.console import plain_messages
from fastem.terminal.model_path import open_any_model
from fastem.terminal.options import (
    ModelPath,
    Overwrite,
    Threads,
    check_outputs,
    example,
    number_of_components,
    number_of_starts,
    number_or_relative,
    one_of,
    order_of_components,
    split,
)
from fastem.terminal.reporting import report_command
from fastem.terminal.selection import select
from fastem.terminal.table_fit import (
    fit_table,
    say_labels,
    say_used,
    say_written,
)
from fastem.terminal.table_options import (
    Columns,
    Data,
    Decimal,
    DropMissing,
    Labels,
    Missing,
    ModelColumns,
    NaValues,
    Weights,
    notation,
    open_for_fit,
    open_for_model,
)

app = typer.Typer(
    help="Gaussian mixture models: soft clusters in the rows of a table.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fastem {fastem.__version__}")
        raise typer.Exit


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


@app.command(
    epilog=example(
        "fastem fit cars.csv -k 3 --standardize --output model.json",
        "fastem fit cars.csv -k 4 --columns speed,load --plot clusters.png",
        "gunzip -c cars.csv.gz | fastem fit - -k 3",
    )
)
def fit(
    data: Data,
    components: Annotated[
        str | None,
        typer.Option(
            *("-k", "--components", "--n-components"),
            metavar="K",
            help="Number of components. fastem select chooses it.",
            show_default=False,
        ),
    ] = None,
    covariance: Annotated[
        str,
        typer.Option(
            *("--covariance", "--covariance-type"),
            help="Form of the covariances.",
            **one_of("covariance_type"),
        ),
    ] = "full",
    noise: Annotated[
        bool,
        typer.Option(
            "--noise",
            help="Also estimate a uniform background, for rows that belong to no "
            "component: they get the number -1.",
        ),
    ] = False,
    student: Annotated[
        bool,
        typer.Option(
            "--student",
            help="Fit components with the tails of Student's t, as long as the rows "
            "say: rows far away move them little.",
        ),
    ] = False,
    columns: Columns = None,
    weights: Weights = None,
    labels: Labels = None,
    standardize: Annotated[
        bool,
        typer.Option(
            "--standardize",
            help="Fit on columns scaled to mean 0 and standard deviation 1; the model "
            "is saved in the units of the data.",
        ),
    ] = False,
    missing: Missing = None,
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
            **one_of("stopping"),
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
            callback=number_or_relative,
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
            **one_of("on_collapse"),
        ),
    ] = "raise",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the start.")] = 0,
    n_init: Annotated[
        str,
        typer.Option(
            metavar="INTEGER|auto",
            callback=number_of_starts,
            help="Number of starts; the best is kept. 'auto' judges many of them.",
        ),
    ] = "1",
    init: Annotated[
        str, typer.Option(help="How to start.", **one_of("init_params"))
    ] = "kmeans",
    outlier_share: Annotated[
        float,
        typer.Option(
            min=0,
            help="For --init trimmed: the largest share of the rows that may be "
            "outliers, less than 0.5. The start is judged without so many.",
        ),
    ] = 0.05,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="weight|mean|COLUMN",
            help="Number the components by weight, the largest first, or by their "
            "means in the columns or in one column, the smallest first.",
            show_default="as the start has them",
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Keep the state of the fit in this file (.json), about once a second: "
            "if it is killed, the same command goes on from there."
        ),
    ] = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
) -> None:
    """Fit a mixture to the rows of a table."""
    with plain_messages():
        check_outputs(
            data,
            overwrite,
            (output, (".json",), None),
            (assign, memberships.SUFFIXES, "io"),
            (picture, pictures.SUFFIXES, "plot"),
        )
        check_outputs(data, True, (checkpoint, (".json",), None))
        n_components = number_of_components(components, data)
        table, missing_values = open_for_fit(
            *(data, columns, weights, missing, drop_missing, na_values, decimal),
            labels,
        )
        say_used(table, all_numeric=columns is None)
        if labels is not None:
            say_labels(table, labels, n_components)
        order = order_of_components(sort, table.names)
        kind = StudentMixture if student else GaussianMixture
        model = kind(
            n_components,
            covariance_type=covariance,
            missing_values=missing_values,
            noise=noise,
            tol=tol,
            reg_covar=reg_covar if reg_covar == RELATIVE else float(reg_covar),
            max_iter=max_iter,
            stopping=stopping,
            accelerate=accelerate,
            on_collapse=on_collapse,
            n_init=n_init if n_init == AUTO else int(n_init),
            init_params=init,
            outlier_share=outlier_share,
            random_state=seed,
            n_threads=threads,
        )
        model = fit_table(model, table, standardize=standardize, checkpoint=checkpoint)
        criteria = measure_criteria(model, table.values, table.weights)
        if order is not None:
            model.sort_components(order)
        # Files first: whoever reads the table may close the pipe (fastem fit | head).
        if output is not None:
            about = {
                "n_rows": table.n_rows,
                "standardized": standardize,
                "bic": criteria.bic,
                "aic": criteria.aic,
            }
            save_model(model, output, columns=table.names, about_fit=about)
            say_written("model", output)
        certainty = None
        if assign is not None:
            written = write_memberships(assign, model, table.values, table.kept)
            certainty = written.certainty
            say_written("memberships", assign)
        if picture is not None:
            draw_clusters(model, table.values, picture, table.names)
            say_written("picture", picture)
        if certainty is None:
            certainty = measure_certainty(model, table.values)
        display.print_components(model, table.names, certainty)
        display.print_certainty(certainty)
        display.print_criteria(criteria)


app.command(
    epilog=example(
        "fastem select cars.csv -k 1-6 --output best.json",
        "fastem select cars.csv -k 2,4,8 --covariance full,diag --criterion icl",
        "fastem select cars.csv -k 1-12 --plot choice.png",
    )
)(select)


@app.command(
    epilog=example(
        "fastem predict model.json cars.csv --output memberships.parquet",
        "fastem predict model.json cars.csv --keep name --log-density -o densities.csv",
        "fastem predict model.json cars.csv --outliers-below -12.5 -o outliers.csv",
    )
)
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
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C",
            help="Columns of the data to write beside the memberships, such as names.",
        ),
    ] = None,
    log_density: Annotated[
        bool,
        typer.Option(
            "--log-density",
            help="Write the logarithm of the mixture's density at each row, too: the "
            "lower, the more of an outlier.",
        ),
    ] = False,
    outliers_below: Annotated[
        float | None,
        typer.Option(
            metavar="LOG_DENSITY",
            help="Write a column outlier, too: whether the logarithm of the density is "
            "below this number. Choose it by what --log-density writes of rows that "
            "are known to be good, other than those of the fit.",
        ),
    ] = None,
    columns: ModelColumns = None,
    picture: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw these rows and the clusters (.png)."),
    ] = None,
    missing: Missing = None,
    drop_missing: DropMissing = False,
    na_values: NaValues = None,
    decimal: Decimal = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
) -> None:
    """Say which component each row belongs to, and how surely."""
    with plain_messages():
        file = open_any_model(model, data)
        if not isinstance(file, ModelFile):
            of_mixtures = {
                "--outliers-below": outliers_below,
                "--columns": columns,
                "--plot": picture,
                "--missing": missing,
                "--drop-missing": drop_missing,
                "--threads": threads,
            }
            refuse(of_mixtures, file, model)
            answer_table(
                *(file, data, output, notation(na_values, decimal)),
                *(log_density, split(keep) or (), overwrite),
            )
            return
        check_outputs(
            data,
            overwrite,
            (output, memberships.SUFFIXES, "io"),
            (picture, pictures.SUFFIXES, "plot"),
        )
        file.model.n_threads = threads
        table = open_for_model(
            *(model, file, data, columns, missing, drop_missing, na_values, decimal),
            keep=split(keep) or (),
        )
        written = write_memberships(
            *(output, file.model, table.values, table.kept),
            wanted=Wanted(log_density, outliers_below),
            carried=table.carried,
        )
        say_written("memberships", output)
        if picture is not None:
            shown = file.columns or table.names
            draw_clusters(file.model, table.values, picture, shown)
            say_written("picture", picture)
        display.print_certainty(written.certainty)
        if outliers_below is not None:
            display.print_outliers(written, outliers_below)


@app.command(
    epilog=example("fastem info model.json", "fastem info model.json cars.csv")
)
def info(
    model: ModelPath,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="Rows to describe by the model, in what predict reads.",
            show_default="the model alone",
        ),
    ] = None,
    columns: ModelColumns = None,
    weights: Weights = None,
    missing: Missing = None,
    drop_missing: DropMissing = False,
    na_values: NaValues = None,
    decimal: Decimal = None,
    threads: Threads = None,
) -> None:
    """Describe a model on a page, and the rows of a table by it."""
    with plain_messages():
        file = open_any_model(model, data)
        if not isinstance(file, ModelFile):
            refuse({"DATA": data}, file, model)
            print_application(file)
            return
        file.model.n_threads = threads
        n_columns = file.model.means_.shape[1]
        names = file.columns or tuple(f"x{j}" for j in range(n_columns))
        values = of_rows = None
        if data is not None:
            table = open_for_model(
                *(
                    model,
                    file,
                    data,
                    columns,
                    missing,
                    drop_missing,
                    na_values,
                    decimal,
                ),
                weights=weights,
            )
            values, of_rows = table.values, table.weights
            names = file.columns or table.names
        told = summary(file.model, values, of_rows, feature_names=names)
        display.print_summary(told)
        display.print_means(file.model, names)
        facts = [
            f"{name} {number(value) if type(value) is float else value}"
            for name, value in file.fit.items()
            if value is not None and name not in ("bic", "aic")
        ]
        display.output().print(
            f"Fit by fastem {file.fastem_version}: {escape(', '.join(facts))}"
        )
        # Files of older versions have none, nor those that Python has saved.
        bic, aic = file.fit.get("bic"), file.fit.get("aic")
        if isinstance(bic, float) and isinstance(aic, float):
            display.print_criteria(Criteria(bic, aic))


app.command(
    "report",
    epilog=example(
        "fastem report model.json cars.csv --output clusters.html",
        "fastem report model.json cars.csv -o clusters.html --outcome stolen",
    ),
)(report_command)
