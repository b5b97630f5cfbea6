"""By what candidates are compared."""

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastem import kernels
from fastem.checks.known import Known
from fastem.checks.rows import Rows
from fastem.choice.refits import unfitted
from fastem.em import convergence_warnings
from fastem.groups import RowAnswers
from fastem.mixture import GaussianMixture
from fastem.mixture.criteria import largest_log_densities
from fastem.statistics import Array
from fastem.training.folds import folds
from fastem.training.in_blocks import RowsInBlocks
from fastem.training.in_memory import RowsInMemory, TrainingRows

# Of cross-validation.
N_FOLDS = 5

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

    @property
    def n_folds(self) -> int:
        """How many fits it needs beside the one to all rows."""
        return 0

    def of(
        self,
        model: GaussianMixture,
        rows: TrainingRows,
        seed: int,
        done: Callable[[int], object] = lambda _: None,
    ) -> float:
        """What it is for a fitted mixture and all rows; nothing is drawn at random."""
        mean = mean_of_rows(self.row_pass, model, rows)
        return model._criterion(mean, rows.n_rows, self.price(rows.n_rows))

    def values(self, model: GaussianMixture, rows: RowsInMemory) -> Array:
        """What each row says: (N,)."""
        return _values(model._row_answers(), self.row_pass, rows.values, rows.known)

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


def _price_of_akaike(n_rows: float) -> float:
    return 2.0


@dataclass(frozen=True)
class HeldOut(Criterion):
    """Minus twice what rows say for fits that have not seen them: cross-validation.

    That is by one price for each parameter, AIC's, what the rows of the fit say [1]_,
    to the first order; so it can be estimated without a fit for each fold.

    References
    ----------
    .. [1] M. Stone, "An asymptotic equivalence of choice of model by cross-validation
       and Akaike's criterion", JRSS B 39 (1977), 44-47.
    """

    @property
    def n_folds(self) -> int:
        """How many fits it needs beside the one to all rows."""
        return N_FOLDS

    def of(
        self,
        model: GaussianMixture,
        rows: TrainingRows,
        seed: int,
        done: Callable[[int], object] = lambda _: None,
    ) -> float:
        """What it is for all rows, of which the folds are dealt at random.

        A background is as large as in the fit to all rows. ``done`` is told the number
        of each fold that is judged, from 1.

        Raises
        ------
        ValueError
            If there is no fit without one of the folds.
        """
        settings: dict[str, Any] = {"n_components": len(model.weights_)}
        if model.noise:
            settings["noise_volume"] = model.noise_volume_
        start = model._fitted()[1], -math.inf
        sums = []
        for fold in folds(N_FOLDS, seed):
            fit = unfitted(model, **settings)
            try:
                with convergence_warnings.muted():
                    fit._fit_rows(rows.part(fold.rest()), continued=start)
            except ValueError as error:  # a singular covariance is one
                raise ValueError(
                    f"there is no fit without one of {N_FOLDS} folds: {error}"
                ) from error
            sums.append(sums_of_rows(self.row_pass, fit, rows.part(fold)))
            done(fold.number + 1)
        total, weight = _added(sums)
        return -2 * rows.n_rows * float(total / weight)


CRITERIA = {
    criterion.name: criterion
    for criterion in (
        Criterion("bic", "BIC", kernels.log_likelihood_pass, math.log),
        Criterion("icl", "ICL", largest_log_densities, math.log),
        Criterion("aic", "AIC", kernels.log_likelihood_pass, _price_of_akaike),
        HeldOut(
            *("held_out", "Held-out -2 log L"),
            *(kernels.log_likelihood_pass, _price_of_akaike),
        ),
    )
}


def mean_of_rows(
    row_pass: RowPass, model: GaussianMixture, rows: TrainingRows
) -> float:
    """The mean of what rows say, each as often as its weight says."""
    total, weight = sums_of_rows(row_pass, model, rows)
    return float(total / weight)


def sums_of_rows(
    row_pass: RowPass, model: GaussianMixture, rows: TrainingRows
) -> tuple[float, float]:
    """The sum of what rows say, each as often as its weight says, and of weights."""
    ask = model._row_answers()
    if rows.known is None:
        sums: tuple[float, float] = rows.gathered(
            _sums, _added, row_pass=row_pass, ask=ask
        )
        return sums
    assert isinstance(rows, RowsInMemory | RowsInBlocks)
    with closing(rows.known_blocks()) as blocks:
        return _added(
            [
                _sums(values, weights, row_pass, ask, of)
                for values, weights, of in blocks
            ]
        )


def _sums(
    rows: Rows,
    row_weights: Rows,
    row_pass: RowPass,
    ask: RowAnswers,
    known: Known | None = None,
) -> tuple[float, float]:
    """The sum of what rows say, and of their weights."""
    if not len(rows):
        return 0.0, 0.0
    values = _values(ask, row_pass, rows, known)
    if not len(row_weights):
        return float(values.sum()), float(len(rows))
    weights = row_weights.astype(np.float64)
    # Those that do not count may say -inf, where they are known to be of a component
    # without weight.
    values[weights == 0] = 0
    return float(weights @ values), float(weights.sum())


def _values(
    ask: RowAnswers, row_pass: RowPass, rows: Rows, known: Known | None
) -> Array:
    """What each row says, of the components that it may belong to: (N,)."""
    if known is not None:
        return ask.of_known(row_pass, rows, known)
    values: Array = ask(row_pass, rows).astype(np.float64)
    return values


def _added(parts: list[tuple[float, float]]) -> tuple[float, float]:
    return sum(total for total, _ in parts), sum(weight for _, weight in parts)
