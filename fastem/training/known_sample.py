"""Samples of rows of which some are known: of each label, and of the others."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from fastem.checks.known import Known
from fastem.checks.rows import Rows, read_only
from fastem.statistics import Array
from fastem.training.survey import RowSample


class KnownSample(NamedTuple):
    """Rows, their weights (empty means all 1), and what is known of them."""

    rows: Rows
    weights: Rows
    known: Known


def sample_of_known(
    blocks: Iterable[tuple[Rows, Rows, Known | None]],
    known: Known,
    n_features: int,
    dtype: DTypeLike,
    size: int,
    random_state: np.random.RandomState,
) -> KnownSample:
    """Rows drawn from each kind by itself, which count as much as the whole kind.

    So none that is rare is lost, and sums over the sample are those over all rows, but
    for what is drawn within a kind.

    Parameters
    ----------
    blocks : iterable of (rows, weights, Known)
        All rows.
    known : Known
        What is known of all rows.
    size : int
        How many are drawn of the rows of which nothing is known, if there are more; of
        the known ones as many again, alike of each kind.
    """
    kinds = np.unique(known.kinds)
    is_free = known.is_free[kinds]
    n_labels = int(np.count_nonzero(~is_free))
    share = max(1, size // max(1, n_labels))
    random = np.random.default_rng(random_state.randint(2**31))
    strata = {
        int(kind): _Stratum(
            RowSample(size if free else share, n_features, dtype, random)
        )
        for kind, free in zip(kinds, is_free, strict=True)
    }
    for rows, weights, of_rows in blocks:
        assert of_rows is not None
        for kind in np.unique(of_rows.kinds):
            mine = of_rows.kinds == kind
            if len(weights):
                mine &= weights > 0
            of_kind = weights[mine] if len(weights) else weights
            strata[int(kind)].add(rows[mine], of_kind.astype(np.float64))
    rows = np.concatenate([stratum.sample.rows for stratum in strata.values()])
    counts = np.concatenate([stratum.counts for stratum in strata.values()])
    numbers = np.concatenate(
        [
            np.full(len(stratum.sample.rows), kind, np.int32)
            for kind, stratum in strata.items()
        ]
    )
    weights = np.empty(0, dtype)
    if (counts != counts[0]).any():
        weights = (counts / counts.max()).astype(dtype)
    return KnownSample(
        read_only(rows), read_only(weights), Known(numbers, known.allowed)
    )


class _Stratum:
    """The rows of a kind."""

    def __init__(self, sample: RowSample) -> None:
        self.sample = sample
        self._n_rows = 0
        self._total = 0.0

    def add(self, rows: Rows, weights: Array) -> None:
        """Offer more rows; no weights mean 1 for each."""
        if len(rows):
            self.sample.add(rows, weights, self._n_rows)
            self._n_rows += len(rows)
            self._total += float(weights.sum()) if len(weights) else len(rows)

    @property
    def counts(self) -> Array:
        """How many rows each of the sample stands for."""
        n_drawn = len(self.sample.rows)
        if n_drawn == self._n_rows:
            return self.sample.weights
        # Heavier rows are drawn more often instead.
        return np.full(n_drawn, self._total / n_drawn)
