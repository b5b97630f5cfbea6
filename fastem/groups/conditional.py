"""What rows say of columns that they lack: a mixture for each row."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastem import kernels
from fastem.checks.rows import Rows
from fastem.covariances.representations import dense
from fastem.groups.answers import RowAnswers
from fastem.groups.rows import Group, groups_of
from fastem.statistics import Array, Background, MixtureParameters


@dataclass(frozen=True, eq=False)
class Conditionals:
    """The distributions of M columns, for n rows that have the same other columns.

    Each is a mixture. In component k its scale matrix is ``scales[:, k]`` times
    ``covariances[k]``: those of normal distributions do not depend on the row.

    Attributes
    ----------
    rows : array of int of shape (n,)
        Their numbers.
    shares : array of shape (n, K) or (n, K + 1)
        How much each row belongs to each component, and last to the background.
    means : array of shape (n, K, M)
    covariances : array of shape (K, M, M)
    scales : array of shape (n, K)
    degrees_of_freedom : array of shape (K,), or None
        Those of Student's t; None for normal distributions.
    background : Background or None
        In these columns, with a weight of 1.
    """

    rows: NDArray[np.intp]
    shares: Array
    means: Array
    covariances: Array
    scales: Array
    degrees_of_freedom: Array | None
    background: Background | None

    @property
    def mean(self) -> Array:
        """The means of the mixtures: (n, M)."""
        K = self.means.shape[1]
        mean: Array = np.einsum("nk,nkm->nm", self.shares[:, :K], self.means)
        if self.background is not None:
            mean += self.shares[:, K:] * self.background.box.mean(axis=1)
        return mean

    @property
    def variances(self) -> Array:
        """Those of the mixtures' columns, (n, M); inf for tails that have none."""
        K = self.means.shape[1]
        mean = self.mean
        within = np.diagonal(self.covariances, axis1=1, axis2=2)
        within = self.scales[:, :, np.newaxis] * within
        v = self.degrees_of_freedom
        if v is not None:
            with np.errstate(divide="ignore"):
                ratios = np.where(v > 2, v / np.maximum(v - 2, 0), np.inf)
            within = within * ratios[:, np.newaxis]
        shares = self.shares[:, :K, np.newaxis]
        parts = np.where(
            shares > 0, within + (self.means - mean[:, np.newaxis]) ** 2, 0.0
        )
        variances: Array = (shares * parts).sum(axis=1)
        if self.background is not None:
            low, high = self.background.box.T
            of_box = (high - low) ** 2 / 12 + ((low + high) / 2 - mean) ** 2
            variances += self.shares[:, K:] * of_box
        return variances


def conditionals(
    ask: RowAnswers, X: Rows, columns: NDArray[np.intp]
) -> Iterator[Conditionals]:
    """What the rows say of these columns, which none of them has.

    Of a normal distribution, with B = S_mo S_oo^-1, the conditional mean is
    m_m + B (x_o - m_o), and the covariance S_mm - B S_om. Of a t with v degrees of
    freedom at the squared distance d from D_o columns, v + D_o are left, and the scale
    is (v + d) / (v + D_o) times that [1]_.

    Parameters
    ----------
    ask : RowAnswers
    X : array of shape (N, D)
        With NaN in ``columns``; others may be missing too.
    columns : array of int of shape (M,)

    References
    ----------
    .. [1] P. Ding, "On the conditional distribution of the multivariate t
       distribution", The American Statistician 70 (2016), 293-295.
    """
    parameters = ask.parameters
    K, D = parameters.means.shape
    covariances = ask.representation.expand(parameters.covariances, K, D)
    background = parameters.background
    if background is not None:
        background = replace(background.marginal(columns, D), weight=1.0)
    for group in groups_of(X):
        factors = factors_of(covariances, group.columns)
        regression = dense.regression(covariances, factors, group.columns, columns)
        residuals = _residuals(parameters, X, group)
        means = parameters.means[:, columns] + np.einsum(
            "nko,kmo->nkm", residuals, regression.coefficients
        )
        scales = np.ones(residuals.shape[:2])
        v = parameters.degrees_of_freedom
        if v is not None:
            n_present = len(group.columns)
            whitened = np.einsum("nko,kop->nkp", residuals, factors)
            scales = (v + (whitened**2).sum(axis=2)) / (v + n_present)
            v = v + n_present
        yield Conditionals(
            group.rows,
            ask(kernels.probability_pass, X[group.rows]).astype(np.float64),
            *(means, regression.covariance, scales, v, background),
        )


def factors_of(covariances: Array, columns: NDArray[np.intp]) -> Array:
    """U with U U' = inverse of the covariance of these columns: (K, O, O)."""
    if not len(columns):
        return np.zeros((len(covariances), 0, 0))
    of_columns = covariances[:, columns[:, np.newaxis], columns]
    return dense.inverse_cholesky(of_columns, shared=False)


def _residuals(parameters: MixtureParameters, X: Rows, group: Group) -> Array:
    """The values that the rows have, less the means of the components: (n, K, O)."""
    present = X[group.rows[:, np.newaxis], group.columns].astype(np.float64)
    residuals: Array = present[:, np.newaxis] - parameters.means[:, group.columns]
    return residuals
