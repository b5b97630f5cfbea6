"""The whole model in plain NumPy: slow, and obvious enough to trust by reading.

Covariances are dense (K, D, D) everywhere, inverses and determinants are taken as the
textbook writes them, and nothing is shared with fastem. Every function works in
longdouble too, of which ``tests/exact.py`` makes use.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, gammaln


class Mixture(NamedTuple):
    weights: np.ndarray  # (K,)
    means: np.ndarray  # (K, D)
    covariances: np.ndarray  # (K, D, D), whatever the structure


class Robust(NamedTuple):
    """A mixture that expects outliers: noise, tails, or both."""

    weights: np.ndarray  # (K,), with that of noise they sum to 1
    means: np.ndarray  # (K, D)
    covariances: np.ndarray  # (K, D, D), whatever the structure
    noise_weight: float = 0.0
    noise_volume: float = 0.0  # the density of noise is 1 over that; 0 for no noise
    degrees_of_freedom: np.ndarray | None = None  # (K,); covariances are scales then


class StudentStatistics(NamedTuple):
    """Of components with tails of as many degrees of freedom each, that are known."""

    log_likelihood: float
    weights: np.ndarray  # (K,)
    first: np.ndarray  # (K, D), with rows weighted by their pulls too
    scatter: np.ndarray  # (K, D, D), likewise
    counts: np.ndarray  # (K,), sums of pulls


class Statistics(NamedTuple):
    log_likelihood: float
    weights: np.ndarray  # (K,)
    first: np.ndarray  # (K, D), about the reference points
    scatter: np.ndarray  # (K, D, D), about the reference points


class Fixed(NamedTuple):
    """Which components keep what they have, and whether weights are equal."""

    weights: np.ndarray  # (K,), of booleans
    means: np.ndarray
    covariances: np.ndarray
    equal_weights: bool = False

    def of(self, components):
        """What is fixed of some components, in this order."""
        return Fixed(*(mask[components] for mask in self[:3]), self.equal_weights)


class Structure(NamedTuple):
    """What a covariance structure means, in terms of dense matrices."""

    # weights (K,) and scatter about the new means (K, D, D) -> covariances (K, D, D)
    estimate: Callable[[np.ndarray, np.ndarray], np.ndarray]
    # dense covariances (K, D, D) -> the shape of covariances_
    compact: Callable[[np.ndarray], np.ndarray]
    # dense scatter (K, D, D) -> the shape of SufficientStatistics.scatter
    reduce_scatter: Callable[[np.ndarray], np.ndarray]
    # to which two ways of estimating agree, relative to the largest covariance
    tolerance: float = 1e-11


# Where a component's covariance may be multiplied by any number.
FREE_SIZES = {"full", "diag", "spherical", "VEI", "VEE", "VVE", "VEV"}


def diagonals(matrices):
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def diagonal_matrices(variances):
    return variances[..., np.newaxis] * np.eye(variances.shape[-1])


def _estimate_full(weights, scatter):
    return scatter / weights[:, np.newaxis, np.newaxis]


def _estimate_tied(weights, scatter):
    shared = scatter.sum(axis=0) / weights.sum()
    return np.repeat(shared[np.newaxis], len(weights), axis=0)


def _estimate_diagonal(weights, scatter):
    return diagonal_matrices(diagonals(scatter) / weights[:, np.newaxis])


def _estimate_spherical(weights, scatter):
    variances = diagonals(scatter).mean(axis=1) / weights
    return variances[:, np.newaxis, np.newaxis] * np.eye(scatter.shape[1])


def _estimate_eei(weights, scatter):
    return diagonal_matrices(diagonals(_estimate_tied(weights, scatter)))


def _estimate_eii(weights, scatter):
    variance = np.trace(scatter.sum(axis=0)) / (weights.sum() * scatter.shape[1])
    return np.repeat((variance * np.eye(scatter.shape[1]))[np.newaxis], len(weights), 0)


def _volume(matrix):
    _, log_determinant = inverse_and_log_determinant(matrix)
    return np.exp(log_determinant / len(matrix))


def _estimate_evv(weights, scatter):
    volumes = np.array([_volume(S) for S in scatter])
    scaled = volumes.sum() / weights.sum() / volumes
    return scaled[:, np.newaxis, np.newaxis] * scatter


def _estimate_evi(weights, scatter):
    return _estimate_evv(weights, diagonal_matrices(diagonals(scatter)))


def _estimate_vee(weights, scatter):
    """Sizes times one matrix of determinant 1, in turn, from spheres of one size."""
    D = scatter.shape[1]
    shape, sizes = np.eye(D, dtype=scatter.dtype), 0 * weights
    for _ in range(500):
        precision, _ = inverse_and_log_determinant(shape)
        before, sizes = sizes, np.array([(precision * S).sum() for S in scatter])
        sizes /= D * weights
        pooled = sum(S / size for S, size in zip(scatter, sizes, strict=True))
        shape = pooled / _volume(pooled)
        if (abs(sizes - before) <= 8 * np.finfo(scatter.dtype).eps * sizes).all():
            break
    return sizes[:, np.newaxis, np.newaxis] * shape


def _estimate_vei(weights, scatter):
    return _estimate_vee(weights, diagonal_matrices(diagonals(scatter)))


def _estimate_along_own_axes(estimate):
    """As the structure along the columns has it, along the eigenvectors of each."""

    def estimated(weights, scatter):
        variances, axes = np.linalg.eigh(scatter)
        shapes = estimate(weights, diagonal_matrices(variances))
        return axes @ shapes @ axes.transpose(0, 2, 1)

    return estimated


def _estimate_along_common_axes(estimate):
    """The same along axes that all share: the best turn of two of them, and again."""

    def estimated(weights, scatter):
        D = scatter.shape[1]
        scale = np.trace(scatter, axis1=1, axis2=2)
        _, axes = np.linalg.eigh((scatter / scale[:, np.newaxis, np.newaxis]).sum(0))
        for _ in range(1000):
            largest = 0.0
            for i in range(D):
                for j in range(i):
                    along = axes.T @ scatter @ axes
                    shapes = diagonals(
                        estimate(weights, diagonal_matrices(diagonals(along)))
                    )
                    price = 1 / shapes[:, i] - 1 / shapes[:, j]
                    sine = (price * along[:, i, j]).sum()
                    cosine = (price * (along[:, i, i] - along[:, j, j])).sum() / 2
                    angle = np.arctan2(-sine, -cosine) / 2 if sine or cosine else 0.0
                    largest = max(largest, abs(angle))
                    turn = np.eye(D)
                    turn[[i, j], [i, j]] = np.cos(angle)
                    turn[j, i], turn[i, j] = np.sin(angle), -np.sin(angle)
                    axes = axes @ turn
            if largest < 1e-10:
                break
        along = axes.T @ scatter @ axes
        return axes @ estimate(weights, diagonal_matrices(diagonals(along))) @ axes.T

    return estimated


# A new structure costs one line here, and every test knows it.
STRUCTURES = {
    "full": Structure(_estimate_full, lambda C: C, lambda S: S),
    "tied": Structure(_estimate_tied, lambda C: C[0], lambda S: S.sum(axis=0)),
    "diag": Structure(_estimate_diagonal, diagonals, diagonals),
    "spherical": Structure(_estimate_spherical, lambda C: C[:, 0, 0], diagonals),
    "EII": Structure(_estimate_eii, lambda C: C[:, 0, 0], diagonals),
    "EEI": Structure(_estimate_eei, diagonals, diagonals),
    "VEI": Structure(_estimate_vei, diagonals, diagonals),
    "EVI": Structure(_estimate_evi, diagonals, diagonals),
    "VEE": Structure(_estimate_vee, lambda C: C, lambda S: S),
    "EVE": Structure(
        _estimate_along_common_axes(_estimate_evi), lambda C: C, lambda S: S, 1e-6
    ),
    "VVE": Structure(
        _estimate_along_common_axes(_estimate_diagonal), lambda C: C, lambda S: S, 1e-6
    ),
    "EEV": Structure(_estimate_along_own_axes(_estimate_eei), lambda C: C, lambda S: S),
    "VEV": Structure(_estimate_along_own_axes(_estimate_vei), lambda C: C, lambda S: S),
    "EVV": Structure(_estimate_evv, lambda C: C, lambda S: S),
}


def inverse_and_log_determinant(matrix):
    """Of a positive definite matrix, in its own precision: Gauss-Jordan elimination."""
    if matrix.dtype != np.longdouble:
        return np.linalg.inv(matrix), np.linalg.slogdet(matrix)[1]
    D = len(matrix)
    both = np.hstack([matrix, np.eye(D, dtype=matrix.dtype)])
    log_determinant = matrix.dtype.type(0)
    for j in range(D):
        log_determinant += np.log(both[j, j])
        both[j] /= both[j, j]
        others = np.arange(D) != j
        both[others] -= np.outer(both[others, j], both[j])
    return both[:, D:], log_determinant


def log_density(X, mean, covariance):
    """Logarithm of the normal density at each row: (N,)."""
    D = len(mean)
    residuals = X - mean
    precision, log_determinant = inverse_and_log_determinant(covariance)
    distances = (residuals @ precision * residuals).sum(axis=1)
    return -0.5 * (D * math.log(2 * math.pi) + log_determinant + distances)


def squared_distances(X, mean, covariance):
    """Squared Mahalanobis distance of each row: (N,)."""
    residuals = X - mean
    return (residuals @ np.linalg.inv(covariance) * residuals).sum(axis=1)


def student_log_density(X, mean, scale, v):
    """Logarithm of the density of a t distribution at each row: (N,)."""
    D = len(mean)
    constant = gammaln((v + D) / 2) - gammaln(v / 2) - D / 2 * np.log(v * np.pi)
    falls = (v + D) / 2 * np.log1p(squared_distances(X, mean, scale) / v)
    return constant - np.linalg.slogdet(scale)[1] / 2 - falls


def row_pulls(X, mixture):
    """The weights of rows in the moments of components with tails: (N, K)."""
    D = X.shape[1]
    return np.stack(
        [
            (v + D) / (v + squared_distances(X, mean, scale))
            for mean, scale, v in zip(
                mixture.means,
                mixture.covariances,
                mixture.degrees_of_freedom,
                strict=True,
            )
        ],
        axis=1,
    )


def student_step(X, mixture, name, row_weights=None, *, ridge=0.0, wish="estimate"):
    """An iteration of EM as textbooks have it, with the divisors' mean left free.

    C. Liu, D. B. Rubin, Y. N. Wu (1998): where each component may have any size, its
    scale is divided by the mean of its rows' pulls; else all are by one mean.
    """
    K, D = mixture.means.shape
    row_weights = np.ones(len(X)) if row_weights is None else row_weights
    shares = responsibilities(X, mixture) * row_weights[:, np.newaxis]
    noise, shares = shares[:, K:].sum(), shares[:, :K]
    pulls, v = row_pulls(X, mixture), mixture.degrees_of_freedom
    counts, pulled = shares.sum(axis=0), (shares * pulls).sum(axis=0)
    means = (shares * pulls).T @ X / pulled[:, np.newaxis]
    scatter = moments(X, shares * pulls, means).scatter
    scatter = scatter + counts[:, np.newaxis, np.newaxis] * ridge * np.eye(D)
    scales = STRUCTURES[name].estimate(counts, scatter)
    expansions = np.full(K, (v * pulled).sum() / (v * counts).sum())
    if name in FREE_SIZES:
        expansions = pulled / counts
    logarithms = np.log(pulls) + digamma((v + D) / 2) - np.log((v + D) / 2)
    mean_logarithms = (shares * logarithms).sum(axis=0) / counts - np.log(expansions)
    excess = 1 + mean_logarithms - pulled / counts / expansions
    if wish == "shared":
        excess = np.full(K, np.average(excess, weights=counts))
    if isinstance(wish, str):
        v = np.array([_degrees_of_freedom(value) for value in excess])
    total = counts.sum() + noise
    return Robust(
        counts / total,
        means,
        scales / expansions[:, np.newaxis, np.newaxis],
        noise / total,
        mixture.noise_volume,
        v,
    )


def _degrees_of_freedom(excess):
    def gap(v):
        return np.log(v / 2) - digamma(v / 2) + excess

    if gap(1e6) > 0:
        return 1e6
    return brentq(gap, 0.01, 1e6, xtol=1e-14, rtol=1e-15) if gap(0.01) > 0 else 0.01


def _has_noise(mixture):
    return getattr(mixture, "noise_volume", 0) > 0


def weighted_log_densities(X, mixture, bounds=None):
    """log(weight) + log-density, for each row and component: (N, K).

    With noise it is the last one: (N, K + 1).
    """
    if np.isnan(X).any():
        values = np.empty((len(X), len(mixture.weights) + _has_noise(mixture)))
        for has, rows in patterns(X):
            values[rows] = _with_gaps(X[rows], has, mixture, bounds)
        return values
    with np.errstate(divide="ignore"):  # an empty component has weight 0
        log_weights = np.log(mixture.weights)
    v = getattr(mixture, "degrees_of_freedom", None)
    densities = [
        log_density(X, mean, covariance)
        if v is None
        else student_log_density(X, mean, covariance, v[k])
        for k, (mean, covariance) in enumerate(
            zip(mixture.means, mixture.covariances, strict=True)
        )
    ]
    values = log_weights + np.stack(densities, axis=1)
    if not _has_noise(mixture):
        return values
    with np.errstate(divide="ignore"):
        log_noise_weight = np.log(mixture.noise_weight)
    of_noise = log_noise_weight - np.log(mixture.noise_volume)
    return np.column_stack([values, np.full(len(X), of_noise)])


def patterns(X):
    """Which columns are there, and the numbers of the rows that have just these."""
    kinds, which = np.unique(~np.isnan(X), axis=0, return_inverse=True)
    for i, has in enumerate(kinds):
        yield has, np.flatnonzero(which.ravel() == i)


def _with_gaps(X, has, mixture, bounds):
    """log(weight) + log-density of what rows have, who all have these columns: (N, K).

    Noise has a density in each column: one over the width of its ``bounds``, in a unit
    in which the widths' product is its volume. By default all widths are the same.
    """
    with np.errstate(divide="ignore"):
        values = np.tile(np.log(np.asarray(mixture.weights)), (len(X), 1))
    v = getattr(mixture, "degrees_of_freedom", None)
    if has.any():
        for k, mean in enumerate(mixture.means):
            law = mean[has], mixture.covariances[k][np.ix_(has, has)]
            if v is None:
                values[:, k] += log_density(X[:, has], *law)
            else:
                values[:, k] += student_log_density(X[:, has], *law, v[k])
    if not _has_noise(mixture):
        return values
    widths = np.ones(len(has)) if bounds is None else bounds[:, 1] - bounds[:, 0]
    unit = (mixture.noise_volume / widths.prod()) ** (1 / len(has))
    with np.errstate(divide="ignore"):
        of_noise = np.log(mixture.noise_weight) - np.log(unit * widths[has]).sum()
    return np.column_stack([values, np.full(len(X), of_noise)])


def completed(X, has, mean, covariance):
    """What rows are expected to be given these columns, and how the rest varies."""
    lacks = ~has
    inverse = np.linalg.inv(covariance[np.ix_(has, has)])
    coefficients = covariance[np.ix_(lacks, has)] @ inverse
    full = X.copy()
    full[:, lacks] = mean[lacks] + (X[:, has] - mean[has]) @ coefficients.T
    left = np.zeros_like(covariance)
    left[np.ix_(lacks, lacks)] = (
        covariance[np.ix_(lacks, lacks)] - coefficients @ covariance[np.ix_(has, lacks)]
    )
    return full, left


def expectation_with_gaps(X, mixture, row_weights=None, allowed=None):
    """The expectation step on rows with gaps, about the means.

    ``allowed`` (N, K) says which components each row may belong to, and noise the last.
    """
    row_weights = np.ones(len(X)) if row_weights is None else row_weights
    K, D = mixture.means.shape
    values = weighted_log_densities(X, mixture)
    if allowed is not None:
        values = np.where(allowed, values, -np.inf)
    totals = log_sum_exp(values)
    shares = row_weights[:, np.newaxis] * np.exp(values - totals[:, np.newaxis])
    counts, first, scatter = np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D))
    for has, rows in patterns(X):
        for k, mean in enumerate(mixture.means):
            full, left = completed(X[rows], has, mean, mixture.covariances[k])
            pulled = shares[rows, k] * _pulls(X[rows], has, mixture, k)
            counts[k] += pulled.sum()
            first[k] += pulled @ (full - mean)
            scatter[k] += (pulled[:, np.newaxis] * (full - mean)).T @ (full - mean)
            scatter[k] += shares[rows, k].sum() * left
    sums = row_weights @ totals, shares[:, :K].sum(axis=0), first, scatter
    if getattr(mixture, "degrees_of_freedom", None) is None:
        return Statistics(*sums)
    return StudentStatistics(*sums, counts)


def _pulls(X, has, mixture, k):
    """What rows with gaps weigh in the moments of a component."""
    v = getattr(mixture, "degrees_of_freedom", None)
    if v is None:
        return np.ones(len(X))
    law = mixture.means[k][has], mixture.covariances[k][np.ix_(has, has)]
    return (v[k] + has.sum()) / (v[k] + squared_distances(X[:, has], *law))


def log_sum_exp(values):
    """log(sum(exp(values))) along the last axis, without overflow."""
    largest = values.max(axis=-1, keepdims=True)
    return largest[..., 0] + np.log(np.exp(values - largest).sum(axis=-1))


def score_samples(X, mixture):
    """Logarithm of the mixture's density at each row: (N,)."""
    return log_sum_exp(weighted_log_densities(X, mixture))


def responsibilities(X, mixture):
    """Probability of each component given the row: (N, K)."""
    values = weighted_log_densities(X, mixture)
    return np.exp(values - log_sum_exp(values)[:, np.newaxis])


def predict(X, mixture):
    """The most likely component of each row, -1 for noise: (N,)."""
    labels = weighted_log_densities(X, mixture).argmax(axis=1)
    return np.where(labels == len(mixture.weights), -1, labels)


def score(X, mixture, row_weights=None):
    """Mean log-likelihood of a row."""
    return np.average(score_samples(X, mixture), weights=row_weights)


def moments(X, shares, reference, log_likelihood=0.0):
    """Statistics of rows that belong to components by ``shares`` (N, K)."""
    first, scatter = [], []
    shares = shares[:, : len(reference)]  # without those of noise
    for k, point in enumerate(reference):
        residuals = X - point
        first.append(shares[:, k] @ residuals)
        scatter.append((shares[:, k, np.newaxis] * residuals).T @ residuals)
    return Statistics(
        log_likelihood, shares.sum(axis=0), np.stack(first), np.stack(scatter)
    )


def expectation(X, mixture, row_weights=None, reference=None, allowed=None):
    """The expectation step, with moments about ``reference`` (the means by default)."""
    if np.isnan(X).any():
        return expectation_with_gaps(X, mixture, row_weights, allowed)
    row_weights = np.ones(len(X)) if row_weights is None else row_weights
    reference = mixture.means if reference is None else reference
    values = weighted_log_densities(X, mixture)
    if allowed is not None:
        values = np.where(allowed, values, -np.inf)
    log_densities = log_sum_exp(values)
    shares = np.exp(values - log_densities[:, np.newaxis]) * row_weights[:, np.newaxis]
    log_likelihood = (row_weights * log_densities).sum()
    if getattr(mixture, "degrees_of_freedom", None) is None:
        return moments(X, shares, reference, log_likelihood)
    shares = shares[:, : len(reference)]
    pulled = shares * row_pulls(X, mixture)
    _, counts, first, scatter = moments(X, pulled, reference)
    weights = shares.sum(axis=0)
    return StudentStatistics(log_likelihood, weights, first, scatter, counts)


def about(statistics, shifts):
    """Scatter (K, D, D) about points that are shifted from the reference by (K, D).

    sum r (x - new)(x - new)', where x - new = (x - reference) - shift.
    """
    counts = getattr(statistics, "counts", statistics.weights)
    crossed = statistics.first[:, :, np.newaxis] * shifts[:, np.newaxis, :]
    squares = shifts[:, :, np.newaxis] * shifts[:, np.newaxis, :]
    squares = counts[:, np.newaxis, np.newaxis] * squares
    return statistics.scatter - crossed - crossed.transpose(0, 2, 1) + squares


def maximization(statistics, reference, name, ridge, before=None, fixed=None):
    """The maximisation step: weights, means, covariances of the structure ``name``.

    What is ``fixed`` stays as in the mixture ``before``.
    """
    weights, first = statistics.weights, statistics.first
    is_student = isinstance(statistics, StudentStatistics)
    counts = statistics.counts if is_student else weights
    shifts = first / counts[:, np.newaxis]
    if fixed is not None:
        shifts = np.where(fixed.means[:, np.newaxis], before.means - reference, shifts)
    about_means = about(statistics, shifts)
    ridges = weights[:, np.newaxis, np.newaxis] * ridge * np.eye(reference.shape[1])
    covariances = STRUCTURES[name].estimate(weights, about_means + ridges)
    if is_student:
        expansions = np.full(len(weights), counts.sum() / weights.sum())
        if name in FREE_SIZES:
            expansions = counts / weights
        covariances = covariances / expansions[:, np.newaxis, np.newaxis]
    mixture = Mixture(weights / weights.sum(), reference + shifts, covariances)
    if fixed is None:
        return mixture
    held = fixed.covariances[:, np.newaxis, np.newaxis]
    return Mixture(
        _shared_weights(mixture.weights, before.weights / before.weights.sum(), fixed),
        mixture.means,
        np.where(held, before.covariances, covariances),
    )


def _shared_weights(found, before, fixed):
    """Weights that sum to 1: fixed ones as before, the others in what they leave."""
    if fixed.equal_weights:
        return np.full(len(found), 1 / len(found))
    if fixed.weights.sum() >= len(found) - 1:
        return before if fixed.weights.any() else found
    left = 1 - before[fixed.weights].sum()
    share = left / found[~fixed.weights].sum()
    return np.where(fixed.weights, before, found * share)


def start_from_shares(X, shares, name, ridge):
    """The maximisation step on responsibilities that someone else chose."""
    means = (shares.T @ X) / shares.sum(axis=0)[:, np.newaxis]
    return maximization(moments(X, shares, means), means, name, ridge)


def start_from_labels(X, labels, name, ridge=0.0):
    """The maximisation step on a hard assignment, labels 0 to K - 1."""
    return start_from_shares(X, np.eye(labels.max() + 1)[labels], name, ridge)


def iterate(
    X, mixture, name, ridge, n_iterations, row_weights=None, allowed=None, fixed=None
):
    """``n_iterations`` of EM: the mixture, and the lower bound of each iteration."""
    lower_bounds = []
    total = len(X) if row_weights is None else row_weights.sum()
    for _ in range(n_iterations):
        before, statistics = (
            mixture,
            expectation(X, mixture, row_weights, allowed=allowed),
        )
        lower_bounds.append(statistics.log_likelihood / total)
        mixture = maximization(statistics, before.means, name, ridge, before, fixed)
        if isinstance(before, Robust):
            weights = mixture.weights * statistics.weights.sum() / total
            mixture = before._replace(
                **{**mixture._asdict(), "weights": weights},
                noise_weight=max(0.0, 1 - weights.sum())
                if before.noise_volume
                else 0.0,
            )
    return mixture, lower_bounds


def log_likelihood_of_moments(statistics, mixture):
    """Expected log-likelihood of all rows, from their statistics about the means.

    What the maximisation step maximises: sum r (log weight + log density).
    """
    D = mixture.means.shape[1]
    total = 0.0
    for k in range(len(mixture.weights)):
        precision = np.linalg.inv(mixture.covariances[k])
        _, log_determinant = np.linalg.slogdet(mixture.covariances[k])
        constant = np.log(mixture.weights[k]) - 0.5 * (
            D * math.log(2 * math.pi) + log_determinant
        )
        distances = (precision * statistics.scatter[k]).sum()
        total += statistics.weights[k] * constant - 0.5 * distances
    return total
