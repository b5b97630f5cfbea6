"""What columns add to the surprise of rows."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, multivariate_t

from fastem import GaussianMixture, StudentMixture
from fastem.covariances import STRUCTURES
from fastem.decisions.explanation import Explained
from fastem.decisions.scores import components_of
from tests.mixtures import parameters_of, random_mixture

D = 3
MEAN = np.array([1.0, -1.0, 2.0])
COVARIANCE = np.array([[2.0, 1.2, 0.3], [1.2, 1.0, 0.0], [0.3, 0.0, 4.0]])
X = np.array([[5.0, -4.0, 2.5], [1.0, 0.0, 9.0], [1.0, -1.0, 2.0]])


def told(model, rows):
    return Explained.of(components_of(model), rows)


def law_of(columns, v):
    part = MEAN[columns], COVARIANCE[np.ix_(columns, columns)]
    return multivariate_normal(*part) if v is None else multivariate_t(*part, df=v)


def one_component(v):
    parts = [1.0], [MEAN], [COVARIANCE]
    if v is None:
        return GaussianMixture.from_parameters(*parts)
    return StudentMixture.from_parameters(*parts, degrees_of_freedom=v)


@pytest.mark.parametrize("v", [None, 4.0])
def test_of_one_component_they_are_differences_of_log_densities(v):
    explained = told(one_component(v), X)
    whole = law_of([0, 1, 2], v)
    surprise = whole.logpdf(MEAN) - whole.logpdf(X)
    np.testing.assert_allclose(explained.surprise, surprise, atol=1e-12)
    np.testing.assert_allclose(explained.parts.sum(axis=1), surprise, atol=1e-12)
    for j in range(D):
        others = [i for i in range(D) if i != j]
        own = law_of([j], v)
        alone = own.logpdf(MEAN[j]) - own.logpdf(X[:, j])
        np.testing.assert_allclose(explained.alone[:, j], alone, atol=1e-12)
        # Without the column: the same row with what is expected there.
        weights = np.linalg.solve(
            COVARIANCE[np.ix_(others, others)], COVARIANCE[others, j]
        )
        expected = MEAN[j] + (X[:, others] - MEAN[others]) @ weights
        np.testing.assert_allclose(explained.expected[:, j], expected)
        without = X.copy()
        without[:, j] = expected
        saved = whole.logpdf(without) - whole.logpdf(X)
        np.testing.assert_allclose(explained.given_others[:, j], saved, atol=1e-12)


def test_parts_are_means_over_all_orders_of_setting_columns_to_the_mean():
    """Shapley's value of half of the squared distance, by its definition."""
    from itertools import permutations

    precision = np.linalg.inv(COVARIANCE)

    def worth(row, columns):
        left = np.zeros(D)
        left[columns] = (row - MEAN)[columns]
        return left @ precision @ left / 2

    explained = told(one_component(None), X)
    for row, parts in zip(X, explained.parts, strict=True):
        added = np.zeros(D)
        orders = list(permutations(range(D)))
        for order in orders:
            for i, j in enumerate(order):
                added[j] += worth(row, list(order[: i + 1])) - worth(
                    row, list(order[:i])
                )
        np.testing.assert_allclose(parts, added / len(orders), atol=1e-12)


@pytest.mark.parametrize("covariance_type", STRUCTURES)
def test_of_a_mixture_they_are_means_by_memberships(random, covariance_type):
    mixture = random_mixture(random, covariance_type, 3, D)
    parameters = parameters_of(mixture, covariance_type)
    model = GaussianMixture.from_parameters(
        *(parameters.weights, parameters.means, parameters.covariances),
        covariance_type=covariance_type,
    )
    rows, _ = model.sample(20, random_state=0)
    explained = told(model, rows)
    shares = model.predict_proba(rows)
    ask = components_of(model)
    dense = ask.representation.expand(ask.parameters.covariances, 3, D)
    surprise = np.zeros(20)
    for k in range(3):
        left = rows - mixture.means[k]
        surprise += (
            shares[:, k] / 2 * (left @ np.linalg.inv(dense[k]) * left).sum(axis=1)
        )
    np.testing.assert_allclose(explained.surprise, surprise, rtol=1e-4)
    np.testing.assert_allclose(explained.parts.sum(axis=1), explained.surprise)
    np.testing.assert_array_equal(explained.components, model.predict(rows))


def test_rows_with_gaps_are_explained_by_what_they_have():
    model = one_component(None).set_params(missing_values="marginalize")
    rows = X.copy()
    rows[0, 1] = rows[2] = np.nan
    explained = told(model, rows)
    marginal = GaussianMixture.from_parameters(
        [1.0], [MEAN[[0, 2]]], [COVARIANCE[np.ix_([0, 2], [0, 2])]]
    )
    of_two = told(marginal, rows[:1, [0, 2]])
    for name in ("expected", "parts", "given_others", "alone"):
        values = getattr(explained, name)
        np.testing.assert_allclose(values[0, [0, 2]], getattr(of_two, name)[0])
        assert np.isnan(values[0, 1])
        assert np.isnan(values[2]).all()
        np.testing.assert_allclose(values[1], getattr(told(model, X), name)[1])
    assert explained.surprise[2] == 0


def test_it_prints_and_makes_a_table():
    explained = told(one_component(None), X)
    whole = explained.with_numbers(
        ["a", "b", "c"],
        np.array([7, 8, 9]),
        np.array([-9.0, -7.0, 0.0]),
        np.full(3, 0.1),
    )
    assert "row 7" in str(whole).splitlines()[1]
    frame = whole.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["column"]) == ["a", "b", "c"] * 3
    sums = frame.groupby("row")["part"].sum()
    np.testing.assert_allclose(sums, explained.surprise, atol=1e-12)
