"""Columns that say where a row stands, and nothing about it."""

import re

import numpy as np

from fastem.sources.parquet import ParquetBlocks
from fastem.sources.tables import AnyTable

# What pandas writes as the name of row numbers in CSV, or calls them where it reads it.
_UNNAMED = re.compile(r"|Unnamed: \d+")
# Fewer rows may be 1, 2, 3 by chance. Of blocks only the first rows are looked at.
_FEWEST_ROWS = 10
_LOOKED_AT = 1024


def row_numbers(table: AnyTable) -> list[str]:
    """Names of columns that number the rows, from 0 or from 1, or have no name."""
    values, kept = table.values, table.kept
    if isinstance(values, ParquetBlocks):
        first = next(values.blocks(_LOOKED_AT))
        values, kept = first.values, first.kept
    number = np.arange(len(values)) if kept is None else np.flatnonzero(kept)
    return [
        name
        for name, column in zip(table.names, values.T, strict=True)
        if _UNNAMED.fullmatch(name) or _numbers_rows(column, number)
    ]


def _numbers_rows(column: np.ndarray, number: np.ndarray) -> bool:
    if len(column) < _FEWEST_ROWS:
        return False
    start = column[0] - number[0]
    return start in (0, 1) and bool(np.array_equal(column, number + start))
