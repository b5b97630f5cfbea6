"""The optima of R's mclust with noise, from the same partition: see data/README.md."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastem import GaussianMixture
from fastem.covariances import STRUCTURES
from tests import reference
from tests.mixtures import assert_close, start_of

DATA = Path(__file__).parent / "data" / "noise"
OF_MCLUST = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII"}
CONTENT = json.loads((DATA / "faithful.json").read_text())
FITS = {fit["model"]: fit for fit in CONTENT["fits"]}


@pytest.fixture
def X():  # noqa: N802
    return np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1)


@pytest.fixture
def labels():
    return np.array([int(digit) - 1 for digit in CONTENT["labels"]["2"]])


def test_the_optimum_is_that_of_mclust(covariance_type, X, labels):
    fit = FITS[OF_MCLUST.get(covariance_type, covariance_type)]
    is_noise = labels < 0
    start = reference.start_from_labels(
        X[~is_noise], labels[~is_noise], covariance_type
    )
    model = GaussianMixture(
        **start_of(start, covariance_type),
        noise=True,
        noise_weight_init=is_noise.mean(),
        reg_covar=0,
        tol=1e-13,
        max_iter=20_000,
    ).fit(X)
    assert model.converged_
    assert 1 / model.noise_volume_ == pytest.approx(CONTENT["noise_density"], rel=1e-12)
    total = model.score(X) * len(X)
    assert total == pytest.approx(fit["log_likelihood"], rel=0, abs=1e-6)
    assert_close(
        [*model.weights_, model.noise_weight_],
        [*fit["weights"], fit["noise_weight"]],
        1e-4,
    )
    assert_close(model.means_, fit["means"], 1e-4)
    dense = STRUCTURES[covariance_type].representation.expand(model.covariances_, 2, 2)
    assert_close(dense, fit["covariances"], 1e-4)
    assert (model.predict(X) == -1).sum() == fit["n_noise"]
    p = STRUCTURES[covariance_type].n_parameters(2, 2) + 5 + 2
    assert model.bic(X) == pytest.approx(
        p * np.log(len(X)) - 2 * fit["log_likelihood"], abs=1e-5
    )
