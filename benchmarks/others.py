"""An EM iteration of libraries that are not on fastem's own shelf, pairwise with it.

Each runs in a worker process of its own (``workers/``), fastem too, and both wait while
the other runs.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import geometric_mean, median

import numpy as np

from benchmarks import machine, numpy_reference
from benchmarks.instruments import Options
from benchmarks.machine import OtherPrograms
from benchmarks.measure import wait_until_quiet
from benchmarks.other_libraries import FASTEM, OTHERS, Library
from benchmarks.packages import UnavailableError
from benchmarks.problems import PROBLEMS, Problem, Rows, Start, generate
from benchmarks.reporting import measured_by, note, progress
from benchmarks.table import at_least, number, rows_of_cells, times

_ROOT = Path(__file__).parents[1]
_SIZES = (
    "full-500k-2-8",
    "full-200k-8-16",
    "full-200k-16-16",
    "full-100k-32-32",
    "full-50k-64-16",
    "full-20k-128-8",
)
N_CHECKED = 4  # iterations after which log-likelihoods are compared
TOLERANCE = 1e-6
_PAUSE = 0.02  # seconds: threads that spin after their work must have gone to sleep
_MOST_RETRIES = 20


class Worker:
    """A running worker: asked for iterations, it answers with times and parameters."""

    def __init__(self, process: "subprocess.Popen[str]", results: Path) -> None:
        self._process, self._results = process, results
        self.version = self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            errors = (self._results / "errors").read_text().strip().splitlines()
            said = errors[-1] if errors else f"exit status {self._process.wait()}"
            raise UnavailableError(f"its worker ended: {said}")
        return line

    def run(self, n_iterations: int) -> tuple[float, float]:
        """Seconds on the wall and of the processor, of a whole run."""
        assert self._process.stdin is not None
        print(n_iterations, file=self._process.stdin, flush=True)
        wall, cpu = self._answer().split()
        return float(wall), float(cpu)

    def log_likelihood(self, X: Rows, n_components: int) -> float:
        """The mean of a row under the parameters of the last run, by NumPy."""
        K, D = n_components, X.shape[1]
        values = np.fromfile(self._results / "fitted.f64")
        weights, means, covariances = np.split(values, [K, K + K * D])
        precisions = np.linalg.inv(covariances.reshape(K, D, D))
        mixture = numpy_reference.Mixture(
            weights,
            means.reshape(K, D),
            numpy_reference.factors_of_precisions(precisions, "full"),
        )
        return numpy_reference.fit(X, mixture, "full", 0.0, 1)[0]


@contextmanager
def worker(command: list[str], data: Path, shape: tuple[int, ...]) -> Iterator[Worker]:
    """A worker on the data; it ends with the block."""
    with (
        tempfile.TemporaryDirectory() as results,
        open(f"{results}/errors", "w") as errors,
    ):
        process = subprocess.Popen(
            [*command, str(data), results, *map(str, shape)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with process:
            try:
                yield Worker(process, Path(results))
            finally:
                assert process.stdin is not None
                process.stdin.close()
                process.terminate()


@dataclass
class Pair:
    """What one problem gave: seconds of an iteration, round by round."""

    problem: Problem
    versions: dict[str, str]
    log_likelihoods: dict[str, float]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    n_disturbed: int = 0

    def ratios(self, other: str) -> list[float]:
        """Times that fastem is faster, round by round."""
        pairs = zip(self.seconds[other], self.seconds[FASTEM.name], strict=True)
        return [theirs / ours for theirs, ours in pairs]


def write_start(X: Rows, start: Start, folder: Path) -> None:
    """The files that workers read."""
    covariances = np.linalg.inv(start.precisions)
    parts = {"rows": X, "weights": start.weights, "means": start.means}
    for name, part in {**parts, "covariances": covariances}.items():
        np.ascontiguousarray(part, np.float64).tofile(folder / f"{name}.f64")


def _iteration(one: Worker, n: int) -> tuple[float, bool]:
    """Seconds of an iteration, and whether other programs disturbed them.

    Raises
    ------
    RuntimeError
        If a run of one iteration takes longer than one of more, again and again.
    """
    for _ in range(_MOST_RETRIES):
        time.sleep(_PAUSE)
        others = OtherPrograms()
        short, longer = one.run(1), one.run(1 + n)
        share = others.share(plus_own=short[1] + longer[1]) or 0.0
        if longer[0] > short[0]:
            return (longer[0] - short[0]) / n, share > machine.QUIET
    raise RuntimeError(f"{one.version}: the machine is too busy to measure anything")


def measure_pair(
    problem: Problem, other: Library, *, repeats: int, seconds: float, patience: float
) -> Pair:
    """Time an iteration of fastem and of the other, in turn, on the same rows.

    Raises
    ------
    UnavailableError
        If the other library cannot be had.
    """
    X, start = generate(problem)
    shape = (problem.n_rows, problem.n_features, problem.n_components)
    commands = {FASTEM.name: FASTEM.command(), other.name: other.command()}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_start(X, start, Path(folder))
        workers = {
            name: stack.enter_context(worker(command, Path(folder), shape))
            for name, command in commands.items()
        }
        versions = {name: one.version for name, one in workers.items()}
        result = Pair(problem, versions, {}, {name: [] for name in workers})
        n_iterations = {}
        for name, one in workers.items():
            one.run(N_CHECKED)
            reached = one.log_likelihood(X, problem.n_components)
            result.log_likelihoods[name] = reached
            wanted = round(seconds / _iteration(one, N_CHECKED)[0])
            n_iterations[name] = min(max(wanted, 2), 50)
        for _ in range(repeats):
            for name, one in workers.items():
                sample, is_disturbed = _iteration(one, n_iterations[name])
                while is_disturbed and patience > 0:
                    before = time.perf_counter()
                    wait_until_quiet(patience)
                    sample, is_disturbed = _iteration(one, n_iterations[name])
                    patience -= time.perf_counter() - before
                result.seconds[name].append(sample)
                result.n_disturbed += is_disturbed
    return result


def pair_table(other: Library, pairs: list[Pair]) -> str:
    """A Markdown table of one library, with the geometric mean as its last line."""
    lines = []
    for pair in pairs:
        ours, theirs = (pair.log_likelihoods[x] for x in (FASTEM.name, other.name))
        difference = abs(theirs - ours) / abs(ours)
        lines.append(
            [
                pair.problem.name,
                number(1e3 * median(pair.seconds[FASTEM.name])),
                number(1e3 * median(pair.seconds[other.name])),
                times(pair.ratios(other.name)),
                at_least(1.0, median(pair.ratios(other.name))),
                f"{ours:.6f}",
                f"{theirs:.6f}",
                f"{difference:.0e}, "
                + ("equal" if difference <= TOLERANCE else "DIFFERENT"),
            ]
        )
    mean = geometric_mean(median(pair.ratios(other.name)) for pair in pairs)
    verdict = at_least(other.mean_target, mean)
    lines.append(["geometric mean", "", "", f"{number(mean)}x", verdict, "", "", ""])
    return rows_of_cells(
        [
            f"{pairs[0].versions[other.name]} (type-N-D-K)",
            "fastem, ms an iteration",
            f"{other.name}, ms an iteration",
            "times faster",
            "target, at least",
            f"fastem, log-likelihood after {N_CHECKED} iterations, nats",
            other.name,
            "relative difference",
        ],
        lines,
    )


def document(options: Options) -> str:
    """Measure every library that can be had; the Markdown document."""
    repeats = options.repeats or 7
    problems = [PROBLEMS[name] for name in _SIZES]
    if options.short:
        problems = [
            replace(p, name=f"{p.name} / 5", n_rows=p.n_rows // 5) for p in problems
        ]
    tables, left_out, n_disturbed = [], "", 0
    for other in OTHERS:
        pairs = []
        try:
            for problem in problems:
                progress(f"{problem.name}: fastem and {other.name}")
                pair = measure_pair(
                    problem,
                    other,
                    repeats=repeats,
                    seconds=0.05 if options.short else 0.3,
                    patience=options.patience,
                )
                pairs.append(pair)
                n_disturbed += pair.n_disturbed
        except UnavailableError as error:
            left_out += f" **Left out: {other.name} ({error}).**"
            continue
        tables.append(pair_table(other, pairs))
        note(f"{other.name}: done")
    heading = measured_by(
        "--others",
        f"Wall clock, medians of {repeats} alternating rounds of worker processes, "
        "each library with the threads that it takes by itself; ratios round by round "
        "with their quartiles in brackets. Same rows, same start, full covariance; "
        "NumPy computes the log-likelihoods from the parameters that each library "
        f"has reached.{left_out}",
        n_disturbed=n_disturbed,
        n_samples=2 * repeats * len(problems) * len(tables),
    )
    return heading + "\n\n".join(tables) + "\n"
