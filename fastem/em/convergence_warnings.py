"""Warnings about how a fit went, and where nobody wants to hear them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sklearn.exceptions import ConvergenceWarning

from fastem.runtime.callers import levels_to_caller

_is_muted = ContextVar("_is_muted", default=False)
# What texts end with, and the first sentences that were told, where each is told once.
_ending = ContextVar("_ending", default="")
_told: ContextVar[set[str] | None] = ContextVar("_told", default=None)


def warn(text: str) -> None:
    """Warn of it, in the name of whoever called fastem."""
    if not _is_muted.get():
        tell(ConvergenceWarning(text + ending()))


def tell(warning: Warning) -> None:
    """Tell of a fit what is to be told of it wherever it is told."""
    told = _told.get()
    if told is not None:
        beginning = str(warning).partition(". ")[0]
        if beginning in told:
            return
        told.add(beginning)
    warnings.warn(warning, stacklevel=levels_to_caller())


def ending() -> str:
    """What texts end with, as Python's filters look at beginnings."""
    return _ending.get()


@contextmanager
def ending_in(sentence: str) -> Iterator[None]:
    """Say at the end of each text which of several fits it is about."""
    token = _ending.set(f" {sentence}")
    try:
        yield
    finally:
        _ending.reset(token)


@contextmanager
def told_once() -> Iterator[None]:
    """Of several fits to nearly the same rows, tell the first time only."""
    token = _told.set(set())
    try:
        yield
    finally:
        _told.reset(token)


@contextmanager
def muted() -> Iterator[None]:
    """Say nothing in this thread.

    Python's filters are the process's: ``warnings.catch_warnings`` in two threads at
    once can leave them as one of the threads had set them, for good.
    """
    before = _is_muted.get()
    try:
        _is_muted.set(True)
        yield
    finally:
        _is_muted.set(before)
