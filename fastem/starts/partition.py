"""Starts from a partition of the rows: one maximisation step on it."""

from collections.abc import Callable

import numpy as np

from fastem import kernels
from fastem.checks.labels import Partition
from fastem.checks.rows import Rows
from fastem.covariances.representations import Representation, dense
from fastem.statistics import Array, SufficientStatistics

# Weights (K,), first moments (K, D) and scatter of the members of each component, and
# the weight of rows of the background.
Sums = tuple[Array, Array, Array, Array]
# They are computed of reference points (K, D), whether scatter is matrices, and whether
# it is shared.
MemberSums = Callable[[Array, bool, bool], Sums]
# Values that are float64 at a time.
_BLOCK_VALUES = 1 << 20


def member_sums(
    X: Rows, row_weights: Rows, partition: Partition, n_threads: int | None
) -> MemberSums:
    """The sums of rows in memory, by labels (N,) or shares of two dimensions."""
    if partition.ndim == 2:
        return share_sums(
            X, row_weights, lambda some: np.asarray(partition[some], float)
        )

    def sums(reference: Array, has_matrices: bool, is_shared: bool) -> Sums:
        return kernels.member_pass(
            X, row_weights, partition, reference, has_matrices, is_shared, n_threads
        )

    return sums


def share_sums(
    X: Rows, row_weights: Rows, shares_of: Callable[[slice], Array]
) -> MemberSums:
    """The sums of rows in memory that belong to components in part.

    Parameters
    ----------
    shares_of : callable
        To which degree some of the rows belong to each component, (n, K), and
        last to the background, (n, K + 1).
    """

    def sums(reference: Array, has_matrices: bool, is_shared: bool) -> Sums:
        K, D = reference.shape
        weights, background = np.zeros(K), np.zeros(())
        first = np.zeros((K, D))
        shape = (D, D) if has_matrices else (D,)
        scatter = np.zeros((1 if is_shared else K, *shape))
        size = max(1, _BLOCK_VALUES // D)
        for start in range(0, len(X), size):
            some = slice(start, start + size)
            rows, r = X[some].astype(np.float64), shares_of(some)
            if len(row_weights):
                r = r * row_weights[some, np.newaxis].astype(np.float64)
            weights += r[:, :K].sum(axis=0)
            background += r[:, K:].sum()
            for k in range(K):
                mine = np.flatnonzero(r[:, k])
                residuals = rows[mine] - reference[k]
                weighted = r[mine, k, np.newaxis] * residuals
                first[k] += weighted.sum(axis=0)
                scatter[0 if is_shared else k] += (
                    weighted.T @ residuals
                    if has_matrices
                    else (weighted * residuals).sum(axis=0)
                )
        return weights, first, scatter, background

    return sums


def statistics_of_members(
    sums: MemberSums, reference: Array, representation: Representation
) -> SufficientStatistics:
    """Statistics when each row belongs to one component wholly, or to none.

    Parameters
    ----------
    sums : callable
    reference : array of shape (K, D)
        What the moments are taken about: the nearer to the means, the more exact.
    """
    scatter = representation.zero_scatter(*reference.shape)
    weights, first, found, background = sums(
        reference, representation.has_matrices, representation.is_shared
    )
    if representation.has_matrices:
        found = dense.mirror_lower(found)
    scatter += found.reshape(scatter.shape)
    return SufficientStatistics(
        0.0, weights, reference, first, scatter, background=float(background)
    )


def statistics_of_partition(
    sums: MemberSums, center: Array, n_components: int, representation: Representation
) -> SufficientStatistics:
    """The same about the components' means, for which a pass more is made.

    Parameters
    ----------
    sums : callable
    center : array of shape (D,)
        A point among the rows.
    """
    around = np.repeat(center[np.newaxis], n_components, axis=0)
    weights, first, *_ = sums(around, False, True)
    has_rows = weights[:, np.newaxis] > 0
    shifts = np.divide(first, weights[:, np.newaxis], where=has_rows, out=first * 0)
    return statistics_of_members(sums, around + shifts, representation)
