"""The partitions of a Dask collection, and how workers turn them into rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import dask.array
import numpy as np
from dask import delayed, is_dask_collection
from dask.utils import is_dataframe_like, is_series_like
from numpy.typing import DTypeLike

from fastem import mixture
from fastem.checks import counting
from fastem.checks.rows import Rows, check_rows, read_only
from fastem.statistics import Array


@dataclass(frozen=True)
class Partitions:
    """The partitions of a table that nothing has been computed of yet.

    Attributes
    ----------
    blocks : list of Delayed
        Arrays or DataFrames.
    lengths : tuple
        Number of rows of each, NaN where it is not known.
    columns : mixture.GaussianMixture
        Not fitted, but knows how many columns there must be, and their names.
    dtype : dtype
        float32 or float64.
    """

    blocks: list[Any]
    lengths: tuple[float, ...]
    columns: mixture.GaussianMixture
    dtype: np.dtype[Any]

    @classmethod
    def checked(cls, estimator: Any, X: Any, *, fitting: bool) -> Self:
        """From what the user passed, if its columns and types are right.

        Values are looked at on the workers.
        """
        example = check_rows(estimator, _example(X), fitting=fitting)
        columns = mixture.GaussianMixture()
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(estimator, name):
                setattr(columns, name, getattr(estimator, name))
        blocks, lengths = _blocks(X)
        return cls(blocks, lengths, columns, example.dtype)

    def rows(self) -> list[Any]:
        """Tasks that check the values of each partition: see :func:`checked_rows`."""
        columns = delayed(self.columns, traverse=False)
        check = delayed(checked_rows, pure=False)
        return [
            check(block, number, columns, self.dtype)
            for number, block in enumerate(self.blocks)
        ]

    def weights(self, sample_weight: Any, rows: list[Any]) -> list[Any]:
        """Tasks that check the weights of each partition, given those of its rows."""
        if not isinstance(sample_weight, dask.array.Array) and not (
            is_dask_collection(sample_weight) and is_series_like(sample_weight)
        ):
            raise TypeError(
                "sample_weight must be a Dask array or Series like X, or the name of a "
                f"column of X, but is of type {type(sample_weight).__name__}"
            )
        blocks, _ = _blocks(sample_weight)
        if len(blocks) != len(rows):
            raise ValueError(
                f"sample_weight has {len(blocks)} partitions, but X has {len(rows)}: "
                "each must have the weights of one. Give both the same chunks or "
                "divisions."
            )
        check = delayed(_checked_weights, pure=False)
        return [
            check(block, values, number)
            for number, (block, values) in enumerate(zip(blocks, rows, strict=True))
        ]


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


def without_weights(X: Any, sample_weight: Any) -> tuple[Any, Any]:
    """The table and its weights, if those may be named as a column of it."""
    if not isinstance(sample_weight, str):
        return X, sample_weight
    if not is_dataframe_like(X) or sample_weight not in X.columns:
        raise ValueError(
            f"sample_weight is {sample_weight!r}, but X has no column of that name"
        )
    return X.drop(columns=[sample_weight]), X[sample_weight]


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
    blocks = X.to_delayed()
    return list(blocks), (np.nan,) * len(blocks)


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


def _checked_weights(block: Any, rows: Rows, number: int) -> Array:
    with _named(number):
        return counting.check_some_weights(block, len(rows))
