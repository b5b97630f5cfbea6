"""Time of an EM pass as the work grows: rows, columns, components, threads."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import log2
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.libraries import FASTEM, prepare_fastem
from benchmarks.measure import measure
from benchmarks.problems import Problem
from benchmarks.reporting import measured_by, note, progress
from benchmarks.table import number, rows_of_cells

_N, _D, _K = 100_000, 16, 16
_MOST_ITERATIONS = 10  # of 16 columns, two components are found in 15


@dataclass(frozen=True)
class Series:
    """A number that grows while the others stay, and how time should follow it."""

    grows: str
    fixed: str
    expected: str
    values: tuple[int, ...]
    problems: tuple[Problem, ...]
    is_threads: bool = False


@dataclass
class Measured:
    """Seconds of a pass for each value, and the log-likelihoods beside them."""

    series: Series
    seconds: list[float]
    log_likelihoods: list[float]
    n_disturbed: int = 0
    n_samples: int = 0

    @property
    def exponent(self) -> float:
        """Slope on log axes, by least squares over all values."""
        slope, _ = np.polyfit(np.log(self.series.values), np.log(self.seconds), 1)
        return float(slope)

    @property
    def last_exponent(self) -> float:
        """Slope between the two largest values, where fixed costs count least."""
        (low, high), (first, last) = self.series.values[-2:], self.seconds[-2:]
        return log2(last / first) / log2(high / low)


def _problem(N: int = _N, D: int = _D, K: int = _K) -> Problem:
    return Problem(f"full-{N}-{D}-{K}", N, D, K)


def all_series(n_threads: int, short: bool) -> list[Series]:
    """What is measured, for a machine with so many threads."""
    rows = tuple(1_000 * 4**power for power in range(3 if short else 6))
    columns = (2, 4, 8) if short else (2, 4, 8, 16, 32, 64, 128)
    components = (2, 4, 8) if short else (2, 4, 8, 16, 32, 64, 128)
    threads = tuple(n for n in (1, 2, 4, 8, 16, 32, 64) if n < n_threads)
    n_few, n_rows = (2_000, 5_000) if short else (20_000, _N)
    return [
        Series(
            "rows N",
            f"D = {_D}, K = {_K}",
            "1",
            rows,
            tuple(_problem(n) for n in rows),
        ),
        Series(
            "columns D",
            f"N = {n_few:,}, K = {_K}",
            "towards 2",
            columns,
            tuple(_problem(n_few, D=d) for d in columns),
        ),
        Series(
            "components K",
            f"N = {n_few:,}, D = {_D}",
            "1",
            components,
            tuple(_problem(n_few, K=k) for k in components),
        ),
        Series(
            "threads",
            f"N = {n_rows:,}, D = {_D}, K = {_K}",
            "-1",
            (*threads, n_threads),
            (_problem(n_rows),) * (len(threads) + 1),
            is_threads=True,
        ),
    ]


def measure_series(
    series: Series, repeats: int, seconds_a_run: float, patience: float
) -> Measured:
    """Time an iteration for each value: threads in turn, the others one by one."""
    if series.is_threads:
        ways = {f"{n} threads": n for n in series.values}
        result = measure(
            series.problems[0],
            list(ways),
            prepared_by={
                name: partial(prepare_fastem, n_threads=n) for name, n in ways.items()
            },
            repeats=repeats,
            seconds_a_run=seconds_a_run,
            with_peak=False,
            patience=patience,
            report=progress,
        )
        timings = list(result.timings.values())
        log_likelihoods = [result.log_likelihood] * len(timings)
    else:
        results = [
            measure(
                problem,
                [FASTEM],
                repeats=repeats,
                seconds_a_run=seconds_a_run,
                most_iterations=_MOST_ITERATIONS,
                with_peak=False,
                patience=patience,
                report=progress,
            )
            for problem in series.problems
        ]
        timings = [result.timings[FASTEM] for result in results]
        log_likelihoods = [result.log_likelihood for result in results]
    return Measured(
        series,
        [median(timing.wall) for timing in timings],
        log_likelihoods,
        sum(timing.n_disturbed for timing in timings),
        sum(len(timing.samples) for timing in timings),
    )


def exponent_table(measured: Sequence[Measured]) -> str:
    """A Markdown table: a line for each value, exponents between it and the last."""
    lines = []
    for one in measured:
        series = one.series
        steps = pairwise(zip(series.values, one.seconds, strict=True))
        exponents = ["-"] + [
            f"{log2(b[1] / a[1]) / log2(b[0] / a[0]):.2f}" for a, b in steps
        ]
        for value, seconds, exponent, reached in zip(
            series.values, one.seconds, exponents, one.log_likelihoods, strict=True
        ):
            lines.append(
                [
                    f"{series.grows} = {value:,} ({series.fixed})",
                    number(1e3 * seconds),
                    exponent,
                    f"{reached:.6f}",
                ]
            )
        lines.append(
            [
                f"{series.grows}: exponent of all; expected {series.expected}",
                "",
                f"**{one.exponent:.2f}**" if len(series.values) > 1 else "-",
                "",
            ]
        )
    return rows_of_cells(
        [
            "what grows",
            "ms an EM pass",
            "exponent, from the line above",
            "log-likelihood of a row, nats",
        ],
        lines,
    )


def draw(measured: Sequence[Measured], path: Path) -> None:
    """Four panels on log axes, with a line of the fitted exponent in each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, one in zip(figure.subplots(2, 2).flat, measured, strict=True):
        values, milliseconds = np.array(one.series.values), 1e3 * np.array(one.seconds)
        axes.loglog(values, milliseconds, "o", color="C0", label="measured, median")
        if len(values) > 1:
            slope, offset = np.polyfit(np.log(values), np.log(milliseconds), 1)
            axes.loglog(
                values,
                np.exp(offset) * values**slope,
                "-",
                color="C1",
                label=f"exponent of all: {slope:.2f}",
            )
            last = one.last_exponent
            axes.loglog(
                values[-2:],
                milliseconds[-2:],
                "--",
                color="C2",
                label=f"exponent of the last two: {last:.2f}",
            )
        axes.set_xticks(values, [f"{v:,}" for v in values], rotation=30)
        axes.minorticks_off()
        low, high = np.floor(np.log10(milliseconds.min())), milliseconds.max()
        ticks = [
            tick
            for power in np.arange(low, np.ceil(np.log10(high)) + 1)
            for tick in 10.0**power * np.array([1, 2, 5])
            if milliseconds.min() / 2 < tick < 2 * high
        ]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xlabel(one.series.grows)
        axes.set_ylabel("ms an EM pass")
        axes.set_title(f"{one.series.grows}: {one.series.fixed}", fontsize="medium")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.suptitle("fastem: time of an EM pass, full covariance, float64")
    figure.savefig(path, dpi=120)


def document(options: Options) -> str:
    """Measure, draw the picture; the Markdown document."""
    repeats = options.repeats or 5
    with machine.threads(options.n_threads or machine.usable_cores()) as n_threads:
        measured = []
        for series in all_series(n_threads, options.short):
            seconds_a_run = 0.02 if options.short else 0.2
            measured.append(
                measure_series(series, repeats, seconds_a_run, options.patience)
            )
            note(f"{series.grows}: exponent {measured[-1].exponent:.2f}")
        draw(measured, options.picture)
        heading = measured_by(
            "--scaling",
            f"Wall clock, medians of {repeats} rounds of an EM pass, full covariance, "
            "float64. An exponent e says that the time grows as the e-th power; the "
            "one of all is a least-squares fit on log axes. The picture is "
            f"{options.picture.name}.",
            n_disturbed=sum(one.n_disturbed for one in measured),
            n_samples=sum(one.n_samples for one in measured),
        )
    return heading + exponent_table(measured) + "\n"
