"""When rows leave a component: as soon as it is known not to count for them.

What is asked about rows without a pass before, a label or a density, needs few of the
distances. The squared distance of a row from a component is a sum of squares, one for
each column, since whiteners are triangular: the first C of them need the first C
columns only, and C^2 / 2 multiply-adds. So all pairs of row and component are computed
by their first columns. Each row's guess, the component that looks most likely by them,
is computed in full. Then, component by component, the rows for which it may still
count are listed, gathered, and computed by more columns, until few are left for all.

What is left out
================
Component k has the log-density v_k = n_k - d_k / 2 at a row, and the bound u_k, with
the sum of the first squares for d_k. As it is computed, not only in exact numbers,

    v_k <= u_k,                                                                      (1)

since squares are added one after the other, each sum is rounded, and rounding keeps
the order, as does the multiply-add that makes v of d. Let g be the largest log-density
that was computed for the row, or the background's, if that is more.

**Labels.** A row leaves component k if u_k < g. By (1) v_k < g then, so k is not the
most likely component, and not one of several equally likely ones. Lanes of vectors do
not know of each other, so what is computed has the bits that it has anywhere. The label
is the one that all log-densities give, to the last bit.

**Densities.** A row leaves if u_k < g - log(64 K / eps). Each density left out is
below eps / (64 K) of the largest one, all together are below eps / 64 of their sum, and
the logarithm moves by no more. Terms that far below a row's largest count as 0 wherever
they have been computed, so that a row's answer does not depend on which rows lie beside
it, on threads, or on what was found to pay.

**Numbers that overflow.** (1) needs sums that are numbers. Tiles with one so large that
a sum of products may overflow are computed in full (`_limit`).

What it costs
=============
Lists, gathered rows and the first columns: where most pairs stay, more than it saves.
So 64 rows try it; if they take more than half of the multiply-adds, tiles in full
follow, eight times as many each time before it is tried again.

Labels by fashion-MNIST's first 32 principal components take 25 % of the multiply-adds
and 54 % of the time with 16 components, 17 % and 38 % with 64; by its first 16, 30 %
and 23 % of the multiply-adds, and 72 and 52 % of the time.
"""

from typing import Any, NamedTuple

import numpy as np

from fastem.kernels.compilation import subroutine
from fastem.kernels.dispatch import has_bounds
from fastem.kernels.vectors.arithmetic import (
    load_wide,
    magnitude,
    maximum,
    splat_like,
    splat_wide,
    total,
    where_less,
    wide_lanes,
)

_FIRST_COLUMNS = 4
# For labels, and for densities, for which more pairs count: with 16 principal
# components of fashion-MNIST they were .93 to .99 times as fast, with 32 1.2 to 1.4.
_FEWEST_COLUMNS, _FEWEST_FOR_DENSITIES = 16, 32
_FEWEST_COMPONENTS = 4


class Leaving(NamedTuple):
    """When rows leave, and what is computed until then."""

    columns: np.ndarray  # (S,) intp: columns of each stage; the last one has all
    work: np.ndarray  # (S,) float64: multiply-adds of a pair in each stage
    cutoff: float  # what is so far below a row's largest log-density does not count
    slack: float  # relative rounding of a difference of log-densities
    limit: float  # of a number of a row: below, nothing overflows


def cutoff_of_densities(factors: Any) -> float:
    """How far below the row's largest log-density one does not count."""
    eps = float(np.finfo(factors.means.dtype).eps)
    return float(np.log(64 * len(factors.means) / eps))


def leaving_of(factors: Any, cutoff: float) -> Leaving | None:
    """When rows leave in passes with these factors; None if they had better not."""
    n_components, n_features = factors.means.shape
    if (
        n_features < (_FEWEST_FOR_DENSITIES if cutoff > 0 else _FEWEST_COLUMNS)
        or n_components < _FEWEST_COMPONENTS
        or factors.tails is not None
        or not has_bounds(factors)
    ):
        return None
    limit = _limit(factors)
    if not limit > 0:
        return None
    columns = np.array(_stages(n_features))
    slack = 8 * float(np.finfo(factors.means.dtype).eps) if cutoff > 0 else 0.0
    return Leaving(columns, columns * (columns + 3) / 2, cutoff, slack, limit)


def _stages(n_features: int) -> list[int]:
    """Columns of each stage: three times as many as before, and at last all."""
    stages = [_FIRST_COLUMNS]
    while 6 * stages[-1] <= n_features:
        stages.append(3 * stages[-1])
    return [*stages, n_features]


def _limit(factors: Any) -> float:
    """How large a number of a row may be for no sum of products to overflow.

    0 if one may overflow in any case.
    """
    largest = float(np.finfo(factors.means.dtype).max) / 4
    log_normalizers = factors.log_normalizers
    if not np.all((np.abs(log_normalizers) < largest) | np.isneginf(log_normalizers)):
        return 0.0
    n_features = factors.means.shape[1]
    with np.errstate(all="ignore"):
        norm = np.abs(factors.whiteners).astype(np.float64).sum(axis=2).max()
        farthest = np.abs(factors.means).max() + np.abs(factors.center).max()
        return float(min(np.sqrt(largest / n_features) / norm, largest) - farthest)


@subroutine()
def is_tame(numbers, limit):
    """Whether nothing overflows: of numbers (n,), those that are none apart."""
    lanes = wide_lanes(numbers)
    zero = splat_wide(numbers.dtype.type(0))
    largest = zero
    n_whole = numbers.shape[0] // lanes * lanes
    for i in range(0, n_whole, lanes):
        largest = maximum(magnitude(load_wide(numbers, i)), largest)
    is_less = where_less(largest, splat_like(zero, limit), splat_like(zero, 1.0), zero)
    tame = total(is_less) == lanes
    for i in range(n_whole, numbers.shape[0]):
        tame = tame and abs(numbers[i]) < limit
    return tame


@subroutine()
def threshold(leaving, log_density):
    """What counts beside such a log-density is no less than this."""
    if log_density == -np.inf:
        return log_density
    rounding = leaving.slack * (abs(log_density) + leaving.cutoff)
    return log_density - leaving.cutoff - rounding
