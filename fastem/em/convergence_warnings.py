"""Warnings about how a fit went, and where nobody wants to hear them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sklearn.exceptions import ConvergenceWarning

_is_muted = ContextVar("_is_muted", default=False)


def warn(text: str, stacklevel: int) -> None:
    """Warn of it, in the name of the caller so many levels up."""
    if not _is_muted.get():
        warnings.warn(text, ConvergenceWarning, stacklevel=stacklevel + 1)


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
