"""The expectation step on groups of rows: the kernels on what each of them has."""

from functools import reduce
from operator import add
from typing import Any, final

import numpy as np

from fastem.checks.rows import Rows
from fastem.covariances.representations import Representation
from fastem.covariances.view import View
from fastem.em.expectation import Expectation, ExpectationStep
from fastem.groups.rows import Group, groups_of, has_gaps
from fastem.statistics import Array, MixtureParameters, SufficientStatistics


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
        self._dtype = X.dtype
        self._representation = representation
        self._parts = [
            (
                group,
                ExpectationStep(
                    group.values(X),
                    row_weights[group.rows] if len(row_weights) else row_weights,
                    representation,
                    n_threads,
                ),
            )
            for group in groups
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
        for group, step in self._parts:
            view = View(self._representation, parameters, group.columns)
            statistics.append(view.lifted(step(view.parameters), reference))
        return reduce(add, statistics)

    def draw_ill_explained(
        self, parameters: MixtureParameters, random_state: np.random.RandomState
    ) -> Array:
        """A row (D,) from the twentieth that is explained worst, of those least gappy.

        Where that has gaps, it is completed from the mixture's mean.
        """
        group, step = max(self._parts, key=lambda part: len(part[0].columns))
        view = View(self._representation, parameters, group.columns)
        row = parameters.center.copy()
        if len(group.columns):
            drawn = step.draw_ill_explained(view.parameters, random_state)
            row[group.columns] = drawn
        return row


def expectation_of(
    X: Rows, row_weights: Rows, representation: Representation, n_threads: int | None
) -> Expectation:
    """The expectation step on rows, of which values may be missing."""
    if not has_gaps(X):
        return ExpectationStep(X, row_weights, representation, n_threads)
    groups = groups_of(X)
    return GroupedExpectation(X, row_weights, groups, representation, n_threads)
