"""Rows and the points nearest to them: the two walks of k-means."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.compilation import kernel, subroutine
from fastem.kernels.tiles import CHUNK_ROWS, SMALLEST_TILE, load_tile
from fastem.kernels.vectors import (
    load_wide,
    multiply_add,
    splat_wide,
    store,
    subtract,
    total,
    where_less,
    wide_lanes,
)


class Points(NamedTuple):
    """Points, and what a walk keeps of each row about them."""

    center: np.ndarray  # (D,) float64, subtracted from each row as it is loaded
    points: np.ndarray  # (P, D) in the type of the rows, relative to center
    travel: np.ndarray  # (P + 1,) float64, see _assign
    labels: np.ndarray  # (N,) int32
    values: np.ndarray  # (N,) in the type of the rows


@subroutine()
def _squared_distance(tile, point, b):
    distance = splat_wide(tile.dtype.type(0))
    for j in range(tile.shape[0]):
        d = subtract(load_wide(tile[j], b), splat_wide(point[j]))
        distance = multiply_add(d, d, distance)
    return distance


@subroutine(allocates=True)
def _seed(X, row_weights, nearest, start, stop, sums_out):
    n_features = X.shape[1]
    n_points = nearest.points.shape[0]
    tile = np.empty((n_features, SMALLEST_TILE), nearest.points.dtype)
    weights = np.empty(SMALLEST_TILE, nearest.points.dtype)
    closest = np.zeros(SMALLEST_TILE, nearest.points.dtype)
    lanes = wide_lanes(tile)
    for p in range(n_points):
        sums_out[p] = 0
    for tile_start in range(start, stop, SMALLEST_TILE):
        tile_stop = min(tile_start + SMALLEST_TILE, stop)
        n_rows = tile_stop - tile_start
        load_tile(X, row_weights, nearest.center, tile_start, tile_stop, tile, weights)
        for b in range(n_rows):
            closest[b] = nearest.values[tile_start + b]
        for p in range(n_points):
            potential = splat_wide(tile.dtype.type(0))
            for b in range(0, SMALLEST_TILE, lanes):
                distance = _squared_distance(tile, nearest.points[p], b)
                before = load_wide(closest, b)
                distance = where_less(distance, before, distance, before)
                if p == 0:
                    store(distance, closest, b)
                potential = multiply_add(load_wide(weights, b), distance, potential)
            sums_out[p] += np.float64(total(potential))
        for b in range(n_rows):
            nearest.values[tile_start + b] = closest[b]


@subroutine()
def _find_two_nearest(tile, n_rows, points, best_out, second_out, index_out):
    """For each column, squared distances to the two nearest points; whose the first.

    Of equally near points the first one is nearest.
    """
    for b in range(0, n_rows, wide_lanes(tile)):
        best = second = splat_wide(tile.dtype.type(np.inf))
        index = splat_wide(tile.dtype.type(0))
        for p in range(points.shape[0]):
            distance = _squared_distance(tile, points[p], b)
            label = splat_wide(tile.dtype.type(p))
            second = where_less(distance, second, distance, second)
            second = where_less(distance, best, best, second)
            index = where_less(distance, best, label, index)
            best = where_less(distance, best, distance, best)
        store(best, best_out, b)
        store(second, second_out, b)
        store(index, index_out, b)


@subroutine(allocates=True)
def _assign(X, row_weights, nearest, start, stop, sums_out):
    """Move rows to the points nearest to them; sum up what that changes.

    Let a row's nearest point a be nearer than all others by g. When a has moved by s
    and no other point by more than t, a is still nearest if s + t < g (Hamerly, SDM
    2010). So a row keeps, in ``values``, what ``travel[a]``, the sum of s + t over
    all passes, must have reached before the row has to be looked at again; a margin
    covers the rounding of the distances.
    """
    n_features = X.shape[1]
    points, travel = nearest.points, nearest.travel
    labels, values = nearest.labels, nearest.values
    dtype = points.dtype.type
    rows = np.empty(CHUNK_ROWS, np.intp)
    tile = np.zeros((n_features, SMALLEST_TILE), points.dtype)
    best = np.empty(SMALLEST_TILE, points.dtype)
    second = np.empty(SMALLEST_TILE, points.dtype)
    index = np.empty(SMALLEST_TILE, points.dtype)
    rounding = (n_features + 8) * np.finfo(points.dtype).eps
    for s in range(sums_out.shape[0]):
        sums_out[s] = 0
    sums = sums_out[1:].reshape(travel.shape[0], n_features + 2)
    n_open = 0
    for i in range(start, stop):
        rows[n_open] = i
        n_open += 0 if values[i] > travel[labels[i]] else 1
    for first in range(0, n_open, SMALLEST_TILE):
        n_rows = min(SMALLEST_TILE, n_open - first)
        for b in range(n_rows):
            x = X[rows[first + b]]
            for j in range(n_features):
                tile[j, b] = x[j] - nearest.center[j]
        _find_two_nearest(tile, n_rows, points, best, second, index)
        for b in range(n_rows):
            near, far = np.sqrt(np.float64(best[b])), np.sqrt(np.float64(second[b]))
            i = rows[first + b]
            before, label = labels[i], np.intp(index[b])
            reached = travel[label]
            margin = rounding * (near + far + reached)
            values[i] = dtype(reached + (far - near) - margin)
            if label == before:
                continue
            labels[i] = label
            sums_out[0] += 1
            w = np.float64(row_weights[i]) if row_weights.shape[0] > 0 else 1.0
            came, left = sums[label], sums[before]
            for j in range(n_features):
                moment = w * (np.float64(X[i, j]) - nearest.center[j])
                came[j] += moment
                left[j] -= moment
            came[n_features] += w
            left[n_features] -= w
            if w > 0:
                came[n_features + 1] += 1
                left[n_features + 1] -= 1


@kernel(nogil=True)
def seed_chunks(X, row_weights, nearest, start, stop, sums_out):
    """Potentials of k-means++ if each of some candidates became a point.

    The first of ``points`` has become one: ``values``, the squared distances of the
    rows to the points so far, are brought up to date with it. For each chunk of rows
    start:stop, ``sums_out`` (C, P) are the weighted sums of those for the first one,
    and for each other one of what they would become with it.
    """
    for c in range(sums_out.shape[0]):
        first = start + c * CHUNK_ROWS
        last = min(first + CHUNK_ROWS, stop)
        _seed(X, row_weights, nearest, first, last, sums_out[c])


@kernel(nogil=True)
def assign_chunks(X, row_weights, nearest, start, stop, sums_out):
    """Move rows to the points nearest to them; sum up what that changes.

    A row without a point has label P, the number of points. For each chunk of rows
    start:stop, ``sums_out`` holds how many rows have changed their label, and for
    each of P + 1 labels the weighted sums of rows (less center), of weights, and of
    rows of positive weight: those that came less those that left.
    """
    for c in range(sums_out.shape[0]):
        first = start + c * CHUNK_ROWS
        last = min(first + CHUNK_ROWS, stop)
        _assign(X, row_weights, nearest, first, last, sums_out[c])
