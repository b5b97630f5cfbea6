"""Criteria by which mixtures of the same rows are compared."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastem import GaussianMixture
from fastem.mixture import criteria
from tests.mixtures import draw, parameters_of, random_mixture

DATA = Path(__file__).parents[1] / "promises" / "data"
# From R's mclust 6.0.0, Mclust and icl, whose sign is the other one; how far off they
# may be follows from mclust's stopping at relative changes of 1e-5.
MCLUSTS = [
    ("iris", "VEV", 2, -561.728875651143, 1e-6),
    ("iris", "VVV", 2, -574.019098675685, 1e-7),
    ("thyroid", "VVI", 3, -4784.51489090149, 0.1),
    ("faithful", "VVV", 2, -2322.69746732717, 0.02),
]


@pytest.mark.parametrize(("name", "code", "K", "icl", "tolerance"), MCLUSTS)
def test_icl_is_mclusts(name, code, K, icl, tolerance):
    X = np.loadtxt(DATA / f"{name}.csv", delimiter=",", skiprows=1)
    digits = json.loads((DATA / f"{name}.json").read_text())["labels"][str(K)]
    labels = [int(digit) - 1 for digit in digits]
    model = GaussianMixture(K, covariance_type=code, init_params=labels, reg_covar=0)
    model.set_params(tol=1e-12, max_iter=5000)
    assert -model.fit(X).icl(X) == pytest.approx(icl, abs=tolerance)


def test_both_are_their_formulas_in_blocks_of_rows_too(
    random, covariance_type, monkeypatch
):
    mixture = random_mixture(random, covariance_type, 3, 2)
    X, weights = draw(random, mixture, 3000), random.integers(1, 4, size=3000)
    parameters = parameters_of(mixture, covariance_type)
    model = GaussianMixture.from_parameters(
        *(parameters.weights, parameters.means, parameters.covariances),
        covariance_type=covariance_type,
    )
    degrees = model.predict_proba(X)
    largest = weights @ np.log(degrees.max(axis=1))
    icl = model.bic(X, weights) - 2 * largest
    entropy = -weights @ (degrees * np.log(degrees)).sum(axis=1)
    for values in (1, 1 << 18):
        monkeypatch.setattr(criteria, "_BLOCK_VALUES", values)
        assert model.icl(X, weights) == pytest.approx(icl, rel=1e-12)
        assert model.entropy(X, weights) == pytest.approx(entropy, rel=1e-12)
    assert -largest < entropy


def test_a_row_of_one_component_is_no_more_than_that():
    far = GaussianMixture.from_parameters(
        [0.5, 0.5], [[0.0], [1e6]], [[[1.0]], [[1.0]]]
    )
    X = np.array([[0.0], [1e6]])
    assert far.entropy(X) == 0
    assert far.icl(X) == far.bic(X)
    one = GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
    assert one.entropy(X) == 0
