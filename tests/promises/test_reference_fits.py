"""The optima of R's mclust from the same starts: see data/README.md."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fastem import GaussianMixture, SingularCovarianceError
from fastem.covariances import STRUCTURES
from tests import reference
from tests.mixtures import assert_close, start_of

DATA = Path(__file__).parent / "data"
MODELS = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII", "EEI": "EEI"}
MODELS_OF_ONE_COLUMN = {
    "full": "V",
    "tied": "E",
    "diag": "V",
    "spherical": "V",
    "EEI": "E",
}


class Case(NamedTuple):
    """One fit of mclust's, and where it starts from."""

    name: str
    covariance_type: str
    X: np.ndarray
    labels: np.ndarray
    fit: dict

    def __repr__(self):
        return f"{self.name}-{self.covariance_type}-{self.fit['n_components']}"

    def model(self):
        """An estimator that starts where mclust starts and runs as long."""
        start = reference.start_from_labels(self.X, self.labels, self.covariance_type)
        size = abs(self.fit.get("log_likelihood", 0)) / len(self.X)
        return GaussianMixture(
            **start_of(start, self.covariance_type),
            reg_covar=0,
            tol=1e-13 * max(size, 1),
            max_iter=20_000,
        )


def read_cases():
    for path in sorted(DATA.glob("*.json")):
        content = json.loads(path.read_text())
        X = np.loadtxt(path.with_suffix(".csv"), delimiter=",", skiprows=1, ndmin=2)
        models = MODELS if X.shape[1] > 1 else MODELS_OF_ONE_COLUMN
        for covariance_type, model in models.items():
            for fit in content["fits"]:
                if fit["model"] == model:
                    digits = content["labels"][str(fit["n_components"])]
                    labels = np.array([int(digit) - 1 for digit in digits])
                    yield Case(path.stem, covariance_type, X, labels, fit)


CASES = list(read_cases())
SINGULAR = [case for case in CASES if "error" in case.fit]
REGULAR = [case for case in CASES if "error" not in case.fit]


def test_there_is_something_to_compare_with():
    assert {case.name for case in CASES} == {
        *("acidity", "diabetes_fixed", "faithful", "iris", "thyroid")
    }
    assert {case.covariance_type for case in REGULAR} == set(MODELS)
    assert len(REGULAR) == 218
    assert len(SINGULAR) == 7


@pytest.mark.parametrize("case", REGULAR, ids=repr)
def test_the_optimum_is_that_of_mclust(case):
    model = case.model().fit(case.X)
    assert model.converged_
    total = model.score(case.X) * len(case.X)
    assert total == pytest.approx(case.fit["log_likelihood"], rel=0, abs=1e-6)

    fit = case.fit
    # The last digits of parameters converge at the square root of the likelihood's.
    assert_close(model.weights_, fit["weights"], 1e-4)
    assert_close(model.means_, fit["means"], 1e-4)
    dense = STRUCTURES[case.covariance_type].representation.expand(
        model.covariances_, *model.means_.shape
    )
    for actual, expected in zip(dense, fit["covariances"], strict=True):
        assert_close(actual, expected, 1e-4)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_free_parameters_are_counted_as_mclust_does(case):
    K, D = case.fit["n_components"], case.X.shape[1]
    structure = STRUCTURES[case.covariance_type]
    means_and_weights = K * D + K - 1
    assert structure.n_parameters(K, D) + means_and_weights == case.fit["n_parameters"]


@pytest.mark.parametrize("case", REGULAR[::9], ids=repr)
def test_information_criteria_follow_from_mclusts_figures(case):
    model, n = case.model().fit(case.X), len(case.X)
    p, log_likelihood = case.fit["n_parameters"], case.fit["log_likelihood"]
    assert model.bic(case.X) == pytest.approx(
        p * np.log(n) - 2 * log_likelihood, abs=1e-5
    )
    assert model.aic(case.X) == pytest.approx(2 * p - 2 * log_likelihood, abs=1e-5)


@pytest.mark.parametrize("case", SINGULAR, ids=repr)
def test_what_mclust_finds_singular_is_an_error_that_names_the_component(case):
    with pytest.raises(
        SingularCovarianceError, match=r"Component \d .*is singular"
    ) as e:
        case.model().fit(case.X)
    assert e.value.component in range(case.fit["n_components"])
    assert e.value.columns
    assert e.value.condition_number > 1e10
    if np.isfinite(e.value.weight):  # not in a start that is singular itself
        assert 0 < e.value.n_rows < len(case.X)
        assert e.value.weight == pytest.approx(e.value.n_rows / len(case.X))
