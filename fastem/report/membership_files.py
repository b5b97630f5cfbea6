"""What is said of rows, as columns of a file with a row for each row of the data."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastem.checks.rows import Rows
from fastem.kernels import BACKGROUND
from fastem.sources.carried import CarriedColumns


class Wanted(NamedTuple):
    """What is to be said of rows, beside how much they belong to each component.

    Attributes
    ----------
    log_density : bool
    outliers_below : float or None
        The log-density below which a row is called an outlier.
    has_background : bool
        Whether the last probability is that of the background.
    """

    log_density: bool = False
    outliers_below: float | None = None
    has_background: bool = False

    @property
    def densities(self) -> bool:
        """Whether densities have to be known."""
        return self.log_density or self.outliers_below is not None


class Answers(NamedTuple):
    """What is said of consecutive rows.

    Attributes
    ----------
    probabilities : array of shape (n, K)
        With a background (n, K + 1).
    log_densities : array of shape (n,), or None
    kept : array of bool
        For each row of the data's file whether it is one of the n.
    """

    probabilities: Rows
    log_densities: Rows | None
    kept: NDArray[np.bool_]

    def outliers(self, wanted: Wanted) -> NDArray[np.bool_] | None:
        """Which of the n rows are outliers, if that is wanted."""
        if wanted.outliers_below is None or self.log_densities is None:
            return None
        return self.log_densities < wanted.outliers_below

    def columns(self, wanted: Wanted) -> dict[str, np.ndarray]:
        """The columns of the file, for the n rows."""
        labels = self.probabilities.argmax(axis=1).astype(np.int32)
        names = [f"p_{k}" for k in range(self.probabilities.shape[1])]
        if wanted.has_background:
            labels[labels == len(names) - 1] = BACKGROUND
            names[-1] = "p_noise"
        columns: dict[str, np.ndarray] = {
            "component": labels,
            "probability": self.probabilities.max(axis=1),
        }
        columns |= dict(zip(names, self.probabilities.T, strict=True))
        if wanted.log_density and self.log_densities is not None:
            columns["log_density"] = self.log_densities
        outliers = self.outliers(wanted)
        if outliers is not None:
            columns["outlier"] = outliers
        return columns


def with_gaps(
    blocks: Iterable[tuple[Rows, Rows | None]], kept: NDArray[np.bool_] | None
) -> Iterator[Answers]:
    """Answers about blocks of rows that are those of the file, or the kept ones.

    Each has a run of ``kept``, which ends with a row that is kept, except for the last.
    """
    if kept is None:
        for block in blocks:
            yield Answers(*block, np.ones(len(block[0]), np.bool_))
        return
    positions = np.flatnonzero(kept)
    n_written = n_done = 0
    for block in blocks:
        n_done += len(block[0])
        is_last = n_done == len(positions)
        stop = len(kept) if is_last else int(positions[n_done - 1]) + 1
        yield Answers(*block, kept[n_written:stop])
        n_written = stop


def write_answers(
    path: Path,
    suffix: str,
    answers: Iterable[Answers],
    wanted: Wanted,
    carried: CarriedColumns | None,
) -> None:
    """Write answers to a Parquet or a CSV file, beside columns of the data.

    Raises
    ------
    ValueError
        If a column of the data cannot be written as CSV, or has the name of another.
    """
    batches = (batch_of(some.columns(wanted), some.kept, carried) for some in answers)
    write_batches(path, suffix, batches)


def write_batches(path: Path, suffix: str, batches: Iterable[Any]) -> None:
    """Write Arrow batches to a Parquet or a CSV file.

    Raises
    ------
    ValueError
        If a column cannot be written as CSV.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    is_csv = suffix.lower() == ".csv"
    with ExitStack() as stack:
        writer: Any = None
        schema: Any = None
        for batch in batches:
            try:
                if writer is None:
                    kind = csv.CSVWriter if is_csv else parquet.ParquetWriter
                    schema = batch.schema
                    writer = stack.enter_context(kind(path, schema))
                # Files of a folder may hold a column in different types.
                columns = pa.Table.from_batches([batch])
                writer.write_table(columns.cast(schema))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise ValueError(
                    f"the columns to keep cannot be written as {suffix}: {error}"
                ) from error


def batch_of(
    columns: dict[str, np.ndarray],
    kept: NDArray[np.bool_],
    carried: CarriedColumns | None,
) -> Any:
    """An Arrow batch for rows of the file, with nulls where they were not kept."""
    import pyarrow as pa

    arrays, names = [], []
    if carried is not None:
        arrays, names = carried.take(len(kept)), list(carried.names)
    for name, values in columns.items():
        if name in names:
            raise ValueError(
                f"column {name!r} cannot be kept: the answers have one of that name"
            )
        spread = np.zeros(len(kept), values.dtype)
        spread[kept] = values
        arrays.append(pa.array(spread, mask=~kept))
        names.append(name)
    return pa.RecordBatch.from_arrays(arrays, names)
