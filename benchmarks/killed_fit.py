"""A fit with a checkpoint that is killed in the middle, beside the one that is not."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.table import number, rows_of_cells

N_ITERATIONS = 12
_KILLED_IN = 6
_ROOT = Path(__file__).parents[1]


def _fit(
    folder: str, n_components: int, checkpoint: str | None, killed_in: int | None
) -> None:
    """Fit, and print facts as JSON; or have the system kill this process before."""
    import warnings

    import fastem
    from fastem.storage.json_values import digest

    warnings.simplefilter("ignore")
    seconds: list[float] = []

    def report(progress: fastem.Progress) -> None:
        seconds.append(progress.seconds)
        if progress.iteration == killed_in:
            os.kill(os.getpid(), signal.SIGKILL)

    began = time.perf_counter()
    model = fastem.GaussianMixture(
        n_components, random_state=0, max_iter=N_ITERATIONS, tol=0
    ).fit(folder, callback=report, checkpoint=checkpoint)
    facts = {
        "seconds": time.perf_counter() - began,
        "iteration": min(seconds),
        "n_iterations": len(seconds),
        "log_likelihood": model.lower_bound_,
        "bits": digest(model.weights_, model.means_, model.covariances_),
    }
    print(json.dumps(facts))


def _run(*arguments: str | Path | int) -> str:
    """What a process prints that fits; nothing if it is killed."""
    command = [sys.executable, "-m", "benchmarks.killed_fit", *map(str, arguments)]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a fit ended with {done.returncode}: see above")
    return done.stdout


def table(folder: Path, n_components: int) -> str:
    """Markdown: three fits of the folder, one of which is killed and made again."""
    with tempfile.TemporaryDirectory(prefix="fastem-killed-") as name:
        checkpoint = Path(name) / "fit.json"
        plain = json.loads(_run(folder, n_components))
        kept = json.loads(_run(folder, n_components, checkpoint))
        _run(folder, n_components, checkpoint, _KILLED_IN)
        n_bytes = checkpoint.stat().st_size if checkpoint.exists() else 0
        resumed = json.loads(_run(folder, n_components, checkpoint))
    return rows_of_cells(
        ["fit", "seconds", "an iteration", "iterations", "log-likelihood", "its bits"],
        [
            [
                what,
                number(facts["seconds"]),
                f"{number(facts['iteration'])} s",
                str(facts["n_iterations"]),
                f"{facts['log_likelihood']:.6f}",
                "-" if facts is plain else _comparison(facts, plain),
            ]
            for what, facts in (
                ("without a checkpoint", plain),
                (f"with one, {number(n_bytes / 1e3)} kB", kept),
                (f"killed after {_KILLED_IN} iterations, and made again", resumed),
            )
        ],
    )


def _comparison(facts: dict[str, Any], other: dict[str, Any]) -> str:
    return "the same" if facts["bits"] == other["bits"] else "DIFFERENT"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("n_components", type=int)
    parser.add_argument("checkpoint", nargs="?")
    parser.add_argument("killed_in", nargs="?", type=int)
    _fit(**vars(parser.parse_args()))
