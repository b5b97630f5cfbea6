"""How often a fit that is said to be near its limit ends on a plateau instead.

Of random mixtures that overlap, in few rows or thousands, fitted with too few or too
many components, from good starts and poor ones: how much EM gains if it goes on from
where ``stopping='remaining_gain'`` ended, with the test of the end and without it.
"""

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from statistics import geometric_mean, median
from typing import Any
from unittest import mock

import numpy as np

import fastem
from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.problems import Array, Rows
from benchmarks.reporting import measured_by, progress
from benchmarks.table import rows_of_cells
from fastem.em.stopping import SmallRemainder

N_PROBLEMS, _FEW_PROBLEMS = 1_000, 30
TOL = 1e-3  # nats in total
OFF = 0.1  # nats in total
_MAX_ITER = 20_000
_PASSES_FROM_THE_END = 5_000
_STARTS = ("kmeans", "random_from_data", "random", "rows")
_TYPES = ("full", "full", "full", "tied", "diag", "spherical")


@dataclass(frozen=True)
class Problem:
    """Rows, and what to fit to them."""

    X: Rows
    settings: dict[str, Any]


@dataclass(frozen=True)
class End:
    """Where a fit ended."""

    passes: int
    total: float  # log-likelihood of all rows
    left: float  # what EM gains if it goes on
    means: Array


def draw(seed: int) -> Problem:
    """The random problem of this number: always the same."""
    random = np.random.default_rng([8, seed])
    D, K = int(random.integers(1, 9)), int(random.integers(2, 7))
    fewest = max(50, 4 * K * (D + 1))
    N = int(np.exp(random.uniform(np.log(fewest), np.log(5000))))
    true_K = int(random.integers(2, 7))
    distance = random.uniform(1.0, 4.0)
    centers = distance / np.sqrt(2 * D) * random.standard_normal((true_K, D))
    scale = random.uniform(0.1, 1.0) / np.sqrt(D)
    mixing = np.eye(D) + scale * random.standard_normal((true_K, D, D))
    labels = random.choice(true_K, size=N, p=random.dirichlet(np.full(true_K, 3.0)))
    noise = random.standard_normal((N, D))
    X = centers[labels] + np.einsum("nd,nde->ne", noise, mixing[labels])
    without_ridge = random.random() < 0.25
    ridge = 0.0 if without_ridge else 10.0 ** random.uniform(-7, -3)
    settings = {
        "n_components": K,
        "covariance_type": _TYPES[random.integers(len(_TYPES))],
        "reg_covar": ridge * float(X.var(axis=0).mean()),
        "random_state": seed,
    }
    start = _STARTS[random.integers(len(_STARTS))]
    if start == "rows":
        precision = np.linalg.inv(np.cov(X.T).reshape(D, D))
        precisions = {
            "full": np.repeat(precision[np.newaxis], K, axis=0),
            "tied": precision,
            "diag": np.repeat(1 / X.var(axis=0)[np.newaxis], K, axis=0),
            "spherical": np.full(K, 1 / X.var(axis=0).mean()),
        }
        settings |= {
            "weights_init": np.full(K, 1 / K),
            "means_init": X[random.choice(N, size=K, replace=False)],
            "precisions_init": precisions[str(settings["covariance_type"])],
        }
    else:
        settings["init_params"] = start
    return Problem(X, settings)


def fit(problem: Problem, accelerate: bool, *, tested: bool) -> fastem.GaussianMixture:
    """The fit with the test of its end, or without it.

    Raises
    ------
    fastem.SingularCovarianceError
    """
    model = fastem.GaussianMixture(
        **problem.settings,
        stopping="remaining_gain",
        tol=TOL,
        max_iter=_MAX_ITER,
        accelerate=accelerate,
        n_threads=1,
    )
    untested = mock.patch.object(SmallRemainder, "claim", return_value=None)
    with warnings.catch_warnings(), nullcontext() if tested else untested:
        warnings.simplefilter("ignore")
        return model.fit(problem.X)


def end_of(model: fastem.GaussianMixture, problem: Problem) -> End:
    """Where it ended, and what EM gains from there, in thousands of passes."""
    parameters = {
        "weights_init": model.weights_,
        "means_init": model.means_,
        "precisions_init": model.precisions_,
    }
    further = fastem.GaussianMixture(
        **problem.settings | parameters,
        tol=0.0,
        max_iter=_PASSES_FROM_THE_END,
        n_threads=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        further.fit(problem.X)
    N = len(problem.X)
    gain = further.lower_bounds_[-1] - further.lower_bounds_[0]
    return End(model.n_iter_, N * model.lower_bound_, N * gain, model.means_)


def ends(seed: int) -> dict[bool, tuple[End, End]] | None:
    """With acceleration and without: the ends of the fits without and with the test.

    None if a component collapses in one of them, or one is not over in 20,000 passes
    without the test.
    """
    problem, found = draw(seed), {}
    try:
        for accelerate in (False, True):
            before = fit(problem, accelerate, tested=False)
            if not before.converged_:
                return None
            after = fit(problem, accelerate, tested=True)
            first = end_of(before, problem)
            if np.array_equal(after.means_, before.means_):
                second = replace(first, passes=after.n_iter_)
            else:
                second = end_of(after, problem)
            found[accelerate] = first, second
    except fastem.SingularCovarianceError:
        return None
    return found


def line(way: str, pairs: Sequence[tuple[End, End]]) -> list[str]:
    """A line of the table: of fits without the test, and with it."""
    ratios = [after.passes / before.passes for before, after in pairs]
    kept = [pair for pair in pairs if np.array_equal(pair[0].means, pair[1].means)]
    all_passes, those_kept = (
        sum(after.passes for _, after in some)
        / sum(before.passes for before, _ in some)
        for some in (pairs, kept)
    )
    gains = [after.total - before.total for before, after in pairs]
    return [
        way,
        *(
            f"{sum(pair[i].left > OFF for pair in pairs)} "
            f"(at most {max(pair[i].left for pair in pairs):.2g})"
            for i in (0, 1)
        ),
        f"{geometric_mean(ratios):.2f}, {median(ratios):.2f}, {all_passes:.2f}",
        f"{len(kept)} ({those_kept:.2f})",
        f"{sum(gain > OFF for gain in gains)} (at most {max(gains):.2g})",
        f"{sum(gain < -OFF for gain in gains)} (at most {-min(gains):.2g})",
    ]


def document(options: Options) -> str:
    """Measure; the Markdown document."""
    n_problems = _FEW_PROBLEMS if options.short else N_PROBLEMS
    found: list[dict[bool, tuple[End, End]]] = []
    seed = 0
    with machine.threads(1):
        while len(found) < n_problems:
            progress(f"plateaus: {len(found)} of {n_problems}")
            pair = ends(seed)
            seed += 1
            if pair is not None:
                found.append(pair)
    table = rows_of_cells(
        [
            f"{n_problems:,} problems",
            f"EM still gains over {OFF:g} nats, without the test",
            "with it",
            "passes with it, to those without: geometric mean, median, of the sums",
            "the same bits with it (passes, of the sums)",
            f"higher with it by over {OFF:g} nats",
            "lower",
        ],
        [
            line(name, [pair[accelerate] for pair in found])
            for accelerate, name in ((False, "EM"), (True, "accelerate=True"))
        ],
    )
    heading = measured_by(
        "--plateaus",
        f"The first {n_problems:,} of {seed:,} random problems in which no component "
        f"collapses, `stopping='remaining_gain'` with tol={TOL:g}. What EM still gains "
        f"is what {_PASSES_FROM_THE_END:,} passes with tol=0 from the end find. Counts "
        "do not depend on the machine, but for rounding.",
    )
    return heading + table + "\n"
