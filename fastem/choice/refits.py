"""Fits of the same mixture to other rows."""

from typing import Any

from sklearn.base import clone

from fastem.mixture import GaussianMixture


def unfitted(model: GaussianMixture, **settings: Any) -> GaussianMixture:
    """The same estimator before a fit, but that it knows the names of the columns."""
    fresh: GaussianMixture = clone(model).set_params(**settings)
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(model, name):
            setattr(fresh, name, getattr(model, name))
    return fresh
