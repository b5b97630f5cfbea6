"""The optima of R's mclust with noise, from the same partition: see data/README.md.

That of VVE is none: mclust stops on the way.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from fastem import GaussianMixture
from fastem.covariances import STRUCTURES
from tests.mixtures import assert_close

DATA = Path(__file__).parent / "data" / "noise"
CONTENT = json.loads((DATA / "faithful.json").read_text())
FITS = {fit["model"]: fit for fit in CONTENT["fits"]}


@pytest.fixture
def X():  # noqa: N802
    return np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1)


@pytest.fixture
def labels():
    return np.array([int(digit) - 1 for digit in CONTENT["labels"]["2"]])


def test_what_mclust_calls_the_optimum_with_equal_axes_is_none(X, labels):
    """From there EM climbs to where it ends from the labels: 0.1155 nats higher."""
    fit = FITS["VVE"]
    settings = {"covariance_type": "VVE", "reg_covar": 0, "tol": 1e-13}
    settings["max_iter"] = 20_000
    theirs = GaussianMixture.from_parameters(
        fit["weights"],
        fit["means"],
        fit["covariances"],
        noise_weight=fit["noise_weight"],
        noise_volume=1 / CONTENT["noise_density"],
        **settings,
    )
    start = theirs.score(X) * len(X)
    assert start == pytest.approx(fit["log_likelihood"], rel=0, abs=1e-6)
    ours = GaussianMixture(2, noise=True, init_params=labels, **settings).fit(X)
    end = ours.score(X) * len(X)
    assert end == pytest.approx(start + 0.1155366, rel=0, abs=1e-6)
    assert theirs.fit(X).score(X) * len(X) == pytest.approx(end, rel=0, abs=1e-6)


@pytest.mark.parametrize("covariance_type", [n for n in STRUCTURES if n != "VVE"])
def test_the_optimum_is_that_of_mclust(covariance_type, X, labels):
    fit = FITS[STRUCTURES[covariance_type].code]
    model = GaussianMixture(
        2,
        covariance_type=covariance_type,
        noise=True,
        init_params=labels,
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
