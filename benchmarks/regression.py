"""Has fastem become slower than it was? Judged by its ratio to the NumPy reference.

Both are measured in the same run and by processor time, so that neither a slower
machine nor whatever else runs on it looks like a regression: processor time grows by
a few per cent on a busy machine, time on the wall by factors. It is blind to one
thing, work that is no longer shared among threads; the parallel share sees that.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.libraries import FASTEM, NUMPY
from benchmarks.machine import Machine
from benchmarks.measure import Result
from benchmarks.table import number, rows_of_cells

RECORDED = Path(__file__).with_name("recorded.json")

# Both must be passed: a small share of much, or a large one of nothing, is noise.
SLOWER_THAN = 1.35
SLOWER_THAN_ELSEWHERE = 2.0  # on another processor, where the ratio itself differs
LOST_MILLISECONDS = 0.3  # of processor time an iteration

# Of the share that threads would have of evenly divided work.
LEAST_PARALLEL = 0.5


@dataclass(frozen=True)
class Comparison:
    """One problem: now, against what is recorded."""

    problem: str
    recorded_ratio: float
    ratio: float  # processor time of fastem over that of NumPy
    numpy_ms: float  # processor milliseconds an iteration, now
    parallel_share: float
    n_threads: int
    limit: float = SLOWER_THAN

    @property
    def slowdown(self) -> float:
        """How many times slower than recorded."""
        return self.ratio / self.recorded_ratio

    @property
    def lost_ms(self) -> float:
        """Processor milliseconds an iteration beyond what the record promises."""
        return (self.ratio - self.recorded_ratio) * self.numpy_ms

    @property
    def is_slower(self) -> bool:
        """Whether it is slower by both thresholds."""
        return self.slowdown > self.limit and self.lost_ms > LOST_MILLISECONDS

    @property
    def is_serial(self) -> bool:
        """Whether threads take much less of the work than they should."""
        even = 1 - 1 / self.n_threads
        return self.parallel_share < LEAST_PARALLEL * even

    @property
    def is_regression(self) -> bool:
        """Whether the check fails for it."""
        return self.is_slower or self.is_serial

    @property
    def verdict(self) -> str:
        """In words."""
        if self.is_slower:
            return (
                f"SLOWER: {number(self.slowdown)}x is more than {self.limit:g}x, and "
                f"{number(self.lost_ms)} ms more than {LOST_MILLISECONDS:g} ms"
            )
        if self.is_serial:
            return f"NOT PARALLEL: on {self.n_threads} threads"
        return "ok"


def compare(
    result: Result, recorded: dict[str, Any], machine: Machine, limit: float
) -> Comparison:
    """A result against the recorded one of the same problem."""
    entry = recorded["problems"][result.problem.name]
    return Comparison(
        problem=result.problem.name,
        recorded_ratio=entry["ratio"],
        ratio=median(result.ratios(FASTEM, NUMPY, "cpu")),
        numpy_ms=1e3 * median(result.timings[NUMPY].cpu),
        parallel_share=result.timings[FASTEM].parallel_share,
        n_threads=machine.threads,
        limit=limit,
    )


def better(first: Comparison, second: Comparison) -> Comparison:
    """The one of two measurements that speaks for fastem: noise only ever adds."""
    if first.is_regression != second.is_regression:
        return second if first.is_regression else first
    return min(first, second, key=lambda comparison: comparison.slowdown)


def read_record(path: Path = RECORDED) -> dict[str, Any]:
    """The record in the repository; without problems, if there is none yet."""
    if not path.exists():
        return {"machine": {}, "problems": {}}
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def updated_record(
    record: dict[str, Any], results: Sequence[Result], machine: Machine
) -> dict[str, Any]:
    """The record with these results in it.

    Those of other problems stay only if they come from the same kind of machine.
    """
    same = not differences(record, machine)
    problems = dict(record["problems"]) if same else {}
    for result in results:
        problems[result.problem.name] = {
            "ratio": round(median(result.ratios(FASTEM, NUMPY, "cpu")), 5),
            "fastem_ms": round(1e3 * median(result.timings[FASTEM].cpu), 3),
            "numpy_ms": round(1e3 * median(result.timings[NUMPY].cpu), 3),
        }
    return {
        "what": "processor milliseconds of one EM iteration, all threads together, "
        "and their ratio fastem / NumPy reference (BLAS on one thread)",
        "machine": machine.as_dict(),
        "problems": problems,
    }


def write_record(record: dict[str, Any], path: Path = RECORDED) -> None:
    """Into the repository."""
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def differences(record: dict[str, Any], machine: Machine) -> list[str]:
    """In what this machine differs from the recorded one, as far as it matters."""
    then, now = record["machine"], machine.as_dict()
    return [
        f"{fact} was {then.get(fact)!r}, is {now[fact]!r}"
        for fact in ("cpu", "vector_bits", "blas")
        if then.get(fact) != now[fact]
    ]


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """Which problem is slower, and by how much."""
    return rows_of_cells(
        [
            "problem",
            "recorded fastem / NumPy",
            "now",
            "times slower",
            "lost, ms of processor time an iteration",
            "share of other threads",
            "verdict",
        ],
        [
            [
                c.problem,
                f"{c.recorded_ratio:.4f}",
                f"{c.ratio:.4f}",
                f"{number(c.slowdown)}x",
                f"{c.lost_ms:+.2f}",
                f"{100 * c.parallel_share:.0f} %",
                c.verdict,
            ]
            for c in comparisons
        ],
    )
