"""Charts and longer steps: right for every structure, monotone, and fewer."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastem import GaussianMixture
from fastem.covariances import STRUCTURES
from fastem.em.charts import Chart
from fastem.em.expectation import ExpectationStep
from tests import reference
from tests.mixtures import assert_close, draw, parameters_of, random_mixture, start_of

K, D = 3, 4


def test_coordinates_lead_back_to_the_parameters(random, covariance_type):
    base, other = (
        parameters_of(random_mixture(random, covariance_type, K, D), covariance_type)
        for _ in range(2)
    )
    chart = Chart(STRUCTURES[covariance_type].representation, base)
    back = chart.parameters(chart.coordinates(other))
    for name in ("weights", "means", "covariances", "precisions_cholesky"):
        assert_close(getattr(back, name), getattr(other, name), 1e-12, name)
    assert not chart.coordinates(base).any()


def divergence(one, other):
    """Of mixtures with known memberships, from the formula of the textbook."""
    total = 0.0
    for weight, mean, covariance, w, m, c in zip(*one, *other, strict=True):
        ratio = np.linalg.solve(c, covariance)
        distance = (m - mean) @ np.linalg.solve(c, m - mean)
        normal = np.trace(ratio) + distance - D - np.linalg.slogdet(ratio)[1]
        total += weight * (np.log(weight / w) + normal / 2)
    return total


def test_half_the_squared_length_is_the_divergence(random, covariance_type):
    mixture = random_mixture(random, covariance_type, K, D)
    chart = Chart(
        STRUCTURES[covariance_type].representation,
        parameters_of(mixture, covariance_type),
    )
    size = len(chart.coordinates(parameters_of(mixture, covariance_type)))
    near = chart.parameters(1e-4 * random.normal(size=size))
    step = chart.coordinates(near)
    dense = STRUCTURES[covariance_type].representation.expand(near.covariances, K, D)
    moved = reference.Mixture(near.weights, near.means, dense)
    assert step @ step / 2 == pytest.approx(divergence(mixture, moved), rel=1e-2)


def fits(random, covariance_type, **options):
    mixture = random_mixture(random, covariance_type, K, D, spread=1.0)
    X = draw(random, mixture, 2000)
    start = start_of(mixture, covariance_type)
    settings = {
        "max_iter": 5000,
        "stopping": "remaining_gain",
        "reg_covar": 0,
        **start,
        **options,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return [GaussianMixture(**settings, accelerate=a).fit(X) for a in (False, True)]


def test_the_same_optimum_in_fewer_passes(random, covariance_type):
    plain, fast = fits(random, covariance_type)
    assert plain.converged_
    assert fast.converged_
    assert fast.n_iter_ < plain.n_iter_
    assert 2000 * abs(fast.lower_bound_ - plain.lower_bound_) < 2e-3
    assert_close(fast.means_, plain.means_, 1e-2)


def test_the_log_likelihood_never_falls(random, covariance_type):
    _, fast = fits(random, covariance_type)
    assert np.diff(fast.lower_bounds_).min() > -1e-13
    assert fast.convergence_.n_decreases == 0
    assert fast.n_iter_ == len(fast.lower_bounds_) + fast.convergence_.n_rejected


def test_the_usual_rule_ends_with_a_step_of_ems_own(random, covariance_type):
    _, fast = fits(random, covariance_type, stopping="change", tol=1e-6)
    gain = fast.lower_bounds_[-1] - fast.lower_bounds_[-2]
    assert 0 <= gain < 1e-6


def test_longer_steps_lead_to_mixtures_of_the_structure_only(
    random, covariance_type, monkeypatch
):
    structure = STRUCTURES[covariance_type]
    passes = []
    expect = ExpectationStep.__call__

    def watched(step, parameters):
        passes.append(parameters.covariances)
        return expect(step, parameters)

    monkeypatch.setattr(ExpectationStep, "__call__", watched)
    X = random.normal(size=(400, 3)) * [1, 10, 0.1]
    GaussianMixture(
        4,
        covariance_type=covariance_type,
        accelerate=True,
        stopping="remaining_gain",
        max_iter=5000,
        reg_covar=0,
        random_state=0,
    ).fit(X)
    for covariances in passes:
        assert_close(covariances, structure.nearest(covariances), 1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_shared_never_lets_the_log_likelihood_fall(seed):
    X = np.random.default_rng(seed).normal(size=(400, 3)) * [1, 10, 0.1]
    model = GaussianMixture(
        4,
        covariance_type="EEI",
        accelerate=True,
        stopping="remaining_gain",
        tol=1e-6,
        max_iter=5000,
        reg_covar=0,
        random_state=seed,
    ).fit(X)
    assert model.convergence_.n_decreases == 0
    assert np.diff(model.lower_bounds_).min() > -1e-13
