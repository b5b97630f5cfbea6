"""Memberships that know how sure the parameters are: the posterior predictive.

Beforehand each component is believed to have the mean covariance W of all, as surely as
D rows would say it, the fewest for which that is a distribution; nothing of its mean,
and all weights alike. With what n rows have said (mean m, covariance S) the next row of
a component then has Student's t, with v + 1 - D = n + 1 degrees of freedom about m, and
the scale S + D W / n: C. M. Bishop, "Pattern Recognition and Machine Learning" (2006),
eq. 10.81, with v = D + n and beta = n. Where columns are independent so is what is
believed of each, and the next row has a t in each column, with the scale S + W / n.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import gammaln, softmax

from fastem import kernels
from fastem.checks.rows import Rows, allows_gaps
from fastem.covariances.diagonal import Diagonal
from fastem.covariances.full import Full
from fastem.em.tails import MOST
from fastem.groups import RowAnswers
from fastem.mixture.fixed import fixed_of
from fastem.statistics import Array, MixtureParameters

_CLOSED = {type(Full()), type(Diagonal())}
_FEWEST = 1e-8  # rows of a component, to divide by
_BLOCK_VALUES = 1 << 18


def predictive_answers(model: Any) -> RowAnswers | ColumnAnswers:
    """What can be asked about the memberships of rows to come.

    Raises
    ------
    ValueError
        If there is no closed form, or it is not known how many rows the parameters
        come from.
    """
    structure, fitted = model._fitted()
    why_not = _why_not_closed(model)
    if why_not:
        raise ValueError(
            f"{why_not}. Average memberships over fits to rows weighted at random "
            "instead: fastem.bagged_memberships(model, X_of_the_fit, X)"
        )
    counts = effective_counts(model)
    shared = np.tensordot(fitted.weights, fitted.covariances, 1) / fitted.weights.sum()
    n = np.maximum(counts, _FEWEST).reshape(-1, *(1,) * shared.ndim)
    is_full = isinstance(structure, Full)
    n_prior = fitted.means.shape[1] if is_full else 1
    scales = fitted.covariances + n_prior * shared / n
    predictive = replace(
        fitted,
        weights=_weights_to_come(
            counts, model.n_effective_, fitted, equal=model.equal_weights
        ),
        covariances=scales,
        precisions_cholesky=structure.representation.cholesky(scales),
        background=_background_to_come(model, fitted, len(counts)),
        degrees_of_freedom=np.minimum(counts + 1, MOST),
    )
    settings = model.n_threads, allows_gaps(model)
    if is_full:
        return RowAnswers(structure.representation, predictive, *settings)
    return ColumnAnswers(predictive, *settings)


def has_predictive(model: Any) -> bool:
    """Whether memberships of rows to come have a closed form."""
    return not _why_not_closed(model)


def _why_not_closed(model: Any) -> str:
    """Why the posterior has no closed form here; nothing if it has one."""
    structure, fitted = model._fitted()
    if fitted.degrees_of_freedom is not None:
        return "The posterior of a StudentMixture has no closed form"
    if type(structure) not in _CLOSED:
        return (
            f"covariance_type={model.covariance_type!r} has no posterior in closed "
            "form, as components share parts of their covariances; 'full' and 'diag' "
            "have one"
        )
    fixed = fixed_of(model, len(fitted.weights))
    if fixed is not None and fixed.components.any():
        return (
            "What is fixed is known exactly, and beside it the posterior has no closed "
            "form here"
        )
    return ""


def effective_counts(model: Any) -> Array:
    """How many rows of those that made the model are each component's: (K,).

    Raises
    ------
    ValueError
        If that is not known.
    """
    if not hasattr(model, "n_effective_"):
        raise ValueError(
            "It is not known from how many rows these parameters come, as of a mixture "
            "that was made by from_parameters. Fit it, or set its n_effective_ to the "
            "number of rows"
        )
    counts: Array = model.n_effective_ * model.weights_
    return counts


def _weights_to_come(
    counts: Array, n_rows: float, fitted: MixtureParameters, *, equal: bool
) -> Array:
    """Of components: each has a row more, as has the background; equal stay equal."""
    n_parts = len(counts) + (fitted.background is not None)
    weights: Array = (counts + 1) / (n_rows + n_parts)
    return np.full_like(weights, weights.mean()) if equal else weights


def _background_to_come(model: Any, fitted: MixtureParameters, K: int) -> Any:
    background = fitted.background
    if background is None:
        return None
    n = model.n_effective_
    return replace(background, weight=(background.weight * n + 1) / (n + K + 1))


@dataclass(frozen=True)
class ColumnAnswers:
    """Memberships under a mixture that has independent t in each column.

    Attributes
    ----------
    parameters : MixtureParameters
        Covariances are squared scales, (K, D); the degrees of freedom are those of
        each column.
    n_threads : int or None
    allows_gaps : bool, default=False
    """

    parameters: MixtureParameters
    n_threads: int | None
    allows_gaps: bool = False

    def __call__(self, row_pass: Callable[..., Any], X: Rows) -> Any:
        """The probability of each component given a row, the background's last.

        Parameters
        ----------
        row_pass : callable
            :func:`fastem.kernels.probability_pass`: there is no other answer.
        X : array of shape (N, D)
        """
        assert row_pass is kernels.probability_pass
        K, D = self.parameters.means.shape
        n_out = K + (self.parameters.background is not None)
        degrees = np.empty((len(X), n_out), X.dtype)
        size = max(1, _BLOCK_VALUES // (K * D))
        for start in range(0, len(X), size):
            part = slice(start, start + size)
            degrees[part] = softmax(self._log_densities(X[part]), axis=1)
        return degrees

    def _log_densities(self, X: Rows) -> Array:
        """Of each component at rows, with its weight: (n, K), and the background's."""
        parameters = self.parameters
        assert parameters.degrees_of_freedom is not None
        D = parameters.means.shape[1]
        v = parameters.degrees_of_freedom[:, np.newaxis]
        constants = gammaln((v + 1) / 2) - gammaln(v / 2)
        constants = constants - 0.5 * np.log(v * np.pi * parameters.covariances)
        residuals = X[:, np.newaxis].astype(np.float64) - parameters.means
        of_columns = constants - (v + 1) / 2 * np.log1p(
            residuals**2 / (v * parameters.covariances)
        )
        absent = np.isnan(X)[:, np.newaxis]
        logs: Array = np.where(absent, 0.0, of_columns).sum(axis=2)
        logs += parameters.log_weights
        background = parameters.background
        if background is None:
            return logs
        of_noise = background.log_density + absent[:, 0] @ background.log_widths(D)
        return np.column_stack([logs, of_noise])
