"""Components that a user says rows start in, with every error about them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastem.checks.arrays import as_numbers
from fastem.kernels import OF_BACKGROUND
from fastem.statistics import Array

_NEEDS_NOISE = ". That is noise, and needs noise=True"

Labels = NDArray[np.int32]
UNASSIGNED = -1  # a row that says nothing about the start
# The number of each row's component (N,); or how much it belongs to each, (N, K), and
# last to the background, (N, K + 1).
Partition = Labels | Array
# Of a float32 softmax over a hundred components sums are this exact.
_ROUNDING = 1e-4
OF_FIT = (
    "In cross-validation X is a part of the rows, and an array is not cut with it: "
    "pass a callable, which is asked about the rows of each fit"
)
OF_CALLABLE = (
    "It is called with the rows that a start is made of, of which there are {}"
)


def check_partition(
    values: ArrayLike,
    n_rows: int,
    n_components: int,
    name: str,
    noise: bool = False,
    advice: str = OF_FIT,
) -> Partition:
    """Labels (N,), or shares of two dimensions; each component has a row.

    Raises
    ------
    ValueError
        As :func:`check_labels` and :func:`check_shares` do.
    """
    check = check_shares if np.ndim(values) == 2 else check_labels
    return check(values, n_rows, n_components, name, noise, advice)


def check_shares(
    values: ArrayLike,
    n_rows: int,
    n_components: int,
    name: str,
    noise: bool = False,
    advice: str = OF_FIT,
) -> Array:
    """How much each row belongs to each component, (N, K), or with noise (N, K + 1).

    Rows sum to 1, or to 0 where they are in none. What K columns leave is noise.

    Raises
    ------
    ValueError
        If the shape is another, a share is negative or a sum another one, or nothing
        belongs to a component.
    """
    shares = as_numbers(values, name)
    widths = [n_components] + [n_components + 1] * noise
    if shares.shape not in [(n_rows, width) for width in widths]:
        raise ValueError(
            f"{name} of two dimensions should say how much each row of X belongs to "
            f"each component, in the shape ({n_rows}, {n_components}), but has "
            f"{shares.shape}. {advice.format(n_rows)}"
        )
    wrong = ~(shares >= 0) | np.isinf(shares)
    if wrong.any():
        i, k = (int(index) for index in np.argwhere(wrong)[0])
        raise ValueError(
            f"{name} must be finite and not negative, but is {shares[i, k]:g} in row "
            f"{i}, column {k}"
        )
    sums = shares.sum(axis=1)
    leaves_noise = noise and shares.shape[1] == n_components
    wrong = np.abs(sums - 1) > _ROUNDING
    wrong &= sums > 1 if leaves_noise else sums > 0
    if wrong.any():
        i = int(np.argmax(wrong))
        wanted = "to 1 in each row, or to 0 where it is in no component"
        if leaves_noise:
            wanted = "to no more than 1 in each row"
        raise ValueError(
            f"{name} must sum {wanted}, but sums to {sums[i]:g} in row {i}"
        )
    if leaves_noise:
        shares = np.column_stack([shares, np.maximum(1 - sums, 0)])
    _check_complete(np.asarray(shares[:, :n_components].any(axis=0)), name)
    return shares


def check_labels(
    values: ArrayLike,
    n_rows: int,
    n_components: int,
    name: str,
    noise: bool = False,
    advice: str = OF_FIT,
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
            f"but has {numbers.shape}. {advice.format(n_rows)}"
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
    _check_complete(counts > 0, name)
    return labels


def _check_complete(has_rows: NDArray[np.bool_], name: str) -> None:
    """Each component has a row."""
    if not has_rows.all():
        raise ValueError(
            f"{name} has no row of component {int(np.argmin(has_rows))}: use fewer "
            "components, or labels without gaps"
        )
