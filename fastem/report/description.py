"""What sets each component of a mixture apart, in words of its columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastem.covariances import structure_of
from fastem.mixture import GaussianMixture
from fastem.statistics import Array


@dataclass(frozen=True)
class Trait:
    """A column in which a component differs from the whole.

    Attributes
    ----------
    column : str
    mean : float
        Of the component, in the column's own unit.
    difference : float
        The component's mean less that of the whole, in standard deviations of the
        whole.
    spread : float
        The component's standard deviation as a multiple of the whole's.
    """

    column: str
    mean: float
    difference: float
    spread: float


def overall_moments(model: GaussianMixture) -> tuple[Array, Array]:
    """Mean and standard deviation of each column under the mixture, shapes (D,)."""
    weights = (model.weights_ / model.weights_.sum())[:, np.newaxis]
    mean = (weights * model.means_).sum(axis=0)
    within = component_variances(model)
    variance = (weights * (within + (model.means_ - mean) ** 2)).sum(axis=0)
    return mean, np.sqrt(variance)


def component_variances(model: GaussianMixture) -> Array:
    """The variance of each column in each component, shape (K, D)."""
    covariances = dense_covariances(model)
    variances: Array = np.diagonal(covariances, axis1=1, axis2=2)
    return variances


def dense_covariances(model: GaussianMixture) -> Array:
    """The covariance matrix of each component, shape (K, D, D)."""
    representation = structure_of(model.covariance_type).representation
    return representation.expand(model.covariances_, *model.means_.shape)


def column_names(
    model: GaussianMixture, given: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The names given, or the model's own, or x0, x1, ... if it has none.

    Raises
    ------
    ValueError
        If there are not as many as columns.
    """
    n_columns = model.means_.shape[1]
    if given is None:
        default = [f"x{j}" for j in range(n_columns)]
        return tuple(getattr(model, "feature_names_in_", default))
    if len(given) != n_columns:
        raise ValueError(
            f"feature_names has {len(given)}, but the model has {n_columns} columns"
        )
    return tuple(given)


def distinctive_traits(
    model: GaussianMixture,
    columns: Sequence[str] | None = None,
    *,
    n_traits: int = 3,
    smallest: float = 0.25,
    overall: tuple[Array, Array] | None = None,
) -> list[list[Trait]]:
    """For each component the columns that set it apart, the most telling first.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, or made from parameters.
    columns : sequence of str, default=None
        Names of the columns; by default the model's own.
    n_traits : int, default=3
        Largest number of columns for a component.
    smallest : float, default=0.25
        Smallest difference worth telling, in standard deviations of the whole.
    overall : (array of shape (D,), array of shape (D,)), default=None
        Mean and standard deviation of the whole; by default those of the mixture.

    Returns
    -------
    list of list of Trait
        One list for each component; empty if it is close to the mixture's mean in
        every column.
    """
    names = column_names(model) if columns is None else columns
    whole = overall_moments(model) if overall is None else overall
    deviations = np.sqrt(component_variances(model))
    return distinctive_traits_of(
        model.means_, deviations, names, whole, n_traits=n_traits, smallest=smallest
    )


def distinctive_traits_of(
    means: Array,
    deviations: Array,
    names: Sequence[str],
    overall: tuple[Array, Array],
    *,
    n_traits: int = 3,
    smallest: float = 0.25,
) -> list[list[Trait]]:
    """The same of components with these means and deviations: (K, D)."""
    mean, deviation = overall
    differences = (means - mean) / deviation
    spreads = deviations / deviation
    return [
        [
            Trait(
                names[j],
                float(means[k, j]),
                float(differences[k, j]),
                float(spreads[k, j]),
            )
            for j in np.argsort(-np.abs(differences[k]), kind="stable")[:n_traits]
            if abs(differences[k, j]) >= smallest
        ]
        for k in range(len(means))
    ]
