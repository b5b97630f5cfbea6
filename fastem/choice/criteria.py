"""By what candidates are compared."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastem import kernels
from fastem.checks.rows import Rows
from fastem.groups import RowAnswers
from fastem.mixture import GaussianMixture
from fastem.mixture.criteria import largest_log_densities
from fastem.statistics import Array
from fastem.training.in_memory import RowsInMemory, TrainingRows

RowPass = Callable[[Rows, Any, int | None], Array]


@dataclass(frozen=True)
class Criterion:
    """A price for each parameter, less twice the sum of what rows say for a mixture.

    Attributes
    ----------
    name : str
    title : str
        As people write it.
    row_pass : callable
        What a row says.
    price : callable
        Of a parameter, given the number of rows.
    """

    name: str
    title: str
    row_pass: RowPass
    price: Callable[[float], float]

    def of(self, model: GaussianMixture, rows: TrainingRows) -> float:
        """What it is for a fitted mixture and all rows."""
        mean = mean_of_rows(self.row_pass, model, rows)
        return model._criterion(mean, rows.n_rows, self.price(rows.n_rows))

    def values(self, model: GaussianMixture, rows: RowsInMemory) -> Array:
        """What each row says: (N,)."""
        values: Array = model._row_answers()(self.row_pass, rows.values)
        return values.astype(np.float64)

    def expected(
        self, model: GaussianMixture, mean: float, n: float, N: float
    ) -> float:
        """What it will be for N rows after a fit to them, from a fit to n of them.

        A fit says too well of its own rows what it says of others, by half a nat for
        each parameter [1]_: that is so for the n rows, and will be for the N.

        Parameters
        ----------
        mean : float
            Of what the n rows say.

        References
        ----------
        .. [1] H. Akaike, "A new look at the statistical model identification", IEEE
           Trans. Automatic Control 19 (1974), 716-723.
        """
        p = model._n_parameters()
        optimism = p / (2 * n) - p / (2 * N)
        return model._criterion(mean - optimism, N, self.price(N))


CRITERIA = {
    criterion.name: criterion
    for criterion in (
        Criterion("bic", "BIC", kernels.log_likelihood_pass, math.log),
        Criterion("icl", "ICL", largest_log_densities, math.log),
        Criterion("aic", "AIC", kernels.log_likelihood_pass, lambda n_rows: 2.0),
    )
}


def mean_of_rows(
    row_pass: RowPass, model: GaussianMixture, rows: TrainingRows
) -> float:
    """The mean of what rows say, each as often as its weight says."""
    total, weight = rows.gathered(
        *(_sums, _added),
        row_pass=row_pass,
        ask=model._row_answers(),
    )
    return float(total / weight)


def _sums(
    rows: Rows,
    row_weights: Rows,
    row_pass: RowPass,
    ask: RowAnswers,
) -> tuple[float, float]:
    """The sum of what rows say, and of their weights."""
    if not len(rows):
        return 0.0, 0.0
    values = ask(row_pass, rows).astype(np.float64)
    if not len(row_weights):
        return float(values.sum()), float(len(rows))
    weights = row_weights.astype(np.float64)
    return float(weights @ values), float(weights.sum())


def _added(parts: list[tuple[float, float]]) -> tuple[float, float]:
    return sum(total for total, _ in parts), sum(weight for _, weight in parts)
