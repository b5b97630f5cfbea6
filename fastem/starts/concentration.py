"""Concentration steps: mixtures that make the rows likelier which they explain best.

A step finds how dense the mixture is at each row, leaves out the share of rows at which
it is least dense, and maximises the likelihood of the others [1]_ [2]_. That likelihood
never falls. It has a maximum, as covariances are bounded.

References
----------
.. [1] L. A. Garcia-Escudero, A. Gordaliza, C. Matran, A. Mayo-Iscar, "A general
   trimming approach to robust cluster analysis", Ann. Stat. 36 (2008), 1324-1345.
.. [2] L. A. Garcia-Escudero, A. Gordaliza, A. Mayo-Iscar, "A constrained robust
   proposal for mixture modeling avoiding spurious solutions", Adv. Data Anal. Classif.
   8 (2014), 27-43.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from fastem import kernels
from fastem.checks.rows import Rows, read_only
from fastem.covariances import CovarianceStructure, boundable
from fastem.em.plan import Plan
from fastem.starts.initialization import column_variances
from fastem.starts.kmeans import draw_row
from fastem.statistics import Array, MixtureParameters, Ridge, SufficientStatistics

# Between eigenvalues, where the user has set no bound. Sizes of crabs, of which one is
# nearly a combination of others, need 1000; with 10,000 the 13 columns of wine have
# likelier mixtures than that of its three sorts.
_RATIO = 1000.0
_TOLERANCE = 1e-4  # nats a row
# Deviations, in units of the columns', of the balls that rows are first assigned by.
_SMALL = 0.1
# Of a normal distribution, between its quartiles.
_QUARTILES = 1.349


@dataclass(frozen=True)
class Run:
    """Where steps have led, and the mean log-likelihood of the rows that were kept."""

    parameters: MixtureParameters
    reached: float


@dataclass(frozen=True)
class Concentration:
    """Concentration steps on some rows.

    Attributes
    ----------
    rows : array of shape (N, D)
    weights : array of shape (N,)
    structure : CovarianceStructure
        With a bound, so that no component shrinks to a few rows.
    scales : array of shape (D,)
        What columns are divided by to be compared.
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
        """Of rows and their weights (empty means all 1), as the plan says."""
        weights = (
            row_weights.astype(np.float64) if len(row_weights) else np.ones(len(rows))
        )
        asked = plan.structure.bound
        structure = boundable(plan.structure).bounded(
            _RATIO if asked is None else asked.ratio,
            # Outliers would enlarge the columns' own.
            variances_by_quartiles(rows, weights),
        )
        assert structure.bound is not None
        return cls(
            *(rows, weights, structure, structure.bound.scales, plan.ridge),
            *(plan.outlier_share, plan.n_threads),
        )

    def statistics(self, parameters: MixtureParameters) -> SufficientStatistics:
        """The statistics under these parameters of the rows that are kept."""
        representation, dtype = self.structure.representation, self.rows.dtype
        densities = kernels.log_likelihood_pass(
            self.rows, representation.factors(parameters, dtype), self.n_threads
        )
        kept = kept_weights(densities, self.weights, self.outlier_share)
        row_weights = read_only(kept.astype(dtype))
        size = representation.scatter_size(*parameters.means.shape)
        _, statistics = representation.statistics_by(
            lambda factors: kernels.expectation_pass(
                *(self.rows, row_weights, factors, size), n_threads=self.n_threads
            ),
            *(parameters, dtype),
        )
        return statistics

    def run(self, parameters: MixtureParameters, n_steps: int) -> Run:
        """At most so many steps from here.

        Raises
        ------
        SingularCovarianceError
            If the rows of a component, or all, do not spread at all.
        """
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
        residuals = np.diag(_SMALL * self.scales)
        for k in range(n_components):
            representation.add_scatter(scatter, k, np.ones(n_features), residuals)
        ones, zeros = np.ones(n_components), np.zeros_like(means)
        statistics = SufficientStatistics(0.0, ones, means, zeros, scatter)
        return self.structure.maximize(statistics, 0.0)

    def seeds(self, n_components: int, random_state: np.random.RandomState) -> Array:
        """Rows (K, D), drawn as k-means++ draws them, but none of the farthest."""
        shares = self.weights
        nearest = np.full(len(self.rows), np.inf)
        chosen: list[int] = []
        for _ in range(n_components):
            drawn = draw_row(shares, len(self.rows), random_state)
            chosen.append(drawn)
            residuals = (self.rows - self.rows[drawn]) / self.scales
            np.minimum(nearest, (residuals**2).sum(axis=1), out=nearest)
            kept = kept_weights(-nearest, self.weights, self.outlier_share)
            # Rows that are kept may all be like those drawn before.
            for weights in (kept * nearest, self.weights * nearest, self.weights):
                shares = weights
                if shares.any():
                    break
        return self.rows[chosen].astype(np.float64)


def kept_weights(values: Rows, weights: Array, share: float) -> Array:
    """Weights (N,) of rows without those of least value, a share of all weights.

    Rows of equal value are kept, or left out, in equal part.
    """
    _, places = np.unique(values, return_inverse=True)
    of_values = np.bincount(places, weights)
    left = np.clip(of_values.cumsum() - share * of_values.sum(), 0, of_values)
    parts = left / np.where(of_values > 0, of_values, 1)
    kept: Array = weights * parts[places]
    return kept


def variances_by_quartiles(rows: Rows, weights: Array) -> Array:
    """The variances (D,) that normal columns with the same quartiles have.

    Where the quartiles of a column are one value, its variance.
    """
    order = np.argsort(rows, axis=0)
    cumulative = weights[order].cumsum(axis=0)
    columns = np.arange(rows.shape[1])

    def quantiles(part: float) -> Array:
        places = (cumulative < part * cumulative[-1]).sum(axis=0)
        values: Array = rows[order[places, columns], columns].astype(np.float64)
        return values

    widths = quantiles(0.75) - quantiles(0.25)
    own = column_variances(rows, weights)
    variances: Array = np.where(widths > 0, (widths / _QUARTILES) ** 2, own)
    return variances
