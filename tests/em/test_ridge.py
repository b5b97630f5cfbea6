"""What a ridge adds, and when its share of a variance is told of."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastem import (
    Degeneracy,
    GaussianMixture,
    RegularizationWarning,
    SingularCovarianceError,
)
from fastem.covariances import STRUCTURES, Repeated
from fastem.em.ridge import ridge_of, warn_of_ridge
from fastem.report.scaling import fit_standardized
from fastem.statistics import MixtureParameters
from tests import reference
from tests.mixtures import IN_SHORT, draw, random_mixture

SPHERICAL = ["spherical"]
SHARED = [n for n in IN_SHORT if STRUCTURES[n].is_shared]
WITH_MATRICES = [n for n in IN_SHORT if STRUCTURES[n].representation.has_matrices]
WITH_AXES = sorted(set(IN_SHORT) - set(SPHERICAL))
OF_ANY_UNITS = [n for n, s in STRUCTURES.items() if s.code_in_other_units == s.code]


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


@pytest.mark.parametrize("name", ["EVI", "EVE", "EVV"])
def test_a_component_that_a_volume_in_common_scales_up_is_warned_of(name):
    X = np.vstack([rows(), [[30.0, 30.0, 30.0]]])
    members = np.append(np.arange(len(X) - 1) % 2, 2)
    model = GaussianMixture(3, covariance_type=name, init_params=members)
    with pytest.warns(RegularizationWarning) as warned:
        model.fit(X)
    assert warned[0].message.degeneracy.component == 2
    assert warned[0].message.share == pytest.approx(1)


@pytest.mark.parametrize("name", OF_ANY_UNITS)
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
    assert "it is large beside the variance of a column. " in str(warning)
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
    "a constant column": (
        constant,
        2,
        {},
        WITH_AXES,
        "Column 1 is 7 in all rows. Leave such a column out.",
    ),
    "the same, relative": (
        constant,
        2,
        {"reg_covar": "relative"},
        WITH_AXES,
        "Column 1 is 7 in all rows. Leave such a column out.",
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
    assert advice.lower() in str(warning).lower()
    assert warning.advice in str(warning).lower()
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
    assert "Use fewer components, or on_collapse='drop'" in str(warning)
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


def with_repeats(which, n_rows=2000):
    """Rows with a column 1 in which values repeat."""
    random = np.random.default_rng(5)
    X = random.normal(size=(n_rows, 3))
    column = X[:, 1]
    X[:, 1] = {
        "0 or 1": np.where(random.random(n_rows) < 0.4, 1, 0),
        "zeros": np.where(random.random(n_rows) < 0.82, 0, column**2 + 1),
        "-9 for none": np.where(random.random(n_rows) < 0.1, -9, column),
    }[which]
    return X


REPEATS = {"0 or 1": 0, "zeros": 0, "-9 for none": -9}


@pytest.mark.parametrize("n_components", [2, 5])
@pytest.mark.parametrize("which", REPEATS)
def test_a_value_that_repeats_is_named_where_no_number_of_components_helps(
    which, n_components
):
    X = pd.DataFrame(with_repeats(which), columns=["a", "b", "c"])
    model, warning = fit(X, "full", n_components, max_iter=2000)
    if warning is None:  # two components need not be those of 0 and of 1
        assert (which, n_components) == ("0 or 1", 2)
        return
    value = REPEATS[which]
    share = (X["b"] == value).mean()
    told = f"{value} in {100 * share:.3g} % of all rows"
    text = str(warning)
    assert f". Column 'b' is {told}. No number of components" in text
    assert "fewer components" not in text
    assert "drop" not in text
    (repeated,) = warning.repeated
    assert (repeated.column, repeated.value) == (1, value)
    assert repeated.share == pytest.approx(share)
    assert fit(X[["a", "c"]], "full", n_components, max_iter=2000)[1] is None
    assert fit(X, "spherical", n_components, max_iter=2000)[1] is None
    model.set_params(reg_covar=0)
    with pytest.raises(SingularCovarianceError) as raised:
        model.fit(X)
    text = str(raised.value)
    assert f"column 'b' is constant ({told}). Leave such columns out, spread" in text
    assert "fewer components" not in text
    model.set_params(on_collapse="drop", max_iter=5000)
    with pytest.warns(
        ConvergenceWarning, match="on_collapse='drop' left out"
    ) as caught:
        model.fit(X)
    text = str(caught[0].message)
    assert f"({told})" in text
    assert "Leave such columns out, spread" in text
    assert "fewer components" not in text


def test_where_all_columns_repeat_values_no_other_structure_is_advised():
    one_hot = np.eye(4)[np.random.default_rng(0).integers(4, size=200)]
    text = str(fit(one_hot, "full", 4)[1])
    assert text.endswith(
        "leave such columns out, or spread their values by a little noise (jitter)."
    )


def test_the_same_trouble_begins_with_the_same_sentence():
    """A filter of Python's looks at the beginning of a text."""
    told = [
        str(fit(with_repeats(which), "full", K, max_iter=2000)[1])
        for which, K in (("0 or 1", 5), ("zeros", 3), ("zeros", 5), ("-9 for none", 3))
    ]
    assert len(set(told)) == len(told)
    (sentence,) = {text.partition(". ")[0] for text in told}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=sentence)
        GaussianMixture(4, random_state=0, max_iter=2000).fit(with_repeats("zeros"))


@pytest.mark.parametrize(
    ("value", "share", "told"),
    [
        (-99999999.0, 0.123, "-99999999 in 12.3 % of all rows"),
        (0.1, 0.011, "0.1 in 1.1 % of all rows"),
        (-0.0, 0.999, "0 in 99.9 % of all rows"),
        (1e300, 1.0, "1e+300 in all rows"),
    ],
)
def test_repeats_are_told_as_people_write_them(value, share, told):
    assert str(Repeated(0, value, share)) == told


def test_repeats_are_counted_by_weight_and_in_blocks():
    X, weights = with_repeats("zeros"), np.where(np.arange(2000) < 1000, 1.0, 0.0)
    _, warning = fit(X, "diag", 3, weights, max_iter=2000)
    assert warning.repeated[0].share == pytest.approx((X[:1000, 1] == 0).mean())

    class Blocks:
        def __iter__(self):
            return iter(np.split(X, 4))

    _, warning = fit(Blocks(), "diag", 3, max_iter=2000)
    assert warning.repeated[0].share == pytest.approx((X[:, 1] == 0).mean(), abs=0.05)
    many = np.tile(X, (60, 1))
    _, warning = fit(many, "diag", 3, max_iter=2000)
    assert warning.repeated[0].share == pytest.approx((X[:, 1] == 0).mean(), abs=0.01)


def test_streams_name_the_value_too():
    start = np.random.default_rng(2).normal(size=(400, 3))
    start[::2, 1] += 20
    later = start.copy()
    later[1::2, 1] = 0  # as of a sensor that is off
    model = GaussianMixture(2, random_state=0, memory=200).partial_fit(start)
    with pytest.warns(RegularizationWarning, match="Column 1 is 0 in 50 % .* No numb"):
        model.partial_fit(np.tile(later, (20, 1)))


def test_equal_rows_are_not_laid_on_their_columns():
    _, warning = fit(table(spike), "full", 3)
    assert not warning.repeated
    binary = (np.random.default_rng(6).random((1000, 3)) < 0.5) * 1.0
    corners = np.array(list(np.ndindex(2, 2, 2)), float)
    _, warning = fit(binary, "full", 8, means_init=corners, init_params="random")
    assert [r.column for r in warning.repeated] == [0, 1, 2]
    assert "share their variance" not in str(warning)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("which", ["zeros", "-9 for none"])
def test_values_of_standardised_columns_are_told_in_units_of_the_data(which, dtype):
    X = (with_repeats(which) * [1.0, 1.0, 1e-3]).astype(dtype)
    share = 100 * (X[:, 1] == REPEATS[which]).mean()
    told = f"{REPEATS[which]} in {share:.3g} % of all rows"
    model = GaussianMixture(3, random_state=0, max_iter=2000)
    with pytest.warns(RegularizationWarning, match=f"Column 1 is {told}"):
        fit_standardized(model, X)
    with pytest.raises(SingularCovarianceError, match=rf"constant \({told}"):
        fit_standardized(model.set_params(reg_covar=0), X)


def test_a_share_is_all_of_a_variance_at_most():
    """What rounding leaves of a variance may be less than what was added to it."""
    one = np.ones((1, 1))
    parameters = MixtureParameters(one[0], one, one * 0.25, one * 2)
    with pytest.warns(RegularizationWarning, match=r"=1.0 is 100 % of the v") as caught:
        warn_of_ridge(
            *(STRUCTURES["diag"], parameters, 1.0, 1.0),
            n_rows=10,
            names=None,
            find=lambda columns: (),
        )
    assert caught[0].message.share == 1


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


def test_no_eigenvalues_are_computed_to_warn_of_a_ridge(covariance_type, monkeypatch):
    def refuse(*_):
        raise AssertionError("work of order D^3 that the answer does not need")

    for name in ("eigvalsh", "eigh", "svd"):
        monkeypatch.setattr(np.linalg, name, refuse)
    X = np.random.default_rng(0).normal(0, 1e-3, (100, 3))
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0)
    with pytest.warns(RegularizationWarning) as caught:
        model.fit(X)
    assert np.isnan(caught[0].message.degeneracy.condition_number)
    GaussianMixture.from_parameters(
        *(model.weights_, model.means_, model.covariances_),
        covariance_type=covariance_type,
    )
