"""How often fits find the best optimum that is known, by their number of starts."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.labelled import LabelledTable, load_labelled
from benchmarks.packages import UnavailableError
from benchmarks.problems import Rows
from benchmarks.reporting import measured_by, progress
from benchmarks.table import rows_of_cells
from fastem import GaussianMixture, RegularizationWarning, kernels
from fastem.covariances import SingularCovarianceError

AUTO = "auto"
_NUMBERS = (1, 10, 20)
# For each repeat, fits from one start, of which ten or twenty are a fit of as many; and
# fits from starts that short runs judge.
_STARTS, _FITS = 20, 3
_REPEATS = 2
_TYPES = ("full", "tied", "diag")
_MORE = (0, 2)  # components beside as many as there are groups
_SAME = 0.05  # nats, of all rows


@dataclass(frozen=True)
class Outcome:
    """What came of a fit.

    Attributes
    ----------
    reached : float
        Its log-likelihood; -inf if a component collapsed, or only the ridge holds one
        up.
    passes : float
        How often it has walked over the rows.
    """

    reached: float
    passes: float


def best_of(outcomes: Sequence[Outcome]) -> Outcome:
    """What would have come of one fit from all these starts."""
    return Outcome(
        max(outcome.reached for outcome in outcomes),
        sum(outcome.passes for outcome in outcomes),
    )


@contextmanager
def _walked() -> Iterator[list[int]]:
    """The numbers of rows that passes of EM walk over."""
    real, rows = kernels.expectation_pass, []

    def noted(X: Rows, *arguments: Any, **options: Any) -> Any:
        rows.append(len(X))
        return real(X, *arguments, **options)

    kernels.expectation_pass = noted
    try:
        yield rows
    finally:
        kernels.expectation_pass = real


def outcome_of(
    X: Rows, n_components: int, covariance_type: str, n_init: int | str, seed: int
) -> Outcome:
    """Fit, and see."""
    model = GaussianMixture(
        n_components,
        covariance_type=covariance_type,
        n_init=n_init,
        random_state=seed,
        tol=1e-6,
        max_iter=2000,
        accelerate=True,
    )
    with _walked() as rows, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RegularizationWarning)
        try:
            reached = model.fit(X).score(X) * len(X)
        except (SingularCovarianceError, RegularizationWarning):
            reached = -np.inf
    return Outcome(float(reached), sum(rows) / len(X))


def outcomes_of(
    X: Rows, n_components: int, covariance_type: str, n_starts: int, n_fits: int
) -> Mapping[int | str, list[Outcome]]:
    """For each number of starts, what came of some fits."""
    problem = X, n_components, covariance_type
    ones = [outcome_of(*problem, 1, seed) for seed in range(n_starts)]
    found: dict[int | str, list[Outcome]] = {
        n: [best_of(ones[i : i + n]) for i in range(0, n_starts - n + 1, n)]
        for n in _NUMBERS
    }
    found[AUTO] = [outcome_of(*problem, AUTO, seed) for seed in range(n_fits)]
    return found


def cells_of(
    name: str, outcomes: Mapping[int | str, list[Outcome]]
) -> tuple[list[str], list[float], list[float]]:
    """A line of the table; shares of fits that found the best, and passes."""
    best = max(o.reached for of_number in outcomes.values() for o in of_number)
    shares = [
        mean(float(o.reached > best - _SAME) for o in of_number)
        for of_number in outcomes.values()
    ]
    passes = [median(o.passes for o in of_number) for of_number in outcomes.values()]
    cells = [f"{share:.2f} ({n:,.0f})" for share, n in zip(shares, passes, strict=True)]
    return [name, f"{best:.2f}", *cells], shares, passes


def table_of(problems: Mapping[str, Mapping[int | str, list[Outcome]]]) -> str:
    """A Markdown table of all problems, and their means."""
    lines, all_shares, all_passes = [], [], []
    for name, outcomes in problems.items():
        cells, shares, passes = cells_of(name, outcomes)
        lines.append(cells)
        all_shares.append(shares)
        all_passes.append(passes)
    means = zip(np.mean(all_shares, axis=0), np.mean(all_passes, axis=0), strict=True)
    summary = [f"**{share:.2f} ({n:,.0f})**" for share, n in means]
    lines.append([f"**mean of {len(problems)}**", "", *summary])
    head = ["table, K, structure", "best known, nats"]
    head += [f"n_init={n!r}" for n in (*_NUMBERS, AUTO)]
    return rows_of_cells(head, lines)


def _measured(
    tables: Sequence[LabelledTable], options: Options
) -> Mapping[str, Mapping[int | str, list[Outcome]]]:
    repeats = 1 if options.short else options.repeats or _REPEATS
    found = {}
    for table in tables:
        for K in (table.n_groups + more for more in _MORE):
            for covariance_type in _TYPES:
                name = f"{table.name}, {K}, {covariance_type}"
                progress(name)
                problem = table.rows, K, covariance_type
                found[name] = outcomes_of(*problem, _STARTS * repeats, _FITS * repeats)
    return found


def document(options: Options) -> str:
    """Fit small tables from many starts; the Markdown document."""
    with machine.threads(options.n_threads or machine.usable_cores()):
        try:
            tables = load_labelled(standardized=False)
            text = table_of(_measured(tables[: 1 if options.short else None], options))
            left_out = ""
        except UnavailableError as error:
            text, left_out = "", f" **Left out: all tables ({error}).**"
        heading = measured_by(
            "--starts",
            "Share of the fits that found the best optimum known (of all fits here, "
            f"to {_SAME} nats in total; none that only `reg_covar` holds up counts), "
            "and in brackets the median number of passes of EM over the rows, k-means "
            "not counted. Tables as they are, with as many components as groups, and "
            "two more. A fit from 10 or 20 starts is the best of as many fits of one "
            f"start, of which there are {_STARTS * (options.repeats or _REPEATS)}."
            f"{left_out}",
        )
    return heading + text + "\n"
