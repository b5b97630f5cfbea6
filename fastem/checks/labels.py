"""Labels of rows that a user passes, with every error about them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastem.checks.arrays import as_numbers
from fastem.kernels import OF_BACKGROUND

_NEEDS_NOISE = ". That is noise, and needs noise=True"

Labels = NDArray[np.int32]
UNASSIGNED = -1  # a row that says nothing about the start


def check_labels(
    values: ArrayLike, n_rows: int, n_components: int, name: str, noise: bool = False
) -> Labels:
    """Numbers of components, (N,), or less; each component has a row.

    -1 is a row of none; with ``noise`` it is one of the background, as -2 always is.

    Raises
    ------
    ValueError
        If the length is another, a label is none, or a component is without rows.
    """
    numbers = as_numbers(values, name)
    if numbers.shape != (n_rows,):
        raise ValueError(
            f"{name} should have a label for each row of X, in the shape ({n_rows},), "
            f"but has {numbers.shape}. In cross-validation X is a part of the rows, "
            f"and an array in {name} is not cut with it"
        )
    whole = np.isfinite(numbers) & (numbers == np.round(numbers))
    least = OF_BACKGROUND if noise else UNASSIGNED
    wrong = ~(whole & (numbers >= least) & (numbers < n_components))
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(
            f"{name} must hold numbers of components, from 0 to {n_components - 1}, or "
            f"{UNASSIGNED} for rows that are in none, but has {numbers[i]:g} in row {i}"
            f"{_NEEDS_NOISE if numbers[i] == OF_BACKGROUND else ''}"
        )
    labels = numbers.astype(np.int32)
    if noise:
        labels[labels == UNASSIGNED] = OF_BACKGROUND
    counts = np.bincount(labels[labels >= 0], minlength=n_components)
    if not counts.all():
        raise ValueError(
            f"{name} has no row of component {int(np.argmin(counts))}: use fewer "
            "components, or labels without gaps"
        )
    return labels
