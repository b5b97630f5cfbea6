"""Where the rows' own digits are the limit, it is said."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastem import GaussianMixture


@pytest.mark.parametrize(
    ("dtype", "near", "far"), [(np.float64, 1e13, 1e15), (np.float32, 1e4, 1e6)]
)
def test_rows_far_from_zero_are_warned_of(random, covariance_type, dtype, near, far):
    X = random.normal(size=(500, 3))
    offset = np.array([1, 0, 0])
    model = GaussianMixture(1, covariance_type=covariance_type, reg_covar=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit((X + near * offset).astype(dtype))
    with pytest.warns(ConvergenceWarning, match="digits of the rows") as caught:
        model.fit((X + far * offset).astype(dtype))
    (warning,) = caught
    assert warning.filename == __file__
    apart = float(np.spacing(dtype(far)))
    where = f"{far:.2g}, where {np.dtype(dtype).name} numbers are {apart:.2g} apart"
    assert where in str(warning.message)
    assert "column 0" in str(warning.message)
    assert "spreads by 0.9" in str(warning.message)


def test_a_constant_column_has_digits_enough(random, covariance_type):
    years = np.where(
        random.uniform(size=3000) < 0.5, 2020, random.integers(1999, 2011, 3000)
    )
    for year in (np.full(3000, 2020), years):
        X = np.column_stack([year, random.normal(size=3000)]).astype(np.float32)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            GaussianMixture(
                2, covariance_type=covariance_type, random_state=0, max_iter=500
            ).fit(X)
        assert not any("digits of the rows" in str(w.message) for w in caught)


@pytest.mark.parametrize("deviation", [1e-2, 0.1, 1.0, 100.0, 1000.0])
@pytest.mark.parametrize("name", ["full", "tied"])
def test_float32_has_the_answer_of_float64_where_columns_follow_from_others(
    name, deviation
):
    # A sum of others, but for the rounding of float32: whitening would enlarge the
    # rounding of its own up to a million times.
    Z = np.random.default_rng(1).normal(size=(3000, 3)) * deviation
    Z[:1000] += 5 * deviation
    X = np.column_stack([Z, Z[:, 0] + Z[:, 1]]).astype(np.float32)
    models = [
        GaussianMixture(2, covariance_type=name, tol=0, max_iter=8, random_state=0)
        for _ in range(2)
    ]
    with warnings.catch_warnings():  # of the ridge, of digits, of no convergence
        warnings.simplefilter("ignore")
        for model, rows in zip(models, (X, X.astype(np.float64)), strict=True):
            model.fit(rows)
    one, other = models
    assert one.score(X) == pytest.approx(other.score(X.astype(np.float64)), abs=1e-5)
    assert one.score(X.astype(np.float64)) == pytest.approx(one.score(X), abs=1e-5)
    assert one.predict_proba(X).dtype == one.score_samples(X).dtype == np.float32
    np.testing.assert_allclose(
        one.predict_proba(X), other.predict_proba(X), atol=1e-5, rtol=1e-4
    )


def test_that_nothing_but_rounding_is_left_of_a_column_is_said(random):
    Z = random.normal(size=(3000, 2))
    X = np.column_stack([Z, Z.sum(axis=1) + 1e-6 * random.normal(size=3000)])
    model = GaussianMixture(1, reg_covar=0).fit(X)
    with pytest.warns(
        ConvergenceWarning, match=r"digits of the rows .*, given the other columns, "
    ):
        model.fit(X.astype(np.float32))
