"""Columns that say which component rows belong to: numbers, or names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.sources.arrow import holds_numbers, holds_text, numbers
from fastem.statistics import Array


@dataclass(frozen=True)
class LabelColumn:
    """The labels of all rows.

    Attributes
    ----------
    values : array of shape (N,)
        NaN where there is none.
    names : tuple of str
        What 0, 1, ... stand for, in the order of the alphabet; empty where the column
        holds numbers.
    """

    values: Array
    names: tuple[str, ...] = ()

    @classmethod
    def read(cls, batches: Iterable[Any], name: str) -> "LabelColumn":
        """From the record batches of a table.

        Raises
        ------
        ValueError
            If the column holds neither numbers nor text.
        """
        import pyarrow as pa

        column = pa.chunked_array([batch.column(name) for batch in batches])
        if holds_numbers(column.type):
            parts = [numbers(chunk).astype(np.float64) for chunk in column.chunks]
            return cls(np.concatenate(parts))
        if not holds_text(column.type):
            raise ValueError(
                f"column {name!r} of labels holds {column.type}: it must hold numbers "
                "of components, or names"
            )
        text = column.cast(pa.string()).to_pylist()
        words = [None if word is None else word.strip() for word in text]
        names = sorted({word for word in words if word})
        number = {word: float(i) for i, word in enumerate(names)}
        values = np.array([number.get(word, np.nan) for word in words])
        return cls(values, tuple(names))

    def of(self, kept: NDArray[np.bool_] | None) -> "LabelColumn":
        """Of some of the rows."""
        return self if kept is None else LabelColumn(self.values[kept], self.names)
