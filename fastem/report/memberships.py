"""Degrees of membership, a block of rows at a time: to count and to write."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastem import kernels
from fastem.checks.rows import Rows, allows_gaps, read_only
from fastem.mixture import GaussianMixture
from fastem.mixture.noise import background_of_model
from fastem.report.membership_files import Answers, Wanted, with_gaps, write_answers
from fastem.sources.blocks import Block, Source
from fastem.sources.carried import CarriedColumns
from fastem.sources.parquet import ParquetBlocks
from fastem.sources.reading import checked_blocks, read_ahead
from fastem.statistics import Array
from fastem.storage.writing import PathLike, complete_or_absent
from fastem.training.in_blocks import answer_blocks, answerable

SUFFIXES = (".parquet", ".csv", "")  # the last one: a folder

NOTHING_ELSE = Wanted()

_BLOCK_VALUES = 1 << 22


@dataclass(frozen=True)
class Certainty:
    """How sure rows are of their likeliest component.

    Arrays have K elements, and one more, the last, for the background if there is one.

    Attributes
    ----------
    n_rows : array of int
        Number of rows whose likeliest component it is; the sum of their weights where
        they have any.
    mean : array
        Mean probability of the likeliest component among these rows.
    sure : array
        Share of these rows with a probability above 0.9.
    unsure : array
        Share of these rows with a probability of at most 0.5.
    """

    n_rows: NDArray[Any]
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


class Written(NamedTuple):
    """What was written of rows, in all.

    Attributes
    ----------
    certainty : Certainty
        How sure the rows are.
    n_outliers : int
        Number of rows that were called outliers, if that was asked for.
    """

    certainty: Certainty
    n_outliers: int


class Tally:
    """Counts from which a :class:`Certainty` is made."""

    def __init__(self, n_components: int, wanted: Wanted = NOTHING_ELSE) -> None:
        self._sums = np.zeros((4, n_components))
        self._wanted = wanted
        self.n_outliers = 0

    def add(self, probabilities: Rows, weights: Array | None = None) -> None:
        """Count more rows, each as often as its weight says."""
        labels = probabilities.argmax(axis=1)
        largest = probabilities.max(axis=1).astype(np.float64)
        for total, values in zip(
            self._sums,
            (np.ones(len(labels)), largest, largest > 0.9, largest <= 0.5),
            strict=True,
        ):
            counts = values if weights is None else values * weights
            total += np.bincount(labels, counts, len(total))

    def counted(self, answers: Iterable[Answers]) -> Iterator[Answers]:
        """The answers as they come, which are counted on their way."""
        for some in answers:
            self.add(some.probabilities)
            outliers = some.outliers(self._wanted)
            if outliers is not None:
                self.n_outliers += int(outliers.sum())
            yield some

    def certainty(self) -> Certainty:
        """What has been counted."""
        mean, sure, unsure = self._sums[1:] / np.maximum(self._sums[0], 1)
        return Certainty(_whole(self._sums[0]), mean, sure, unsure)


def _whole(counts: Array) -> NDArray[Any]:
    """As integers, unless weights made them others."""
    rounded = np.rint(counts)
    is_whole = np.array_equal(rounded, counts) and (counts < 2.0**63).all()
    return rounded.astype(np.int64) if is_whole else counts


def probability_blocks(model: GaussianMixture, X: Any) -> Generator[Rows]:
    """``model.predict_proba(X)`` in consecutive blocks of rows."""
    with closing(answer_blocks(model, X)) as blocks:
        yield from probabilities_of(model, (rows for rows, _ in blocks))


def _n_columns(model: GaussianMixture) -> int:
    """How many probabilities a row has."""
    return len(model.weights_) + (background_of_model(model) is not None)


def _parts(model: GaussianMixture, rows: Rows) -> Iterator[Rows]:
    """Rows in blocks whose probabilities are not much memory."""
    size = max(1, _BLOCK_VALUES // model.means_.shape[0])
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def probabilities_of(model: GaussianMixture, blocks: Iterable[Rows]) -> Iterator[Rows]:
    """``model.predict_proba`` of rows whose values and columns have been checked."""
    ask = model._row_answers()
    for rows in blocks:
        for part in _parts(model, read_only(np.require(rows, requirements=["C", "A"]))):
            yield ask(kernels.probability_pass, part)


def measure_certainty(model: GaussianMixture, X: Any) -> Certainty:
    """How sure the rows of X are of their likeliest component.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, or made from parameters.
    X : array-like of shape (N, D), or what ``fit`` can read block by block

    Returns
    -------
    Certainty
        For a component that is no row's likeliest, 0 rows and shares of 0.
    """
    tally = Tally(_n_columns(model))
    with closing(probability_blocks(model, X)) as blocks:
        for probabilities in blocks:
            tally.add(probabilities)
    return tally.certainty()


def write_memberships(
    path: PathLike,
    model: GaussianMixture,
    X: Any,
    kept: NDArray[np.bool_] | None = None,
    *,
    wanted: Wanted = NOTHING_ELSE,
    carried: CarriedColumns | None = None,
) -> Written:
    """Write which component each row belongs to, and how surely.

    Columns are ``component`` (the likeliest), ``probability`` (its own) and ``p_0`` to
    ``p_{K-1}``; with a background, which is component -1, also ``p_noise``. Row i of
    the file is row i of the data.

    Parameters
    ----------
    path : path
        Ends in .parquet or .csv, or else is a folder, which gets a Parquet file for
        each file of the data, with its name.
    model : GaussianMixture
    X : array-like of shape (N, D), or what ``fit`` can read block by block
    kept : array of bool, default=None
        One value for each row of the data's file, N of them true: the rows in X. The
        other rows are written too, with nulls. Blocks of a source know it themselves.
    wanted : Wanted, default=NOTHING_ELSE
        Whether to write a column ``log_density`` (``model.score_samples(X)``), and from
        which on a column ``outlier`` is true.
    carried : CarriedColumns, default=None
        Columns of the data to write before the others.

    Returns
    -------
    Written

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
    rows, _ = answerable(model, X)
    has_background = background_of_model(model) is not None
    wanted = wanted._replace(has_background=has_background)
    tally = Tally(_n_columns(model), wanted)

    def write(part: Path, suffix: str, answers: Iterable[Answers]) -> None:
        write_answers(part, suffix, tally.counted(answers), wanted, carried)

    with complete_or_absent(path) as temporary:
        if not Path(path).suffix:
            if isinstance(rows, ParquetBlocks):
                for name, answers in _answers_by_file(model, rows, wanted.densities):
                    part = temporary / name
                    part.parent.mkdir(parents=True, exist_ok=True)
                    write(part, ".parquet", answers)
                return Written(tally.certainty(), tally.n_outliers)
            temporary.mkdir()
            temporary /= "part-0.parquet"
        gaps = allows_gaps(model)
        with closing(_blocks(rows, kept, gaps=gaps)) as blocks:
            answers = _answers_about(model, blocks, wanted.densities)
            write(temporary, Path(path).suffix or ".parquet", answers)
    return Written(tally.certainty(), tally.n_outliers)


def _blocks(
    rows: Rows | Source, kept: NDArray[np.bool_] | None = None, *, gaps: bool
) -> Generator[Block]:
    """Blocks of rows that can be used; an array is one."""
    if isinstance(rows, Source):
        yield from read_ahead(checked_blocks(rows, gaps=gaps))
    else:
        yield Block(rows, kept=kept)


def _answers_by_file(
    model: GaussianMixture, X: ParquetBlocks, with_densities: bool
) -> Iterator[tuple[Path, Iterator[Answers]]]:
    """For each file of X that has rows its name in the folder, and what is said."""
    root = X.path if X.path.is_dir() else X.path.parent
    with closing(_blocks(X, gaps=allows_gaps(model))) as blocks:
        for file, of_file in groupby(blocks, key=lambda block: block.file):
            assert file is not None
            yield file.relative_to(root), _answers_about(model, of_file, with_densities)


def _answers_about(
    model: GaussianMixture, blocks: Iterable[Block], with_densities: bool
) -> Iterator[Answers]:
    """What is said of the rows of blocks that have been checked."""
    ask = model._row_answers()
    for block in blocks:
        if not len(block.values):
            if block.kept is not None:
                nobody = np.empty((0, _n_columns(model)), block.values.dtype)
                yield Answers(
                    nobody, nobody[:, 0] if with_densities else None, block.kept
                )
            continue
        rows = read_only(np.require(block.values, requirements=["C", "A"]))
        parts = (
            (
                ask(kernels.probability_pass, part),
                ask(kernels.log_likelihood_pass, part) if with_densities else None,
            )
            for part in _parts(model, rows)
        )
        yield from with_gaps(parts, block.kept)
