"""Pipelines and estimators around mixtures, in one file."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from fastem import (
    GaussianMixture,
    GaussianMixtureSelector,
    MixtureClassifier,
    MixtureRegressor,
    StudentMixture,
    load_model,
    save_model,
)

RANDOM = np.random.default_rng(0)
X = np.vstack([RANDOM.normal(m, s, (150, 3)) for m, s in ((0, 1), (6, 2))])
Y = np.repeat(["low", "high"], 150)
FRAME = pd.DataFrame(X, columns=["age", "income", "debt"]).assign(
    owner=np.where(RANDOM.random(300) < 0.3, None, Y),
    grade=np.where(X[:, 0] > 3, "A", "B"),
)
FRAME.loc[::7, "income"] = np.nan


def mixed_columns(**settings):
    """Steps for columns of numbers and of categories."""
    numbers = make_pipeline(
        SimpleImputer(add_indicator=True), PowerTransformer(), StandardScaler()
    )
    return ColumnTransformer(
        [
            ("numbers", numbers, ["age", "income", "debt"]),
            ("owner", OneHotEncoder(min_frequency=2), ["owner"]),
            ("grade", OrdinalEncoder(), ["grade"]),
        ],
        **settings,
    )


PIPELINES = {
    "scaled": (make_pipeline(StandardScaler(), GaussianMixture(2, random_state=0)), X),
    "reduced": (
        make_pipeline(
            RobustScaler(),
            MinMaxScaler(),
            QuantileTransformer(n_quantiles=20, random_state=np.random.RandomState(0)),
            PCA(2),
            StudentMixture(2, random_state=0),
        ),
        X,
    ),
    "mixed": (
        make_pipeline(
            mixed_columns(),
            GaussianMixture(2, covariance_type="diag", reg_covar=1e-2, random_state=0),
        ),
        FRAME,
    ),
    "some columns": (
        make_pipeline(
            ColumnTransformer(
                [("same", "passthrough", ["age"]), ("out", "drop", ["debt"])],
                remainder=FunctionTransformer(),
            ),
            GaussianMixture(2, missing_values="marginalize", random_state=0),
        ),
        FRAME[["age", "income", "debt"]],
    ),
}


# Columns of categories vary by nothing but the ridge within some components.
@pytest.mark.filterwarnings("ignore::fastem.RegularizationWarning")
@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_answers_from_its_file_with_the_same_bits(name, tmp_path):
    pipeline, table = PIPELINES[name]
    pipeline.fit(table)
    path = tmp_path / "model.json"
    save_model(pipeline, path, about_fit={"unit": "EUR"})
    loaded = load_model(path)
    assert loaded.about_fit_ == {"unit": "EUR"}
    assert np.array_equal(loaded.predict_proba(table), pipeline.predict_proba(table))
    assert np.array_equal(loaded.score_samples(table), pipeline.score_samples(table))
    again = tmp_path / "again.json"
    save_model(loaded, again)
    assert again.read_text() == path.read_text()


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianMixtureSelector([1, 2], ["full", "diag"], random_state=0),
        MixtureClassifier(GaussianMixture(2, random_state=0)),
        MixtureClassifier(
            GaussianMixture(covariance_type="tied"), share_across_classes=True
        ),
    ],
)
def test_estimators_answer_from_their_files(estimator, tmp_path):
    estimator.fit(X, Y)
    save_model(estimator, tmp_path / "model.json")
    loaded = load_model(tmp_path / "model.json")
    assert np.array_equal(loaded.predict(X), estimator.predict(X))
    assert np.array_equal(loaded.predict_proba(X), estimator.predict_proba(X))
    if hasattr(estimator, "results_"):
        assert str(loaded.results_) == str(estimator.results_)


def test_a_regressor_answers_from_its_file(tmp_path):
    frame = FRAME[["age", "debt"]]
    model = MixtureRegressor(StudentMixture(2, random_state=0)).fit(frame, X[:, 1])
    save_model(model, tmp_path / "model.json")
    loaded = load_model(tmp_path / "model.json")
    assert np.array_equal(loaded.predict(frame), model.predict(frame))
    assert loaded.mixture.get_params() == model.mixture.get_params()
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.rename(columns={"age": "years"}))


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (
            make_pipeline(FunctionTransformer(np.log1p), GaussianMixture()),
            "func of the FunctionTransformer, step 'functiontransformer' cannot be",
        ),
        (
            make_pipeline(
                ColumnTransformer([("all", StandardScaler(), make_column_selector())]),
                GaussianMixture(),
            ),
            "step 'all' cannot be written",
        ),
    ],
)
def test_what_a_file_cannot_hold_is_named(model, text, tmp_path):
    table = FRAME[["age", "debt"]].abs()
    with pytest.raises(TypeError, match=text):
        save_model(model.fit(table), tmp_path / "model.json")
    assert not list(tmp_path.iterdir())


def test_other_classes_are_refused(tmp_path):
    from sklearn.cluster import KMeans

    for model in (KMeans(2), make_pipeline(StandardScaler(), KMeans(2))):
        with pytest.raises(TypeError, match="is a KMeans, which no file of fastem"):
            save_model(model.fit(X), tmp_path / "model.json")
    with pytest.raises(NotFittedError):
        save_model(MixtureRegressor(), tmp_path / "model.json")


def saved(tmp_path, change):
    """A file of a pipeline with something in it changed."""
    path = tmp_path / "model.json"
    pipeline = make_pipeline(StandardScaler(), GaussianMixture()).fit(X)
    save_model(pipeline, path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def steps(content):
    return content["estimator"]["attributes"]["steps"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c.update(format_version=2), "reads 1: pip install --upgrade"),
        (lambda c: c.update(code="import os"), '"code" is not a key'),
        (lambda c: c.update(estimator={"a": 1}), '"estimator" is none'),
        (lambda c: c["estimator"].update({"class": "Popen"}), '"Popen" is no class'),
        (
            lambda c: c["estimator"]["attributes"].update(__class__="KMeans"),
            '"__class__" is no attribute',
        ),
        (lambda c: c["estimator"]["attributes"].pop("memory"), 'lacks "memory"'),
        (lambda c: steps(c)[0]["items"][1].pop("class"), "this is no value"),
        (
            lambda c: steps(c)[1]["items"][1]["content"].update(weights=[2.0]),
            "must be normalized to sum to 1",
        ),
    ],
)
def test_files_that_were_changed_are_refused(change, text, tmp_path):
    with pytest.raises(ValueError, match=text):
        load_model(saved(tmp_path, change))


def test_another_scikit_learn_is_told_of(tmp_path):
    path = saved(tmp_path, lambda c: c.update(scikit_learn_version="1.2.3"))
    with pytest.warns(UserWarning, match="^The file was written with another"):
        loaded = load_model(path)
    assert np.isfinite(loaded.score(X))
