"""One walk over the rows, chunk by chunk and tile by tile."""

from fastem.kernels.background import (
    add_background,
    least_log_density,
    number_of_backgrounds,
)
from fastem.kernels.compilation import kernel, subroutine
from fastem.kernels.dispatch import (
    box_distances,
    tile_accumulate,
    tile_log_densities,
    write_rows,
)
from fastem.kernels.skipping import (
    bound_box,
    choose_central,
    choose_reaching,
    drop_faint,
)
from fastem.kernels.tails import number_of_tails, weigh_rows
from fastem.kernels.tiles import (
    CHUNK_ROWS,
    load_tile,
    normalize_responsibilities,
    raise_maximum,
    rounding_unit,
)


@subroutine()
def _near_log_densities(factors, reach, space):
    """Log-densities (n, B) of the n components that count somewhere in a tile.

    Returns the number of components that were computed, and n.
    """
    tile, scratch, values_out = space.tile, space.scratch, space.values
    box, taken, chosen_out = space.near.box, space.near.taken, space.chosen
    central, nearest = space.near.distances[0], space.near.distances[1]
    largest = scratch[2 * factors.means.shape[1] + 2]
    largest[:] = values_out.dtype.type(least_log_density(factors.background))
    bound_box(tile, box[0], box[1])
    box_distances(factors, reach.blocks, box[0], box[1], box[2:], central, nearest)
    n_done = 0
    n_chosen = choose_central(reach, central, taken, chosen_out)
    for batch in range(2):
        values = values_out[n_done:n_chosen]
        chosen = chosen_out[n_done:n_chosen]
        tile_log_densities(factors, tile, scratch, chosen, space.kept, values)
        raise_maximum(values, largest)
        n_done = n_chosen
        if batch == 0:
            # What counts at the centre gives each row a first log-likelihood.
            n_chosen = choose_reaching(
                reach, nearest, largest, taken, chosen_out, n_chosen
            )
    return n_done, drop_faint(reach, largest, chosen_out, values_out, n_done)


@subroutine()
def _count_present(responsibilities, weights):
    """Number of responsibilities that are more than rounding."""
    eps = rounding_unit(weights)
    n_present = 0
    for a in range(responsibilities.shape[0]):
        r = responsibilities[a]
        for b in range(weights.shape[0]):
            n_present += r[b] > eps * weights[b]
    return n_present


@kernel(nogil=True)
def expectation_chunks(X, row_weights, factors, reach, space, start, stop, sums_out):
    """Sums over rows start:stop under the parameters in ``factors``.

    For each chunk, a row of ``sums_out`` holds the log-likelihood, a number of (row,
    component) pairs, the K weights and the background's if there is one, 2 K sums
    where tails are not Gaussian, the K x D first moments and the scatter. The pairs are
    those that were computed, or else, counted in the first tile, those that had to be.
    ``space`` is that of tiles.
    """
    n_components, n_features = factors.means.shape
    tile, weights, values = space.tile, space.weights, space.values
    scratch, chosen = space.scratch, space.chosen
    width = tile.shape[1]
    weights_stop = 2 + n_components + number_of_backgrounds(factors.background)
    first_start = weights_stop + number_of_tails(factors.tails, n_components)
    scatter_start = first_start + n_components * n_features
    for c in range(sums_out.shape[0]):
        chunk_start = start + c * CHUNK_ROWS
        chunk_stop = min(chunk_start + CHUNK_ROWS, stop)
        sums = sums_out[c]
        sums[:] = 0
        weight_sums = sums[2:weights_stop]
        tail_sums = sums[weights_stop:first_start]
        first = sums[first_start:scatter_start].reshape(n_components, n_features)
        scatter = sums[scatter_start:]
        for tile_start in range(chunk_start, chunk_stop, width):
            tile_stop = min(tile_start + width, chunk_stop)
            load_tile(
                X, row_weights, factors.center, tile_start, tile_stop, tile, weights
            )
            if reach is None:
                n_chosen = n_components
                computed = chosen[:n_chosen], space.kept, values[:n_chosen]
                tile_log_densities(factors, tile, scratch, *computed)
            else:
                n_computed, n_chosen = _near_log_densities(factors, reach, space)
                sums[1] += n_computed * (tile_stop - tile_start)
            n_all = add_background(factors.background, values, chosen, n_chosen)
            sums[0] += normalize_responsibilities(
                values[:n_all], weights, scratch, chosen[:n_all], weight_sums
            )
            present, r = chosen[:n_chosen], values[:n_chosen]
            if reach is None and tile_start == chunk_start:
                n_tiles = (chunk_stop - chunk_start) / (tile_stop - tile_start)
                sums[1] += _count_present(r, weights) * n_tiles
            weigh_rows(factors.tails, present, space.kept, r, tail_sums)
            tile_accumulate(factors, tile, weights, present, r, scratch, first, scatter)


@kernel(nogil=True)
def row_chunks(X, factors, output, space, start, stop, sums_out):
    """What ``output`` says of rows start:stop, written into it.

    ``sums_out`` (C, 0) has a row for each chunk, as for every walk over the rows, and
    nothing in it.
    """
    tile, weights, values = space.tile, space.weights, space.values
    scratch, chosen = space.scratch, space.chosen
    n_components, width = factors.means.shape[0], tile.shape[1]
    for c in range(sums_out.shape[0]):
        chunk_start = start + c * CHUNK_ROWS
        chunk_stop = min(chunk_start + CHUNK_ROWS, stop)
        for tile_start in range(chunk_start, chunk_stop, width):
            tile_stop = min(tile_start + width, chunk_stop)
            load_tile(
                X, weights[:0], factors.center, tile_start, tile_stop, tile, weights
            )
            computed = chosen[:n_components], space.kept, values[:n_components]
            tile_log_densities(factors, tile, scratch, *computed)
            add_background(factors.background, values, chosen, n_components)
            write_rows(output, tile_start, tile_stop, values, weights, scratch)
