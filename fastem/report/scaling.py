"""Fitting on standardised columns, with the model in the units of the data."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from fastem.checks.counting import check_sample_weight
from fastem.checks.rows import Rows
from fastem.covariances import SingularCovarianceError, structure_of
from fastem.em.progress import Progress
from fastem.em.ridge import RegularizationWarning
from fastem.mixture import GaussianMixture
from fastem.mixture.noise import background_of_model
from fastem.sources.blocks import Block, Source
from fastem.sources.reading import blocks_of
from fastem.starts.initialization import weighted_blocks
from fastem.statistics import Array, Background
from fastem.storage.writing import PathLike
from fastem.training.survey import Moments

_BLOCK_ROWS = 65536


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each column.

    Attributes
    ----------
    means : array of shape (D,)
    deviations : array of shape (D,)
    """

    means: Array
    deviations: Array

    @classmethod
    def of_rows(cls, X: Rows, sample_weight: Array | None = None) -> "Scaling":
        """Of the rows of X (N, D), weighted if weights (N,) are given.

        Not finite where squares are too large to be numbers.
        """
        row_weights = np.empty(0) if sample_weight is None else sample_weight
        total, sums = 0.0, np.zeros(X.shape[1])
        for block, weights in weighted_blocks(X, row_weights, X.shape[1]):
            total += weights.sum()
            sums += weights @ block
        means = sums / total
        # About the mean, and corrected for what rounding left of it.
        sums, squares = np.zeros_like(means), np.zeros_like(means)
        with np.errstate(over="ignore", invalid="ignore"):
            for block, weights in weighted_blocks(X, row_weights, X.shape[1]):
                sums += weights @ (block - means)
                squares += weights @ (block - means) ** 2
            shift = sums / total
            variances = np.maximum(squares / total - shift**2, 0)
        return cls(means + shift, np.sqrt(variances))

    @classmethod
    def of_source(cls, source: Source) -> "Scaling":
        """Of all rows of a source, in one pass."""
        moments = Moments(source.n_features)
        with closing(blocks_of(source)) as blocks:
            for rows, weights in blocks:
                moments.add(rows, weights)
        return cls(moments.mean, np.sqrt(moments.variances))

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
        with mean m + s u and covariances s_i s_j C_ij; its log-density is lower by
        the sum of the log s. Some structures are others then: spheres, for example,
        become ellipsoids in the same proportions.
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
        scaled = GaussianMixture.from_parameters(
            model.weights_, self.means + s * model.means_, covariances, **parameters
        )
        for name in ("noise_volume", "noise_bounds"):
            if getattr(model, name) is None:
                setattr(scaled, name, None)  # it follows from the rows
        shift = float(np.log(s).sum())
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


def fit_standardized(
    model: GaussianMixture,
    X: Rows | Source,
    sample_weight: ArrayLike | None = None,
    *,
    callback: Callable[[Progress], object] | None = None,
    checkpoint: PathLike | None = None,
) -> GaussianMixture:
    """Fit to standardised columns; the result describes X itself.

    Parameters
    ----------
    model : GaussianMixture
        Is left as it is. Its ``reg_covar`` is in units of squared standard deviations.
    X : array of shape (N, D), or Source
    sample_weight : array-like of shape (N,), default=None
        Counts in the means and standard deviations too. Not of a source, which has
        its own.
    callback : callable, default=None
    checkpoint : path, default=None
        As in :meth:`GaussianMixture.fit`.

    Returns
    -------
    GaussianMixture
        In the units of X: it predicts for raw rows.

    Raises
    ------
    ValueError
        If a column is constant (:class:`UnscalableColumnsError`), or the fit fails.
    """
    weights = None
    if isinstance(X, Source):
        scaling = Scaling.of_source(X)
    else:
        if sample_weight is not None:
            weights = check_sample_weight(sample_weight, len(X))
        scaling = Scaling.of_rows(X, weights)
    too_large = ~np.isfinite(scaling.deviations)
    if too_large.any():
        raise UnscalableColumnsError(too_large, "its values are too large to square")
    rounding = np.finfo(X.dtype).eps * np.abs(scaling.means)
    constant = scaling.deviations <= rounding
    if constant.any():
        raise UnscalableColumnsError(constant, "its values are all equal")
    standardized = (
        StandardizedBlocks(X, scaling)
        if isinstance(X, Source)
        else scaling.standardize(X)
    )
    with _in_units_of_data(scaling, X.dtype):
        fitted = clone(model).fit(
            standardized,
            sample_weight=weights,
            callback=callback,
            checkpoint=checkpoint,
        )
    return scaling.to_original_units(fitted)


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
    """Columns that cannot be standardised.

    Attributes
    ----------
    columns : tuple of int
    reason : str
    """

    def __init__(self, which: NDArray[np.bool_], reason: str) -> None:
        super().__init__(which, reason)
        self.columns = tuple(int(j) for j in np.flatnonzero(which))
        self.reason = reason

    def __str__(self) -> str:
        columns = ", ".join(map(str, self.columns))
        return f"column {columns} cannot be standardised, because {self.reason}"
