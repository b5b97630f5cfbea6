"""The start from a subsample: whatever else a fit is given."""

import numpy as np
import pytest

from fastem import (
    Degeneracy,
    GaussianMixture,
    RegularizationWarning,
    SingularCovarianceError,
)
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.em import restarts
from fastem.em.maximization import Maximization
from fastem.em.plan import Plan
from fastem.starts.subsample import (
    draw_subsample,
    n_iterations,
    n_runs,
    subsample_parameters,
    subsample_size,
)
from tests.mixtures import draw, random_mixture, start_of

K, D = 3, 2
N = 4000


@pytest.fixture(name="X")
def rows_of_a_mixture(random):
    assert subsample_size(N, K, D) < N // 2
    return read_only(draw(random, random_mixture(random, "full", K, D), N))


def fit(X, seed=0, sample_weight=None, **parameters):
    model = GaussianMixture(K, init_params="subsample", random_state=seed, **parameters)
    return model.fit(X, sample_weight=sample_weight)


def test_the_same_seed_gives_the_same_bits(X, covariance_type):
    one, other = (fit(X, covariance_type=covariance_type, n_threads=n) for n in (1, 2))
    assert np.array_equal(one.means_, other.means_)
    assert np.array_equal(one.covariances_, other.covariances_)


def test_it_fits_as_well_as_k_means_does(X, covariance_type):
    ours = [
        fit(X, seed, covariance_type=covariance_type, tol=1e-7, max_iter=500)
        for seed in range(5)
    ]
    theirs = [
        GaussianMixture(
            K,
            covariance_type=covariance_type,
            random_state=seed,
            tol=1e-7,
            max_iter=500,
        ).fit(X)
        for seed in range(5)
    ]
    assert np.median([model.score(X) for model in ours]) > (
        np.median([model.score(X) for model in theirs]) - 1e-5
    )


def test_rows_of_weight_zero_are_never_drawn(random, X):
    row_weights = random.uniform(size=N)
    row_weights[::2] = 0
    numbered = read_only(np.column_stack([X, np.arange(N)]))
    rows, counts = draw_subsample(
        numbered, read_only(row_weights), 500, np.random.RandomState(0)
    )
    assert counts.sum() == 500
    assert (rows[:, -1] % 2 == 1).all()


def test_rows_are_drawn_as_often_as_their_weights_say(random):
    row_weights = read_only(np.repeat([1.0, 3.0], 5000))
    X = read_only(np.arange(10_000.0)[:, np.newaxis])
    rows, counts = draw_subsample(X, row_weights, 4000, np.random.RandomState(0))
    share = counts[rows[:, 0] >= 5000].sum() / 4000
    assert abs(share - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 4000)


def test_rows_without_weights_are_drawn_once_each(X):
    rows, weights = draw_subsample(
        X, read_only(np.empty(0)), 500, np.random.RandomState(0)
    )
    assert 400 < len(rows) <= 500
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert len(weights) == 0


@pytest.mark.parametrize(
    ("n_rows", "size", "runs", "iterations"),
    [
        (10**7, 4 * 1040, 4, 30),
        (20_000, 2000, 4, 10),
        (8000, 4 * 220, 4, 9),
        (3520, 4 * 220, 2, 8),
    ],
)
def test_size_and_number_of_the_runs(n_rows, size, runs, iterations):
    assert subsample_size(n_rows, 4, 2) == size
    assert n_runs(n_rows, size) == runs
    assert n_iterations(n_rows, size, runs) == iterations


def test_weights_take_part(random, X):
    row_weights = np.where(X[:, 0] > np.median(X[:, 0]), 1e-6, 1.0)
    row_weights[0] = 0.5
    model = fit(X, sample_weight=row_weights)
    assert model.means_ @ [1, 0] @ model.weights_ < np.median(X[:, 0])


@pytest.mark.parametrize("part", ["weights_init", "means_init", "precisions_init"])
def test_parts_of_the_users_are_taken(random, X, part, covariance_type):
    start = start_of(random_mixture(random, covariance_type, K, D), covariance_type)
    given = fit(X, covariance_type=covariance_type, max_iter=0, **{part: start[part]})
    plain = fit(X, covariance_type=covariance_type, max_iter=0)
    assert not np.array_equal(given.means_, plain.means_)


def test_a_complete_start_of_the_users_is_left_as_it_is(random, X):
    start = start_of(random_mixture(random, "full", K, D), "full")
    del start["n_components"]
    model = fit(X, max_iter=0, **start)
    assert np.array_equal(model.means_, start["means_init"])


def test_singular_runs_are_left_out(X, monkeypatch):
    whole, runs = restarts.loop.fit, []

    def fails_at_first(*arguments, **options):
        runs.append(1)
        if len(runs) < 3:
            raise SingularCovarianceError(Degeneracy(0))
        return whole(*arguments, **options)

    monkeypatch.setattr(restarts.loop, "fit", fails_at_first)
    model = fit(X)
    assert len(runs) == 4  # three on the subsample, one on all rows
    assert model.converged_


def test_the_error_is_that_of_all_rows_if_every_run_is_singular(random):
    X = random.normal(size=(3000, 2))
    X[:, 1] = 1
    with pytest.raises(SingularCovarianceError, match="column 1"):
        subsample_parameters(
            *(read_only(X), read_only(np.empty(0))),
            Plan(K, STRUCTURES["full"], random_state=np.random.RandomState(0)),
            Maximization(STRUCTURES["full"], 0.0, "raise", lambda parameters: X[0]),
        )


def test_too_few_different_rows_drawn_are_not_enough(random):
    # Nearly all of the weight lies on one row: it is drawn again and again.
    X = random.normal(size=(4000, 2))
    row_weights = np.full(4000, 1e-9)
    row_weights[0] = 1
    model = GaussianMixture(3, init_params="subsample", random_state=0)
    with pytest.warns(RegularizationWarning, match="1 row"):
        model.fit(X, sample_weight=row_weights)
    assert np.isfinite(model.means_).all()
