"""Standard errors by fits to the same rows with other weights."""

from pathlib import Path

import numpy as np
import pytest

from fastem import GaussianMixture, standard_errors

DATA = Path(__file__).parents[1] / "promises" / "data"
# MclustBootstrap of R's mclust 6.0.0: faithful, VVV, two components, 399 samples.
MCLUSTS = {
    "weights": [0.0311264076231256, 0.0311264076231256],
    "means": [
        [0.0309086538685131, 0.466428444142063],
        [0.0292310875162319, 0.622902664087932],
    ],
    "variances": [
        [0.0207498708141843, 4.47373830789656],
        [0.0141856569754864, 4.21170968806626],
    ],
}


@pytest.fixture(scope="module", name="X")
def rows():
    return np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1)


@pytest.fixture(scope="module")
def model(X):
    return GaussianMixture(2, tol=1e-6, max_iter=500, random_state=0).fit(X)


@pytest.fixture(scope="module", name="errors")
def errors_of_faithful(model, X):
    return standard_errors(model, X, n_bootstrap=200, random_state=0)


def test_standard_errors_are_mclusts(model, errors):
    order = np.argsort(-model.means_[:, 0])
    variances = np.diagonal(errors.covariances, axis1=1, axis2=2)
    assert errors.weights == pytest.approx(MCLUSTS["weights"], rel=0.15)
    assert errors.means[order] == pytest.approx(np.array(MCLUSTS["means"]), rel=0.15)
    expected = np.array(MCLUSTS["variances"])
    assert variances[order] == pytest.approx(expected, rel=0.15)
    assert errors.n_failed == 0
    assert "component 1: weight" in str(errors)


def test_intervals_lie_about_the_estimate(model, errors):
    low, high = errors.interval("means")
    assert ((low < model.means_) & (model.means_ < high)).all()
    assert high - low == pytest.approx(2 * 1.96 * errors.means, rel=0.15)
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        errors.interval("means", 95)


@pytest.mark.parametrize("method", ["bootstrap", "weighted"])
def test_of_one_gaussian_they_are_known(random, method):
    X = random.normal(size=(500, 1))
    model = GaussianMixture(covariance_type="diag").fit(X)
    settings = {"method": method, "n_bootstrap": 150, "random_state": 0}
    once = standard_errors(model, X, **settings)
    variance = model.covariances_[0, 0]
    assert once.means[0, 0] == pytest.approx(np.sqrt(variance / 500), rel=0.2)
    assert once.covariances[0, 0] == pytest.approx(variance * np.sqrt(2 / 500), rel=0.2)
    assert once.weights == 0
    if method == "bootstrap":  # twice as many rows are drawn
        twice = standard_errors(model, X, np.full(500, 2.0), **settings)
        assert twice.means[0, 0] == pytest.approx(once.means[0, 0] / 2**0.5, rel=0.2)


def test_components_that_turn_singular_are_counted():
    X = np.array([[0.0], [0.1], [5.0], [5.2], [5.1], [0.05]])
    model = GaussianMixture(2, reg_covar=0, random_state=0).fit(X)
    errors = standard_errors(model, X, n_bootstrap=40, random_state=0)
    assert 0 < errors.n_failed < 39
    assert len(errors.samples["means"]) == 40 - errors.n_failed
    assert "failed" in str(errors)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "jackknife"}, "method must be one of"),
        ({"n_bootstrap": 1}, "n_bootstrap must be 2 or more"),
    ],
)
def test_errors_say_what_is_wrong(model, X, settings, said):
    with pytest.raises(ValueError, match=said):
        standard_errors(model, X, **settings)


def test_rows_in_blocks_are_pointed_to_some_of_them(model, X):
    blocks = type("Blocks", (), {"__iter__": lambda self: iter([X])})()
    with pytest.raises(ValueError, match="pass some of its rows"):
        standard_errors(model, blocks)
