"""What may not move in a maximisation step, and what must be alike.

With sums n_k of responsibilities, first moments and scatter, a step maximises the sum
of n_k log w_k - n_k log|S_k| / 2 - tr(S_k^-1 T_k) / 2, where T_k is the scatter about
component k's mean. If that mean is fixed, T_k is the scatter about it: so statistics
are moved there, and their first moments, which could only move it, are left out.
Weights that are free are in proportion to their n_k, and share what is left.
"""

from dataclasses import replace

import numpy as np

from fastem.checks.fixed import Fixed
from fastem.covariances.representations import Representation
from fastem.statistics import Array, MixtureParameters, SufficientStatistics


def about_fixed_means(
    fixed: Fixed,
    statistics: SufficientStatistics,
    before: MixtureParameters,
    representation: Representation,
) -> SufficientStatistics:
    """The statistics as if fixed means were those of the rows."""
    if not fixed.means.any():
        return statistics
    stays = fixed.means[:, np.newaxis]
    moved = representation.move(
        statistics, np.where(stays, before.means, statistics.reference)
    )
    present = moved.present
    if present is not None:
        # Of which all is fixed, that lacks nothing where its rows have no values.
        whole = stays & fixed.covariances[:, np.newaxis]
        present = np.where(whole, moved.weights[:, np.newaxis], present)
    first = np.where(stays, 0.0, moved.first)
    return replace(moved, first=first, present=present)


def weighed(
    fixed: Fixed, parameters: MixtureParameters, before: MixtureParameters
) -> MixtureParameters:
    """The same, with fixed weights as before, and the others in what they leave.

    They are fixed beside each other: what a background takes, all give alike.
    """
    if fixed.equal_weights:
        return equalized(fixed, parameters)
    if not fixed.weights.any():
        return parameters
    weights = before.weights
    if before.background is not None:
        left_before, left = (
            1 - mixture.background_weight for mixture in (before, parameters)
        )
        weights = weights * (left / left_before) if left_before > 0 else weights
    free = ~fixed.weights
    proposed = parameters.weights[free]
    total = float(proposed.sum())
    if total > 0:
        rest = 1 - parameters.background_weight - float(weights[fixed.weights].sum())
        weights = weights.copy()
        weights[free] = proposed * (max(rest, 0.0) / total)
    return replace(parameters, weights=weights)


def equalized(fixed: Fixed | None, parameters: MixtureParameters) -> MixtureParameters:
    """The same, with equal weights if these are to be."""
    if fixed is None or not fixed.equal_weights:
        return parameters
    n_components = len(parameters.weights)
    share = (1 - parameters.background_weight) / n_components
    return replace(parameters, weights=np.full(n_components, share))


def kept(
    fixed: Fixed,
    parameters: MixtureParameters,
    before: MixtureParameters,
    representation: Representation,
) -> MixtureParameters:
    """The same, with all that is fixed as it was before, to the bit."""
    parameters = weighed(fixed, parameters, before)
    if fixed.means.any():
        stays = fixed.means[:, np.newaxis]
        means = np.where(stays, before.means, parameters.means)
        parameters = replace(parameters, means=means)
    held = fixed.covariances
    if not held.any():
        return parameters

    def mixed(now: Array, then: Array) -> Array:
        if representation.is_shared:  # all are held
            return then
        return np.where(held.reshape(-1, *[1] * (now.ndim - 1)), then, now)

    return replace(
        parameters,
        covariances=mixed(parameters.covariances, before.covariances),
        precisions_cholesky=mixed(
            parameters.precisions_cholesky, before.precisions_cholesky
        ),
    )
