"""Estimates of covariances beside others that are held: they stay what they are.

Where covariances share nothing, those that are free are estimated as if there were no
others; but for a bound on eigenvalues, which concerns all. Where they share something,
either all are held or none.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastem.covariances.representations import mean_shifts
from fastem.covariances.singular import SingularCovarianceError
from fastem.covariances.structure import CovarianceStructure, check_present
from fastem.statistics import (
    Array,
    MixtureParameters,
    Ridge,
    SufficientStatistics,
)

Mask = NDArray[np.bool_]  # (K,), which covariances are held


def maximize_beside(
    structure: CovarianceStructure,
    statistics: SufficientStatistics,
    ridge: Ridge,
    before: MixtureParameters,
    held: Mask,
) -> MixtureParameters:
    """The maximisation step where ``held`` covariances stay those of ``before``.

    A ridge is added to the others only.

    Raises
    ------
    SingularCovarianceError
        For one that is free.
    """
    if not held.any():
        return structure.maximize(statistics, ridge, before)
    check_present(statistics)
    covariances, factors = before.covariances, before.precisions_cholesky
    if not held.all():
        free = np.flatnonzero(~held)
        rule = _beside(structure, covariances[held])
        elsewhere = float(statistics.weights[held].sum()) + statistics.background
        of_free = replace(statistics.of(free), background=elsewhere)
        try:
            part = rule.maximize(of_free, ridge, before.of(free))
        except SingularCovarianceError as error:
            # They share nothing, so that it is one of them.
            component = int(free[error.component or 0])
            known = replace(error.degeneracy, component=component)
            n_features = statistics.reference.shape[1]
            raise SingularCovarianceError(known).about(
                statistics.weights, n_features, error.condition_number
            ) from None
        covariances = _with(covariances, free, part.covariances)
        factors = _with(factors, free, part.precisions_cholesky)
    return MixtureParameters(
        weights=statistics.weights / statistics.total,
        means=statistics.reference + mean_shifts(statistics),
        covariances=covariances,
        precisions_cholesky=factors,
    )


def confined_beside(
    structure: CovarianceStructure,
    parameters: MixtureParameters,
    base: MixtureParameters,
    held: Mask,
) -> MixtureParameters:
    """The nearest mixture that the structure can have, with ``held`` ones as in base.

    Raises
    ------
    SingularCovarianceError
    """
    if not held.any():
        return structure.confined(parameters)
    covariances, factors = base.covariances, base.precisions_cholesky
    if not held.all():
        free = np.flatnonzero(~held)
        part = _beside(structure, covariances[held]).confined(parameters.of(free))
        covariances = _with(covariances, free, part.covariances)
        factors = _with(factors, free, part.precisions_cholesky)
    return replace(parameters, covariances=covariances, precisions_cholesky=factors)


def _beside(structure: CovarianceStructure, held: Array) -> CovarianceStructure:
    """The rule for the others."""
    bound = structure.bound
    if bound is None:
        return structure
    return replace(structure, bound=bound.beside(held, structure.representation))


def _with(values: Array, components: NDArray[np.intp], of_these: Array) -> Array:
    values = values.copy()
    values[components] = of_these
    return values
