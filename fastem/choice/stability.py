"""Whether components come back when rows are weighted at random and fitted anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.utils import check_random_state

from fastem import kernels
from fastem.choice.frames import frame_of
from fastem.choice.refits import unfitted, weighted_at_random
from fastem.em import convergence_warnings
from fastem.mixture import GaussianMixture
from fastem.statistics import Array
from fastem.training.in_memory import RowsInMemory

# Hennig's: a component whose rows are as alike to no other's is gone, or has come back.
_DISSOLVED, _RECOVERED = 0.5, 0.75


@dataclass(frozen=True)
class Stability:
    """How alike fits are to the same rows by other weights.

    Attributes
    ----------
    rand : array of shape (B,)
        Adjusted Rand index of the mixture's labels and each fit's: 1 for the same
        partition, 0 for what chance gives.
    jaccard : array of shape (B, K)
        For each component the share of rows in both, of those in either, with the
        fit's component that is most alike.
    memberships : array of shape (N, K), with a background (N, K + 1)
        Means over the fits, whose components are put in the order of the mixture's.
    deviations : array of the same shape
        Standard deviations over the fits.
    n_failed : int
        How many fits failed, as components turned singular, and are left out.
    """

    rand: Array
    jaccard: Array
    memberships: Array
    deviations: Array
    n_failed: int

    @property
    def dissolved(self) -> Array:
        """In which share of the fits a component was gone: Jaccard 0.5 or less."""
        return np.asarray((self.jaccard <= _DISSOLVED).mean(axis=0))

    @property
    def recovered(self) -> Array:
        """In which share of the fits it came back: Jaccard 0.75 or more."""
        return np.asarray((self.jaccard >= _RECOVERED).mean(axis=0))

    def to_frame(self) -> Any:
        """A DataFrame with a row for each component, of pandas or else of polars."""
        return frame_of(
            {
                "component": list(range(self.jaccard.shape[1])),
                "jaccard": self.jaccard.mean(axis=0).tolist(),
                "recovered": self.recovered.tolist(),
                "dissolved": self.dissolved.tolist(),
            }
        )

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        failed = f" ({self.n_failed} failed)" if self.n_failed else ""
        low, middle = np.quantile(self.rand, [0.1, 0.5])
        yield (
            f"{len(self.rand)} fits by other weights{failed}: adjusted Rand index "
            f"{middle:.2f}, in a tenth of them {low:.2f} or less"
        )
        similar = self.jaccard.mean(axis=0)
        for k, (mean, back) in enumerate(zip(similar, self.recovered, strict=True)):
            yield f"  component {k} came back in {back:.0%} (Jaccard {mean:.2f})"


def stability(
    model: GaussianMixture,
    X: Any,
    sample_weight: ArrayLike | None = None,
    *,
    method: str = "weighted",
    n_bootstrap: int = 100,
    random_state: int | np.random.RandomState | None = None,
) -> Stability:
    """Whether a mixture's components come back when the rows are weighted at random.

    Each fit starts anew, as the mixture's own parameters say, and is compared with the
    mixture on the rows, each as often as ``sample_weight`` says [1]_. A component that
    does not come back may be noise, or one of two ways to cut the same cloud; one that
    does need not mean anything. Where ``means_init`` and the like say where to start,
    only what EM moves is seen.

    Parameters
    ----------
    model : GaussianMixture
        Fitted to these rows.
    X : array-like of shape (N, D)
    sample_weight : array-like of shape (N,), default=None
    method : {'weighted', 'bootstrap'}, default='weighted'
        As :func:`fastem.standard_errors` has them. The bootstrap's samples leave out a
        third of the rows.
    n_bootstrap : int, default=100
        Number of fits.
    random_state : int, RandomState instance or None, default=None
        Seed of weights and starts.

    Returns
    -------
    Stability

    Raises
    ------
    ValueError
        If X cannot be used, or each fit fails.

    References
    ----------
    .. [1] C. Hennig, "Cluster-wise assessment of cluster stability", Comput. Stat.
       Data Anal. 52 (2007), 258-271.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, stability
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> X[:100] += 8
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> print(stability(model, X, n_bootstrap=20, random_state=0))
    20 fits by other weights: adjusted Rand index 1.00, in a tenth of them 1.00 or less
      component 0 came back in 100% (Jaccard 1.00)
      component 1 came back in 100% (Jaccard 1.00)
    """
    if method not in ("weighted", "bootstrap"):
        raise ValueError(f"method must be 'weighted' or 'bootstrap', but is {method!r}")
    if n_bootstrap < 1:
        raise ValueError(f"n_bootstrap must be 1 or more, but is {n_bootstrap}")
    template = unfitted(model, verbose=0)
    rows = template._training_rows(X, sample_weight)
    if not isinstance(rows, RowsInMemory):
        raise ValueError(
            "stability weighs rows in memory, and X is read in blocks: pass some of "
            "its rows"
        )
    random = check_random_state(random_state)
    mine = _memberships(model, rows)
    comparison = _Comparison(mine, len(model.weights_), rows)
    failures: list[str] = []
    for _ in range(n_bootstrap):
        weighted = weighted_at_random(rows, method, random)
        fit = unfitted(template, random_state=random.randint(2**31))
        try:
            with convergence_warnings.muted():
                fit._fit_rows(weighted, labels=fit._given_labels(len(rows.values)))
        except ValueError as error:  # a singular covariance, or too few rows are left
            failures.append(str(error))
            continue
        comparison.add(_memberships(fit, rows), len(fit.weights_))
    if not comparison.rand:
        raise ValueError(
            f"All {n_bootstrap} fits failed. Use fewer components, or "
            f"method='weighted'; the first one said: {failures[0]}"
        )
    return comparison.result(len(failures))


def _memberships(model: GaussianMixture, rows: RowsInMemory) -> Array:
    degrees = model._row_answers()(kernels.probability_pass, rows.values)
    return np.asarray(degrees, np.float64)


class _Comparison:
    """Fits beside the mixture."""

    def __init__(self, memberships: Array, n_components: int, rows: RowsInMemory):
        self._K = n_components
        self._labels = memberships.argmax(axis=1)
        self._weights = (
            rows.weights.astype(np.float64)
            if len(rows.weights)
            else np.ones(len(memberships))
        )
        # Those of a fit are relative ones.
        self._weights *= rows.n_rows / self._weights.sum()
        self._shape = memberships.shape
        self._sums, self._squares = np.zeros(self._shape), np.zeros(self._shape)
        self.rand: list[float] = []
        self._jaccard: list[Array] = []

    def add(self, memberships: Array, n_components: int) -> None:
        """Compare a fit; with a background it has one more column, the last."""
        K = self._K
        counts = _contingency(
            *(self._labels, memberships.argmax(axis=1), self._weights),
            (self._shape[1], memberships.shape[1]),
        )
        self.rand.append(adjusted_rand(counts))
        either = counts.sum(axis=1)[:, np.newaxis] + counts.sum(axis=0) - counts
        alike = np.divide(counts, either, out=np.zeros_like(counts), where=either > 0)
        self._jaccard.append(alike[:K, :n_components].max(axis=1))
        places = linear_sum_assignment(-counts[:K, :n_components])
        aligned = np.zeros(self._shape)
        aligned[:, places[0]] = memberships[:, places[1]]
        aligned[:, K:] = memberships[:, n_components:]
        self._sums += aligned
        self._squares += aligned**2

    def result(self, n_failed: int) -> Stability:
        """Of all fits."""
        n = len(self.rand)
        means = self._sums / n
        variances = np.maximum(self._squares / n - means**2, 0.0)
        return Stability(
            *(np.array(self.rand), np.array(self._jaccard), means),
            *(np.sqrt(variances), n_failed),
        )


def _contingency(
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    weights: Array,
    shape: tuple[int, int],
) -> Array:
    """How many rows have each pair of labels."""
    cells = np.ravel_multi_index((first, second), shape)
    counts = np.bincount(cells, weights, shape[0] * shape[1])
    return np.asarray(counts, np.float64).reshape(shape)


def adjusted_rand(counts: Array) -> float:
    """Adjusted Rand index of two partitions, from how many rows have both labels.

    L. Hubert, P. Arabie, "Comparing partitions", J. Classification 2 (1985), 193-218.
    scikit-learn's takes no weights.
    """

    def pairs(n: Array) -> float:
        return float((n * (n - 1)).sum() / 2)

    first, second = pairs(counts.sum(axis=1)), pairs(counts.sum(axis=0))
    total = pairs(np.array([counts.sum()]))
    by_chance = first * second / total if total > 0 else 0.0
    largest = (first + second) / 2
    if largest == by_chance:  # each partition is one cluster, or all are single rows
        return 1.0
    return (pairs(counts) - by_chance) / (largest - by_chance)
