"""Whole fits of wide tables, in which work of order D^3 counts."""

import warnings
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as ScikitLearnMixture

import fastem
from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.libraries import FASTEM, SCIKIT_LEARN
from benchmarks.problems import Problem, Rows, generate
from benchmarks.reporting import measured_by, note, progress
from benchmarks.rounds import Rounds, alternate
from benchmarks.table import number, rows_of_cells, times

_ESTIMATORS = {SCIKIT_LEARN: ScikitLearnMixture, FASTEM: fastem.GaussianMixture}
# Whose ridge is no small part of what a column varies is warned; not of interest here.
_EXPECTED = (ConvergenceWarning, fastem.RegularizationWarning)
TARGET = 1.0  # processor time of fastem over scikit-learn's, at most
WIDE = [
    Problem(f"{covariance_type}-{n_rows}-{n_features}-8", n_rows, n_features, 8,
            covariance_type)
    for n_rows, n_features in ((700, 765), (2_000, 500))
    for covariance_type in ("full", "tied", "diag", "spherical")
]  # fmt: skip


def fit(library: str, problem: Problem, X: Rows) -> Any:
    """A fit with default arguments, from a seed."""
    with warnings.catch_warnings():
        for expected in _EXPECTED:
            warnings.simplefilter("ignore", expected)
        return _ESTIMATORS[library](
            problem.n_components,
            covariance_type=problem.covariance_type,
            random_state=0,
        ).fit(X)


def cells(problem: Problem, rounds: Rounds, models: dict[str, Any]) -> list[str]:
    """A line of the table."""
    cpu = {
        library: [sample.cpu for sample in samples]
        for library, samples in rounds.samples.items()
    }
    ratios = [a / b for a, b in zip(cpu[FASTEM], cpu[SCIKIT_LEARN], strict=True)]
    reached = [f"{models[library].lower_bound_:.6f}" for library in _ESTIMATORS]
    return [
        problem.name,
        *(f"{number(1e3 * median(cpu[library]))}" for library in _ESTIMATORS),
        times(ratios),
        "met" if median(ratios) <= TARGET else "missed",
        *(f"{number(1e3 * rounds.seconds(library))}" for library in _ESTIMATORS),
        *(f"{models[library].n_iter_}" for library in _ESTIMATORS),
        *reached,
    ]


def document(options: Options) -> str:
    """Fit all wide problems with both libraries in turn; the Markdown document."""
    repeats = options.repeats or 7
    lines, n_disturbed, n_samples = [], 0, 0
    n_threads = options.n_threads or machine.usable_cores()
    with machine.threads(n_threads, blas_threads=1):
        for problem in WIDE:
            progress(problem.name)
            if options.short:
                few = problem.n_features // 10
                problem = replace(problem, n_features=few, name=f"{problem.name} / 10")
            X, _ = generate(problem)
            fits = {
                library: partial(fit, library, problem, X) for library in _ESTIMATORS
            }
            rounds = alternate(fits, repeats=repeats, patience=options.patience)
            models = {library: make() for library, make in fits.items()}
            lines.append(cells(problem, rounds, models))
            n_disturbed += rounds.n_disturbed
            n_samples += rounds.n_samples
            note(f"{problem.name}: done")
    heading = measured_by(
        "--wide",
        f"Whole fits with default arguments, medians of {repeats} alternating rounds; "
        "ratios of the processor time of all threads, round by round with their "
        "quartiles in brackets. BLAS has one thread: its others spend processor time "
        "waiting. Log-likelihoods are those of the last iteration.",
        n_disturbed=n_disturbed,
        n_samples=n_samples,
    )
    both = list(_ESTIMATORS)
    head = [
        "problem (type-N-D-K)",
        *(f"{library}, ms of processor time" for library in both),
        f"{FASTEM} over {SCIKIT_LEARN}",
        f"target, at most {TARGET:g}x",
        *(f"{library}, ms on the wall" for library in both),
        *(f"{library}, iterations" for library in both),
        *(f"{library}, log-likelihood of a row, nats" for library in both),
    ]
    return heading + rows_of_cells(head, lines) + "\n"
