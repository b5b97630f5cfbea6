"""Fitting on standardised columns, with the model in the units of the data."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from fastem.checks.rows import Rows, read_only
from fastem.covariances import SingularCovarianceError, named_columns, structure_of
from fastem.em.progress import Progress
from fastem.em.ridge import RegularizationWarning
from fastem.mixture import GaussianMixture, StudentMixture
from fastem.mixture.noise import background_of_model
from fastem.mixture.tails import degrees_of_freedom_of
from fastem.sources.blocks import Block, Source
from fastem.starts.initialization import weighted_blocks
from fastem.statistics import Array, Background
from fastem.storage.writing import PathLike
from fastem.training.in_blocks import RowsInBlocks, training_rows
from fastem.training.in_memory import RowsInMemory, TrainingRows

_BLOCK_ROWS = 65536


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each column.

    Attributes
    ----------
    means : array of shape (D,)
    deviations : array of shape (D,)
    shares : array of shape (D,), or None
        The share of rows that have a value; None if all have.
    """

    means: Array
    deviations: Array
    shares: Array | None = None

    @classmethod
    def of_rows(cls, X: Rows, sample_weight: Rows | None = None) -> Scaling:
        """Of the rows of X (N, D), weighted if weights (N,) are given."""
        row_weights = np.empty(0) if sample_weight is None else sample_weight
        total, sums = 0.0, np.zeros(X.shape[1])
        for block, weights in weighted_blocks(X, row_weights, X.shape[1]):
            total += weights.sum()
            sums += weights @ block
        means = sums / total
        # About the mean, and corrected for what rounding left of it.
        sums, squares = np.zeros_like(means), np.zeros_like(means)
        for block, weights in weighted_blocks(X, row_weights, X.shape[1]):
            sums += weights @ (block - means)
            squares += weights @ (block - means) ** 2
        shift = sums / total
        variances = np.maximum(squares / total - shift**2, 0)
        return cls(means + shift, np.sqrt(variances))

    @classmethod
    def of_training(cls, rows: TrainingRows) -> Scaling:
        """Of the rows of a fit, which know it already where they are read in blocks."""
        if isinstance(rows, RowsInBlocks):
            facts = rows.survey
            return cls(facts.mean, np.sqrt(facts.variances), facts.shares)
        assert isinstance(rows, RowsInMemory)
        if rows.has_gaps:
            moments = rows.moments()
            return cls(moments.mean, np.sqrt(moments.variances), moments.shares)
        return cls.of_rows(rows.values, rows.weights)

    def standardize_training(self, estimator: Any, rows: TrainingRows) -> TrainingRows:
        """The rows of a fit, standardised; the estimator knows the columns' names."""
        if isinstance(rows, RowsInBlocks):
            source = StandardizedBlocks(rows.source, self)
            scaled = RowsInBlocks.checked(estimator, source, rows.sample_weight)
            return replace(scaled, known=rows.known)
        assert isinstance(rows, RowsInMemory)
        return replace(rows, values=read_only(self.standardize(rows.values)))

    def standardize(self, X: Rows) -> Rows:
        """(X - mean) / standard deviation, in the type of X."""
        standardized = np.empty_like(X, order="C")
        for start in range(0, len(X), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            standardized[rows] = (X[rows] - self.means) / self.deviations
        return standardized

    def to_original_units(self, model: GaussianMixture) -> GaussianMixture:
        """The model of X, from a model of ``standardize(X)``.

        If z = (x - m) / s is normal with mean u and covariance C, then x is normal
        with mean m + s u and covariances s_i s_j C_ij (Student's t likewise); its
        log-density is lower by the sum of the log s. Some structures are others then:
        spheres, for example, become ellipsoids in the same proportions.
        """
        structure = structure_of(model.covariance_type)
        has_matrices = structure.representation.has_matrices
        s = self.deviations
        if has_matrices:
            covariances = model.covariances_ * np.outer(s, s)
        else:
            n_columns = len(s)
            covariances = model.covariances_.reshape(len(model.weights_), -1)
            covariances = np.broadcast_to(covariances, (len(covariances), n_columns))
            covariances = covariances * s**2
        parameters: dict[str, Any] = model.get_params()
        for given in ("n_components", "weights_init", "means_init", "precisions_init"):
            del parameters[given]
        background = background_of_model(model)
        if background is not None:
            parameters |= self._background_in_original_units(background)
        if structure.code_in_other_units != structure.code:
            other = structure_of(structure.code_in_other_units)
            parameters["covariance_type"] = other.name
            parameters["covariance_ratio"] = None  # was of columns as they were
        parameters["feature_names"] = _names_of(model)
        kind: Any = GaussianMixture
        v = degrees_of_freedom_of(model)
        if v is not None:
            kind, parameters["degrees_of_freedom"] = StudentMixture, v
        scaled: GaussianMixture = kind.from_parameters(
            model.weights_, self.means + s * model.means_, covariances, **parameters
        )
        if isinstance(model, StudentMixture):
            scaled.set_params(degrees_of_freedom=model.degrees_of_freedom)
        for name in ("noise_volume", "noise_bounds"):
            if getattr(model, name) is None:
                setattr(scaled, name, None)  # it follows from the rows
        # Of a row the density of what it has.
        shares = 1.0 if self.shares is None else self.shares
        shift = float((shares * np.log(s)).sum())
        scaled.converged_ = model.converged_
        scaled.convergence_ = model.convergence_
        scaled.n_dropped_ = model.n_dropped_
        scaled.collapses_ = model.collapses_
        scaled.n_iter_ = model.n_iter_
        scaled.lower_bound_ = model.lower_bound_ - shift
        scaled.lower_bounds_ = [bound - shift for bound in model.lower_bounds_]
        scaled._begin_stream(model.n_samples_seen_, model._ridge * s**2)
        return scaled

    def _background_in_original_units(self, background: Background) -> dict[str, Any]:
        """Arguments of ``from_parameters``."""
        bounds = background.bounds
        if bounds is not None:
            column_wise = self.means[:, np.newaxis], self.deviations[:, np.newaxis]
            bounds = column_wise[0] + column_wise[1] * bounds
        return {
            "noise_weight": background.weight,
            "noise_volume": background.volume * float(np.prod(self.deviations)),
            "noise_bounds": bounds,
        }


@dataclass(frozen=True)
class StandardizedBlocks:
    """A source whose columns are standardised as they are read."""

    source: Source
    scaling: Scaling

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
        """All rows in order, from the start."""
        for block in self.source.blocks(n_rows):
            yield block._replace(values=self.scaling.standardize(block.values))


class _OnTrainingRows:
    """Fits rows as a fit uses them, which it has checked: their columns have names."""

    def _training_rows(self, X: Any, *given: Any) -> TrainingRows:
        rows: TrainingRows = X
        return rows


def fit_standardized(
    model: GaussianMixture,
    X: Any,
    sample_weight: ArrayLike | str | None = None,
    *,
    labels: ArrayLike | tuple[str, str] | None = None,
    callback: Callable[[Progress], object] | None = None,
    checkpoint: PathLike | None = None,
) -> GaussianMixture:
    """Fit to standardised columns; the result describes X itself.

    For columns in units far apart, in which k-means starts see the widest alone.

    Parameters
    ----------
    model : GaussianMixture
        Is left as it is. Its ``reg_covar`` is in units of squared standard deviations.
    X : array-like of shape (N, D), or a source of rows in blocks
        As in :meth:`fastem.GaussianMixture.fit`.
    sample_weight : array-like of shape (N,), or name of a column, default=None
        Counts in the means and standard deviations too.
    labels : array-like of shape (N,) or (N, K), or ('column', name), default=None
    callback : callable, default=None
    checkpoint : path, default=None
        As in :meth:`fastem.GaussianMixture.fit`.

    Returns
    -------
    GaussianMixture
        In the units of X: it predicts for raw rows. It knows the names of the columns.

    Raises
    ------
    ValueError
        If a column is constant, or the fit fails.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, fit_standardized
    >>> from fastem.report.scaling import fit_standardized
    >>> random = np.random.default_rng(0)
    >>> X = np.vstack([random.normal(m, 1, (100, 2)) for m in (0, 6)])
    >>> meters_and_grams = X * [0.1, 1e4]
    >>> model = GaussianMixture(2, random_state=0)
    >>> fit_standardized(model, meters_and_grams).means_.round(2).tolist()
    [[0.59, 59481.73], [-0.01, 1013.22]]
    """
    model._check_settings()
    kind: Any = StudentMixture if isinstance(model, StudentMixture) else GaussianMixture
    on_training_rows: Any = type(kind.__name__, (_OnTrainingRows, kind), {})
    fitted = on_training_rows(**clone(model).get_params(deep=False))
    rows = training_rows(fitted, X, sample_weight, labels)
    scaling = Scaling.of_training(rows)
    rounding = np.finfo(rows.dtype).eps * np.abs(scaling.means)
    constant = scaling.deviations <= rounding
    if constant.any():
        raise UnscalableColumnsError(constant, _names_of(fitted))
    standardized = scaling.standardize_training(fitted, rows)
    with _in_units_of_data(scaling, rows.dtype):
        fitted.fit(standardized, callback=callback, checkpoint=checkpoint)
    return scaling.to_original_units(fitted)


def _names_of(model: GaussianMixture) -> Any:
    return getattr(model, "feature_names_in_", None)


@contextmanager
def _in_units_of_data(scaling: Scaling, dtype: np.dtype[Any]) -> Iterator[None]:
    """Warnings and errors of a fit to standardised columns tell values of the data."""
    show = warnings.showwarning
    units = scaling.means, scaling.deviations, float(np.finfo(dtype).eps)

    def show_in_units(message: Warning | str, *details: Any, **more: Any) -> None:
        if isinstance(message, RegularizationWarning):
            message = message.in_units(*units)
        show(message, *details, **more)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_in_units
            yield
    except SingularCovarianceError as error:
        raise error.in_units(*units) from None


class UnscalableColumnsError(ValueError):
    """Columns that cannot be standardised, as their values are all equal.

    Attributes
    ----------
    columns : tuple of int
    """

    def __init__(
        self, which: NDArray[np.bool_], names: Sequence[str] | None = None
    ) -> None:
        super().__init__(which, names)
        self.columns = tuple(int(j) for j in np.flatnonzero(which))
        self._names = names

    def __str__(self) -> str:
        columns = named_columns(self.columns, self._names)
        return (
            f"{columns} cannot be standardised, because all values are equal: leave "
            "that out"
        )
