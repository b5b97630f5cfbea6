"""The columns in which the components of a mixture are best told apart."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from fastem.mixture import GaussianMixture
from fastem.report.description import dense_covariances
from fastem.statistics import Array

# Of more columns, only those that separate best by themselves are tried in pairs.
_MOST_CANDIDATES = 20


def separating_views(model: GaussianMixture) -> list[tuple[int, ...]]:
    """The columns to look at: pairs, or the only column.

    The first pair is the one in which the components overlap least; the second is
    the one that best separates what still overlaps in the first. Two components
    overlap by exp(-B), where B is the Bhattacharyya distance of their distributions
    in these columns; a pair of components counts by the product of its weights.
    """
    n_columns = model.means_.shape[1]
    if n_columns == 1:
        return [(0,)]
    importance = _importance(model)
    candidates = separating_columns(model, _MOST_CANDIDATES)
    pairs = list(combinations(candidates, 2))
    overlaps = np.array([_overlaps(model, list(pair)) for pair in pairs])
    first = int(np.argmin(overlaps @ importance))
    if n_columns == 2:
        return [pairs[first]]
    left = np.minimum(overlaps, overlaps[first]) @ importance
    left[first] = np.inf
    return [pairs[first], pairs[int(np.argmin(left))]]


def separating_columns(model: GaussianMixture, n_most: int) -> Sequence[int]:
    """At most so many columns: those in which, alone, the components overlap least."""
    n_columns = model.means_.shape[1]
    if n_columns <= n_most:
        return range(n_columns)
    alone = [_overlaps(model, [j]) @ _importance(model) for j in range(n_columns)]
    chosen: list[int] = np.sort(np.argsort(alone, kind="stable")[:n_most]).tolist()
    return chosen


def _importance(model: GaussianMixture) -> Array:
    """How much each pair of components counts."""
    i, j = np.triu_indices(len(model.weights_), k=1)
    products: Array = model.weights_[i] * model.weights_[j]
    return products


def _overlaps(model: GaussianMixture, columns: list[int]) -> Array:
    """exp(-Bhattacharyya distance) in these columns, for each pair of components."""
    i, j = np.triu_indices(len(model.weights_), k=1)
    marginals = dense_covariances(model)[:, columns][:, :, columns]
    averages = (marginals[i] + marginals[j]) / 2
    differences = (model.means_[i] - model.means_[j])[:, columns, np.newaxis]
    squares = differences * np.linalg.solve(averages, differences)
    log_determinants = np.linalg.slogdet(marginals)[1]
    excess = np.linalg.slogdet(averages)[1]
    excess -= (log_determinants[i] + log_determinants[j]) / 2
    overlaps: Array = np.exp(-squares.sum(axis=(1, 2)) / 8 - excess / 2)
    return overlaps
