"""Dask arrays that have a value or several for each row, not computed yet."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import dask.array
from dask import delayed
from dask.highlevelgraph import HighLevelGraph

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
    blocks = [take(some, shared) for some in rows]
    # Not dask.array.concatenate, which leaves out partitions without rows.
    name = f"{task.kernel.__name__}-{uuid.uuid4().hex}"
    columns = (0,) * (meta.ndim - 1)
    graph = HighLevelGraph.from_collections(
        name,
        {(name, i, *columns): block.key for i, block in enumerate(blocks)},
        dependencies=blocks,
    )
    chunks = (tuple(lengths), *((n,) for n in meta.shape[1:]))
    return dask.array.Array(graph, name, chunks, meta=meta)
