"""Whole EM runs on real tables, from one start, beside oneDAL.

Passes over real tables leave out most pairs, the more the longer a run: single
iterations (``others.py``) say little of that. Everything from a call with rows and
parameters to its result is timed: orders and merged rows of fastem's, too.
"""

import tempfile
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean, median

import numpy as np

import fastem
from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.machine import OtherPrograms
from benchmarks.measure import wait_until_quiet
from benchmarks.other_libraries import FASTEM, OTHERS, Library
from benchmarks.others import TOLERANCE, Worker, worker, write_start
from benchmarks.packages import UnavailableError
from benchmarks.problems import Rows, Start
from benchmarks.reporting import measured_by, note, progress
from benchmarks.table import at_least, number, rows_of_cells, times
from benchmarks.tables import load_available, select_tables

COMPONENTS = (16, 64)
N_ITERATIONS = 30
SPEED_TARGETS = {64: 4.0}  # times oneDAL's speed, geometric means
_NOISE = 0.01  # of a column's standard deviation


@dataclass
class Runs:
    """Seconds of runs of both libraries in turn, and where they ended."""

    seconds: dict[str, list[float]]
    log_likelihoods: dict[str, float]
    n_disturbed: int

    def ratios(self, other: str) -> list[float]:
        """Times that fastem is faster, round by round."""
        both = zip(self.seconds[other], self.seconds[FASTEM.name], strict=True)
        return [theirs / ours for theirs, ours in both]


def without_ties(X: Rows) -> Rows:
    """Rows of which none are equal: no library has a ridge here."""
    random = np.random.default_rng(0)
    noisy: Rows = X + _NOISE * X.std(axis=0) * random.standard_normal(X.shape)
    return noisy


def start_of(X: Rows, n_components: int) -> Start:
    """The clusters of k-means after one EM step, of which none is singular."""
    model = fastem.GaussianMixture(
        n_components, reg_covar="relative", tol=0.0, max_iter=1, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X)
    return Start(model.weights_, model.means_, model.precisions_)


def _timed(one: Worker, patience: float) -> tuple[float, bool]:
    """Seconds of a run, and whether other programs disturbed them."""
    wait_until_quiet(patience)
    others = OtherPrograms()
    wall, cpu = one.run(N_ITERATIONS)
    return wall, (others.share(plus_own=cpu) or 0.0) > machine.QUIET


def measure_runs(
    X: Rows, start: Start, other: Library, *, repeats: int, patience: float
) -> Runs:
    """Runs of fastem and of the other, in turn.

    Raises
    ------
    UnavailableError
        If the other library cannot be had.
    """
    K = len(start.weights)
    commands = {FASTEM.name: FASTEM.command(), other.name: other.command()}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_start(X, start, Path(folder))
        workers = {
            name: stack.enter_context(worker(command, Path(folder), (*X.shape, K)))
            for name, command in commands.items()
        }
        runs = Runs({name: [] for name in workers}, {}, 0)
        for name, one in workers.items():
            one.run(N_ITERATIONS)  # compiles
            runs.log_likelihoods[name] = one.log_likelihood(X, K)
        for _ in range(repeats):
            for name, one in workers.items():
                seconds, is_disturbed = _timed(one, patience)
                runs.seconds[name].append(seconds)
                runs.n_disturbed += is_disturbed
    return runs


def runs_table(other: Library, measured: dict[tuple[str, int], Runs]) -> str:
    """A Markdown table, with a geometric mean for each number of components."""
    lines = []
    for (table, K), runs in measured.items():
        ours, theirs = (runs.log_likelihoods[x] for x in (FASTEM.name, other.name))
        difference = abs(theirs - ours) / abs(ours)
        lines.append(
            [
                f"{table}, K = {K}",
                number(median(runs.seconds[FASTEM.name])),
                number(median(runs.seconds[other.name])),
                times(runs.ratios(other.name)),
                f"{ours:.6f}",
                f"{difference:.0e}, "
                + ("equal" if difference <= TOLERANCE else "DIFFERENT"),
            ]
        )
    for K in sorted({K for _, K in measured}):
        mean = geometric_mean(
            median(runs.ratios(other.name))
            for (_, k), runs in measured.items()
            if k == K
        )
        target = SPEED_TARGETS.get(K)
        verdict = "" if target is None else f" (target {at_least(target, mean, 'x')})"
        lines.append(
            [f"geometric mean, K = {K}", "", "", f"{number(mean)}x{verdict}", "", ""]
        )
    return rows_of_cells(
        [
            f"{other.name}",
            "fastem, s a run",
            f"{other.name}, s a run",
            "times faster",
            "fastem, log-likelihood of a row, nats",
            "relative difference",
        ],
        lines,
    )


def document(options: Options) -> str:
    """Measure every table that can be had; the Markdown document."""
    repeats = options.repeats or 3
    tables, left_out = load_available(
        select_tables(options.tables), progress, 3_000 if options.short else 0
    )
    components = COMPONENTS[:1] if options.short else COMPONENTS
    texts, n_disturbed = [], 0
    for other in OTHERS:
        if not other.name.startswith("oneDAL"):
            continue
        measured: dict[tuple[str, int], Runs] = {}
        try:
            for name, rows in tables.items():
                X = without_ties(rows)
                for K in components:
                    progress(f"{name}, K = {K}: fastem and {other.name}")
                    measured[name, K] = measure_runs(
                        X,
                        start_of(X, K),
                        other,
                        repeats=repeats,
                        patience=options.patience,
                    )
                    n_disturbed += measured[name, K].n_disturbed
        except UnavailableError as error:
            left_out += f" **Left out: {other.name} ({error}).**"
            continue
        texts.append(runs_table(other, measured))
        note(f"{other.name}: done")
    heading = measured_by(
        "--table-runs",
        f"Wall clock of runs of {N_ITERATIONS} iterations, everything in them, medians "
        f"of {repeats} alternating rounds of worker processes, each library with the "
        "threads that it takes by itself; ratios round by round with their quartiles "
        "in brackets. Full covariances, float64. Rows have noise of a hundredth of "
        "each column's standard deviation, since neither library has a ridge; both "
        "start from fastem's k-means and one EM step. NumPy computes the "
        f"log-likelihoods from the parameters that each has reached.{left_out}",
        n_disturbed=n_disturbed,
        n_samples=2 * repeats * len(tables) * len(components) * len(texts),
    )
    return heading + "\n\n".join(texts) + "\n"
