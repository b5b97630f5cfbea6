"""The region of a background: how large it is, and what does not fit into it."""

import numpy as np
import pytest

from fastem import GaussianMixture
from fastem.sources import reading
from tests.sources.test_opening import Blocks

pytestmark = pytest.mark.filterwarnings("ignore:.*did not converge")


@pytest.fixture
def fit():
    """Fits one component, and noise."""

    def fit(X, sample_weight=None, **settings):
        model = GaussianMixture(noise=True, max_iter=2, **settings)
        return model.fit(X, sample_weight=sample_weight)

    return fit


@pytest.fixture(name="X")
def some_rows(random):
    return random.normal(size=(300, 3)) * [1.0, 20.0, 0.1] + [1e4, -5.0, 0.0]


def hypervolume(X, weights=None):
    """What mclust computes, by singular values."""
    box = np.ptp(X, axis=0).prod()
    weights = np.ones(len(X)) if weights is None else weights
    centred = X - np.average(X, axis=0, weights=weights)
    axes = np.linalg.svd(np.sqrt(weights)[:, np.newaxis] * centred)[2]
    return min(box, np.ptp(centred @ axes.T, axis=0).prod())


def test_the_volume_is_that_of_the_smaller_box(fit, X, random):
    turned = X @ np.linalg.qr(random.normal(size=(3, 3)))[0]
    for rows in (X, turned):
        model = fit(rows)
        assert model.noise_volume_ == pytest.approx(hypervolume(rows), rel=1e-9)
        expected = np.column_stack([rows.min(axis=0), rows.max(axis=0)])
        np.testing.assert_array_equal(model.noise_bounds_, expected)
    assert fit(turned).noise_volume_ < np.ptp(turned, axis=0).prod() / 2


def test_rows_of_weight_0_take_no_room(fit, X):
    weights = np.arange(len(X)) % 4
    weights[X[:, 1].argmax()] = 0
    counted = weights > 0
    model = fit(X, weights)
    expected = hypervolume(X[counted], weights[counted])
    assert model.noise_volume_ == pytest.approx(expected, rel=1e-9)
    assert model.noise_bounds_[1, 1] < X[:, 1].max()


def test_blocks_take_as_much_room(fit, X, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1)
    X = np.repeat(X, 10, axis=0) @ np.linalg.qr(X[:3])[0]
    here, there = fit(X), fit(Blocks(X, 777))
    assert there.noise_volume_ == pytest.approx(here.noise_volume_, rel=1e-12)
    np.testing.assert_array_equal(there.noise_bounds_, here.noise_bounds_)


def test_one_column_has_a_range(fit, X):
    assert fit(X[:, :1]).noise_volume_ == np.ptp(X[:, 0])


def test_what_is_given_is_taken(fit, X):
    bounds = [[9_900, 10_100], [-200, 200], [-1, 1]]
    model = fit(X, noise_bounds=bounds)
    assert model.noise_volume_ == pytest.approx(200 * 400 * 2)
    np.testing.assert_array_equal(model.noise_bounds_, bounds)
    model = fit(X, noise_bounds=bounds, noise_volume=7e5)
    assert model.noise_volume_ == 7e5
    np.testing.assert_array_equal(model.noise_bounds_, bounds)
    model = fit(X, noise_volume=7e5)
    assert model.noise_volume_ == 7e5
    assert model.noise_bounds_[1, 0] == X[:, 1].min()


def test_rows_outside_the_bounds_are_counted(fit, X):
    bounds = np.column_stack([X.min(axis=0), X.max(axis=0)])
    bounds[1, 1] = np.sort(X[:, 1])[-4]
    with pytest.warns(UserWarning, match=r"do not hold all rows\. 3 of 300"):
        fit(X, noise_bounds=bounds)


def test_a_volume_without_room_for_the_rows_is_warned_of(fit, X):
    volume = hypervolume(X)
    fit(X, noise_volume=1.001 * volume)
    with pytest.warns(UserWarning, match=r"less than .* smallest box .* of 300 rows"):
        fit(X, noise_volume=volume / 100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: np.column_stack([X, np.ones(300)]), "column 3 is constant"),
        (lambda X: np.column_stack([X, X @ [1, 2, 3]]), "combinations of others"),
        (lambda X: (X @ [1, 2, 3])[:, np.newaxis] * [1.0, 2.0], "combinations of"),
        (lambda X: X * 1e140, "too large to be a number. Scale"),
        (lambda X: X * 1e-140, "too small to be a number. Scale"),
    ],
)
def test_a_volume_that_is_none_is_an_error(fit, X, change, message):
    with pytest.raises(ValueError, match=message):
        fit(change(X))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise_bounds": [[0, 1]]}, r"noise_bounds should have the shape \(3, 2\)"),
        ({"noise_bounds": [[0, 1], [1, 1], [0, 1]]}, "1 and 1 for column 1"),
        ({"noise_bounds": [[0, 1], [0, np.inf], [0, 1]]}, "noise_bounds must be fin"),
        ({"noise_volume": 0.0}, "'noise_volume' parameter"),
        ({"noise_volume": -1.0}, "'noise_volume' parameter"),
        ({"noise_weight_init": 1.0}, "'noise_weight_init' parameter"),
        ({"noise_weight_init": -0.1}, "'noise_weight_init' parameter"),
    ],
)
def test_what_has_no_meaning_is_an_error(fit, X, settings, message):
    with pytest.raises(ValueError, match=message):
        fit(X, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise_volume": 3.0}, "noise_volume is given, but noise_weight is not"),
        ({"noise_weight": 0.1}, "give noise_volume, or noise_bounds"),
        ({"noise_weight": 1.0, "noise_volume": 1.0}, r"noise_weight must be in \[0, 1"),
        ({"noise_weight": 0.1, "noise_volume": 0.0}, "noise_volume must be a positive"),
        ({"noise_weight": 0.2, "noise_volume": 1.0}, "1 - noise_weight = 0.8"),
    ],
)
def test_parameters_that_make_no_background_are_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixture.from_parameters([0.9], [[0.0]], [[[1.0]]], **settings)


def test_a_model_from_parameters_knows_its_background(random):
    model = GaussianMixture.from_parameters(
        [0.6, 0.3], [[0.0], [4.0]], [[[1.0]]] * 2, noise_weight=0.1, noise_volume=50.0
    )
    assert model.predict([[0.0], [4.0], [30.0]]).tolist() == [0, 1, -1]
    assert model.predict_proba([[30.0]]).round(6).tolist() == [[0, 0, 1]]
    assert model.score_samples([[1e9]]) == pytest.approx(np.log(0.1 / 50))
    assert model.weights_init == pytest.approx([2 / 3, 1 / 3])
    assert (model.noise, model.noise_weight_init) == (True, 0.1)
    with pytest.raises(ValueError, match="only the volume is known"):
        model.sample(5)
    model.noise_bounds_ = np.array([[-10.0, 40.0]])
    assert set(model.sample(100, random_state=0)[1]) == {0, 1, -1}
    X = np.linspace(-3, 40, 80)[:, np.newaxis]
    assert model.bic(X) == pytest.approx(
        np.log(80) * (2 + 2 + 1 + 1) - 2 * 80 * model.score(X)
    )


def test_noise_that_is_no_more_asked_for_is_gone(fit, X):
    model = fit(X)
    assert model.noise_weight_ > 0
    model.set_params(noise=False).fit(X)
    assert not hasattr(model, "noise_weight_")
    assert model.predict_proba(X).shape == (300, 1)
    model.set_params(noise=True, warm_start=True).fit(X)
    assert model.noise_weight_ > 0
    model.set_params(noise=False).fit(X)
    assert model.weights_ == pytest.approx([1])
