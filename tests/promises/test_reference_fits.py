"""The optima of R's mclust from the same starts: see data/README.md."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fastem import GaussianMixture, SingularCovarianceError
from fastem.covariances import STRUCTURES
from tests.mixtures import OF_SCIKIT_LEARN, assert_close

DATA = Path(__file__).parent / "data"
# EVE and VVE have several likeliest axes. Where EM ends lower than mclust, it ends on a
# top of its own; and where mclust ends is none: EM climbs from there.
ON_ANOTHER_TOP = {("diabetes_fixed", 9), ("iris", 5), ("thyroid", 2), ("thyroid", 7)}
# Where mclust returns NA, and the covariances here have ratios of 600 to 7,000.
REGULAR_HERE = {("thyroid", "EVE", 9), ("thyroid", "VVE", 9)}


class Case(NamedTuple):
    """One fit of mclust's, and where it starts from."""

    name: str
    covariance_type: str
    X: np.ndarray
    labels: np.ndarray
    fit: dict

    def __repr__(self):
        return f"{self.name}-{self.covariance_type}-{self.fit['n_components']}"

    @property
    def is_on_another_top(self):
        place = (self.name, self.fit["n_components"])
        return self.fit["model"] == "VVE" and place in ON_ANOTHER_TOP

    def model(self):
        """An estimator that starts where mclust starts and runs as long."""
        size = abs(self.fit.get("log_likelihood", 0)) / len(self.X)
        return GaussianMixture(
            self.fit["n_components"],
            covariance_type=self.covariance_type,
            init_params=self.labels,
            reg_covar=0,
            tol=1e-13 * max(size, 1),
            max_iter=20_000,
        )


def models_of(structure, n_columns):
    """What mclust calls a structure, of one column by the volumes alone."""
    return structure.code if n_columns > 1 else structure.code[0]


def read_cases():
    for path in sorted(DATA.glob("*.json")):
        content = json.loads(path.read_text())
        X = np.loadtxt(path.with_suffix(".csv"), delimiter=",", skiprows=1, ndmin=2)
        for name, structure in STRUCTURES.items():
            for fit in content["fits"]:
                if fit["model"] == models_of(structure, X.shape[1]):
                    digits = content["labels"][str(fit["n_components"])]
                    labels = np.array([int(digit) - 1 for digit in digits])
                    yield Case(path.stem, name, X, labels, fit)


CASES = list(read_cases())
SINGULAR = [
    case
    for case in CASES
    if "error" in case.fit
    and (case.name, case.fit["model"], case.fit["n_components"]) not in REGULAR_HERE
]
REGULAR = [case for case in CASES if "error" not in case.fit]


def is_usual(case):
    """Those of few components, and of structures that scikit-learn knows.

    In one column all structures are one of two models.
    """
    if case.X.shape[1] == 1:
        is_known = case.covariance_type in OF_SCIKIT_LEARN
    else:
        is_known = bool({"means", "error"} & case.fit.keys())
    return is_known or case.fit["n_components"] == 3


def params(cases):
    return [
        pytest.param(case, marks=() if is_usual(case) else pytest.mark.exhaustive)
        for case in cases
    ]


def test_there_is_something_to_compare_with():
    assert {case.name for case in CASES} == {
        *("acidity", "diabetes_fixed", "faithful", "iris", "thyroid")
    }
    assert {case.covariance_type for case in REGULAR} == set(STRUCTURES)
    of_many_columns = [case for case in CASES if case.name != "acidity"]
    assert len(of_many_columns) == 4 * 14 * 9
    assert (len(REGULAR), len(SINGULAR)) == (603, 25)


@pytest.mark.parametrize("case", params(REGULAR), ids=repr)
def test_the_optimum_is_that_of_mclust(case):
    model, fit = case.model().fit(case.X), case.fit
    assert model.converged_
    total = model.score(case.X) * len(case.X)
    if fit["model"] == "VVE":  # mclust turns axes by steps that end before the top
        assert total > fit["log_likelihood"] - 1e-6 or case.is_on_another_top
        return
    assert total == pytest.approx(fit["log_likelihood"], rel=0, abs=1e-6)
    p, deviance = fit["n_parameters"], -2 * fit["log_likelihood"]
    bic = p * np.log(len(case.X)) + deviance
    assert model.bic(case.X) == pytest.approx(bic, abs=1e-5)
    assert model.aic(case.X) == pytest.approx(2 * p + deviance, abs=1e-5)
    if "means" not in fit:
        return
    # The last digits of parameters converge at the square root of the likelihood's.
    assert_close(model.weights_, fit["weights"], 1e-4)
    assert_close(model.means_, fit["means"], 1e-4)
    dense = STRUCTURES[case.covariance_type].representation.expand(
        model.covariances_, *model.means_.shape
    )
    for actual, expected in zip(dense, fit["covariances"], strict=True):
        assert_close(actual, expected, 1e-4)


@pytest.mark.parametrize(
    "case", [case for case in REGULAR if case.is_on_another_top], ids=repr
)
def test_where_mclust_ends_on_no_top_em_climbs_from_there(case):
    covariances = np.array(case.fit["covariances"])
    there = GaussianMixture.from_parameters(
        np.divide(case.fit["weights"], np.sum(case.fit["weights"])),
        case.fit["means"],
        (covariances + covariances.transpose(0, 2, 1)) / 2,
        covariance_type=case.covariance_type,
        reg_covar=0,
        tol=1e-9,
        max_iter=1000,
    )
    there.fit(case.X)
    bounds = len(case.X) * np.array(there.lower_bounds_)
    assert bounds[0] == pytest.approx(case.fit["log_likelihood"], rel=0, abs=1e-6)
    assert bounds[-1] > bounds[0] + 0.05
    # And where it ends here is a top: to all sides it is lower.
    own = case.model().fit(case.X)
    random = np.random.default_rng(0)
    for _ in range(5):
        moved = GaussianMixture.from_parameters(
            own.weights_,
            own.means_ + 1e-3 * random.normal(size=own.means_.shape) * case.X.std(0),
            own.covariances_,
            covariance_type=case.covariance_type,
            reg_covar=0,
            tol=1e-11,
            max_iter=5000,
        ).fit(case.X)
        assert moved.score(case.X) == pytest.approx(own.score(case.X), rel=1e-9)


def weighted_fits():
    content = json.loads((DATA / "weighted" / "faithful.json").read_text())
    case = next(c for c in CASES if repr(c) == "faithful-full-3")
    structures = {s.code: name for name, s in STRUCTURES.items()}
    for fit in content["fits"]:
        covariance_type = structures[fit["model"]]
        case = case._replace(
            covariance_type=covariance_type, fit={"n_components": 3, **fit}
        )
        yield pytest.param(case, np.array(content["weights"]), id=fit["model"])


@pytest.mark.parametrize(("case", "weights"), list(weighted_fits()))
def test_with_weights_the_optimum_is_that_of_mclust(case, weights):
    model = case.model().fit(case.X, sample_weight=weights)
    total = weights @ model.score_samples(case.X)
    assert total == pytest.approx(case.fit["log_likelihood"], rel=0, abs=1e-6)


def test_free_parameters_are_counted_as_mclust_does():
    for case in CASES:
        K, D = case.fit["n_components"], case.X.shape[1]
        of_covariances = STRUCTURES[case.covariance_type].n_parameters(K, D)
        assert of_covariances + K * D + K - 1 == case.fit["n_parameters"], case


# On some processors rounding shows an iteration before a covariance is singular.
@pytest.mark.filterwarnings("ignore:The mean log-likelihood fell")
@pytest.mark.parametrize("case", params(SINGULAR), ids=repr)
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
