import numpy as np
import pytest

from fastem import GaussianMixture
from fastem.report.description import distinctive_traits, overall_moments
from fastem.report.memberships import measure_certainty, probability_blocks


@pytest.fixture
def model():
    return GaussianMixture.from_parameters(
        [0.75, 0.25],
        [[0.0, 100.0, 5.0], [4.0, 60.0, 5.0]],
        [[1.0, 25.0, 4.0], [1.0, 100.0, 1.0]],
        covariance_type="diag",
    )


def test_overall_moments_are_those_of_many_samples(model):
    model.random_state = 0
    X, _ = model.sample(200_000)
    mean, deviation = overall_moments(model)
    np.testing.assert_allclose(mean, X.mean(0), rtol=0.01)
    np.testing.assert_allclose(deviation, X.std(0), rtol=0.01)


def test_the_most_telling_column_comes_first_and_common_ones_do_not(model):
    traits = distinctive_traits(model, ["delay", "speed", "same"])
    assert [trait.column for trait in traits[1]] == ["speed", "delay"]
    speed = traits[1][0]
    # Overall: mean 90, variance 0.75 * 25 + 0.25 * 100 + 0.75 * 0.25 * 40**2.
    assert speed.mean == 60
    assert speed.difference == pytest.approx(-30 / np.sqrt(343.75))


def test_a_component_like_the_whole_has_no_traits():
    model = GaussianMixture.from_parameters(
        [0.5, 0.5], [[0.0], [0.0]], [[1.0], [9.0]], covariance_type="diag"
    )
    assert distinctive_traits(model) == [[], []]


def test_the_number_of_traits_is_limited(model):
    assert [len(t) for t in distinctive_traits(model, n_traits=1)] == [1, 1]


def test_certainty_counts_what_predict_proba_says(model):
    model.random_state = 0
    X, _ = model.sample(5000)
    P = model.predict_proba(X)
    certainty = measure_certainty(model, X)
    labels, largest = P.argmax(1), P.max(1)
    for k in range(2):
        own = largest[labels == k]
        assert certainty.n_rows[k] == len(own)
        assert certainty.mean[k] == pytest.approx(own.mean())
        assert certainty.sure[k] == pytest.approx((own > 0.9).mean())
        assert certainty.unsure[k] == pytest.approx((own <= 0.5).mean())
    mean, sure, unsure = certainty.overall()
    assert (mean, sure, unsure) == pytest.approx(
        (largest.mean(), (largest > 0.9).mean(), (largest <= 0.5).mean())
    )


def test_a_component_without_rows_has_no_certainty(model):
    certainty = measure_certainty(model, np.array([[0.0, 100.0, 5.0]] * 3))
    np.testing.assert_array_equal(certainty.n_rows, [3, 0])
    assert certainty.mean[1] == certainty.sure[1] == 0


def test_blocks_together_are_all_rows(model, random, monkeypatch):
    monkeypatch.setattr("fastem.report.memberships._BLOCK_VALUES", 14)
    X = random.normal(size=(50, 3))
    blocks = list(probability_blocks(model, X))
    assert [len(block) for block in blocks] == [7] * 7 + [1]
    np.testing.assert_array_equal(np.vstack(blocks), model.predict_proba(X))
