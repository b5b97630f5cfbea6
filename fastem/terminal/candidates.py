"""Fits of several numbers of components to a table, to choose from by BIC."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sklearn.base import clone

from fastem.covariances import SingularCovarianceError
from fastem.mixture import GaussianMixture
from fastem.report.criteria import Criteria, measure_criteria
from fastem.runtime import compiling
from fastem.sources.tables import AnyTable
from fastem.terminal.console import in_options, say
from fastem.terminal.table_fit import fit_table


@dataclass(frozen=True)
class Candidate:
    """A fit, what it costs, and what it is worth.

    Attributes
    ----------
    n_components : int
        As asked for; ``on_collapse`` may have left out some of them.
    model : GaussianMixture
    criteria : Criteria
    seconds : float
        Without those of the compiler.
    """

    n_components: int
    model: GaussianMixture
    criteria: Criteria
    seconds: float

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return self.model._n_parameters()

    @property
    def log_likelihood(self) -> float:
        """Of all rows, each as often as its weight says."""
        return self.n_parameters - self.criteria.aic / 2


def fit_candidates(
    model: GaussianMixture,
    table: AnyTable,
    numbers: Sequence[int],
    *,
    standardize: bool,
    checkpoint: Path | None = None,
) -> list[Candidate]:
    """A fit of each number of components; those that turn singular are told of.

    Raises
    ------
    SingularCovarianceError
        If all do.
    ValueError
        If a fit is impossible, or several are to be kept in one checkpoint.
    """
    if checkpoint is not None and len(numbers) > 1:
        raise ValueError(
            "--checkpoint keeps the state of one fit: give -k one number, not a range"
        )
    candidates: list[Candidate] = []
    for n_components in numbers:
        if len(numbers) > 1:
            say(f"\n{n_components} component{'' if n_components == 1 else 's'}:")
        began = compiling.clock()
        unfitted = clone(model).set_params(n_components=n_components)
        try:
            fitted = fit_table(
                unfitted, table, standardize=standardize, checkpoint=checkpoint
            )
        except SingularCovarianceError as error:
            if n_components == numbers[-1] and not candidates:
                raise
            say(f"Left out: {in_options(str(error))}")
            continue
        seconds = compiling.clock() - began
        criteria = measure_criteria(fitted, table.values, table.weights)
        candidates.append(Candidate(n_components, fitted, criteria, seconds))
    return candidates
