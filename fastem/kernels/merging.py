"""Finds rows that are equal, bit by bit: one row of more weight does for them all."""

import numpy as np

from fastem.kernels.compilation import kernel, subroutine


@subroutine()
def _slot(bits, i, mask):
    """Where to look for row i first in a table of mask + 1 slots.

    Multiplications by odd numbers and shifts spread any change over all bits
    (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
    """
    h = np.uint64(0x9E3779B97F4A7C15)
    for j in range(bits.shape[1]):
        h = (h ^ np.uint64(bits[i, j])) * np.uint64(0xBF58476D1CE4E5B9)
        h = h ^ (h >> np.uint64(31))
    h = h * np.uint64(0x94D049BB133111EB)
    return np.intp((h ^ (h >> np.uint64(29))) & np.uint64(mask))


@kernel(nogil=True)
def merge_equal(bits, row_weights, start, stop, n_distinct, table, first_out, sums_out):
    """Enter rows start:stop into the table; return how many differ up to now.

    ``bits`` (N, D) are the rows as unsigned integers. ``table`` (a power of two) holds
    numbers of distinct rows, -1 where it is free; ``first`` (M,) the first of each in
    the order of the rows, ``sums`` (M,) their weights. Stops early, with M + 1, when
    there are more than M.
    """
    mask = table.shape[0] - 1
    for i in range(start, stop):
        weight = 1.0
        if row_weights.shape[0] > 0:
            weight = np.float64(row_weights[i])
        slot = _slot(bits, i, mask)
        while True:
            known = table[slot]
            if known < 0:
                if n_distinct == first_out.shape[0]:
                    return n_distinct + 1
                table[slot] = n_distinct
                first_out[n_distinct] = i
                sums_out[n_distinct] = weight
                n_distinct += 1
                break
            same = True
            for j in range(bits.shape[1]):
                same &= bits[i, j] == bits[first_out[known], j]
            if same:
                sums_out[known] += weight
                break
            slot = (slot + 1) & mask
    return n_distinct
