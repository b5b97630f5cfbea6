"""Starts from a partition of the rows: one maximisation step on their labels."""

from collections.abc import Callable

import numpy as np

from fastem import kernels
from fastem.checks.labels import Labels
from fastem.checks.rows import Rows
from fastem.covariances.representations import Representation, dense
from fastem.statistics import Array, SufficientStatistics

# Weights (K,), first moments (K, D) and scatter of the members of each component, and
# the weight of rows of the background.
Sums = tuple[Array, Array, Array, Array]
# They are computed of reference points (K, D), whether scatter is matrices, and whether
# it is shared.
MemberSums = Callable[[Array, bool, bool], Sums]


def member_sums(
    X: Rows, row_weights: Rows, labels: Labels, n_threads: int | None
) -> MemberSums:
    """The sums of rows in memory."""

    def sums(reference: Array, has_matrices: bool, is_shared: bool) -> Sums:
        return kernels.member_pass(
            X, row_weights, labels, reference, has_matrices, is_shared, n_threads
        )

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
