"""Brings rows into an order in which neighbours in the table lie close together.

The order is that of a k-d tree (Bentley, CACM 1975): rows are split at a median of
the column in which they spread most, and the halves again, down to tiles.
"""

import numpy as np

from fastem.kernels.compilation import kernel, subroutine
from fastem.kernels.tiles import NEAR_TILE


@subroutine()
def _swap(rows, weights, a, b):
    for j in range(rows.shape[1]):
        rows[a, j], rows[b, j] = rows[b, j], rows[a, j]
    if weights.shape[0] > 0:
        weights[a], weights[b] = weights[b], weights[a]


@subroutine()
def _select(rows, weights, start, stop, middle, column):
    """Reorder start:stop so that no row before ``middle`` is above one after it.

    Hoare's selection, with the median of three as the pivot.
    """
    low, high = start, stop - 1
    while low < high:
        a = rows[low, column]
        b = rows[(low + high) // 2, column]
        c = rows[high, column]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while rows[i, column] < pivot:
                i += 1
            while rows[j, column] > pivot:
                j -= 1
            if i <= j:
                _swap(rows, weights, i, j)
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@subroutine()
def _split(rows, weights, scales, start, stop):
    """Split start:stop in the column of largest spread; return where."""
    widest, column = -1.0, 0
    for j in range(rows.shape[1]):
        low = high = rows[start, j]
        for i in range(start + 1, stop):
            low, high = min(low, rows[i, j]), max(high, rows[i, j])
        width = (np.float64(high) - np.float64(low)) * scales[j]
        if width > widest:
            widest, column = width, j
    # Whole tiles on the left.
    half = (stop - start + 1) // 2
    middle = start + -(-half // NEAR_TILE) * NEAR_TILE
    _select(rows, weights, start, stop, middle, column)
    return middle


@kernel(nogil=True)
def order_node(rows, weights, scales, waiting, start, stop, whole):
    """Split rows start:stop once, or all the way down to tiles if ``whole`` is true.

    ``rows`` (N, D) and ``weights``, (N,) or (0,), are reordered in place; spreads are
    compared in units of 1 / ``scales`` (D,); ``waiting`` (64, 2), intp, is space to
    work in. Returns where the first right half starts.
    """
    first_middle = _split(rows, weights, scales, start, stop)
    if not whole:
        return first_middle
    # Depth first, so that the rows of a node stay in the cache.
    waiting[0, 0], waiting[0, 1] = start, first_middle
    waiting[1, 0], waiting[1, 1] = first_middle, stop
    n_waiting = 2
    while n_waiting > 0:
        n_waiting -= 1
        start, stop = waiting[n_waiting, 0], waiting[n_waiting, 1]
        while stop - start > NEAR_TILE:
            middle = _split(rows, weights, scales, start, stop)
            waiting[n_waiting, 0], waiting[n_waiting, 1] = middle, stop
            n_waiting += 1
            stop = middle
    return first_middle
