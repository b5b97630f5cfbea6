"""Rows in blocks: what every source of them gives."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fastem.checks.rows import Rows
from fastem.statistics import Array


class Block(NamedTuple):
    """Consecutive rows.

    Attributes
    ----------
    values : array of shape (n, D)
        In the source's type. They may be NaN.
    weights : array of shape (n,), or None
        From the source's column of weights.
    row : int
        Number of the first row in the file, or in what the source calls a block.
    file : Path or None
    kept : array of bool, or None
        For each row of this stretch of the file whether it is in ``values``, if some
        are not.
    """

    values: Rows
    weights: Array | None = None
    row: int = 0
    file: Path | None = None
    kept: NDArray[np.bool_] | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows, with those that are not kept."""
        return len(self.values) if self.kept is None else len(self.kept)

    def position(self, i: int) -> int:
        """Where the i-th of the values stands among all rows."""
        return i if self.kept is None else int(np.flatnonzero(self.kept)[i])


def missing_rows(block: Block) -> NDArray[np.bool_]:
    """Which rows have a missing value, or a missing weight."""
    missing = np.asarray(np.isnan(block.values).any(axis=1))
    return missing if block.weights is None else missing | np.isnan(block.weights)


def without_missing(block: Block) -> Block:
    """The block's rows that have no missing value."""
    kept = ~missing_rows(block)
    if kept.all():
        return block
    weights = None if block.weights is None else block.weights[kept]
    return block._replace(values=block.values[kept], weights=weights, kept=kept)


@runtime_checkable
class Source(Protocol):
    """Rows that can be read block by block, again and again."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the columns."""

    @property
    def n_features(self) -> int:
        """Number of columns, D."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """All rows in order, from the start; where there is a choice, n_rows each."""


class UnreadableFileError(ValueError):
    """A file that cannot be read on."""
