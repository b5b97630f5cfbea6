"""Compilation: what the first fit of a process takes beyond what a later one takes.

Each measurement is a process of its own, so that nothing is compiled or loaded yet:
one with an empty cache folder (cold), then one with what that left there (warm).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.table import at_most, number, rows_of_cells

CASES = (
    ("full", "float64"),
    ("tied", "float64"),
    ("diag", "float64"),
    ("spherical", "float64"),
    ("full", "float32"),
)
COLD_TARGET, WARM_TARGET = 5.0, 0.3  # seconds
_ROOT = Path(__file__).parents[1]
_SHAPE = (5000, 8)  # rows enough for the parallel kernels


def _first_fit(covariance_type: str, dtype: str) -> dict[str, float]:
    """Seconds of the imports, of the first fit and of the second; what they reached."""
    began = time.perf_counter()
    import numpy as np

    from fastem import GaussianMixture

    imported = time.perf_counter()
    X = np.random.default_rng(0).standard_normal(_SHAPE).astype(dtype)
    model = GaussianMixture(3, covariance_type=covariance_type, tol=1e9, random_state=0)

    def fit() -> float:
        before = time.perf_counter()
        model.fit(X)
        return time.perf_counter() - before

    return {
        "imports": imported - began,
        "first": fit(),
        "second": fit(),
        "log_likelihood": model.score(X),
    }


def with_bytecode() -> dict[str, str]:
    """An environment in which bytecode is kept, as it is of what pip installs.

    Where that is forbidden, 170 modules are read from their source in each process:
    0.2 s beside the 0.2 s that fastem adds to the import of scikit-learn.
    """
    kept = dict(os.environ)
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


def _in_new_process(cache: str, covariance_type: str, dtype: str) -> dict[str, float]:
    environment = {**with_bytecode(), "XDG_CACHE_HOME": cache, "LOCALAPPDATA": cache}
    environment.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-m", "benchmarks.compile_time", covariance_type, dtype]
    output = subprocess.run(
        command, cwd=_ROOT, env=environment, check=True, stdout=subprocess.PIPE
    ).stdout
    seconds: dict[str, float] = json.loads(output)
    return seconds


def measure_compilation(
    repeats: int,
    report: Callable[[str], None],
    cases: Sequence[tuple[str, str]] = CASES,
) -> str:
    """A Markdown table: seconds of compilation, medians of ``repeats`` processes."""
    rows = []
    for covariance_type, dtype in cases:
        compile_seconds: dict[str, list[float]] = {"cold": [], "warm": []}
        later: list[float] = []
        whole: list[float] = []  # imports and first fit, warm
        for repeat in range(repeats):
            with tempfile.TemporaryDirectory() as cache:
                for state, seconds in compile_seconds.items():
                    report(
                        f"{covariance_type} {dtype}, {state} cache: process "
                        f"{repeat + 1} of {repeats}"
                    )
                    fit = _in_new_process(cache, covariance_type, dtype)
                    seconds.append(fit["first"] - fit["second"])
                    later.append(fit["second"])
                    if state == "warm":
                        whole.append(fit["imports"] + fit["first"])
        rows.append(
            [
                f"{covariance_type}, {dtype}",
                f"{number(median(compile_seconds['cold']))} s",
                at_most(COLD_TARGET, median(compile_seconds["cold"]), " s"),
                f"{number(median(compile_seconds['warm']))} s",
                at_most(WARM_TARGET, median(compile_seconds["warm"]), " s"),
                f"{number(1e3 * median(later))} ms",
                f"{number(median(whole))} s",
                f"{fit['log_likelihood']:.6f}",
            ]
        )
    return rows_of_cells(
        [
            "first fit of a process",
            "cold cache, beyond a later fit",
            "target, at most",
            "warm cache, beyond a later fit",
            "target, at most",
            "a later fit",
            "imports and first fit, warm cache",
            "log-likelihood of a row, nats",
        ],
        rows,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("covariance_type")
    parser.add_argument("dtype")
    chosen = parser.parse_args()
    print(json.dumps(_first_fit(chosen.covariance_type, chosen.dtype)))
