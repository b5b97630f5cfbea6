"""The partitions of a Dask collection, and how workers turn them into rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import dask
import dask.array
import numpy as np
from dask import delayed, is_dask_collection
from dask.utils import is_dataframe_like, is_series_like
from numpy.typing import DTypeLike

from fastem import mixture
from fastem.checks import counting
from fastem.checks.known import Known, check_known, column_of_labels
from fastem.checks.rows import Rows, check_rows, read_only
from fastem.sources.opening import without_column
from fastem.statistics import Array

_ALIKE = {
    "sample_weight": "Make the weights a column of the table, and give its name; or "
    "give both the same chunks, or the same divisions.",
    "labels": "Make the labels a column of the table, and give ('column', its name); "
    "or give both the same chunks, or the same divisions.",
}


@dataclass(frozen=True)
class Partitions:
    """The partitions of a table that nothing has been computed of yet.

    Attributes
    ----------
    blocks : list of Delayed
        Arrays or DataFrames.
    weights : list of Delayed or None
        Arrays or Series: the weights of the rows of each block, if there are any.
    labels : list of Delayed or None
        Arrays or Series: what is known of the rows of each block, if it is not in this
        process.
    lengths : tuple
        Number of rows of each, NaN where it is not known.
    columns : mixture.GaussianMixture
        Not fitted, but knows how many columns there must be, and their names.
    dtype : dtype
        float32 or float64.
    """

    blocks: list[Any]
    weights: list[Any] | None
    labels: list[Any] | None
    lengths: tuple[float, ...]
    columns: mixture.GaussianMixture
    dtype: np.dtype[Any]

    @classmethod
    def checked(
        cls,
        estimator: Any,
        X: Any,
        sample_weight: Any = None,
        labels: Any = None,
        *,
        fitting: bool,
    ) -> Self:
        """From what the user passed, if its columns and types are right.

        Values are looked at on the workers.
        """
        named = {
            "sample_weight": sample_weight if isinstance(sample_weight, str) else None,
            "labels": column_of_labels(labels),
        }
        table = X
        for argument, name in named.items():
            if name is not None:
                table = _without(table, name, argument)
        example = check_rows(estimator, _example(table), fitting=fitting)
        columns = mixture.GaussianMixture(missing_values=estimator.missing_values)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(estimator, name):
                setattr(columns, name, getattr(estimator, name))
        blocks, lengths = _blocks(X)
        beside: dict[str, list[Any] | None] = {}
        given = {"sample_weight": sample_weight, "labels": labels}
        for argument, name in named.items():
            beside[argument] = None
            if name is not None:
                # Of the block that the rows are of: whatever made it is run once.
                split = delayed(without_column, pure=False, nout=2)
                pairs = [split(block, name, argument) for block in blocks]
                blocks, beside[argument] = (
                    list(parts) for parts in zip(*pairs, strict=True)
                )
            elif _is_beside(given[argument], argument):
                beside[argument] = _blocks_beside(
                    given[argument], argument, len(blocks)
                )
        return cls(
            *(blocks, beside["sample_weight"], beside["labels"], lengths),
            *(columns, example.dtype),
        )

    def known(self, rows: list[Any], n_components: int, noise: bool) -> list[Any]:
        """Tasks that say what is known of the checked rows of each partition."""
        assert self.labels is not None
        check = delayed(checked_labels, pure=False)
        return [
            check(block, values, number, n_components, noise)
            for number, (block, values) in enumerate(
                zip(self.labels, rows, strict=True)
            )
        ]

    def checked_values(self) -> tuple[list[Any], list[Any]]:
        """Tasks that check the rows of each partition, and their weights.

        Of no weights the tasks are an empty list. What the tasks return is that of
        :func:`checked_rows` and :func:`checked_weights`.
        """
        columns = delayed(self.columns, traverse=False)
        check = delayed(checked_rows, pure=False)
        rows = [
            check(block, number, columns, self.dtype)
            for number, block in enumerate(self.blocks)
        ]
        if self.weights is None:
            return rows, []
        check = delayed(checked_weights, pure=False)
        weights = [
            check(block, values, number)
            for number, (block, values) in enumerate(
                zip(self.weights, rows, strict=True)
            )
        ]
        return rows, weights


def is_distributed(X: Any) -> bool:
    """Whether X is a Dask array or DataFrame; an error for other collections."""
    if not is_dask_collection(X):
        return False
    if isinstance(X, dask.array.Array) or is_dataframe_like(X):
        return True
    raise TypeError(
        f"X is a Dask {type(X).__name__}: make an array of two dimensions or a "
        "DataFrame of it"
    )


def _without(X: Any, name: str, argument: str) -> Any:
    """The table without the column that the argument names."""
    if not is_dataframe_like(X) or name not in X.columns:
        raise ValueError(f"{argument} is {name!r}, but X has no column of that name")
    return X.drop(columns=[name])


def _example(X: Any) -> Any:
    """Two rows of the same columns and types, whatever the values."""
    if isinstance(X, dask.array.Array):
        return np.zeros((2, *X.shape[1:]), X.dtype)
    return X._meta_nonempty


def _blocks(X: Any) -> tuple[list[Any], tuple[float, ...]]:
    """Each partition, and how many rows it has."""
    if isinstance(X, dask.array.Array):
        whole_rows = X if X.numblocks[1:] in ((), (1,)) else X.rechunk({1: -1})
        return whole_rows.to_delayed().ravel().tolist(), X.chunks[0]
    # By default dask puts files together, more of them the fewer columns are read: the
    # partitions of rows, weights and answers then do not match, nor those X shows.
    with dask.config.set({"optimization.tune.active": False}):
        blocks = X.to_delayed()
    return list(blocks), (np.nan,) * len(blocks)


def _is_beside(values: Any, argument: str) -> bool:
    """Whether an argument is a collection; labels may be in this process, too."""
    is_array = isinstance(values, dask.array.Array)
    if is_array or (is_dask_collection(values) and is_series_like(values)):
        return True
    if argument == "labels" or values is None:
        return False
    raise TypeError(
        f"{argument} must be a Dask array or Series like X, or the name of a "
        f"column of X, but is of type {type(values).__name__}"
    )


def _blocks_beside(values: Any, argument: str, n_partitions: int) -> list[Any]:
    """Those of an array or Series that was given beside X."""
    blocks, _ = _blocks(values)
    if len(blocks) != n_partitions:
        raise ValueError(
            f"{argument} has {len(blocks)} partitions, but X has {n_partitions}: "
            f"each must have those of one. {_ALIKE[argument]}"
        )
    return blocks


@contextmanager
def _named(number: int) -> Iterator[None]:
    """Errors of the block say which partition they are about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise type(error)(f"In partition {number}: {error}") from error


def checked_rows(
    block: Any, number: int, columns: mixture.GaussianMixture, dtype: DTypeLike
) -> Rows:
    """The rows of a partition as kernels take them; there may be none.

    Raises
    ------
    ValueError, TypeError
        With the number of the partition, from 0, and of the row in it.
    """
    if not len(block):
        return read_only(np.empty((0, columns.n_features_in_), dtype))
    with _named(number):
        rows = check_rows(columns, block, fitting=False)
        if np.can_cast(rows.dtype, dtype):
            return read_only(np.require(rows, dtype, ["C"]))
        raise TypeError(
            f"X holds {rows.dtype}, but as a whole it should hold {np.dtype(dtype)}. "
            "Convert it with astype."
        )


def checked_weights(block: Any, rows: Rows, number: int) -> Array:
    """The weights of a partition's rows, as float64.

    Raises
    ------
    ValueError, TypeError
        With the number of the partition, from 0, and of the row in it.
    """
    with _named(number):
        if len(block) != len(rows):
            raise ValueError(_of_other_length("sample_weight", block, rows))
        return counting.check_some_weights(block, len(rows))


def checked_labels(
    block: Any, rows: Rows, number: int, n_components: int, noise: bool
) -> Known:
    """What the labels of a partition say of its rows.

    Raises
    ------
    ValueError, TypeError
        With the number of the partition, from 0, and of the row in it.
    """
    with _named(number):
        if len(block) != len(rows):
            raise ValueError(_of_other_length("labels", block, rows))
        return check_known(np.asarray(block), len(rows), n_components, noise)


def _of_other_length(argument: str, block: Any, rows: Rows) -> str:
    return (
        f"{argument} has {len(block)} rows, but X has {len(rows)}. {_ALIKE[argument]}"
    )
