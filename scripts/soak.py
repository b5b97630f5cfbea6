"""Random calls from several threads, with interrupts: nothing may go wrong."""

import argparse
import ctypes
import faulthandler
import gc
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from soak_calls import Call, Catalogue, digest, state
from threadpoolctl import threadpool_info

_MEGABYTE = 2**20
# Least share of the time after which memory has to stay as it is.
_WARM_UP = 0.25
# What memory may grow by: allocators keep a little for each thread.
_MOST_GROWTH = 64 * _MEGABYTE
# Seconds in which a call has to end, and an interrupt to arrive.
_MOST_SECONDS = 300
_MOST_DELIVERY = 30


class Interrupted(BaseException):
    """What threads other than the main one get in place of Ctrl-C."""


def outcome(call: Call) -> tuple[str, str]:
    """The answer or the error of a call, and the model's attributes after it.

    Raises
    ------
    AssertionError
        If the call failed and the model is not as it was.
    """
    model = call.model()
    before = state(model)
    try:
        said = f"answer {digest(call.act(model))}"
    except BaseException as error:
        if is_interrupt(error):
            error.add_note(state(model))
            error.add_note(before)
            raise
        said = f"{type(error).__name__}: {error}"
        if state(model) != before:
            raise AssertionError(f"changed by a call that failed: {said}") from error
    return said, state(model)


def is_interrupt(error: BaseException) -> bool:
    """Whether it came from outside; a call's own have a text."""
    return isinstance(error, Interrupted) or (
        isinstance(error, KeyboardInterrupt) and not error.args
    )


class Unraisable:
    """What Python drops: errors in destructors and in callbacks of weak references.

    An interrupt may fall into one. Anything else there is a fault.
    """

    def __init__(self, workers: list["Worker"]) -> None:
        self._workers = workers
        self.interrupts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def __call__(self, dropped: Any) -> None:
        """Take the place of ``sys.unraisablehook``."""
        frames = traceback.extract_tb(dropped.exc_traceback)
        frame = frames[-1] if frames else None
        where = "native code"
        if frame is not None:
            where = f"{Path(frame.filename).name}, {frame.name}"
        if not is_interrupt(dropped.exc_value):
            self.wrong.append(f"dropped in {where}: {dropped.exc_value!r}")
            return
        self.interrupts[where] += 1
        for worker in self._workers:
            if worker.ident == threading.get_ident():
                worker.is_pending = False

    def thread_died(self, died: Any) -> None:
        """Take the place of ``threading.excepthook``."""
        text = "".join(traceback.format_exception(died.exc_value))
        self.wrong.append(f"a thread died: {text}")


class Worker:
    """A thread that makes calls, and counts what became of them."""

    def __init__(
        self,
        calls: list[Call],
        expected: list[tuple[str, str]],
        seed: int,
        over: threading.Event,
    ) -> None:
        self._calls = calls
        self._expected = expected
        self._random = np.random.default_rng(seed)
        self._over = over
        self.ident = 0
        self.done: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.interrupted: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.is_inside = False
        # An interrupt is on its way: the next one waits until it has arrived.
        self.is_pending = False
        self.progress = 0

    def work(self) -> None:
        """Make calls until it is over."""
        self.ident = threading.get_ident()
        while not self._over.is_set() or self.is_pending:
            try:
                self._step()
            except BaseException as error:
                if not is_interrupt(error):
                    raise
                # Outside of a call: nothing to look at.
                self.is_pending = False

    def _step(self) -> None:
        number = int(self._random.integers(len(self._calls)))
        call, expected = self._calls[number], self._expected[number]
        self.is_inside = True
        try:
            found = outcome(call)
        except AssertionError as error:
            self.wrong.append(f"{call.kind}, call {number}: {error}")
            return
        except BaseException as error:
            if not is_interrupt(error):
                raise
            self.is_inside = self.is_pending = False
            self.interrupted[call.kind] += 1
            notes = getattr(error, "__notes__", [])
            # As before, or whole: an interrupt can come when all is done.
            if notes and notes[0] not in (notes[1], expected[1]):
                self.wrong.append(f"{call.kind}, call {number}: half of a model")
            return
        finally:
            self.is_inside = False
            self.progress += 1
        self.done[call.kind] += 1
        if not found[0].startswith("answer"):
            self.errors[found[0].split(":")[0]] += 1
        if found != expected:
            self.wrong.append(
                f"{call.kind}, call {number}: {found[0]}, but alone {expected[0]}"
            )


class Interrupter:
    """Interrupts workers at random, each again only when the last one has arrived."""

    def __init__(self, workers: list[Worker], seed: int, over: threading.Event) -> None:
        self._workers = workers
        self._random = np.random.default_rng(seed)
        self._over = over
        self.n_sent = 0
        self.n_lost = 0
        self._sent_at = [0.0] * len(workers)

    def work(self) -> None:
        """Interrupt until it is over."""
        while not self._over.wait(self._random.exponential(0.05)):
            w = int(self._random.integers(len(self._workers)))
            worker, now = self._workers[w], time.monotonic()
            if worker.is_pending and now - self._sent_at[w] > _MOST_DELIVERY:
                self.n_lost += 1
                worker.is_pending = False
            if not worker.is_pending and worker.is_inside:
                worker.is_pending = True
                self._sent_at[w] = now
                self.n_sent += 1
                _interrupt(worker.ident)
        for worker in self._workers:
            worker.is_pending = False


def _interrupt(ident: int) -> None:
    if ident == threading.main_thread().ident:
        signal.pthread_kill(ident, signal.SIGINT)
    else:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(ident), ctypes.py_object(Interrupted)
        )


def resident_bytes() -> int:
    """Memory of this process that is in use."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def blas_threads() -> dict[str, int]:
    """The process's setting for each BLAS library."""
    return {
        library["filepath"]: library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }


class Memory:
    """Looks at the memory in use after the warm-up, and at the end."""

    def __init__(self, seconds: float, over: threading.Event) -> None:
        self._seconds = seconds
        self._over = over
        self.warm = 0

    def work(self) -> None:
        """Look once; say that it is over when the time is."""
        time.sleep(_WARM_UP * self._seconds)
        self.warm = resident_bytes()
        time.sleep((1 - _WARM_UP) * self._seconds)
        self._over.set()


def main() -> None:
    """Soak; the exit status tells if all was well."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800, help="default: 1800")
    parser.add_argument("--threads", type=int, default=4, help="default: 4")
    parser.add_argument("--seed", type=int, default=None, help="default: a random one")
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(soak(parser.parse_args(), Path(folder)))


def soak(options: argparse.Namespace, folder: Path) -> bool:
    """Soak, and print what came of it; return whether anything was wrong."""
    seed = options.seed
    if seed is None:
        seed = int(np.random.default_rng().integers(2**31))
    print(f"Seed {seed}, {options.threads} threads, {options.seconds:g} s.", flush=True)
    warnings.simplefilter("ignore")
    settings_before = blas_threads()
    alone = Catalogue(seed, 1, folder).calls(12)
    calls = Catalogue(seed, None, folder).calls(12)
    expected = [outcome(call) for call in alone]
    # Everything is compiled before the first interrupt.
    wrong = [
        f"{call.kind}, call {i}: not the answer of one thread"
        for i, (call, answer) in enumerate(zip(calls, expected, strict=True))
        if outcome(call)[0] != answer[0]
    ]
    expected = [outcome(call) for call in calls]
    print(f"{len(calls)} different calls have their answers.", flush=True)

    over = threading.Event()
    workers = [Worker(calls, expected, seed + w, over) for w in range(options.threads)]
    interrupter = Interrupter(workers, seed, over)
    memory = Memory(options.seconds, over)
    unraisable = sys.unraisablehook = Unraisable(workers)
    # A worker that dies would only make fewer calls.
    threading.excepthook = unraisable.thread_died
    # What hangs must fail all the same, and say where.
    faulthandler.dump_traceback_later(options.seconds + _MOST_SECONDS, exit=True)
    others = [threading.Thread(target=worker.work) for worker in workers[1:]]
    others += [threading.Thread(target=memory.work)]
    for thread in others:
        thread.start()
    interrupting = threading.Thread(target=interrupter.work)
    interrupting.start()
    workers[0].work()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for thread in (interrupting, *others):
        thread.join()
    faulthandler.cancel_dump_traceback_later()

    growth = resident_bytes() - memory.warm
    wrong += [text for worker in workers for text in worker.wrong]
    wrong += unraisable.wrong
    if growth > _MOST_GROWTH:
        wrong.append(f"memory grew by {growth / _MEGABYTE:.0f} MB")
    if blas_threads() != settings_before:
        wrong.append(f"BLAS has other threads: {blas_threads()}, {settings_before}")
    report(workers, interrupter, unraisable.interrupts, memory.warm, growth)
    for text in wrong:
        print(f"WRONG: {text}")
    return bool(wrong)


def total(counters: list[Counter[str]]) -> Counter[str]:
    """The counts of all threads."""
    return sum(counters, Counter[str]())


def report(
    workers: list[Worker],
    interrupter: Interrupter,
    dropped: Counter[str],
    warm: int,
    growth: int,
) -> None:
    """Print calls by kind, errors by kind, interrupts and memory."""
    done = total([worker.done for worker in workers])
    interrupted = total([worker.interrupted for worker in workers])
    errors = total([worker.errors for worker in workers])
    print(f"\n{'calls of':28}{'ended':>10}{'interrupted':>14}")
    for kind in sorted(done | interrupted):
        print(f"{kind:28}{done[kind]:10,}{interrupted[kind]:14,}")
    print(f"{'all':28}{done.total():10,}{interrupted.total():14,}")
    print("\nerrors, each as expected")
    for name, count in errors.most_common():
        print(f"{name:28}{count:10,}")
    for where, count in dropped.most_common():
        print(f"{count} interrupts dropped by Python in a destructor: {where}")
    print(
        f"\n{interrupter.n_sent:,} interrupts, {interrupter.n_lost} of them lost. "
        f"Memory after a quarter of the time {warm / _MEGABYTE:.0f} MB, since then "
        f"{growth / _MEGABYTE:+.0f} MB."
    )


if __name__ == "__main__":
    main()
