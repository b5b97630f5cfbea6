"""Leaves out the components that are too far from a whole tile to count.

Let d be a lower bound of the whitened distance ||W (x - mean)|| from every row of a
tile to a component. Then no row of the tile has a weighted log-density above
log_normalizer - d^2 / 2. Where that is less than the log-likelihood of each row by
more than ``cutoff`` = log(N / eps), no responsibility of the component in the tile
exceeds eps / N. Leaving it out moves the component's sum of responsibilities over all
rows by no more than eps of one row, its whitened moments by some hundred eps of one
row, and the log-likelihood of a row by K eps / N: the same result to rounding.

Bounds come from the pass before, which has computed the distances themselves where
it did not skip. With W' = A W and a mean moved by m,

    ||W' (x - mean - m)|| >= ||W (x - mean)|| / ||A^-1|| - ||W' m||,

two numbers for a component, whatever the tile is (the triangle inequality, as
Hamerly and Elkan use it for k-means; SDM 2010, ICML 2003).
"""

import math
from typing import NamedTuple

import numpy as np

from fastem.kernels.compilation import subroutine
from fastem.kernels.tiles import SMALLEST_TILE
from fastem.kernels.vectors import load_narrow, maximum, narrow_lanes, store

# Of float32 bounds, so that they round downwards.
_ROUNDED_DOWN = np.float32(1 - 1e-6)
# Less than any bound but -inf, which stands for components that are chosen already.
_LOWEST = np.finfo(np.float64).min


class Nearness(NamedTuple):
    """What is known of T tiles and K components; T = 0 where nothing is skipped."""

    distances: np.ndarray  # (T, K) float32, lower bounds under the last parameters
    floors: np.ndarray  # (T,) float64, what the last pass skipped below
    n_chosen: np.ndarray  # (T,) int32, how many components the last pass computed
    shrinks: np.ndarray  # (K,) float64, 1 / ||A^-1||
    shifts: np.ndarray  # (K,) float64, ||W' m||
    cutoff: float


def unknown_nearness(n_rows, n_components):
    """Nearness that skips nothing in the first pass, or never with no rows."""
    n_tiles = -(-n_rows // SMALLEST_TILE)
    return Nearness(
        distances=np.zeros((n_tiles, n_components), np.float32),
        floors=np.full(n_tiles, -np.inf),
        n_chosen=np.zeros(n_tiles, np.int32),
        shrinks=np.ones(n_components),
        shifts=np.zeros(n_components),
        cutoff=math.log(max(n_rows, 1) / np.finfo(np.float64).eps),
    )


@subroutine()
def bound_log_densities(nearness, tile_index, log_normalizers, bounds_out):
    """Upper bounds of a tile's log-densities under the new parameters, (K,)."""
    distances = nearness.distances[tile_index]
    for k in range(bounds_out.shape[0]):
        moved = distances[k] * nearness.shrinks[k] - nearness.shifts[k]
        distance = np.float32(max(moved, 0.0)) * _ROUNDED_DOWN
        distances[k] = distance
        bounds_out[k] = log_normalizers[k] - 0.5 * np.float64(distance) * distance


@subroutine()
def choose_components(bounds, threshold, chosen_out, n_chosen):
    """Append the components whose bound reaches the threshold; return how many are.

    A bound that is not a number counts as reaching it.
    """
    threshold = max(threshold, _LOWEST)
    for k in range(bounds.shape[0]):
        if not (bounds[k] < threshold):
            chosen_out[n_chosen] = k
            n_chosen += 1
            bounds[k] = -np.inf
    return n_chosen


@subroutine()
def choose_best_component(bounds, chosen_out):
    """Choose the component with the largest bound, and none else; return 1."""
    best = 0
    for k in range(1, bounds.shape[0]):
        if bounds[k] > bounds[best]:
            best = k
    chosen_out[0] = best
    bounds[best] = -np.inf
    return 1


@subroutine()
def learn_distances(nearness, tile_index, log_normalizers, chosen, values):
    """Keep the distances that log-densities (n, B) of the chosen components show."""
    lanes = narrow_lanes(values)
    peak = np.empty(lanes, values.dtype)
    rounding = 8 * np.finfo(values.dtype).eps
    for a in range(values.shape[0]):
        value = values[a]
        largest = load_narrow(value, 0)
        for b in range(lanes, value.shape[0], lanes):
            largest = maximum(largest, load_narrow(value, b))
        store(largest, peak, 0)
        top = peak[0]
        for b in range(1, lanes):
            top = peak[b] if peak[b] > top else top
        k = chosen[a]
        normalizer = np.float64(log_normalizers[k])
        slack = rounding * (abs(normalizer) + abs(np.float64(top)))
        squared = 2 * (normalizer - np.float64(top) - slack)
        distance = np.sqrt(squared) if squared > 0 else 0.0
        nearness.distances[tile_index, k] = np.float32(distance) * _ROUNDED_DOWN
