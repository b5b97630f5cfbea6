"""The numbers of scikit-learn from the same start, iteration for iteration."""

import itertools
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture

from fastem import GaussianMixture, RegularizationWarning
from fastem.covariances import STRUCTURES
from tests import reference
from tests.mixtures import (
    OF_SCIKIT_LEARN,
    assert_close,
    draw,
    random_mixture,
    start_of,
)

TOLERANCE = 1e-8
FITTED = [
    *("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"),
    "lower_bound_",
]
HAS_LOWER_BOUNDS = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 7)
if HAS_LOWER_BOUNDS:
    FITTED.append("lower_bounds_")
K, D = 4, 5

METHODS = ["kmeans", "k-means++", "random", "random_from_data"]

# scikit-learn expands the square of the distance in these structures. In a start with
# covariances of reg_covar, a distance is 1e6 times the squared size of a row, and 8
# digits of the difference are gone. For these the twin decides who is right.
INEXACT = [
    (covariance_type, init_params)
    for covariance_type in ("diag", "spherical")
    for init_params in ("k-means++", "random_from_data")
]
EXACT = [
    pair for pair in itertools.product(OF_SCIKIT_LEARN, METHODS) if pair not in INEXACT
]


@pytest.fixture(params=OF_SCIKIT_LEARN)
def covariance_type(request):
    return request.param


@pytest.fixture(name="X")
def rows_of_a_mixture(random):
    return draw(random, random_mixture(random, "full", K, D), 1500)


def fit_quietly(estimator, X, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RegularizationWarning)
        return estimator.fit(X, **options)


def fit_both(X, **parameters):
    return (
        fit_quietly(GaussianMixture(**parameters), X),
        fit_quietly(SklearnMixture(**parameters), X),
    )


def assert_same_fit(ours, theirs, X, tolerance=TOLERANCE):
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.converged_ == theirs.converged_
    assert ours.n_features_in_ == theirs.n_features_in_
    for attribute in FITTED:
        actual, expected = getattr(ours, attribute), getattr(theirs, attribute)
        assert type(actual) is type(expected) or np.isscalar(expected), attribute
        assert_close(actual, expected, tolerance, attribute)
    for method in ("predict_proba", "score_samples", "score", "bic", "aic"):
        actual, expected = getattr(ours, method)(X), getattr(theirs, method)(X)
        assert_close(actual, expected, tolerance, method)
    assert np.array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize(("covariance_type", "init_params"), EXACT)
@pytest.mark.parametrize(("max_iter", "seed"), [(0, 0), (1, 1), (12, 0)])
def test_same_seed_gives_the_numbers_of_scikit_learn(
    X, covariance_type, init_params, max_iter, seed
):
    ours, theirs = fit_both(
        X,
        n_components=K,
        covariance_type=covariance_type,
        init_params=init_params,
        max_iter=max_iter,
        tol=0,
        random_state=seed,
    )
    assert_same_fit(ours, theirs, X)


@pytest.mark.parametrize(("covariance_type", "init_params"), INEXACT)
@pytest.mark.parametrize("seed", [0, 1])
def test_where_scikit_learn_rounds_more_the_twin_agrees_with_us(
    X, covariance_type, init_params, seed
):
    parameters = {
        "n_components": K,
        "covariance_type": covariance_type,
        "init_params": init_params,
        "tol": 0,
        "random_state": seed,
    }
    start = fit_quietly(GaussianMixture(**parameters, max_iter=0), X)
    dense = STRUCTURES[covariance_type].representation.expand(start.covariances_, K, D)
    mixture = reference.Mixture(start.weights_, start.means_, dense)
    fitted, lower_bounds = reference.iterate(X, mixture, covariance_type, 1e-6, 12)
    compact = reference.STRUCTURES[covariance_type].compact

    ours, theirs = fit_both(X, **parameters, max_iter=12)
    assert_close(ours.lower_bounds_, lower_bounds, 1e-12)
    assert_close(ours.weights_, fitted.weights, 1e-9)
    assert_close(ours.means_, fitted.means, 1e-9)
    assert_close(ours.covariances_, compact(fitted.covariances), 1e-9)
    if HAS_LOWER_BOUNDS:
        assert_close(theirs.lower_bounds_, lower_bounds, 1e-6)
    assert_close(ours.means_, theirs.means_, 1e-4)


@pytest.mark.parametrize("n_components", [1, 2, 7])
def test_a_start_of_the_users_gives_the_numbers_of_scikit_learn(
    random, covariance_type, n_components
):
    mixture = random_mixture(random, covariance_type, n_components, 3)
    X = draw(random, mixture, 700)
    # One component is at its optimum after two iterations, where fastem stops.
    max_iter = 20 if n_components > 1 else 3
    start = start_of(mixture, covariance_type)
    ours, theirs = fit_both(X, **start, max_iter=max_iter, tol=0, random_state=3)
    assert_same_fit(ours, theirs, X)


@pytest.mark.parametrize(
    "given", [{"weights_init"}, {"means_init"}, {"precisions_init", "weights_init"}]
)
def test_a_part_of_a_start_gives_the_numbers_of_scikit_learn(
    random, X, covariance_type, given
):
    start = start_of(random_mixture(random, covariance_type, K, D), covariance_type)
    parts = {name: start[name] for name in given}
    ours, theirs = fit_both(
        X,
        n_components=K,
        covariance_type=covariance_type,
        max_iter=6,
        tol=0,
        random_state=0,
        **parts,
    )
    assert_same_fit(ours, theirs, X)


@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-5])
def test_it_stops_at_the_iteration_of_scikit_learn(X, covariance_type, tol):
    ours, theirs = fit_both(
        X, n_components=K, covariance_type=covariance_type, tol=tol, random_state=0
    )
    assert_same_fit(ours, theirs, X)


@pytest.mark.parametrize("reg_covar", [0, 1e-6, 0.5])
def test_reg_covar_means_what_it_means_in_scikit_learn(X, covariance_type, reg_covar):
    ours, theirs = fit_both(
        X,
        n_components=K,
        covariance_type=covariance_type,
        reg_covar=reg_covar,
        max_iter=10,
        tol=0,
        random_state=0,
    )
    assert_same_fit(ours, theirs, X)


def test_several_starts_choose_the_one_that_scikit_learn_chooses(X, covariance_type):
    ours, theirs = fit_both(
        X,
        n_components=3,
        covariance_type=covariance_type,
        init_params="random",
        n_init=4,
        max_iter=15,
        random_state=0,
    )
    assert_same_fit(ours, theirs, X)


def test_warm_start_continues_as_scikit_learn_does(X, covariance_type):
    parameters = {
        "n_components": K,
        "covariance_type": covariance_type,
        "warm_start": True,
        "max_iter": 3,
        "tol": 1e-4,
        "random_state": 0,
    }
    ours, theirs = GaussianMixture(**parameters), SklearnMixture(**parameters)
    for _ in range(3):
        fit_quietly(ours, X)
        fit_quietly(theirs, X)
        assert_same_fit(ours, theirs, X)


def test_fit_predict_gives_the_labels_of_scikit_learn(X, covariance_type):
    parameters = {
        "n_components": K,
        "covariance_type": covariance_type,
        "random_state": 0,
    }
    ours = GaussianMixture(**parameters).fit_predict(X)
    assert np.array_equal(ours, SklearnMixture(**parameters).fit_predict(X))


def test_same_seed_draws_the_rows_of_scikit_learn(X, covariance_type):
    ours, theirs = fit_both(
        X, n_components=K, covariance_type=covariance_type, random_state=0
    )
    for n_samples in (1, 40):
        rows, labels = ours.sample(n_samples)
        theirs_rows, theirs_labels = theirs.sample(n_samples)
        assert_close(rows, theirs_rows, TOLERANCE)
        assert np.array_equal(labels, theirs_labels)


@pytest.mark.parametrize("verbose", [1, 2])
def test_verbose_prints_the_lines_of_scikit_learn(X, capsys, verbose):
    printed = []
    for estimator in (GaussianMixture, SklearnMixture):
        model = estimator(
            K, verbose=verbose, verbose_interval=2, random_state=0, n_init=2
        )
        model.fit(X)
        output = capsys.readouterr().out
        # Times differ, and the digits that rounding leaves.
        printed.append([line.split("time")[0].strip() for line in output.splitlines()])
    assert printed[0] == printed[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_float32_give_what_scikit_learn_finds_in_float64(
    X, covariance_type, dtype
):
    rows = X.astype(dtype)
    parameters = {
        "n_components": K,
        "covariance_type": covariance_type,
        "max_iter": 5,
        "tol": 0,
        "random_state": 0,
    }
    ours = fit_quietly(GaussianMixture(**parameters), rows)
    start = fit_quietly(GaussianMixture(**{**parameters, "max_iter": 0}), rows)
    theirs = fit_quietly(
        SklearnMixture(
            **parameters,
            weights_init=start.weights_,
            means_init=start.means_,
            precisions_init=start.precisions_,
        ),
        rows.astype(np.float64),
    )
    tolerance = TOLERANCE if dtype is np.float64 else 1e-5
    for attribute in FITTED:
        assert_close(getattr(ours, attribute), getattr(theirs, attribute), tolerance)
    assert ours.score_samples(rows).dtype == ours.predict_proba(rows).dtype == dtype
    assert ours.means_.dtype == np.float64
