"""Arguments other than X, as arrays of numbers."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array

from fastem.checks.text import check_no_text
from fastem.statistics import Array


def as_numbers(values: ArrayLike, name: str) -> Array:
    """An argument other than X as a float64 array; nothing under a mask is read."""
    if np.ma.is_masked(values):
        raise ValueError(
            f"{name} is a masked array with masked values: fill the gaps, or leave "
            "those entries out"
        )
    check_no_text(values, name)
    try:
        array: Array = check_array(
            values,
            dtype=np.float64,
            ensure_2d=False,
            allow_nd=True,
            ensure_all_finite=False,
            ensure_min_samples=0,
            input_name=name,
        )
    except (ValueError, TypeError) as error:
        raise type(error)(f"{name} does not hold numbers: {error}") from error
    return array
