"""What a ridge adds, and when its share of a variance is told of."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastem import Degeneracy, GaussianMixture, RegularizationWarning
from fastem.covariances import STRUCTURES
from fastem.em.ridge import ridge_of
from tests import reference
from tests.mixtures import draw, random_mixture

SPHERICAL = [n for n, s in STRUCTURES.items() if s.representation.shape(2, 3) == (2,)]
SHARED = [n for n, s in STRUCTURES.items() if s.is_shared]
WITH_MATRICES = [n for n, s in STRUCTURES.items() if s.representation.has_matrices]
WITH_AXES = sorted(set(STRUCTURES) - set(SPHERICAL))


def rows(n_features=3, n_rows=400):
    random = np.random.default_rng(3)
    return draw(random, random_mixture(random, "full", 2, n_features, 4), n_rows)


def fit(X, name, n_components=2, sample_weight=None, **options):
    """A fit, and the one warning of its ridge; None if there is none."""
    parameters = {"max_iter": 500, "random_state": 0, **options}
    model = GaussianMixture(n_components, covariance_type=name, **parameters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, sample_weight=sample_weight)
    told = [w for w in caught if issubclass(w.category, RegularizationWarning)]
    assert len(told) == len(caught) <= 1, [str(w.message) for w in caught]
    return model, told[0].message if told else None


def dense_of(model):
    structure = STRUCTURES[model.covariance_type]
    return structure.representation.expand(model.covariances_, *model.means_.shape)


# What 'relative' is


def test_a_number_is_added_as_it_is():
    def refuse():
        raise AssertionError("variances were asked for")

    assert ridge_of(0.25, refuse) == 0.25
    assert ridge_of(0, refuse) == 0


@pytest.mark.parametrize(
    ("variances", "expected"),
    [
        ([1.0, 4.0], [1e-6, 4e-6]),
        ([1e-20, 1e20], [1e-26, 1e14]),
        ([0.0, 4.0, 2.0], [3e-6, 4e-6, 2e-6]),
        ([0.0, 0.0], [1e-6, 1e-6]),
    ],
)
def test_relative_is_a_millionth_of_each_columns_variance(variances, expected):
    ridge = ridge_of("relative", lambda: np.array(variances))
    np.testing.assert_allclose(ridge, expected, rtol=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_relative_is_what_is_added(covariance_type, weighted, offset):
    X = rows() * [1.0, 1e-3, 1e3] + offset * np.array([1.0, 1e-3, 1e3])
    weights = np.arange(1.0, len(X) + 1) if weighted else None
    model, warning = fit(X, covariance_type, 1, weights, reg_covar="relative")
    assert warning is None
    covariance = np.cov(X.T, bias=True, aweights=weights)
    covariance += 1e-6 * np.diag(np.diag(covariance))
    expected = reference.STRUCTURES[covariance_type].estimate(
        np.ones(1), covariance[np.newaxis]
    )
    np.testing.assert_allclose(dense_of(model), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("exponent", [-8, -5, -2, 2, 5, 8])
def test_with_relative_units_do_not_change_the_answer(covariance_type, exponent):
    X, scale = rows(), 10.0**exponent
    one, warned_one = fit(X, covariance_type, reg_covar="relative", tol=1e-9)
    other, warned_other = fit(
        X * scale, covariance_type, reg_covar="relative", tol=1e-9
    )
    assert warned_one is warned_other is None
    assert np.array_equal(one.predict(X), other.predict(X * scale))
    np.testing.assert_allclose(other.means_, one.means_ * scale, rtol=1e-6)
    np.testing.assert_allclose(
        other.covariances_, one.covariances_ * scale**2, rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("name", WITH_AXES)
def test_with_relative_units_of_single_columns_do_not_change_the_answer(name):
    X, scales = rows(), np.array([1e-8, 1.0, 1e8])
    labels = np.arange(len(X)) % 2
    options = {
        "means_init": np.stack([X[labels == k].mean(axis=0) for k in (0, 1)]),
        "reg_covar": "relative",
        "init_params": "random",
    }
    one, _ = fit(X, name, **options)
    options["means_init"] = options["means_init"] * scales
    other, _ = fit(X * scales, name, **options)
    np.testing.assert_allclose(other.means_, one.means_ * scales, rtol=1e-6)
    np.testing.assert_allclose(
        other.predict_proba(X * scales), one.predict_proba(X), atol=1e-6
    )


def test_an_absolute_ridge_in_the_wrong_unit_is_told_of(covariance_type):
    # The same rows in kilometres rather than in millimetres.
    X = rows()
    _, warning = fit(X, covariance_type)
    assert warning is None
    _, warning = fit(X * 1e-5, covariance_type)
    assert warning.share > 0.99
    assert "lower reg_covar, or use reg_covar='relative'" in str(warning)
    _, warning = fit(X * 1e-5, covariance_type, reg_covar="relative")
    assert warning is None


# When it is told of


@pytest.mark.parametrize(
    ("share", "is_told"), [(0.0098, False), (0.0102, True), (0.3, True)]
)
def test_a_share_from_one_percent_on_is_told_of(covariance_type, share, is_told):
    # One column: variance v plus ridge; the ridge is its share of the sum.
    X = rows(n_features=1)
    ridge = X.var() * share / (1 - share)
    _, warning = fit(X, covariance_type, 1, reg_covar=ridge)
    assert (warning is not None) == is_told
    if is_told:
        assert warning.share == pytest.approx(share, rel=1e-9)
        assert f"is {100 * share:.3g} % of the variance" in str(warning)


def table(change):
    X = rows()
    change(X)
    return X


def constant(X):
    X[:, 1] = 7


def copied(X):
    X[:, 2] = X[:, 0]


def spike(X):
    X[:40] = 30


BRANCHES = {
    "a constant column": (constant, 2, {}, WITH_AXES, "leave such a column out if it"),
    "the same, relative": (
        constant,
        2,
        {"reg_covar": "relative"},
        WITH_AXES,
        "leave such a column out if it is constant.",
    ),
    "collinear columns": (
        copied,
        2,
        {},
        WITH_MATRICES,
        "leave columns out that are combinations of others",
    ),
    "a spike": (
        spike,
        3,
        {},
        sorted(set(STRUCTURES) - set(SHARED)),
        "use fewer components, or on_collapse='drop'",
    ),
    "few rows": (
        lambda X: None,
        1,
        {},
        WITH_MATRICES,
        "10 columns need more than 10 rows a component, or a covariance_type",
    ),
}


@pytest.mark.parametrize("what", BRANCHES)
def test_the_warning_says_what_to_do(covariance_type, what):
    change, n_components, options, names, advice = BRANCHES[what]
    X = (
        np.random.default_rng(4).normal(size=(8, 10))
        if what == "few rows"
        else (table(change))
    )
    _, warning = fit(X, covariance_type, n_components, **options)
    if covariance_type not in names:
        assert warning is None
        return
    assert advice in str(warning)
    assert warning.advice in str(warning)
    known = warning.degeneracy
    assert known.component == (None if covariance_type in SHARED else known.component)
    columns = {constant: (1,), copied: (0, 2), spike: (0, 1, 2)}
    assert known.columns == columns.get(change, tuple(range(10)))
    if change is spike:
        assert known.n_rows == pytest.approx(40)
        assert known.weight == pytest.approx(0.1)
        assert warning.n_affected == 1
        assert warning.n_components == 3
        assert "(weight 0.1, 40 rows)" in str(warning)
    assert ("beyond what the other columns tell" in str(warning)) == (
        not known.constant_columns
    )


def test_rows_that_make_a_relative_ridge_large_are_pointed_at():
    X = np.concatenate([rows(), [[1e6, 1e6, -1e6]]])
    _, warning = fit(X, "full", reg_covar="relative")
    assert "a number for reg_covar if rows far from all others" in str(warning)
    _, warning = fit(X, "full", reg_covar=1e-6)
    assert "use fewer components, or on_collapse='drop'" in str(warning)
    assert "1 row)" in str(warning)


def test_many_columns_are_counted_rather_than_listed():
    X = np.random.default_rng(4).normal(size=(8, 30))
    _, warning = fit(X, "full", 1)
    assert "columns 0, 1, 2, 3, 4, 5, 6, 7 and 22 more" in str(warning)


def test_columns_are_told_by_their_names():
    X = pd.DataFrame(table(constant), columns=["height", "width", "depth"])
    _, warning = fit(X, "full")
    assert "in column 'width'" in str(warning)
    assert "in columns 'b'" not in str(warning)
    renamed = warning.with_names(["a", "b", "c"])
    assert "in column 'b'" in str(renamed)
    assert renamed.degeneracy == warning.degeneracy


def test_the_warning_survives_pickling():
    known = Degeneracy(1, (0,), (2,), 0.25, 10.0, 3, 1e9)
    warning = RegularizationWarning(
        "relative", known, 0.5, 1, 4, "do so", ["a", "b", "c"]
    )
    copy = pickle.loads(pickle.dumps(warning))
    assert str(copy) == str(warning)
    assert (copy.degeneracy, copy.share) == (known, 0.5)
    assert (copy.n_affected, copy.n_components) == (1, 4)
    assert isinstance(copy, UserWarning)


# Where warnings point


def identical(model, X):
    model.set_params(means_init=X[[0, 0]], covariance_type="tied", max_iter=500)


def unconverged(model, X):
    model.set_params(max_iter=1)


def regularized(model, X):
    model.set_params(reg_covar=1.0, max_iter=500)


WARNINGS = {
    identical: (ConvergenceWarning, "start with the same mean"),
    unconverged: (ConvergenceWarning, "did not converge"),
    regularized: (RegularizationWarning, "The answer depends on reg_covar"),
}


@pytest.mark.parametrize("method", ["fit", "fit_predict"])
@pytest.mark.parametrize("cause", WARNINGS, ids=lambda cause: cause.__name__)
@pytest.mark.parametrize("n_init", [1, 3])
def test_warnings_point_at_the_callers_line(cause, method, n_init):
    category, words = WARNINGS[cause]
    X = rows()
    model = GaussianMixture(2, random_state=0, n_init=n_init)
    cause(model, X)
    with pytest.warns(category, match=words) as caught:
        getattr(model, method)(X)
    assert {warning.filename for warning in caught} == {__file__}
