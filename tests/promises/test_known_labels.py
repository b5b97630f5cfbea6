"""Fits to rows of which some are known, as R's mclust has them: see data/README.md."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastem import GaussianMixture
from fastem.covariances import structure_of
from tests.mixtures import assert_close

DATA = Path(__file__).parent / "data"
CONTENT = {
    name: json.loads((DATA / "known" / f"{name}.json").read_text())
    for name in ("iris", "thyroid")
}
FITS = [(name, fit) for name in CONTENT for fit in CONTENT[name]["fits"]]


@pytest.mark.parametrize(
    ("name", "fit"), FITS, ids=[f"{name}-{fit['model']}" for name, fit in FITS]
)
def test_the_optimum_is_that_of_mclust(name, fit):
    X = np.loadtxt(DATA / f"{name}.csv", delimiter=",", skiprows=1)
    labels = [-1 if c == "-" else int(c) for c in CONTENT[name]["labels"]]
    model = GaussianMixture(
        3, covariance_type=fit["model"], reg_covar=0, tol=1e-13, max_iter=20_000
    ).fit(X, labels=labels)
    total = model.lower_bound_ * len(X)
    assert total == pytest.approx(fit["log_likelihood"], rel=0, abs=1e-6)
    assert_close(model.weights_, fit["weights"], 1e-5)
    assert_close(model.means_, fit["means"], 1e-5)
    representation = structure_of(fit["model"]).representation
    dense = representation.expand(model.covariances_, *model.means_.shape)
    assert_close(dense, fit["covariances"], 1e-5)
    # What is known is for the fit; score is the mixture's, and so less.
    assert model.score(X) > model.lower_bound_
