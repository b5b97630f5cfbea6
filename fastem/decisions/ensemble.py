"""Mixtures that score rows together: one for each fold, or a single one."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from fastem.checks.rows import Rows
from fastem.decisions.explanation import Explained
from fastem.decisions.scores import components_of, scores_of
from fastem.groups import RowAnswers
from fastem.mixture import GaussianMixture
from fastem.statistics import Array

Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class Ensemble:
    """Mixtures, of whose densities the mean says how usual a row is."""

    members: Sequence[RowAnswers]

    @classmethod
    def of(cls, mixtures: Iterable[GaussianMixture], allows_gaps: bool) -> "Ensemble":
        """Of fitted mixtures, to which NaN is a missing value or not."""
        return cls(
            [
                replace(components_of(mixture), allows_gaps=allows_gaps)
                for mixture in mixtures
            ]
        )

    def _scores_of_each(self, rows: Rows) -> Array:
        return np.array([scores_of(ask, rows) for ask in self.members])

    def scores(self, rows: Rows) -> Array:
        """The logarithm of the mean of the densities at each row: (n,)."""
        scores = self._scores_of_each(rows)
        mean: Array = logsumexp(scores, axis=0) - math.log(len(scores))
        return mean

    def explained(self, rows: Rows) -> Explained:
        """What makes each row surprising, by the mixture under which it is likeliest.

        What others say counts less, as their densities there are lower.
        """
        answers = [Explained.of(ask, rows) for ask in self.members]
        if len(answers) == 1:
            return answers[0]
        chosen = self._scores_of_each(rows).argmax(axis=0), np.arange(len(rows))
        return Explained(
            **{
                field.name: np.stack([getattr(one, field.name) for one in answers])[
                    chosen
                ]
                for field in fields(Explained)
            }
        )

    def lowest(
        self, blocks: Iterator[tuple[Rows, Array]], n_rows: int | None
    ) -> tuple[Numbers, Rows]:
        """Numbers and values of so many rows, which score lowest, in that order.

        None is for all, in their own order.
        """
        scores, numbers, rows = np.empty(0), np.empty(0, np.intp), None
        first = 0
        for block, _ in blocks:
            numbers = np.append(numbers, np.arange(first, first + len(block)))
            rows = block if rows is None else np.concatenate([rows, block])
            first += len(block)
            if n_rows is not None:
                scores = np.append(scores, self.scores(block))
                order = np.argsort(scores, kind="stable")[:n_rows]
                scores, numbers, rows = scores[order], numbers[order], rows[order]
        assert rows is not None  # blocks of no rows are an error
        return numbers, rows
