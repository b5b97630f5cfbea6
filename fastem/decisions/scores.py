"""How usual rows are to the components of a mixture, with gaps or without.

Without gaps that is the logarithm of their density. Densities in different columns say
nothing about each other: they do not even have the same unit. A row with gaps is as
unusual as the share of rows, drawn from the mixture and with the same gaps, that are
less likely; it is given the log-density at which a complete row is as unusual.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import betainc, gammainc, gammaincc

from fastem import kernels
from fastem.checks.rows import Rows
from fastem.covariances.representations import Representation
from fastem.covariances.view import View
from fastem.groups import RowAnswers, groups_of, has_gaps
from fastem.statistics import Array, MixtureParameters

# Where tails are computed: in nats below the highest peak, 4 % from one to the next. In
# between, and beyond, their logarithms are straight lines.
_FALLS = np.geomspace(1e-4, 600, 400)


def components_of(mixture: Any) -> RowAnswers:
    """What can be asked about rows of a fitted mixture, its background left out.

    A constant would rank all rows alike that are far from the components.
    """
    ask: RowAnswers = getattr(mixture, "best_estimator_", mixture)._row_answers()
    parameters = ask.parameters
    return replace(
        ask,
        parameters=replace(
            parameters,
            weights=parameters.weights / parameters.weights.sum(),
            background=None,
        ),
    )


def scores_of(ask: RowAnswers, X: Rows) -> Array:
    """How usual each row is: (N,), comparable whatever columns they have."""
    if not (ask.allows_gaps and has_gaps(X)):
        return _log_densities(ask, X)
    scores = np.empty(len(X))
    of_complete = Tails.of(ask.representation, ask.parameters)
    for group in groups_of(X):
        if not len(group.columns):
            scores[group.rows] = of_complete.densities[0]
            continue
        view = View(ask.representation, ask.parameters, group.columns).parameters
        log_densities = _log_densities(replace(ask, parameters=view), group.values(X))
        if len(group.columns) < X.shape[1]:
            tails = Tails.of(ask.representation, view)
            log_densities = of_complete.densities_at(tails.at(log_densities))
        scores[group.rows] = log_densities
    return scores


def _log_densities(ask: RowAnswers, X: Rows) -> Array:
    factors = ask.representation.factors(ask.parameters, X.dtype)
    values: Array = kernels.log_likelihood_pass(X, factors, ask.n_threads)
    return values.astype(np.float64)


@dataclass(frozen=True)
class Tails:
    """How often rows of a mixture are less likely than a density.

    Rows of a component are taken to be as likely as that one says, by its weight times
    its density. With one component that is exact. Where components overlap, others make
    rows likelier: then fewer are less likely than this says.

    Attributes
    ----------
    densities : array of shape (n,)
        Logarithms, falling.
    logits : array of shape (n,)
        Logarithms of the odds of a less likely row, falling: both ends are resolved.
    """

    densities: Array
    logits: Array

    @classmethod
    def of(
        cls, representation: Representation, parameters: MixtureParameters
    ) -> "Tails":
        """Of all columns of a mixture."""
        n_features = parameters.means.shape[1]
        counted = parameters.weights > 0
        weights = parameters.weights[counted]
        peaks = representation.log_peaks(parameters)[counted]
        v = parameters.degrees_of_freedom
        densities = peaks.max() - _FALLS
        falls = np.maximum(peaks - densities[:, np.newaxis], 0)
        if v is None:
            # Half of the squared distance, which is chi-squared.
            below = gammaincc(n_features / 2, falls)
            above = gammainc(n_features / 2, falls)
        else:
            # v / (v + squared distance), which has a beta distribution.
            v = v[counted]
            logarithms = -2 * falls / (v + n_features)
            below = betainc(v / 2, n_features / 2, np.exp(logarithms))
            above = betainc(n_features / 2, v / 2, -np.expm1(logarithms))
        with np.errstate(divide="ignore"):
            logits = np.log(below @ weights) - np.log(above @ weights)
        resolved = np.isfinite(logits)
        return cls(densities[resolved], logits[resolved])

    def at(self, log_densities: Array) -> Array:
        """The logarithm of the odds of a row less likely than each of these."""
        return _extended(log_densities, self.densities, self.logits)

    def densities_at(self, logits: Array) -> Array:
        """The log-densities at which the odds are these."""
        return _extended(logits, self.logits, self.densities)


def _extended(x: Array, xs: Array, ys: Array) -> Array:
    """Between points by straight lines, and below the last one along the last line."""
    values: Array = np.interp(x, xs[::-1], ys[::-1])
    slope = (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
    return np.where(x < xs[-1], ys[-1] + slope * (x - xs[-1]), values)
