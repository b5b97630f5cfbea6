"""Parameters of a mixture that a user passes, with every error about them."""

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastem.checks.arrays import as_numbers
from fastem.checks.labels import Partition
from fastem.checks.rows import largest_to_square
from fastem.covariances import CovarianceStructure, SingularCovarianceError
from fastem.statistics import Array, Background, MixtureParameters

# A variance is inverted, and two of them are added.
_LARGEST_VARIANCE = 1e306
# Relative; what a structure says to be equal may have been written with few digits.
_SAME_VARIANCE = 1e-6


@dataclass(frozen=True)
class GivenStart:
    """The parts of a start that the user gave; None for the others."""

    weights: Array | None = None
    means: Array | None = None
    precisions: Array | None = None
    labels: Partition | None = None  # of all rows, from which follows what is None
    background_weight: float | None = None

    @classmethod
    def checked(
        cls,
        weights: ArrayLike | None,
        means: ArrayLike | None,
        precisions: ArrayLike | None,
        structure: CovarianceStructure,
        shape: tuple[int, int],
        labels: Partition | None = None,
        background_weight: float | None = None,
    ) -> Self:
        """Validated copies of the user's ``*_init``, for (K, D) = ``shape``."""
        return cls(
            None
            if weights is None
            else check_weights(weights, shape[0], "weights_init"),
            None if means is None else check_means(means, shape, "means_init"),
            None
            if precisions is None
            else check_positive_definite(
                _compact(precisions, structure, shape, "precisions_init"),
                *(structure, *shape, "precisions_init"),
            ),
            labels,
            background_weight,
        )

    @property
    def is_empty(self) -> bool:
        """Whether the user gave none of the parameters."""
        return self.weights is None and self.means is None and self.precisions is None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to estimate from the rows."""
        return not (
            self.weights is None or self.means is None or self.precisions is None
        )


def _check_numbers(values: ArrayLike, name: str, shape: tuple[int, ...]) -> Array:
    array = as_numbers(values, name)
    if array.shape != shape:
        raise ValueError(f"{name} should have the shape {shape}, but has {array.shape}")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, but is {array[where]} at {where}")
    return array


def check_weights(
    values: ArrayLike, n_components: int, name: str, background: float = 0.0
) -> Array:
    """Mixture weights: shape (K,), none negative.

    With that of the background they sum to 1 within 1e-6.
    """
    weights = _check_numbers(values, name, (n_components,))
    if (weights < 0).any():
        k = int(np.argmin(weights))
        raise ValueError(f"{name} must not be negative, but is {weights[k]:g} at {k}")
    if background and abs(weights.sum() + background - 1) > 1e-6:
        raise ValueError(
            f"{name} must sum to 1 - noise_weight = {1 - background:g}, but sums to "
            f"{weights.sum():g}"
        )
    if not background and abs(weights.sum() - 1) > 1e-6:
        raise ValueError(
            f"{name} must be normalized to sum to 1, but sums to {weights.sum():g}; "
            "divide it by its sum"
        )
    return weights


def check_means(values: ArrayLike, shape: tuple[int, int], name: str) -> Array:
    """Means: shape (K, D), finite, and as small as rows must be."""
    means = _check_numbers(values, name, shape)
    largest = largest_to_square(means)
    too_large = np.abs(means) > largest
    if too_large.any():
        k, j = (int(i) for i in np.argwhere(too_large)[0])
        raise ValueError(
            f"{name} has values too large to be squared (above {largest:.0e} "
            f"in size), the first, {means[k, j]:g}, of component {k} in column {j}. "
            "Scale that column."
        )
    return means


def check_bounds(values: ArrayLike, n_features: int, name: str) -> Array:
    """The least and the largest value of each column: shape (D, 2)."""
    bounds = _check_numbers(values, name, (n_features, 2))
    wrong = np.flatnonzero(~(bounds[:, 0] < bounds[:, 1]))
    if len(wrong):
        low, high = bounds[wrong[0]]
        raise ValueError(
            f"{name} must have a smaller number before a larger one for each column, "
            f"but has {low:g} and {high:g} for column {wrong[0]}"
        )
    return bounds


def check_degrees_of_freedom(
    values: ArrayLike, n_components: int, least: float, most: float, name: str
) -> Array:
    """Degrees of freedom of each component: (K,), from a number or as many."""
    if np.ndim(values) == 0:
        values = np.full(n_components, values)
    v = _check_numbers(values, name, (n_components,))
    wrong = np.flatnonzero((v < least) | (v > most))
    if len(wrong):
        raise ValueError(
            f"{name} must lie in [{least:g}, {most:g}], but is {v[wrong[0]]:g} for "
            f"component {wrong[0]}"
        )
    return v


def check_background(
    weight: float | None,
    volume: float | None,
    bounds: ArrayLike | None,
    n_features: int,
) -> Background | None:
    """A background from the user's parameters; None if no weight is given."""
    if weight is None:
        if volume is not None:
            raise ValueError("noise_volume is given, but noise_weight is not")
        return None
    if not 0 <= weight < 1:
        raise ValueError(f"noise_weight must be in [0, 1), but is {weight!r}")
    if volume is not None and not 0 < volume < math.inf:
        raise ValueError(f"noise_volume must be a positive number, but is {volume!r}")
    box = None if bounds is None else check_bounds(bounds, n_features, "noise_bounds")
    if volume is None:
        if box is None:
            raise ValueError(
                "noise_weight needs the volume in which noise lies: give noise_volume, "
                "or noise_bounds"
            )
        volume = float(np.prod(box[:, 1] - box[:, 0]))
    return Background(float(weight), float(volume), box)


def _is_indefinite(matrices: Array) -> NDArray[np.bool_]:
    """Whether matrices (..., D, D) have an eigenvalue below 0 by more than rounding.

    They are scaled to a diagonal of 1 first. Without that, columns in units far apart
    would drown each other's eigenvalues in rounding.
    """
    diagonals = np.diagonal(matrices, axis1=-2, axis2=-1)
    scale = np.sqrt(np.where(diagonals > 0, diagonals, 1))
    scaled = matrices / scale[..., :, np.newaxis] / scale[..., np.newaxis, :]
    with suppress(np.linalg.LinAlgError):
        # A tenth of the work, and nearly always enough.
        np.linalg.cholesky(scaled)
        return np.zeros(diagonals.shape[:-1], bool)
    eigenvalues = np.linalg.eigvalsh(scaled)
    rounding = eigenvalues.shape[-1] * np.finfo(np.float64).eps * eigenvalues[..., -1]
    indefinite: NDArray[np.bool_] = (eigenvalues[..., 0] < -rounding) | ~(
        diagonals > 0
    ).all(axis=-1)
    return indefinite


def _compact(
    values: ArrayLike, structure: CovarianceStructure, shape: tuple[int, int], name: str
) -> ArrayLike:
    """Matrices (K, D, D) in the structure's own shape; other values as they are."""
    representation = structure.representation
    n_components, n_features = shape
    dense_shape = (n_components, n_features, n_features)
    if np.shape(values) != dense_shape or representation.shape(*shape) == dense_shape:
        return values
    matrices = _check_numbers(values, name, dense_shape)
    compact = representation.compact(matrices)
    _check_same(
        *(matrices, representation.expand(compact, *shape)),
        *(structure, name),
        are_matrices=True,
    )
    return compact


def check_positive_definite(
    values: ArrayLike,
    structure: CovarianceStructure,
    n_components: int,
    n_features: int,
    name: str,
) -> Array:
    """Covariances or precisions in the structure's shape; raises if one is not.

    One that is singular to rounding passes: the Cholesky factorisation after this
    names its component.

    Returns
    -------
    array
        In the structure's shape, symmetric to the last bit.
    """
    representation = structure.representation
    shape = representation.shape(n_components, n_features)
    array = _check_numbers(values, name, shape)
    if np.abs(array).max() > _LARGEST_VARIANCE:
        raise ValueError(
            f"{name} holds {np.abs(array).max():.1e}, and nothing above "
            f"{_LARGEST_VARIANCE:.0e} can be inverted. Scale the columns."
        )
    if representation.has_matrices:
        transposed = np.swapaxes(array, -1, -2)
        if not np.allclose(array, transposed, atol=1e-8 * np.abs(array).max()):
            raise ValueError(
                f"{name} must be symmetric, positive-definite, but is not symmetric: "
                "pass (A + A.T) / 2 of each matrix A if that is rounding"
            )
        array = (array + transposed) / 2
        wrong = _is_indefinite(array)
    else:
        wrong = ~(array > 0)
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        at = f" at {', '.join(str(i) for i in where)}" if where else ""
        raise ValueError(
            f"{name} must be symmetric, positive-definite, but is not{at}"
            if representation.has_matrices
            else f"{name} must be positive, but is {array[where]:g}{at}"
        )
    diagonals = (
        np.diagonal(array, axis1=-2, axis2=-1) if representation.has_matrices else array
    )
    if diagonals.min() < 1 / _LARGEST_VARIANCE:
        raise ValueError(
            f"{name} holds {diagonals.min():.1e}, and nothing below "
            f"{1 / _LARGEST_VARIANCE:.0e} can be inverted. Scale the columns."
        )
    _check_structure(array, structure, name)
    return array


def _check_structure(array: Array, structure: CovarianceStructure, name: str) -> None:
    """Raise ValueError if the structure cannot have such covariances.

    Those that it can have are their own maximum-likelihood estimate. So are their
    inverses: each structure holds the inverses of its covariances.
    """
    _check_same(
        *(array, structure.nearest(array), structure, name),
        are_matrices=structure.representation.has_matrices,
    )


def _check_same(
    array: Array,
    nearest: Array,
    structure: CovarianceStructure,
    name: str,
    *,
    are_matrices: bool,
) -> None:
    sizes = array
    if are_matrices:
        deviations = np.sqrt(np.diagonal(array, axis1=-2, axis2=-1))
        sizes = deviations[..., :, np.newaxis] * deviations[..., np.newaxis, :]
    # Written so that a NaN differs.
    differs = ~(np.abs(array - nearest) <= _SAME_VARIANCE * sizes)
    if differs.any():
        where = tuple(int(i) for i in np.argwhere(differs)[0])
        raise ValueError(
            f"{name} is not what covariance_type={structure.name!r} can be: at "
            f"{', '.join(map(str, where))} it is {array[where]:g}, where the nearest "
            f"that can be has {nearest[where]:g}"
        )


def check_mixture(
    weights: ArrayLike,
    means: ArrayLike,
    covariances: ArrayLike,
    structure: CovarianceStructure,
    background: Background | None = None,
) -> MixtureParameters:
    """A mixture from the user's parameters; K and D are those of the means."""
    shape = np.shape(means)
    if len(shape) != 2 or 0 in shape:
        raise ValueError(
            f"means should have the shape (n_components, n_features), but has {shape}"
        )
    checked = check_positive_definite(covariances, structure, *shape, "covariances")
    try:
        factors = structure.representation.cholesky(checked)
    except SingularCovarianceError as error:
        raise error.after("covariances has no inverse") from None
    of_background = 0.0 if background is None else background.weight
    return MixtureParameters(
        weights=check_weights(weights, shape[0], "weights", of_background),
        means=check_means(means, shape, "means"),
        covariances=checked,
        precisions_cholesky=factors,
        background=background,
    )
