"""Streams: what one pass of ``partial_fit`` over shuffled rows reaches, beside fits."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import fastem
from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.problems import Problem, Rows, Start, generate, select
from benchmarks.reporting import measured_by, progress
from benchmarks.rounds import Rounds, alternate
from benchmarks.table import at_most, number, rows_of_cells, times

MOST_LOST = 1e-2  # nats a row, by one pass
CALLS = 10
_FRESH = 5  # one fresh row to so many learned from


@dataclass(frozen=True)
class Outcome:
    """Mean log-likelihoods of a row: of rows learned from, and of fresh ones."""

    learned: float
    fresh: float


def _model(problem: Problem, start: Start) -> fastem.GaussianMixture:
    return fastem.GaussianMixture(
        problem.n_components,
        covariance_type=problem.covariance_type,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=start.precisions,
    )


def stream(model: fastem.GaussianMixture, X: Rows) -> fastem.GaussianMixture:
    """One pass in ten calls, the first of which is a fit to a tenth of the rows."""
    for block in np.array_split(X, CALLS):
        model.partial_fit(block)
    return model


def measure_problem(
    problem: Problem, repeats: int, options: Options
) -> tuple[list[str], Rounds]:
    """A line of the table, and the rounds that timed it."""
    more = replace(problem, n_rows=problem.n_rows + problem.n_rows // _FRESH)
    rows, start = generate(more)
    X, fresh = rows[: problem.n_rows], rows[problem.n_rows :]
    fit, pass_ = "fit", "pass"
    rounds = alternate(
        {
            fit: lambda: _model(problem, start).fit(X),
            pass_: lambda: stream(_model(problem, start), X),
        },
        repeats=repeats,
        seconds_a_sample=0.0,
        patience=options.patience,
    )
    batch = _model(problem, start).fit(X)
    streamed = stream(_model(problem, start), X)
    one, other = (Outcome(m.score(X), m.score(fresh)) for m in (batch, streamed))
    n_parameters = batch._n_parameters()
    cells = [
        problem.name,
        number(problem.n_rows / n_parameters),
        f"{one.learned:.4f}",
        str(batch.n_iter_),
        f"{other.learned - one.learned:+.4f}",
        at_most(MOST_LOST, one.learned - other.learned, " nats"),
        f"{other.fresh - one.fresh:+.4f}",
        number(1e3 * rounds.seconds(fit)),
        times(rounds.ratios(fit, pass_)),
    ]
    return cells, rounds


def document(options: Options) -> str:
    """Fit and stream all problems; the Markdown document."""
    repeats = options.repeats or 3
    lines, n_disturbed, n_samples = [], 0, 0
    with machine.threads(options.n_threads or machine.usable_cores()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for problem in select((), short=options.short):
                progress(f"streams: {problem.name}")
                cells, rounds = measure_problem(problem, repeats, options)
                lines.append(cells)
                n_disturbed += rounds.n_disturbed
                n_samples += rounds.n_samples
        heading = measured_by(
            "--streams",
            "A fit with default arguments from the problem's start, and one pass of "
            f"partial_fit from the same: {CALLS} calls, each with the next tenth of "
            "the rows, which are in random order; the first is a fit to its tenth. "
            "Fresh rows are others from the same mixture, which neither has seen. Wall "
            f"clock, medians of {repeats} alternating rounds in one process.",
            n_disturbed=n_disturbed,
            n_samples=n_samples,
        )
    table = rows_of_cells(
        [
            "problem (type-N-D-K)",
            "rows for each parameter",
            "fit, log-likelihood of a row, nats",
            "its iterations",
            "one pass, difference",
            "target, loss at most",
            "on fresh rows, difference",
            "fit, ms",
            "the pass is faster by",
        ],
        lines,
    )
    return heading + table + "\n"
