"""Components in another order, and mixtures for scikit-learn: the same answers."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.mixture import GaussianMixture as SklearnMixture

from fastem import GaussianMixture, load_model, save_model
from tests.mixtures import assert_close, draw, random_mixture

K, D = 4, 3


@pytest.fixture(name="X")
def rows_of_a_mixture(random):
    return draw(random, random_mixture(random, "full", K, D, spread=4), 500)


@pytest.fixture
def model(X, covariance_type):
    columns = pd.DataFrame(X, columns=["c", "a", "b"])
    return GaussianMixture(
        K, covariance_type=covariance_type, tol=1e-2, random_state=0
    ).fit(columns)


@pytest.mark.parametrize(
    ("by", "key"),
    [
        ("weight", lambda model: -model.weights_),
        ("mean", lambda model: model.means_[:, 0]),
        ("a", lambda model: model.means_[:, 1]),
        (2, lambda model: model.means_[:, 2]),
    ],
)
def test_components_are_in_the_order_asked_for(model, X, by, key, tmp_path):
    rows = pd.DataFrame(X, columns=["c", "a", "b"])
    before = pickle.loads(pickle.dumps(model))
    order = np.argsort(key(before), kind="stable")
    assert model.sort_components(by) is model
    assert (np.diff(key(model)) >= 0).all()
    assert_close(before.predict_proba(rows)[:, order], model.predict_proba(rows), 1e-12)
    assert model.bic(rows) == pytest.approx(before.bic(rows), rel=1e-14)
    save_model(model, tmp_path / "model.json")
    loaded = load_model(tmp_path / "model.json")
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))
    # Streams and warm starts go on from there.
    one, other = (m.partial_fit(rows[:99]) for m in (model, before))
    assert_close(one.means_, other.means_[order], 1e-12)
    model.set_params(warm_start=True).fit(rows)


def test_what_a_stream_remembers_of_a_component_goes_with_it(model):
    weights, variances = model._largest_weights, model._first_variances
    np.testing.assert_array_equal(weights, model.weights_)  # of the fit
    model.sort_components([3, 1, 0, 2])
    np.testing.assert_array_equal(model._largest_weights, model.weights_)
    if len(variances) > 1:
        variances = variances[[3, 1, 0, 2]]
    np.testing.assert_array_equal(model._first_variances, variances)


def test_components_are_in_any_order(model, X):
    before = model.means_.copy()
    model.sort_components([3, 1, 0, 2])
    np.testing.assert_array_equal(model.means_, before[[3, 1, 0, 2]])


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("height", "nor a column of the model, which are 'c', 'a', 'b'"),
        (3, "nor a column of the model, which are 'c', 'a', 'b'"),
        ([0, 1, 2], "each number from 0 to 3 once"),
        ([0, 1, 2, 2], "each number from 0 to 3 once"),
    ],
)
def test_an_order_that_is_none_leaves_the_model(model, by, said):
    before = model.means_.copy()
    with pytest.raises(ValueError, match=said):
        model.sort_components(by)
    np.testing.assert_array_equal(model.means_, before)


def test_scikit_learns_mixture_has_the_same_answers(model, X):
    rows = pd.DataFrame(X, columns=["c", "a", "b"])
    theirs = model.to_sklearn()
    assert type(theirs) is SklearnMixture
    for answer in ("predict_proba", "score_samples", "score"):
        assert_close(getattr(theirs, answer)(rows), getattr(model, answer)(rows), 1e-9)
    np.testing.assert_array_equal(theirs.predict(rows), model.predict(rows))
    if model.covariance_type == theirs.covariance_type:
        assert theirs.bic(rows) == pytest.approx(model.bic(rows), rel=1e-9)
    assert not np.shares_memory(theirs.means_, model.means_)
    theirs.set_params(warm_start=True).fit(rows)


def test_settings_that_scikit_learn_does_not_have_are_left_out(X):
    model = GaussianMixture(
        2, reg_covar="relative", init_params="subsample", accelerate=True, tol=0.1
    ).fit(X)
    theirs = model.to_sklearn()
    assert theirs.get_params()["tol"] == 0.1
    theirs.fit(X)
