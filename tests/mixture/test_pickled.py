"""Pickles of models: of other versions too."""

import copy
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from fastem import GaussianMixture
from fastem.mixture import pickled

DATA = Path(__file__).parent / "data"
# Written by the first commit that had a GaussianMixture.
OLD = DATA / "fitted_by_first_version.pickle"
# Three components, of which 'drop' left two, when all modules stood on one corridor.
DROPPED = DATA / "dropped_by_0_1_0.pickle"
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


def test_the_values_in_a_pickle_are_found_where_they_moved():
    model = pickle.loads(DROPPED.read_bytes())
    np.testing.assert_array_equal(model.predict(X), [0, 0, 0, 1, 1, 1])
    (collapse,) = model.collapses_
    assert collapse.action == "dropped"
    assert collapse.degeneracy.component == 2
    assert collapse.degeneracy.constant_columns == (0, 1)
    assert "no more than rounding is left to gain" in str(model.convergence_)
    pickled = pickle.dumps(model)
    assert b"fastem.mixture\x94" in pickled  # the name that stays
    assert b"fastem.convergence" not in pickled


def test_a_pickle_of_a_newer_version_says_so(monkeypatch):
    model = GaussianMixture(2, covariance_type="diag", tol=9).fit(X)
    monkeypatch.setattr(pickled, "__version__", "12.10.1")
    written = pickle.dumps(model)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match=r"It was 12\.10\.1.*fastem>=12"):
        loaded = pickle.loads(written)
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
