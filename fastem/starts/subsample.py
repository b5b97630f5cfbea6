"""A start from some rows drawn at random: the best of a few short runs on them."""

from dataclasses import replace

import numpy as np

from fastem.checks.counting import check_enough_rows
from fastem.checks.rows import Rows, read_only
from fastem.covariances import SingularCovarianceError
from fastem.em import convergence_warnings
from fastem.em.acceleration import PlainPath
from fastem.em.convergence import rounding_of
from fastem.em.expectation import ExpectationStep
from fastem.em.maximization import Maximization
from fastem.em.plan import Plan
from fastem.em.progress import Reporter
from fastem.em.restarts import Run, best_of
from fastem.em.stopping import SmallChange
from fastem.starts.initialization import initial_parameters
from fastem.statistics import MixtureParameters

_MOST_RUNS = 4
_MOST_ITERATIONS = 30
_PASSES = 4  # over all rows, that the iterations of all runs together may cost
_TOLERANCE = 1e-3
# Of a larger part of the table, runs take longer than k-means on all of it, and few
# rows for each parameter mislead: 50,000 x 64, K = 16 ended 0.12 nats a row lower.
_LARGEST_SHARE = 0.25


def subsample_size(n_rows: int, n_components: int, n_features: int) -> int:
    """Number of rows to draw: K (1000 + 20 D), or fewer of a table that is small.

    Not more than a tenth of all, but K (200 + 10 D) at least. On the flights (327,346
    x 8, K = 8) the median log-likelihood of 5 fits was 4.52 with 1000 + 20 D, 4.29
    with 200 + 10 D, and 4.42 from k-means on all rows.
    """
    fewest = fewest_rows(n_components, n_features)
    enough = enough_rows(n_components, n_features)
    return min(n_rows, max(fewest, min(enough, n_rows // 10)))


def fewest_rows(n_components: int, n_features: int) -> int:
    """Number of rows of which a smaller sample misleads."""
    return n_components * (200 + 10 * n_features)


def enough_rows(n_components: int, n_features: int) -> int:
    """Number of rows of which a larger sample is no better."""
    return n_components * (1000 + 20 * n_features)


def n_runs(n_rows: int, size: int) -> int:
    """How many runs take no more than half of one on all rows: 2 to 4."""
    return min(_MOST_RUNS, n_rows // (2 * size))


def n_iterations(n_rows: int, size: int, runs: int) -> int:
    """How many iterations of EM a run has: at most what four on all rows take."""
    return max(1, min(_MOST_ITERATIONS, _PASSES * n_rows // (runs * size)))


def draw_subsample(
    X: Rows, row_weights: Rows, size: int, random_state: np.random.RandomState
) -> tuple[Rows, Rows]:
    """Rows in their own order, and how often each was drawn.

    With weights, a row's share of the draws is its weight's; without, a row that is
    drawn twice counts once.
    """
    if not len(row_weights):
        drawn = np.unique(random_state.randint(len(X), size=size))
        return read_only(X[drawn]), row_weights
    cumulative = row_weights.cumsum(dtype=np.float64)
    targets = random_state.random_sample(size) * cumulative[-1]
    drawn, counts = np.unique(
        np.searchsorted(cumulative, targets, side="right"), return_counts=True
    )
    return read_only(X[drawn]), read_only(counts.astype(X.dtype))


def subsample_parameters(
    X: Rows,
    row_weights: Rows,
    plan: Plan,
    maximize: Maximization,
) -> MixtureParameters:
    """Parameters to start EM from: the best of some short runs on some of the rows.

    A run is k-means and at most 30 iterations of EM; there are up to four. Parts that
    the user gave replace those of k-means in each run. Runs that turn singular are
    left out; if all do, or the table is small, or too few different rows were drawn,
    the start is k-means on all rows.

    Parameters
    ----------
    X : array of shape (N, D)
    row_weights : array of shape (N,) or (0,)
        Empty means all 1.
    plan : Plan
    maximize : Maximization

    Raises
    ------
    SingularCovarianceError
        If no run succeeds, and k-means on all rows does not either.
    """
    plan = replace(plan, method="kmeans")

    def start() -> MixtureParameters:
        return initial_parameters(X, row_weights, plan, maximize)

    size = subsample_size(len(X), plan.n_components, X.shape[1])
    if plan.given.is_complete or size > _LARGEST_SHARE * len(X):
        return start()
    rows, weights = draw_subsample(X, row_weights, size, plan.random_state)
    try:
        check_enough_rows(rows, weights, plan.n_components)
    except ValueError:  # of the few that were drawn; all rows have been checked before
        return start()
    try:
        return best_on_sample(rows, weights, len(X), plan)
    except SingularCovarianceError:
        return start()


def best_on_sample(
    rows: Rows, weights: Rows, n_rows: int, plan: Plan
) -> MixtureParameters:
    """The best of some short runs on rows drawn from ``n_rows``.

    Raises
    ------
    SingularCovarianceError
        If no run succeeds.
    """
    size = subsample_size(n_rows, plan.n_components, rows.shape[1])
    runs = n_runs(n_rows, size)
    short = replace(
        plan,
        method="kmeans",
        on_collapse="raise",
        make_path=PlainPath,
        stopping=SmallChange(_TOLERANCE),
        max_iter=n_iterations(n_rows, size, runs),
    )
    expect = ExpectationStep(rows, weights, plan.representation, plan.n_threads)
    maximize = short.maximization(expect)
    run = Run(
        *(short, expect, maximize),
        n_rows=len(rows),
        rounding=rounding_of(rows.dtype),
        reporter=Reporter(0, 1, None),
    )

    def start() -> MixtureParameters:
        return initial_parameters(rows, weights, short, maximize)

    # Of clusters without rows, and of runs that turned singular.
    with convergence_warnings.muted():
        best = best_of([start] * runs, run, short.stopping.is_hopeless)
    return best.fit.parameters
