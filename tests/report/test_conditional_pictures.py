"""The picture of a column's density, given others: against formulas, not fastem's."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid
from scipy.stats import multivariate_t, norm, t
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastem import (
    ConditionalDisplay,
    GaussianMixture,
    GaussianMixtureSelector,
    StudentMixture,
)

NAMES = ["height", "weight", "age"]
MEANS = np.array([[160.0, 60.0, 30.0], [180.0, 90.0, 50.0]])
COVARIANCE = np.array([[50.0, 30.0, 0.0], [30.0, 80.0, 20.0], [0.0, 20.0, 90.0]])
WEIGHTS = np.array([0.4, 0.6])


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def model():
    return GaussianMixture.from_parameters(
        WEIGHTS, MEANS, COVARIANCE, covariance_type="tied", feature_names=NAMES
    )


def of_weight_given_height(height):
    """Shares, means and deviation of weight, by the formulas of textbooks."""
    slope = COVARIANCE[1, 0] / COVARIANCE[0, 0]
    means = MEANS[:, 1] + slope * (height - MEANS[:, 0])
    deviation = np.sqrt(COVARIANCE[1, 1] - slope * COVARIANCE[0, 1])
    shares = WEIGHTS * norm.pdf(height, MEANS[:, 0], np.sqrt(COVARIANCE[0, 0]))
    return shares / shares.sum(), means, deviation


def test_curves_are_densities_given_the_values(model):
    heights = [155.0, 170.0, 190.0]
    display = ConditionalDisplay.from_estimator(model, "weight", {"height": heights})
    *curves, marginal = display.lines_
    assert len(curves) == 3
    for height, curve in zip(heights, curves, strict=True):
        shares, means, deviation = of_weight_given_height(height)
        x, y = curve.get_data()
        expected = norm.pdf(x[:, np.newaxis], means, deviation) @ shares
        np.testing.assert_allclose(y, expected, rtol=1e-8, atol=1e-300)
        assert trapezoid(y, x) == pytest.approx(1, abs=0.01)
    x, y = marginal.get_data()
    of_all = norm.pdf(x[:, np.newaxis], MEANS[:, 1], np.sqrt(COVARIANCE[1, 1]))
    np.testing.assert_allclose(y, of_all @ WEIGHTS, rtol=1e-8)
    assert display.ax_.get_xlabel() == "weight"
    assert display.figure_ is display.ax_.figure


def test_quantiles_leave_what_they_say_on_each_side(model):
    asked = [0.9, 0.1]
    display = ConditionalDisplay.from_estimator(
        model, 1, {"height": [165.0, 175.0]}, quantiles=asked
    )
    assert display.quantiles_.shape == (3, 2)
    for height, marks in zip([165.0, 175.0], display.quantiles_, strict=False):
        shares, means, deviation = of_weight_given_height(height)
        below = norm.cdf(marks[:, np.newaxis], means, deviation) @ shares
        np.testing.assert_allclose(below, [0.1, 0.9], atol=1e-9)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[0].startswith("height = 165\n")
    assert texts[-1].startswith("whatever the others are\n")
    assert "10, 90 %" in display.ax_.get_legend().get_title().get_text()


def test_one_value_holds_for_all_curves_and_others_may_be_anything(model):
    ages = pd.Series([25.0, 60.0])
    display = ConditionalDisplay.from_estimator(
        model, "weight", {"age": ages, 0: 170.0}
    )
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[1].startswith("age = 60, height = 170\n")
    # By regression on both, in the second component.
    slopes = np.linalg.solve(COVARIANCE[np.ix_([2, 0], [2, 0])], COVARIANCE[[2, 0], 1])
    for age, given in zip(ages, display.conditionals, strict=True):
        expected = MEANS[1, 1] + slopes @ [age - MEANS[1, 2], 170.0 - MEANS[1, 0]]
        assert given.means_[1, 0] == pytest.approx(expected)
    alone = ConditionalDisplay.from_estimator(model, "weight", {"height": 170.0})
    shares, means, _ = of_weight_given_height(170.0)
    assert alone.conditionals[0].means_.ravel() == pytest.approx(means)
    assert alone.conditionals[0].weights_ == pytest.approx(shares)


def test_tails_are_those_of_students_t():
    scale = COVARIANCE[:2, :2]
    model = StudentMixture.from_parameters(
        [1.0], [[160.0, 60.0]], [scale], degrees_of_freedom=[4.0]
    )
    _, ax = plt.subplots()
    display = ConditionalDisplay.from_estimator(model, 1, {0: 150.0}, ax=ax)
    assert display.ax_ is ax
    x, y = display.lines_[0].get_data()
    rows = np.column_stack([np.full_like(x, 150.0), x])
    joint = multivariate_t([160.0, 60.0], scale, df=4).pdf(rows)
    of_height = t(4, 160.0, np.sqrt(scale[0, 0])).pdf(150.0)
    np.testing.assert_allclose(y, joint / of_height, rtol=1e-8)
    assert ax.get_xlabel() == "x1"


@pytest.mark.parametrize(
    ("column", "given", "settings", "message"),
    [
        ("speed", {"age": 1.0}, {}, "column: 'speed' is not a column"),
        ("age", {"speed": 1.0}, {}, "given: 'speed' is not a column"),
        ("age", {}, {}, "given is empty"),
        ("age", {"age": 1.0}, {}, "'age' is asked for, and given too"),
        ("age", {"height": 1.0, 0: 2.0}, {}, "names a column twice"),
        ("age", {"height": [1.0, np.nan]}, {}, r"given\['height'\] must be finite"),
        ("age", {"height": []}, {}, r"given\['height'\] must be a number or a list"),
        (
            "age",
            {"height": [1, 2], "weight": [1, 2, 3]},
            {},
            "2 of height, 3 of weight",
        ),
        ("age", {"height": 1.0}, {"quantiles": [0.0, 0.5]}, "one or more in"),
        ("age", {"height": 1.0}, {"quantiles": []}, "one or more in"),
    ],
)
def test_what_cannot_be_drawn_is_named(model, column, given, settings, message):
    with pytest.raises(ValueError, match=message):
        ConditionalDisplay.from_estimator(model, column, given, **settings)


def test_what_is_no_mixture_is_refused_by_name(model):
    X = np.random.default_rng(0).normal(size=(50, 2))
    chosen = GaussianMixtureSelector([1], ["full"]).fit(X)
    display = ConditionalDisplay.from_estimator(chosen, 0, {1: 0.0})
    best = chosen.best_estimator_.conditional({1: 0.0}).ppf([0.5])
    assert display.quantiles_[0, 1] == pytest.approx(best[0])
    steps = make_pipeline(StandardScaler(), GaussianMixture()).fit(X)
    with pytest.raises(TypeError, match="but is a Pipeline: of a pipeline pass"):
        ConditionalDisplay.from_estimator(steps, 0, {1: 0.0})
    with pytest.raises(NotFittedError):
        ConditionalDisplay.from_estimator(GaussianMixture(), 0, {1: 0.0})
    with pytest.raises(TypeError, match="given must be a mapping"):
        ConditionalDisplay.from_estimator(model, "age", [1.0])


def test_a_background_is_part_of_it_if_its_bounds_are_known():
    one = [0.8], [[160.0, 60.0]], [COVARIANCE[:2, :2]]
    bounds = np.array([[100.0, 200.0], [0.0, 120.0]])
    noisy = GaussianMixture.from_parameters(*one, noise_weight=0.2, noise_bounds=bounds)
    display = ConditionalDisplay.from_estimator(noisy, 1, {0: 150.0})
    x, y = display.lines_[0].get_data()
    height = 0.8 * norm.pdf(150.0, 160.0, np.sqrt(COVARIANCE[0, 0]))
    share = 0.2 / 100 / (0.2 / 100 + height)
    slope = COVARIANCE[1, 0] / COVARIANCE[0, 0]
    deviation = np.sqrt(COVARIANCE[1, 1] - slope * COVARIANCE[0, 1])
    of_weight = norm.pdf(x, 60.0 - 10 * slope, deviation)
    np.testing.assert_allclose(y, (1 - share) * of_weight + share / 120, rtol=1e-8)
    unbounded = GaussianMixture.from_parameters(
        *one, noise_weight=0.2, noise_volume=9.0
    )
    with pytest.raises(ValueError, match="volume"):
        ConditionalDisplay.from_estimator(unbounded, 1, {0: 150.0})
