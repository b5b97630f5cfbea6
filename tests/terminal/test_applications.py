"""Commands on models that are more than a mixture."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastem import (
    GaussianMixture,
    MixtureClassifier,
    MixtureOutlierDetector,
    MixtureRegressor,
    save_model,
)
from tests.terminal.test_commands import run

RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "name": [f"n{i}" for i in range(200)],
        "size": np.r_[RANDOM.normal(0, 1, 100), RANDOM.normal(8, 1, 100)],
        "weight": RANDOM.normal(size=200),
        "kind": np.repeat(["small", "large"], 100),
    }
)
NUMBERS = TABLE[["size", "weight"]]
ENCODED = make_column_transformer(
    (StandardScaler(), ["size", "weight"]), (OneHotEncoder(), ["kind"])
)
MODELS = {
    "mixture": (
        make_pipeline(
            ENCODED, GaussianMixture(2, covariance_type="spherical", random_state=0)
        ),
        TABLE[["size", "weight", "kind"]],
        None,
        ["component", "probability", "p_0", "p_1", "log_density"],
    ),
    "classifier": (
        make_pipeline(StandardScaler(), MixtureClassifier()),
        NUMBERS,
        TABLE["kind"],
        ["class", "probability", "p_large", "p_small"],
    ),
    "regressor": (
        MixtureRegressor(),
        NUMBERS,
        TABLE["size"] + RANDOM.normal(size=200),
        ["prediction", "deviation"],
    ),
    "detector": (
        make_pipeline(StandardScaler(), MixtureOutlierDetector(false_alarm_rate=0.1)),
        NUMBERS,
        None,
        ["outlier", "p_value", "score"],
    ),
}


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "table.csv"
    TABLE.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", MODELS)
def test_predict_runs_the_steps(name, data, tmp_path):
    model, X, y, columns = MODELS[name]
    path, out = tmp_path / "model.json", tmp_path / "answers.parquet"
    save_model(model.fit(X, y), path, about_fit={"unit": "mm"})
    density = ["--log-density"] if name == "mixture" else []
    run("predict", path, data, "--output", out, "--keep", "name", *density)
    answers = pq.read_table(out).to_pandas()
    assert list(answers) == ["name", *columns]
    assert answers["name"].tolist() == TABLE["name"].tolist()
    truth = model.predict(X)
    if name == "detector":
        truth = truth == -1
    assert np.array_equal(answers[columns[0]], truth)
    assert "unit: mm" in run("info", path)


def test_options_of_mixtures_are_refused(data, tmp_path):
    model, X, y, _ = MODELS["classifier"]
    path = tmp_path / "model.json"
    save_model(model.fit(X, y), path)
    out = tmp_path / "answers.csv"
    said = run("predict", path, data, "--output", out, "--plot", "a.png", code=1)
    assert "--plot is for a mixture" in said
    run("predict", path, data, "--output", out)
    assert pd.read_csv(out)["class"].tolist() == model.predict(X).tolist()
    TABLE[["size"]].to_csv(tmp_path / "less.csv", index=False)
    less = tmp_path / "less.csv", "--output", tmp_path / "less.parquet"
    said = run("predict", path, *less, code=1)
    assert "has no column 'weight'" in said
