"""Ends of EM that are no maximum: whether they are left, and others kept to the bit."""

import math
import warnings
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from benchmarks import plateaus as random_plateaus
from fastem import GaussianMixture, StopFit
from fastem.covariances import STRUCTURES
from fastem.em import checkpoint
from fastem.em.convergence import Trace
from fastem.em.maximization import Maximization
from fastem.em.plateaus import Answer, End, PlateauTest
from fastem.em.stopping import SmallChange, SmallRemainder
from fastem.statistics import MixtureParameters

TOL = 1e-3


def two_clusters(n_rows=300):
    random = np.random.default_rng(0)
    labels = random.random(n_rows) < 0.4
    return random.normal(size=(n_rows, 2)) + 3.5 * labels[:, np.newaxis] * [1, 0.5]


def fit(model, X, **options):
    """Without a warning of components that start alike, as some here do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, **options)


def stopping_soon(X, covariance_type="full", *, apart=1e-8, **settings):
    """A model that begins with two components in one place: there EM hardly moves."""
    precisions = {
        "full": np.stack([np.linalg.inv(np.cov(X.T))] * 2),
        "diag": np.ones((2, 2)),
        "spherical": np.ones(2),
    }[covariance_type]
    settings = {"max_iter": 1000, "stopping": "remaining_gain", **settings}
    return GaussianMixture(
        2,
        covariance_type=covariance_type,
        weights_init=[0.5, 0.5],
        means_init=X.mean(axis=0) + apart * np.eye(2),
        precisions_init=precisions,
        **settings,
    )


@pytest.fixture(name="untested")
def without_tests(monkeypatch):
    return partial(monkeypatch.setattr, SmallRemainder, "claim", lambda *_: None)


@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize("apart", [0.0, 1e-8])
@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_components_that_coincide_are_parted(covariance_type, apart, accelerate):
    X = two_clusters()
    model = stopping_soon(X, covariance_type, apart=apart, accelerate=accelerate)
    fit(model, X)
    assert model.converged_
    gain = model.lower_bounds_[-1] - model.lower_bounds_[2]
    assert len(X) * gain > 30
    assert model.n_iter_ == len(model.lower_bounds_) + model.convergence_.n_rejected


# 205 and 687: a direction in which EM's steps get longer, by 1.0006 and 1.003 each;
# 1061: one in which they shrink by 0.977 at the end, and grow a little farther on.
@pytest.mark.parametrize(("seed", "left"), [(205, 0.28), (687, 26.0), (1061, 0.36)])
def test_plateaus_of_random_problems_are_left(seed, left):
    problem = random_plateaus.draw(seed)
    before, after = (
        random_plateaus.fit(problem, False, tested=tested) for tested in (False, True)
    )
    assert before.converged_
    assert not before.convergence_.remaining_gain >= TOL
    assert random_plateaus.end_of(before, problem).left > left
    assert after.converged_
    assert random_plateaus.end_of(after, problem).left < 2 * TOL


@pytest.mark.parametrize("accelerate", [False, True])
def test_an_end_that_is_none_is_kept_to_the_bit(untested, accelerate):
    X = two_clusters()
    model = GaussianMixture(
        2, random_state=0, stopping="remaining_gain", accelerate=accelerate
    )
    tested = fit(model, X).__dict__.copy()
    untested()
    fit(model, X)
    assert tested["n_iter_"] > model.n_iter_
    assert tested["convergence_"].n_rejected > model.convergence_.n_rejected
    assert tested["lower_bounds_"] == model.lower_bounds_
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        assert tested[name].tobytes() == getattr(model, name).tobytes()


def test_a_component_is_awakened_that_faded_away():
    """Its weight would grow for hundreds of steps before any gain shows it."""
    X = two_clusters()
    model = GaussianMixture(
        2,
        weights_init=[1 - 1e-200, 1e-200],
        means_init=[X.mean(axis=0), [3.5, 1.75]],
        precisions_init=np.stack([np.linalg.inv(np.cov(X.T)), np.eye(2)]),
        stopping="remaining_gain",
        max_iter=1000,
    ).fit(X)
    assert model.weights_.min() > 0.3


def test_nothing_is_tested_by_default():
    X = two_clusters()
    model = fit(stopping_soon(X, stopping="change"), X)
    assert model.convergence_.n_rejected == 0
    assert SmallChange(TOL).claim(Trace(300.0, 1e-15)) is None


class Blocks:
    def __init__(self, X):
        self._X = X

    def __iter__(self):
        return iter(np.array_split(self._X, 3))


def test_threads_change_no_bit_and_blocks_only_rounding():
    X = two_clusters(4000)
    one, two, blocks = (
        fit(stopping_soon(X, n_threads=n_threads), rows)
        for n_threads, rows in ((1, X), (2, X), (1, Blocks(X)))
    )
    assert len(one.lower_bounds_) > 20
    assert one.means_.tobytes() == two.means_.tobytes()
    assert 4000 * blocks.lower_bound_ == pytest.approx(
        4000 * one.lower_bound_, abs=2 * TOL
    )


def test_a_test_that_max_iter_ends_has_certified_nothing():
    X = two_clusters()
    model = stopping_soon(X, max_iter=7)
    with pytest.warns(ConvergenceWarning, match="the test of that was not over"):
        model.fit(X)
    assert not model.converged_
    assert model.n_iter_ == 7


@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("iteration", [5, 8, 11, 25])
def test_a_fit_that_ends_within_a_test_goes_on_to_the_same_bits(
    tmp_path, monkeypatch, iteration, stops
):
    monkeypatch.setattr(checkpoint, "_SECONDS_BETWEEN", 0.0)
    X, path = two_clusters(), tmp_path / "checkpoint.json"
    error = StopFit if stops else KeyboardInterrupt

    def callback(progress):
        if progress.iteration == iteration:
            raise error

    whole, resumed = fit(stopping_soon(X), X), stopping_soon(X)
    with suppress(KeyboardInterrupt):
        fit(resumed, X, callback=callback, checkpoint=path)
    assert path.exists()
    fit(resumed, X, checkpoint=path)
    assert resumed.means_.tobytes() == whole.means_.tobytes()
    assert resumed.n_iter_ == whole.n_iter_
    assert resumed.convergence_ == whole.convergence_
    assert resumed.lower_bounds_ == whole.lower_bounds_


def end_of_two(claim=1e-6):
    structure = STRUCTURES["full"]
    covariances = np.stack([np.eye(2)] * 2)
    parameters = MixtureParameters(
        np.array([0.5, 0.5]), np.zeros((2, 2)), covariances, covariances
    )
    maximize = Maximization(structure, 0.0, "raise", lambda parameters: np.zeros(2))
    end = End(parameters, parameters, -3.0, parameters.weights, claim)
    return PlateauTest(maximize, end)


def test_a_test_is_over_where_em_cannot_go_on():
    test = end_of_two()
    assert test.asked is not None
    test.hear(Answer(math.nan, None))
    assert test.asked is None
    assert test.way_up is None


def test_em_that_comes_back_to_a_plateau_is_asked_ten_times():
    trace, rule = Trace(10.0, 1e-15, -3.0), SmallRemainder(TOL)
    for _ in range(5):
        trace.plateaus += [-3.0, -3.0 + 0.9e-4]
    assert trace.returns(1e-4) == 9
    assert rule.claim(trace) == 1e-4
    trace.plateaus += [-2.9]
    assert rule.claim(trace) == 1e-4
    trace.plateaus += [-3.0]
    assert rule.claim(trace) is None
