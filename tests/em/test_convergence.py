"""Forecasts, certificates and stopping rules, on gains that are known."""

import math

import numpy as np
import pytest

from fastem import GaussianMixture
from fastem.em.convergence import Trace, forecast
from fastem.em.stopping import SmallRemainder


def trace_of(bounds, n_rows=1.0):
    trace = Trace(n_rows, 1e-15)
    for bound in bounds:
        trace.add(bound, extrapolated=False)
    return trace


def test_a_geometric_sequence_is_forecast_exactly():
    bounds = [-3 - 0.9**k for k in range(5)]
    gain, rate = forecast(bounds, 1e-15)
    assert rate == pytest.approx(0.9)
    assert gain == pytest.approx(0.9**4)


def test_a_slow_part_beneath_a_fast_one_is_foreseen():
    bounds = [-(0.5**k) - 0.1 * 0.95**k for k in range(16)]
    remaining = -bounds[-1]
    gain, _ = forecast(bounds[-5:], 1e-15)
    first, last = bounds[-2] - bounds[-3], bounds[-1] - bounds[-2]
    usual = last**2 / (first - last)
    assert abs(gain - remaining) < abs(usual - remaining) / 2


@pytest.mark.parametrize(
    "bounds", [[0.0, 1.0], [0.0, 1.0, 3.0, 7.0, 15.0], [1.0] * 5, [0.0, 1, 0, 1, 0]]
)
def test_what_cannot_be_told_is_nan(bounds):
    assert all(math.isnan(value) for value in forecast(bounds, 1e-15))


def test_a_fit_ends_when_what_is_left_is_less_than_tol():
    bounds = [-(0.9**k) for k in range(200)]
    trace, rule = trace_of([], n_rows=10.0), SmallRemainder(1e-3)
    for bound in bounds:
        trace.add(bound, extrapolated=False)
        if rule.is_met(trace):
            break
    assert -10 * trace.last < 1e-3
    assert -10 * bounds[len(trace.lower_bounds) - 4] > 1e-3


def test_gains_lost_in_rounding_end_a_fit_and_the_certificate_says_so():
    trace = trace_of([-2.0, -1.0, -1.0, -1.0, -1.0])
    assert SmallRemainder(0.0).is_met(trace)
    certificate = trace.certificate((math.nan, math.nan))
    assert certificate.at_rounding
    assert "rounding" in str(certificate)


def test_decreases_are_counted():
    trace = trace_of([-3.0, -2.0, -2.5, -2.0, -2.1])
    assert trace.certificate((math.nan, math.nan)).n_decreases == 2


@pytest.fixture(scope="module", name="overlapping")
def rows_of_two_overlapping_components():
    random = np.random.default_rng(0)
    second = random.random(400_000) < 0.75
    return (random.normal(size=400_000) + 1.5 * second)[:, np.newaxis]


def test_the_certificate_tells_of_a_fit_that_stopped_on_a_plateau(overlapping):
    stopped = GaussianMixture(2, random_state=0).fit(overlapping)
    assert stopped.converged_
    assert stopped.n_iter_ < 10
    assert abs(stopped.weights_ - 0.5).max() < 0.1
    longer = GaussianMixture(
        2,
        random_state=0,
        stopping="remaining_gain",
        accelerate=True,
    ).fit(overlapping)
    assert longer.converged_
    assert longer.n_iter_ < 60  # EM itself needs more than 5,000
    assert longer.weights_.min() == pytest.approx(0.25, abs=0.01)
    missing = (longer.lower_bound_ - stopped.lower_bound_) * len(overlapping)
    assert missing > 800
    assert stopped.convergence_.remaining_gain == pytest.approx(missing, rel=0.3)
    assert longer.convergence_.remaining_gain < 1e-3


@pytest.mark.parametrize("gains", [[], [1.0, 0.5], [1, 1, 1, 1, 1, 1], [0.0] * 6])
def test_a_certificate_without_a_forecast_is_no_complaint(gains):
    """It stands beside the word "converged"."""
    certificate = trace_of(np.cumsum([-10.0, *gains])).certificate((np.nan, np.nan))
    told = str(certificate)
    assert told == "a forecast of further gains takes more iterations" or (
        "no more than rounding is left to gain" in told and not sum(gains)
    )


def test_a_certificate_of_falls_forecasts_none():
    # What a ridge does: it decides where EM ends, below the likelihood's maximum.
    said = trace_of([-5.0, -4.0, *(-3 - 0.1 * (1 - 0.9**k) for k in range(9))])
    certificate = said.certificate((math.nan, math.nan))
    assert math.isnan(certificate.remaining_gain)
    assert certificate.n_decreases == 8
    assert "fell 8 times: reg_covar decides" in str(certificate)
    assert "yet" not in str(certificate)
