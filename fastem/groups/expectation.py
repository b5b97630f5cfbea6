"""The expectation step on groups of rows: the kernels on what each of them has."""

from functools import cached_property, reduce
from operator import add
from typing import Any, final

import numpy as np

from fastem.checks.known import Known
from fastem.checks.rows import Rows, read_only
from fastem.covariances.representations import Representation, dense
from fastem.covariances.view import View
from fastem.em.expectation import Expectation, ExpectationStep
from fastem.groups.rows import Group, groups_of, has_gaps
from fastem.kernels import GappyFactors, gappy_pass
from fastem.statistics import (
    Array,
    MixtureParameters,
    SufficientStatistics,
    TailSums,
)

# Rows of a group from which on a pass of its own is faster than row by row: it costs
# half a millisecond of Python.
_FEWEST_ROWS = 1000


@final
class GroupedExpectation:
    """Statistics of groups of rows, each of which sees a part of the mixture.

    No value is filled in: a group's statistics are those of its own columns, lifted
    exactly to what they are expected to be in all.

    Parameters
    ----------
    X : array of shape (N, D)
        Rows, in which NaN is a missing value.
    row_weights : array of shape (N,) or (0,)
        Empty means all 1.
    groups : list of Group
    representation : Representation
    n_threads : int or None
    """

    def __init__(
        self,
        X: Rows,
        row_weights: Rows,
        groups: list[Group],
        representation: Representation,
        n_threads: int | None,
    ) -> None:
        self._X, self._row_weights = X, row_weights
        self._dtype = X.dtype
        self._representation = representation
        self._n_threads = n_threads
        of_all = [group for group in groups if group.allowed is None]
        self._least_gappy = max(of_all, key=lambda g: len(g.columns), default=None)
        small = [group for group in of_all if len(group.rows) < _FEWEST_ROWS]
        if len(small) == 1:
            small = []
        is_small = set(small)
        rows = np.concatenate([group.rows for group in small] or [np.empty(0, int)])
        self._mixed = read_only(X[rows])
        self._mixed_weights = read_only(
            row_weights[rows] if len(row_weights) else row_weights
        )
        self._parts = [
            (group, self._step(group)) for group in groups if group not in is_small
        ]
        self._small, self._rows = small, (X, row_weights)

    @cached_property
    def _small_parts(self) -> list[tuple[Group, ExpectationStep]]:
        """Small groups as groups like any other, where tails are Student's."""
        X, row_weights = self._rows
        return [
            (
                group,
                ExpectationStep(
                    group.values(X),
                    row_weights[group.rows] if len(row_weights) else row_weights,
                    self._representation,
                    self._n_threads,
                ),
            )
            for group in self._small
        ]

    def forget(self) -> None:
        """Another run begins: what this one needs does not depend on the last."""
        for _, step in self._parts:
            step.forget()

    def state(self) -> list[Any]:
        """What was seen of each group."""
        return [step.state() for _, step in self._parts]

    def restore(self, state: list[Any]) -> None:
        """Go on from what :meth:`state` returned for the same rows."""
        for (_, step), of_group in zip(self._parts, state, strict=True):
            step.restore(of_group)

    def __call__(self, parameters: MixtureParameters) -> SufficientStatistics:
        """The statistics under the parameters, up to rounding."""
        # What passes in the rows' type are about.
        center = parameters.center
        reference = center + (parameters.means - center).astype(self._dtype)
        statistics = []
        has_tails = parameters.degrees_of_freedom is not None
        parts = self._parts + (self._small_parts if has_tails else [])
        for group, step in parts:
            if group.allowed is not None and not group.allowed[:-1].any():
                weight = step.total_weight
                whole = parameters, self._representation, reference
                statistics.append(_of_noise(group, weight, *whole))
                continue
            view = View(
                self._representation,
                parameters,
                group.columns,
                None if group.allowed is None else np.flatnonzero(group.allowed[:-1]),
                group.allowed is None or bool(group.allowed[-1]),
            )
            statistics.append(view.lifted(step(view.parameters), reference))
        if len(self._mixed) and not has_tails:
            statistics.append(self._of_mixed(parameters, reference))
        return reduce(add, statistics)

    def _of_mixed(
        self, parameters: MixtureParameters, reference: Array
    ) -> SufficientStatistics:
        """Statistics of the rows in small groups, which one pass walks over."""
        K, D = reference.shape
        background = parameters.background
        covariances = self._representation.expand(parameters.covariances, K, D)
        of_noise = np.full(1, -np.inf)
        if background is not None and background.weight > 0:
            of_noise = np.log([background.weight])
        factors = GappyFactors(
            parameters.center,
            np.ascontiguousarray((reference - parameters.center).T),
            np.ascontiguousarray(covariances.transpose(1, 2, 0)),
            np.append(parameters.log_weights, of_noise),
            np.zeros(D) if background is None else background.log_widths(D),
        )
        sums = gappy_pass(self._mixed, self._mixed_weights, factors, self._n_threads)
        return SufficientStatistics(
            sums.log_likelihood,
            sums.weights,
            reference,
            sums.first,
            self._representation.pooled(dense.mirror_lower(sums.scatter)),
            float(np.finfo(self._dtype).eps),
            float(np.finfo(self._dtype).eps) * np.abs(reference - parameters.center),
            sums.background,
            sums.present,
        )

    def draw_ill_explained(
        self, parameters: MixtureParameters, random_state: np.random.RandomState
    ) -> Array:
        """A row (D,) from the twentieth that is explained worst, of those least gappy.

        Where that has gaps, it is completed from the mixture's mean.
        """
        row = parameters.center.copy()
        if self._least_gappy is None:
            return row
        columns = self._least_gappy.columns
        view = View(self._representation, parameters, columns)
        if len(columns):
            step = self._step(self._least_gappy)
            row[columns] = step.draw_ill_explained(view.parameters, random_state)
        return row

    def _step(self, group: Group) -> ExpectationStep:
        """The expectation step on what a group's rows have."""
        weights = self._row_weights
        return ExpectationStep(
            group.values(self._X),
            read_only(weights[group.rows]) if len(weights) else weights,
            self._representation,
            self._n_threads,
        )


def _of_noise(
    group: Group,
    weight: float,
    parameters: MixtureParameters,
    representation: Representation,
    reference: Array,
) -> SufficientStatistics:
    """Statistics of rows that are known to be noise, and weigh so much in all."""
    assert parameters.background is not None
    (K, D), v = reference.shape, parameters.degrees_of_freedom
    log_density = parameters.background.marginal(group.columns, D).log_density
    return SufficientStatistics(
        weight * log_density,
        np.zeros(K),
        reference,
        np.zeros((K, D)),
        representation.zero_scatter(K, D),
        background=weight,
        present=np.zeros((K, D)),
        tails=None if v is None else TailSums(v, np.zeros(K), np.zeros(K)),
    )


def expectation_of(
    X: Rows,
    row_weights: Rows,
    representation: Representation,
    n_threads: int | None,
    known: Known | None = None,
) -> Expectation:
    """The expectation step on rows, of which values may be missing, or labels known."""
    if known is None and not has_gaps(X):
        return ExpectationStep(X, row_weights, representation, n_threads)
    groups = groups_of(X, known)
    return GroupedExpectation(X, row_weights, groups, representation, n_threads)
