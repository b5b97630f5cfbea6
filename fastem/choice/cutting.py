"""Mixtures with a component more: one of them is cut in two."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastem.covariances import CovarianceStructure
from fastem.statistics import MixtureParameters

# A half of a normal distribution has its mean and its variance there, in deviations
# and variances of the whole.
_MEAN = math.sqrt(2 / math.pi)
_VARIANCE = 1 - 2 / math.pi


def cut(
    parameters: MixtureParameters,
    structure: CovarianceStructure,
    which: NDArray[np.intp],
) -> MixtureParameters:
    """The same mixture, of whose components these are cut along their longest axis.

    Each of the two halves has the mean, the variance and the weight of a half of a
    normal distribution, as far as the structure can. Where all share a covariance, that
    stays as it is.

    Parameters
    ----------
    which : array of shape (C,)
        The first halves have these places, the second halves the last C.
    """
    representation = structure.representation
    K, D = parameters.means.shape
    dense = representation.expand(parameters.covariances, K, D)[which]
    variances, axes = np.linalg.eigh(dense)
    axis = np.sqrt(variances[:, -1:]) * axes[:, :, -1]
    # Not by the sign that LAPACK happens to choose.
    largest = np.take_along_axis(axis, np.abs(axis).argmax(axis=1)[:, None], axis=1)
    axis *= np.sign(largest)
    halves = dense - (1 - _VARIANCE) * axis[:, :, np.newaxis] * axis[:, np.newaxis]
    weights, means = parameters.weights.copy(), parameters.means.copy()
    weights[which] /= 2
    means[which] -= _MEAN * axis
    v = parameters.degrees_of_freedom
    with_more = replace(
        parameters,
        weights=np.append(weights, weights[which]),
        means=np.concatenate([means, parameters.means[which] + _MEAN * axis]),
        degrees_of_freedom=None if v is None else np.append(v, v[which]),
    )
    if representation.is_shared:
        return with_more
    compact = representation.compact(halves)
    covariances = parameters.covariances.copy()
    covariances[which] = compact
    covariances = np.concatenate([covariances, compact])
    if not structure.shares_nothing:
        covariances = structure.nearest(covariances, with_more.weights)
    return replace(
        with_more,
        covariances=covariances,
        precisions_cholesky=representation.cholesky(covariances),
    )
