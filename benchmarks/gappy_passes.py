"""What an EM pass over rows with gaps takes, against one over complete rows."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.instruments import Options
from benchmarks.packages import (
    UnavailableError,
    cache_folder,
    environment_with,
    run_client,
)
from benchmarks.problems import Rows
from benchmarks.reporting import progress
from benchmarks.rounds import alternate
from benchmarks.table import at_least, at_most, number, rows_of_cells
from benchmarks.table import times as ratio_of
from fastem.checks.rows import read_only
from fastem.covariances import structure_of
from fastem.groups import expectation_of
from fastem.statistics import MixtureParameters

_N, _D, _K = 200_000, 16, 16
_SHARE = 0.2
_REPEATS = 7
# Patterns of gaps, and the largest ratio to a pass over complete rows.
_TARGETS = {10: 1.5, 50: 1.5, 500: None, 0: 15.0}
_TGMM = "tgmm==0.4.3"
_TGMM_TARGET = 20.0


def mixture() -> MixtureParameters:
    """Of which the rows are not: a pass takes the same time."""
    random = np.random.default_rng(1)
    A = 0.3 * random.normal(size=(_K, _D, _D))
    covariances = A @ A.transpose(0, 2, 1) + np.eye(_D)
    return MixtureParameters(
        random.dirichlet(np.full(_K, 5.0)),
        2 * random.normal(size=(_K, _D)),
        covariances,
        structure_of("full").representation.cholesky(covariances),
    )


def gappy_rows(n_patterns: int, n_rows: int) -> Rows:
    """Rows with so many patterns of gaps; with 0, each value is missing by itself."""
    random = np.random.default_rng(n_patterns)
    X = random.normal(size=(n_rows, _D)) + random.integers(0, 4, size=(n_rows, 1))
    gaps = random.random((n_patterns or n_rows, _D)) < _SHARE
    if n_patterns:
        gaps = gaps[random.integers(n_patterns, size=n_rows)]
    X[gaps] = np.nan
    return read_only(X)


def tables(options: Options) -> str:
    """Two Markdown tables: against complete rows, and against tgmm."""
    n_rows = 20_000 if options.short else _N
    representation, parameters = structure_of("full").representation, mixture()
    rows = {"complete": read_only(np.nan_to_num(gappy_rows(1, n_rows), nan=0.5))}
    rows |= {str(n): gappy_rows(n, n_rows) for n in _TARGETS}
    steps = {
        name: expectation_of(X, np.empty(0), representation, options.n_threads)
        for name, X in rows.items()
    }

    progress("passes over rows with gaps")
    rounds = alternate(
        {name: partial(step, parameters) for name, step in steps.items()},
        repeats=options.repeats or _REPEATS,
        patience=options.patience,
    )
    lines = []
    for n, target in _TARGETS.items():
        ratios = rounds.ratios(str(n), "complete")
        n_found = len(np.unique(np.isnan(rows[str(n)]), axis=0))
        lines.append(
            [
                f"{n_found:,}" + ("" if n else f" ({_SHARE:.0%} missing at random)"),
                number(1e3 * rounds.seconds(str(n))),
                ratio_of(ratios),
                at_most(target, median(ratios), "x"),
            ]
        )
    head = ["patterns of gaps", "ms a pass", "to complete rows", "target"]
    of_passes = (
        f"A pass of EM, N = {n_rows:,}, D = K = {_D}, 'full'; complete rows take "
        f"{number(1e3 * rounds.seconds('complete'))} ms "
        f"({rounds.n_disturbed} of {rounds.n_samples} samples were disturbed by other "
        f"programs).\n\n{rows_of_cells(head, lines)}"
    )
    return f"{of_passes}\n\n{_against_tgmm(options, parameters)}"


def _processor_seconds(action: Callable[[], object]) -> float:
    """The least of some calls, as others may disturb them."""
    times = []
    for _ in range(_REPEATS):
        began = time.process_time()
        action()
        times.append(time.process_time() - began)
    return min(times)


def _against_tgmm(options: Options, parameters: MixtureParameters) -> str:
    """Rows with gaps, an iteration of each."""
    n_rows = 1_000 if options.short else 5_000
    try:
        python = environment_with("tgmm", [_TGMM])
    except UnavailableError as error:
        return f"**Left out: tgmm ({error}).**"
    representation = structure_of("full").representation
    folder = cache_folder()
    lines = []
    for n in (50, 0):
        X = gappy_rows(n, n_rows)
        step = expectation_of(X, np.empty(0), representation, 1)
        np.savez(
            folder / "tgmm.npz",
            X=X,
            weights=parameters.weights,
            means=parameters.means,
            covariances=parameters.covariances,
        )
        progress(f"tgmm, {n or 'own'} patterns")
        worker = Path(__file__).with_name("workers") / "run_tgmm.py"
        command = [str(python), str(worker), "tgmm.npz", "tgmm.json"]
        run_client(command, folder, "tgmm may have changed")
        found = json.loads((folder / "tgmm.json").read_text())
        seconds = _processor_seconds(partial(step, parameters))
        ratio = found["seconds"] / seconds
        lines.append(
            [
                f"{len(np.unique(np.isnan(X), axis=0)):,}",
                number(1e3 * found["seconds"]),
                number(1e3 * seconds),
                f"{number(ratio)}x",
                at_least(_TGMM_TARGET, ratio),
            ]
        )
    head = ["patterns of gaps", "tgmm, ms", "fastem, ms", "faster by", "target"]
    return (
        f"An iteration of {_TGMM} (missing='em', float64) and a pass of fastem on "
        f"{n_rows:,} such rows from the same start: processor time, on one thread "
        "each.\n\n" + rows_of_cells(head, lines)
    )
