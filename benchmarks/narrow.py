"""EM passes compiled for processors with narrower vectors than this one has.

Numba compiles for whatever NUMBA_CPU_NAME and NUMBA_CPU_FEATURES say, and the peak is
that of the same vectors. Both are read when Numba is imported, so each width is
measured in a process of its own, with a cache folder of its own.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.libraries import FASTEM, NUMPY
from benchmarks.machine import vector_bits
from benchmarks.measure import measure
from benchmarks.packages import cache_folder
from benchmarks.problems import PROBLEMS
from benchmarks.reporting import measured_by, note, progress
from benchmarks.table import at_least, number, rows_of_cells

NATIVE = "native"
_HASWELL = (
    "+64bit,+avx,+avx2,+bmi,+bmi2,+cmov,+cx16,+cx8,+f16c,+fma,+fxsr,+lzcnt,+mmx,"
    "+movbe,+pclmul,+popcnt,+sahf,+sse,+sse2,+sse3,+sse4.1,+sse4.2,+ssse3,+xsave"
)
# What the environment says for each kind of processor.
PROCESSORS = {
    NATIVE: {},
    "haswell": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": _HASWELL},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}
TARGETS = {"haswell": 50.0}  # % of the peak of the same vectors
_PROBLEMS = ("full-100k-32-32", "full-50k-64-16")
_ROOT = Path(__file__).parents[1]


def measure_here(
    repeats: int, n_threads: int, patience: float, short: bool
) -> list[dict[str, Any]]:
    """Measure the problems with what this process compiles for."""
    found = []
    with machine.threads(n_threads):
        for name in _PROBLEMS:
            problem = PROBLEMS[name]
            if short:
                problem = replace(problem, n_rows=problem.n_rows // 10)
            result = measure(
                problem,
                [FASTEM],
                repeats=repeats,
                seconds_a_run=0.05 if short else 0.3,
                patience=patience,
                report=progress,
            )
            timing = result.timings[FASTEM]
            found.append(
                {
                    "problem": problem.name + (" / 10" if short else ""),
                    "bits": vector_bits(),
                    "seconds": median(timing.wall),
                    "rate": result.flop_rate(FASTEM),
                    "peak": result.peak,
                    "log_likelihood": result.log_likelihood,
                    "difference": timing.difference,
                    "n_disturbed": timing.n_disturbed,
                    "n_samples": len(timing.samples),
                }
            )
    return found


def measure_processor(processor: str, options: Options) -> list[dict[str, Any]]:
    """The same in a new process that compiles for that processor."""
    environment = {**os.environ, **PROCESSORS[processor]}
    if PROCESSORS[processor]:
        environment["NUMBA_CACHE_DIR"] = str(cache_folder() / f"compiled-{processor}")
    command = [sys.executable, "-m", "benchmarks.narrow"]
    command += [str(options.repeats or 7), str(options.patience)]
    command += [str(options.n_threads or machine.usable_cores())]
    command += ["--short"] if options.short else []
    done = subprocess.run(
        command, cwd=_ROOT, env=environment, check=True, stdout=subprocess.PIPE
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def width_table(measured: dict[str, list[dict[str, Any]]]) -> str:
    """A Markdown table: a line for each processor and problem."""
    lines = []
    for processor, found in measured.items():
        for one in found:
            percent = 100 * one["rate"] / one["peak"]
            lines.append(
                [
                    f"{processor}, {one['bits']} bits: {one['problem']}",
                    number(1e3 * one["seconds"]),
                    number(one["rate"] / 1e9),
                    number(one["peak"] / 1e9),
                    f"{percent:.0f} %",
                    at_least(TARGETS.get(processor), percent, " %"),
                    f"{one['log_likelihood']:.9f}",
                    f"{one['difference']:.0e}",
                ]
            )
    return rows_of_cells(
        [
            "compiled for (type-N-D-K)",
            "ms an EM pass",
            "GFLOP/s",
            "peak of such vectors, GFLOP/s",
            "% of peak",
            "target, at least",
            "log-likelihood of a row, nats",
            f"difference to {NUMPY}, relative, at most",
        ],
        lines,
    )


def document(options: Options) -> str:
    """Measure every kind of processor; the Markdown document."""
    measured = {}
    for processor in PROCESSORS:
        progress(f"compiled for {processor}")
        measured[processor] = measure_processor(processor, options)
        note(f"compiled for {processor}: done")
    every = [one for found in measured.values() for one in found]
    heading = measured_by(
        "--narrow",
        f"Wall clock, medians of {options.repeats or 7} rounds, each line's peak "
        "measured between them. All ran on this processor; 'haswell' and 'generic' are "
        "what Numba compiled for, each in a process of its own.",
        n_disturbed=sum(one["n_disturbed"] for one in every),
        n_samples=sum(one["n_samples"] for one in every),
    )
    return heading + width_table(measured) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("repeats", type=int)
    parser.add_argument("patience", type=float)
    parser.add_argument("n_threads", type=int)
    parser.add_argument("--short", action="store_true")
    chosen = parser.parse_args()
    found = measure_here(
        chosen.repeats, chosen.n_threads, chosen.patience, chosen.short
    )
    print(json.dumps(found))
