"""What scripts/bench does in each of its modes."""

import time
from collections.abc import Sequence

from benchmarks import compile_time, machine, memory, regression
from benchmarks.libraries import FASTEM, LIBRARIES, NUMPY
from benchmarks.machine import Machine
from benchmarks.measure import Result, measure, with_common_peak
from benchmarks.problems import Problem
from benchmarks.reporting import measured_by, note, progress
from benchmarks.table import document, number

_SECONDS_A_RUN = {False: 0.3, True: 0.1}  # of long problems, of short ones


def select_libraries(names: Sequence[str]) -> list[str]:
    """The libraries of these names, in whatever case; all, if none is given.

    Raises
    ------
    ValueError
        If there is no such library.
    """
    by_lower_case = {library.lower(): library for library in LIBRARIES}
    unknown = [name for name in names if name.lower() not in by_lower_case]
    if unknown:
        raise ValueError(
            f"no library is named {unknown[0]!r}; there are: {', '.join(LIBRARIES)}"
        )
    if not names:
        return list(LIBRARIES)
    wanted = {by_lower_case[name.lower()] for name in names}
    return [library for library in LIBRARIES if library in wanted]


def table(
    problems: Sequence[Problem],
    libraries: Sequence[str],
    repeats: int,
    n_threads: int | None,
    patience: float,
) -> str:
    """Measure the problems; the Markdown document."""
    results: list[Result] = []
    with machine.threads(n_threads or machine.usable_cores()):
        here = Machine.here()
        for problem in problems:
            began = time.perf_counter()
            result = measure(
                problem,
                libraries,
                repeats=repeats,
                seconds_a_run=_SECONDS_A_RUN[problem.is_short],
                patience=patience,
                report=progress,
            )
            results.append(result)
            note(_summary(result, time.perf_counter() - began))
    return document(with_common_peak(results), here, repeats)


def _summary(result: Result, seconds: float) -> str:
    times = ", ".join(
        f"{library} {number(1e3 * min(timing.wall))} to "
        f"{number(1e3 * max(timing.wall))} ms an iteration "
        f"(first run {number(timing.first_seconds)} s"
        f"{f', {timing.n_disturbed} disturbed' if timing.n_disturbed else ''})"
        for library, timing in result.timings.items()
    )
    return f"{result.problem.name}: {times}; {seconds:.0f} s in all"


def _ratio(problem: Problem, repeats: int) -> Result:
    """fastem and the NumPy reference, for the regression check."""
    return measure(
        problem,
        [FASTEM, NUMPY],
        repeats=repeats,
        seconds_a_run=_SECONDS_A_RUN[problem.is_short],
        with_peak=False,
        report=progress,
    )


def record(problems: Sequence[Problem], repeats: int, n_threads: int | None) -> None:
    """Measure the ratios, and write them into the repository."""
    with machine.threads(n_threads or machine.usable_cores(), blas_threads=1):
        results = [_ratio(problem, repeats) for problem in problems]
        new = regression.updated_record(
            regression.read_record(), results, Machine.here()
        )
    regression.write_record(new)
    note(f"recorded: {', '.join(p.name for p in problems)}")


def check(problems: Sequence[Problem], repeats: int, n_threads: int | None) -> int:
    """Measure the ratios and compare: 1 for a regression, 2 for no record, else 0."""
    recorded = regression.read_record()
    known = [p for p in problems if p.name in recorded["problems"]]
    for problem in problems:
        if problem not in known:
            note(f"{problem.name} is not recorded: run scripts/bench --record")
    if not known:
        return 2
    comparisons = []
    with machine.threads(n_threads or machine.usable_cores(), blas_threads=1):
        here = Machine.here()
        different = regression.differences(recorded, here)
        limit = regression.SLOWER_THAN
        if different:
            limit = regression.SLOWER_THAN_ELSEWHERE
            print(
                f"Recorded on another machine ({'; '.join(different)}): only a ratio "
                f"more than {limit:g}x the recorded one fails, not "
                f"{regression.SLOWER_THAN:g}x."
            )
        for problem in known:
            result = _ratio(problem, repeats)
            comparison = regression.compare(result, recorded, here, limit)
            if comparison.is_regression:
                note(f"{problem.name}: {comparison.verdict}; measured again")
                again = _ratio(problem, 2 * repeats)
                comparison = regression.better(
                    comparison, regression.compare(again, recorded, here, limit)
                )
            comparisons.append(comparison)
            note(f"{problem.name}: {number(comparison.slowdown)}x the recorded ratio")
    progress("")
    print(regression.comparison_table(comparisons))
    failed = [c.problem for c in comparisons if c.is_regression]
    if failed:
        print(f"\nRegression in {len(failed)} of {len(known)}: {', '.join(failed)}")
        return 1
    print(f"\nNo regression in {len(known)} problems.")
    return 0


def compilation(repeats: int) -> str:
    """Measure the compilation; the Markdown document."""
    body = compile_time.measure_compilation(repeats, note)
    progress("")
    return f"{measured_by('--compile', f'Medians of {repeats} processes.')}{body}\n"


def memory_peaks(libraries: Sequence[str]) -> str:
    """Measure the peak memory; the Markdown document."""
    body = memory.measure_memory(libraries, note)
    progress("")
    return f"{measured_by('--memory', 'MB are 10^6 bytes.')}{body}\n"
