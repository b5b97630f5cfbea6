"""What of an estimator's parameters may not move, and how many are left that may."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.checks.fixed import Fixed
from fastem.covariances import structure_of

# The number that each component has in ``fixed``, where they have been sorted since.
_NUMBERS = "_numbers_in_fixed"


def fixed_of(model: Any, n_components: int) -> Fixed | None:
    """What is fixed of so many components, as they are numbered now."""
    fixed = Fixed.checked(
        *(model.fixed, model.equal_weights),
        *(structure_of(model.covariance_type), n_components),
    )
    if fixed is None:
        return None
    if fixed.components.any() and model.on_collapse == "drop":
        raise ValueError(
            "fixed names components by their numbers, and on_collapse='drop' would "
            "give these others: use 'raise' or 'reseed'"
        )
    numbers = getattr(model, _NUMBERS, None)
    return fixed if numbers is None else fixed.of(numbers)


def forget_order(model: Any) -> None:
    """The components are numbered by their start again."""
    model.__dict__.pop(_NUMBERS, None)


def numbers_in_order(model: Any, order: NDArray[np.intp]) -> dict[str, Any]:
    """What to remember of components that are put in this order."""
    if model.fixed is None:
        return {}
    numbers = getattr(model, _NUMBERS, np.arange(len(order)))
    return {_NUMBERS: numbers[order]}


def masks_of(model: Any) -> dict[str, list[bool]] | None:
    """The parameter ``fixed`` for the components as they are numbered now."""
    fixed = fixed_of(model, len(model.weights_))
    if fixed is None or not fixed.components.any():
        return None
    masks = {
        "weights": fixed.weights,
        "means": fixed.means,
        "covariances": fixed.covariances,
    }
    return {name: mask.tolist() for name, mask in masks.items()}


def n_mixture_parameters(model: Any) -> int:
    """Number of free weights, means and covariances of a fitted model."""
    structure = structure_of(model.covariance_type)
    K, D = model.means_.shape
    fixed = fixed_of(model, K)
    n_weights = n_means = n_covariances = K
    if fixed is not None:
        n_weights = 1 if fixed.equal_weights else int((~fixed.weights).sum())
        n_means = int((~fixed.means).sum())
        n_covariances = int((~fixed.covariances).sum())
    n_parameters: int = max(n_weights - 1, 0) + n_means * D
    if n_covariances:
        n_parameters += structure.n_parameters(n_covariances, D)
    return n_parameters
