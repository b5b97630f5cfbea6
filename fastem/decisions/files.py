"""One file for all that a decision needs: a mixture, and what stands around it.

A mixture alone has a file that a person can edit (:mod:`fastem.mixture.model_file`).
Of all else the file holds what the fitted estimators are made of, value by value. It
names their classes, of which this module knows a list; nothing in a file is executed.
"""

from __future__ import annotations

import warnings
from collections import UserList
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.utils.validation import check_is_fitted

from fastem.choice.results import SelectionResults, SelectionRow
from fastem.decisions.calibration_scores import CalibrationScores
from fastem.mixture import GaussianMixture, StudentMixture
from fastem.mixture.model_file import ModelFile, content_of, file_of
from fastem.runtime.callers import levels_to_caller
from fastem.storage.json_text import Section, brief, readable
from fastem.storage.json_values import from_json, to_json
from fastem.storage.writing import PathLike, complete_or_absent
from fastem.version import __version__

FORMAT = "fastem.Application"
FORMAT_VERSION = 1
_KEYS = {
    *("format", "format_version", "fastem_version", "scikit_learn_version"),
    *("about_fit", "estimator"),
}

# The classes that a file may name, by where they are at home.
_HOMES = {
    "fastem": (
        *("GaussianMixtureSelector", "MixtureClassifier", "MixtureRegressor"),
        "MixtureOutlierDetector",
    ),
    "sklearn.pipeline": ("Pipeline",),
    "sklearn.compose": ("ColumnTransformer",),
    "sklearn.decomposition": ("PCA", "TruncatedSVD"),
    "sklearn.impute": ("SimpleImputer", "MissingIndicator"),
    "sklearn.preprocessing": (
        *("StandardScaler", "RobustScaler", "MinMaxScaler", "MaxAbsScaler"),
        *("Normalizer", "PowerTransformer", "QuantileTransformer"),
        *("OrdinalEncoder", "OneHotEncoder", "FunctionTransformer"),
    ),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}
_TEMPLATES = {kind.__name__: kind for kind in (GaussianMixture, StudentMixture)}
_ALL = "the model"
_ABOUT_FIT = "about_fit_"
_VALUES = [SelectionResults, SelectionRow, CalibrationScores]


class UnknownStepError(TypeError):
    """A part of an estimator that no file can hold."""


def save_model(
    model: Any,
    path: PathLike,
    *,
    columns: tuple[str, ...] | None = None,
    about_fit: Mapping[str, str | float | bool | None] | None = None,
) -> None:
    """Write a fitted model to a JSON file, to be read by :func:`load_model`.

    Numbers are written so that they are read back to the last bit. The file appears
    under its name only when it is complete.

    Parameters
    ----------
    model : GaussianMixture, or what stands around one
        Fitted, or made from parameters. Also a selector, regressor, classifier or
        outlier detector, and a scikit-learn ``Pipeline`` of which the steps are one of
        these and, before it, ``ColumnTransformer``, ``StandardScaler`` and the other
        scalers, ``Normalizer``, ``PowerTransformer``, ``QuantileTransformer``, ``PCA``,
        ``TruncatedSVD``, ``SimpleImputer``, ``OrdinalEncoder``, ``OneHotEncoder``, or a
        ``FunctionTransformer`` without functions.
    path : path
    columns : tuple of str, default=None
        Of a mixture, names of the columns; by default its ``feature_names_in_``, if
        any. Others have names from their fit.
    about_fit : mapping, default=None
        Further facts for the file, such as units, or the number of rows.

    Raises
    ------
    NotFittedError
        If the model has no parameters.
    TypeError
        If a step is of another class, or holds what no file can; the text names it.

    Examples
    --------
    >>> import fastem
    >>> model = fastem.GaussianMixture.from_parameters([1.0], [[0.0]], [[[2.0]]])
    >>> fastem.save_model(model, "model.json")
    >>> fastem.load_model("model.json").covariances_
    array([[[2.]]])
    """
    if isinstance(model, GaussianMixture):
        content = content_of(model, columns=columns, about_fit=about_fit)
    elif columns is not None:
        raise ValueError("columns can be named for a mixture alone: others have names")
    else:
        content = _content_of(model, about_fit)
    with complete_or_absent(path) as temporary:
        temporary.write_text(readable(content) + "\n", encoding="utf-8")


def load_model(path: PathLike) -> Any:
    """Read a model that :func:`save_model` has written.

    It is ready for every method. Reading executes nothing that is in the file.

    Parameters
    ----------
    path : path

    Returns
    -------
    GaussianMixture, or the estimator that was saved
        With ``about_fit_``, what was said of the fit, if it is no mixture.

    Raises
    ------
    ValueError
        If the file is not such a model; the text names the key that is wrong.
    OSError
        If there is no such file, or it cannot be read.
    """
    opened = open_model(path)
    return opened.named_model if isinstance(opened, ModelFile) else opened


def open_model(path: PathLike) -> Any:
    """What :func:`load_model` returns, or the whole file of a mixture: ModelFile."""
    content = Section.of_file(Path(path))
    if content.values.get("format") == FORMAT:
        return _application(content)
    return file_of(content)


def _content_of(
    model: Any, about_fit: Mapping[str, str | float | bool | None] | None
) -> dict[str, Any]:
    """What a file has of a model that is more than a mixture."""
    _check_known(model, _ALL)
    check_is_fitted(model)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "fastem_version": __version__,
        "scikit_learn_version": sklearn.__version__,
        "about_fit": dict(about_fit or getattr(model, _ABOUT_FIT, {})),
        "estimator": _written(model, _ALL),
    }


def _written(value: Any, where: str) -> Any:
    """What a file has of a value, which stands there."""
    if isinstance(value, np.random.RandomState):
        return None  # it has done its work

    def other(value: Any) -> Any:
        return _other(value, where)

    try:
        return to_json(value, other)
    except UnknownStepError:
        raise
    except TypeError as error:
        raise UnknownStepError(f"{where} cannot be written: {error}") from None


def _other(value: Any, where: str) -> Any:
    """The same, of what JSON has no form for; None where nothing is known of it."""
    if isinstance(value, GaussianMixture):
        if hasattr(value, "weights_"):
            return {"is": "mixture", "content": content_of(value)}
        settings = {
            key: _written(setting, f"{key} of the mixture, {where}")
            for key, setting in value.get_params(deep=False).items()
        }
        return {"is": "template", "class": type(value).__name__, "settings": settings}
    if isinstance(value, UserList):  # scikit-learn 1.6 has columns that remain in one
        return _written(list(value), where)
    if isinstance(value, slice):
        return {"is": "slice", "items": [value.start, value.stop, value.step]}
    if isinstance(value, np.dtype):
        return {"is": "dtype", "name": value.name}
    if isinstance(value, type) and issubclass(value, np.generic):
        return {"is": "type", "name": np.dtype(value).name}
    if hasattr(value, "get_params") and not isinstance(value, type):
        return _estimator(value, where)
    return None


def _estimator(estimator: Any, where: str) -> dict[str, Any]:
    """An estimator by its class and all attributes, of which parameters are some."""
    _check_known(estimator, where)
    name = type(estimator).__name__
    inside = name if where == _ALL else f"{name}, {where}"
    attributes = {}
    for key, value in vars(estimator).items():
        if key == _ABOUT_FIT:
            continue
        if isinstance(value, list) and value and all(map(_is_step, value)):
            attributes[key] = [_written(step, f"step {step[0]!r}") for step in value]
        else:
            attributes[key] = _written(value, f"{key} of the {inside}")
    return {"is": "estimator", "class": name, "attributes": attributes}


def _is_step(value: Any) -> bool:
    """Whether it is one of a pipeline, or of a transformer of columns."""
    return isinstance(value, tuple) and len(value) > 1 and isinstance(value[0], str)


def _check_known(estimator: Any, where: str) -> None:
    kind = type(estimator)
    known = _MODULES.get(kind.__name__)
    if known is None or getattr(import_module(known), kind.__name__) is not kind:
        raise UnknownStepError(
            f"{where} is a {kind.__name__}, which no file of fastem can hold. It holds "
            f"mixtures, and {', '.join(sorted(_MODULES))}. Apply such a step to the "
            "table beforehand, or pickle the whole"
        )


def _application(content: Section) -> Any:
    """The estimator that a file holds."""
    version = content.get("format_version", int)
    if version != FORMAT_VERSION:
        raise ValueError(
            f'{content.where}: "format_version" is {brief(version)}, and this fastem '
            f"reads {FORMAT_VERSION}: pip install --upgrade fastem"
        )
    surplus = [key for key in content.values if key not in _KEYS]
    if surplus:
        raise ValueError(
            f"{content.where}: {brief(surplus[0])} is not a key of such a file. Remove "
            "it; or, if a newer fastem wrote the file: pip install --upgrade fastem"
        )
    written_by = content.get("scikit_learn_version", str)
    about_fit = content.get("about_fit", dict)

    def mixture(values: dict[str, Any]) -> Any:
        return file_of(
            Section(f"{content.where}, in a mixture", values["content"])
        ).named_model

    try:
        model = from_json(
            content.get("estimator", dict),
            _VALUES,
            {
                "estimator": _made,
                "mixture": mixture,
                "template": _template,
                "slice": lambda values: slice(*values["items"]),
                "dtype": lambda values: np.dtype(values["name"]),
                "type": lambda values: np.dtype(values["name"]).type,
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{content.where}: "estimator": {error}') from error
    if not hasattr(model, "get_params"):
        raise ValueError(f'{content.where}: "estimator" is none')
    setattr(model, _ABOUT_FIT, about_fit)
    if written_by != sklearn.__version__:
        warnings.warn(
            "The file was written with another scikit-learn. It holds what steps of "
            f"{written_by} were made of, and this is {sklearn.__version__}: compare "
            "some answers, and save the model anew.",
            stacklevel=levels_to_caller(),
        )
    return model


def _made(values: dict[str, Any]) -> Any:
    """An estimator with these attributes; its class is one of those that are known."""
    name = values["class"]
    if name not in _MODULES:
        raise ValueError(f"{brief(name)} is no class that a file may name")
    kind = getattr(import_module(_MODULES[name]), name)
    estimator = kind() if name not in ("Pipeline", "ColumnTransformer") else kind([])
    attributes = values["attributes"]
    strange = [key for key in attributes if not key.isidentifier() or key[:2] == "__"]
    if strange:
        raise ValueError(f"{brief(strange[0])} is no attribute of a {name}")
    missing = [key for key in kind._get_param_names() if key not in attributes]
    if missing:
        raise ValueError(f"the {name} lacks {brief(missing[0])}")
    estimator = kind.__new__(kind)
    vars(estimator).update(attributes)
    return estimator


def _template(values: dict[str, Any]) -> GaussianMixture:
    """A mixture that is not fitted."""
    if values["class"] not in _TEMPLATES:
        raise ValueError(f"{brief(values['class'])} is no mixture")
    template = _TEMPLATES[values["class"]](**values["settings"])
    template._check_settings()
    return template
