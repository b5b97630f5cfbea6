"""Partitions of rows that candidates start from: made once, and shared by all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from fastem.checks.labels import UNASSIGNED, Labels
from fastem.checks.rows import Rows, read_only
from fastem.em import convergence_warnings
from fastem.starts import kmeans
from fastem.starts.gaps import column_means, filled
from fastem.starts.initialization import column_variances
from fastem.statistics import Array
from fastem.training.in_memory import RowsInMemory

Numbers = NDArray[np.int_]

# Rows of the tree, which needs the distances of all pairs.
_LARGEST_TREE = 1500
_LEAST_VARIANCE = 1e-12  # of the largest, along an axis that is scaled up


@dataclass(frozen=True)
class Starts:
    """Partitions of the same rows into any number of parts.

    Attributes
    ----------
    rows : RowsInMemory
        The rows, of which each partition labels some or all.
    scaled : array of shape (N, D)
        The same with all variances alike, for k-means: units do not matter. Gaps are
        filled with means.
    tree : array of shape (n - 1, 4)
        Of Ward's method on some rows, scaled alike in all directions; one tree has a
        partition for each number of parts.
    in_tree : array of shape (n,)
        The numbers of those rows.
    """

    rows: RowsInMemory
    scaled: Rows
    tree: Array
    in_tree: Numbers

    @classmethod
    def of(cls, rows: RowsInMemory, random_state: np.random.RandomState) -> "Starts":
        """Of rows; the tree is of some drawn at random if there are many."""
        values, weights = rows.values, rows.weights
        if rows.has_gaps:
            values = filled(values, column_means(values, weights))
        deviations = np.sqrt(column_variances(values, weights))
        scales = 1 / np.where(deviations > 0, deviations, 1)
        center = np.average(
            values, axis=0, weights=weights if len(weights) else None
        ).astype(np.float64)
        scaled = ((values - center) * scales).astype(values.dtype)
        counted = _repeated(rows)
        if len(counted) > _LARGEST_TREE:
            counted = random_state.choice(counted, _LARGEST_TREE, replace=False)
        some = scaled[counted].astype(np.float64)
        tree = linkage(some @ _sphering(some), method="ward")
        return cls(rows, read_only(scaled), tree, counted)

    def from_tree(self, n_components: int) -> Labels:
        """So many branches of the tree; rows that are not in it are in none."""
        labels = np.full(len(self.scaled), UNASSIGNED, np.int32)
        branches = fcluster(self.tree, n_components, criterion="maxclust")
        labels[self.in_tree] = branches - 1
        return labels

    def from_kmeans(
        self,
        n_components: int,
        random_state: np.random.RandomState,
        n_threads: int | None,
    ) -> Labels:
        """Clusters of all rows."""
        with convergence_warnings.muted():  # of clusters without rows
            return kmeans.cluster(
                *(self.scaled, self.rows.weights, n_components),
                *(random_state, n_threads),
            ).labels

    def from_split(
        self,
        labels: Labels,
        n_components: int,
        random_state: np.random.RandomState,
        n_threads: int | None,
        movable: NDArray[np.bool_] | None = None,
    ) -> Labels | None:
        """A partition into one part more: the worst is cut in two by k-means.

        That is the one whose two halves, each with variances of its own, are likelier
        than the whole by most. None if no part can be cut. Rows that are not
        ``movable`` (all are by default) keep their part.
        """
        best, gain = None, 0.0
        for k in range(n_components):
            members = np.flatnonzero(labels == k)
            halves = self._halves(members, random_state, n_threads)
            if halves is not None and movable is not None:
                halves = _with_kept(halves, ~movable[members])
            if halves is None:
                continue
            whole = self._cost(members)
            cut = sum(self._cost(members[halves == half]) for half in (0, 1))
            if whole - cut > gain:
                gain = whole - cut
                best = members[halves == 1]
        if best is None:
            return None
        split = labels.copy()
        split[best] = n_components
        return split

    def _halves(
        self,
        members: Numbers,
        random_state: np.random.RandomState,
        n_threads: int | None,
    ) -> Labels | None:
        """Two clusters of some rows, if each has more than a row."""
        rows, weights = self.scaled[members], self.rows.weights
        weights = read_only(weights[members]) if len(weights) else weights
        if len(np.unique(rows, axis=0)) < 4:
            return None
        with convergence_warnings.muted():
            halves = kmeans.cluster(
                read_only(rows), weights, 2, random_state, n_threads
            ).labels
        return halves if min(np.bincount(halves, minlength=2)) > 1 else None

    def _cost(self, members: Numbers) -> float:
        """Of rows as one component with a variance for each column: -2 log L."""
        rows, weights = self.scaled[members], self.rows.weights
        weights = weights[members] if len(weights) else weights
        total = float(weights.sum()) if len(weights) else len(rows)
        variances = np.maximum(column_variances(rows, weights), _LEAST_VARIANCE)
        n_all = (
            float(self.rows.weights.sum())
            if len(self.rows.weights)
            else len(self.scaled)
        )
        share = total / n_all
        return total * float(np.log(variances).sum() - 2 * np.log(share))


def _with_kept(halves: Labels, kept: NDArray[np.bool_]) -> Labels | None:
    """Halves of which the first has all rows that are kept; None if one is then small.

    The second is the one of which fewer are.
    """
    if np.count_nonzero(kept & (halves == 1)) > np.count_nonzero(kept & (halves == 0)):
        halves = 1 - halves
    halves = np.where(kept, 0, halves).astype(np.int32)
    return halves if min(np.bincount(halves, minlength=2)) > 1 else None


def _repeated(rows: RowsInMemory) -> Numbers:
    """Numbers of the rows, each as often as it counts (roughly, for any weights)."""
    if not len(rows.weights):
        return np.arange(len(rows.values))
    weights = rows.weights.astype(np.float64)
    counts = weights * (rows.n_rows / weights.sum())
    if rows.n_rows > 10 * len(counts):  # of large weights their proportions are enough
        counts *= 10 * len(counts) / rows.n_rows
    whole = np.where(counts > 0, np.maximum(np.rint(counts), 1), 0).astype(np.int64)
    return np.repeat(np.arange(len(counts)), whole)


def _sphering(rows: Array) -> Array:
    """What makes variances alike in all directions in which rows vary: (D, D')."""
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(rows, rowvar=False)))
    varies = variances > _LEAST_VARIANCE * max(variances[-1], 1e-300)
    scaled: Array = axes[:, varies] / np.sqrt(variances[varies])
    return scaled
