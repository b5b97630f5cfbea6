"""Rows, from what users pass to what kernels take, with every error about them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import (
    _get_feature_names,
    validate_data,
)

from fastem.checks.text import find_text
from fastem.kernels import CHUNK_ROWS
from fastem.statistics import Array

Rows = NDArray[np.floating[Any]]

# What to do with rows that cannot be used, in Python.
DROP_ROWS = "drop them (for example X[np.isfinite(X).all(axis=1)])"
# What else to do with missing values, wherever rows are.
MARGINALIZE = "missing_values='marginalize' uses what such rows have"

# A block is walked over twice, for its least and its largest value: at 16384 rows it
# is still in the core's cache then (200,000 x 16 float64: 1.1 ms; at once: 2.0 ms with
# one walk over a copy of its sizes).
_BLOCK_ROWS = 16384
_KERNEL_TYPES = (np.dtype(np.float64), np.dtype(np.float32))


def read_only(array: np.ndarray) -> np.ndarray:
    """A view that kernels see as read-only, whatever the array is.

    Numba compiles a kernel once for each kind of array; so that there is one kind
    only, all are made contiguous and read-only.
    """
    view = array.view()
    view.flags.writeable = False
    return view


def allows_gaps(estimator: Any) -> bool:
    """Whether values may be missing from the rows of an estimator."""
    return getattr(estimator, "missing_values", "error") == "marginalize"


def check_rows(
    estimator: Any, X: Any, *, fitting: bool, gaps: bool | None = None
) -> Rows:
    """X as a C-contiguous, read-only float32 or float64 array (N, D) of finite numbers.

    NaN is a missing value, if there may be ``gaps``; by default the estimator says so.

    Raises
    ------
    ValueError, TypeError
        With the row and column of the first value that cannot be used.
    """
    if gaps is None:
        gaps = allows_gaps(estimator)
    rows = (
        X
        if not fitting and _is_like_the_fitted(estimator, X)
        else _validated(estimator, X, fitting, gaps=gaps)
    )
    rows = np.require(rows, requirements=["C", "A"])
    largest = check_range(rows, lambda column: column_name(X, column), gaps=gaps)
    if fitting:
        if gaps:
            check_any_value(np.isnan(rows).all(axis=0), lambda j: column_name(X, j))
        _check_sums(rows, largest, X)
    return read_only(rows)


def check_any_value(
    is_empty: NDArray[np.bool_], column_name: Callable[[int], str]
) -> None:
    """Raise ValueError for a column without any value."""
    if is_empty.any():
        raise ValueError(
            f"X has no value in {column_name(int(np.argmax(is_empty)))}: every one is "
            "missing. Leave that column out"
        )


def check_columns(
    estimator: Any, names: Sequence[str] | None, n_features: int, *, fitting: bool
) -> None:
    """Columns of a table that is not at hand: those of the fit, which remembers them.

    Raises
    ------
    ValueError
        If the model has another number of them, or other names.
    """
    fitted = vars(estimator)
    if fitting:
        estimator.n_features_in_ = n_features
        fitted.pop("feature_names_in_", None)
        if names is not None:
            estimator.feature_names_in_ = check_names(names, n_features)
        return
    if n_features != fitted.get("n_features_in_", n_features):
        raise ValueError(
            f"X has {n_features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
    expected = fitted.get("feature_names_in_")
    if expected is None or names is None:
        return
    if list(expected) != list(names):
        raise ValueError(
            f"X has the columns {', '.join(map(repr, names))}, but the fit was made "
            f"with {', '.join(map(repr, expected))}, in this order"
        )


def remember_columns(estimator: Any, other: Any) -> None:
    """Let an estimator know the columns that another one knows."""
    estimator.n_features_in_ = other.n_features_in_
    vars(estimator).pop("feature_names_in_", None)
    if hasattr(other, "feature_names_in_"):
        estimator.feature_names_in_ = other.feature_names_in_


def check_collected(X: Any) -> None:
    """Raise TypeError for a polars query or a Dask collection: no rows are here yet.

    NumPy would bring all of a collection here, as an array without columns' names.
    """
    kind = type(X)
    if kind.__name__ == "LazyFrame" and kind.__module__.startswith("polars"):
        raise TypeError(
            "X is a polars LazyFrame, whose rows are not there yet: pass X.collect(). "
            "If they do not fit in memory, write them with X.sink_parquet(path) and "
            "pass the path."
        )
    if "dask" in {base.__module__.partition(".")[0] for base in kind.__mro__}:
        raise TypeError(
            f"X is a Dask {kind.__name__}. fastem.dask.GaussianMixture, in place of "
            "fastem.GaussianMixture, fits it and answers about it where it lies; "
            "X.compute() brings it to this process"
        )


def check_block(X: Any) -> tuple[Rows, tuple[str, ...] | None]:
    """Part of a table as float32 or float64 (n, D), any n, and its columns' names.

    Values are not looked at.
    """
    columns = BaseEstimator()
    rows = _validated(columns, X, True, min_rows=0)
    names = vars(columns).get("feature_names_in_")
    return rows, None if names is None else tuple(names)


def _is_like_the_fitted(estimator: Any, X: Any) -> bool:
    """Whether X is an array that ``validate_data`` would return as it is.

    To find that out takes scikit-learn longer than the rest of a small ``predict``.
    """
    fitted = vars(estimator)
    return (
        type(X) is np.ndarray
        and X.dtype in _KERNEL_TYPES
        and X.ndim == 2
        and len(X) > 0
        and fitted.get("n_features_in_") == X.shape[1]
        and "feature_names_in_" not in fitted
    )


def _validated(
    estimator: Any,
    X: Any,
    fitting: bool,
    min_rows: int | None = None,
    *,
    gaps: bool = True,
) -> Rows:
    """X as an array of numbers; the errors of a table name its columns."""
    check_collected(X)
    if np.ma.isMaskedArray(X) and gaps:
        dtype = X.dtype if X.dtype == np.float32 else np.float64
        X = np.ma.filled(X.astype(dtype), np.nan)
    elif np.ma.isMaskedArray(X) and np.ma.getmaskarray(X).any():
        mask = np.ma.getmaskarray(X)
        row, column = (int(i) for i in np.argwhere(mask)[0])
        raise ValueError(
            f"X is a masked array with {int(mask.sum())} masked values, the first in "
            f"row {row}, {column_name(X, column)}. Drop those rows (for example "
            f"X[~X.mask.any(axis=1)].data) or fill the gaps; {MARGINALIZE}."
        )
    _refuse_images(X)
    X = with_nan(X)
    column_types = _types_of_columns(X)
    times = [j for j, dtype in enumerate(column_types) if dtype.kind in "mM"]
    if times:
        raise ValueError(
            f"X holds dates or times in {column_name(X, times[0])}. Subtract a "
            "start and divide by a unit to make numbers of them, or leave them out."
        )
    try:
        rows: Rows = validate_data(
            estimator,
            X,
            reset=fitting,
            # scikit-learn would make float64 of polars' and Arrow's float32.
            dtype=np.float32
            if column_types and set(column_types) == {np.dtype(np.float32)}
            else [np.float64, np.float32],
            order="C",
            ensure_all_finite=False,
            ensure_min_samples=(1 + fitting) if min_rows is None else min_rows,
        )
    except (ValueError, TypeError) as error:
        text = [j for j, values in enumerate(_columns(X)) if not _is_numeric(values)]
        if not text:
            raise
        raise type(error)(
            f"X does not hold numbers in {column_name(X, text[0])}: {error}. "
            "Leave that column out, or encode it as numbers."
        ) from error
    return rows


def with_nan(X: Any) -> Any:
    """The same with NaN for None and pandas' NA among objects."""
    if isinstance(X, np.ndarray) and X.dtype == object:
        return _without_na(X)
    if hasattr(X, "iloc") and hasattr(X, "dtypes") and getattr(X, "ndim", 0) == 2:
        kinds = [getattr(dtype, "kind", "") for dtype in X.dtypes]
        objects = [j for j, kind in enumerate(kinds) if kind == "O"]
        if objects:
            X = X.copy()
            for j in objects:
                X.isetitem(j, _without_na(X.iloc[:, j].to_numpy()))
    return X


def _without_na(values: np.ndarray) -> np.ndarray:
    """An array of objects with NaN for None and pandas' NA, as numbers if it can be."""
    is_missing = np.vectorize(
        lambda value: value is None or type(value).__name__ in {"NAType", "NaTType"},
        otypes=[bool],
    )(values)
    if not is_missing.any():
        return values
    filled = values.copy()
    filled[is_missing] = np.nan
    return filled


def _refuse_images(X: Any) -> None:
    """Raise ValueError for more than two dimensions; the sizes are not of all rows."""
    shape: tuple[Any, ...] = getattr(X, "shape", ())
    if len(shape) > 2:
        raise ValueError(
            f"X has {len(shape)} dimensions, but must have two: rows and columns. "
            f"Of an image, X.reshape(-1, {shape[-1]}) has a row for each pixel"
        )


def _types_of_columns(X: Any) -> list[np.dtype[Any]]:
    """The types of a table's columns, none of which is text.

    Text that could be read as numbers is text too.
    """
    types = []
    for j, values in enumerate(_columns(X)):
        types.append(values.dtype)
        text = find_text(values)
        if text is not None:
            raise ValueError(
                f"X does not hold numbers in {column_name(X, j)}, but text: row "
                f"{text.position} holds {text}. Leave that column out, or make numbers "
                "of it (for example with pandas.to_numeric)."
            )
    return types


def column_name(X: Any, column: int) -> str:
    """'column 3', or its name in the table X if it has one."""
    names = _get_feature_names(X)
    return f"column {column}" if names is None else f"column {names[column]!r}"


def _columns(X: Any) -> Iterator[np.ndarray]:
    """Columns of a table, or of an array that may hold things other than numbers."""
    if hasattr(X, "column_names"):  # Arrow
        yield from (np.asarray(X[name]) for name in X.column_names)
    elif hasattr(X, "iloc") and getattr(X, "ndim", 0) == 2:  # pandas
        yield from (np.asarray(X.iloc[:, j]) for j in range(X.shape[1]))
    elif hasattr(X, "columns") and hasattr(X, "get_column"):  # polars
        yield from (np.asarray(X[name]) for name in X.columns)
    elif isinstance(X, list | tuple):
        with suppress(ValueError):  # ragged lists, which scikit-learn names
            if np.asarray(X).dtype.kind in "OUSmM":
                # Of 1 and "?" the array above makes two texts.
                yield from _columns(np.asarray(X, dtype=object))
    elif isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "OUSmM":
        yield from X.T


def _is_numeric(values: np.ndarray) -> bool:
    try:
        values.astype(np.float64)
    except (ValueError, TypeError):
        return False
    return values.dtype.kind != "c"


def largest_to_square(X: Rows) -> float:
    """What can be squared and summed over the columns, with room to spare."""
    return float(np.sqrt(np.finfo(X.dtype).max) / X.shape[1] / 8)


def check_range(
    X: Rows,
    column_name: Callable[[int], str],
    row_name: Callable[[int], str] = "row {}".format,
    *,
    gaps: bool = False,
) -> float:
    """Every value must be finite and small enough to be squared; their largest size.

    With ``gaps`` they may be missing.

    Errors name rows and columns as these functions do, given their number in X.
    """
    largest = largest_to_square(X)
    seen = 0.0
    for start in range(0, len(X), _BLOCK_ROWS):
        block = X[start : start + _BLOCK_ROWS]
        # NaN is the minimum and the maximum of what holds one, and compares as False.
        least, most = block.min(), block.max()
        if least >= -largest and most <= largest:
            seen = max(seen, -float(least), float(most))
            continue
        if gaps:
            # NaN, too, is ignored by these: of no value it is the answer.
            least, most = np.fmin.reduce(block, None), np.fmax.reduce(block, None)
            if not (least < -largest or most > largest):
                seen = max(seen, np.fmax(-float(least), float(most), dtype=float))
                continue
        _raise_not_finite(X, column_name, row_name, gaps)
        row, column = (int(i) for i in np.argwhere(np.abs(block) > largest)[0])
        raise ValueError(
            f"X has values too large to be squared in {X.dtype} (above "
            f"{largest:.0e} in size), the first, {block[row, column]:g}, in "
            f"{row_name(start + row)}, {column_name(column)}. Scale that column."
        )
    return seen


def _check_sums(X: Rows, largest: float, table: Any) -> None:
    """Sums of squared distances must be finite, too.

    In float64 they go over all rows, in float32 over those of a chunk at most.
    """
    if _can_be_summed(X.dtype, X.size, largest, 1.0):
        return
    squares = np.zeros(X.shape[1])
    for start in range(0, len(X), _BLOCK_ROWS):
        block = X[start : start + _BLOCK_ROWS]
        squares += np.nansum((block / largest) ** 2, axis=0)
    share = float(squares.sum()) / X.size
    if not _can_be_summed(X.dtype, X.size, largest, share):
        column = int(squares.argmax())
        size = float(np.nanmax(np.abs(X[:, column])))
        _raise_too_large(X.dtype, size, column_name(table, column))


def _can_be_summed(
    dtype: np.dtype[Any], n_values: int, largest: float, share: float
) -> bool:
    """Whether squares of values are finite in sum: ``share`` of the largest one's."""
    # A distance is twice the largest size at most.
    most = float(np.finfo(dtype).max) / 4
    if dtype != np.float64:
        return largest**2 * CHUNK_ROWS <= most
    return largest**2 * share * n_values <= most


def check_sums(
    dtype: np.dtype[Any],
    n_rows: int,
    largest: float,
    mean_squares: Array,
    column_name: Callable[[int], str],
) -> None:
    """The same for rows that are not at hand, from their mean squares (D,)."""
    n_values = n_rows * len(mean_squares)
    share = float((mean_squares / max(largest, 1.0) ** 2).mean())
    if not _can_be_summed(dtype, n_values, max(largest, 1.0), min(share, 1.0)):
        _raise_too_large(dtype, largest, column_name(int(mean_squares.argmax())))


def _raise_too_large(dtype: np.dtype[Any], largest: float, column: str) -> None:
    """Squares overflow in sum."""
    raise ValueError(
        f"X has values too large for the sum of their squares in {dtype} (up to "
        f"{largest:.0e} in size), most of all in {column}. Scale that column."
    )


def _raise_not_finite(
    X: Rows,
    column_name: Callable[[int], str],
    row_name: Callable[[int], str],
    gaps: bool,
) -> None:
    n_nan = n_infinite = n_rows = 0
    first: tuple[int, int] | None = None
    for start in range(0, len(X), _BLOCK_ROWS):
        block = X[start : start + _BLOCK_ROWS]
        bad = np.isinf(block) if gaps else ~np.isfinite(block)
        if not bad.any():
            continue
        n_nan += int(np.isnan(block[bad]).sum())
        n_infinite += int(np.isinf(block).sum())
        n_rows += int(bad.any(axis=1).sum())
        if first is None:
            row, column = (int(i) for i in np.argwhere(bad)[0])
            first = start + row, column
    if first is None:
        return
    counts = [f"{n} {what}" for n, what in ((n_nan, "NaN"), (n_infinite, "inf")) if n]
    kinds = [what for n, what in ((n_nan, "missing"), (n_infinite, "infinite")) if n]
    raise ValueError(
        f"X contains {' and '.join(counts)} in {n_rows} of {len(X)} rows, the first "
        f"in {row_name(first[0])}, {column_name(first[1])}. Rows with "
        f"{' or '.join(kinds)} values cannot be used: {DROP_ROWS} or "
        f"replace the values first{f'; {MARGINALIZE}' if n_nan else ''}."
    )


def check_names(names: ArrayLike, n_features: int) -> NDArray[np.object_]:
    """Names of columns: shape (D,)."""
    array = np.asarray(names, dtype=object)
    if array.shape != (n_features,):
        raise ValueError(
            f"feature_names should have the shape {(n_features,)}, but has "
            f"{array.shape}"
        )
    return array
