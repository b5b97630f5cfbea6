"""What it takes to begin: imports, the first fit, and problems of a few rows."""

import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as ScikitLearnMixture

import fastem
from benchmarks import machine
from benchmarks.compile_time import CASES, measure_compilation, with_bytecode
from benchmarks.instruments import Options
from benchmarks.libraries import FASTEM, SCIKIT_LEARN
from benchmarks.problems import Rows
from benchmarks.reporting import measured_by, note, progress
from benchmarks.rounds import Action, Rounds, alternate
from benchmarks.table import at_least, at_most, number, rows_of_cells, times

IMPORT_TARGET = 1.2  # times what the import of sklearn.mixture takes
NO_SLOWER = 1.0
_ROOT = Path(__file__).parents[1]
_IMPORTS = {
    FASTEM: "from fastem import GaussianMixture",
    SCIKIT_LEARN: "import sklearn.mixture",
    "numba": "import numba",
    "nothing": "pass",
}


def _import_seconds(statement: str) -> float:
    """Of the statement alone, in a process of its own."""
    code = (
        "import time; began = time.perf_counter()\n"
        f"{statement}\n"
        "print(time.perf_counter() - began)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=_ROOT, env=with_bytecode(), check=True, stdout=subprocess.PIPE
    )
    return float(done.stdout)


def import_table(seconds: Mapping[str, Sequence[float]]) -> str:
    """A Markdown table of import times, from seconds round by round."""
    base = seconds[SCIKIT_LEARN]
    lines = []
    for name, mine in seconds.items():
        ratios = [one / other for one, other in zip(mine, base, strict=True)]
        lines.append(
            [
                f"`{_IMPORTS[name]}`",
                number(1e3 * median(mine)),
                times(ratios),
                at_most(IMPORT_TARGET, median(ratios), "x") if name == FASTEM else "-",
            ]
        )
    head = ["a new process runs", "ms", f"over {SCIKIT_LEARN}'s", "target, at most"]
    return rows_of_cells(head, lines)


def _measure_imports(repeats: int) -> str:
    seconds: dict[str, list[float]] = {name: [] for name in _IMPORTS}
    for statement in _IMPORTS.values():
        _import_seconds(statement)  # files into the page cache, bytecode onto the disk
    for repeat in range(repeats):
        progress(f"imports: round {repeat + 1} of {repeats}")
        for name, statement in _IMPORTS.items():
            seconds[name].append(_import_seconds(statement))
    return import_table(seconds)


def _calls(make: Callable[..., Any], X: Rows) -> tuple[dict[str, Action], float]:
    """What is done with a small table, and the log-likelihood that the fit reaches."""
    model = make(3, random_state=0).fit(X)
    started = make(
        3,
        weights_init=model.weights_,
        means_init=model.means_ + 0.1,
        precisions_init=model.precisions_,
    )
    one = X[:1]
    calls: dict[str, Action] = {
        "fit, default": lambda: make(3, random_state=0).fit(X),
        "fit from given parameters": lambda: started.fit(X),
        "predict, 1 row": lambda: model.predict(one),
        "predict, 150 rows": lambda: model.predict(X),
        "predict_proba, 1 row": lambda: model.predict_proba(one),
        "predict_proba, 150 rows": lambda: model.predict_proba(X),
        "score_samples, 1 row": lambda: model.score_samples(one),
        "score_samples, 150 rows": lambda: model.score_samples(X),
        "score, 150 rows": lambda: model.score(X),
    }
    return calls, float(model.score(X))


def small_table(
    names: Sequence[str], rounds: Rounds, reached: Mapping[str, float]
) -> str:
    """A Markdown table of the calls, beside scikit-learn's."""
    lines = []
    for name in names:
        ours, theirs = f"{FASTEM} {name}", f"{SCIKIT_LEARN} {name}"
        ratios = rounds.ratios(theirs, ours)
        lines.append(
            [
                name,
                number(1e6 * rounds.seconds(ours)),
                number(1e6 * rounds.seconds(theirs)),
                times(ratios),
                at_least(NO_SLOWER, median(ratios)),
                f"{reached[FASTEM]:.9f}",
                f"{reached[SCIKIT_LEARN]:.9f}",
            ]
        )
    return rows_of_cells(
        [
            "iris: 150 x 4, K = 3",
            f"{FASTEM}, microseconds",
            f"{SCIKIT_LEARN}, microseconds",
            "times faster",
            "target, at least",
            f"{FASTEM}, log-likelihood of a row, nats",
            SCIKIT_LEARN,
        ],
        lines,
    )


def _measure_small(repeats: int, options: Options) -> tuple[str, Rounds]:
    X = np.ascontiguousarray(load_iris().data)
    calls: dict[str, dict[str, Action]] = {}
    reached: dict[str, float] = {}
    estimators = {FASTEM: fastem.GaussianMixture, SCIKIT_LEARN: ScikitLearnMixture}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for library, make in estimators.items():
            calls[library], reached[library] = _calls(make, X)
        names = list(calls[FASTEM])
        rounds = alternate(
            {
                f"{library} {name}": calls[library][name]
                for name in names
                for library in estimators
            },
            repeats=repeats,
            seconds_a_sample=0.005 if options.short else 0.05,
            patience=options.patience,
        )
    return small_table(names, rounds, reached), rounds


def document(options: Options) -> str:
    """Measure imports, first fits and small problems; the Markdown document."""
    repeats = options.repeats or 7
    with machine.threads(options.n_threads or machine.usable_cores()):
        small, rounds = _measure_small(repeats, options)
        imports = _measure_imports(repeats)
        cases = CASES[:1] if options.short else CASES
        compiled = measure_compilation(min(repeats, 3), note, cases)
        heading = measured_by(
            "--starting",
            f"Wall clock, medians of {repeats} alternating rounds (first fits: of "
            f"{min(repeats, 3)}). Imports and first fits are timed inside new "
            "processes, without the start of Python itself; small problems in one "
            "process, everything compiled.",
            n_disturbed=rounds.n_disturbed,
            n_samples=rounds.n_samples,
        )
    return heading + "\n\n".join([imports, compiled, small]) + "\n"
