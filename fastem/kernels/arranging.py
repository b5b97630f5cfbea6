"""Calls the kernels that arrange rows: equal ones merged, neighbours side by side."""

import numpy as np

from fastem.kernels import ordering
from fastem.kernels.grid import number_of_threads, share
from fastem.kernels.merging import merge_equal
from fastem.kernels.principal_order import order_along_axes
from fastem.kernels.tiles import FEWEST_CARRYING, GROUP_ROWS, NEAR_TILE

# Between two calls Python can see a Ctrl-C.
_ROWS_IN_A_CALL = 1 << 20
# Nodes of the tree from which on each is one thread's.
_NODES = 64
_FEWEST_ROWS = 4096
_PART_SHARE = 0.98
# Rows are numbered in 32 bits. More would not fit the table into memory either.
_MOST_DISTINCT = 2**31 - 1


def merge_equal_rows(
    X: np.ndarray, row_weights: np.ndarray, largest_share: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """The first of each of the distinct rows, and the sums of their weights.

    Parameters
    ----------
    X : array of shape (N, D), C-contiguous, float32 or float64
    row_weights : array of shape (N,) or (0,); empty means all 1
    largest_share : float
        Give up when more than so many of the rows are distinct.

    Returns
    -------
    indices : array of shape (M,), intp
        In increasing order.
    weights : array of shape (M,), float64
    None if the rows are too different.
    """
    largest = int(largest_share * len(X))
    if largest > _MOST_DISTINCT:
        return None
    bits = X.view(f"u{X.itemsize}")
    # A part of the table says whether the whole is worth looking at. Of rows that have
    # one equal each, anywhere in the table, 97 % of the first sixteenth differ.
    part = min(len(X), max(_FEWEST_ROWS, len(X) // 16))
    if _merge(bits[:part], row_weights, int(_PART_SHARE * part)) is None:
        return None
    return _merge(bits, row_weights, largest)


def _merge(
    bits: np.ndarray, row_weights: np.ndarray, largest: int
) -> tuple[np.ndarray, np.ndarray] | None:
    table = np.full(1 << max(2 * largest, 1).bit_length(), -1, np.int32)
    first, sums = np.empty(largest, np.intp), np.empty(largest)
    n_distinct = 0
    for start in range(0, len(bits), _ROWS_IN_A_CALL):
        stop = min(start + _ROWS_IN_A_CALL, len(bits))
        n_distinct = merge_equal(
            bits, row_weights, start, stop, n_distinct, table, first, sums
        )
        if n_distinct > largest:
            return None
    return first[:n_distinct], sums[:n_distinct]


def _waiting() -> np.ndarray:
    """Space for the nodes of a tree that wait for their turn, one a level."""
    return np.empty((64, 2), np.intp)


def smallest_node(n_features: int) -> int:
    """Down to so few rows a table is put in order."""
    return NEAR_TILE if n_features < FEWEST_CARRYING else GROUP_ROWS


def order_rows(
    rows: np.ndarray, weights: np.ndarray, scales: np.ndarray, n_threads: int | None
) -> None:
    """Reorder rows (N, D), in place, so that neighbours lie close together.

    ``weights``, (N,) or (0,), are reordered with them. Spreads of columns are compared
    in units of 1 / ``scales`` (D,). Of few columns each tile is a small box; of more,
    each group small along any direction. On one thread it takes 0.16 us a row of 4
    columns, and 0.35 of 8.
    """
    n_sharing = number_of_threads(n_threads)
    nodes = [(0, len(rows))]
    n_features = rows.shape[1]
    smallest = smallest_node(n_features)
    halves: list[list[tuple[int, int]]] = []
    places = np.empty(len(rows) if smallest == GROUP_ROWS else 0, rows.dtype)

    def order_node(start: int, stop: int, whole: bool) -> int:
        table, node = (rows, weights, scales), (_waiting(), start, stop, whole)
        if smallest == NEAR_TILE:
            return int(ordering.order_node(*table, *node))
        space = np.empty((3, n_features))
        return int(order_along_axes(*table, places, space, *node))

    def split(i: int) -> None:
        start, stop = nodes[i]
        if stop - start > smallest:
            middle = order_node(start, stop, False)
            halves[i] = [(start, middle), (middle, stop)]

    def order(start: int, stop: int) -> None:
        if stop - start > smallest:
            order_node(start, stop, True)

    while nodes and len(nodes) < _NODES:
        halves = [[] for _ in nodes]
        share(split, [(i,) for i in range(len(nodes))], n_sharing)
        nodes = [half for pair in halves for half in pair]
    share(order, nodes, n_sharing)
