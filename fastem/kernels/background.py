"""A uniform density beneath all components: rows that belong to none of them.

In a tile it is one more row of log-densities, behind those of the components. So it
takes its share in log-sum-exp and is summed up like a weight, but has no moments.
"""

from typing import NamedTuple

import numpy as np

from fastem.kernels.compilation import subroutine
from fastem.kernels.vectors.arithmetic import (
    add,
    load_wide,
    splat_wide,
    store,
    wide_lanes,
)


class Uniform(NamedTuple):
    """What a pass needs of a background, among the factors of the mixture."""

    log_density: float  # log(weight) - log(volume)


@subroutine()
def number_of_backgrounds(background):
    """1, or 0 for None."""
    if background is None:
        return 0
    return 1


@subroutine()
def least_log_density(background):
    """What a row's log-density is at least, whatever the components say."""
    if background is None:
        return -np.inf
    return background.log_density


@subroutine()
def add_background(background, values_out, chosen_out, n_chosen):
    """Append the background to log-densities of the ``chosen``; return their number.

    Of ``chosen`` (K + 1,) it has the number K.
    """
    if background is None:
        return n_chosen
    values_out[n_chosen][:] = values_out.dtype.type(background.log_density)
    chosen_out[n_chosen] = chosen_out.shape[0] - 1
    return n_chosen + 1


@subroutine()
def claim_weights(background, tails, values, row_weights_out):
    """Make of the rows' weights (B,) what the components claim of them.

    ``values`` (n, B) are the components' responsibilities times weights. In a plain
    mixture they sum to the weights, and nothing is to be done.
    """
    if background is not None or tails is not None:
        for b in range(0, values.shape[1], wide_lanes(values)):
            claimed = splat_wide(values.dtype.type(0))
            for a in range(values.shape[0]):
                claimed = add(claimed, load_wide(values[a], b))
            store(claimed, row_weights_out, b)
