"""Choosing between vectors, lane by lane: what a search for the smallest needs."""

import numpy as np
from numba.extending import intrinsic, overload


def where_less(a, b, then, otherwise):
    """``then`` in the lanes where a < b, else ``otherwise``."""
    return np.where(a < b, then, otherwise)


@intrinsic
def _where_less(typing_context, a, b, then, otherwise):
    def generate(context, builder, signature, values):
        is_less = builder.fcmp_ordered("<", values[0], values[1])
        return builder.select(is_less, values[2], values[3])

    return then(a, b, then, otherwise), generate


@overload(where_less)
def _overload_where_less(a, b, then, otherwise):
    return lambda a, b, then, otherwise: _where_less(a, b, then, otherwise)
