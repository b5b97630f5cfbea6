"""Warnings about how a fit went, and where nobody wants to hear them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sklearn.exceptions import ConvergenceWarning

from fastem.runtime.callers import levels_to_caller

_is_muted = ContextVar("_is_muted", default=False)


def warn(text: str) -> None:
    """Warn of it, in the name of whoever called fastem."""
    if not _is_muted.get():
        warnings.warn(text, ConvergenceWarning, stacklevel=levels_to_caller())


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
