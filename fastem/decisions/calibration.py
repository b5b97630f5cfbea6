"""Scores of rows that a fit did not see, and what they say of other rows' scores."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastem.statistics import Array

# A row that counts less, as it has become old, is gone.
_FORGOTTEN = 1e-6


@dataclass(frozen=True, eq=False)
class Calibration:
    """How low the scores of ordinary rows are.

    Attributes
    ----------
    scores : array of shape (n,)
        Of rows that the fit did not see, the lowest first.
    weights : array of shape (n,)
        How often each counts.
    """

    scores: Array
    weights: Array

    @classmethod
    def of(cls, scores: Array, weights: Array) -> "Calibration":
        """Of scores in any order, some of which may not count."""
        order = np.argsort(scores, kind="stable")
        order = order[weights[order] > 0]
        return cls(scores[order], weights[order])

    @cached_property
    def _sums(self) -> Array:
        """How many rows there are up to each score, and before the first: (n + 1,)."""
        sums: Array = np.concatenate([[0.0], np.cumsum(self.weights)])
        return sums

    @property
    def n_rows(self) -> float:
        """How many rows there are, each as often as its weight says."""
        return float(self._sums[-1])

    @property
    def least_p_value(self) -> float:
        """That of a row whose score is lower than all."""
        return 1 / (1 + self.n_rows)

    def p_values(self, scores: Array) -> Array:
        """The share of rows that score no higher, the row itself being one of them.

        If the row and those of the calibration come from the same distribution, in any
        order, its rank is one of n + 1 that are equally likely: so a p-value is u or
        less with a probability of at most u [1]_.

        References
        ----------
        .. [1] S. Bates, E. Candes, L. Lei, Y. Romano, M. Sesia, "Testing for outliers
           with conformal p-values", Annals of Statistics 51 (2023), 149-178.
        """
        n_lower = self._sums[np.searchsorted(self.scores, scores, side="right")]
        shares: Array = (1 + n_lower) / (1 + self.n_rows)
        return shares

    def threshold(self, rate: float) -> float:
        """The score below which p-values are ``rate`` or less; -inf if none are."""
        if self.least_p_value > rate:
            return -np.inf
        of_scores = (1 + self._sums[1:]) / (1 + self.n_rows)
        first = int(np.argmax(of_scores > rate))
        return float(self.scores[first])

    def followed_by(
        self, scores: Array, weights: Array, memory: float
    ) -> "Calibration":
        """The same with newer rows, the last of which counts as its weight says.

        A row that came ``memory`` rows before it counts 1 / e of that.
        """
        newer = np.cumsum(weights[::-1])[::-1] - weights
        newer = np.append(np.full(len(self.weights), weights.sum()), newer)
        faded = np.exp(-newer / memory) * np.append(self.weights, weights)
        is_kept = faded > _FORGOTTEN
        return Calibration.of(np.append(self.scores, scores)[is_kept], faded[is_kept])
