"""Fits of the same mixture to other rows."""

from typing import Any

from sklearn.base import clone

from fastem.checks.rows import remember_columns
from fastem.mixture import GaussianMixture


def unfitted(model: GaussianMixture, **settings: Any) -> GaussianMixture:
    """The same estimator before a fit, but that it knows the names of the columns."""
    fresh: GaussianMixture = clone(model).set_params(**settings)
    remember_columns(fresh, model)
    return fresh
