"""Columns of a fitted mixture, by name or number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastem.checks.arrays import as_numbers
from fastem.statistics import Array


def column_number(model: Any, column: Any, otherwise: str) -> int:
    """The number of a column; the error for one that is none begins with this."""
    n_columns = model.means_.shape[1]
    names = [str(name) for name in getattr(model, "feature_names_in_", ())]
    if isinstance(column, str) and column in names:
        return names.index(column)
    if isinstance(column, Integral) and 0 <= int(column) < n_columns:
        return int(column)
    known = ", ".join(map(repr, names)) if names else f"0 to {n_columns - 1}"
    raise ValueError(f"{otherwise} a column of the model, which are {known}")


def column_numbers(model: Any, columns: Any) -> NDArray[np.intp]:
    """The numbers of several columns, or of one: in the order given.

    Raises
    ------
    ValueError
        If there is none, one that the model does not have, or one twice.
    """
    several: Sequence[Any] = (
        [columns] if isinstance(columns, (str, Integral)) else list(columns)
    )
    if not several:
        raise ValueError("columns is empty: name at least one")
    numbers = [column_number(model, c, f"columns: {c!r} is not") for c in several]
    if len(set(numbers)) < len(numbers):
        twice = next(c for i, c in enumerate(several) if numbers[i] in numbers[:i])
        raise ValueError(f"columns: {twice!r} is there twice")
    return np.array(numbers, dtype=np.intp)


def row_of_values(model: Any, values: ArrayLike | Mapping[Any, float] | Any) -> Array:
    """A row (D,) of which some values are known, and the others NaN.

    Parameters
    ----------
    values : mapping, Series or array-like of shape (D,)
        Values by columns' names or numbers; or a row with NaN where nothing is known.
    """
    n_columns = model.means_.shape[1]
    if hasattr(values, "items"):
        row = np.full(n_columns, np.nan)
        for column, value in values.items():
            number = column_number(model, column, f"values: {column!r} is not")
            row[number] = as_numbers([value], f"values[{column!r}]")[0]
    else:
        row = as_numbers(values, "values").ravel()
        if row.shape != (n_columns,):
            raise ValueError(
                f"values should be a row of {n_columns} columns, with NaN where "
                f"nothing is known, but has {row.size} values"
            )
    known = ~np.isnan(row)
    if not known.any():
        raise ValueError("values says nothing: each one is missing")
    if known.all():
        raise ValueError(
            "values leaves nothing open: each column has one, and what is asked for is "
            "the distribution of the others"
        )
    if np.isinf(row).any():
        raise ValueError(
            f"values must be finite, but column {np.argmax(np.isinf(row))} is not"
        )
    return row
