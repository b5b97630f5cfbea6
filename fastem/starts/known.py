"""A start from rows of which some are known: one maximisation step."""

import numpy as np
from numpy.typing import NDArray

from fastem.checks.known import Known
from fastem.checks.rows import Rows, read_only
from fastem.em import convergence_warnings
from fastem.em.maximization import Maximization
from fastem.em.plan import Plan
from fastem.starts import kmeans
from fastem.starts.initialization import parameters_of_partition, warn_of_identical
from fastem.starts.partition import MemberSums, share_sums
from fastem.statistics import Array, MixtureParameters


def parameters_of_known(
    sums: MemberSums, center: Array, plan: Plan, maximize: Maximization
) -> MixtureParameters:
    """The maximisation step on rows that belong to components by their kinds.

    Parameters
    ----------
    sums : callable
        Those of :func:`known_sums`, of all rows.
    center : array of shape (D,)
        A point among the rows.
    """
    parameters = parameters_of_partition(sums, center, plan, maximize)
    warn_of_identical(parameters, plan.representation)
    return parameters


def known_sums(
    rows: Rows, row_weights: Rows, kinds: NDArray[np.int32], shares: Array
) -> MemberSums:
    """Sums of rows without gaps.

    Parameters
    ----------
    kinds : array of int of shape (N,)
    shares : array of shape (C, K)
        To which degree rows of each kind belong to each component.
    """
    return share_sums(rows, row_weights, lambda some: shares[kinds[some]])


def shares_of(known: Known) -> Array:
    """Those of rows that belong alike to all components that they may belong to."""
    allowed = known.allowed[:, :-1].astype(np.float64)
    shares: Array = allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1)
    return shares


def with_all_named(
    known: Known,
    X: Rows,
    row_weights: Rows,
    random_state: np.random.RandomState,
    n_threads: int | None,
) -> tuple[Known, Array]:
    """Kinds of rows, and their shares, by which each component has rows of its own.

    Components of which no row is known get clusters of the others (by k-means into K):
    those that are farthest from the means of known rows, one after the other.
    """
    shares = shares_of(known)
    rest = np.flatnonzero(~known.named)
    if not len(rest):
        return known, shares
    unknown = np.flatnonzero(known.is_free[known.kinds])
    weights = row_weights[unknown] if len(row_weights) else row_weights
    if not len(unknown) or (len(weights) and not weights.any()):
        raise ValueError(
            f"labels name no row of component {rest[0]}, and something is known of "
            "each row, so that none is left for it to start from: use fewer "
            "components, or give means_init, precisions_init and weights_init"
        )
    rows = read_only(X[unknown])
    with convergence_warnings.muted():
        clusters = kmeans.cluster(
            *(rows, weights, min(shares.shape[1], len(rows))),
            *(random_state, n_threads),
        )
    scales = np.maximum(X.std(axis=0, dtype=np.float64), 1e-300)
    taken = [
        X[known.kinds == kind].mean(axis=0, dtype=np.float64)
        for kind in np.unique(known.kinds)
        if known.allowed[kind].sum() == 1 and known.allowed[kind, :-1].any()
    ]
    kinds = known.kinds.copy()
    more = np.zeros((len(rest), shares.shape[1]))
    left = set(np.unique(clusters.labels).tolist())
    for number, component in enumerate(rest):
        if not left:
            break

        def distance(cluster: int) -> float:
            if not taken:  # no row is known to be of one component
                return 0.0
            apart = (clusters.centers[cluster] - np.array(taken)) / scales
            return float((apart**2).sum(axis=1).min())

        farthest = max(sorted(left), key=distance)
        left.remove(farthest)
        taken.append(clusters.centers[farthest])
        kinds[unknown[clusters.labels == farthest]] = len(shares) + number
        more[number, component] = 1
    shares[:, rest] = 0
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    allowed = np.column_stack([more > 0, np.zeros(len(more), bool)])
    named = Known(kinds, np.vstack([known.allowed, allowed]))
    return named, np.vstack([shares, more])
