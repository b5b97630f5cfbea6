"""Rows arranged for a fit: merged, ordered, and the same statistics as before."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from fastem import GaussianMixture, kernels
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.em import carrying, expectation
from fastem.em.expectation import ExpectationStep
from tests import reference
from tests.mixtures import (
    assert_close,
    draw,
    parameters_of,
    random_mixture,
    start_of,
)

FULL = STRUCTURES["full"].representation


@pytest.fixture
def arranges_all(monkeypatch):
    """Arrange tables that are too small to gain anything."""
    monkeypatch.setattr(expectation, "_FEWEST_ROWS", 1)
    monkeypatch.setattr(expectation, "_LEAST_WORK", 0)
    monkeypatch.setattr(expectation, "_ORDERING", 0)


@pytest.fixture
def clusters(random, covariance_type):
    return random_mixture(random, covariance_type, 10, 3, spread=20)


def step_and_passes(X, row_weights, name, monkeypatch):
    """An expectation step, and a list of what its passes are called with."""
    calls = []
    real, real_carried = kernels.expectation_pass, kernels.carried_pass

    def spy(X, row_weights, factors, scatter_size, n_threads, reach):
        calls.append((len(X), reach is not None))
        return real(X, row_weights, factors, scatter_size, n_threads, reach)

    def spy_on_carried(X, *rest):
        calls.append((len(X), True))
        return real_carried(X, *rest)

    monkeypatch.setattr(kernels, "expectation_pass", spy)
    monkeypatch.setattr(kernels, "carried_pass", spy_on_carried)
    weights = np.empty(0) if row_weights is None else row_weights
    step = ExpectationStep(
        read_only(X), read_only(weights), STRUCTURES[name].representation, None
    )
    return step, calls


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_arranged_rows_have_the_same_statistics(
    random, clusters, covariance_type, weighted, arranges_all, monkeypatch
):
    # Every row three times, on a grid so coarse that other rows fall together as well.
    rows = np.round(draw(random, clusters, 2000) * 4) / 4
    X = random.permutation(np.vstack([rows] * 3)) + 0.0  # no -0.0, another number
    row_weights = random.uniform(size=len(X)) if weighted else None
    step, calls = step_and_passes(X, row_weights, covariance_type, monkeypatch)
    parameters = parameters_of(clusters, covariance_type)
    n_distinct = len(np.unique(X, axis=0))
    for leaves_out in (False, True, True):
        actual = step(parameters)
        assert calls[-1] == (n_distinct, leaves_out)
        expected = reference.expectation(X, clusters, row_weights, actual.reference)
        assert_close(actual.log_likelihood, expected.log_likelihood, 1e-12)
        assert_close(actual.weights, expected.weights, 1e-12)
        reduce_scatter = reference.STRUCTURES[covariance_type].reduce_scatter
        assert_close(actual.scatter, reduce_scatter(expected.scatter), 1e-11)


def test_nothing_is_left_out_where_all_counts(random, arranges_all, monkeypatch):
    mixture = random_mixture(random, "full", 10, 3, spread=0.5)
    X = draw(random, mixture, 3000)
    step, calls = step_and_passes(X, None, "full", monkeypatch)
    for _ in range(3):
        step(parameters_of(mixture, "full"))
    assert calls == [(3000, False)] * 3


def test_leaving_out_ends_when_it_no_longer_pays(random, arranges_all, monkeypatch):
    far = random_mixture(random, "full", 10, 3, spread=20)
    near = far._replace(covariances=far.covariances * 1e4)
    X = draw(random, far, 3000)
    step, calls = step_and_passes(X, None, "full", monkeypatch)
    for mixture in (far, far, near, near, far, far):
        step(parameters_of(mixture, "full"))
    assert [leaves_out for _, leaves_out in calls] == [0, 1, 1, 0, 0, 1]


def test_a_fit_of_arranged_rows_is_the_same_fit(
    random, clusters, covariance_type, monkeypatch
):
    X = np.round(draw(random, clusters, 4000) * 8) / 8
    row_weights = random.uniform(size=len(X))

    def fit():
        start = start_of(clusters, covariance_type)
        model = GaussianMixture(**start, tol=0, max_iter=3)
        with pytest.warns(match="did not converge"):
            return model.fit(X, sample_weight=row_weights)

    plain = fit()
    for name, value in (("_FEWEST_ROWS", 1), ("_LEAST_WORK", 0), ("_ORDERING", 0)):
        monkeypatch.setattr(expectation, name, value)
    arranged = fit()
    np.testing.assert_allclose(arranged.lower_bounds_, plain.lower_bounds_, rtol=1e-13)
    for name in ("weights_", "means_", "covariances_"):
        assert_close(getattr(arranged, name), getattr(plain, name), 1e-11, name)


def test_the_users_rows_are_left_as_they_are(random, arranges_all):
    mixture = random_mixture(random, "full", 10, 3, spread=20)
    X = draw(random, mixture, 3000)
    before, row_weights = X.copy(), random.uniform(size=len(X))
    weights_before = row_weights.copy()
    GaussianMixture(**start_of(mixture, "full"), tol=1).fit(
        X, sample_weight=row_weights
    )
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(row_weights, weights_before)


def test_passes_do_not_go_to_and_fro(random, arranges_all, monkeypatch):
    # Far apart in a way that boxes do not show: in one direction of many correlated.
    D = 8
    loadings = np.full((D, D), 0.999) + 0.001 * np.eye(D)
    offsets = 0.6 * np.arange(10)[:, np.newaxis] * (-1) ** np.arange(D)
    mixture = reference.Mixture(
        np.full(10, 0.1), offsets, np.repeat(loadings[np.newaxis], 10, axis=0)
    )
    X = draw(random, mixture, 5000)
    step, calls = step_and_passes(X, None, "full", monkeypatch)
    for _ in range(8):
        step(parameters_of(mixture, "full"))
    leaves_out = [bool(call[1]) for call in calls]
    changes = sum(a != b for a, b in pairwise(leaves_out))
    assert changes <= 2


def test_another_run_begins_with_all_pairs(random, arranges_all, monkeypatch):
    mixture = random_mixture(random, "full", 10, 3, spread=20)
    step, calls = step_and_passes(
        draw(random, mixture, 3000), None, "full", monkeypatch
    )
    parameters = parameters_of(mixture, "full")
    step(parameters)
    step(parameters)
    step.forget()
    step(parameters)
    assert [leaves_out for _, leaves_out in calls] == [0, 1, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shared_scatter_is_exact_when_it_shrinks_at_once(random, dtype):
    # Under the wide covariance moments about the center seem exact enough.
    deviation = {"float32": 1e-3, "float64": 1e-7}[dtype]
    truth = reference.Mixture(
        np.full(2, 0.5), np.array([[-1.0], [1.0]]), np.full((2, 1, 1), deviation**2)
    )
    wide = truth._replace(covariances=np.full((2, 1, 1), 0.03))
    X = draw(random, truth, 3000).astype(dtype)
    step = ExpectationStep(
        read_only(X),
        read_only(np.empty(0, dtype)),
        STRUCTURES["tied"].representation,
        None,
    )
    actual = step(parameters_of(wide, "tied"))
    residuals = X.astype(np.float64) - np.sign(X)
    np.testing.assert_allclose(actual.scatter, [[(residuals**2).sum()]], rtol=1e-3)


def test_boxes_that_did_not_pay_are_tried_again_when_fewer_pairs_count():
    rows = read_only(np.zeros((10, 8)))
    step = ExpectationStep(rows, read_only(np.empty(0)), FULL, None)
    step._X = np.broadcast_to(np.zeros(8), (300_000, 8))
    step._is_ordered = True

    def leaves_out_after(share):
        step._choose(SimpleNamespace(share=share), 64, 8)
        return step._leaves_out

    assert leaves_out_after(0.5)
    assert not leaves_out_after(0.9)  # with boxes: they hide how few count
    assert not leaves_out_after(0.6)  # that is how few: they hide a third of the rest
    assert leaves_out_after(0.3)  # with boxes that will be 0.45


@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize(
    ("name", "D", "spread"), [("full", 7, 5), ("tied", 7, 5), ("diag", 9, 4)]
)
def test_a_fit_has_the_same_bits_without_what_passes_leave(
    random, arranges_all, monkeypatch, name, D, spread, accelerate
):
    mixture = random_mixture(random, name, 20, D, spread)
    X = draw(random, mixture, 3000)
    start = start_of(mixture, name)
    start["means_init"] = mixture.means + 3 * random.normal(size=mixture.means.shape)

    def fit():
        return GaussianMixture(**start, tol=1e-10, accelerate=accelerate).fit(X)

    computed = []
    real = kernels.carried_pass

    def spy(*arguments):
        sums = real(*arguments)
        computed.append(sums.computed)
        return sums

    monkeypatch.setattr(kernels, "carried_pass", spy)
    with_bounds, n_passes, least = fit(), len(computed), min(computed)
    real_sums = carrying.CarriedBounds.sums

    def forgetful(bounds, *arguments):
        bounds.forget()
        return real_sums(bounds, *arguments)

    monkeypatch.setattr(carrying.CarriedBounds, "sums", forgetful)
    without = fit()
    assert n_passes > 5
    assert least < min(computed[n_passes:])  # without, boxes were all there was
    assert with_bounds.lower_bounds_ == without.lower_bounds_
    for name in ("weights_", "means_", "covariances_"):
        assert (getattr(with_bounds, name) == getattr(without, name)).all()


def test_bounds_that_would_take_more_than_the_rows_are_not_kept(random, monkeypatch):
    mixture = random_mixture(random, "full", 10, 5)
    X = read_only(draw(random, mixture, 3000))
    factors = FULL.factors(parameters_of(mixture, "full"), X.dtype)
    assert carrying.CarriedBounds.costs(X, factors)
    monkeypatch.setattr(carrying, "_MOST_BYTES", 0)
    assert carrying.CarriedBounds.costs(X, factors)  # 22 kB, and rows of 120 kB
    monkeypatch.setattr(kernels, "bytes_of_history", lambda *_: X.nbytes + 1)
    assert not carrying.CarriedBounds.costs(X, factors)


@pytest.mark.parametrize(
    ("name", "fewest"), [("full", 5), ("tied", 7), ("diag", 9), ("spherical", 9)]
)
def test_bounds_are_carried_from_so_many_columns_on(random, name, fewest):
    def costs(D):
        mixture = random_mixture(random, name, 10, D)
        parameters = parameters_of(mixture, name)
        factors = STRUCTURES[name].representation.factors(parameters, np.float64)
        return kernels.carrying_costs(factors)

    assert costs(fewest - 1) is None
    assert costs(fewest).relative(0.9, 64) > 1 > costs(fewest).relative(0.5, 64)


def test_scatter_about_the_means_of_a_shared_matrix_carries_no_bounds(random):
    mixture = random_mixture(random, "tied", 10, 7, spread=1e4)
    representation = STRUCTURES["tied"].representation
    X = read_only(draw(random, mixture, 3000))
    factors = representation.factors(parameters_of(mixture, "tied"), X.dtype)
    assert not factors.is_compact
    assert not carrying.CarriedBounds.costs(X, factors)
    assert carrying.CarriedBounds.costs(X, factors._replace(is_compact=True))


@pytest.mark.parametrize("name", ["full", "diag", "tied"])
def test_a_pass_that_is_broken_off_leaves_nothing(
    random, arranges_all, monkeypatch, name
):
    mixture = random_mixture(random, name, 10, 9, spread=5)
    X = read_only(draw(random, mixture, 3000))
    representation = STRUCTURES[name].representation
    step = ExpectationStep(X, read_only(np.empty(0)), representation, None)
    parameters = parameters_of(mixture, name)
    expected = [step(parameters) for _ in range(3)][-1]
    assert step._bounds._past is not None

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(kernels, "carried_pass", interrupted)
        with pytest.raises(KeyboardInterrupt):
            step(parameters)
    assert step._bounds._past is None
    np.testing.assert_array_equal(step(parameters).scatter, expected.scatter)
