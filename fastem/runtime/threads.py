"""Threads that no interrupt can leave in a bad state.

Those of ``concurrent.futures`` can be: its semaphores, and the start of a thread, are
Python code, and a Ctrl-C between two of its lines leaves a lock taken for good. After
some hundred interrupts in fits to Parquet files all others waited for that lock. Here,
starting a thread and giving it work are single calls into C.
"""

from _thread import start_new_thread
from collections.abc import Callable
from queue import SimpleQueue

Task = Callable[[], object]  # which raises nothing


def start_thread(task: Task) -> None:
    """Have a new thread call it."""
    start_new_thread(task, ())


class Helpers:
    """Threads that call what is asked of them, in this order; started at first use."""

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        self.n_started = 0

    def ask(self, task: Task) -> None:
        """Have one of the threads call it when it has nothing else to do."""
        while self.n_started < self._n_threads:
            start_thread(self._work)
            self.n_started += 1
        self._tasks.put(task)

    def _work(self) -> None:
        while True:
            self._tasks.get()()
