"""A fit of a folder larger than memory: its peak memory, and rates of its passes."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import killed_fit
from benchmarks.instruments import Options
from benchmarks.memory import peak_megabytes
from benchmarks.reporting import measured_by, note, progress
from benchmarks.rounds import Rounds, alternate
from benchmarks.table import at_least, at_most, number, rows_of_cells

D, K = 16, 32
N_ITERATIONS = 2
TARGET_MB = 1000.0
TARGET_SHARE = 70.0  # % of the speed in memory
_SHORT_GIGABYTES = 0.2
_PART_ROWS = 500_000
_ROW_BYTES = 8 * D
# Of the first files, which the system keeps in memory: rates of passes over them.
_KEPT_BYTES = 1e9
_ROOT = Path(__file__).parents[1]


def write_folder(
    folder: Path, n_bytes: float, report: Callable[[str], None]
) -> list[Path]:
    """Parquet files of a mixture's rows, in random order: so many bytes in memory."""
    import pyarrow as pa
    from pyarrow import parquet

    n_rows = max(int(n_bytes / _ROW_BYTES), 10 * K)
    free = shutil.disk_usage(folder).free
    if free < 1.2 * n_rows * _ROW_BYTES:
        raise OSError(
            f"{folder} has {free / 1e9:.1f} GB left, and {n_bytes / 1e9:.1f} GB are to "
            "be written: set TMPDIR, or ask for fewer --gigabytes"
        )
    random = np.random.default_rng(0)
    means = 1.5 * random.normal(size=(K, D))
    paths: list[Path] = []
    for start in range(0, n_rows, _PART_ROWS):
        report(f"writing {start * _ROW_BYTES / 1e9:.1f} of {n_bytes / 1e9:.1f} GB")
        rows = random.standard_normal((min(_PART_ROWS, n_rows - start), D))
        rows += means[random.integers(K, size=len(rows))]
        paths.append(folder / f"part-{len(paths):05}.parquet")
        columns = {f"x{j}": column for j, column in enumerate(rows.T)}
        parquet.write_table(pa.table(columns), paths[-1])
    return paths


def _fit(folder: str, n_threads: int | None) -> dict[str, Any]:
    """Megabytes and seconds of one fit, in this process."""
    import warnings

    import fastem

    warnings.simplefilter("ignore")
    before = peak_megabytes()
    seconds: list[float] = []
    began = time.perf_counter()
    model = fastem.GaussianMixture(
        K, random_state=0, max_iter=N_ITERATIONS, tol=0, n_threads=n_threads
    )
    model.fit(folder, callback=lambda progress: seconds.append(progress.seconds))
    whole = time.perf_counter() - began
    return {
        "before": before,
        "peak": peak_megabytes(),
        "start": whole - sum(seconds),
        "iteration": min(seconds),
    }


def _fit_elsewhere(folder: Path, n_threads: int | None) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.streaming", str(folder)]
    if n_threads is not None:
        command += ["--threads", str(n_threads)]
    output = subprocess.run(
        command, cwd=_ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    facts: dict[str, Any] = json.loads(output)
    return facts


def measure_passes(folder: Path, options: Options, repeats: int) -> tuple[int, Rounds]:
    """Reading alone, computing in memory, and both: number of rows, and times."""
    import fastem
    from fastem import kernels
    from fastem.checks.rows import read_only
    from fastem.covariances import STRUCTURES
    from fastem.sources import reading
    from fastem.sources.parquet import ParquetBlocks
    from fastem.training.in_blocks import ExpectationInBlocks, RowsInBlocks

    source = ParquetBlocks(folder)
    with closing(reading.blocks_of(source)) as blocks:
        X = read_only(np.concatenate([rows for rows, _ in blocks]))
    representation = STRUCTURES[fastem.GaussianMixture().covariance_type].representation
    model = fastem.GaussianMixture.from_parameters(
        np.full(K, 1 / K), X[:K], np.repeat(np.eye(D)[np.newaxis], K, axis=0)
    )
    _, parameters = model._fitted()
    factors = representation.factors(parameters, X.dtype)
    rows = RowsInBlocks.checked(model, source, None)
    step = ExpectationInBlocks(rows, representation, options.n_threads)

    def read() -> None:
        with closing(reading.blocks_of(source, checked=True)) as blocks:
            for _ in blocks:
                pass

    def compute() -> None:
        kernels.expectation_pass(
            *(X, read_only(np.empty(0)), factors, representation.scatter_size(K, D)),
            n_threads=options.n_threads,
        )

    return len(X), alternate(
        {"reading": read, "memory": compute, "both": lambda: step(parameters)},
        repeats=repeats,
        patience=options.patience,
    )


def document(options: Options) -> str:
    """Markdown: one folder, measured as a whole and in its first gigabyte."""
    gigabytes = _SHORT_GIGABYTES if options.short else options.gigabytes
    repeats = options.repeats or (2 if options.short else 5)
    with tempfile.TemporaryDirectory(prefix="fastem-streaming-") as name:
        folder, first = Path(name) / "all", Path(name) / "first"
        folder.mkdir()
        first.mkdir()
        paths = write_folder(folder, 1e9 * gigabytes, progress)
        on_disk = sum(path.stat().st_size for path in paths)
        for path in paths[: max(1, int(_KEPT_BYTES / (_PART_ROWS * _ROW_BYTES)))]:
            (first / path.name).symlink_to(path)
        note(f"wrote {len(paths)} files, {on_disk / 1e9:.2f} GB")
        progress("fitting the folder")
        facts = _fit_elsewhere(folder, options.n_threads)
        note(f"fitted: peak {facts['peak']:.0f} MB")
        progress("timing passes")
        n_rows, rounds = measure_passes(first, options, repeats)
        progress("killing a fit")
        killed = killed_fit.table(first, K)
    heading = measured_by(
        "--streaming",
        f"A folder of {len(paths)} Parquet files with rows of a mixture, {D} columns "
        f"of float64, is fitted with K = {K} in a process of its own, k-means on a "
        f"sample and {N_ITERATIONS} iterations; rates are of passes over the first "
        f"{n_rows:,} rows, which the system keeps in memory, medians of {repeats} "
        "alternating rounds. The second table is of fits of these rows, in processes "
        f"of their own: {killed_fit.N_ITERATIONS} iterations; the last line is of the "
        "process that goes on.",
        n_disturbed=rounds.n_disturbed,
        n_samples=rounds.n_samples,
    )
    of_passes = _table(gigabytes, on_disk, facts, n_rows, rounds)
    return f"{heading}{of_passes}\n\n{killed}\n"


def _table(
    gigabytes: float, on_disk: int, facts: dict[str, Any], n_rows: int, rounds: Rounds
) -> str:
    def rate(seconds: float, rows: float = n_rows) -> str:
        return f"{number(rows * _ROW_BYTES / seconds / 1e6)} MB/s"

    shares = sorted(100 * ratio for ratio in rounds.ratios("memory", "both"))
    share = shares[len(shares) // 2]
    return rows_of_cells(
        [
            "rows",
            "in memory they would take",
            "on disk",
            "peak before the fit (Python, imports)",
            "peak of the process",
            "target, at most",
            "counting, checking, sample and start",
            "an iteration",
            "which is",
            "first rows: reading alone",
            "computing alone, in memory",
            "both, from files",
            "of the speed in memory",
            "target, at least",
        ],
        [
            [
                f"{1e9 * gigabytes / _ROW_BYTES:,.0f}",
                f"{number(gigabytes)} GB",
                f"{number(on_disk / 1e9)} GB",
                f"{number(facts['before'])} MB",
                f"{number(facts['peak'])} MB",
                at_most(TARGET_MB, facts["peak"], " MB"),
                f"{number(facts['start'])} s",
                f"{number(facts['iteration'])} s",
                rate(facts["iteration"], 1e9 * gigabytes / _ROW_BYTES),
                rate(rounds.seconds("reading")),
                rate(rounds.seconds("memory")),
                rate(rounds.seconds("both")),
                f"{share:.0f} % ({shares[0]:.0f} to {shares[-1]:.0f})",
                at_least(TARGET_SHARE, share, " %"),
            ]
        ],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int)
    chosen = parser.parse_args()
    print(json.dumps(_fit(chosen.folder, chosen.threads)))
