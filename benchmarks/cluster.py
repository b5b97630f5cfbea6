"""An EM iteration on a cluster of this machine: fastem on Dask, beside Spark's MLlib.

Both have one core for each of their threads, and rows in memory before they start;
fastem in one process shows what Dask costs. All are worker processes of the kind that
``others`` runs, in turn.
"""

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.instruments import Options
from benchmarks.other_libraries import FASTEM, Library
from benchmarks.others import N_CHECKED, Worker, worker, write_start
from benchmarks.packages import UnavailableError, environment_with
from benchmarks.problems import Problem, generate
from benchmarks.reporting import measured_by, progress
from benchmarks.table import number, rows_of_cells, times

_PROBLEMS = (
    Problem("full-50k-8-16", 50_000, 8, 16),
    Problem("full-50k-16-16", 50_000, 16, 16),
    Problem("full-1m-8-16", 1_000_000, 8, 16),
    Problem("full-1m-16-16", 1_000_000, 16, 16),
)
_MOST_FOR_SPARK = 1e9  # useful operations of an iteration: a minute of Spark's
_MOST_ITERATIONS = 20
_MOST_RETRIES = 20


def _dask() -> list[str]:
    return [sys.executable, "-m", "benchmarks.workers.run_fastem_dask"]


def _spark() -> list[str]:
    python = environment_with("spark", ["pyspark", "numpy"])
    return [str(python), "-m", "benchmarks.workers.run_spark"]


ON_DASK = Library("fastem on Dask", _dask)
SPARK = Library("Spark MLlib", _spark)


def seconds_of_iteration(one: Worker, n: int) -> float:
    """What n more iterations take, over n: all that a fit does once cancels.

    Raises
    ------
    RuntimeError
        If a run of one iteration takes longer than one of more, again and again.
    """
    for _ in range(_MOST_RETRIES):
        short, longer = one.run(1)[0], one.run(1 + n)[0]
        if longer > short:
            return (longer - short) / n
    raise RuntimeError(f"{one.version}: the machine is too busy to measure anything")


def measure_side_by_side(
    problem: Problem, libraries: list[Library], repeats: int, seconds: float
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of an iteration, round by round, and log-likelihoods after some.

    Raises
    ------
    UnavailableError
        If a library cannot be had.
    """
    X, start = generate(problem)
    shape = problem.n_rows, problem.n_features, problem.n_components
    samples: dict[str, list[float]] = {}
    log_likelihoods = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_start(X, start, Path(folder))
        workers = {
            one.name: stack.enter_context(worker(one.command(), Path(folder), shape))
            for one in libraries
        }
        n_iterations = {}
        for name, one in workers.items():
            one.run(N_CHECKED)  # compiles, and reads what is read once
            log_likelihoods[name] = one.log_likelihood(X, problem.n_components)
            wanted = round(seconds / seconds_of_iteration(one, N_CHECKED))
            n_iterations[name] = min(max(wanted, 2), _MOST_ITERATIONS)
        for _ in range(repeats):
            for name, one in workers.items():
                sample = seconds_of_iteration(one, n_iterations[name])
                samples.setdefault(name, []).append(sample)
    return samples, log_likelihoods


def cluster_row(
    problem: Problem,
    samples: dict[str, list[float]],
    log_likelihoods: dict[str, float],
) -> list[str]:
    """The cells of a problem; '-' for a library that is not there."""
    ours = samples[ON_DASK.name]
    here = log_likelihoods[FASTEM.name]

    def milliseconds(name: str) -> str:
        return number(1e3 * median(samples[name])) if name in samples else "-"

    def difference(name: str) -> str:
        if name not in log_likelihoods:
            return "-"
        return f"{abs(log_likelihoods[name] - here) / abs(here):.0e}"

    spark = samples.get(SPARK.name)
    ratios = [theirs / mine for theirs, mine in zip(spark or [], ours, strict=False)]
    overhead = median(ours) - median(samples[FASTEM.name])
    return [
        problem.name,
        *(milliseconds(one.name) for one in (FASTEM, ON_DASK, SPARK)),
        times(ratios) if ratios else "-",
        number(1e3 * overhead) if overhead > 0 else "none",
        difference(ON_DASK.name),
        difference(SPARK.name),
    ]


def document(options: Options) -> str:
    """Measure; the Markdown document."""
    repeats = options.repeats or 3
    problems = [
        replace(p, name=f"{p.name} / 50", n_rows=p.n_rows // 50) if options.short else p
        for p in _PROBLEMS
    ]
    has_spark, left_out = True, ""
    rows = []
    for problem in problems:
        libraries = [FASTEM, ON_DASK]
        if has_spark and problem.flops <= _MOST_FOR_SPARK:
            libraries.append(SPARK)
        progress(f"{problem.name}: {', '.join(one.name for one in libraries)}")
        seconds = 0.5 if options.short else 2.0
        try:
            measured = measure_side_by_side(problem, libraries, repeats, seconds)
        except UnavailableError as error:
            left_out = f" **Left out: {SPARK.name} ({error}).**"
            has_spark = False
            measured = measure_side_by_side(problem, libraries[:2], repeats, seconds)
        rows.append(cluster_row(problem, *measured))
    heading = measured_by(
        "--cluster",
        f"Wall clock, medians of {repeats} alternating rounds of worker processes; "
        "ratios round by round with their quartiles in brackets. Same rows, same "
        "start, full covariance. fastem on Dask: a worker process of one thread for "
        "each core, two partitions for each. Spark MLlib: local, one process with a "
        "thread for each core, `mllib.clustering.GaussianMixture`, which can be given "
        "a start; not for tables that it takes minutes for. NumPy computes the "
        "log-likelihoods from the parameters that each "
        f"has reached after {N_CHECKED} iterations.{left_out}",
    )
    return heading + (
        rows_of_cells(
            [
                "problem (type-N-D-K)",
                "fastem in one process, ms an iteration",
                "fastem on Dask",
                "Spark MLlib",
                "fastem on Dask is faster by",
                "what Dask costs, ms an iteration",
                "log-likelihood: relative difference on Dask",
                "with Spark",
            ],
            rows,
        )
        + "\n"
    )
