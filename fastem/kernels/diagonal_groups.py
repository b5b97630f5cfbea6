"""The diagonal structure where groups of rows, and vectors of rows, are left out."""

import numpy as np

from fastem.kernels.compilation import subroutine
from fastem.kernels.dispatch import Movement
from fastem.kernels.vectors.arithmetic import (
    add,
    add_totals,
    load_narrow,
    load_wide,
    multiply,
    multiply_add,
    narrow_lanes,
    splat_narrow,
    splat_wide,
    subtract,
    total,
)


def whitened_boxes(factors, k, middles, half_widths):
    """W (c - m) and |W| h."""
    whitener = factors.whiteners[k].astype(np.float64)
    return whitener * (middles - factors.means[k]), whitener * half_widths


def movement(before, after, steps, reach):
    """The components' movement: see ``dispatch.movement``.

    A coordinate is rounded by itself. Twice the mean over the standard deviation is
    rounded four times: for the offset, and with the row.
    """
    old, new = (f.whiteners.astype(np.float64) for f in (before, after))
    return Movement(
        (new / old).min(axis=1),
        np.full(len(new), 2.0),
        np.linalg.norm(new * steps, axis=1),
        8 * np.linalg.norm(new * reach, axis=1),
    )


@subroutine(forceinline=True)
def squared_distances(factors, k, tile, b):
    """Squared whitened distances from component k of rows b, ...: a wide vector."""
    offset, whitener = factors.offsets[k], factors.whiteners[k]
    distance = splat_wide(tile.dtype.type(0))
    for j in range(tile.shape[0]):
        # The rounding of this difference is no more than that of the row less the
        # center, so it costs no digit that the tile still has.
        y = multiply_add(
            splat_wide(whitener[j]), load_wide(tile[j], b), splat_wide(offset[j])
        )
        distance = multiply_add(y, y, distance)
    return distance


def distances(factors, k, tile, b, panel, scratch):
    """The same, whose code is chosen by the factors."""
    return squared_distances(factors, k, tile, b)


@subroutine(forceinline=True)
def _number_of_vectors(places, r):
    """Of those listed, or of all if none are."""
    if places is None:
        return r.shape[0] // narrow_lanes(r)
    return places.shape[0]


@subroutine(forceinline=True)
def _start(places, n, r):
    """Where vector n begins."""
    if places is None:
        return n * narrow_lanes(r)
    return places[n]


@subroutine(forceinline=True)
def add_four_moments(j, tile, r, places, mean, first_out, scatter_out):
    """Add first and second moments about the mean of the columns j to j + 3.

    Of the vectors of rows at these places; of all rows for None.
    """
    x0, x1, x2, x3 = tile[j], tile[j + 1], tile[j + 2], tile[j + 3]
    m0, m1 = splat_narrow(mean[j]), splat_narrow(mean[j + 1])
    m2, m3 = splat_narrow(mean[j + 2]), splat_narrow(mean[j + 3])
    zero = splat_narrow(tile.dtype.type(0))
    first0 = first1 = first2 = first3 = zero
    second0 = second1 = second2 = second3 = zero
    for n in range(_number_of_vectors(places, r)):
        b = _start(places, n, r)
        w = load_narrow(r, b)
        d = subtract(load_narrow(x0, b), m0)
        wd = multiply(w, d)
        first0 = add(first0, wd)
        second0 = multiply_add(wd, d, second0)
        d = subtract(load_narrow(x1, b), m1)
        wd = multiply(w, d)
        first1 = add(first1, wd)
        second1 = multiply_add(wd, d, second1)
        d = subtract(load_narrow(x2, b), m2)
        wd = multiply(w, d)
        first2 = add(first2, wd)
        second2 = multiply_add(wd, d, second2)
        d = subtract(load_narrow(x3, b), m3)
        wd = multiply(w, d)
        first3 = add(first3, wd)
        second3 = multiply_add(wd, d, second3)
    add_totals(first0, first1, first2, first3, first_out, j)
    add_totals(second0, second1, second2, second3, scatter_out, j)


@subroutine(forceinline=True)
def add_moments(j, tile, r, places, mean, first_out, scatter_out):
    """The same of column j."""
    m0 = splat_narrow(mean[j])
    first = second = splat_narrow(tile.dtype.type(0))
    for n in range(_number_of_vectors(places, r)):
        b = _start(places, n, r)
        d = subtract(load_narrow(tile[j], b), m0)
        wd = multiply(load_narrow(r, b), d)
        first = add(first, wd)
        second = multiply_add(wd, d, second)
    first_out[j] += total(first)
    scatter_out[j] += total(second)


def add_vectors(factors, k, tile, r, places, scratch, first_out, scatter_out):
    """Add the moments of component k, of the vectors of rows at these places."""
    n_components, n_features = factors.means.shape
    scatter = scatter_out.reshape(n_components, n_features)[k]
    place = tile, r, places, factors.means[k], first_out[k], scatter
    n_fours = n_features - n_features % 4
    for j in range(0, n_fours, 4):
        add_four_moments(j, *place)
    for j in range(n_fours, n_features):
        add_moments(j, *place)
