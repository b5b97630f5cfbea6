"""Degrees of membership, a block of rows at a time: to count and to write."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.mixture import GaussianMixture
from fastem.statistics import Array
from fastem.validation import Rows
from fastem.writing import PathLike, complete_or_absent

SUFFIXES = (".parquet", ".csv")

_BLOCK_VALUES = 1 << 22


@dataclass(frozen=True)
class Certainty:
    """How sure rows are of their likeliest component; arrays have K elements.

    Attributes
    ----------
    n_rows : array of int
        Number of rows whose likeliest component it is.
    mean : array
        Mean probability of the likeliest component among these rows.
    sure : array
        Share of these rows with a probability above 0.9.
    unsure : array
        Share of these rows with a probability of at most 0.5.
    """

    n_rows: NDArray[np.int64]
    mean: Array
    sure: Array
    unsure: Array

    def overall(self) -> tuple[float, float, float]:
        """Mean, sure and unsure, of all rows together."""
        shares = self.n_rows / self.n_rows.sum()
        mean, sure, unsure = (
            float(shares @ values) for values in (self.mean, self.sure, self.unsure)
        )
        return mean, sure, unsure


def probability_blocks(model: GaussianMixture, X: Rows) -> Iterator[Rows]:
    """``model.predict_proba(X)`` in consecutive blocks of rows."""
    size = max(1, _BLOCK_VALUES // model.means_.shape[0])
    for start in range(0, len(X), size):
        yield model.predict_proba(X[start : start + size])


def measure_certainty(model: GaussianMixture, X: Rows) -> Certainty:
    """How sure the rows of X are of their likeliest component.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, or made from parameters.
    X : array of shape (N, D)

    Returns
    -------
    Certainty
        For a component that is no row's likeliest, 0 rows and shares of 0.
    """
    n_components = model.means_.shape[0]
    sums = np.zeros((4, n_components))
    for probabilities in probability_blocks(model, X):
        labels = probabilities.argmax(axis=1)
        largest = probabilities.max(axis=1).astype(np.float64)
        for total, values in zip(
            sums,
            (np.ones(len(labels)), largest, largest > 0.9, largest <= 0.5),
            strict=True,
        ):
            total += np.bincount(labels, values, n_components)
    mean, sure, unsure = sums[1:] / np.maximum(sums[0], 1)
    return Certainty(sums[0].astype(np.int64), mean, sure, unsure)


def write_memberships(
    path: PathLike,
    model: GaussianMixture,
    X: Rows,
    kept: NDArray[np.bool_] | None = None,
) -> None:
    """Write which component each row belongs to, and how surely.

    Columns are ``component`` (the likeliest), ``probability`` (its own) and ``p_0`` to
    ``p_{K-1}``. Row i of the file is row i of the data.

    Parameters
    ----------
    path : path
        Ends in .parquet or .csv.
    model : GaussianMixture
    X : array of shape (N, D)
    kept : array of bool, default=None
        One value for each row of the data's file, N of them true: the rows in X. The
        other rows are written too, with nulls.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    """
    try:
        from pyarrow import csv, parquet
    except ImportError as error:
        raise ImportError(
            "writing memberships needs pyarrow: pip install 'fastem[io]'"
        ) from error
    kept = np.ones(len(X), np.bool_) if kept is None else kept
    with complete_or_absent(path) as temporary:
        writer: Any = None
        for batch in _batches(model, X, kept):
            if writer is None:
                open_writer = (
                    csv.CSVWriter
                    if Path(path).suffix.lower() == ".csv"
                    else parquet.ParquetWriter
                )
                writer = open_writer(temporary, batch.schema)
            writer.write_batch(batch)
        writer.close()


def _batches(model: GaussianMixture, X: Rows, kept: NDArray[np.bool_]) -> Iterator[Any]:
    """Arrow batches for the rows of the file, nulls for those that are not in X."""
    import pyarrow as pa

    positions = np.flatnonzero(kept)
    n_written = n_done = 0
    for probabilities in probability_blocks(model, X):
        n_done += len(probabilities)
        stop = len(kept) if n_done == len(X) else int(positions[n_done - 1]) + 1
        columns = {
            "component": probabilities.argmax(axis=1).astype(np.int32),
            "probability": probabilities.max(axis=1),
        }
        columns |= {f"p_{k}": column for k, column in enumerate(probabilities.T)}
        yield pa.RecordBatch.from_pydict(
            {
                name: _spread(values, kept[n_written:stop])
                for name, values in columns.items()
            }
        )
        n_written = stop


def _spread(values: np.ndarray, kept: NDArray[np.bool_]) -> Any:
    """An Arrow array with the values where rows were kept, and nulls elsewhere."""
    import pyarrow as pa

    spread = np.zeros(len(kept), values.dtype)
    spread[kept] = values
    return pa.array(spread, mask=~kept)
