"""Which components rows are known to belong to, with every error about it."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastem.checks.arrays import as_numbers
from fastem.checks.rows import with_nan
from fastem.kernels import OF_BACKGROUND

UNKNOWN = -1
# Labels that are a column of the table: ("column", its name).
_COLUMN = "column"


class Knowledge(Protocol):
    """What is known of rows, wherever they are."""

    @property
    def named(self) -> NDArray[np.bool_]:
        """Which components have rows that are known to be theirs: (K,)."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of rows: kinds of them, and which components these may belong to.

    Attributes
    ----------
    kinds : array of int of shape (N,)
        The number of each row's kind.
    allowed : array of bool of shape (C, K + 1)
        For each kind the components, and last the background.
    """

    kinds: NDArray[np.int32]
    allowed: NDArray[np.bool_]

    @property
    def named(self) -> NDArray[np.bool_]:
        """Which components have rows that are known to be theirs: (K,)."""
        seen = self.allowed[np.unique(self.kinds)]
        alone = seen[seen.sum(axis=1) == 1, :-1]
        return np.asarray(alone.any(axis=0))

    @property
    def is_free(self) -> NDArray[np.bool_]:
        """For each kind whether its rows may belong to anything: (C,)."""
        return np.asarray(self.allowed.all(axis=1))

    @property
    def fewest_components(self) -> int:
        """How many there must be for each that some rows are said to be of."""
        allowed = self.allowed[np.unique(self.kinds), :-1]
        said = allowed[~allowed.all(axis=1)].any(axis=0)
        return int(np.flatnonzero(said).max(initial=-1)) + 1

    def of(self, rows: Any) -> "Known":
        """Of some of the rows."""
        return Known(self.kinds[rows], self.allowed)

    def among(self, n_components: int) -> "Known":
        """The same where there are so many components, the first ones."""
        allowed = np.delete(self.allowed, np.s_[n_components:-1], axis=1)
        return Known(self.kinds, allowed)

    def check_length(self, n_rows: int) -> None:
        """Raise ValueError if these are not so many rows."""
        if len(self.kinds) != n_rows:
            raise ValueError(
                f"labels are of {len(self.kinds)} rows, but X has {n_rows}: there must "
                "be one for each"
            )


def column_of_labels(labels: Any) -> str | None:
    """The name of the column of the table that ``labels`` are, if they are one."""
    is_pair = isinstance(labels, tuple) and len(labels) == 2
    return str(labels[1]) if is_pair and labels[0] == _COLUMN else None


def known_of(estimator: Any, labels: ArrayLike, n_rows: int) -> Known:
    """What ``labels`` of a fit of the estimator say of so many rows."""
    check_keeps_numbers(estimator)
    return check_known(labels, n_rows, estimator.n_components, estimator.noise)


def check_keeps_numbers(estimator: Any) -> None:
    """Raise ValueError if components may get other numbers in a fit."""
    if estimator.on_collapse == "drop":
        raise ValueError(
            "labels are numbers of components, and on_collapse='drop' would give "
            "these others: use 'raise' or 'reseed'"
        )


def check_components_named(known: Knowledge, rows: str) -> None:
    """Raise ValueError for a component of which no row is known."""
    if not known.named.all():
        raise ValueError(
            f"labels name no row of component {int(np.argmin(known.named))}: of rows "
            f"that {rows} each component needs some, or give means_init, "
            "precisions_init and weights_init"
        )


def check_known(
    values: ArrayLike, n_rows: int, n_components: int, noise: bool
) -> Known:
    """What ``labels`` of a fit say of its rows; a missing label says nothing.

    Raises
    ------
    ValueError
        If the shape is another, a label is none, or a row may belong to nothing.
    """
    if np.ndim(values) == 2:
        return _of_mask(values, n_rows, n_components, noise)
    numbers = as_numbers(with_nan(values), "labels")
    numbers = np.where(np.isnan(numbers), UNKNOWN, numbers)
    if numbers.shape != (n_rows,):
        raise ValueError(
            f"labels should have a label for each row of X, in the shape ({n_rows},), "
            f"or say of each component whether it may be the row's, in the shape "
            f"({n_rows}, {n_components}), but has {numbers.shape}"
        )
    least = OF_BACKGROUND if noise else UNKNOWN
    whole = np.isfinite(numbers) & (numbers == np.round(numbers))
    wrong = ~(whole & (numbers >= least) & (numbers < n_components))
    if wrong.any():
        i = int(np.argmax(wrong))
        noisy = ". That is noise, and needs noise=True"
        raise ValueError(
            f"labels must hold numbers of components, from 0 to {n_components - 1}, or "
            f"{UNKNOWN} for rows of which nothing is known, but has {numbers[i]:g} in "
            f"row {i}{noisy if numbers[i] == OF_BACKGROUND else ''}"
        )
    allowed = np.zeros((n_components + 2, n_components + 1), bool)
    allowed[0, -1] = noise
    allowed[1] = True
    allowed[np.arange(n_components) + 2, np.arange(n_components)] = True
    return Known(numbers.astype(np.int32) - OF_BACKGROUND, allowed)


def _of_mask(values: ArrayLike, n_rows: int, n_components: int, noise: bool) -> Known:
    mask = np.asarray(values)
    shapes = [(n_rows, n_components)]
    if noise:
        shapes.append((n_rows, n_components + 1))
    if mask.dtype != bool or mask.shape not in shapes:
        raise ValueError(
            "labels of two dimensions should say of each row and component whether "
            f"that may be the row's, as booleans in the shape {shapes[-1]}, but have "
            f"the type {mask.dtype} and the shape {mask.shape}"
        )
    if mask.shape[1] == n_components:
        mask = np.column_stack([mask, mask.all(axis=1)])
    allowed, kinds = np.unique(mask, axis=0, return_inverse=True)
    nothing = np.asarray(~allowed.any(axis=1))
    if nothing.any():
        row = int(np.argmax(nothing[kinds.ravel()]))
        raise ValueError(f"labels allow no component for row {row}")
    return Known(kinds.ravel().astype(np.int32), allowed)
