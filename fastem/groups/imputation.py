"""Missing values given those present, under a mixture: their mean, or draws."""

import numpy as np

from fastem import kernels
from fastem.checks.rows import Rows
from fastem.covariances.representations import dense
from fastem.covariances.representations.dense import Regression
from fastem.groups.answers import RowAnswers
from fastem.groups.conditional import factors_of
from fastem.groups.row_by_row import gappy_factors, no_answers, order_of
from fastem.groups.rows import Group, groups_of, has_gaps
from fastem.statistics import Array, MixtureParameters


def imputed(
    ask: RowAnswers, X: Rows, random_state: np.random.RandomState | None = None
) -> Rows:
    """The rows with their gaps filled; the other values keep their bits.

    Parameters
    ----------
    ask : RowAnswers
    X : array of shape (N, D)
    random_state : RandomState, optional
        What values are drawn with; by default they are conditional means.
    """
    out = X.copy()
    if not has_gaps(X):
        return out
    gappy = [group for group in groups_of(X) if len(group.columns) < X.shape[1]]
    if random_state is None:
        _fill_with_means(ask, X, order_of(gappy), out)
        return out
    parameters = ask.parameters
    covariances = ask.representation.expand(
        parameters.covariances, *parameters.means.shape
    )
    shares = ask(kernels.probability_pass, X).astype(np.float64)
    for group in gappy:
        missing = np.setdiff1d(np.arange(X.shape[1]), group.columns)
        out[group.rows[:, np.newaxis], missing] = _drawn(
            *(parameters, covariances, X, group, missing),
            *(shares[group.rows], random_state),
        )
    return out


def _fill_with_means(ask: RowAnswers, X: Rows, order: np.ndarray, out: Rows) -> None:
    """Fill the gaps of the rows that ``order`` names with what is expected there."""
    background = ask.parameters.background
    middle = None
    if background is not None:
        low, high = background.box.T
        middle = low + (high - low) / 2
    factors = gappy_factors(ask.representation, ask.parameters)
    answers = no_answers(X.dtype)._replace(filled=out)
    kernels.answer_gappy(X, order, factors, answers, middle, ask.n_threads)


def _drawn(
    parameters: MixtureParameters,
    covariances: Array,
    X: Rows,
    group: Group,
    missing: np.ndarray,
    shares: Array,
    random_state: np.random.RandomState,
) -> Array:
    """Draws of what rows lack, (n, M), which belong by ``shares`` (n, K)."""
    columns, means = group.columns, parameters.means
    regression = _regression(covariances, columns, missing)
    cumulative = shares.cumsum(axis=1)
    targets = random_state.random_sample(len(shares)) * cumulative[:, -1]
    drawn = (cumulative <= targets[:, np.newaxis]).sum(axis=1)
    filled = np.zeros((len(group.rows), len(missing)))
    present = X[group.rows[:, np.newaxis], columns].astype(np.float64)
    for k, mean in enumerate(means):
        mine = np.flatnonzero(drawn == k)
        residuals = present[mine] - mean[columns]
        given = mean[missing] + residuals @ regression.coefficients[k].T
        zeros, left = np.zeros(len(missing)), regression.covariance[k]
        noise = random_state.multivariate_normal(zeros, left, size=len(given))
        if parameters.degrees_of_freedom is not None:
            of_present = covariances[k][columns[:, np.newaxis], columns]
            noise *= _scales(
                *(parameters.degrees_of_freedom[k], residuals, of_present),
                random_state,
            )
        filled[mine] = given + noise
    background = parameters.background
    if background is not None:
        low, high = background.box[missing].T
        mine = np.flatnonzero(drawn == len(means))
        filled[mine] = random_state.uniform(low, high, (len(mine), len(missing)))
    return filled


def _scales(
    v: float, residuals: Array, scale: Array, random_state: np.random.RandomState
) -> Array:
    """What draws of a normal distribution are to be multiplied by: (n, 1).

    Given some of its columns, at the distance d, a t has v + D degrees of freedom and
    a scale that is (v + d) / (v + D) times that of the normal distribution.
    """
    distances = np.zeros(len(residuals))
    if residuals.shape[1]:
        distances = (np.linalg.solve(scale, residuals.T).T * residuals).sum(axis=1)
    divisors = random_state.chisquare(v + residuals.shape[1], size=len(residuals))
    scales: Array = np.sqrt((v + distances) / divisors)[:, np.newaxis]
    return scales


def _regression(
    covariances: Array, columns: np.ndarray, missing: np.ndarray
) -> Regression:
    """Of the missing columns on those present, for each component."""
    factors = factors_of(covariances, columns)
    return dense.regression(covariances, factors, columns, missing)
