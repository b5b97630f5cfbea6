"""The probability that a row of one component is taken for one of another."""

import numpy as np
import pytest
from scipy import stats

from fastem import GaussianMixture, StudentMixture, overlap
from fastem.choice.quadratic_forms import probability_above


def test_equal_spheres_overlap_by_a_normal_tail():
    model = GaussianMixture.from_parameters(
        *([0.2, 0.8], [[0.0, 0.0], [3.0, 4.0]], [4.0, 4.0]), covariance_type="VII"
    )
    found = overlap(model)
    # The line between them lies where log densities are as far apart as log weights.
    distance, bias = 2.5, np.log(4) / 2.5
    assert found.confusion[0, 1] == pytest.approx(
        stats.norm.sf(distance / 2 - bias), rel=1e-9
    )
    assert found.confusion[1, 0] == pytest.approx(
        stats.norm.sf(distance / 2 + bias), rel=1e-9
    )
    assert found.confusion[0, 0] == 0
    assert found.error.max() < 1e-9
    assert found.lost is None


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "EVE"])
def test_it_is_the_share_of_rows_drawn(covariance_type, random):
    D = 3
    start = random.normal(size=(90, D)) + np.repeat(random.normal(size=(3, D)), 30, 0)
    labels = np.repeat(np.arange(3), 30)
    model = GaussianMixture(
        3, covariance_type=covariance_type, init_params=labels, tol=0.1
    ).fit(start)
    found = overlap(model)
    X, drawn = model.sample(60_000, random_state=0)
    alone = [
        stats.multivariate_normal(mean, covariance).logpdf(X) + np.log(weight)
        for mean, covariance, weight in zip(
            *(model.means_, np.broadcast_to(_dense(model), (3, D, D)), model.weights_),
            strict=True,
        )
    ]
    for i, j in [(0, 1), (1, 0), (1, 2), (2, 0)]:
        mine = drawn == i
        share = (alone[j] > alone[i])[mine].mean()
        p = found.confusion[i, j]
        assert share == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / mine.sum()))


def _dense(model):
    c = model.covariances_
    return c[..., np.newaxis] * np.eye(3) if model.covariance_type == "diag" else c


def test_students_are_drawn_and_their_errors_are_right():
    model = StudentMixture.from_parameters(
        *([0.5, 0.5], [[0.0], [4.0]], [[1.0], [1.0]]),
        covariance_type="diag",
        degrees_of_freedom=3.0,
    )
    found = overlap(model, n_samples=20_000, random_state=0)
    p = stats.t(3).sf(2.0)
    assert found.error[0, 1] == pytest.approx(np.sqrt(p * (1 - p) / 20_000), rel=0.1)
    assert found.confusion[0, 1] == pytest.approx(p, abs=4 * found.error[0, 1])
    again = overlap(model, n_samples=20_000, random_state=0)
    assert np.array_equal(found.confusion, again.confusion)


@pytest.mark.parametrize("v", [None, 5.0])
def test_the_background_takes_the_tails(v):
    estimator = GaussianMixture if v is None else StudentMixture
    model = estimator.from_parameters(
        *([0.9], [[0.0]], [[4.0]]),
        covariance_type="diag",
        noise_weight=0.1,
        noise_volume=100.0,
        **({} if v is None else {"degrees_of_freedom": v}),
    )
    distribution = stats.norm(scale=2) if v is None else stats.t(v, scale=2)
    x = np.linspace(0, 50, 500_001)
    edge = x[np.argmax(0.9 * distribution.pdf(x) < 0.1 / 100)]
    lost = overlap(model).lost
    assert lost == pytest.approx([2 * distribution.sf(edge)], rel=1e-3)
    assert "background" in str(overlap(model))


def test_no_row_is_of_an_empty_component_and_equal_ones_share():
    model = GaussianMixture.from_parameters(
        [0.5, 0.5, 0.0], [[0.0], [0.0], [1.0]], np.ones((3, 1, 1))
    )
    expected = [[0, 0.5, 0], [0.5, 0, 0], [1, 1, 0]]
    assert overlap(model).confusion == pytest.approx(np.array(expected), abs=1e-12)


def test_pairs_are_told_by_their_overlap():
    model = GaussianMixture.from_parameters(
        [0.3, 0.3, 0.4], [[0.0], [9.0], [2.0]], np.ones((3, 1, 1))
    )
    found = overlap(model)
    frame = found.to_frame()
    assert frame["first"].tolist()[0] == 0
    assert frame["second"].tolist()[0] == 2
    assert frame["overlap"][0] == found.confusion[0, 2] + found.confusion[2, 0]
    assert frame["overlap"].is_monotonic_decreasing
    assert "0 and 2: 19.6 % of 0, 12.6 % of 2" in str(found)
    with pytest.raises(ValueError, match="n_samples must be 2 or more"):
        overlap(model, n_samples=1)


@pytest.mark.parametrize("D", [1, 2, 3, 40])
@pytest.mark.parametrize("quantile", [1e-12, 0.01, 0.5, 0.99])
def test_probabilities_keep_their_digits(D, quantile):
    """Of equal squares they are those of the noncentral chi-squared distribution."""
    noncentrality = 3.0
    t = stats.ncx2.isf(quantile, D, noncentrality)
    products = np.zeros(D)
    products[0] = 2 * np.sqrt(noncentrality)
    found, error = probability_above(np.ones(D), products, t - noncentrality)
    assert found == pytest.approx(quantile, rel=1e-6)
    assert error < 1e-8 * quantile


def test_probabilities_of_mixed_signs_are_those_of_draws():
    generator = np.random.default_rng(0)
    for _ in range(20):
        D = int(generator.integers(2, 6))
        a = generator.normal(size=D) * 10 ** generator.uniform(-3, 1, D)
        a[generator.random(D) < 0.3] = 0
        b = generator.normal(size=D) * 10 ** generator.uniform(-2, 1)
        y = generator.normal(size=(20_000, D))
        values = y**2 @ a + y @ b
        t = np.quantile(values, generator.uniform(0.01, 0.99))
        found, error = probability_above(a, b, float(t))
        deviation = np.sqrt(found * (1 - found) / len(y))
        assert (values > t).mean() == pytest.approx(found, abs=4 * deviation)
        assert error < 1e-6
