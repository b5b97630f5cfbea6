"""Which parameters of a fit may not move, with every error about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastem.checks.parameters import GivenStart
from fastem.covariances import CovarianceStructure

Mask = NDArray[np.bool_]

# What says where each part starts.
STARTS = {
    "weights": "weights_init",
    "means": "means_init",
    "covariances": "precisions_init",
}
# Weights are not told apart by less.
_SAME_WEIGHT = 1e-6


@dataclass(frozen=True, eq=False)
class Fixed:
    """Which parameters stay what they are at the start, component by component.

    Attributes
    ----------
    weights, means, covariances : array of bool of shape (K,)
        Weights are those of the K components beside each other: that of a background
        is free.
    equal_weights : bool
        Whether all have the same weight.
    """

    weights: Mask
    means: Mask
    covariances: Mask
    equal_weights: bool = False

    @classmethod
    def checked(
        cls,
        fixed: Mapping[str, Any] | None,
        equal_weights: bool,
        structure: CovarianceStructure,
        n_components: int,
    ) -> Self | None:
        """From the user's parameters of the same names; None if all may move.

        Raises
        ------
        ValueError
            If a part is unknown or a mask is none, or the structure shares what is
            fixed in some components only.
        """
        given = {} if fixed is None else dict(fixed)
        unknown = [name for name in given if name not in STARTS]
        if unknown:
            others = ""
            if unknown[0] == "degrees_of_freedom":
                others = "; StudentMixture(degrees_of_freedom=5.0) keeps a number"
            raise ValueError(
                f"fixed has {unknown[0]!r}, and what can be fixed are 'weights', "
                f"'means' and 'covariances'{others}"
            )
        masks = {
            name: _mask(given.get(name, False), name, n_components) for name in STARTS
        }
        if 0 < n_components - 1 == masks["weights"].sum():  # the last one is the rest
            masks["weights"][:] = True
        held = masks["covariances"]
        if held.any() and not (held.all() or structure.shares_nothing):
            raise ValueError(
                f"fixed={{'covariances': ...}} names some components, and with "
                f"covariance_type={structure.name!r} covariances have parts in common: "
                "fix all (True) or none, or use 'full', 'diag' or 'spherical'"
            )
        if equal_weights and masks["weights"].any():
            raise ValueError(
                "equal_weights=True makes all weights 1 / n_components, and "
                "fixed={'weights': ...} keeps others: leave one of them out"
            )
        if not equal_weights and not any(mask.any() for mask in masks.values()):
            return None
        return cls(**masks, equal_weights=equal_weights)

    def check_start(self, given: GivenStart, *, follows: bool) -> None:
        """Raise ValueError if what is fixed has no start, or none that can be kept.

        Parameters
        ----------
        given : GivenStart
        follows : bool
            Whether rows that are assigned to components say where the rest starts.
        """
        starts = (given.weights, given.means, given.precisions)
        for (name, parameter), start in zip(STARTS.items(), starts, strict=True):
            if getattr(self, name).any() and start is None and not follows:
                raise ValueError(
                    f"fixed={{{name!r}: ...}} keeps the {name} that the fit starts "
                    f"with, and nothing says which: give {parameter}, or a partition "
                    "of the rows as init_params"
                )
        if given.weights is None:
            return
        if self.equal_weights and np.ptp(given.weights) > _SAME_WEIGHT:
            raise ValueError(
                "equal_weights=True makes all weights 1 / n_components, and "
                "weights_init has others: leave it out"
            )
        free = given.weights[~self.weights]
        if self.weights.any() and len(free) and not free.sum() > 0:
            raise ValueError(
                "the fixed ones of weights_init sum to 1, and leave nothing to the "
                "components whose weights are free"
            )

    @property
    def components(self) -> Mask:
        """Those of which anything is fixed: (K,)."""
        return self.weights | self.means | self.covariances

    def of(self, components: NDArray[np.intp]) -> "Fixed":
        """What is fixed of some components, in this order."""
        masks = {name: getattr(self, name)[components] for name in STARTS}
        return replace(self, **masks)


def _mask(value: Any, name: str, n_components: int) -> Mask:
    array = np.asarray(value)
    if array.dtype != bool or array.shape not in ((), (n_components,)):
        raise ValueError(
            f"fixed={{{name!r}: ...}} must be True, False, or one of them for each of "
            f"the {n_components} components, but is {value!r}"
        )
    return np.broadcast_to(array, n_components).copy()
