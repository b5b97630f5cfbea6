"""Pickles of models: of other versions too."""

import copy
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import fastem
from fastem import GaussianMixture

# Written by the first commit that had a GaussianMixture.
OLD = Path(__file__).parent / "data" / "fitted_by_first_version.pickle"
X = np.array([[0, 1], [1, 0.5], [0, 0.25], [9, 8], [8, 9.5], [9.5, 9]])


def test_a_pickle_of_an_older_version_works():
    model = pickle.loads(OLD.read_bytes())
    np.testing.assert_array_equal(model.predict(X), [1, 1, 1, 0, 0, 0])
    np.testing.assert_allclose(model.means_, [X[3:].mean(axis=0), X[:3].mean(axis=0)])
    # What the old one did not have yet.
    assert (
        model.get_params()
        == GaussianMixture(
            2, covariance_type="diag", random_state=0, tol=0.5
        ).get_params()
    )
    assert np.isnan(model.convergence_.remaining_gain)
    assert model.n_dropped_ == 0
    again = clone(model).fit(X)
    np.testing.assert_allclose(again.means_, model.means_, rtol=1e-12)
    np.testing.assert_allclose(model.fit(X).means_, again.means_, rtol=0)
    pickle.loads(pickle.dumps(model)).predict(X)


def test_a_pickle_of_a_newer_version_says_so(monkeypatch):
    model = GaussianMixture(2, covariance_type="diag", tol=9).fit(X)
    monkeypatch.setattr(fastem, "__version__", "12.10.1")
    pickled = pickle.dumps(model)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match=r"pickled by fastem 12\.10\.1.*fastem>=12"):
        loaded = pickle.loads(pickled)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_has_the_same_attributes_and_no_more(duplicate):
    for model in (GaussianMixture(3), GaussianMixture(2, tol=9).fit(X)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            copied = duplicate(model)
        assert vars(copied).keys() == vars(model).keys()
        for name, value in vars(model).items():
            assert repr(getattr(copied, name)) == repr(value)


def test_an_unfitted_pickle_stays_unfitted():
    loaded = pickle.loads(pickle.dumps(GaussianMixture(3)))
    assert not [name for name in vars(loaded) if name.endswith("_")]
