"""How near the passes come to what the cores can do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.libraries import FASTEM, Prepare, prepare_fastem
from benchmarks.maximization import maximization_table
from benchmarks.measure import Result, measure, with_common_peak
from benchmarks.predictions import against_em_passes, against_scikit_learn
from benchmarks.problems import PROBLEMS, Problem
from benchmarks.reporting import measured_by, note, progress
from benchmarks.table import at_least, at_most, number, rows_of_cells, times

ONE_THREAD = "fastem, 1 thread"
PEAK_TARGETS = {8: 30.0, 16: 45.0, 32: 55.0, 64: 55.0, 128: 55.0}  # % by columns, full
NANOSECOND_TARGETS = {2: 2.5, 4: 4.0}  # by columns, full
SIMPLE_NANOSECONDS = 3.0  # diag and spherical
THREADS_TARGET, TIED_TARGET, SINGLE_TARGET = 1.9, 5.0, 1.6
_ENOUGH_COLUMNS = 8  # for two threads to pay in full


@dataclass(frozen=True)
class Case:
    """A problem, and what its pass should reach."""

    problem: Problem
    nanoseconds: float | None = None  # a pair, times cores
    percent: float | None = None  # of the peak
    threads: float | None = None  # times faster than one


def _case(problem: Problem) -> Case:
    D, double = problem.n_features, problem.dtype == "float64"
    full = problem.covariance_type == "full" and double
    simple = problem.covariance_type in ("diag", "spherical") and double
    return Case(
        problem,
        NANOSECOND_TARGETS.get(D) if full else SIMPLE_NANOSECONDS if simple else None,
        PEAK_TARGETS.get(D) if full else None,
        THREADS_TARGET if D >= _ENOUGH_COLUMNS and full else None,
    )


def _problems(short: bool) -> list[Problem]:
    names = (
        "full-500k-2-8",
        "full-200k-8-16",
        "full-200k-16-16",
        "full-100k-32-32",
        "full-50k-64-16",
        "full-20k-128-8",
        "diag-200k-16-16",
        "spherical-200k-16-16",
        "full-200k-16-16-float32",
        "full-50k-64-16-float32",
    )
    chosen = [PROBLEMS[name] for name in names]
    chosen.insert(1, Problem("full-400k-4-8", 400_000, 4, 8))
    chosen.insert(-2, Problem("tied-100k-32-32", 100_000, 32, 32, "tied"))
    if short:
        return [
            replace(p, name=f"{p.name} / 20", n_rows=p.n_rows // 20) for p in chosen
        ]
    return chosen


def nanoseconds_a_pair(result: Result, n_threads: int) -> float:
    """Of one (row, component), on one core, if n do the work evenly."""
    problem = result.problem
    seconds = median(result.timings[FASTEM].wall)
    return 1e9 * seconds * n_threads / (problem.n_rows * problem.n_components)


def _cells(case: Case, result: Result, n_threads: int) -> list[str]:
    rate = result.flop_rate(FASTEM)
    nanoseconds = nanoseconds_a_pair(result, n_threads)
    percent = 100 * rate / result.peak
    faster = result.ratios(ONE_THREAD, FASTEM)
    return [
        case.problem.name,
        number(1e3 * median(result.timings[FASTEM].wall)),
        number(nanoseconds),
        at_most(case.nanoseconds, nanoseconds, " ns"),
        number(rate / 1e9),
        number(result.peak / 1e9),
        f"{percent:.0f} %",
        at_least(case.percent, percent, " %"),
        times(faster),
        at_least(case.threads, median(faster)),
        f"{result.log_likelihood:.6f}",
        f"{max(timing.difference for timing in result.timings.values()):.0e}",
    ]


def pass_table(cases: Sequence[Case], results: Sequence[Result], n_threads: int) -> str:
    """A line for each EM pass."""
    rows = [_cells(*pair, n_threads) for pair in zip(cases, results, strict=True)]
    return rows_of_cells(
        [
            "EM pass (type-N-D-K)",
            "ms",
            "ns a pair x cores",
            "target, at most",
            "GFLOP/s",
            "peak, GFLOP/s",
            "% of peak",
            "target, at least",
            f"{n_threads} threads against 1",
            "target, at least",
            "log-likelihood of a row, nats",
            "relative difference, at most",
        ],
        rows,
    )


def comparisons(results: Sequence[Result]) -> str:
    """Tied against full, and float32 against float64, where both were measured."""
    by_shape = {
        (p.covariance_type, p.dtype, p.n_features, p.n_components): result
        for result in results
        for p in [result.problem]
    }
    lines = []
    for (kind, dtype, D, K), result in by_shape.items():
        base = by_shape.get(("full", "float64", D, K))
        if base is None or (kind == "tied") == (dtype == "float32"):
            continue
        target = TIED_TARGET if kind == "tied" else SINGLE_TARGET
        seconds, base_seconds = (
            median(r.timings[FASTEM].wall) / r.problem.n_rows for r in (result, base)
        )
        lines.append(
            [
                f"{result.problem.name} against {base.problem.name}",
                f"{number(base_seconds / seconds)}x",
                at_least(target, base_seconds / seconds),
                f"{result.log_likelihood:.6f} and {base.log_likelihood:.6f}",
            ]
        )
    head = ["EM pass", "times faster", "target, at least", "log-likelihoods, nats"]
    return rows_of_cells(head, lines)


def document(options: Options) -> str:
    """Measure the passes and the predictions; the Markdown document."""
    repeats = options.repeats or 7
    cases = [_case(problem) for problem in _problems(options.short)]
    prepared_by: dict[str, Prepare] = {
        FASTEM: prepare_fastem,
        ONE_THREAD: partial(prepare_fastem, n_threads=1),
    }
    results: list[Result] = []
    with machine.threads(options.n_threads or machine.usable_cores()) as n_threads:
        for case in cases:
            result = measure(
                case.problem,
                list(prepared_by),
                prepared_by=prepared_by,
                repeats=repeats,
                seconds_a_run=0.05 if options.short else 0.3,
                patience=options.patience,
                report=progress,
            )
            results.append(result)
            note(f"{case.problem.name}: done")
        predictions = against_em_passes(results, repeats, options)
        small = against_scikit_learn(repeats, options)
        timings = [timing for result in results for timing in result.timings.values()]
        heading = measured_by(
            "--passes",
            f"Wall clock, medians of {repeats} alternating rounds; ratios round by "
            "round with their quartiles in brackets. A pair is a row and a component. "
            "GFLOP/s count useful work only, and the peak is the most that the same "
            "cores did in between with nothing but multiply-adds.",
            n_disturbed=sum(timing.n_disturbed for timing in timings),
            n_samples=sum(len(timing.samples) for timing in timings),
        )
    tables = [
        pass_table(cases, with_common_peak(results), n_threads),
        comparisons(results),
        predictions,
        small,
        maximization_table(options, repeats),
    ]
    return heading + "\n\n".join(tables) + "\n"
