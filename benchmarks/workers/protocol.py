"""What every worker in Python does around its library; needs nothing but NumPy.

A worker is called with a folder and N, D and K. The folder holds rows.f64, weights.f64,
means.f64 and covariances.f64: float64 in C order, of shapes (N, D), (K,), (K, D) and
(K, D, D). The worker writes a line that names its library. Then, for each number of
iterations that it reads, it runs as many from that start, writes weights, means and
covariances one after another into fitted.f64 of a second folder, and answers with a
line of two numbers: seconds on the wall, and of the processor.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Parameters = tuple[np.ndarray, np.ndarray, np.ndarray]  # weights, means, covariances
Fit = Callable[[int], Parameters]
Prepare = Callable[[np.ndarray, Parameters], Fit]


def serve(library: str, prepare: Prepare) -> None:
    """Answer until the input ends."""
    folder, results = Path(sys.argv[1]), Path(sys.argv[2])
    N, D, K = (int(argument) for argument in sys.argv[3:6])

    def read(name: str, *shape: int) -> np.ndarray:
        return np.fromfile(folder / f"{name}.f64").reshape(shape)

    start = read("weights", K), read("means", K, D), read("covariances", K, D, D)
    fit = prepare(read("rows", N, D), start)
    print(library, flush=True)
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        fitted = fit(int(line))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        np.concatenate([np.ravel(part) for part in fitted]).tofile(
            results / "fitted.f64"
        )
        print(wall, cpu, flush=True)
