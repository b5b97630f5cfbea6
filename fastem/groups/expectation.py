"""The expectation step on groups of rows: the kernels on what each of them has."""

from functools import reduce
from operator import add
from typing import Any, final

import numpy as np

from fastem.checks.known import Known
from fastem.checks.rows import Rows, read_only
from fastem.covariances.representations import Representation
from fastem.covariances.view import View
from fastem.em.expectation import Expectation, ExpectationStep, arranges
from fastem.groups import row_by_row
from fastem.groups.row_by_row import order_of, statistics_row_by_row
from fastem.groups.rows import Group, groups_of, has_gaps
from fastem.kernels import number_of_threads, share
from fastem.statistics import (
    Array,
    MixtureParameters,
    SufficientStatistics,
    TailSums,
)

# Copies of groups' rows that are kept from pass to pass; the rest is copied anew.
_MOST_BYTES = 2**27
# Kinds of passes that were made once: a thread that helps may have too small a stack to
# compile them.
_compiled: set[tuple[object, ...]] = set()


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
        fewest = row_by_row.fewest_rows(X.shape[1], representation.has_matrices)
        small = [g for g in of_all if len(g.rows) < fewest]
        if len(small) == 1:
            small = []
        self._small = order_of(small)
        is_small = set(small)
        n_bytes = 0
        self._parts: list[tuple[Group, ExpectationStep | None]] = []
        for group in groups:
            if group not in is_small:
                n_bytes += len(group.rows) * len(group.columns) * X.itemsize
                is_kept = n_bytes <= _MOST_BYTES
                self._parts.append((group, self._step(group) if is_kept else None))

    @property
    def _kept(self) -> list[ExpectationStep]:
        return [step for _, step in self._parts if step is not None]

    def forget(self) -> None:
        """Another run begins: what this one needs does not depend on the last."""
        for step in self._kept:
            step.forget()

    def state(self) -> list[Any]:
        """What was seen of each group whose rows are kept."""
        return [step.state() for step in self._kept]

    def restore(self, state: list[Any]) -> None:
        """Go on from what :meth:`state` returned for the same rows."""
        for step, of_group in zip(self._kept, state, strict=True):
            step.restore(of_group)

    def __call__(self, parameters: MixtureParameters) -> SufficientStatistics:
        """The statistics under the parameters, up to rounding."""
        # What passes in the rows' type are about.
        center = parameters.center
        reference = center + (parameters.means - center).astype(self._dtype)
        found: list[SufficientStatistics | None] = [None] * len(self._parts)

        def work(number: int) -> None:
            found[number] = self._of_part(number, parameters, reference)

        side_by_side = []
        for number, (group, _) in enumerate(self._parts):
            kind = self._kind(group, parameters)
            if arranges(len(group.rows)) or kind not in _compiled:
                work(number)
                if not group.is_noise:
                    _compiled.add(kind)
            else:
                side_by_side.append((number,))
        share(work, side_by_side, number_of_threads(self._n_threads))
        statistics = [part for part in found if part is not None]
        if len(self._small):
            statistics.append(
                statistics_row_by_row(
                    *(self._X, self._small, self._row_weights, self._representation),
                    *(parameters, reference, self._n_threads),
                )
            )
        return reduce(add, statistics)

    def _kind(self, group: Group, parameters: MixtureParameters) -> tuple[object, ...]:
        """What kernels are compiled for."""
        has_background = group.allowed is None or bool(group.allowed[-1])
        return (
            self._dtype,
            type(self._representation),
            has_background and parameters.background is not None,
            len(group.columns) > 0 and parameters.degrees_of_freedom is not None,
        )

    def _of_part(
        self, number: int, parameters: MixtureParameters, reference: Array
    ) -> SufficientStatistics:
        """The statistics of one group, in all columns."""
        group, kept = self._parts[number]
        step = self._step(group) if kept is None else kept
        if group.is_noise or (group.allowed is not None and not step.total_weight):
            # Rows that count nothing may be known to be of a component without any.
            whole = parameters, self._representation, reference
            return _without_components(group, step.total_weight, *whole)
        view = View(
            self._representation,
            parameters,
            group.columns,
            None if group.allowed is None else np.flatnonzero(group.allowed[:-1]),
            group.allowed is None or bool(group.allowed[-1]),
        )
        return view.lifted(step(view.parameters), reference)

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
        """The expectation step on what a group's rows have.

        Groups that are not arranged have a thread each, side by side.
        """
        weights = self._row_weights
        return ExpectationStep(
            group.values(self._X),
            read_only(weights[group.rows]) if len(weights) else weights,
            self._representation,
            self._n_threads if arranges(len(group.rows)) else 1,
        )


def _without_components(
    group: Group,
    weight: float,
    parameters: MixtureParameters,
    representation: Representation,
    reference: Array,
) -> SufficientStatistics:
    """Statistics of rows that are known to be noise, and weigh so much in all."""
    (K, D), v = reference.shape, parameters.degrees_of_freedom
    log_likelihood = 0.0
    if weight:
        assert parameters.background is not None
        of_columns = parameters.background.marginal(group.columns, D)
        log_likelihood = weight * of_columns.log_density
    return SufficientStatistics(
        log_likelihood,
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
