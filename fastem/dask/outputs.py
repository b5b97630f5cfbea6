"""Dask arrays that have a value or several for each row, not computed yet."""

from collections.abc import Iterable, Sequence
from typing import Any

import dask.array
from dask import delayed

from fastem.dask.passes import RowTask, row_values


def values_of_rows(rows: Sequence[Any], lengths: Iterable[float], task: RowTask) -> Any:
    """What the task gives the rows of each partition, as one array.

    Parameters
    ----------
    rows : sequence of Delayed or Future
        Rows of each partition.
    lengths : iterable of float
        How many they are, or NaN.
    task : RowTask

    Returns
    -------
    dask.array.Array
        With a chunk for each partition.
    """
    meta = task.values_of_none()
    shared = delayed(task, traverse=False)
    take = delayed(row_values, pure=False)
    return dask.array.concatenate(
        [
            dask.array.from_delayed(
                take(some, shared), (length, *meta.shape[1:]), meta=meta
            )
            for some, length in zip(rows, lengths, strict=True)
        ]
    )
