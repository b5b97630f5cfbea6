"""The maximisation step of Student's t: degrees of freedom, and faster covariances."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from fastem.covariances import CovarianceStructure
from fastem.covariances.representations.student import stationary_logarithms
from fastem.statistics import Array, MixtureParameters, SufficientStatistics, TailSums

ESTIMATE, SHARED = "estimate", "shared"
START = 10.0
LEAST, MOST = 0.01, 1e6
_NEWTON_STEPS = 8


@dataclass(frozen=True)
class StudentTails:
    """How degrees of freedom follow from what the rows say.

    Attributes
    ----------
    wish : 'estimate', 'shared' or float
        One for each component, one for all, or this number.
    first : array of shape (K,), optional
        Where estimates start; by default at 10.

    References
    ----------
    .. [1] J. T. Kent, D. E. Tyler, Y. Vardi, "A curious likelihood identity for the
       multivariate t-distribution", Comm. Stat. Simul. Comp. 23 (1994), 441-453.
    .. [2] C. Liu, D. B. Rubin, Y. N. Wu, "Parameter expansion to accelerate EM: the
       PX-EM algorithm", Biometrika 85 (1998), 755-770.
    """

    wish: str | float
    first: Array | None = None

    def start(self, n_components: int) -> Array:
        """Where they start: (K,)."""
        if not isinstance(self.wish, str):
            return np.full(n_components, float(self.wish))
        # Of fewer components than there were it is not known which are left.
        if self.first is None or len(self.first) != n_components:
            return np.full(n_components, START)
        if self.wish == SHARED:
            return np.full(n_components, np.exp(np.log(self.first).mean()))
        return self.first

    def expansions(
        self,
        statistics: SufficientStatistics,
        structure: CovarianceStructure,
        held: NDArray[np.bool_] | None = None,
    ) -> Array:
        """What covariances are to be divided by after the step: (K,), 1 in the limit.

        EM maximises the likelihood of rows whose covariance is divided by a random
        number with a mean of 1. In a larger model the mean is free [2]_: the step is
        longer, and as each of its points is one of the model, with the covariance
        over the mean, the likelihood rises as by EM. For one component that is the
        step of Kent, Tyler and Vardi [1]_. Where volumes or shapes are tied to each
        other, the mean is one for all. It is 1 for covariances that are ``held``, (K,),
        and for those that a bound ties to them.
        """
        tails = statistics.tails
        weights = statistics.weights
        if tails is None:
            return np.ones(len(weights))
        counted = (weights > 0) & (tails.counts > 0)
        if held is not None and held.any():
            counted &= ~held & (structure.bound is None)
        if structure.scales_freely:
            ones = np.ones(len(weights))
            return np.divide(tails.counts, weights, out=ones, where=counted)
        v = np.where(counted, tails.degrees_of_freedom, 0)
        if not counted.any():
            return np.ones(len(weights))
        return np.full(len(weights), v @ tails.counts / (v @ weights))

    def completed(
        self,
        parameters: MixtureParameters,
        statistics: SufficientStatistics,
        structure: CovarianceStructure,
        held: NDArray[np.bool_] | None = None,
    ) -> MixtureParameters:
        """The step of Gaussian components, made that of Student's."""
        expansions = self.expansions(statistics, structure, held)
        v = self.start(len(expansions))
        if statistics.tails is not None and isinstance(self.wish, str):
            v = self._estimate(statistics.tails, statistics.weights, expansions)
        representation, covariances = structure.representation, parameters.covariances
        if representation.is_shared:
            covariances = covariances / expansions[0]
        else:
            of_each = expansions.reshape(-1, *[1] * (covariances.ndim - 1))
            covariances = covariances / of_each
        return replace(
            parameters,
            covariances=covariances,
            # Of the covariances: a model that is saved is read back to the last bit.
            precisions_cholesky=representation.cholesky(covariances),
            degrees_of_freedom=v,
        )

    def confined(self, parameters: MixtureParameters) -> MixtureParameters:
        """The same mixture, with degrees of freedom as they may be."""
        v = parameters.degrees_of_freedom
        if v is None:
            return parameters
        # Those of empty components may be 0 or inf there.
        logarithms = np.log(np.clip(v, np.finfo(float).tiny, np.finfo(float).max))
        if self.wish == SHARED:
            logarithms = np.full(
                len(v), np.average(logarithms, weights=parameters.weights)
            )
        v = np.clip(np.exp(logarithms), LEAST, MOST)
        if not isinstance(self.wish, str):
            v = self.start(len(v))
        return replace(parameters, degrees_of_freedom=v)

    def n_parameters(self, n_components: int) -> int:
        """Number of free ones."""
        return {ESTIMATE: n_components, SHARED: 1}.get(str(self.wish), 0)

    def _estimate(self, tails: TailSums, weights: Array, expansions: Array) -> Array:
        counted = weights > 0
        shares = np.where(counted, weights, 1)
        means = tails.counts / shares
        # Means of the expected logarithm less the expectation, of the divisor over
        # its mean.
        logarithms = tails.logarithms / shares + means - np.log(expansions)
        differences = logarithms - means / expansions
        if self.wish == SHARED:
            mean = np.average(differences[counted], weights=weights[counted])
            return np.repeat(_solved(np.array([mean])), len(weights))
        return np.where(counted, _solved(differences), tails.degrees_of_freedom)


def _solved(differences: Array) -> Array:
    """The v at which the mean difference is what it is expected to be.

    Newton's method on 1 / x, x = v / 2, from Minka's start: 4 steps give all digits.

    T. P. Minka, "Estimating a Gamma distribution" (2002).
    """
    limits = np.array([LEAST, MOST])
    largest, smallest = -1 - stationary_logarithms(limits)
    # log(x) - digamma(x) is to be this.
    target = np.clip(-1 - differences, smallest, largest)
    x = (3 - target + np.sqrt((target - 3) ** 2 + 24 * target)) / (12 * target)
    for _ in range(_NEWTON_STEPS):
        error = np.log(x) - digamma(x) - target
        slope = x**2 * (1 / x - polygamma(1, x))
        x = 1 / (1 / x + error / slope)
    return np.clip(2 * x, LEAST, MOST)
