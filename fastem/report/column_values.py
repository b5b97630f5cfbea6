"""Values of a column of any table: as numbers, or as levels with names."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.sources import arrow
from fastem.statistics import Array

# What each row has: the number of its level, or -1; and the levels' names.
Levels = tuple[NDArray[np.intp], Sequence[Any]]


class UntoldColumnError(TypeError):
    """A column of which nothing is told: dates, lists and the like."""


def library_of(column: Any) -> str:
    """What a column or a table comes from: 'pandas', 'polars', 'pyarrow', 'numpy'."""
    return type(column).__module__.partition(".")[0]


def part_of(column: Any, start: int, stop: int) -> Any:
    """Consecutive values of a column."""
    if library_of(column) in ("pyarrow", "polars"):
        return column.slice(start, stop - start)
    return column.iloc[start:stop] if hasattr(column, "iloc") else column[start:stop]


def read_column(values: Any) -> Array | Levels:
    """Numbers with NaN where one is missing; or levels, of text and truth values.

    Raises
    ------
    UntoldColumnError
        If the column holds neither.
    """
    library = library_of(values)
    if library == "pyarrow":
        return _of_arrow(values)
    if library == "polars":
        return _of_polars(values)
    if library == "pandas":
        kind = getattr(values.dtype, "kind", "O")
        if kind in "iuf":
            return np.asarray(values.to_numpy(np.float64, na_value=np.nan), np.float64)
        if kind in "mMc":
            raise UntoldColumnError(str(values.dtype))
        return _factorized(values)
    return _of_numpy(np.asarray(values))


def _of_numpy(values: NDArray[Any]) -> Array | Levels:
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    if values.dtype.kind in "bUS":
        names, codes = np.unique(values, return_inverse=True)
        return np.asarray(codes), names.tolist()
    if values.dtype.kind != "O":
        raise UntoldColumnError(str(values.dtype))
    return _factorized(values)


def levels_of_numbers(values: Array) -> Levels:
    """Numbers as levels, in their order."""
    codes = np.full(len(values), -1)
    there = ~np.isnan(values)
    names, codes[there] = np.unique(values[there], return_inverse=True)
    return codes, names.tolist()


def written(level: Any) -> str:
    """A level as people read it."""
    if isinstance(level, bytes):
        return level.decode("utf-8", "replace")
    return f"{level:.10g}" if isinstance(level, float) else str(level)


def _of_arrow(values: Any) -> Array | Levels:
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    is_boolean = pa.types.is_boolean(values.type)
    if arrow.holds_numbers(values.type) and not is_boolean:
        return np.asarray(arrow.numbers(values), np.float64)
    if not (is_boolean or arrow.holds_text(values.type)):
        raise UntoldColumnError(str(values.type))
    encoded = values.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes.astype(np.intp), encoded.dictionary.to_pylist()


def _of_polars(values: Any) -> Array | Levels:
    pl = import_module("polars")
    if values.dtype.is_numeric():
        return np.asarray(values.cast(pl.Float64).fill_null(np.nan).to_numpy())
    if values.dtype in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
    if values.dtype not in (pl.String, pl.Boolean):
        raise UntoldColumnError(str(values.dtype))
    names = values.drop_nulls().unique().sort()
    codes = values.replace_strict(
        names, list(range(len(names))), default=-1, return_dtype=pl.Int64
    )
    return codes.to_numpy().astype(np.intp), names.to_list()


def _factorized(values: Any) -> Array | Levels:
    """Levels of objects; numbers, if all of them are."""
    codes, names = _codes_of_objects(values)
    if names and all(isinstance(v, Number) for v in names):
        if not any(isinstance(v, bool | np.bool_) for v in names):
            return np.append(np.array(names, np.float64), np.nan)[codes]
    elif not all(isinstance(v, str | bool | np.bool_ | Number) for v in names):
        strange = next(v for v in names if not isinstance(v, str | bool | Number))
        raise UntoldColumnError(type(strange).__name__)
    return codes, names


def _codes_of_objects(values: Any) -> tuple[NDArray[np.intp], Sequence[Any]]:
    if find_spec("pandas") is not None:
        try:
            codes, names = import_module("pandas").factorize(values)
        except TypeError as error:
            raise UntoldColumnError(str(error)) from error
        return np.asarray(codes, np.intp), [
            v.item() if isinstance(v, np.generic) else v for v in names
        ]
    is_missing = np.array([v is None or v != v for v in values], bool)
    codes = np.full(len(values), -1)
    names, codes[~is_missing] = np.unique(
        np.asarray(values)[~is_missing].astype(str), return_inverse=True
    )
    return codes, names.tolist()
