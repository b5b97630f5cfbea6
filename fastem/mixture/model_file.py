"""Models as JSON: a file that a person can read and that executes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastem.covariances import COVARIANCE_TYPES
from fastem.em.convergence import Convergence
from fastem.mixture import GaussianMixture, StudentMixture
from fastem.mixture.fixed import masks_of
from fastem.mixture.noise import background_of_model
from fastem.mixture.tails import degrees_of_freedom_of
from fastem.storage.json_text import Section, brief
from fastem.storage.writing import PathLike
from fastem.version import __version__

_KINDS = {f"fastem.{kind.__name__}": kind for kind in (GaussianMixture, StudentMixture)}
FORMAT, FORMAT_OF_STUDENT = _KINDS
FORMAT_VERSION = 1

_SETTINGS = (
    *("tol", "reg_covar", "covariance_ratio", "max_iter", "stopping", "accelerate"),
    *("on_collapse", "n_init", "init_params", "outlier_share", "missing_values"),
    *("random_state", "forgetting", "memory", "equal_weights"),
)


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds.

    Attributes
    ----------
    model : GaussianMixture
        Without feature names, so that it takes arrays without a warning.
    columns : tuple of str or None
        Names of the columns, if it has any.
    fastem_version : str
        The version that wrote the file.
    fit : dict
        How the model came about: settings and outcome of the fit.
    """

    model: GaussianMixture
    columns: tuple[str, ...] | None
    fastem_version: str
    fit: dict[str, Any]

    @property
    def named_model(self) -> GaussianMixture:
        """The model, with the names of its columns, if it has any."""
        if self.columns is not None:
            self.model.feature_names_in_ = np.asarray(self.columns, dtype=object)
        return self.model


_KEYS = {
    *("format", "format_version", "fastem_version", "covariance_type"),
    *("n_components", "columns", "fit", "weights", "means", "covariances", "stream"),
    *("background", "degrees_of_freedom", "fixed"),
}


def content_of(
    model: GaussianMixture,
    *,
    columns: tuple[str, ...] | None = None,
    about_fit: Mapping[str, str | float | bool | None] | None = None,
) -> dict[str, Any]:
    """What a file has of a fitted model; see :func:`fastem.save_model`."""
    check_is_fitted(model)
    if columns is None and hasattr(model, "feature_names_in_"):
        columns = tuple(model.feature_names_in_)
    v, masks = degrees_of_freedom_of(model), masks_of(model)
    return {
        "format": FORMAT if v is None else FORMAT_OF_STUDENT,
        "format_version": FORMAT_VERSION,
        "fastem_version": __version__,
        "covariance_type": model.covariance_type,
        "n_components": len(model.weights_),
        "columns": None if columns is None else list(columns),
        "fit": {
            "converged": bool(model.converged_),
            "n_iter": int(model.n_iter_),
            "lower_bound": _finite(model.lower_bound_),
            "remaining_gain": _finite(model.convergence_.remaining_gain),
            "convergence_rate": _finite(model.convergence_.rate),
            "at_rounding": model.convergence_.at_rounding,
            "n_decreases": model.convergence_.n_decreases,
            "n_rejected": model.convergence_.n_rejected,
            **_plain_settings(model),
            **(about_fit or {}),
        },
        "stream": _stream(model),
        "weights": model.weights_.tolist(),
        "means": model.means_.tolist(),
        "covariances": model.covariances_.tolist(),
        **_background(model),
        **({} if v is None else {"degrees_of_freedom": v.tolist()}),
        **({} if masks is None else {"fixed": masks}),
    }


def read_model_file(path: PathLike) -> ModelFile:
    """Read a model file with all that it says; see :func:`fastem.load_model`."""
    return file_of(Section.of_file(Path(path)))


def file_of(content: Section) -> ModelFile:
    """What a file says whose content was read; see :func:`fastem.load_model`."""
    path = content.where
    found = content.values.get("format")
    if not isinstance(found, str) or found not in _KINDS:
        raise ValueError(
            f'{path} is not a fastem model: its "format" is {brief(found)}, not '
            f"{' or '.join(map(brief, _KINDS))}"
        )
    version = content.get("format_version", int)
    if version != FORMAT_VERSION:
        remedy = (
            "it was written by a newer fastem: pip install --upgrade fastem"
            if version > FORMAT_VERSION
            else "no fastem has ever written that"
        )
        raise ValueError(
            f'{path}: "format_version" is {brief(version)}, and this fastem reads '
            f"{FORMAT_VERSION}; {remedy}"
        )
    surplus = [key for key in content.values if key not in _KEYS]
    if surplus:
        raise ValueError(
            f"{path}: {brief(surplus[0])} is not a key of a model file. Remove it; or, "
            "if a newer fastem wrote the file: pip install --upgrade fastem"
        )
    covariance_type = content.get("covariance_type", str)
    if covariance_type not in COVARIANCE_TYPES:
        raise ValueError(
            f'{path}: "covariance_type" is {brief(covariance_type)}; it must be one of '
            f"{', '.join(COVARIANCE_TYPES)}"
        )
    weights, means, covariances = (
        content.numbers(key) for key in ("weights", "means", "covariances")
    )
    if means.ndim != 2 or 0 in means.shape:
        raise ValueError(
            f'{path}: "means" must be one list of numbers for each component, but has '
            f"the shape {means.shape}"
        )
    n_components, n_columns = means.shape
    stated = content.get("n_components", int)
    if stated != n_components:
        raise ValueError(
            f'{path}: "n_components" is {brief(stated)}, but "means" has '
            f"{n_components} rows"
        )
    noise = {}
    if "background" in content.values:
        background = Section(
            f"{path}, in its section background", content.get("background", dict)
        )
        noise = _noise(background)
    fit = content.get("fit", dict)
    outcome = Section(f"{path}, in its section fit", fit)
    of_tails: dict[str, Any] = {}
    if found == FORMAT_OF_STUDENT:
        of_tails["degrees_of_freedom"] = content.numbers("degrees_of_freedom")
        wish = outcome.get("degrees_of_freedom", (int, float, str))
    settings = _settings(outcome)
    try:
        model = _KINDS[found].from_parameters(
            weights,
            means,
            covariances,
            covariance_type=covariance_type,
            **noise,
            **of_tails,
            **settings,
        )
        if of_tails:
            model.set_params(degrees_of_freedom=wish)
        if noise:
            model.set_params(**_noise_settings(background))
        if "fixed" in content.values:
            model.set_params(fixed=content.get("fixed", dict))
            masks_of(model)  # raises what is wrong with them
        model._validate_params()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    model.converged_ = outcome.get("converged", bool)
    model.n_iter_ = outcome.count("n_iter")
    if outcome.values.get("lower_bound") is not None:
        model.lower_bound_ = float(outcome.get("lower_bound", (int, float)))
    model.convergence_ = Convergence(
        _number_or_nan(outcome, "remaining_gain"),
        _number_or_nan(outcome, "convergence_rate"),
        # What a file of an older version does not have.
        "at_rounding" in fit and outcome.get("at_rounding", bool),
        outcome.count("n_decreases") if "n_decreases" in fit else 0,
        outcome.count("n_rejected") if "n_rejected" in fit else 0,
    )
    if content.values.get("stream") is not None:
        stream = Section(f"{path}, in its section stream", content.get("stream", dict))
        _go_on(model, stream, n_columns)
    return ModelFile(
        model, _columns(content, n_columns), content.get("fastem_version", str), fit
    )


def _background(model: GaussianMixture) -> dict[str, Any]:
    """The section of a background, if there is one."""
    background = background_of_model(model)
    if background is None:
        return {}
    return {
        "background": {
            "weight": float(background.weight),
            "volume": background.volume,
            "bounds": _listed(background.bounds),
            "noise_volume": _plain(model.noise_volume),
            "noise_bounds": _listed(model.noise_bounds),
        }
    }


def _listed(bounds: Any) -> Any:
    return None if bounds is None else np.asarray(bounds, np.float64).tolist()


def _noise(background: Section) -> dict[str, Any]:
    """What a mixture with this background is made from."""
    return {
        "noise_weight": float(background.get("weight", (int, float))),
        "noise_volume": float(background.get("volume", (int, float))),
        "noise_bounds": _numbers_or_none(background, "bounds"),
    }


def _noise_settings(background: Section) -> dict[str, Any]:
    """What the user had said of it: by that, criteria count parameters."""
    volume = background.get("noise_volume", (int, float, NoneType))
    return {
        "noise_volume": volume,
        "noise_bounds": _numbers_or_none(background, "noise_bounds"),
    }


def _numbers_or_none(section: Section, key: str) -> Any:
    return None if section.values.get(key) is None else section.numbers(key)


def _settings(outcome: Section) -> dict[str, Any]:
    """Constructor arguments; all but their types is checked by the estimator."""
    defaults = GaussianMixture().get_params()
    settings = {}
    for name in _SETTINGS:
        if name not in outcome.values:
            continue
        settings[name] = outcome.get(
            name,
            bool if isinstance(defaults[name], bool) else (int, float, str, NoneType),
        )
    return settings


def _plain_settings(model: GaussianMixture) -> dict[str, Any]:
    """Constructor arguments, but not a start that is an array: rows are not kept."""
    names = list(_SETTINGS)
    if isinstance(model, StudentMixture):
        names.append("degrees_of_freedom")
    settings = {name: getattr(model, name) for name in names}
    return {
        name: _plain(value)
        for name, value in settings.items()
        if name != "init_params" or isinstance(value, str)
    }


def _stream(model: GaussianMixture) -> dict[str, Any] | None:
    """What ``partial_fit`` goes on from, beside the parameters."""
    if not hasattr(model, "n_samples_seen_"):
        return None
    stream = {
        "n_samples_seen": float(model.n_samples_seen_),
        # A pickle of an older version does not have it.
        "n_effective": float(getattr(model, "n_effective_", model.n_samples_seen_)),
        "ridge": np.asarray(model._ridge).tolist(),
    }
    if hasattr(model, "_largest_weights"):  # not from every pickle of fastem 0.1.0
        stream["first_variances"] = model._first_variances.tolist()
        stream["largest_weights"] = model._largest_weights.tolist()
    return stream


def _go_on(model: GaussianMixture, stream: Section, n_columns: int) -> None:
    """Have ``partial_fit`` go on as if the model had never been written."""
    seen = float(stream.get("n_samples_seen", (int, float)))
    if not seen > 0:
        raise ValueError(f'{stream.where}: "n_samples_seen" must be more than 0')
    is_list = isinstance(stream.values.get("ridge"), list)
    ridge = (
        stream.numbers("ridge")
        if is_list
        else np.asarray(float(stream.get("ridge", (int, float))))
    )
    if ridge.shape != ((n_columns,) if is_list else ()) or (ridge < 0).any():
        raise ValueError(
            f'{stream.where}: "ridge" must be a number that is not negative, or '
            f"{n_columns} of them, not {brief(stream.values['ridge'])}"
        )
    model._begin_stream(seen, ridge if is_list else float(ridge))
    if "n_effective" in stream.values:  # older files do not have it
        model.n_effective_ = float(stream.get("n_effective", (int, float)))
        if not model.n_effective_ > 0:
            raise ValueError(f'{stream.where}: "n_effective" must be more than 0')
    if "first_variances" in stream.values:  # older files do not have it
        first = stream.numbers("first_variances")
        if first.ndim != 2 or not (first > 0).all():
            raise ValueError(
                f'{stream.where}: "first_variances" must be lists of positive numbers'
            )
        largest = stream.numbers("largest_weights")
        if largest.ndim != 1 or (largest < 0).any():
            raise ValueError(
                f'{stream.where}: "largest_weights" must be numbers, none negative'
            )
        model._first_variances, model._largest_weights = first, largest


def _columns(content: Section, n_columns: int) -> tuple[str, ...] | None:
    if "columns" in content.values and content.values["columns"] is None:
        return None
    columns = content.get("columns", list)
    if len(columns) != n_columns or not all(map(_is_text, columns)):
        raise ValueError(
            f'{content.where}: "columns" must be null or {n_columns} names, as many as '
            f"a mean has numbers, not {brief(columns)}"
        )
    return tuple(columns)


def _is_text(name: Any) -> bool:
    """Whether it is a string that can be written: JSON can spell halves of letters."""
    return isinstance(name, str) and not any("\ud800" <= c <= "\udfff" for c in name)


def _number_or_nan(section: Section, key: str) -> float:
    """What ``_finite`` wrote; files of older versions do not have it."""
    if section.values.get(key) is None:
        return math.nan
    return float(section.get(key, (int, float)))


def _finite(value: float) -> float | None:
    """JSON has no nan."""
    return float(value) if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    """A number, text or null, of a setting; null for a generator of random numbers."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, (str, int, float)) else None
