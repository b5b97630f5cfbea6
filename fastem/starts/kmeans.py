"""k-means: the clusters that scikit-learn's KMeans finds, from the same random numbers.

Lloyd's algorithm from one k-means++ start, with scikit-learn's rules for the end and
for empty clusters. Labels differ only where a row is as near to another center, to
rounding. scikit-learn sums float32 in float32; here sums are float64 always, so for
float32 these are its clusters of the same rows in float64. (A cumulative float32 sum
over millions of rows is wrong in the third digit, and so are the draws from it.)
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastem import kernels
from fastem.em import convergence_warnings
from fastem.statistics import Array

Rows = NDArray[np.floating]  # as checks.rows gives them

_TOLERANCE = 1e-4  # of the mean variance, for the sum of squared shifts
_MAX_ITER = 300
_BLOCK_VALUES = 1 << 17
_LEAST_REST = 1e-6  # of its largest weight that a cluster may have without new sums


@dataclass(frozen=True)
class Clusters:
    """A partition of the rows.

    Attributes
    ----------
    labels : array of shape (N,), int32
    centers : array of shape (K, D)
        Means of the clusters; zero for those without rows.
    """

    labels: NDArray[np.int32]
    centers: Array


def cluster(
    X: Rows,
    row_weights: Rows,
    n_clusters: int,
    random_state: np.random.RandomState,
    n_threads: int | None = None,
) -> Clusters:
    """Clusters of the rows by k-means.

    Parameters
    ----------
    X : array of shape (N, D), float32 or float64
    row_weights : array of shape (N,) or (0,), the type of X
        Empty means all 1.
    """
    center, variance = _mean_and_variance(X)
    seeds = choose_seeds(
        X, row_weights, n_clusters, random_state, n_threads, center=center
    )
    points = X[seeds] - center
    lloyd = _Lloyd(X, row_weights, center, points, n_threads)
    for _ in range(_MAX_ITER):
        if lloyd.assign() == 0:
            break
        if lloyd.move() <= _TOLERANCE * variance:
            lloyd.assign()
            break
    else:
        lloyd.assign()
    return lloyd.clusters()


def choose_seeds(
    X: Rows,
    row_weights: Rows,
    n_clusters: int,
    random_state: np.random.RandomState,
    n_threads: int | None = None,
    *,
    center: Array | None = None,
) -> NDArray[np.intp]:
    """Rows that k-means++ chooses, greedily: numbers of rows, shape (K,).

    D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA
    2007. ``center`` is a point to take the rows relative to; one of them by default.
    """
    n_trials = 2 + int(np.log(n_clusters))
    seeds = [draw_row(row_weights, len(X), random_state)]
    if center is None:
        center = X[seeds[0]].astype(np.float64)
    distances = np.full(len(X), np.inf, X.dtype)
    last = (X[seeds] - center).astype(X.dtype)
    potentials = kernels.seeding_pass(
        X, row_weights, center, last, distances, n_threads
    )[:, 0]
    while len(seeds) < n_clusters:
        cumulative = potentials.cumsum()
        targets = random_state.uniform(size=n_trials) * cumulative[-1]
        chunks = np.searchsorted(cumulative[:-1], targets).tolist()
        shares = {
            chunk: _shares(X, row_weights, center, last, distances, chunk)
            for chunk in set(chunks)
        }
        candidates = [
            chunk * kernels.CHUNK_ROWS
            + _position(shares[chunk], target - (cumulative[chunk - 1] if chunk else 0))
            for chunk, target in zip(chunks, targets, strict=True)
        ]
        tries = (X[candidates] - center).astype(X.dtype)
        potentials_of_tries = kernels.seeding_pass(
            *(X, row_weights, center, np.concatenate([last, tries])),
            *(distances, n_threads),
        )[:, 1:]
        best = int(potentials_of_tries.sum(axis=0).argmin())
        seeds.append(candidates[best])
        last = tries[best : best + 1]
        potentials = potentials_of_tries[:, best]
    return np.array(seeds)


def draw_row(
    row_weights: Rows, n_rows: int, random_state: np.random.RandomState
) -> int:
    """A row by weight, the one that ``random_state.choice`` draws with them."""
    uniform = random_state.random_sample()
    if not len(row_weights):
        return int(uniform * n_rows)
    cumulative = row_weights.cumsum(dtype=np.float64)
    return int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))


def _shares(
    X: Rows, row_weights: Rows, center: Array, last: Rows, distances: Rows, chunk: int
) -> Array:
    """What the rows of a chunk add to the potential, with the point ``last``."""
    rows = slice(chunk * kernels.CHUNK_ROWS, (chunk + 1) * kernels.CHUNK_ROWS)
    residuals = (X[rows] - center).astype(X.dtype, copy=False)
    residuals -= last
    shares: Array = np.minimum(distances[rows], (residuals**2).sum(axis=1))
    return shares * row_weights[rows] if len(row_weights) else shares


def _position(shares: Array, target: float) -> int:
    """The first position at which the sum of shares reaches the target."""
    position = int(np.searchsorted(shares.cumsum(dtype=np.float64), target))
    # Rounding may put the target past the end.
    return min(position, int(np.flatnonzero(shares)[-1])) if shares.any() else 0


def _blocks(X: Rows) -> Iterator[slice]:
    size = max(1, _BLOCK_VALUES // X.shape[1])
    for start in range(0, len(X), size):
        yield slice(start, start + size)


def _mean_and_variance(X: Rows) -> tuple[Array, float]:
    """Mean of the rows, shape (D,), and the mean over the columns of their variances.

    Without weights, as in scikit-learn, whose tolerance depends on them.
    """
    n_features = X.shape[1]
    reference = X[0].astype(np.float64)
    total = np.zeros(n_features)
    squares = 0.0
    for rows in _blocks(X):
        # Many rows as one, since NumPy is slow on rows of a few numbers.
        block = X[rows]
        group = max(1, 512 // n_features)
        n_whole = len(block) // group * group
        for part, n in ((block[:n_whole], group), (block[n_whole:], 1)):
            wide = part.reshape(-1, n * n_features) - np.tile(reference, n)
            total += wide.sum(axis=0).reshape(n, n_features).sum(axis=0)
            squares += float(np.einsum("ij,ij->", wide, wide))
    shift = total / len(X)
    variance = max(0.0, squares / len(X) - float(shift @ shift)) / n_features
    return reference + shift, variance


class _Lloyd:
    """The state of Lloyd's algorithm: centers, labels, and sums over the clusters."""

    def __init__(
        self,
        X: Rows,
        row_weights: Rows,
        center: Array,
        points: Array,
        n_threads: int | None,
    ) -> None:
        n_points, n_features = points.shape
        self._X = X
        self._row_weights = row_weights
        self._n_threads = n_threads
        self._nearest = kernels.Points(
            center=center,
            points=points,
            travel=np.zeros(n_points + 1),
            labels=np.full(len(X), n_points, np.int32),
            values=np.full(len(X), -np.inf, X.dtype),
        )
        # Of rows, weights, and rows of positive weight, less those that left.
        self._sums = np.zeros((n_points + 1, n_features + 2))
        self._largest_weights = np.zeros(n_points)  # of each cluster, so far

    def assign(self) -> int:
        """Give each row to the nearest center; return how many rows changed theirs."""
        n_changed = self._add_changes()
        if self._has_lost_digits():
            self._sums[:] = 0
            self._largest_weights[:] = 0
            self._nearest.labels.fill(len(self._nearest.points))
            self._nearest.values.fill(-np.inf)
            self._add_changes()
        return n_changed

    def _add_changes(self) -> int:
        n_changed, sums = kernels.assignment_pass(
            self._X, self._row_weights, self._nearest, self._n_threads
        )
        self._sums += sums
        return n_changed

    def _has_lost_digits(self) -> bool:
        """Whether rows of most of a cluster's weight have left it.

        Sums over what remains are then differences of numbers too large for it.
        """
        *_, weights, counts = self._sums[:-1].T
        np.maximum(self._largest_weights, weights, out=self._largest_weights)
        is_small = weights < _LEAST_REST * self._largest_weights
        return bool((is_small & (counts > 0)).any())

    def move(self) -> float:
        """Move the centers to the means of their rows; return the sum of squares."""
        before = self._nearest.points
        sums, weights = self._members()
        filled = weights > 0
        means = sums / np.where(filled, weights, 1)[:, np.newaxis]
        means[~filled] = means[weights.argmax()]
        squared = ((means - before) ** 2).sum(axis=1)
        shifts = np.sqrt(squared) * (1 + 1e-12)
        largest = int(shifts.argmax())
        of_others = np.full(len(shifts), shifts[largest])
        of_others[largest] = np.delete(shifts, largest).max(initial=0.0)
        self._nearest.travel[:-1] += (shifts + of_others) * (1 + 1e-12)
        self._nearest = self._nearest._replace(points=means)
        return float(squared.sum())

    def clusters(self) -> Clusters:
        """The clusters, with their means as centers."""
        *_, counts = self._sums[:-1].T
        filled = counts > 0
        if not filled.all():
            convergence_warnings.warn(
                "k-means has found fewer distinct clusters than components. "
                f"There are {filled.sum()} for n_components={len(filled)}: other "
                "components start without rows. "
                "Use fewer components, or another init_params.",
            )
        n_features = self._X.shape[1]
        weights = np.where(filled, self._sums[:-1, n_features], 1)
        means = self._nearest.center + (
            self._sums[:-1, :n_features] / weights[:, np.newaxis]
        )
        means[~filled] = 0
        return Clusters(self._nearest.labels, means)

    def _members(self) -> tuple[Array, Array]:
        """Sums of rows and of weights, with a far row for each cluster that has none.

        scikit-learn's rule: the rows farthest from their centers become clusters.
        Rows of weight 0 are left where they are.
        """
        n_features = self._X.shape[1]
        sums = self._sums[:-1, :n_features].copy()
        weights = self._sums[:-1, n_features].copy()
        counts = self._sums[:-1, n_features + 1].copy()
        empty = np.flatnonzero(counts == 0)
        if len(empty):
            distances = self._distances()
            farthest = np.argpartition(distances, -len(empty))[: -len(empty) - 1 : -1]
            for k, row in zip(empty, farthest, strict=True):
                if distances[row] == 0:
                    continue
                old = self._nearest.labels[row]
                w = float(self._row_weights[row]) if len(self._row_weights) else 1.0
                moment = w * (self._X[row] - self._nearest.center)
                sums[old] -= moment
                sums[k] = moment
                weights[old] -= w
                weights[k] = w
                counts[old] -= 1
                counts[k] = 1
        weights[counts == 0] = 0
        return sums, weights

    def _distances(self) -> Array:
        """Squared distances to the rows' centers; 0 for rows of weight 0."""
        distances = np.empty(len(self._X))
        centers = self._nearest.center + self._nearest.points
        for rows in _blocks(self._X):
            residuals = self._X[rows] - centers[self._nearest.labels[rows]]
            distances[rows] = (residuals**2).sum(axis=1)
        if len(self._row_weights):
            distances[self._row_weights == 0] = 0
        return distances
