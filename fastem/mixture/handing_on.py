"""A fitted mixture handed on: its components in another order, or to scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastem.covariances import structure_of
from fastem.covariances.diagonal import Diagonal
from fastem.covariances.full import Full
from fastem.covariances.spherical import Spherical
from fastem.covariances.tied import Tied
from fastem.mixture.columns import column_number
from fastem.mixture.fixed import numbers_in_order

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture as SklearnMixture

# scikit-learn knows one structure for each way to store covariances.
_OF_SCIKIT_LEARN = {
    type(structure.representation): structure.name
    for structure in (Full(), Tied(), Diagonal(), Spherical())
}
_SAME_PARAMETERS = (
    *("n_components", "tol", "max_iter", "n_init", "random_state", "warm_start"),
    *("verbose", "verbose_interval"),
)
_FITTED = (
    *("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"),
    *("converged_", "n_iter_", "lower_bound_", "lower_bounds_"),
    *("n_features_in_", "feature_names_in_"),
)


def order_of(model: Any, by: str | int | Sequence[int]) -> NDArray[np.intp]:
    """The numbers of the components in the order asked for: shape (K,).

    Raises
    ------
    ValueError
        If there is no such column, or the numbers are not those of all components.
    """
    if not isinstance(by, (str, int)):
        order = np.asarray(by)
        if not np.array_equal(np.sort(order), np.arange(len(model.weights_))):
            raise ValueError(
                f"by={by!r} must have each number from 0 to {len(model.weights_) - 1} "
                "once: the components in their new order"
            )
        return order.astype(np.intp)
    if by == "weight":
        return np.argsort(-model.weights_, kind="stable")
    if by == "mean":
        return np.lexsort(model.means_.T[::-1])
    column = column_number(model, by, f"by={by!r} is neither 'weight' nor 'mean', nor")
    return np.argsort(model.means_[:, column], kind="stable")


def sorted_parameters(model: Any, by: str | int | Sequence[int]) -> dict[str, Any]:
    """The fitted attributes of each component, in the order asked for."""
    order = order_of(model, by)
    # What a stream remembers of each component goes with it.
    names = ["weights_", "means_", "degrees_of_freedom_", "_largest_weights"]
    if not structure_of(model.covariance_type).representation.is_shared:
        names += ["covariances_", "precisions_", "precisions_cholesky_"]
        names += ["_first_variances"]
    sorted_ = {n: getattr(model, n)[order] for n in names if hasattr(model, n)}
    return sorted_ | numbers_in_order(model, order)


def as_sklearn(model: Any) -> SklearnMixture:
    """A fitted mixture of scikit-learn's with the same answers."""
    if hasattr(model, "noise_weight_"):
        raise ValueError(
            "scikit-learn's mixtures have no background, and this one has: fit with "
            "noise=False for one that can be handed on"
        )
    if hasattr(model, "degrees_of_freedom_"):
        raise ValueError(
            "scikit-learn's mixtures are of normal distributions, and this one is of "
            "Student's t: fit a GaussianMixture for one that can be handed on"
        )
    # Here, as it imports all of scikit-learn's clustering.
    from sklearn.mixture import GaussianMixture as SklearnMixture

    representation = structure_of(model.covariance_type).representation
    parameters = model.get_params()
    theirs = SklearnMixture(
        **{name: parameters[name] for name in _SAME_PARAMETERS},
        covariance_type=_OF_SCIKIT_LEARN[type(representation)],
    )
    if isinstance(theirs.n_init, str):
        theirs.n_init = 1
    if isinstance(parameters["reg_covar"], float):
        theirs.reg_covar = parameters["reg_covar"]
    theirs.n_components = len(model.weights_)
    for name in _FITTED:
        if hasattr(model, name):
            value = getattr(model, name)
            setattr(theirs, name, value.copy() if hasattr(value, "copy") else value)
    return theirs
