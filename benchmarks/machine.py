"""What the measurements were made on."""

import math
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numba
from numba.core.registry import cpu_target
from threadpoolctl import threadpool_info, threadpool_limits

# Others that took more of the cores' time than this have disturbed a measurement.
QUIET = 0.05

_PACKAGES = ("fastem", "numba", "numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Machine:
    """Facts that a speed depends on."""

    cpu: str
    cores: int
    threads: int
    vector_bits: int
    blas: str
    python: str
    packages: dict[str, str]
    date: str

    @classmethod
    def here(cls) -> "Machine":
        """The machine, as it is set up now."""
        return cls(
            cpu=_cpu_name(),
            cores=usable_cores(),
            threads=numba.get_num_threads(),
            vector_bits=vector_bits(),
            blas=_blas(),
            python=platform.python_version(),
            packages={name: version(name) for name in _PACKAGES},
            date=date.today().isoformat(),
        )

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    def describe(self) -> str:
        """One sentence."""
        packages = ", ".join(f"{name} {v}" for name, v in self.packages.items())
        return (
            f"{self.cpu}, {self.cores} cores, {self.vector_bits}-bit vectors, "
            f"{self.threads} threads for each library; Python {self.python}, "
            f"{packages}; BLAS: {self.blas}; {self.date}"
        )


class OtherPrograms:
    """How much of the cores others take, from now on: they disturb what is timed."""

    def __init__(self) -> None:
        self._start = self._read()

    @staticmethod
    def _read() -> tuple[float, float, float]:
        """Seconds on the wall, of all programs on all cores, of this one."""
        busy = math.nan
        stat = Path("/proc/stat")
        if stat.exists():
            # user nice system idle iowait irq softirq steal, in ticks.
            ticks = [int(n) for n in stat.read_text().split("\n", 1)[0].split()[1:9]]
            busy = (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
        return time.perf_counter(), busy, time.process_time()

    def share(self, plus_own: float = 0.0) -> float | None:
        """Part of the time of all cores since the start; None where unknown.

        ``plus_own`` are processor seconds of other processes that do not count.
        """
        wall, busy, own = (
            now - before for now, before in zip(self._read(), self._start, strict=True)
        )
        if math.isnan(busy):
            return None
        return max(0.0, busy - own - plus_own) / (wall * (os.cpu_count() or 1))


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def vector_bits() -> int:
    """Width of the widest vectors that Numba compiles for (NUMBA_CPU_* included)."""
    features = cpu_target.target_context.codegen()._tm_features.split(",")
    if "+avx512f" in features:
        return 512
    return 256 if "+avx2" in features or "+avx" in features else 128


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        facts: dict[str, str] = {}
        for line in cpuinfo.read_text().splitlines():
            fact, _, value = line.partition(":")
            facts[fact.strip()] = value.strip()
        name = facts.get("model name", platform.machine())
        if "cpu family" in facts:
            name += f" (family {facts['cpu family']}, model {facts['model']})"
        return name
    return platform.processor() or platform.machine()


def _blas() -> str:
    """The BLAS libraries that are loaded, with the kind of core they chose."""
    found = {
        f"{library['internal_api']} {library['version']} for "
        f"{library.get('architecture', 'an unknown core')}, "
        f"{library['num_threads']} threads"
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }
    return "; ".join(sorted(found)) or "unknown"


def _launched_threads() -> int:
    """Threads that Numba has: it cannot be told to use more."""
    launched: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    return launched


@contextmanager
def threads(n_threads: int, blas_threads: int | None = None) -> Iterator[int]:
    """The same number of threads for Numba, BLAS and OpenMP; BLAS may have its own.

    Gives the number that Numba uses.
    """
    before, launched = numba.get_num_threads(), _launched_threads()
    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(n_threads))
        if blas_threads is not None:
            stack.enter_context(threadpool_limits(blas_threads, user_api="blas"))
        usable = min(n_threads, launched)
        numba.set_num_threads(usable)
        try:
            yield usable
        finally:
            numba.set_num_threads(before)
