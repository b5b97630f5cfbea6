"""Calls the walks over rows that belong to one component each."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastem.kernels import members, nearest
from fastem.kernels.grid import walk
from fastem.kernels.nearest import Points


def _walk_points(
    chunk_kernel: Any,
    X: np.ndarray,
    row_weights: np.ndarray,
    points: Points,
    space: Callable[..., Any],
    n_sums: int,
    n_threads: int | None,
) -> Any:
    return walk(
        chunk_kernel,
        (X, row_weights, points),
        lambda _: space(X, points),
        n_rows=X.shape[0],
        n_sums=n_sums,
        row_work=2.0 * points.points.size,
        n_threads=n_threads,
    )


def seeding_pass(
    X: np.ndarray,
    row_weights: np.ndarray,
    center: np.ndarray,
    points: np.ndarray,
    distances: np.ndarray,
    n_threads: int | None = None,
) -> np.ndarray:
    """Potentials of k-means++, chunk by chunk: shape (C, P).

    Parameters
    ----------
    X : array of shape (N, D), C-contiguous, float32 or float64
    row_weights : array of shape (N,) or (0,), the type of X; empty means all 1
    center : array of shape (D,), float64
        What ``points`` are relative to.
    points : array of shape (P, D), the type of X
        The point that was chosen last, and candidates for the next one.
    distances : array of shape (N,), the type of X
        Squared distance of each row to the nearest of the points chosen before;
        brought up to date with the last one.
    """
    points = points.astype(np.float64)
    state = Points(center, points, np.empty(0), np.empty(0, np.int32), distances)
    parts = _walk_points(
        *(nearest.seed_chunks, X, row_weights, state, nearest.seed_space),
        *(len(points), n_threads),
    )
    return np.concatenate(list(parts))


def assignment_pass(
    X: np.ndarray,
    row_weights: np.ndarray,
    points: Points,
    n_threads: int | None = None,
) -> tuple[int, np.ndarray]:
    """Give each row the label of the nearest point.

    Returns
    -------
    n_changed : int
        Number of rows whose label has changed.
    sums : array of shape (P + 1, D + 2)
        For each label, the last one being that of rows without a point, weighted
        sums of the rows less center, of their weights, and their number if their
        weight is positive: of rows that came less rows that left.
    """
    n_points, n_features = points.points.shape
    totals = np.zeros(1 + (n_points + 1) * (n_features + 2))
    for sums in _walk_points(
        *(nearest.assign_chunks, X, row_weights, points, nearest.assign_space),
        *(totals.size, n_threads),
    ):
        totals += np.add.reduce(sums, axis=0)
    return int(totals[0]), totals[1:].reshape(n_points + 1, n_features + 2)


def member_pass(
    X: np.ndarray,
    row_weights: np.ndarray,
    labels: np.ndarray,
    reference: np.ndarray,
    has_matrices: bool,
    is_shared: bool,
    n_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Moments of rows that belong to one component each, or to none.

    Parameters
    ----------
    X, row_weights, n_threads
        As in ``expectation_pass``.
    labels : array of shape (N,), int32
        Negative for rows of none; of these ``OF_BACKGROUND`` are counted.
    reference : array of shape (K, D), float64
        The points that the moments are about.
    has_matrices, is_shared : bool
        Whether the scatter is a matrix, and whether all components add to one.

    Returns
    -------
    weights : array of shape (K,)
    first : array of shape (K, D)
    scatter : array of shape (K, D) or (K, D, D)
        Of a matrix, the lower triangle. K is 1 if it is shared.
    background : array of shape ()
        Weight of the rows that are known to be of none.
    """
    n_components, n_features = reference.shape
    shape = (n_features, n_features) if has_matrices else (n_features,)
    first_start = n_components
    scatter_start = first_start + n_components * n_features
    n_scatters = 1 if is_shared else n_components
    stride = 0 if is_shared else int(np.prod(shape))
    membership = members.Membership(
        labels,
        reference,
        scatter_start + stride * np.arange(n_components),
        has_matrices,
    )
    totals = np.zeros(scatter_start + n_scatters * int(np.prod(shape)) + 1)
    for sums in walk(
        members.member_chunks,
        (X, row_weights, membership),
        lambda _: np.empty(n_features),
        n_rows=X.shape[0],
        n_sums=totals.size,
        row_work=n_features * (n_features + 1.0),
        n_threads=n_threads,
    ):
        totals += np.add.reduce(sums, axis=0)
    return (
        totals[:first_start],
        totals[first_start:scatter_start].reshape(n_components, n_features),
        totals[scatter_start:-1].reshape(n_scatters, *shape),
        totals[-1],
    )
