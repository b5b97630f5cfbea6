"""Whether a fit is held up by its ridge, as its plan has it."""

from collections.abc import Callable

import numpy as np

from fastem.em.constraints import about_fixed_means
from fastem.em.plan import Plan
from fastem.em.ridge import NOTICEABLE, largest_ridge_share
from fastem.statistics import MixtureParameters, SufficientStatistics

Expect = Callable[[MixtureParameters], SufficientStatistics]


def with_own_spreads(
    plan: Plan, parameters: MixtureParameters, expect: Expect
) -> MixtureParameters:
    """The same, with how much components spread where that was scaled to the others'.

    For that a pass over the rows is made.
    """
    if not (plan.structure.scales_own_shapes and np.any(plan.ridge)):
        return parameters
    statistics = expect(parameters)
    if plan.fixed is not None:
        statistics = about_fixed_means(
            plan.fixed, statistics, parameters, plan.representation
        )
    return plan.structure.unscaled(parameters, statistics, plan.ridge)


def is_regular(plan: Plan, parameters: MixtureParameters, expect: Expect) -> bool:
    """Whether the ridge is no such share of a variance that users are told."""
    if not np.any(plan.ridge):
        return True
    own = with_own_spreads(plan, parameters, expect)
    held = None if plan.fixed is None else plan.fixed.covariances
    share = largest_ridge_share(plan.structure, own, plan.ridge, held)
    return share <= NOTICEABLE
