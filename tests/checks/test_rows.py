"""Rows are walked over as little as can be, and nothing is missed by that."""

import numpy as np
import pytest

from fastem import GaussianMixture
from fastem.checks import counting
from fastem.checks import rows as checked_rows
from fastem.kernels import CHUNK_ROWS


@pytest.fixture
def no_weights():
    return np.empty(0)


@pytest.mark.parametrize("n_rows", [5, 255, 256, 257, 3 * CHUNK_ROWS])
def test_the_last_row_may_be_the_one_that_differs(n_rows, no_weights):
    X = np.zeros((n_rows, 2))
    with pytest.raises(ValueError, match="only 1 distinct row"):
        counting.check_enough_rows(X, no_weights, 2)
    X[-1, 1] = 1
    counting.check_enough_rows(X, no_weights, 2)
    weights = np.ones(n_rows)
    weights[-1] = 0
    with pytest.raises(ValueError, match="only 1 distinct row"):
        counting.check_enough_rows(X, weights, 2)


def test_minus_zero_is_the_same_as_zero(no_weights):
    with pytest.raises(ValueError, match="only 1 distinct row"):
        counting.check_enough_rows(np.array([[0.0], [-0.0]]), no_weights, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_like_the_fitted_one_take_no_detour(monkeypatch, dtype):
    X = np.random.default_rng(4).standard_normal((50, 3)).astype(dtype)
    model = GaussianMixture(2, random_state=0).fit(X)
    expected = model.score_samples(X)

    def refuse(*arguments, **options):
        raise AssertionError("scikit-learn was asked")

    monkeypatch.setattr(checked_rows, "validate_data", refuse)
    for same in (X, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2]):
        np.testing.assert_array_equal(model.score_samples(same), expected)
    for other in (X[:, :2], X[:0], X[0], X.astype(np.float16), X.tolist(), X > 0):
        with pytest.raises(AssertionError, match="was asked"):
            model.score_samples(other)


@pytest.mark.parametrize("n_rows", [1, 63, 64, 65, 200, CHUNK_ROWS + 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_is_answered_alike_among_few_and_many(n_rows, dtype, covariance_type):
    X = np.random.default_rng(5).standard_normal((2 * CHUNK_ROWS, 5)).astype(dtype)
    model = GaussianMixture(
        3, covariance_type=covariance_type, random_state=0, max_iter=500
    ).fit(X)
    np.testing.assert_array_equal(model.predict(X[:n_rows]), model.predict(X)[:n_rows])
    # Rows beyond the last full vector are answered one by one: a rounding apart.
    rounding = 2 * np.finfo(dtype).eps
    for method in (model.predict_proba, model.score_samples):
        few, many = method(X[:n_rows]), method(X)[:n_rows]
        np.testing.assert_allclose(few, many, rtol=rounding, atol=0)
