"""The background of an estimator: what it is made from, and where it stands."""

from typing import Any

from numpy.typing import ArrayLike

from fastem.checks.parameters import check_background
from fastem.statistics import Background
from fastem.training.background import NOISE_WEIGHT, background_region
from fastem.training.in_memory import TrainingRows

_FITTED = ("noise_weight_", "noise_volume_", "noise_bounds_")


def given_background(
    weight: float | None,
    volume: float | None,
    bounds: ArrayLike | None,
    n_features: int,
) -> tuple[Background | None, dict[str, Any]]:
    """A background from the user's parameters, and the settings by which fits keep it.

    Without a weight there is none.
    """
    background = check_background(weight, volume, bounds, n_features)
    if background is None:
        return None, {}
    return background, {
        "noise": True,
        "noise_weight_init": background.weight,
        "noise_volume": volume,
        "noise_bounds": bounds,
    }


def background_of_fit(model: Any, rows: TrainingRows) -> Background | None:
    """The background of a fit to the rows, with the weight that it starts with."""
    if not model.noise:
        return None
    weight = model.noise_weight_init
    return background_region(
        rows,
        getattr(model, "feature_names_in_", None),
        weight=NOISE_WEIGHT if weight is None else float(weight),
        volume=model.noise_volume,
        bounds=model.noise_bounds,
    )


def background_of_model(model: Any) -> Background | None:
    """What the fitted attributes of a model say."""
    if not hasattr(model, "noise_weight_"):
        return None
    return Background(model.noise_weight_, model.noise_volume_, model.noise_bounds_)


def set_background(model: Any, background: Background | None) -> None:
    """Set the fitted attributes, which only a model with a background has."""
    if background is None:
        for name in _FITTED:
            model.__dict__.pop(name, None)
        return
    values = background.weight, background.volume, background.bounds
    for name, value in zip(_FITTED, values, strict=True):
        setattr(model, name, value)


def n_background_parameters(model: Any) -> int:
    """Its weight, and its volume where the rows say how large that is."""
    if not hasattr(model, "noise_weight_"):
        return 0
    follows_from_rows = model.noise_volume is None and model.noise_bounds is None
    return 2 if follows_from_rows else 1
