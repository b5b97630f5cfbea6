"""The seams of a pass: functions whose code is chosen by the type of an argument.

A covariance structure reaches the kernels as a NamedTuple of arrays (its
*factors*), and so does the place for the results of a pass (its *output*). The
type of the tuple selects the code when a pass is compiled. Numba's cache never
finds classes or functions that are passed as arguments, but it does find these:
0.03 to 0.09 s in a later process, against 0.3 to 0.5 s.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from fastem.kernels.compilation import SUBROUTINE_OPTIONS

# Multiply-adds that take as long as an exponential.
EXPONENTIAL = 50.0

# For what is called once for each vector of rows: a call takes longer than its work.
_INLINED: dict[str, Any] = {**SUBROUTINE_OPTIONS, "forceinline": True}

_log_densities: dict[type, Callable[..., Any]] = {}
_accumulate: dict[type, Callable[..., Any]] = {}
_coefficients: dict[type, Callable[..., Any]] = {}
_box_distances: dict[type, Callable[..., Any]] = {}
_group_distances: dict[type, Callable[..., Any]] = {}
_add_vectors: dict[type, Callable[..., Any]] = {}
_open_tile: dict[type, Callable[..., Any]] = {}
_close_tile: dict[type, Callable[..., Any]] = {}
_carrying_costs: dict[type, Callable[..., Any]] = {}
_whitened_boxes: dict[type, Callable[..., Any]] = {}
_movement: dict[type, Callable[..., Any]] = {}
_bound_log_densities: dict[type, Callable[..., Any]] = {}
_write_rows: dict[type, Callable[..., Any]] = {}


class CarryingCosts(NamedTuple):
    """What a pass costs that carries bounds, to one with all pairs.

    Measured with 8 to 256 components and 5 to 32 columns of flights, cytometry and
    fashion-MNIST. Beside its pairs a pass loads rows and decides; the less a pair
    takes, the more that is.
    """

    pair_work: float  # multiply-adds of a pair of row and component, but for exp
    fixed: float
    of_pairs: float  # times the share that has to be computed (more is)
    of_rows: float  # over K

    def row_work(self, n_components: int) -> float:
        """Multiply-adds of a row, if all pairs are computed."""
        return n_components * (self.pair_work + EXPONENTIAL)

    def relative(self, share: float, n_components: int) -> float:
        """The cost, where ``share`` of the pairs have to be computed."""
        return self.fixed + self.of_pairs * share + self.of_rows / n_components


class Movement(NamedTuple):
    """What has become of the components between two passes.

    With the whitener W of each before and W' now.
    """

    shrink: np.ndarray  # (K,), no more than the smallest singular value of W' W^-1
    conditions: np.ndarray  # (K,): | |W| |W^-1| | of both, added up
    shift: np.ndarray  # (K,): |W' (mean now - mean before)|
    rounded: np.ndarray  # (K,): what else the distances round, in rounding units


def register_factors(
    factors_type: type,
    *,
    log_densities: Callable[..., Any],
    accumulate: Callable[..., Any],
    coefficients: Callable[..., Any],
    box_distances: Callable[..., Any],
) -> None:
    """Declare the code for a kind of factors: what the functions below do with it."""
    _log_densities[factors_type] = log_densities
    _accumulate[factors_type] = accumulate
    _coefficients[factors_type] = coefficients
    _box_distances[factors_type] = box_distances


def _leave_tile(factors, tile, panel, scratch):
    """What most kinds do before the groups of a tile."""


def _leave_sums(factors, tile, weights, values, done, scratch, scatter_out):
    """And after them."""


def register_groups(
    factors_type: type,
    *,
    distances: Callable[..., Any],
    add_vectors: Callable[..., Any],
    whitened_boxes: Callable[..., Any],
    movement: Callable[..., Any],
    carrying_costs: Callable[..., Any],
    open_tile: Callable[..., Any] = _leave_tile,
    close_tile: Callable[..., Any] = _leave_sums,
) -> None:
    """Declare the code that leaves out groups of rows, where a kind has it."""
    _group_distances[factors_type] = distances
    _add_vectors[factors_type] = add_vectors
    _whitened_boxes[factors_type] = whitened_boxes
    _movement[factors_type] = movement
    _carrying_costs[factors_type] = carrying_costs
    _open_tile[factors_type] = open_tile
    _close_tile[factors_type] = close_tile


def register_bounds(
    factors_type: type, *, bound_log_densities: Callable[..., Any]
) -> None:
    """Declare the code by which rows leave before the last column, where a kind has it.

    One function of the kind's, for tiles of the first columns or of all.
    """
    _bound_log_densities[factors_type] = bound_log_densities


def register_output(output_type: type, write: Callable[..., Any]) -> None:
    """Declare the code for a kind of output: write_rows."""
    _write_rows[output_type] = write


def coefficients(factors):
    """What box_distances needs of each component: (K, R). Never compiled."""
    return _coefficients[type(factors)](factors)


def carrying_costs(factors: Any) -> CarryingCosts | None:
    """What passes with bounds cost; None without them. Never compiled."""
    costs_of = _carrying_costs.get(type(factors))
    costs: CarryingCosts | None = None if costs_of is None else costs_of(factors)
    return costs


def whitened_boxes(factors, k, middles, half_widths):
    """W (c - m) and |W| h of boxes, with component k's W and m. Never compiled.

    ``middles`` (n, D) are the c, from the center on, and ``half_widths`` (n, D) the h.
    """
    return _whitened_boxes[type(factors)](factors, k, middles, half_widths)


def movement(before, after, steps, reach):
    """The components' movement between two passes with such factors. Never compiled.

    ``steps`` (K, D) are those of the means, ``reach`` (K, D) numbers that the rows near
    a mean have been rounded like.
    """
    return _movement[type(after)](before, after, steps, reach)


def has_bounds(factors):
    """Whether the kind of factors has code to let rows leave. Never compiled."""
    return type(factors) in _bound_log_densities


# The functions below run as written under NUMBA_DISABLE_JIT=1; compiled code
# takes the overloads after them.


def tile_log_densities(factors, tile, scratch, chosen, kept_out, log_densities_out):
    """Logarithm of weight times density, (n, B), for a tile of rows (D, B).

    ``chosen`` (n,) are the components to compute; ``kept`` gets what tails need later.
    """
    _log_densities[type(factors)](
        factors, tile, scratch, chosen, kept_out, log_densities_out
    )


def tile_accumulate(
    factors, tile, row_weights, chosen, values, scratch, first_out, scatter_out
):
    """Add the tile's first moments (K, D) and scatter (flat) about the means.

    ``values`` (n, B) are responsibilities of the components ``chosen`` (n,), times
    ``row_weights`` (B,) already.
    """
    _accumulate[type(factors)](
        factors, tile, row_weights, chosen, values, scratch, first_out, scatter_out
    )


def box_distances(
    factors, blocks, center, half_widths, scratch, central_out, nearest_out
):
    """Squared whitened distances from a box to each component, (K,) and more.

    ``central`` is that of the box's centre, ``nearest`` a lower bound of that of each
    point. ``blocks`` (K / lanes, R, lanes) are the coefficients of a vector of
    components each, ``center`` and ``half_widths`` (D,) the box, ``scratch`` (2, D).
    """
    _box_distances[type(factors)](
        factors, blocks, center, half_widths, scratch, central_out, nearest_out
    )


def open_tile(factors, tile, panel, scratch):
    """Write into the second D rows of ``scratch`` what distances need of a tile."""
    _open_tile[type(factors)](factors, tile, panel, scratch)


def close_tile(factors, tile, weights, values, done, scratch, scatter_out):
    """Add to the scatter what is not a component's own, once a tile.

    ``values`` (K, B) are what ``add_vectors`` was given, in the groups whose bits are
    in ``done`` (K,); row 2 D of ``scratch`` holds the rows' most likely components.
    """
    _close_tile[type(factors)](
        factors, tile, weights, values, done, scratch, scatter_out
    )


def group_distances(factors, k, tile, b, panel, scratch):
    """Squared whitened distances from component k of the rows b, b + 1, ... of a tile.

    A wide vector. ``panel`` (D, lanes) is space, the first of ``scratch``.
    """
    return _group_distances[type(factors)](factors, k, tile, b, panel, scratch)


def add_vectors(factors, k, tile, r, places, scratch, first_out, scatter_out):
    """Add component k's moments of the vectors of rows that begin at these places.

    ``r`` (B,) are responsibilities times weights; ``places`` are in order.
    """
    _add_vectors[type(factors)](
        factors, k, tile, r, places, scratch, first_out, scatter_out
    )


def bound_log_densities(factors, k, tile, b, residuals):
    """What log-densities of component k are at most, by the first columns of rows.

    A wide vector, of the rows b, b + 1, ... of a tile (C, B) that has C of the columns.
    If it has all, these are the log-densities, to the last bit. ``residuals``
    (D, lanes) is space; None where C is 4.
    """
    return _bound_log_densities[type(factors)](factors, k, tile, b, residuals)


def write_rows(output, start, stop, values, weights, scratch):
    """Write about rows start:stop, given log-densities (K, B) to use up."""
    _write_rows[type(output)](output, start, stop, values, weights, scratch)


@overload(tile_log_densities, jit_options=SUBROUTINE_OPTIONS)
def _overload_log_densities(
    factors, tile, scratch, chosen, kept_out, log_densities_out
):
    return _log_densities.get(factors.instance_class)


@overload(tile_accumulate, jit_options=SUBROUTINE_OPTIONS)
def _overload_accumulate(
    factors, tile, row_weights, chosen, values, scratch, first_out, scatter_out
):
    return _accumulate.get(factors.instance_class)


@overload(box_distances, jit_options=SUBROUTINE_OPTIONS)
def _overload_box_distances(
    factors, blocks, center, half_widths, scratch, central_out, nearest_out
):
    return _box_distances.get(factors.instance_class)


@overload(open_tile, jit_options=SUBROUTINE_OPTIONS)
def _overload_open_tile(factors, tile, panel, scratch):
    return _open_tile.get(factors.instance_class)


@overload(close_tile, jit_options=SUBROUTINE_OPTIONS)
def _overload_close_tile(factors, tile, weights, values, done, scratch, scatter_out):
    return _close_tile.get(factors.instance_class)


@overload(group_distances, jit_options=_INLINED)
def _overload_group_distances(factors, k, tile, b, panel, scratch):
    return _group_distances.get(factors.instance_class)


@overload(add_vectors, jit_options=SUBROUTINE_OPTIONS)
def _overload_add_vectors(factors, k, tile, r, places, scratch, first_out, scatter_out):
    return _add_vectors.get(factors.instance_class)


@overload(bound_log_densities, jit_options=_INLINED)
def _overload_bound_log_densities(factors, k, tile, b, residuals):
    return _bound_log_densities.get(factors.instance_class)


@overload(write_rows, jit_options=SUBROUTINE_OPTIONS)
def _overload_write_rows(output, start, stop, values, weights, scratch):
    return _write_rows.get(output.instance_class)
