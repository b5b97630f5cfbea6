"""The Markdown that benchmarks/README.md carries."""

from collections.abc import Sequence
from statistics import median, quantiles

from benchmarks.libraries import FASTEM, NUMPY, SCIKIT_LEARN
from benchmarks.machine import Machine
from benchmarks.measure import Result
from benchmarks.reporting import busy

BEGIN = "<!-- benchmark table: begin -->"
END = "<!-- benchmark table: end -->"


def rows_of_cells(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    lines = [
        "| " + " | ".join(head) + " |",
        "| --- |" + " ---: |" * (len(head) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join(lines)


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(values: Sequence[float]) -> str:
    """A ratio: the median, and the quartiles in brackets."""
    text = f"{number(median(values))}x"
    if len(values) > 2:
        low, _, high = quantiles(values, n=4, method="inclusive")
        text += f" ({number(low)} to {number(high)})"
    return text


def at_least(target: float | None, value: float, unit: str = "x") -> str:
    """A target that is met from below, and whether it is."""
    if target is None:
        return "-"
    return f"{target:g}{unit}, {'met' if value >= target else 'missed'}"


def at_most(target: float | None, value: float, unit: str) -> str:
    """A target that is met from above, and whether it is."""
    if target is None:
        return "-"
    return f"{target:g}{unit}, {'met' if value <= target else 'missed'}"


def result_cells(result: Result) -> dict[str, str]:
    """The cells of one problem under their heads."""
    problem, timings = result.problem, result.timings
    cells = {"problem (type-N-D-K)": problem.name}
    for library, timing in timings.items():
        cells[f"{library}, ms an iteration"] = number(1e3 * median(timing.wall))
    if FASTEM in timings:
        if SCIKIT_LEARN in timings:
            ratios = result.ratios(SCIKIT_LEARN, FASTEM)
            cells["faster than scikit-learn"] = times(ratios)
            cells["target"] = at_least(problem.target, median(ratios))
        if NUMPY in timings:
            cells["faster than NumPy"] = times(result.ratios(NUMPY, FASTEM))
    cells["log-likelihood of a row, nats"] = f"{result.log_likelihood:.6f}"
    cells["relative difference, at most"] = "; ".join(
        f"{library} {timing.difference:.0e}" for library, timing in timings.items()
    )
    if FASTEM in timings:
        rate = result.flop_rate(FASTEM)
        cells["fastem, GFLOP/s"] = number(rate / 1e9)
        if result.peak:
            cells["peak, GFLOP/s"] = number(result.peak / 1e9)
            cells["% of peak"] = f"{100 * rate / result.peak:.0f} %"
    return cells


def results_table(results: Sequence[Result]) -> str:
    """One line a problem; all must be of the same libraries."""
    cells = [result_cells(result) for result in results]
    return rows_of_cells(list(cells[0]), [list(row.values()) for row in cells])


def document(results: Sequence[Result], machine: Machine, repeats: int) -> str:
    """The table, with how it was measured above it."""
    heading = (
        f"Measured by `scripts/bench` on {machine.describe()}. Milliseconds for one EM "
        "iteration on the wall clock, same rows and same start for all; medians of "
        f"{repeats} alternating rounds in one process, ratios round by round with "
        "their quartiles in brackets. GFLOP/s count useful work only, and the peak is "
        "the most that the same cores did in the same run with nothing but "
        "multiply-adds. `benchmarks/README.md` says how each number is obtained."
    )
    timings = [timing for result in results for timing in result.timings.values()]
    heading += busy(
        sum(timing.n_disturbed for timing in timings),
        sum(len(timing.samples) for timing in timings),
    )
    return f"{heading}\n\n{results_table(results)}\n"


def replace_between_markers(text: str, table: str) -> str:
    """The text with the table between the two markers, instead of what was there.

    Raises
    ------
    ValueError
        If the text does not have each marker exactly once, in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the text must have {BEGIN} and {END} once each")
    before, rest = text.split(BEGIN)
    if END not in rest:
        raise ValueError(f"{END} comes before {BEGIN}")
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{table.strip()}\n{END}{after}"
