"""What the commands say while they work: progress, warnings and errors."""

import math
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from fastem.checks.rows import DROP_ROWS, MARGINALIZE
from fastem.choice.progress import SelectionProgress
from fastem.covariances import SingularCovarianceError
from fastem.em.progress import Progress
from fastem.em.ridge import RegularizationWarning
from fastem.report.scaling import UnscalableColumnsError
from fastem.runtime import compiling

_SECONDS_BETWEEN_LINES = 5.0
_START = "Choosing a start"

# Texts of the library name its parameters; here those are options.
_OPTIONS = {
    "n_components": "-k",
    "accelerate": "--accelerate",
    "covariance_type": "--covariance",
    "init_params": "--init",
    "max_iter": "--max-iter",
    "n_init": "--n-init",
    "n_threads": "--threads",
    "on_collapse": "--on-collapse",
    "outlier_share": "--outlier-share",
    "random_state": "--seed",
    "reg_covar": "--reg-covar",
    "sample_weight": "--weights",
    "stopping": "--stopping",
    "tol": "--tol",
}
_LEAVE_OUT = "missing values cannot be used: leave them out with --drop-missing"
_MARGINALIZE = MARGINALIZE.replace(
    "missing_values='marginalize'", "--missing marginalize"
)
# Not in quotes, which are around names of columns, nor in a path.
_PARAMETER = re.compile(rf"(?<![\w'/.-])({'|'.join(_OPTIONS)})(?![\w'/-]|\.\w)(=?)")


@contextmanager
def plain_messages() -> Iterator[None]:
    """Warnings and errors of the block as lines on standard error.

    Raises
    ------
    SystemExit
        With code 1 for an error in data, models or files, 130 for Ctrl-C.
    """
    with compiling.heard_by(_FirstUse()), warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)  # ConvergenceWarning too
        warnings.showwarning = _show_warning
        try:
            yield
        except KeyboardInterrupt:
            say("Interrupted: no unfinished file is left.")
            sys.exit(130)
        except BrokenPipeError:
            # Whoever read the output has seen enough. Python would complain once
            # more when it flushes what is left.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except (ValueError, TypeError, ArithmeticError, ImportError, OSError) as error:
            say(f"Error: {_one_line(error)}")
            sys.exit(1)
        except MemoryError as error:
            say(f"Error: not enough memory ({error}). Use fewer rows or columns.")
            sys.exit(1)


def say(text: str) -> None:
    """A line on standard error."""
    print(text, file=sys.stderr, flush=True)


class _FirstUse:
    """Says, once for a command, why its first use takes longer."""

    def __init__(self) -> None:
        self._is_said = False

    def begin(self, what: str) -> None:
        if not self._is_said:
            say(f"Compiling for {what}, once for this environment: some seconds ...")
        self._is_said = True

    def end(self, seconds: float) -> None:
        pass


def in_options(text: str) -> str:
    """A text of the library in one line, with options in place of parameters."""

    def option(match: re.Match[str]) -> str:
        return _OPTIONS[match[1]] + (" " if match[2] else "")

    text = re.sub(r"\bX (?=has|holds|contains)", "the data ", " ".join(text.split()))
    text = text.replace(f"missing values cannot be used: {DROP_ROWS}", _LEAVE_OUT)
    text = text.replace(DROP_ROWS, "remove them")
    text = text.replace(MARGINALIZE, _MARGINALIZE)
    return _PARAMETER.sub(option, text)


@contextmanager
def naming_columns(columns: Sequence[str]) -> Iterator[None]:
    """Warnings and errors of a fit to an array, with the names of its columns."""
    show = warnings.showwarning

    def show_with_names(message: Warning | str, *details: Any, **more: Any) -> None:
        if isinstance(message, RegularizationWarning):
            message = message.with_names(columns)
        show(message, *details, **more)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_with_names
            yield
    except SingularCovarianceError as error:
        raise error.with_names(columns) from None
    except UnscalableColumnsError as error:
        unscalable = [columns[j] for j in error.columns]
        others = ",".join(name for name in columns if name not in unscalable)
        raise ValueError(
            f"--standardize cannot scale {', '.join(map(repr, unscalable))}, because "
            f"all values are equal. Leave that out: --columns '{others}'"
        ) from None


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"Warning: {in_options(str(message))}")


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = "" if error.filename is None else f"{error.filename}: "
        return f"{name}{error.strerror}"
    return in_options(str(error)) or type(error).__name__


def _speed(rows_per_second: float) -> str:
    if rows_per_second < 1e6:
        return f"{rows_per_second:,.0f} rows/s"
    return f"{rows_per_second / 1e6:.3g} M rows/s"


def _left(seconds: float) -> str:
    return f"{timedelta(seconds=math.ceil(seconds))} left"


class FitProgress:
    """Follows a fit: a bar on a terminal, otherwise a line now and then.

    Use as a context manager; the instance is the callback of the fit, and listens to
    the compiler.

    Attributes
    ----------
    compiling : float
        Seconds for which the compiler ran.
    """

    def __init__(self, max_iter: int, n_init: int, *, standardized: bool) -> None:
        self._n_init = n_init
        # In other units than the result, which differs by a constant.
        self._of = " of standardised columns" if standardized else ""
        self._max_iter = max_iter
        self._console = Console(stderr=True, highlight=False)
        self._bar = ProgressBar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(_START, total=None, state="")
        self._began = self._last_line = time.perf_counter()
        self._doing = _START
        self.compiling = 0.0
        self._is_first = True

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def begin(self, what: str) -> None:
        """The compiler runs."""
        self._bar.update(self._task, description="Compiling (once)")

    def end(self, seconds: float) -> None:
        """The compiler has ended."""
        self._bar.update(self._task, description=self._doing)
        self.compiling += seconds

    def __call__(self, progress: Progress) -> None:
        """An iteration is over."""
        where = f"iteration {progress.iteration}"
        if self._n_init > 1:
            where = f"start {progress.restart + 1} of {self._n_init}, {where}"
        state = f"log-likelihood {progress.lower_bound:.6f}{self._of}"
        if progress.iteration > 1:
            state += f", gain {progress.change:.1e}"
        state += f", {_speed(progress.rows_per_second)}, {_left(progress.seconds_left)}"
        if self._is_first and (progress.restart, progress.iteration) != (0, 1):
            say(f"Going on from the checkpoint, at {where}.")
        self._is_first = False
        self._doing = where
        if self._console.is_terminal:
            self._bar.update(
                self._task,
                description=where,
                total=self._max_iter,
                completed=progress.iteration,
                state=state,
            )
            return
        now = time.perf_counter()
        due = now - self._last_line > _SECONDS_BETWEEN_LINES
        if progress.iteration == 1 or progress.iteration % 10 == 0 or due:
            self._last_line = now
            say(f"{where}, mean {state}")


class SelectionProgressLine(FitProgress):
    """Follows a choice: a bar on a terminal, otherwise a line now and then."""

    def __init__(self) -> None:
        super().__init__(0, 1, standardized=False)

    def follow(self, progress: SelectionProgress) -> None:
        """A fit of a candidate is over."""
        n_fits = progress.n_done + progress.n_left
        where = f"{progress.n_done} of {n_fits} fits "
        where += "without a fold" if progress.fold else f"to {progress.n_rows:,} rows"
        state = (
            f"{progress.covariance_type}, {progress.n_components}, "
            f"{_left(progress.seconds_left)}"
        )
        self._doing = where
        if self._console.is_terminal:
            self._bar.update(
                self._task,
                description=where,
                total=n_fits,
                completed=progress.n_done,
                state=state,
            )
            return
        now = time.perf_counter()
        if not progress.n_left or now - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = now
            say(f"{where}: {state}")
