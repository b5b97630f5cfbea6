"""Passes over the rows of a fit that know from the last one what is far."""

from dataclasses import dataclass
from typing import Any

from fastem import kernels
from fastem.checks.rows import Rows
from fastem.statistics import Array

# What bounds may take where that is more than the rows do.
_MOST_BYTES = 2**26


@dataclass(frozen=True)
class _Past:
    """What the last pass has left."""

    history: kernels.History
    factors: Any

    def is_of(self, factors: Any) -> bool:
        """Whether it says something of a pass with these factors."""
        means = self.factors.means
        is_alike: bool = means.shape == factors.means.shape
        return is_alike and means.dtype == factors.means.dtype


class CarriedBounds:
    """Passes that leave out pairs, each with the bounds that the last one has left."""

    def __init__(self) -> None:
        self._past: _Past | None = None

    @staticmethod
    def costs(X: Rows, factors: Any) -> kernels.CarryingCosts | None:
        """What such passes cost; None without bounds for the mixture, or memory.

        They may take as much as the rows: N K / 8 bytes.
        """
        costs = kernels.carrying_costs(factors)
        size = kernels.bytes_of_history(len(X), len(factors.means), factors.means.dtype)
        return costs if size <= max(X.nbytes, _MOST_BYTES) else None

    def forget(self) -> None:
        """The next pass begins with boxes around the rows."""
        self._past = None

    def sums(
        self,
        X: Rows,
        row_weights: Rows,
        factors: Any,
        log_weights: Array,
        scatter_size: int,
        n_threads: int | None,
    ) -> kernels.PassSums:
        """The sums of a pass; what it leaves is kept for the next."""
        # None if the pass is broken off: some bounds are those of these factors then.
        past, self._past = self._past, None
        if past is None or not past.is_of(factors):
            past = _Past(kernels.first_history(X, factors), factors)
        drift = kernels.drift_of(past.factors, factors, log_weights)
        sums = kernels.carried_pass(
            X, row_weights, factors, scatter_size, drift, past.history, n_threads
        )
        self._past = _Past(past.history, factors)
        return sums
