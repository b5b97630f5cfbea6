"""A start from some rows drawn at random: the best of a few short runs on them."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastem import em
from fastem.covariances import CovarianceStructure, SingularCovarianceError
from fastem.initialization import UserStart, initial_parameters
from fastem.progress import Reporter
from fastem.statistics import MixtureParameters
from fastem.validation import Rows, read_only

_N_RUNS = 4
_N_ITERATIONS = 10
_TOLERANCE = 1e-3
_ROWS_OF_A_COMPONENT = 200
_ROWS_OF_A_COLUMN = 10  # for each component


def subsample_size(n_components: int, n_features: int) -> int:
    """Number of rows to draw: K (200 + 10 D)."""
    return n_components * (_ROWS_OF_A_COMPONENT + _ROWS_OF_A_COLUMN * n_features)


def draw_subsample(
    X: Rows, row_weights: Rows, size: int, random_state: np.random.RandomState
) -> tuple[Rows, Rows]:
    """Rows in their own order, and how often each was drawn; all rows if no more.

    With weights, a row's share of the draws is its weight's; without, a row that is
    drawn twice counts once.
    """
    if len(X) <= size:
        return X, row_weights
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
    structure: CovarianceStructure,
    n_components: int,
    ridge: float,
    user: UserStart,
    random_state: np.random.RandomState,
    n_threads: int | None = None,
) -> MixtureParameters:
    """Parameters to start EM from: the best of some short runs on some of the rows.

    A run is k-means and at most 10 iterations of EM. Parts that the user gave replace
    those of k-means in each run. Runs that turn singular are left out; if all do, the
    start is k-means on all rows.

    Parameters
    ----------
    X : array of shape (N, D)
    row_weights : array of shape (N,) or (0,)
        Empty means all 1.
    ridge : float
        Added to every variance.
    user : UserStart

    Raises
    ------
    SingularCovarianceError
        If no run succeeds, and k-means on all rows does not either.
    """

    def start(some: Rows, weights: Rows) -> MixtureParameters:
        return initial_parameters(
            some,
            weights,
            structure,
            n_components,
            "kmeans",
            ridge,
            user,
            random_state,
            n_threads,
        )

    if user.is_complete:
        return start(X, row_weights)
    size = subsample_size(n_components, X.shape[1])
    rows, weights = draw_subsample(X, row_weights, size, random_state)
    best: em.Fit | None = None
    for _ in range(_N_RUNS):
        try:
            with warnings.catch_warnings():
                # Of clusters without rows, which the other runs need not have.
                warnings.simplefilter("ignore", ConvergenceWarning)
                run = em.fit(
                    start(rows, weights),
                    lambda parameters: em.expectation(
                        rows, weights, parameters, structure, n_threads
                    ),
                    lambda statistics: structure.maximize(statistics, ridge),
                    tol=_TOLERANCE,
                    max_iter=_N_ITERATIONS,
                    reporter=Reporter(0, 1, None),
                )
        except SingularCovarianceError:
            continue
        if best is None or run.lower_bound > best.lower_bound:
            best = run
    return start(X, row_weights) if best is None else best.parameters
