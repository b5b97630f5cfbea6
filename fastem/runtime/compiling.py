"""What is told of the compiler, and a clock that stands still while it runs.

Kernels are compiled at their first use in an environment, which takes seconds. Whoever
waits for that is told: by a record on the logger "fastem", and by listeners.
"""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

LOGGER = logging.getLogger("fastem")

_waits = threading.local()


class Listener(Protocol):
    """Is told each time that the compiler runs."""

    def begin(self, what: str) -> None:
        """It begins, with code for such rows."""

    def end(self, seconds: float) -> None:
        """It has ended."""


_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())


def clock() -> float:
    """Seconds, but for those in which this thread waited for machine code."""
    return time.perf_counter() - getattr(_waits, "seconds", 0.0)


@contextmanager
def clock_stopped() -> Iterator[None]:
    """The block makes machine code ready: compiles it, loads it, or waits for that."""
    began = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - began
        _waits.seconds = getattr(_waits, "seconds", 0.0) + seconds


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Have the listener told of what the block compiles, in this thread."""
    before = _listeners.get()
    try:
        _listeners.set((*before, listener))
        yield
    finally:
        _listeners.set(before)


class _Announcement:
    """One text of all that is compiled in a block, and one of how long it took."""

    def __init__(self, model: str, verbose: bool) -> None:
        self._model = model
        self._verbose = verbose
        self._n_compiled = 0
        self._seconds = 0.0

    def begin(self, what: str) -> None:
        if not self._n_compiled:
            purpose = f"{self._model} and {what}" if self._model else what
            self._say(
                f"Compiling kernels for {purpose}, once for this environment: some "
                "seconds ..."
            )
        self._n_compiled += 1

    def end(self, seconds: float) -> None:
        self._seconds += seconds

    def close(self) -> None:
        if self._n_compiled:
            kernels = "kernel" if self._n_compiled == 1 else "kernels"
            self._say(
                f"Compiled {self._n_compiled} {kernels} in {self._seconds:.1f} s."
            )

    def _say(self, text: str) -> None:
        LOGGER.info(text)
        if self._verbose and not _shows_records():
            print(text, flush=True)


def _shows_records() -> bool:
    """Whether the logger's records come to where ``print`` writes, or beside it."""
    if not LOGGER.isEnabledFor(logging.INFO):
        return False
    logger: logging.Logger | None = LOGGER
    while logger is not None:
        for handler in logger.handlers:
            stream = getattr(handler, "stream", None)
            if stream in (sys.stdout, sys.stderr) and handler.level <= logging.INFO:
                return True
        logger = logger.parent if logger.propagate else None
    return False


class announced:  # noqa: N801  (it is used as a function is)
    """Announce what a block compiles, in this thread, but no more than once.

    A class, since it stands around each answer: a generator takes five times as long.

    Parameters
    ----------
    model : str
        What the kernels are for, beside the type of the rows.
    verbose : bool
        Whether to print the texts as well, if no record of them is shown.
    """

    def __init__(self, model: str = "", verbose: bool = False) -> None:
        self._mine: _Announcement | None = None
        self._before = _listeners.get()
        if not any(isinstance(listener, _Announcement) for listener in self._before):
            self._mine = _Announcement(model, verbose)

    def __enter__(self) -> None:
        if self._mine is not None:
            _listeners.set((*self._before, self._mine))

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        if self._mine is not None:
            _listeners.set(self._before)
            if error_type is None:
                self._mine.close()


@contextmanager
def told(what: str) -> Iterator[None]:
    """The block is the compiler's, which makes code for such rows."""
    with announced():
        listeners = _listeners.get()
        for listener in listeners:
            listener.begin(what)
        began = time.perf_counter()
        try:
            yield
        finally:
            for listener in listeners:
                listener.end(time.perf_counter() - began)
