"""The BLAS libraries of this process: threads of theirs only cost EM time."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import LibController, ThreadpoolController


@cache
def _libraries() -> list[LibController]:
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [library for library in found if library.get_num_threads() is not None]


def _set_threads(library: LibController, n_threads: int) -> None:
    """Set the process's number, from whichever thread.

    From 3.8 on, threadpoolctl ignores all threads but the first one to set OpenBLAS's
    number, as long as that lives.
    """
    release = getattr(library, "clear_controlling_thread", lambda force: None)
    release(force=True)
    library.set_num_threads(n_threads)
    release(force=True)


class _Limit:
    """One thread of BLAS while any fit of any Python thread runs.

    The setting is the process's. Were each fit to restore what it found, two that
    overlap would leave the second one's, which is 1, for good. A Ctrl-C may come
    between any two lines: each leaves what the next one can start from.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._fits: set[object] = set()
        self._found: list[tuple[LibController, int]] = []

    def enter(self, fit: object) -> None:
        with self.lock:
            if not self._found:
                self._found = [
                    (library, library.get_num_threads()) for library in _libraries()
                ]
            self._fits.add(fit)
            for library, _ in self._found:
                _set_threads(library, 1)

    def leave(self, fit: object) -> None:
        with self.lock:
            self._fits.discard(fit)
            if not self._fits:
                for library, n_threads in self._found:
                    _set_threads(library, n_threads)
                self._found = []


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
        try:
            _limit.leave(fit)
        except BaseException:  # a Ctrl-C meanwhile
            _limit.leave(fit)
            raise
