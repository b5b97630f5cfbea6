"""The BLAS libraries of this process: threads of theirs only cost EM time."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


class _Limit:
    """One thread of BLAS while any fit of any Python thread runs.

    The setting is the process's. Were each fit to restore what it found, two that
    overlap would leave the second one's, which is 1, for good.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._fits: set[object] = set()
        self._limiter = None

    def enter(self, fit: object) -> None:
        with self.lock:
            if not self._fits:
                self._limiter = _libraries().limit(limits=1, user_api="blas")
            self._fits.add(fit)

    def leave(self, fit: object) -> None:
        with self.lock:
            self._fits.discard(fit)
            if not self._fits and self._limiter is not None:
                self._limiter.restore_original_limits()
                self._limiter = None


_limit = _Limit()


def _after_fork_in_child() -> None:
    """Another thread, which the child does not have, may have held the lock."""
    _limit.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS to one thread.

    The maximisation step's matrices are small, and on a machine where other programs
    run, BLAS's threads wait for each other: 388 ms against 1 ms for 8 Cholesky factors
    of 128 columns.
    """
    fit = object()
    try:
        _limit.enter(fit)
        yield
    finally:
        _limit.leave(fit)
