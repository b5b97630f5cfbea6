"""The expectation step: one walk over the rows of a fit, along the shortest way.

Rows are arranged where that pays, which changes a fit by rounding only: equal rows are
merged into one with the sum of their weights, and where most components are too far
from most rows to count (``kernels.skipping``), rows are brought into an order in which
whole tiles of them are far from the same components.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from fastem import kernels
from fastem.checks.rows import Rows, read_only
from fastem.covariances.representations import Representation
from fastem.em.carrying import CarriedBounds
from fastem.statistics import Array, MixtureParameters, SufficientStatistics

# Tables of fewer rows are left as they are: nothing is to be gained.
_FEWEST_ROWS = 20_000
# Rows that tell how much each column spreads.
_SAMPLED_ROWS = 20_000
# Merging is worth its pass over the table if that leaves half of the rows.
_LARGEST_DISTINCT_SHARE = 0.5
# Least work of a pass for which components are left out: the kernels that do it take
# 4 s to compile on a new machine, as long as a whole fit with such passes.
_LEAST_WORK = 2e8
# Work of the ordering, for each row, column and level of the tree, as measured.
_ORDERING = 40
# Passes within which the ordering has to pay for itself.
_PASSES = 5

# Of pairs that count; of fewer the number is too small to divide by.
_LEAST_SHARE = 1e-6
# Share of the rows among which a component is seeded anew.
_ILL_EXPLAINED = 0.05


class Expectation(Protocol):
    """The expectation step on the rows of a fit, wherever they are."""

    def __call__(self, parameters: MixtureParameters) -> SufficientStatistics:
        """The statistics under the parameters, up to rounding."""

    def forget(self) -> None:
        """Another run begins: what this one needs does not depend on the last."""

    def state(self) -> Any:
        """All that the next pass depends on beside the parameters, in plain values."""

    def restore(self, state: Any) -> None:
        """Go on from what :meth:`state` returned."""

    def draw_ill_explained(
        self, parameters: MixtureParameters, random_state: np.random.RandomState
    ) -> Array:
        """A row (D,) from the twentieth of all that the mixture explains worst."""


class Memoryless:
    """An expectation step in which each pass is made like the last."""

    def forget(self) -> None:
        """Nothing is remembered from one pass to the next."""

    def state(self) -> None:
        """Nothing."""

    def restore(self, state: None) -> None:
        """Nothing is to be done."""


class MemorylessExpectation(Memoryless, ABC):
    """Statistics of rows that are computed as they are.

    None are merged or put in order, as :class:`ExpectationStep` does where that pays.
    """

    def __init__(
        self, dtype: DTypeLike, representation: Representation, n_threads: int | None
    ) -> None:
        self._dtype = dtype
        self._representation = representation
        self._n_threads = n_threads

    @abstractmethod
    def _pass(self, parameters: MixtureParameters, factors: Any) -> kernels.PassSums:
        """The sums of a pass over all rows, with these factors of the parameters."""

    def __call__(self, parameters: MixtureParameters) -> SufficientStatistics:
        """The statistics under the parameters, up to rounding."""
        _, statistics = self._representation.statistics_by(
            lambda factors: self._pass(parameters, factors), parameters, self._dtype
        )
        return statistics


def arranges(n_rows: int) -> bool:
    """Whether so many rows may be arranged, if that pays."""
    return n_rows >= _FEWEST_ROWS


class ExpectationStep:
    """Statistics of the rows under any parameters.

    Parameters
    ----------
    X : array of shape (N, D)
        Validated rows.
    row_weights : array of shape (N,) or (0,)
        Empty means all 1.
    representation : Representation
    n_threads : int or None
        At most this many threads; None for Numba's own setting.
    """

    def __init__(
        self,
        X: Rows,
        row_weights: Rows,
        representation: Representation,
        n_threads: int | None,
    ) -> None:
        self._X, self._row_weights = _merged(X, row_weights)
        self._representation = representation
        self._n_threads = n_threads
        self._is_ordered = False
        self._bounds = CarriedBounds()
        # What passes with bounds cost, of the last mixture; None if it has none.
        self._costs: kernels.CarryingCosts | None = None
        self.forget()

    @property
    def total_weight(self) -> float:
        """The sum of the rows' weights."""
        weights = self._row_weights
        return float(weights.sum(dtype=np.float64) if len(weights) else len(self._X))

    def forget(self) -> None:
        """Another run begins: what this one needs does not depend on the last."""
        self._leaves_out = False
        self._bounds.forget()
        # Share of the pairs that a pass with boxes has just computed, to no avail.
        self._refused = math.nan
        # By how much that was more than the share that counts.
        self._hidden = 1.0

    def state(self) -> dict[str, bool | float]:
        """What was seen of the rows, and whether they are in order."""
        return {
            "is_ordered": self._is_ordered,
            "leaves_out": self._leaves_out,
            "refused": self._refused,
            "hidden": self._hidden,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned for the same rows."""
        if state["is_ordered"]:
            self._order()
        self._leaves_out = state["leaves_out"]
        self._refused = state["refused"]
        self._hidden = state["hidden"]

    def __call__(self, parameters: MixtureParameters) -> SufficientStatistics:
        """The statistics under the parameters, up to rounding."""
        sums, statistics = self._representation.statistics_by(
            lambda factors: self._pass(parameters, factors), parameters, self._X.dtype
        )
        self._choose(sums, *parameters.means.shape)
        return statistics

    def draw_ill_explained(
        self, parameters: MixtureParameters, random_state: np.random.RandomState
    ) -> Array:
        """A row (D,) from the twentieth of all that the mixture explains worst.

        Not the worst one, which may be an outlier that no component can be fitted to.
        """
        log_densities = kernels.log_likelihood_pass(
            self._X,
            self._representation.factors(parameters, self._X.dtype),
            self._n_threads,
        )
        order = np.argsort(log_densities, kind="stable")
        weights = (
            self._row_weights[order] if len(self._row_weights) else np.ones(len(order))
        )
        cumulative = weights.cumsum(dtype=np.float64)
        target = random_state.uniform() * _ILL_EXPLAINED * cumulative[-1]
        drawn = order[np.searchsorted(cumulative, target, side="right")]
        row: Array = self._X[drawn].astype(np.float64)
        return row

    def _pass(self, parameters: MixtureParameters, factors: Any) -> kernels.PassSums:
        reach = None
        self._costs = self._bounds.costs(self._X, factors)
        if self._leaves_out:
            self._order()
            if self._costs is not None:
                return self._bounds.sums(
                    self._X,
                    self._row_weights,
                    factors,
                    parameters.log_weights,
                    self._representation.scatter_size(*parameters.means.shape),
                    self._n_threads,
                )
            reach = kernels.reach_of(factors, parameters.log_weights)
        return kernels.expectation_pass(
            self._X,
            self._row_weights,
            factors,
            self._representation.scatter_size(*parameters.means.shape),
            n_threads=self._n_threads,
            reach=reach,
        )

    def _choose(
        self, sums: kernels.PassSums, n_components: int, n_features: int
    ) -> None:
        """Choose how the next pass is made, by what this one has seen.

        Boxes can hide that components are far. Passes that compute all pairs then say
        that few count, and passes with boxes compute most. By how many times more is
        known once boxes did not pay, and is supposed to stay.
        """
        if self._leaves_out:
            self._leaves_out = self._pays(sums.share, n_components, n_features)
            self._refused = math.nan if self._leaves_out else sums.share
            return
        if not math.isnan(self._refused):
            self._hidden = max(1.0, self._refused / max(sums.share, _LEAST_SHARE))
            self._refused = math.nan
        expected = min(1.0, self._hidden * sums.share)
        self._leaves_out = self._pays(expected, n_components, n_features)

    def _pays(self, share: float, n_components: int, n_features: int) -> bool:
        """Whether to leave out components, where ``share`` of the pairs are left."""
        n_rows, costs = len(self._X), self._costs
        if costs is None:
            row_work = kernels.row_work(n_components, n_features)
            cost = _cost_with_boxes(share, n_features)
        else:
            row_work = costs.row_work(n_components)
            cost = costs.relative(share, n_components)
        if n_rows < _FEWEST_ROWS or n_rows * row_work < _LEAST_WORK:
            return False
        saved = (1 - cost) * row_work
        if self._is_ordered:
            return saved > 0
        levels = math.log2(n_rows / kernels.smallest_node(n_features))
        ordering = _ORDERING * (n_features + 1) * levels
        return _PASSES * saved > ordering

    def _order(self) -> None:
        if self._is_ordered:
            return
        rows, weights = self._X.copy(), self._row_weights.copy()
        some = rows[:: max(1, len(rows) // _SAMPLED_ROWS)]
        deviations = some.std(axis=0, dtype=np.float64)
        scales = 1 / np.where(deviations > 0, deviations, 1)
        kernels.order_rows(rows, weights, scales, self._n_threads)
        self._X, self._row_weights = read_only(rows), read_only(weights)
        self._is_ordered = True


def _cost_with_boxes(share: float, n_features: int) -> float:
    """What a pass costs that leaves out all but this share, to one with all pairs.

    As measured with 64 and 128 components, a pair costs 1.4 at D = 2, 1.5 to 1.6 at 3,
    1.3 at 8, and 1.0 at 16, where the arithmetic outweighs all else. Once in order,
    rows stay so: what counts from then on is whether fewer pairs are computed.
    """
    return max(1.0, 1.65 - 0.045 * n_features) * share


def _merged(X: Rows, row_weights: Rows) -> tuple[Rows, Rows]:
    """The distinct rows and their weights, or the same if most are distinct."""
    if not arranges(len(X)):
        return X, row_weights
    merged = kernels.merge_equal_rows(X, row_weights, _LARGEST_DISTINCT_SHARE)
    if merged is None:
        return X, row_weights
    indices, weights = merged
    return read_only(X[indices]), read_only(weights.astype(X.dtype))
