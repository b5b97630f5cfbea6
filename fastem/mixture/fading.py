"""What a stream forgets: components whose rows fade, and spreads that nothing holds."""

import math

import numpy as np
from numpy.typing import NDArray

from fastem.covariances import Degeneracy
from fastem.em import convergence_warnings
from fastem.em.plan import Plan
from fastem.statistics import EPS, Array, MixtureParameters

# Rows of a component fade where they count less than one, and so many times less than
# they once did: a rare component of 0.6 rows in memory does not fade where it has 0.5.
_TIMES_LESS = 20


def rows_kept(n_seen: float, forgetting: float, memory: float | None) -> float:
    """How many rows those seen so far count as, where the last one counts 1."""
    return min(n_seen / forgetting, math.inf if memory is None else memory)


def faded(
    before: Array, after: Array, n_kept: float, largest: Array
) -> NDArray[np.intp]:
    """The components whose rows have come to count less than one of ``n_kept``.

    ``before``, ``after`` and the ``largest`` that there were are weights, (K,); of
    other numbers of components none.
    """
    if len(before) != len(after):
        return np.empty(0, np.intp)
    limits = np.minimum(1 / n_kept, largest / _TIMES_LESS)
    return np.flatnonzero((before >= limits) & (after < limits))


def warn_of_faded(before: Array, after: Array, n_kept: float, largest: Array) -> None:
    """Say it while the component can still come back."""
    components = faded(before, after, n_kept, largest)
    if len(components):
        others = f" and {len(components) - 1} more" if len(components) > 1 else ""
        convergence_warnings.warn(
            "A component fades: its rows now count less than one. It is component "
            f"{components[0]}{others}, and all rows that are remembered count "
            f"{n_kept:.3g}. Where none come for long, it will be too faint to take "
            "them: use a larger memory, or on_collapse='drop' or 'reseed'."
        )


def worn(
    plan: Plan,
    before: MixtureParameters,
    after: MixtureParameters,
    n_kept: float,
    largest: Array,
    first_variances: Array,
) -> Degeneracy | None:
    """The first component that a step has worn away, if that may not be; or None.

    A fit sees at once that the rows of a component do not differ. In a stream rows that
    did go on counting, ever less: a spread is none where it is no more than rounding
    of what it was at first. A component without rows is one where something is to be
    done about it.
    """
    if plan.on_collapse != "raise":
        for k in faded(before.weights, after.weights, n_kept, largest):
            if plan.fixed is None or not plan.fixed.components[k]:
                return Degeneracy(int(k))
    variances = plan.representation.variances(after.covariances)
    if not np.any(plan.ridge) and variances.shape == first_variances.shape:
        is_constant = variances <= EPS * first_variances
        for k in np.flatnonzero(is_constant.any(axis=1)):
            component = None if plan.structure.is_shared else int(k)
            names_columns = variances.shape[1] == before.means.shape[1]
            columns = np.flatnonzero(is_constant[k]) if names_columns else ()
            return Degeneracy(component, tuple(int(j) for j in columns))
    return None
