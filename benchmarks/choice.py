"""The selector on real tables: what it costs, and what it chooses."""

import json
import math
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as ScikitLearnMixture

from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.packages import UnavailableError
from benchmarks.problems import Rows
from benchmarks.reporting import measured_by, progress
from benchmarks.table import at_least, at_most, number, rows_of_cells
from benchmarks.tables import TABLES, load
from fastem import GaussianMixtureSelector
from fastem.choice.candidates import Candidate, Fitter
from fastem.choice.results import SelectionRow
from fastem.covariances import structure_of

DATA = Path(__file__).parents[1] / "tests" / "promises" / "data"
SMALL_TABLES = ("faithful", "iris", "diabetes_fixed", "thyroid", "acidity")
TARGET_SECONDS = 60.0
TARGET_RATIO = 50.0  # per candidate, against scikit-learn
LARGEST_LOSS = 1.0  # unit of BIC, against fits of all candidates to all rows
_COMPONENTS = range(1, 13)
_SCIKIT_LEARNS = (2, 6, 12)  # of which the mean stands for all
_TYPES = ("full", "tied", "diag", "spherical")
_SAME = 0.3  # units: mclust ends at relative changes of 1e-5


@dataclass
class Cost:
    """What a choice took."""

    wall: float = 0.0
    processor: float = 0.0


@contextmanager
def timed() -> Iterator[Cost]:
    """What the block takes, the compiler included."""
    cost, wall, processor = Cost(), time.perf_counter(), time.process_time()
    yield cost
    cost.wall = time.perf_counter() - wall
    cost.processor = time.process_time() - processor


@contextmanager
def counted() -> Iterator[Counter[int]]:
    """How many passes were made over so many rows."""
    passes: Counter[int] = Counter()
    real = Fitter._fit

    def noted(fitter: Fitter, model: Any, **start: Any) -> Any:
        planned = real(fitter, model, **start)
        passes[fitter.rows.shape[0]] += model.n_iter_
        return planned

    with patch.object(Fitter, "_fit", noted):
        yield passes


def selector(n_components: Sequence[int], seed: int, **settings: Any) -> Any:
    """A selector among all structures."""
    return GaussianMixtureSelector(n_components, random_state=seed, **settings)


def of_flights(
    X: Rows, n_components: Sequence[int], n_jobs: int, *, short: bool
) -> str:
    """A Markdown table: what the choice took, beside scikit-learn's.

    In one process, and shared by ``n_jobs``. Targets are of all rows.
    """
    progress("flights: compiling")
    selector(n_components, 0).fit(X[::50])
    progress("flights: choosing")
    with timed() as cost, counted() as passes:
        chosen = selector(n_components, 0).fit(X)
    progress(f"flights: choosing in {n_jobs} processes")
    selector(n_components, 0, n_jobs=n_jobs).fit(X[::50])  # which start
    with timed() as of_shared:
        shared = selector(n_components, 0, n_jobs=n_jobs).fit(X)
    assert shared.results_.ranked[0].value == chosen.results_.ranked[0].value
    n_candidates = len(chosen.results_)
    n_reached = sum(row.n_rows == len(X) for row in chosen.results_)
    made = sum(n_rows * n for n_rows, n in passes.items())
    saved = 1 - made / (sum(passes.values()) * len(X))
    theirs = [_of_scikit_learn(X, K) for K in _SCIKIT_LEARNS if K in n_components]
    wall, processor = (
        float(np.mean([getattr(cost, name) for cost in theirs]))
        for name in ("wall", "processor")
    )
    most = None if short else TARGET_SECONDS
    each = of_shared.wall / n_candidates
    ratio = wall / each
    ratio_of_processor = processor / cost.processor * n_candidates
    best = chosen.results_.ranked[0]
    lines = [
        ["rows x columns", f"{len(X):,} x {X.shape[1]}"],
        ["candidates", str(n_candidates)],
        ["fitted to all rows", str(n_reached)],
        ["passes, over all rows and over some", _told(passes, len(X))],
        ["passes saved, in rows", f"{saved:.1%}"],
        [
            "seconds on the wall (processor)",
            f"{number(cost.wall)} ({number(cost.processor)})",
        ],
        [
            f"seconds shared by {n_jobs} processes, which have started",
            f"{number(of_shared.wall)}, target "
            f"{at_most(most, round(of_shared.wall, 1), ' s')}",
        ],
        [
            "seconds a candidate, shared (processor, in one)",
            f"{each:.3f} ({cost.processor / n_candidates:.3f})",
        ],
        [
            "scikit-learn's, fit and bic",
            f"{number(wall)} ({number(processor)}): {number(ratio)}x "
            f"({number(ratio_of_processor)}x), target "
            f"{at_least(None if short else TARGET_RATIO, round(ratio, 1))}",
        ],
        ["chosen", f"{best.covariance_type}, {best.n_components}: {best.value:,.1f}"],
    ]
    return rows_of_cells(["flights", ""], lines)


def _told(passes: Counter[int], n_all: int) -> str:
    some = sum(n for n_rows, n in passes.items() if n_rows < n_all)
    return f"{passes[n_all]:,} and {some:,}"


def _of_scikit_learn(X: Rows, n_components: int) -> Cost:
    """Of a candidate: a start each of its four types, and their BIC."""
    with timed() as cost:
        for covariance_type in _TYPES:
            progress(f"flights: scikit-learn, {covariance_type}, {n_components}")
            model = ScikitLearnMixture(
                n_components, covariance_type=covariance_type, random_state=0
            )
            model.fit(X).bic(X)
    return Cost(cost.wall / len(_TYPES), cost.processor / len(_TYPES))


def of_small_tables(names: Sequence[str], n_components: Sequence[int]) -> str:
    """A Markdown table: first choices beside mclust's, and what explains others."""
    theirs = json.loads((DATA / "choices" / "first.json").read_text(encoding="utf-8"))
    lines = []
    for name in names:
        X = np.loadtxt(DATA / f"{name}.csv", delimiter=",", skiprows=1, ndmin=2)
        for criterion in ("bic", "icl"):
            progress(f"{name}: {criterion}")
            chosen = selector(n_components, 0, criterion=criterion).fit(X)
            row = chosen.results_.ranked[0]
            model, K, value = theirs[name][criterion][0]
            lines.append(
                [
                    f"{name}, {criterion.upper()}",
                    f"{model}, {K}: {value:,.2f}",
                    f"{row.covariance_type}, {row.n_components}: {row.value:,.2f}",
                    f"{row.value - value:+.2f}",
                    explained(row, theirs[name][criterion], name, len(X)),
                ]
            )
    head = ["table, criterion", "mclust's first", "fastem's", "difference", "why"]
    return rows_of_cells(head, lines)


def explained(
    row: SelectionRow, theirs: Sequence[Sequence[Any]], name: str, n_rows: int
) -> str:
    """Why a first choice is another one than mclust's, from where mclust ended."""
    model, K, value = theirs[0]
    names = {row.covariance_type, structure_of(row.covariance_type).code}
    # Of one component the letter does not matter.
    if row.n_components == K and any(_alike(own, model) for own in names):
        close = abs(row.value - value) <= _SAME
        return "the same" if close else "the same, of another optimum"
    fits = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))["fits"]
    for fit in fits:
        is_it = fit["n_components"] == row.n_components
        if is_it and any(_alike(own, fit["model"]) for own in names):
            if "error" in fit:
                return f"mclust finds none: {fit['error']}"
            price = math.log(n_rows) * fit["n_parameters"]
            bic = price - 2 * fit["log_likelihood"]
            return f"from its start mclust ends at a BIC of {bic:,.2f} there"
    return "mclust has no such fit"


def _alike(ours: str, theirs: str) -> bool:
    """Codes of one column are mclust's first letter."""
    return ours == theirs or (len(theirs) == 1 and ours[:1] == theirs)


def of_lottery(X: Rows, n_components: Sequence[int], n_seeds: int) -> str:
    """A Markdown table: choices beside those of all fits to all rows."""
    lines = []
    for seed in range(n_seeds):
        progress(f"flights: seed {seed}, some fitted to all rows")
        some = selector(n_components, seed).fit(X)
        progress(f"flights: seed {seed}, all fitted to all rows")
        every = selector(n_components, seed, margin=math.inf).fit(X)
        ranked = [_name(row) for row in every.results_.ranked]
        reached = {_name(row) for row in some.results_ if row.n_rows == len(X)}
        ours, best = some.results_.ranked[0], every.results_.ranked[0]
        wrongly = [
            str(rank)
            for rank, name in enumerate(ranked[: ranked.index(_name(ours))], 1)
            if name not in reached
        ]
        lost = ours.value - best.value
        lines.append(
            [
                str(seed),
                f"{_name(ours)}: {ours.value:,.1f}",
                f"{_name(best)}: {best.value:,.1f}",
                f"{lost:+.2f}, {at_most(LARGEST_LOSS, round(lost, 2), ' unit')}",
                f"{len(reached)} of {len(every.results_)}",
                ", ".join(wrongly) or "none",
            ]
        )
    head = ["seed", "chosen", "of all fits", "difference", "fitted to all rows"]
    return rows_of_cells([*head, "ranks of better ones that were dropped"], lines)


def _name(row: SelectionRow) -> str:
    return str(Candidate(row.covariance_type, row.n_components))


def document(options: Options) -> str:
    """Measure flights and the small tables; the Markdown document."""
    parts, left_out = [], ""
    n_components = range(1, 5) if options.short else _COMPONENTS
    names = SMALL_TABLES[:2] if options.short else SMALL_TABLES
    n_threads = options.n_threads or machine.usable_cores()
    with (
        machine.threads(n_threads),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            X = load(TABLES["flights"])
            X = np.ascontiguousarray(X[:: 20 if options.short else 1])
            parts.append(of_flights(X, n_components, n_threads, short=options.short))
            if options.repeats:
                parts.append(of_lottery(X, n_components, options.repeats))
        except UnavailableError as error:
            left_out = f" **Left out: flights ({error}).**"
        n_components = range(1, 4) if options.short else range(1, 10)
        parts.append(of_small_tables(names, n_components))
        heading = measured_by(
            "--choice",
            "All fourteen structures, by BIC where nothing else is said; what was "
            "compiled is not in the times. scikit-learn's seconds are means over its "
            f"four types and K of {', '.join(map(str, _SCIKIT_LEARNS))}. mclust's "
            "choices are of version 6.0.0, from its own starts, with its sign turned."
            f"{left_out}",
        )
    return heading + "\n\n".join(parts) + "\n"
