"""The command select: the best of several mixtures for the rows of a table."""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from fastem.choice.criteria import CRITERIA
from fastem.choice.selector import GaussianMixtureSelector, usual_estimator
from fastem.decisions.files import save_model
from fastem.report import choice_pictures, pictures
from fastem.report.criteria import measure_criteria
from fastem.report.memberships import measure_certainty
from fastem.runtime import compiling
from fastem.sources.blocks import Source
from fastem.sources.tables import AnyTable
from fastem.terminal import display
from fastem.terminal.console import SelectionProgressLine, plain_messages, say
from fastem.terminal.options import (
    Overwrite,
    Threads,
    check_numbers_of_components,
    check_outputs,
    check_structures,
    numbers_of_components,
    one_of_texts,
    structures,
)
from fastem.terminal.table_fit import say_labels, say_used, say_written
from fastem.terminal.table_options import (
    Columns,
    Data,
    Decimal,
    DropMissing,
    Labels,
    Missing,
    NaValues,
    Weights,
    open_for_fit,
)


def select(
    data: Data,
    components: Annotated[
        str,
        typer.Option(
            *("-k", "--components", "--n-components"),
            callback=check_numbers_of_components,
            metavar="FIRST-LAST|A,B,C",
            help="Numbers of components to choose from.",
        ),
    ] = "1-10",
    covariance: Annotated[
        str,
        typer.Option(
            *("--covariance", "--covariance-types"),
            callback=check_structures,
            metavar="all|A,B,C",
            help="Forms of the covariances to choose from; all are fourteen.",
        ),
    ] = "all",
    criterion: Annotated[
        str,
        typer.Option(
            help="Choose by the least of this: bic for the density, icl for clusters "
            "that do not overlap, held_out for rows that are not there yet.",
            **one_of_texts(CRITERIA),
        ),
    ] = "bic",
    columns: Columns = None,
    weights: Weights = None,
    labels: Labels = None,
    missing: Missing = None,
    drop_missing: DropMissing = False,
    na_values: NaValues = None,
    decimal: Decimal = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Save the best model (.json)."),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw the criterion of each candidate (.png)."),
    ] = None,
    noise: Annotated[
        bool,
        typer.Option("--noise", help="Rows may belong to no component."),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    overwrite: Overwrite = False,
    threads: Threads = None,
    jobs: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes that share the forms among them, for long searches: each "
            "starts in some seconds.",
        ),
    ] = 1,
) -> None:
    """Choose the form of the covariances and the number of components."""
    with plain_messages():
        check_outputs(
            data,
            overwrite,
            (output, (".json",), None),
            (picture, pictures.SUFFIXES, "plot"),
        )
        table, missing_values = open_for_fit(
            *(data, columns, weights, missing, drop_missing, na_values, decimal),
            labels,
        )
        say_used(table, all_numeric=columns is None)
        if labels is not None:
            say_labels(table, labels, max(numbers_of_components(components)))
        selector = GaussianMixtureSelector(
            numbers_of_components(components),
            structures(covariance),
            criterion=criterion,
            estimator=usual_estimator().set_params(missing_values=missing_values),
            noise=noise,
            random_state=seed,
            n_threads=threads,
            n_jobs=jobs,
        )
        _fit(selector, table)
        model = selector.best_estimator_
        criteria = measure_criteria(model, table.values, table.weights)
        if output is not None:
            about: dict[str, str | float | bool | None] = {
                "n_rows": table.n_rows,
                "chosen_by": criterion,
                "candidates": len(selector.results_),
                "bic": criteria.bic,
                "aic": criteria.aic,
            }
            save_model(model, output, columns=table.names, about_fit=about)
            say_written("model", output)
        if picture is not None:
            choice_pictures.draw_selection(selector.results_, picture)
            say_written("picture", picture)
        certainty = measure_certainty(model, table.values)
        display.print_selection(selector.results_)
        display.print_components(model, table.names, certainty)
        display.print_certainty(certainty)
        display.print_criteria(criteria)


def _fit(selector: GaussianMixtureSelector, table: AnyTable) -> None:
    """Choose with progress; what is said of columns names them."""
    began = compiling.clock()
    progress = SelectionProgressLine()
    values = table.values
    if not isinstance(values, Source):
        values = pa.table(dict(zip(table.names, values.T, strict=True)))
    with progress, compiling.heard_by(progress):
        selector.fit(
            values,
            sample_weight=table.weights,
            labels=None if table.labels is None else table.labels.values,
            callback=progress.follow,
        )
    if not isinstance(table.values, Source):  # rows of the table come without names
        del selector.best_estimator_.feature_names_in_
    say(f"Chosen in {compiling.clock() - began:.1f} s.")
