"""Rows and the points nearest to them: the two walks of k-means."""

from typing import NamedTuple

import numpy as np

from fastem.kernels.compilation import kernel, subroutine
from fastem.kernels.tiles import (
    CHUNK_ROWS,
    SMALLEST_TILE,
    aligned_empty,
    load_tile,
    rounding_unit,
)
from fastem.kernels.vectors.arithmetic import (
    load_wide,
    multiply_add,
    splat_wide,
    store,
    subtract,
    total,
    where_less,
    wide_lanes,
)
from fastem.kernels.vectors.stacks import add_column, repeat_rows
from fastem.kernels.vectors.transposition import load_transposed, transposed_rows

_EPSILON = float(np.finfo(np.float64).eps)
# What float32 rounds to 0 or loses digits of, and what rounding may add to a lead.
_SMALLEST = np.float32(1e-36)
_LESS = np.float32(1 - 1e-6)
_SHORT_ROW = 4  # columns: rows of no more are not copied before they are transposed


class Points(NamedTuple):
    """Points, and what a walk keeps of each row about them."""

    center: np.ndarray  # (D,) float64, subtracted from each row as it is loaded
    points: np.ndarray  # (P, D) float64, relative to center
    travel: np.ndarray  # (P + 1,) float64, see assign_chunks
    labels: np.ndarray  # (N,) int32
    values: np.ndarray  # (N,) in the type of the rows


class SeedSpace(NamedTuple):
    """What the walk of k-means++ works in."""

    tile: np.ndarray  # (D, B) in the type of the rows
    weights: np.ndarray  # (B,)
    closest: np.ndarray  # (B,)


def seed_space(X: np.ndarray, nearest: Points) -> SeedSpace:
    """Space for a walk over X."""
    rows = aligned_empty(X.shape[1] + 2, SMALLEST_TILE, X.dtype)
    tile, weights, closest = rows[:-2], rows[-2], rows[-1]
    closest[:] = 0
    return SeedSpace(tile, weights, closest)


class AssignSpace(NamedTuple):
    """What the walk of the assignments works in: float32, but for rows."""

    rows: np.ndarray  # (chunk and a tile more,) intp, numbers of rows
    buffer: np.ndarray  # (B, R), R the columns and some zeros, to whole fours
    tile: np.ndarray  # (1 + R, B), ones and the columns
    scorers: np.ndarray  # (P to whole fours, 1 + D)
    results: np.ndarray  # (5, B)


def assign_space(X: np.ndarray, nearest: Points) -> AssignSpace:
    """Space for a walk over X."""
    n_points, n_features = nearest.points.shape
    width = -(-n_features // 4) * 4
    buffer = aligned_empty(SMALLEST_TILE, width, np.float32)
    rows = aligned_empty(1 + width + 5, SMALLEST_TILE, np.float32)
    tile, results = rows[:-5], rows[-5:]
    buffer[:] = 0
    tile[:] = 1
    return AssignSpace(
        np.zeros(CHUNK_ROWS + SMALLEST_TILE, np.intp),
        buffer,
        tile,
        np.zeros((-(-n_points // 4) * 4, 1 + n_features), np.float32),
        results,
    )


@subroutine()
def _squared_distance(tile, point, b):
    distance = splat_wide(tile.dtype.type(0))
    for j in range(tile.shape[0]):
        d = subtract(load_wide(tile[j], b), splat_wide(tile.dtype.type(point[j])))
        distance = multiply_add(d, d, distance)
    return distance


@subroutine()
def _load_rows(X, rows, center, n_rows, buffer, tile_out):
    """Copy X[rows], less the center, as columns of the tile, below its first row.

    Of so many rows, and further ones to a whole vector.

    By way of a buffer: read row by row, a table comes from memory several times
    faster than read by squares. Of two to four columns, which lie in a line of the
    cache or two, that took twice as long.
    """
    if center.shape[0] <= _SHORT_ROW:
        for b in range(n_rows):
            i = np.uintp(rows[b])
            for j in range(center.shape[0]):
                tile_out[1 + j, b] = X[i, j] - center[j]
        return
    for b in range(n_rows):
        x, row = X[np.uintp(rows[b])], buffer[b]
        for j in range(center.shape[0]):
            row[j] = x[j] - center[j]
    for b in range(0, n_rows, transposed_rows(buffer)):
        for j in range(0, buffer.shape[1], 4):
            columns = (j, j + 1, j + 2, j + 3)
            load_transposed(buffer, b, columns, None, tile_out[1:], b)


@subroutine()
def _keep_two(score, label, best, second, index):
    second = where_less(score, second, score, second)
    second = where_less(score, best, best, second)
    index = where_less(score, best, label, index)
    return where_less(score, best, score, best), second, index


@subroutine()
def _find_two_nearest(
    tile, scorers, n_rows, squares_out, best_out, second_out, index_out
):
    """For so many columns the two smallest scores, and whose the first is.

    Of equal scores the first one is the smallest.
    """
    zero = splat_wide(tile.dtype.type(0))
    for b in range(0, n_rows, wide_lanes(tile)):
        square = zero
        for j in range(1, scorers.shape[1]):
            x = load_wide(tile[j], b)
            square = multiply_add(x, x, square)
        best = second = splat_wide(tile.dtype.type(np.inf))
        index = zero
        for p in range(0, scorers.shape[0], 4):
            rows = (p, p + 1, p + 2, p + 3)
            scores = repeat_rows(zero, rows)
            for j in range(scorers.shape[1]):
                scores = add_column(scorers, rows, j, load_wide(tile[j], b), scores)
            s0, s1, s2, s3 = scores
            l0 = splat_wide(tile.dtype.type(p))
            l1 = splat_wide(tile.dtype.type(p + 1))
            l2 = splat_wide(tile.dtype.type(p + 2))
            l3 = splat_wide(tile.dtype.type(p + 3))
            best, second, index = _keep_two(s0, l0, best, second, index)
            best, second, index = _keep_two(s1, l1, best, second, index)
            best, second, index = _keep_two(s2, l2, best, second, index)
            best, second, index = _keep_two(s3, l3, best, second, index)
        store(square, squares_out, b)
        store(best, best_out, b)
        store(second, second_out, b)
        store(index, index_out, b)


@subroutine()
def _positive(x):
    return x if x > 0 else np.float32(0)


@subroutine()
def _find_leads(rounding, squares, best, second, n_rows, leads_out):
    """By how much at least each nearest point is nearer than all others.

    Not positive where rounding leaves open which one it is. Of a point p at distance
    d, the error of the score is below rounding (|p|^2 + 2 |x| |p|) / 2, and so below
    rounding (2 |x| + d)^2 / 2.
    """
    for b in range(n_rows):
        square = squares[b]
        reach = np.sqrt(square) + np.sqrt(square)
        reach += np.sqrt(_positive(square + second[b]))
        error = rounding * reach * reach + _SMALLEST
        difference = second[b] - best[b] - error
        near = _positive(square + best[b]) + error
        roots = np.sqrt(near) + np.sqrt(near + _positive(difference))
        leads_out[b] = _LESS * difference / roots


@subroutine()
def _search(x, nearest):
    """The nearest point of one row, and its lead, by plain distances in float64."""
    n_points, n_features = nearest.points.shape
    label, best, second = 0, np.inf, np.inf
    for p in range(n_points):
        point = nearest.points[p]
        distance = 0.0
        for j in range(n_features):
            d = (np.float64(x[j]) - nearest.center[j]) - point[j]
            distance += d * d
        if distance < best:
            label, best, second = p, distance, best
        elif distance < second:
            second = distance
    near, far = np.sqrt(best), np.sqrt(second)
    return label, (far - near) - (n_features + 8) * _EPSILON * (near + far)


@kernel(nogil=True)
def seed_chunks(X, row_weights, nearest, space, start, stop, sums_out):
    """Potentials of k-means++ if each of some candidates became a point.

    The first of ``points`` has become one: ``values``, the squared distances of the
    rows to the points so far, are brought up to date with it. For each chunk of rows
    start:stop, ``sums_out`` (C, P) are the weighted sums of those for the first one,
    and for each other one of what they would become with it.
    """
    points, values = nearest.points, nearest.values
    tile, weights, closest = space.tile, space.weights, space.closest
    lanes = wide_lanes(tile)
    for c in range(sums_out.shape[0]):
        first = start + c * CHUNK_ROWS
        last = min(first + CHUNK_ROWS, stop)
        sums = sums_out[c]
        for p in range(points.shape[0]):
            sums[p] = 0
        for tile_start in range(first, last, SMALLEST_TILE):
            tile_stop = min(tile_start + SMALLEST_TILE, last)
            n_rows = tile_stop - tile_start
            load_tile(
                X, row_weights, nearest.center, tile_start, tile_stop, tile, weights
            )
            for b in range(n_rows):
                closest[b] = values[tile_start + b]
            for p in range(points.shape[0]):
                potential = splat_wide(tile.dtype.type(0))
                for b in range(0, SMALLEST_TILE, lanes):
                    distance = _squared_distance(tile, points[p], b)
                    before = load_wide(closest, b)
                    distance = where_less(distance, before, distance, before)
                    if p == 0:
                        store(distance, closest, b)
                    potential = multiply_add(load_wide(weights, b), distance, potential)
                sums[p] += np.float64(total(potential))
            for b in range(n_rows):
                values[tile_start + b] = closest[b]


@kernel(nogil=True)
def assign_chunks(X, row_weights, nearest, space, start, stop, sums_out):
    """Move rows to the points nearest to them; sum up what that changes.

    A row without a point has label P, the number of points. For each chunk of rows
    start:stop, ``sums_out`` holds how many rows have changed their label, and for
    each of P + 1 labels the weighted sums of rows (less center), of weights, and of
    rows of positive weight: those that came less those that left.

    Let a row's nearest point a be nearer than all others by g. When a has moved by s
    and no other point by more than t, a is still nearest if s + t < g (Hamerly, SDM
    2010). So a row keeps, in ``values``, what ``travel[a]``, the sum of s + t over
    all passes, must have reached before the row has to be looked at again.

    Points are ranked by |p|^2 - 2 x.p in float32. A row for which its rounding
    leaves a doubt is compared with each point in float64: of overlapping clusters
    with 16 columns, one in some thousands.
    """
    n_points, n_features = nearest.points.shape
    travel, labels, values = nearest.travel, nearest.labels, nearest.values
    dtype = values.dtype.type
    rows, buffer, tile, scorers = space.rows, space.buffer, space.tile, space.scorers
    lanes = wide_lanes(tile)
    for p in range(n_points, scorers.shape[0]):
        scorers[p, 0] = np.inf
    for p in range(n_points):
        point, square = nearest.points[p], 0.0
        for j in range(n_features):
            square += point[j] * point[j]
            scorers[p, 1 + j] = -2 * point[j]
        scorers[p, 0] = square
    squares, best, second = space.results[0], space.results[1], space.results[2]
    index, leads = space.results[3], space.results[4]
    shorter = 1 - 4 * rounding_unit(values)
    rounding = np.float32((n_features + 8) * 2.0**-23)
    for c in range(sums_out.shape[0]):
        chunk_start = start + c * CHUNK_ROWS
        counts = sums_out[c]
        for s in range(counts.shape[0]):
            counts[s] = 0
        sums = counts[1:].reshape(travel.shape[0], n_features + 2)
        chunk_stop = min(chunk_start + CHUNK_ROWS, stop)
        n_open = np.uintp(0)  # unsigned, as none is looked at for being negative then
        for i in range(np.uintp(chunk_start), np.uintp(chunk_stop)):
            rows[n_open] = i
            n_open += np.uintp(not values[i] > travel[np.uint32(labels[i])])
        n_open = np.intp(n_open)
        for first in range(0, n_open, SMALLEST_TILE):
            n_rows = min(SMALLEST_TILE, n_open - first)
            # To whole vectors: further rows may be any.
            n_seen = -(-n_rows // lanes) * lanes
            _load_rows(X, rows[first:], nearest.center, n_seen, buffer, tile)
            _find_two_nearest(tile, scorers, n_seen, squares, best, second, index)
            _find_leads(rounding, squares, best, second, n_seen, leads)
            n_moved = np.uintp(0)
            for b in range(n_rows):
                i = np.uintp(rows[first + b])
                label, lead = np.intp(index[b]), np.float64(leads[b])
                if not lead > 0:
                    label, lead = _search(X[i], nearest)
                values[i] = dtype((travel[label] + lead) * shorter)
                # Listed in place of what was looked at, so that there is no branch.
                rows[np.uintp(first) + n_moved], index[n_moved] = i, label
                n_moved += np.uintp(label != labels[i])
            for b in range(n_moved):
                i = np.uintp(rows[np.uintp(first) + b])
                before, label = labels[i], np.intp(index[b])
                labels[i] = label
                counts[0] += 1
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
