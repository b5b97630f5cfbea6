"""Tables of columns told by shares: yes or no in one, others each in its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fastem.report.column_tallies import LevelColumn
from fastem.report.outcomes import YES
from fastem.report.report_contents import Contents
from fastem.statistics import Array

MOST_LEVELS = 8  # of a column that are listed


@dataclass(frozen=True)
class LevelTable:
    """Shares of levels, in all rows and in each cluster.

    Attributes
    ----------
    name : str
        Of the column, or what several have in common.
    lines : list of (str, array)
        A level, its share of all rows and of those of each cluster, the heaviest first.
    n_left : int
        How many rarer levels are not listed.
    """

    name: str
    lines: list[tuple[str, Array]]
    n_left: int


def level_tables(contents: Contents) -> Iterator[LevelTable]:
    """All of them: columns of yes or no share the first."""
    columns = [c for c in contents.beside if isinstance(c, LevelColumn)]
    listed = {column.name: _listed(column) for column in columns}
    yes_or_no = [column for column in columns if len(listed[column.name]) == 1]
    if yes_or_no:
        lines = []
        for column in yes_or_no:
            (j,) = listed[column.name]
            name = f"{column.name} = {column.levels[j]}"
            lines.append((name, _shares(contents, column, j)))
        yield LevelTable("Yes or no", lines, 0)
    for column in columns:
        which = listed[column.name]
        if len(which) > 1:
            lines = [(column.levels[j], _shares(contents, column, j)) for j in which]
            yield LevelTable(column.name, lines, len(column.levels) - len(which))


def _listed(column: LevelColumn) -> list[int]:
    """Levels to be listed: yes alone, without no; of many the most frequent."""
    if len(column.levels) == 2:
        yes = [j for j in range(2) if column.levels[j].casefold() in YES]
        return yes[:1] or [0, 1]
    most = np.argsort(-column.overall, kind="stable")[:MOST_LEVELS]
    return [int(j) for j in np.sort(most)]


def _shares(contents: Contents, column: LevelColumn, j: int) -> Array:
    return np.append(column.overall[j], column.shares[list(contents.components), j])
