"""Whole fits with default arguments: each library chooses its own start."""

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from statistics import geometric_mean, median
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as ScikitLearnMixture

import fastem
from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.libraries import SCIKIT_LEARN
from benchmarks.machine import OtherPrograms
from benchmarks.measure import wait_until_quiet
from benchmarks.problems import Rows, generate, select
from benchmarks.reporting import measured_by, note, progress
from benchmarks.table import at_least, number, rows_of_cells, times
from benchmarks.tables import load_available, select_tables

N_SEEDS = 5
TABLE_COMPONENTS = 8
DEFAULT, SUBSAMPLE = "fastem", "fastem, 'subsample'"
SPEED_TARGETS = {DEFAULT: 15.0, SUBSAMPLE: 25.0}  # geometric means
# Nats a row: the same start leads to the same optimum, but for rounding.
ROUNDING = 1e-6

Estimator = Callable[..., Any]


@dataclass
class Fits:
    """What one library did with one table: an entry for each seed."""

    seconds: list[float] = field(default_factory=list)
    log_likelihoods: list[float] = field(default_factory=list)  # mean of a row
    n_iterations: list[int] = field(default_factory=list)
    n_disturbed: int = 0


def estimators() -> dict[str, Estimator]:
    """The libraries; fastem's subsample start only if this version has it."""
    found: dict[str, Estimator] = {
        SCIKIT_LEARN: ScikitLearnMixture,
        DEFAULT: fastem.GaussianMixture,
    }
    try:
        fastem.GaussianMixture(init_params="subsample").fit([[0.0], [1.0], [2.0]])
    except ValueError:
        return found
    return {
        **found,
        SUBSAMPLE: lambda K, **parameters: fastem.GaussianMixture(
            K, init_params="subsample", **parameters
        ),
    }


def fit_all(
    X: Rows,
    n_components: int,
    found: Mapping[str, Estimator],
    n_seeds: int,
    patience: float,
) -> dict[str, Fits]:
    """Fit with each library in turn, seed by seed, after one that warms up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for make in found.values():
            make(n_components, max_iter=2, random_state=0).fit(X[:: len(X) // 2000 + 1])
        fits = {library: Fits() for library in found}
        for seed in range(n_seeds):
            for library, make in found.items():
                before = time.perf_counter()
                wait_until_quiet(patience)
                patience -= time.perf_counter() - before
                others = OtherPrograms()
                began = time.perf_counter()
                model = make(n_components, random_state=seed).fit(X)
                mine = fits[library]
                mine.seconds.append(time.perf_counter() - began)
                mine.n_disturbed += (others.share() or 0.0) > machine.QUIET
                mine.n_iterations.append(model.n_iter_)
                mine.log_likelihoods.append(_score(model, X))
    return fits


def _score(model: Any, X: Rows) -> float:
    """The mean log-likelihood of a row, by scikit-learn for every library."""
    scorer = ScikitLearnMixture(len(model.weights_))
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        setattr(scorer, name, getattr(model, name))
    return float(scorer.score(X))


def faster(fits: Mapping[str, Fits], library: str) -> list[float]:
    """Seconds of scikit-learn over those of the library, seed by seed."""
    pairs = zip(fits[SCIKIT_LEARN].seconds, fits[library].seconds, strict=True)
    return [theirs / ours for theirs, ours in pairs]


def _cells(name: str, fits: Mapping[str, Fits]) -> list[str]:
    cells = [name]
    theirs = fits[SCIKIT_LEARN]
    for library, mine in fits.items():
        cells.append(
            f"{number(median(mine.seconds))} ({median(mine.n_iterations):.0f})"
        )
        if library != SCIKIT_LEARN:
            cells.append(times(faster(fits, library)))
    for library, mine in fits.items():
        reached = median(mine.log_likelihoods)
        cell = f"{reached:.6f}"
        if library != SCIKIT_LEARN:
            lost = median(theirs.log_likelihoods) - reached
            cell += ", not lower" if lost <= ROUNDING else f", LOWER by {lost:.1e}"
        cells.append(cell)
    return cells


def fit_table(all_fits: Mapping[str, Mapping[str, Fits]]) -> str:
    """A Markdown table, with the geometric means as its last line."""
    libraries = list(next(iter(all_fits.values())))
    head = ["table (N x D, K)"]
    last = ["geometric mean"]
    for library in libraries:
        head.append(f"{library}: s a fit (iterations)")
        last.append("")
        if library != SCIKIT_LEARN:
            head.append("times faster")
            mean = geometric_mean(
                median(faster(fits, library)) for fits in all_fits.values()
            )
            target = at_least(SPEED_TARGETS[library], mean)
            last.append(f"{number(mean)}x (target {target})")
    head += [f"{library}: log-likelihood of a row, nats" for library in libraries]
    lines = [_cells(name, fits) for name, fits in all_fits.items()]
    return rows_of_cells(head, [*lines, [*last, *[""] * len(libraries)]])


def _tables(options: Options) -> tuple[dict[str, tuple[Rows, int]], str]:
    """Rows and K of the synthetic problems and the real tables; what is left out."""
    tables = {}
    for problem in select(["full-*"], short=False):
        if problem.dtype == "float64":
            n_rows = problem.n_rows // (20 if options.short else 1)
            X, _ = generate(replace(problem, n_rows=n_rows))
            tables[problem.name] = (X, problem.n_components)
    real, left_out = load_available(
        select_tables(options.tables), progress, 10_000 if options.short else 0
    )
    return tables | {name: (X, TABLE_COMPONENTS) for name, X in real.items()}, left_out


def document(options: Options) -> str:
    """Fit the synthetic problems and the real tables; the Markdown document."""
    n_seeds = options.repeats or N_SEEDS
    found = estimators()
    tables, left_out = _tables(options)
    if SUBSAMPLE not in found:
        left_out += " **Left out: init_params='subsample', not in this version.**"
    all_fits: dict[str, Mapping[str, Fits]] = {}
    with machine.threads(options.n_threads or machine.usable_cores()):
        for name, (X, K) in tables.items():
            progress(f"{name}: {n_seeds} fits of each library")
            label = f"{name} ({len(X):,} x {X.shape[1]}, {K})"
            all_fits[label] = fit_all(X, K, found, n_seeds, options.patience)
            note(f"{name}: done")
        every = [fits for of_one in all_fits.values() for fits in of_one.values()]
        heading = measured_by(
            "--end-to-end",
            f"Seconds of `fit`, wall clock, medians of {n_seeds} seeds, libraries "
            "in turn; ratios seed by seed with their quartiles in brackets. All "
            "arguments but the number of components and the seed are the defaults, so "
            "each library chooses its own start and stops by itself. Log-likelihoods "
            "of all rows, medians of the seeds, by scikit-learn's `score` for all."
            f"{left_out}",
            n_disturbed=sum(fits.n_disturbed for fits in every),
            n_samples=sum(len(fits.seconds) for fits in every),
        )
    return heading + fit_table(all_fits) + "\n"
