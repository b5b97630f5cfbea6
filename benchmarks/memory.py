"""Peak memory of a fit of 3,000,000 x 3 float32 rows with 16 components."""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from benchmarks.table import at_most, number, rows_of_cells

N, D, K = 3_000_000, 3, 16
N_ITERATIONS = 5
TARGET_MB = 400.0  # beyond the array
STARTS = ("k-means", "given")
MEASURED = ("fastem", "scikit-learn")
_ROOT = Path(__file__).parents[1]


def peak_megabytes() -> float:
    """The most memory that this process has had, in units of 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: its maximum is passed on from the process that started
        # this one.
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) * 1024 / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _fit(library: str, start: str) -> dict[str, float]:
    """Megabytes and seconds of one fit, in this process."""
    import warnings

    import numpy as np
    from sklearn.mixture import GaussianMixture as ScikitLearnMixture

    import fastem

    random = np.random.default_rng(0)
    X = np.empty((N, D), np.float32)
    centers = 3 * random.standard_normal((K, D), np.float32)
    for first in range(0, N, 100_000):
        rows = X[first : first + 100_000]
        random.standard_normal(dtype=np.float32, out=rows)
        rows += centers[first // 100_000 % K]
    before = peak_megabytes()
    estimator = fastem.GaussianMixture if library == "fastem" else ScikitLearnMixture
    model = estimator(K, max_iter=N_ITERATIONS, tol=0, random_state=0)
    if start == "given":
        model.set_params(
            weights_init=np.full(K, 1 / K),
            means_init=centers,
            precisions_init=np.repeat(np.eye(D)[np.newaxis], K, axis=0),
        )
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    model.fit(X)
    seconds = time.perf_counter() - began
    return {"before": before, "peak": peak_megabytes(), "seconds": seconds}


def measure_memory(libraries: Sequence[str], report: Callable[[str], None]) -> str:
    """A Markdown table: peak memory of each library, in a process of its own."""
    array = N * D * 4 / 1e6
    rows = []
    measured = [library for library in libraries if library in MEASURED]
    for library, start in product(measured, STARTS):
        report(f"memory of {library}: {N:,} x {D} float32, K = {K}, start {start}")
        output = subprocess.run(
            [sys.executable, "-m", "benchmarks.memory", library, start],
            cwd=_ROOT,
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        figures = json.loads(output)
        beyond = figures["peak"] - array
        rows.append(
            [
                f"{library}, start: {start}",
                f"{number(array)} MB",
                f"{number(figures['before'])} MB",
                f"{number(figures['peak'])} MB",
                f"{number(figures['peak'] - figures['before'])} MB",
                f"{number(beyond)} MB",
                at_most(TARGET_MB, beyond, " MB") if library == "fastem" else "-",
                f"{number(figures['seconds'])} s",
            ]
        )
    return rows_of_cells(
        [
            f"fit of {N:,} x {D} float32, K = {K}",
            "the array",
            "peak before the fit (Python, imports, array)",
            "peak of the process",
            "the fit alone",
            "peak beyond the array",
            "target, at most",
            f"time of the fit ({N_ITERATIONS} iterations)",
        ],
        rows,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=MEASURED)
    parser.add_argument("start", choices=STARTS)
    chosen = parser.parse_args()
    print(json.dumps(_fit(chosen.library, chosen.start)))
