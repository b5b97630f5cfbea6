"""How many passes it takes to the optimum, with and without acceleration.

And where EM stops on a plateau: on rows of two overlapping components.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as ScikitLearnMixture

import fastem
from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.problems import Problem, Rows, generate
from benchmarks.reporting import measured_by, note, progress
from benchmarks.table import at_least, number, rows_of_cells
from fastem.sources.tables import read_table

CLOSE = 1e-6  # nats a row below the limit
SLOW_TARGET, EASY_TARGET = 3.0, 0.95
_SAME_OPTIMUM = 1e-4  # nats a row
_MOST_PASSES = 5_000
_DATA = Path(__file__).parents[1] / "tests" / "promises" / "data"
_OVERLAPPING_ROWS = 400_000
# Without a type, since this also runs where acceleration is not there yet.
_Mixture: Any = fastem.GaussianMixture


@dataclass(frozen=True)
class Case:
    """Rows that EM is slow on, or not."""

    name: str
    rows: Callable[[], Rows]
    n_components: int
    covariance_type: str = "full"
    is_slow: bool = True


@dataclass(frozen=True)
class Way:
    """One fit from the common start, run to the end."""

    passes: int  # to within CLOSE of the limit
    limit: float  # mean log-likelihood of a row
    seconds: float  # of as many passes


def overlapping_rows(n_rows: int = _OVERLAPPING_ROWS) -> Rows:
    """One column: a quarter around 0, the others around 2, both of variance 1."""
    random = np.random.default_rng(0)
    centers = np.where(random.random(n_rows) < 0.25, 0.0, 2.0)
    return (centers + random.standard_normal(n_rows))[:, np.newaxis]


def _file(name: str) -> Callable[[], Rows]:
    return lambda: read_table(_DATA / f"{name}.csv").values


def _clusters(n_rows: int, D: int, K: int, distance: float) -> Callable[[], Rows]:
    """Round clusters of variance 1 around centres that far apart (root mean square)."""

    def rows() -> Rows:
        random = np.random.default_rng([D, K])
        centers = distance / np.sqrt(2 * D) * random.standard_normal((K, D))
        labels = random.integers(K, size=n_rows)
        return np.asarray(centers[labels] + random.standard_normal((n_rows, D)))

    return rows


CASES = (
    Case("old faithful, K = 3", _file("faithful"), 3),
    Case("iris, K = 4", _file("iris"), 4),
    Case("thyroid, K = 4", _file("thyroid"), 4, "diag"),
    Case("acidity, K = 3", _file("acidity"), 3),
    Case("diabetes, K = 4", _file("diabetes_fixed"), 4),
    Case("two overlapping in one column", lambda: overlapping_rows(20_000), 2),
    Case("clusters 2 sd apart, 20,000 x 4, K = 4", _clusters(20_000, 4, 4, 2.0), 4),
    Case("clusters 2.5 sd apart, 20,000 x 8, K = 4", _clusters(20_000, 8, 4, 2.5), 4),
    Case("old faithful, K = 2", _file("faithful"), 2, is_slow=False),
    Case("iris, K = 2", _file("iris"), 2, is_slow=False),
    Case(
        "clusters 8 sd apart, 20,000 x 4, K = 4",
        _clusters(20_000, 4, 4, 8.0),
        4,
        is_slow=False,
    ),
    Case(
        "main table's rows, 20,000 x 8, K = 4",
        lambda: generate(Problem("", 20_000, 8, 4))[0],
        4,
        is_slow=False,
    ),
)


def has_acceleration() -> bool:
    """Whether this version of fastem has it."""
    return "accelerate" in fastem.GaussianMixture().get_params()


def _history(model: Any, X: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the passes, and the lower bound that each one found."""
    told: list[tuple[int, float]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, callback=lambda p: told.append((p.iteration, p.lower_bound)))
    passes, bounds = zip(*told, strict=True)
    return np.array(passes), np.array(bounds)


def _seconds(model: Any, X: Rows, passes: int) -> float:
    model.set_params(max_iter=passes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        began = time.perf_counter()
        model.fit(X)
    return time.perf_counter() - began


def measure_case(case: Case, most_passes: int = _MOST_PASSES) -> tuple[Way, Way]:
    """Plain EM and accelerated EM from the same start (k-means, seed 0).

    The limit is the best that either reached, or each way's own if the two ended in
    different optima.
    """
    X = case.rows()
    models = [
        _Mixture(
            case.n_components,
            covariance_type=case.covariance_type,
            tol=0.0,
            max_iter=most_passes,
            random_state=0,
            **extra,
        )
        for extra in ({}, {"accelerate": True})
    ]
    histories = [_history(model, X) for model in models]
    limits = [float(bounds.max()) for _, bounds in histories]
    if max(limits) - min(limits) < _SAME_OPTIMUM:
        limits = [max(limits)] * 2
    ways = []
    for model, (passes, bounds), limit in zip(models, histories, limits, strict=True):
        close = np.flatnonzero(bounds >= limit - CLOSE)
        n = int(passes[close[0]]) if len(close) else most_passes
        ways.append(Way(n, limit, _seconds(model, X, n)))
    return ways[0], ways[1]


def acceleration_table(
    cases: Sequence[Case], measured: Sequence[tuple[Way, Way]]
) -> str:
    """A Markdown table of passes, with geometric means as its last lines."""
    lines = []
    for case, (plain, fast) in zip(cases, measured, strict=True):
        lower = plain.limit - fast.limit
        lines.append(
            [
                case.name,
                "slow" if case.is_slow else "easy",
                f"{plain.passes:,}",
                f"{fast.passes:,}",
                f"{number(plain.passes / fast.passes)}x",
                f"{number(1e3 * plain.seconds)} and {number(1e3 * fast.seconds)}",
                f"{plain.limit:.6f}",
                f"{fast.limit:.6f}" + (", LOWER" if lower > CLOSE else ""),
            ]
        )
    for kind, is_slow, target in (
        ("slow", True, SLOW_TARGET),
        ("easy", False, EASY_TARGET),
    ):
        mean = geometric_mean(
            plain.passes / fast.passes
            for case, (plain, fast) in zip(cases, measured, strict=True)
            if case.is_slow == is_slow
        )
        verdict = f"{number(mean)}x (target {at_least(target, mean)})"
        lines.append(["geometric mean", kind, "", "", verdict, "", "", ""])
    return rows_of_cells(
        [
            "rows",
            "kind",
            "passes of plain EM",
            "passes with accelerate=True",
            "times fewer",
            "ms of as many passes, both",
            "limit of plain EM, nats a row",
            "limit with accelerate=True",
        ],
        lines,
    )


def stopping_table(n_rows: int) -> str:
    """A Markdown table: where each stopping rule ends on two overlapping components."""
    X = overlapping_rows(n_rows)
    ways: dict[str, Any] = {
        "scikit-learn, default": ScikitLearnMixture(2, random_state=0),
        "fastem, default": fastem.GaussianMixture(2, random_state=0),
        "fastem, tol=1e-9": fastem.GaussianMixture(
            2, random_state=0, tol=1e-9, max_iter=_MOST_PASSES
        ),
    }
    if has_acceleration():
        for extra in ({}, {"accelerate": True}):
            name = ", accelerate=True" if extra else ""
            ways[f"fastem, stopping='remaining_gain'{name}"] = _Mixture(
                2,
                random_state=0,
                stopping="remaining_gain",
                max_iter=_MOST_PASSES,
                **extra,
            )
    seconds, totals = {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fastem.GaussianMixture(2, max_iter=2).fit(X[:5000])
        for name, model in ways.items():
            progress(f"stopping: {name}")
            began = time.perf_counter()
            model.fit(X)
            seconds[name] = time.perf_counter() - began
            totals[name] = len(X) * float(model.score(X))
    best = max(totals.values())
    return rows_of_cells(
        [
            f"two overlapping components, {n_rows:,} x 1, true weights .25 and .75",
            "iterations",
            "converged, it says",
            "weights",
            "s",
            "log-likelihood of all rows, nats",
            "nats short of the best",
        ],
        [
            [
                name,
                str(model.n_iter_),
                "yes" if model.converged_ else "no",
                " and ".join(f"{w:.3f}" for w in sorted(model.weights_)),
                number(seconds[name]),
                f"{totals[name]:.3f}",
                f"{best - totals[name]:.3f}",
            ]
            for name, model in ways.items()
        ],
    )


def document(options: Options) -> str:
    """Measure the acceleration and the stopping case; the Markdown document."""
    tables, left_out = [], ""
    most_passes = 500 if options.short else _MOST_PASSES
    with machine.threads(options.n_threads or machine.usable_cores()):
        if has_acceleration():
            measured = []
            for case in CASES:
                progress(f"acceleration: {case.name}")
                measured.append(measure_case(case, most_passes))
                note(f"{case.name}: done")
            tables.append(acceleration_table(CASES, measured))
        else:
            left_out = " **Left out: acceleration, not in this version.**"
        tables.append(stopping_table(_OVERLAPPING_ROWS // (20 if options.short else 1)))
        heading = measured_by(
            "--slow-problems",
            "Passes over the rows until the mean log-likelihood of a row is within "
            f"{CLOSE:g} nats of its limit, from the same k-means start with seed 0; "
            f"the limit is the best that {most_passes:,} passes reach. Passes are "
            f"counts: they do not depend on the machine.{left_out}",
        )
    return heading + "\n\n".join(tables) + "\n"
