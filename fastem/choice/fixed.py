"""What a template may hold fixed in all candidates of a choice."""

from collections.abc import Sequence

import numpy as np

from fastem.checks.fixed import STARTS
from fastem.mixture import GaussianMixture


def check_fixed(template: GaussianMixture, numbers: Sequence[int]) -> None:
    """Raise ValueError if the candidates cannot all keep what the template holds.

    They start from partitions, each its own: so it must be the user who says what is
    fixed, and that is of so many components.
    """
    for name, value in (template.fixed or {}).items():
        if name not in STARTS or not np.any(value):
            continue
        what = f"the estimator's fixed={{{name!r}: ...}}"
        if len(numbers) > 1:
            raise ValueError(
                f"{what} is about the components of one start, and n_components are "
                f"{', '.join(map(str, numbers))}: choose among one number of them, or "
                "fix nothing"
            )
        if getattr(template, STARTS[name]) is None:
            raise ValueError(
                f"{what} needs the estimator's {STARTS[name]}: each candidate of a "
                "choice starts from other partitions"
            )
