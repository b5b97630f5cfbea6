"""A start that outliers cannot capture: concentration steps on some of the rows.

A concentration step finds how dense the mixture is at each row, leaves out the share of
rows at which it is least dense, and maximises the likelihood of the others [1]_ [2]_. It
never lowers that likelihood, by which one of several starts is chosen. Rows that are far
from all others, or few, have no part in it.

References
----------
.. [1] L. A. Garcia-Escudero, A. Gordaliza, C. Matran, A. Mayo-Iscar, "A general trimming
   approach to robust cluster analysis", Ann. Stat. 36 (2008), 1324-1345.
.. [2] L. A. Garcia-Escudero, A. Gordaliza, A. Mayo-Iscar, "A constrained robust proposal
   for mixture modeling avoiding spurious solutions", Adv. Data Anal. Classif. 8 (2014),
   27-43.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastem import kernels
from fastem.checks.rows import Rows, read_only
from fastem.covariances import (
    CovarianceStructure,
    SingularCovarianceError,
    boundable,
)
from fastem.em.maximization import Maximization
from fastem.em.plan import Plan
from fastem.starts.initialization import (
    column_variances,
    initial_parameters,
    parameters_of_start,
)
from fastem.starts.subsample import draw_subsample, enough_rows
from fastem.statistics import Array, MixtureParameters, Ridge, SufficientStatistics

# Between eigenvalues, where the user has set no bound.
_RATIO = 100.0
_STARTS = 32
_SHORT_STEPS = 5
_FINALISTS = 4
_MOST_STEPS = 50
_TOLERANCE = 1e-4  # nats a row
# Deviations, in units of the columns', of the balls that rows are first assigned by.
_SMALL = 0.1
# Of a normal distribution, between its quartiles.
_DEVIATIONS = 1.349


def trimmed_parameters(
    X: Rows, row_weights: Rows, plan: Plan, maximize: Maximization
) -> MixtureParameters:
    """Parameters to start EM from: one maximisation step on the rows that are kept.

    Parameters
    ----------
    X : array of shape (N, D)
    row_weights : array of shape (N,) or (0,)
        Empty means all 1.
    plan : Plan
    maximize : Maximization

    Raises
    ------
    ValueError
        If too few rows are kept.
    SingularCovarianceError
        If no run succeeds, or rows of a component do not span all columns.
    """
    if plan.given.is_complete:
        return initial_parameters(X, row_weights, plan, maximize)
    size = enough_rows(plan.n_components, X.shape[1])
    if size < len(X):
        X, row_weights = draw_subsample(X, row_weights, size, plan.random_state)
    concentration = Concentration.of(X, row_weights, plan)
    statistics = concentration.statistics(_best(concentration, plan))
    return parameters_of_start(
        statistics, float(statistics.weights.sum()), plan, maximize
    )


def kept_weights(values: Rows, weights: Array, share: float) -> Array:
    """Weights (N,) without a share of their sum, that of the rows of least value.

    Rows of equal value, where not all of them are left out, lose as much each.
    """
    _, places = np.unique(values, return_inverse=True)
    of_values = np.bincount(places, weights)
    left = np.cumsum(of_values) - share * of_values.sum()
    parts = np.clip(left, 0, of_values) / np.where(of_values > 0, of_values, 1)
    kept: Array = weights * parts[places]
    return kept


@dataclass(frozen=True)
class Concentration:
    """Steps that make the rows that are kept likelier.

    Attributes
    ----------
    rows : array of shape (N, D)
    weights : array of shape (N,)
    structure : CovarianceStructure
        With a bound, so that no component shrinks to a few rows.
    scales : array of shape (D,)
        In which columns can be compared.
    ridge : float or array of shape (D,)
    outlier_share : float
        What part of all weights is left out.
    n_threads : int or None
    """

    rows: Rows
    weights: Array
    structure: CovarianceStructure
    scales: Array
    ridge: Ridge
    outlier_share: float
    n_threads: int | None

    @classmethod
    def of(cls, rows: Rows, row_weights: Rows, plan: Plan) -> Self:
        """Of rows and their weights (empty means all 1)."""
        weights = (
            row_weights.astype(np.float64) if len(row_weights) else np.ones(len(rows))
        )
        bound = plan.structure.bound
        ratio = _RATIO if bound is None else bound.ratio
        variances = _variances_between_quartiles(rows, weights)
        structure = boundable(plan.structure).bounded(ratio, variances)
        assert structure.bound is not None
        return cls(
            *(rows, weights, structure, structure.bound.scales, plan.ridge),
            *(plan.outlier_share, plan.n_threads),
        )

    def statistics(self, parameters: MixtureParameters) -> SufficientStatistics:
        """The statistics of the rows that are kept; their log-likelihood is judged."""
        representation, dtype = self.structure.representation, self.rows.dtype
        densities = kernels.log_likelihood_pass(
            self.rows, representation.factors(parameters, dtype), self.n_threads
        )
        kept = read_only(
            kept_weights(densities, self.weights, self.outlier_share).astype(dtype)
        )
        size = representation.scatter_size(*parameters.means.shape)
        return representation.statistics_by(
            lambda factors: kernels.expectation_pass(
                *(self.rows, kept, factors, size), n_threads=self.n_threads
            ),
            *(parameters, dtype),
        )[1]

    def run(self, parameters: MixtureParameters, n_steps: int) -> "Run":
        """At most so many steps from here."""
        reached = -np.inf
        for _ in range(n_steps):
            statistics = self.statistics(parameters)
            mean = statistics.log_likelihood / float(statistics.weights.sum())
            if mean - reached <= _TOLERANCE:
                break
            reached = mean
            parameters = self.structure.maximize(statistics, self.ridge, parameters)
        return Run(parameters, reached)

    def balls(self, means: Array) -> MixtureParameters:
        """A mixture that gives nearly all of each row to the nearest of the means."""
        representation = self.structure.representation
        n_components, n_features = means.shape
        scatter = representation.zero_scatter(n_components, n_features)
        spread = np.diag(_SMALL * self.scales)
        for k in range(n_components):
            representation.add_scatter(scatter, k, np.ones(n_features), spread)
        alone = SufficientStatistics(
            0.0, np.ones(n_components), means, np.zeros_like(means), scatter
        )
        return self.structure.maximize(alone, 0.0)

    def seeds(self, n_components: int, random_state: np.random.RandomState) -> Array:
        """Rows (K, D), drawn as k-means++ draws them, but not from the farthest.

        S. Deshpande, P. Kacham, R. Pratap, "Robust k-means++", UAI 2020.
        """
        shares = self.weights
        nearest = np.full(len(self.rows), np.inf)
        chosen: list[int] = []
        for _ in range(n_components):
            drawn = _draw(shares, random_state)
            chosen.append(drawn)
            residuals = (self.rows - self.rows[drawn]) / self.scales
            np.minimum(nearest, (residuals**2).sum(axis=1), out=nearest)
            kept = kept_weights(-nearest, self.weights, self.outlier_share)
            shares = next(
                shares
                for shares in (kept * nearest, self.weights * nearest, self.weights)
                if shares.any()
            )
        return self.rows[chosen].astype(np.float64)


@dataclass(frozen=True)
class Run:
    """Where concentration steps have led, and the mean log-likelihood of what is kept."""

    parameters: MixtureParameters
    reached: float


def _best(concentration: Concentration, plan: Plan) -> MixtureParameters:
    """The best of some runs: a few steps from many starts, and many from the best."""
    given = plan.given.means
    n_starts = _STARTS if given is None else 1

    def started(_: int) -> Run:
        means = given
        if means is None:
            means = concentration.seeds(plan.n_components, plan.random_state)
        return concentration.run(concentration.balls(means), _SHORT_STEPS)

    def continued(run: Run) -> Run:
        return concentration.run(run.parameters, _MOST_STEPS)

    runs = _sorted(started, range(n_starts))[:_FINALISTS]
    return _sorted(continued, runs)[0].parameters


def _sorted(run: Callable[[Any], Run], starts: Iterable[Any]) -> list[Run]:
    """Runs from these starts, the best one first, without those that turn singular.

    Raises
    ------
    SingularCovarianceError
        If all do.
    """
    runs: list[Run] = []
    failures: list[SingularCovarianceError] = []
    for start in starts:
        try:
            runs.append(run(start))
        except SingularCovarianceError as error:
            failures.append(error)
    if not runs:
        raise failures[0]
    return sorted(runs, key=lambda run: -run.reached)


def _draw(shares: Array, random_state: np.random.RandomState) -> int:
    """The number of a row, with a probability that is its share of the sum."""
    cumulative = shares.cumsum()
    target = random_state.random_sample() * cumulative[-1]
    return int(np.searchsorted(cumulative, target, side="right"))


def _variances_between_quartiles(rows: Rows, weights: Array) -> Array:
    """Variances (D,) of columns that are normal and have the same quartiles.

    Of columns whose quartiles are the same, the variances.
    """
    order = np.argsort(rows, axis=0)
    cumulative = weights[order].cumsum(axis=0)
    quartiles = [
        rows[order[(cumulative < part * cumulative[-1]).sum(axis=0), columns], columns]
        for columns in [np.arange(rows.shape[1])]
        for part in (0.25, 0.75)
    ]
    widths = (quartiles[1] - quartiles[0]).astype(np.float64)
    variances: Array = (widths / _DEVIATIONS) ** 2
    if (widths > 0).all():
        return variances
    return np.where(widths > 0, variances, column_variances(rows, weights))
