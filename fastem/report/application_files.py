"""What estimators around mixtures say of the rows of a file, written to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from fastem.decisions.classifier import MixtureClassifier
from fastem.decisions.detector import MixtureOutlierDetector
from fastem.decisions.regressor import MixtureRegressor
from fastem.mixture.noise import background_of_model
from fastem.report.membership_files import Answers, Wanted, batch_of, write_batches
from fastem.sources.carried import CarriedColumns
from fastem.sources.data_files import DataFile, check_known
from fastem.storage.writing import PathLike, complete_or_absent

SUFFIXES = (".parquet", ".csv")


def last_step(model: Any) -> Any:
    """The estimator that answers: of a pipeline the last step."""
    return model[-1] if isinstance(model, Pipeline) else model


def answers_of(model: Any, rows: Any, *, log_density: bool = False) -> dict[str, Any]:
    """What the model says of rows, in columns.

    Parameters
    ----------
    model : MixtureClassifier, MixtureRegressor, MixtureOutlierDetector, mixture, \
selector, or a pipeline that ends with one
    rows : array-like of shape (N, D)
    log_density : bool, default=False
        Whether to say that too, where a mixture answers.

    Returns
    -------
    dict of str to array of shape (N,)
        Of a classifier ``class``, its ``probability``, and ``p_`` of each class; of a
        regressor ``prediction`` and ``deviation`` (of several targets ``_`` and their
        number follow); of a detector ``outlier``, ``p_value`` and ``score``; of a
        mixture what memberships are written as.
    """
    step = last_step(model)
    if step is not model:
        rows = model[:-1].transform(rows)
    if isinstance(step, MixtureRegressor):
        return _of_targets(*step.predict(rows, return_std=True))
    if isinstance(step, MixtureOutlierDetector):
        return {
            "outlier": step.predict(rows) == -1,
            "p_value": step.p_values(rows),
            "score": step.score_samples(rows),
        }
    probabilities = step.predict_proba(rows)
    if isinstance(step, MixtureClassifier):
        labels = step.classes_[probabilities.argmax(axis=1)]
        names = [f"p_{label}" for label in step.classes_]
        return {
            "class": labels,
            "probability": probabilities.max(axis=1),
            **dict(zip(names, probabilities.T, strict=True)),
        }
    mixture = getattr(step, "best_estimator_", step)
    has_background = background_of_model(mixture) is not None
    answers = Answers(
        probabilities,
        step.score_samples(rows) if log_density else None,
        np.ones(len(probabilities), bool),
    )
    return answers.columns(Wanted(log_density, has_background=has_background))


def _of_targets(mean: np.ndarray, deviation: np.ndarray) -> dict[str, np.ndarray]:
    if mean.ndim == 1:
        return {"prediction": mean, "deviation": deviation}
    return {
        f"{name}_{j}": values[:, j]
        for name, values in (("prediction", mean), ("deviation", deviation))
        for j in range(mean.shape[1])
    }


def write_application(
    path: PathLike,
    model: Any,
    file: DataFile,
    *,
    log_density: bool = False,
    keep: Sequence[str] = (),
) -> int:
    """Write what a model says of each row of a file, and return how many these are.

    Parameters
    ----------
    path : path
        Ends in .parquet or .csv.
    model : as in :func:`answers_of`
    file : DataFile
    log_density : bool, default=False
    keep : sequence of str
        Columns of the data to write before the answers.

    Raises
    ------
    ValueError
        If the file lacks a column of the model, or a row cannot be used.
    ImportError
        If the model knows its columns by name, and pandas is not installed.
    """
    names = getattr(model, "feature_names_in_", None)
    wanted = list(file.columns if names is None else names)
    check_known(file, [*wanted, *keep])
    n_rows = 0

    def batches() -> Iterator[Any]:
        nonlocal n_rows
        carried = CarriedColumns(tuple(keep), file.batches(keep)) if keep else None
        for batch in file.batches(wanted):
            if not batch.num_rows:
                continue
            n_rows += batch.num_rows
            rows = _frame_of(batch, wanted)
            answers = answers_of(
                model,
                rows if names is not None else rows.to_numpy(),
                log_density=log_density,
            )
            yield batch_of(answers, np.ones(batch.num_rows, bool), carried)

    with complete_or_absent(path) as temporary:
        write_batches(temporary, Path(path).suffix, batches())
    return n_rows


def _frame_of(batch: Any, columns: Sequence[str]) -> Any:
    """A DataFrame of these columns, as steps of scikit-learn take them."""
    try:
        return batch.select(list(columns)).to_pandas()
    except ImportError as error:
        raise ImportError(
            "steps before a mixture take a DataFrame: pip install pandas"
        ) from error
