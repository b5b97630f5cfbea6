"""Parameters are found again from rows with gaps.

The truth is a mixture fitted to a table of the references. Tables are drawn from it,
values taken out completely at random, and each is fitted from the truth, so that
components keep their numbers. How much an estimate varies is its standard deviation
over the draws: of a parameter without bias all but 0.3 % are within three of these.
Tables are larger than the references', so that a bias of a few percent shows.
"""

from pathlib import Path

import numpy as np
import pytest

from fastem import GaussianMixture
from tests.mixtures import draw
from tests.reference import Mixture

DATA = Path(__file__).parent / "data"
N_COMPONENTS = {"faithful": 2, "iris": 3, "thyroid": 3}


def truth_of(name):
    X = np.loadtxt(DATA / f"{name}.csv", delimiter=",", skiprows=1, ndmin=2)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = GaussianMixture(N_COMPONENTS[name], random_state=0, tol=1e-6).fit(X)
    return Mixture(model.weights_, model.means_, model.covariances_)


def parameters_of(model):
    """All free parameters beside each other; the last weight follows from others."""
    lower = np.tril_indices(model.means_.shape[1])
    covariances = model.covariances_[:, lower[0], lower[1]]
    parts = model.weights_[:-1], model.means_.ravel(), covariances.ravel()
    return np.concatenate(parts)


def share_within_three(name, share, n_rows, n_draws):
    """Of all parameters and draws, how many are within three standard errors."""
    mixture, random = truth_of(name), np.random.default_rng(0)
    model = GaussianMixture.from_parameters(
        *mixture, missing_values="marginalize", tol=1e-6, max_iter=2000, reg_covar=0
    )
    truth = parameters_of(model)
    found = []
    for _ in range(n_draws):
        X = draw(random, mixture, n_rows)
        gaps = random.random(X.shape) < share
        gaps[gaps.all(axis=1), 0] = False
        found.append(parameters_of(model.fit(np.where(gaps, np.nan, X))))
    errors = np.abs(np.array(found) - truth) / np.std(found, axis=0, ddof=1)
    return np.mean(errors <= 3)


def test_parameters_are_recovered_where_a_fifth_is_missing():
    assert share_within_three("faithful", 0.2, 1000, 10) >= 0.99


@pytest.mark.exhaustive
@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.4])
@pytest.mark.parametrize("name", ["faithful", "iris", "thyroid"])
def test_parameters_are_recovered_from_tables_with_gaps(name, share):
    assert share_within_three(name, share, 5000, 30) >= 0.99
