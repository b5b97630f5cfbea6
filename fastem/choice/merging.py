"""Components that together are one cluster: merged by what it saves of entropy."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastem import kernels
from fastem.checks.rows import read_only
from fastem.mixture import GaussianMixture
from fastem.mixture.criteria import parts_of, x_log_x
from fastem.statistics import Array

Group = tuple[int, ...]


@dataclass(frozen=True)
class Merging:
    """Clusters of components, from each by itself to all in one.

    Attributes
    ----------
    model : GaussianMixture
    entropy : array of shape (K,)
        Of memberships in 1, 2, ... K clusters, summed over the rows, in nats.
    merges : tuple of pairs of tuples of int
        Which two groups of components became one, step by step.
    """

    model: GaussianMixture
    entropy: Array
    merges: tuple[tuple[Group, Group], ...]

    def groups(self, n_clusters: int) -> list[Group]:
        """The components of each of so many clusters, by their smallest numbers.

        Raises
        ------
        ValueError
            If there are not so many components.
        """
        K = len(self.entropy)
        if not 1 <= n_clusters <= K:
            raise ValueError(
                f"n_clusters={n_clusters} must be from 1 to the number of components, "
                f"{K}"
            )
        groups: set[Group] = {(k,) for k in range(K)}
        for first, second in self.merges[: K - n_clusters]:
            groups -= {first, second}
            groups.add(_joined(first, second))
        return sorted(groups)

    def predict_proba(self, X: Any, n_clusters: int) -> Array:
        """The degree to which each row belongs to each cluster.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block
        n_clusters : int

        Returns
        -------
        array of shape (N, n_clusters)
            Sums over the components of a cluster; with ``noise=True`` a last column
            for the background.
        """
        groups = self.groups(n_clusters)
        degrees = self.model.predict_proba(X).astype(np.float64)
        return _of_groups(degrees, groups)

    def labels(self, X: Any, n_clusters: int) -> NDArray[np.intp]:
        """The likeliest cluster of each row; -1 where the background is likelier.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block
        n_clusters : int

        Returns
        -------
        array of shape (N,), int
        """
        likeliest = self.predict_proba(X, n_clusters).argmax(axis=1)
        return np.where(likeliest < n_clusters, likeliest, -1)

    @property
    def elbow(self) -> int:
        """Where the entropy bends: the number of clusters to look at first.

        Two straight lines that meet there are nearest to the entropies, as Baudry et
        al. suggest. A suggestion: no test stands behind it.
        """
        K = len(self.entropy)
        if K < 4:
            return K
        numbers = np.arange(1.0, K + 1)

        def distance(bend: int) -> float:
            parts = slice(0, bend), slice(bend - 1, K)
            return sum(
                _squares_from_line(numbers[part], self.entropy[part]) for part in parts
            )

        return min(range(2, K), key=distance)

    def __str__(self) -> str:
        lines = ["Entropy of memberships, and what is merged next:"]
        K = len(self.entropy)
        for n_clusters in range(K, 0, -1):
            merged = ""
            if n_clusters > 1:
                first, second = self.merges[K - n_clusters]
                merged = f"  {_named(first)} with {_named(second)}"
            mark = " <- elbow" if n_clusters == self.elbow else ""
            entropy = self.entropy[n_clusters - 1]
            lines.append(f"  {n_clusters:3} clusters{entropy:12.4g}{merged}{mark}")
        return "\n".join(lines)


def merge_components(
    model: GaussianMixture, X: Any, sample_weight: ArrayLike | str | None = None
) -> Merging:
    """Merge components step by step: those whose rows are torn between them most.

    BIC finds as many components as a density needs, and one cluster that is not
    Gaussian needs several. Of all pairs that one is merged that leaves the least
    entropy of memberships [1]_; the density stays what it is.

    To look at, not to choose by: on some tables merged clusters are nearer to known
    classes, on more they are not.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, or made from parameters.
    X : array-like of shape (N, D), or what ``fit`` can read block by block
    sample_weight : array-like of shape (N,), or name of a column, default=None

    Returns
    -------
    Merging

    References
    ----------
    .. [1] J.-P. Baudry, A. E. Raftery, G. Celeux, K. Lo, R. Gottardo, "Combining
       mixture components for clustering", J. Comput. Graph. Stat. 19 (2010), 332-353.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, merge_components
    >>> model = GaussianMixture.from_parameters(
    ...     [0.3, 0.3, 0.4], [[0.0], [1.0], [9.0]], [[1.0], [1.0], [1.0]],
    ...     covariance_type="diag")
    >>> merging = merge_components(model, np.linspace(-2, 11, 100)[:, np.newaxis])
    >>> merging.groups(2)
    [(0, 1), (2,)]
    """
    K = len(model.weights_)
    groups: list[Group] = [(k,) for k in range(K)]
    pairs = list(combinations(groups, 2))
    total, saved = _entropies(model, X, sample_weight, groups, pairs)
    entropy, merges = [total], []
    while len(groups) > 1:
        best = max(saved, key=saved.__getitem__)
        merges.append(best)
        joined = _joined(*best)
        groups = sorted({*groups, joined} - set(best))
        saved = {pair: gain for pair, gain in saved.items() if not {*pair} & {*best}}
        pairs = [(joined, group) for group in groups if group != joined]
        total, further = _entropies(model, X, sample_weight, groups, pairs)
        saved |= further
        entropy.append(total)
    return Merging(model, np.array(entropy[::-1]), tuple(merges))


def _entropies(
    model: GaussianMixture,
    X: Any,
    sample_weight: ArrayLike | str | None,
    groups: list[Group],
    pairs: list[tuple[Group, Group]],
) -> tuple[float, dict[tuple[Group, Group], float]]:
    """Entropy of memberships in groups, and what merging each pair saves: a pass."""
    place = {group: number for number, group in enumerate(groups)}
    first, second = ([place[pair[side]] for pair in pairs] for side in (0, 1))
    ask = model._row_answers()
    total, saved = 0.0, np.zeros(len(pairs))
    with closing(model._row_blocks(X, sample_weight)) as blocks:
        for rows, weights in blocks:
            for part in parts_of(len(rows), len(groups) + len(pairs)):
                degrees = ask(kernels.probability_pass, read_only(rows[part]))
                z = _of_groups(degrees.astype(np.float64), groups)
                w = weights[part] if len(weights) else np.ones(len(z))
                lost = w @ x_log_x(z)
                total -= float(lost.sum())
                together = w @ x_log_x(z[:, first] + z[:, second])
                saved += together - lost[first] - lost[second]
    return total, dict(zip(pairs, saved.tolist(), strict=True))


def _of_groups(degrees: Array, groups: list[Group]) -> Array:
    """Memberships in groups of components, and in a background if there is one."""
    sums = [degrees[:, group].sum(axis=1) for group in groups]
    n_components = sum(map(len, groups))
    return np.column_stack([*sums, degrees[:, n_components:]])


def _joined(first: Group, second: Group) -> Group:
    return tuple(sorted(first + second))


def _named(group: Group) -> str:
    return "+".join(map(str, group))


def _squares_from_line(x: Array, y: Array) -> float:
    """Sum of squared distances from the nearest straight line."""
    design = np.column_stack([np.ones_like(x), x])
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(rest @ rest)
