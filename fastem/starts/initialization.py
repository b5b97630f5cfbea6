"""Where EM starts: k-means, k-means++, random, or the user's own parameters.

The methods are scikit-learn's and draw the same random numbers, so the same seed
gives the same start. Each ends in responsibilities; one maximisation step turns
them into parameters.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import DTypeLike

from fastem.checks.rows import Rows
from fastem.covariances import SingularCovarianceError
from fastem.covariances.representations import Representation, mean_shifts
from fastem.em import convergence_warnings
from fastem.em.constraints import equalized
from fastem.em.maximization import Maximization
from fastem.em.plan import Plan
from fastem.runtime import blas
from fastem.starts import kmeans
from fastem.starts.partition import (
    MemberSums,
    member_sums,
    statistics_of_members,
    statistics_of_partition,
)
from fastem.statistics import (
    EPS,
    Array,
    MixtureParameters,
    SufficientStatistics,
    background_of,
)

_BLOCK_VALUES = 1 << 20


def initial_parameters(
    X: Rows, row_weights: Rows, plan: Plan, maximize: Maximization
) -> MixtureParameters:
    """Parameters to start EM from.

    Parameters
    ----------
    X : array of shape (N, D)
    row_weights : array of shape (N,) or (0,)
        Empty means all 1.
    plan : Plan
        Its method is 'kmeans', 'k-means++', 'random' or 'random_from_data', where it
        has no partition, and its given start has no labels.
    maximize : Maximization

    Raises
    ------
    SingularCovarianceError
        If ``maximize`` raises it, as rows of a component do not span all columns.
    """
    given, representation = plan.given, plan.representation
    if given.is_complete:
        assert given.weights is not None
        assert given.means is not None
        assert given.precisions is not None
        shape = _shape_of(given.precisions, representation)
        return plan.completed(MixtureParameters(given.weights, given.means, *shape))
    labels = given.labels
    if labels is None and plan.partition is not None:
        labels = plan.partition(X, plan.n_components, plan.random_state)
    if labels is not None:
        sums = member_sums(X, row_weights, labels, plan.n_threads)
        return parameters_of_partition(sums, _mean(X, row_weights), plan, maximize)
    statistics = _METHODS[plan.method](X, row_weights, plan)
    total = float(row_weights.sum(dtype=np.float64)) if len(row_weights) else len(X)
    return parameters_of_start(statistics, total, plan, maximize)


def parameters_of_partition(
    sums: MemberSums, center: Array, plan: Plan, maximize: Maximization
) -> MixtureParameters:
    """Parameters from the sums of rows that the user has labelled."""
    statistics = statistics_of_partition(
        sums, center, plan.n_components, plan.representation
    )
    total = statistics.total
    return parameters_of_start(statistics, total, plan, maximize)


@blas.one_thread()
def parameters_of_start(
    statistics: SufficientStatistics,
    total: float,
    plan: Plan,
    maximize: Maximization,
) -> MixtureParameters:
    """Parameters from a method's statistics of rows whose weights sum to ``total``."""
    given = plan.given
    claimed = statistics.total / total
    statistics = _with_background(statistics, plan)
    if given.precisions is None:
        parameters = _estimated(statistics, plan, maximize)
    else:
        parameters = MixtureParameters(
            statistics.weights / statistics.total,
            statistics.reference + mean_shifts(statistics),
            *_shape_of(given.precisions, plan.representation),
            background_of(statistics, plan.background),
            degrees_of_freedom=None
            if plan.tails is None
            else plan.tails.start(plan.n_components),
        )
    # Of all rows, not of those that a component has claimed: scikit-learn's way, by
    # which the weights of k-means++ and random_from_data sum to K / N.
    parameters = replace(parameters, weights=parameters.weights * claimed)
    if given.weights is not None:
        left = 1 - parameters.background_weight
        parameters = replace(parameters, weights=given.weights * left)
    if given.means is not None:
        parameters = replace(parameters, means=given.means)
    return equalized(plan.fixed, parameters)


def _with_background(
    statistics: SufficientStatistics, plan: Plan
) -> SufficientStatistics:
    """The same, with rows of the background: those that were said to be, by default."""
    if plan.background is None:
        return statistics
    share = plan.given.background_weight
    if share is None and statistics.background:
        return statistics
    share = plan.background.weight if share is None else share
    count = share / (1 - share) * float(statistics.weights.sum())
    return replace(statistics, background=count)


def _estimated(
    statistics: SufficientStatistics, plan: Plan, maximize: Maximization
) -> MixtureParameters:
    """Parameters from a method's statistics alone."""
    has_spread = plan.method not in _OF_SINGLE_ROWS or np.any(plan.ridge)
    # One that the user gave in part has the number of components given there.
    step = maximize.start if plan.given.is_empty and has_spread else maximize.strict()
    try:
        return step(statistics)
    except SingularCovarianceError as error:
        if has_spread:
            raise
        raise error.after(
            f"init_params={plan.method!r} gives each component one single row to start "
            "from, and with reg_covar=0 that has no spread",
            "use init_params='kmeans' or 'subsample', give precisions_init",
        ) from None


@blas.one_thread()
def _shape_of(precisions: Array, representation: Representation) -> tuple[Array, Array]:
    """Covariances, and the factors of their inverses, from the user's precisions.

    Factors of the covariances, not of the precisions: so a model that is saved right
    after the start is read back to the last bit, as all are.
    """
    try:
        covariances = representation.invert(
            representation.cholesky_of_precisions(precisions)
        )
        return covariances, representation.cholesky(covariances)
    except SingularCovarianceError as error:
        raise error.after("precisions_init has no inverse") from None


def warn_of_identical(
    parameters: MixtureParameters, representation: Representation
) -> None:
    """Warn if two components start alike: EM cannot tell them apart ever after."""
    K, D = parameters.means.shape
    if len(np.unique(parameters.means, axis=0)) == K:
        return
    dense_covariances = representation.expand(parameters.covariances, K, D)
    seen: dict[bytes, int] = {}
    for k, (mean, covariance) in enumerate(
        zip(parameters.means, dense_covariances, strict=True)
    ):
        first = seen.setdefault(mean.tobytes() + covariance.tobytes(), k)
        if first != k:
            convergence_warnings.warn(
                "Components start with the same mean and covariance. EM moves "
                f"{first} and {k} alike, so that they will always count as one. Give "
                "them different means (means_init), or use fewer components.",
            )
            return


def _weights_of(rows: Rows, row_weights: Rows, selection: slice | np.ndarray) -> Array:
    if len(row_weights):
        return row_weights[selection].astype(np.float64)
    return np.ones(len(rows))


def weighted_blocks(
    X: Rows, row_weights: Rows, width: int
) -> Iterator[tuple[Array, Array]]:
    """Consecutive rows and their weights in float64, ``width`` values a row."""
    size = max(1, _BLOCK_VALUES // width)
    for start in range(0, len(X), size):
        block = X[start : start + size]
        weights = _weights_of(block, row_weights, slice(start, start + size))
        yield block.astype(np.float64), weights


def _mean(X: Rows, row_weights: Rows) -> Array:
    total = np.zeros(X.shape[1])
    weight = 0.0
    for block, w in weighted_blocks(X, row_weights, X.shape[1]):
        total += w @ block
        weight += w.sum()
    mean: Array = total / weight
    return mean


def column_variances(X: Rows, row_weights: Rows) -> Array:
    """The variance of each column, (D,), about its mean."""
    center = _mean(X, row_weights)
    total = np.zeros(X.shape[1])
    weight = 0.0
    for block, w in weighted_blocks(X, row_weights, X.shape[1]):
        total += w @ (block - center) ** 2
        weight += w.sum()
    return variances_of_sums(total, weight, center)


def variances_of_sums(squares: Array, weight: float | Array, mean: Array) -> Array:
    """Variances (D,) from weighted sums of squares about the mean."""
    # What rounding of the mean leaves of a constant column is none.
    rounding = weight * (16 * EPS * np.abs(mean)) ** 2
    variances: Array = np.where(squares <= rounding, 0.0, squares / weight)
    return variances


def _kmeans(X: Rows, row_weights: Rows, plan: Plan) -> SufficientStatistics:
    clusters = kmeans.cluster(
        *(X, row_weights, plan.n_components, plan.random_state, plan.n_threads)
    )
    return statistics_of_members(
        member_sums(X, row_weights, clusters.labels, plan.n_threads),
        *(clusters.centers, plan.representation),
    )


def _statistics_of_chosen(
    X: Rows, row_weights: Rows, chosen: np.ndarray, representation: Representation
) -> SufficientStatistics:
    """Statistics when each component has one row, and the other rows have none."""
    n_features = X.shape[1]
    means = X[chosen].astype(np.float64)
    weights = _weights_of(means, row_weights, chosen)

    def second_moment_of_others() -> Array:
        second_moment: Array = -(weights * means.T) @ means
        for block, w in weighted_blocks(X, row_weights, n_features):
            second_moment += (w * block.T) @ block
        return second_moment

    scatter = representation.zero_scatter(len(chosen), n_features)
    return SufficientStatistics(
        0.0,
        weights,
        means,
        np.zeros_like(means),
        representation.count_unclaimed(scatter, second_moment_of_others),
    )


def _kmeans_plus_plus(X: Rows, row_weights: Rows, plan: Plan) -> SufficientStatistics:
    chosen = kmeans.choose_seeds(
        *(X, row_weights, plan.n_components, plan.random_state, plan.n_threads)
    )
    return _statistics_of_chosen(X, row_weights, chosen, plan.representation)


def _random_from_data(X: Rows, row_weights: Rows, plan: Plan) -> SufficientStatistics:
    probabilities = None
    if len(row_weights):
        probabilities = row_weights.astype(np.float64)
        probabilities /= probabilities.sum()
    chosen = plan.random_state.choice(
        len(X), size=plan.n_components, replace=False, p=probabilities
    )
    return _statistics_of_chosen(X, row_weights, chosen, plan.representation)


def _random(X: Rows, row_weights: Rows, plan: Plan) -> SufficientStatistics:
    """Uniform responsibilities."""
    blocks = weighted_blocks(X, row_weights, max(plan.n_components, X.shape[1]))
    return statistics_of_random(blocks, _mean(X, row_weights), X.dtype, plan)


def statistics_of_random(
    blocks: Iterable[tuple[Array, Array]],
    center: Array,
    dtype: DTypeLike,
    plan: Plan,
) -> SufficientStatistics:
    """Uniform responsibilities, drawn block by block in the order of the rows.

    All means lie close to that of the rows, so moments about it are exact enough.

    Parameters
    ----------
    blocks : iterable of (array of shape (n, D), array of shape (n,))
        Rows and their weights, in float64. The rows are overwritten.
    center : array of shape (D,)
        The mean of the rows.
    dtype : dtype
        What responsibilities are rounded to.
    """
    n_components, n_features = plan.n_components, len(center)
    representation, random_state = plan.representation, plan.random_state
    weights = np.zeros(n_components)
    first = np.zeros((n_components, n_features))
    scatter = representation.zero_scatter(n_components, n_features)
    for block, w in blocks:
        r = random_state.uniform(size=(len(block), n_components)).astype(dtype)
        r /= r.sum(axis=1)[:, np.newaxis]
        weighted = r.T.astype(np.float64) * w
        block -= center
        weights += weighted.sum(axis=1)
        first += weighted @ block
        for k in range(n_components):
            representation.add_scatter(scatter, k, weighted[k], block)
    reference = np.repeat(center[np.newaxis], n_components, axis=0)
    return SufficientStatistics(0.0, weights, reference, first, scatter)


_METHODS: dict[str, Callable[[Rows, Rows, Plan], SufficientStatistics]] = {
    "kmeans": _kmeans,
    "k-means++": _kmeans_plus_plus,
    "random": _random,
    "random_from_data": _random_from_data,
}
_OF_SINGLE_ROWS = {"k-means++", "random_from_data"}
