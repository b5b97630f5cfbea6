"""Degrees of membership, a block of rows at a time: to count and to write."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem import kernels
from fastem.checks.rows import Rows, read_only
from fastem.mixture import GaussianMixture
from fastem.sources.blocks import Block, Source
from fastem.sources.parquet import ParquetBlocks
from fastem.sources.reading import blocks_of, checked_blocks, read_ahead
from fastem.statistics import Array
from fastem.storage.writing import PathLike, complete_or_absent

SUFFIXES = (".parquet", ".csv", "")  # the last one: a folder

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


class _Tally:
    """Counts from which a :class:`Certainty` is made."""

    def __init__(self, n_components: int) -> None:
        self._sums = np.zeros((4, n_components))

    def add(self, probabilities: Rows) -> None:
        labels = probabilities.argmax(axis=1)
        largest = probabilities.max(axis=1).astype(np.float64)
        for total, values in zip(
            self._sums,
            (np.ones(len(labels)), largest, largest > 0.9, largest <= 0.5),
            strict=True,
        ):
            total += np.bincount(labels, values, len(total))

    def certainty(self) -> Certainty:
        mean, sure, unsure = self._sums[1:] / np.maximum(self._sums[0], 1)
        return Certainty(self._sums[0].astype(np.int64), mean, sure, unsure)


def probability_blocks(model: GaussianMixture, X: Rows | Source) -> Generator[Rows]:
    """``model.predict_proba(X)`` in consecutive blocks of rows."""
    if isinstance(X, Source):
        with closing(blocks_of(X)) as blocks:
            yield from probabilities_of(model, (rows for rows, _ in blocks))
        return
    for block in _parts(model, X):
        yield model.predict_proba(block)


def _parts(model: GaussianMixture, rows: Rows) -> Iterator[Rows]:
    """Rows in blocks whose probabilities are not much memory."""
    size = max(1, _BLOCK_VALUES // model.means_.shape[0])
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def probabilities_of(model: GaussianMixture, blocks: Iterable[Rows]) -> Iterator[Rows]:
    """``model.predict_proba`` of rows whose values and columns have been checked."""
    factors = None
    for rows in blocks:
        if factors is None:
            factors = model._factors(rows.dtype)
        for part in _parts(model, read_only(np.require(rows, requirements=["C", "A"]))):
            yield kernels.probability_pass(part, factors, model.n_threads)


def measure_certainty(model: GaussianMixture, X: Rows | Source) -> Certainty:
    """How sure the rows of X are of their likeliest component.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, or made from parameters.
    X : array of shape (N, D), or Source

    Returns
    -------
    Certainty
        For a component that is no row's likeliest, 0 rows and shares of 0.
    """
    tally = _Tally(model.means_.shape[0])
    with closing(probability_blocks(model, X)) as blocks:
        for probabilities in blocks:
            tally.add(probabilities)
    return tally.certainty()


def write_memberships(
    path: PathLike,
    model: GaussianMixture,
    X: Rows | Source,
    kept: NDArray[np.bool_] | None = None,
) -> Certainty:
    """Write which component each row belongs to, and how surely.

    Columns are ``component`` (the likeliest), ``probability`` (its own) and ``p_0`` to
    ``p_{K-1}``. Row i of the file is row i of the data.

    Parameters
    ----------
    path : path
        Ends in .parquet or .csv, or else is a folder, which gets a Parquet file for
        each file of the data, with its name.
    model : GaussianMixture
    X : array of shape (N, D), or Source
    kept : array of bool, default=None
        One value for each row of the data's file, N of them true: the rows in X. The
        other rows are written too, with nulls. Blocks of a source know it themselves.

    Returns
    -------
    Certainty
        How sure the rows are.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "writing memberships needs pyarrow: pip install 'fastem[io]'"
        ) from error
    tally = _Tally(model.means_.shape[0])
    with complete_or_absent(path) as temporary:
        if not Path(path).suffix:
            if isinstance(X, ParquetBlocks):
                _write_parts(temporary, model, X, tally)
                return tally.certainty()
            temporary.mkdir()
            temporary /= "part-0.parquet"
        suffix = Path(path).suffix or ".parquet"
        if isinstance(X, Source):
            with closing(read_ahead(checked_blocks(X))) as blocks:
                _write(temporary, suffix, _labelled(model, blocks), tally)
        else:
            with closing(probability_blocks(model, X)) as probabilities:
                _write(temporary, suffix, _with_gaps(probabilities, kept), tally)
    return tally.certainty()


def _write_parts(
    folder: Path, model: GaussianMixture, X: ParquetBlocks, tally: _Tally
) -> None:
    """A file in the folder for each file of X that has rows."""
    root = X.path if X.path.is_dir() else X.path.parent
    with closing(read_ahead(checked_blocks(X))) as blocks:
        for file, of_file in groupby(blocks, key=lambda block: block.file):
            assert file is not None
            part = folder / file.relative_to(root)
            part.parent.mkdir(parents=True, exist_ok=True)
            _write(part, ".parquet", _labelled(model, of_file), tally)


def _labelled(
    model: GaussianMixture, blocks: Iterable[Block]
) -> Iterator[tuple[Rows, NDArray[np.bool_]]]:
    """Probabilities, each with which rows of the file they are of."""
    nobody = np.empty((0, model.means_.shape[0]))
    for block in blocks:
        if len(block.values):
            probabilities = probabilities_of(model, [block.values])
            yield from _with_gaps(probabilities, block.kept)
        elif block.kept is not None:
            yield nobody.astype(block.values.dtype), block.kept


def _write(
    path: Path,
    suffix: str,
    blocks: Iterable[tuple[Rows, NDArray[np.bool_]]],
    tally: _Tally,
) -> None:
    """Write blocks of probabilities, each with which rows of the file it is of."""
    from pyarrow import csv, parquet

    is_csv = suffix.lower() == ".csv"
    with ExitStack() as stack:
        writer: Any = None
        for probabilities, kept in blocks:
            tally.add(probabilities)
            batch = _batch(probabilities, kept)
            if writer is None:
                kind = csv.CSVWriter if is_csv else parquet.ParquetWriter
                writer = stack.enter_context(kind(path, batch.schema))
            writer.write_batch(batch)


def _with_gaps(
    blocks: Iterable[Rows], kept: NDArray[np.bool_] | None
) -> Iterator[tuple[Rows, NDArray[np.bool_]]]:
    """Blocks with which rows of the file they are: in a run of so many, the true ones.

    Runs end with a row that is kept, except for the last one.
    """
    if kept is None:
        for probabilities in blocks:
            yield probabilities, np.ones(len(probabilities), np.bool_)
        return
    positions = np.flatnonzero(kept)
    n_written = n_done = 0
    for probabilities in blocks:
        n_done += len(probabilities)
        is_last = n_done == len(positions)
        stop = len(kept) if is_last else int(positions[n_done - 1]) + 1
        yield probabilities, kept[n_written:stop]
        n_written = stop


def _batch(probabilities: Rows, kept: NDArray[np.bool_]) -> Any:
    """An Arrow batch for rows of the file, with nulls where they were not kept."""
    import pyarrow as pa

    columns = {
        "component": probabilities.argmax(axis=1).astype(np.int32),
        "probability": probabilities.max(axis=1),
    }
    columns |= {f"p_{k}": column for k, column in enumerate(probabilities.T)}
    return pa.RecordBatch.from_pydict(
        {name: _spread(values, kept) for name, values in columns.items()}
    )


def _spread(values: np.ndarray, kept: NDArray[np.bool_]) -> Any:
    """An Arrow array with the values where rows were kept, and nulls elsewhere."""
    import pyarrow as pa

    spread = np.zeros(len(kept), values.dtype)
    spread[kept] = values
    return pa.array(spread, mask=~kept)
