"""The fit of a table as it is told to people: for the command fit, and for the demo."""

import shlex
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fastem.covariances import named_columns
from fastem.mixture import GaussianMixture
from fastem.report.scaling import fit_standardized
from fastem.runtime import compiling
from fastem.sources.row_numbers import row_numbers
from fastem.sources.tables import AnyTable
from fastem.terminal.console import FitProgress, naming_columns, say

# Of labels, in an error.
_MOST_NAMES = 8


def fit_table(
    model: GaussianMixture,
    table: AnyTable,
    *,
    standardize: bool,
    checkpoint: Path | None = None,
) -> GaussianMixture:
    """Fit with progress; the result is in the units of the table."""
    began = time.perf_counter()
    fitting = fit_standardized if standardize else type(model).fit
    progress = FitProgress(model.max_iter, _n_starts(model), standardized=standardize)
    with naming_columns(table.names), progress, compiling.heard_by(progress):
        try:
            fitted = fitting(
                *(model, table.values),
                sample_weight=table.weights,
                labels=None if table.labels is None else table.labels.values,
                callback=progress,
                checkpoint=checkpoint,
            )
        except KeyboardInterrupt:
            if checkpoint is not None and checkpoint.exists():
                say(f"The same command goes on from {checkpoint}.")
            raise
    seconds = time.perf_counter() - began - progress.compiling
    lasted = f"{seconds:.1f} s"
    if progress.compiling:
        lasted += f", and {progress.compiling:.1f} s of compiling"
    outcome = "converged after" if fitted.converged_ else "stopped after"
    say(
        f"Fitted in {lasted}: {outcome} {fitted.n_iter_} iterations, mean "
        f"log-likelihood {fitted.lower_bound_:.6f}"
        f"{' in the units of the data' if standardize else ''}; "
        f"{fitted.convergence_}."
    )
    for collapse in fitted.collapses_:
        say(
            f"After iteration {collapse.iteration}, {collapse.degeneracy.whose} was "
            f"{collapse.action}: its rows did not spread in "
            f"{named_columns(collapse.degeneracy.columns, table.names)}."
            if collapse.degeneracy.columns
            else f"After iteration {collapse.iteration}, {collapse.degeneracy.whose} "
            f"was {collapse.action}."
        )
    if fitted.covariance_type != model.covariance_type:
        say(
            f"In the units of the data, covariances that are {model.covariance_type} "
            f"in standardised columns are {fitted.covariance_type}: the model is saved "
            "as such."
        )
    return fitted


def say_used(table: AnyTable, *, all_numeric: bool) -> None:
    """Name the columns that are left out, and count the rows."""
    no_numbers = [name for name in table.unused if name not in table.index]
    if all_numeric and no_numbers:
        left_out = ", ".join(f"{name} ({table.unused[name]})" for name in no_numbers)
        say(f"Left out, not numeric: {left_out}.")
    if all_numeric and table.index:
        say(f"Left out, the index of a DataFrame: {listed(table.index)}.")
    if all_numeric and table.keys:
        left_out = ", ".join(f"{key} ({name})" for key, name in table.keys.items())
        say(f"Left out, in names of folders only: {left_out}.")
    say_dropped(table)
    if all_numeric:
        _warn_of_row_numbers(table)
    shape = f"{table.n_rows:,} rows x {len(table.names)} columns"
    say(f"Using {shape}: {listed(table.names)}.")


def _warn_of_row_numbers(table: AnyTable) -> None:
    numbers = row_numbers(table)
    others = ",".join(name for name in table.names if name not in numbers)
    remedy = f" Leave it out: --columns {shlex.quote(others)}." if others else ""
    for name in numbers:
        say(
            f"Warning: column {name!r} seems to number the rows, so that clusters "
            f"depend on where a row stands.{remedy}"
        )


def listed(names: Iterable[str]) -> str:
    """The names as they are; one that is empty is to be seen."""
    return ", ".join(name or "''" for name in names)


def say_labels(table: AnyTable, name: str, n_components: int) -> None:
    """Say of how many rows the component is known, and what names are numbered as.

    Raises
    ------
    ValueError
        If there are more names than components.
    """
    assert table.labels is not None
    names, values = table.labels.names, table.labels.values
    if len(names) > n_components:
        raise ValueError(
            f"--labels: column {name!r} has {len(names):,} names "
            f"({listed(names[:_MOST_NAMES])}{', ...' * (len(names) > _MOST_NAMES)}), "
            f"but there are {n_components} components: raise -k"
        )
    n_known = int(np.count_nonzero(values >= 0))
    known = f"Known: the components of {n_known:,} of {len(values):,} rows"
    numbered = ", ".join(f"{label} is {i}" for i, label in enumerate(names))
    say(f"{known}{f' ({numbered})' if names else ''}.")


def say_dropped(table: AnyTable) -> None:
    """Count the rows that are left out."""
    if table.n_dropped:
        rows = "row" if table.n_dropped == 1 else "rows"
        say(f"Left out: {table.n_dropped:,} {rows} with missing values.")


def say_written(what: str, path: Path) -> None:
    """Tell where a file is."""
    say(f"Wrote {what}: {path}")


def _n_starts(model: GaussianMixture) -> int:
    return 1 if isinstance(model.n_init, str) else model.n_init
