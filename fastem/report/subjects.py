"""What a report is about: a mixture, what it was chosen from, and steps before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import check_is_fitted

from fastem.choice.results import SelectionResults
from fastem.choice.selector import GaussianMixtureSelector
from fastem.decisions.classifier import MixtureClassifier
from fastem.decisions.detector import MixtureOutlierDetector
from fastem.decisions.regressor import MixtureRegressor
from fastem.mixture import GaussianMixture
from fastem.report.scaling import Scaling
from fastem.statistics import Array

_PASSTHROUGH = "passthrough"
_OTHERS = {
    MixtureOutlierDetector: "tells odd rows from ordinary ones, and not clusters from "
    "each other: report on its mixture, mixtures_[0], or see explain(X)",
    MixtureClassifier: "has classes that are known, each with a mixture of its own: "
    "report on one of mixtures_ and the rows of its class",
    MixtureRegressor: "has a mixture of features and targets together: report on "
    "mixture_, and the table of both",
}


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes
    ----------
    mixture : GaussianMixture
    results : SelectionResults or None
        The alternatives, if a selector chose it.
    steps : Pipeline or None
        What is done to rows before the mixture sees them.
    """

    mixture: GaussianMixture
    results: SelectionResults | None
    steps: Pipeline | None

    @property
    def needed(self) -> list[str] | None:
        """Names of the columns that a table must have, if they are known.

        Of those that a pipeline was fitted to, its first step may drop some.
        """
        known: Any = self.mixture if self.steps is None else self.steps
        found = getattr(known, "feature_names_in_", None)
        if found is None:
            return None
        names = [str(name) for name in found]
        return names if self.steps is None else list(columns_in_use(self.steps, names))


def subject_of(model: Any) -> Subject:
    """The mixture of a fitted estimator, and what stands around it.

    Raises
    ------
    TypeError
        If the estimator has no clusters to report; the text says what has.
    NotFittedError
        If it is not fitted.
    """
    steps = None
    step = model
    if isinstance(model, Pipeline):
        check_is_fitted(model)
        step = model[-1]
        before = [name for name, kind in model.steps[:-1] if kind != _PASSTHROUGH]
        steps = model[:-1] if before else None
    for kind, reason in _OTHERS.items():
        if isinstance(step, kind):
            raise TypeError(f"a report is about clusters, and {kind.__name__} {reason}")
    results = None
    if isinstance(step, GaussianMixtureSelector):
        check_is_fitted(step)
        step, results = step.best_estimator_, step.results_
    if not isinstance(step, GaussianMixture):
        raise TypeError(
            "a report is about a fitted mixture, a selector, or a pipeline that ends "
            f"with one, and not about a {type(step).__name__}"
        )
    step._fitted()  # raises if there are no parameters
    return Subject(step, results, steps)


def columns_in_use(steps: Pipeline, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the columns that come through the first step."""
    first = steps[0]
    if not isinstance(first, ColumnTransformer):
        return tuple(names)
    used: set[str] = set()
    for _, kind, columns in first.transformers_:
        if isinstance(kind, str) and kind == "drop":
            continue
        chosen = [columns] if isinstance(columns, str | int) else columns
        if isinstance(chosen, slice):
            chosen = range(len(names))[chosen]
        chosen = np.asarray(list(chosen))
        if chosen.dtype.kind == "b":
            chosen = np.flatnonzero(chosen)
        used |= {str(c) if chosen.dtype.kind in "UO" else names[int(c)] for c in chosen}
    return tuple(name for name in names if name in used)


def names_after(steps: Pipeline, mixture: GaussianMixture) -> tuple[str, ...]:
    """What the columns of a mixture are called that come out of steps."""
    try:
        names = steps.get_feature_names_out()
    except (AttributeError, ValueError):
        names = [f"x{j}" for j in range(mixture.means_.shape[1])]
    return tuple(str(name) for name in names)


def in_own_units(steps: Pipeline, mixture: GaussianMixture) -> GaussianMixture | None:
    """The mixture of rows as they were before the steps, if these are scalers only."""
    n_columns = mixture.means_.shape[1]
    origin, unit = np.zeros(n_columns), np.ones(n_columns)
    for _, step in reversed(steps.steps):
        if step == _PASSTHROUGH:
            continue
        found = _scale_of(step, n_columns)
        if found is None:
            return None
        origin, unit = found[0] + found[1] * origin, found[1] * unit
    own = Scaling(origin, unit).to_original_units(mixture)
    if hasattr(own, "feature_names_in_"):
        del own.feature_names_in_  # of what the steps made of the columns
    return own


def _scale_of(step: Any, n_columns: int) -> tuple[Array, Array] | None:
    """What a scaler takes for 0 and for 1, of each column; None of other steps."""
    if isinstance(step, StandardScaler | RobustScaler):
        is_robust = isinstance(step, RobustScaler)
        origin = step.center_ if is_robust else step.mean_
        unit = step.scale_
    elif isinstance(step, MinMaxScaler) and not step.clip:
        origin, unit = -step.min_ / step.scale_, 1 / step.scale_
    elif isinstance(step, MaxAbsScaler) and not getattr(step, "clip", False):
        origin, unit = None, step.scale_
    else:
        return None
    origin = np.zeros(n_columns) if origin is None else np.asarray(origin, np.float64)
    return origin, np.ones(n_columns) if unit is None else np.asarray(unit, np.float64)
