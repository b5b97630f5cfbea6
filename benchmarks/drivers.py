"""Passes by Python's threads and by Numba's: which takes less time where."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import getitem, setitem
from statistics import median, quantiles
from unittest import mock

import numpy as np

from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.kernel_pass import expectation_pass
from benchmarks.measure import DisagreementError
from benchmarks.problems import Problem
from benchmarks.reporting import measured_by, note, progress
from benchmarks.rounds import Rounds, alternate
from benchmarks.table import number, rows_of_cells, times
from fastem.kernels import PassSums, grid

PYTHON, NUMBA = "threads", "numba"
_NUMBERS_OF_ROWS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_D, _K = 8, 8
_N_SHORT = 3


@dataclass(frozen=True)
class Compared:
    """Passes over so many rows, on so many threads, of one driver and the other."""

    n_rows: int
    n_threads: int
    log_likelihood: float  # mean of a row
    rounds: Rounds

    @property
    def faster(self) -> list[float]:
        """Time with Python's threads over that with Numba's, round by round."""
        return self.rounds.ratios(PYTHON, NUMBA)

    @property
    def winner(self) -> str | None:
        """The driver that takes less time in three of four rounds; None if neither."""
        low, _, high = quantiles([*self.faster, *self.faster], n=4, method="inclusive")
        return NUMBA if low > 1 else PYTHON if high < 1 else None

    def cells(self) -> list[str]:
        """A line of the table."""
        wall = (1e3 * self.rounds.seconds(driver) for driver in (PYTHON, NUMBA))
        used = (
            1e3 * median(sample.cpu for sample in self.rounds.samples[driver])
            for driver in (PYTHON, NUMBA)
        )
        return [
            f"{self.n_rows:,}",
            f"{self.n_threads}",
            *map(number, (*wall, *used)),
            times(self.faster),
            self.winner or "neither",
            f"{self.log_likelihood:.9f}",
        ]


@contextmanager
def driven() -> Iterator[Callable[[str], None]]:
    """Gives a function that chooses the driver of the passes that follow."""
    chosen = [PYTHON]
    with mock.patch.object(grid, "chosen_driver", partial(getitem, chosen, 0)):
        yield partial(setitem, chosen, 0)


def _bits(sums: PassSums) -> list[bytes]:
    return [np.asarray(one).tobytes() for one in sums]


def compare(
    n_rows: int,
    numbers_of_threads: Sequence[int],
    repeats: int,
    seconds_a_sample: float,
    patience: float,
) -> Iterator[Compared]:
    """Time passes of both drivers in turn, for each number of threads.

    Raises
    ------
    DisagreementError
        If the sums have other bits than those of one thread.
    """
    run = expectation_pass(Problem(f"full-{n_rows}-{_D}-{_K}", n_rows, _D, _K))
    alone = run(1)
    with driven() as choose:

        def run_by(driver: str, n_threads: int) -> PassSums:
            choose(driver)
            return run(n_threads)

        for n_threads in numbers_of_threads:
            actions = {d: partial(run_by, d, n_threads) for d in (PYTHON, NUMBA)}
            for driver, action in actions.items():
                if _bits(action()) != _bits(alone):
                    raise DisagreementError(
                        f"{driver}: {n_threads} threads do not give the bits of one"
                    )
            rounds = alternate(
                actions,
                repeats=repeats,
                seconds_a_sample=seconds_a_sample,
                patience=patience,
            )
            yield Compared(n_rows, n_threads, alone.log_likelihood / n_rows, rounds)


def numbers_of_threads(most: int) -> list[int]:
    """1, 2, 4 and so on, and as many as there may be."""
    return [*(2**n for n in range(most.bit_length()) if 2**n < most), most]


def comparison_table(compared: Sequence[Compared]) -> str:
    """A line for each number of rows and of threads."""
    head = (
        "rows",
        "threads",
        "ms, threads",
        "ms, numba",
        "processor ms, threads",
        "processor ms, numba",
        "numba is faster by",
        "takes less time",
        "log-likelihood of a row, nats, of both",
    )
    return rows_of_cells(head, [one.cells() for one in compared])


def summary(compared: Sequence[Compared]) -> str:
    """Which driver takes less time where, in a sentence each."""
    texts = []
    for driver in (PYTHON, NUMBA, None):
        where = [
            f"{one.n_rows:,} rows on {one.n_threads}"
            for one in compared
            if one.winner == driver and one.n_threads > 1
        ]
        if where:
            texts.append(f"- `{driver}`" if driver else "- neither")
            texts[-1] += f": {'; '.join(where)}."
    return "Takes less time, of more threads than one:\n\n" + "\n".join(texts)


def document(options: Options) -> str:
    """Measure; the Markdown document."""
    repeats = options.repeats or 7
    rows = _NUMBERS_OF_ROWS[:_N_SHORT] if options.short else _NUMBERS_OF_ROWS
    found: list[Compared] = []
    with machine.threads(options.n_threads or machine.usable_cores()) as most:
        for n_rows in rows:
            progress(f"{n_rows:,} rows")
            for one in compare(
                n_rows,
                numbers_of_threads(most),
                repeats,
                0.05 if options.short else 0.3,
                options.patience,
            ):
                found.append(one)
                note(f"{n_rows:,} rows, {one.n_threads} threads: {times(one.faster)}")
        heading = measured_by(
            "--drivers",
            f"Passes over rows of {_D} columns with {_K} components and full "
            "covariances, by themselves. Medians of "
            f"{repeats} alternating rounds, ratios round by round with their quartiles "
            "in brackets. Processor time is that of all threads, those that wait by "
            "spinning too. Sums have the same bits in all lines of as many rows.",
            n_disturbed=sum(one.rounds.n_disturbed for one in found),
            n_samples=sum(one.rounds.n_samples for one in found),
        )
    return f"{heading}{comparison_table(found)}\n\n{summary(found)}\n"
