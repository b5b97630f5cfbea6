"""The rows of each class, wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from fastem.checks.counting import check_sample_weight
from fastem.checks.rows import check_any_value, column_name
from fastem.sources.blocks import Block, Source
from fastem.sources.opening import source_of
from fastem.statistics import Array
from fastem.training.in_blocks import RowsInBlocks, training_rows
from fastem.training.in_memory import RowsInMemory, TrainingRows

Numbers = NDArray[np.intp]


def check_classes(y: Any) -> tuple[np.ndarray, Numbers]:
    """The classes, sorted, and the number of each row's.

    Raises
    ------
    ValueError
        If there is no y, or it is not one label for each row.
    """
    if y is None:
        raise ValueError(
            "MixtureClassifier requires y to be passed, but the target y is None: give "
            "the class of each row"
        )
    labels = column_or_1d(y, warn=True)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        row = int(np.argmin(np.isfinite(labels)))
        raise ValueError(
            f"y has no class for row {row}, but {labels[row]} (no NaN or infinity can "
            "be one): leave such rows out"
        )
    check_classification_targets(labels)
    classes, numbers = np.unique(labels, return_inverse=True)
    return classes, numbers


def check_weights_of_classes(
    classes: np.ndarray, numbers: Numbers, sample_weight: ArrayLike | str | None
) -> None:
    """Raise ValueError if no row of a class counts, as far as weights are at hand."""
    if sample_weight is None or isinstance(sample_weight, str):
        return
    weights = check_sample_weight(sample_weight, len(numbers))
    counted = np.bincount(numbers[weights > 0], minlength=len(classes))
    if not counted.all():
        label = classes.tolist()[int(np.argmin(counted))]
        raise ValueError(
            f"class {label!r} has no row of positive weight: leave its rows out of X "
            "and y, or give them weights"
        )


def rows_of_all(
    estimator: Any, X: Any, numbers: Numbers, sample_weight: ArrayLike | str | None
) -> RowsInMemory | RowsInBlocks:
    """Rows of all classes, checked; the estimator remembers their columns."""
    rows = training_rows(estimator, X, sample_weight)
    _check_length(numbers, rows.shape[0])
    return rows


def rows_of_classes(
    estimator: Any, X: Any, numbers: Numbers, sample_weight: ArrayLike | str | None
) -> Callable[[int], TrainingRows]:
    """What gives the rows of a class, checked; the estimator remembers their columns.

    Rows in memory are checked at once, others when they are asked for.
    """
    named = sample_weight if isinstance(sample_weight, str) else None
    source = source_of(X, weights=named)
    if source is None:
        rows = rows_of_all(estimator, X, numbers, sample_weight)
        assert isinstance(rows, RowsInMemory)

        def in_memory(number: int) -> TrainingRows:
            part = rows.only(numbers == number)
            is_empty = np.asarray(np.isnan(part.values).all(axis=0))
            check_any_value(is_empty, lambda j: column_name(X, j))
            return part

        return in_memory
    weights: Array | None = None
    if not (named or sample_weight is None):
        weights = check_sample_weight(sample_weight, len(numbers))

    def in_blocks(number: int) -> TrainingRows:
        of_class = None if weights is None else weights[numbers == number]
        one = OneClass(source, numbers, number)
        return RowsInBlocks.checked(estimator, one, of_class)

    return in_blocks


@final
@dataclass(frozen=True)
class OneClass:
    """Of a source, the rows of one class.

    Attributes
    ----------
    source : Source
    numbers : array of int of shape (N,)
        The class of each row of the source.
    number : int
        The class whose rows these are.
    """

    source: Source
    numbers: Numbers
    number: int

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the columns."""
        return self.source.names

    @property
    def n_features(self) -> int:
        """Number of columns, D."""
        return self.source.n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.source.dtype

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """The source's blocks, each without rows of other classes."""
        start = 0
        for block in self.source.blocks(n_rows):
            stop = start + len(block.values)
            if stop > len(self.numbers):
                raise ValueError(
                    f"y has {len(self.numbers)} labels, but X has {stop} rows or more: "
                    "it must have one for each"
                )
            mine = self.numbers[start:stop] == self.number
            kept = mine
            if block.kept is not None:
                kept = block.kept.copy()
                kept[block.kept] = mine
            weights = None if block.weights is None else block.weights[mine]
            yield block._replace(values=block.values[mine], weights=weights, kept=kept)
            start = stop
        _check_length(self.numbers, start)


def _check_length(numbers: Numbers, n_rows: int) -> None:
    """One label a row."""
    if len(numbers) != n_rows:
        raise ValueError(
            f"y has {len(numbers)} labels, but X has {n_rows} rows: it must have one "
            "for each"
        )
