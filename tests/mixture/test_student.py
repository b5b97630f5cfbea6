"""Student's mixtures: against their twin, scipy, and the Gaussian limit."""

import inspect

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone

from fastem import GaussianMixture, StopFit, StudentMixture
from fastem.covariances import STRUCTURES
from fastem.covariances.representations.student import (
    log_constants,
    stationary_logarithms,
)
from fastem.em.tails import StudentTails, _solved
from tests import reference
from tests.mixtures import (
    assert_close,
    draw,
    random_mixture,
    start_of,
    with_noise,
    with_tails,
)

K, D = 3, 3

pytestmark = pytest.mark.filterwarnings("ignore:.*did not converge")


@pytest.fixture(name="X")
def rows_with_tails(random):
    X = draw(random, random_mixture(random, "full", K, D, spread=4), 400)
    return X + random.standard_t(2, size=X.shape)


# The steps of others end before their axes are the likeliest.
EXACT = [name for name in STRUCTURES if name not in ("EVE", "VVE")]


@pytest.mark.parametrize("covariance_type", EXACT)
@pytest.mark.parametrize("wish", ["estimate", "shared", 3.0])
def test_iterations_are_those_of_the_twin(random, X, covariance_type, wish):
    mixture = random_mixture(random, covariance_type, K, D, spread=4)
    mixture = with_tails(mixture, 5.0 if isinstance(wish, str) else wish)
    weights = random.uniform(size=len(X))
    model = StudentMixture(
        **start_of(mixture, covariance_type),
        degrees_of_freedom=wish,
        reg_covar=0,
        tol=0,
        max_iter=3,
    ).fit(X, sample_weight=weights)
    for _ in range(3):
        mixture = reference.student_step(
            X, mixture, covariance_type, weights, wish=wish
        )
    assert_close(model.weights_, mixture.weights, 1e-7)
    assert_close(model.means_, mixture.means, 1e-7)
    compact = reference.STRUCTURES[covariance_type].compact
    assert_close(model.covariances_, compact(mixture.covariances), 1e-7)
    assert_close(model.degrees_of_freedom_, mixture.degrees_of_freedom, 1e-7)


def test_noise_and_tails_iterate_as_the_twin(random, X):
    mixture = random_mixture(random, "tied", K, D, spread=4)
    mixture = with_noise(with_tails(mixture, 4.0), 0.1, 1e6)
    model = StudentMixture(**start_of(mixture, "tied"), reg_covar=0, tol=0, max_iter=3)
    model.fit(X)
    for _ in range(3):
        mixture = reference.student_step(X, mixture, "tied")
    assert model.noise_weight_ == pytest.approx(mixture.noise_weight)
    assert_close(model.means_, mixture.means, 1e-10)
    assert_close(model.covariances_, mixture.covariances[0], 1e-10)
    assert_close(model.degrees_of_freedom_, mixture.degrees_of_freedom, 1e-9)


def test_one_component_has_scipys_maximum_of_the_likelihood(random):
    X = 3 + 0.5 * random.standard_t(2.5, size=(500, 1))
    v, location, scale = stats.t.fit(X[:, 0])
    model = StudentMixture(tol=1e-13, max_iter=5000, reg_covar=0).fit(X)
    assert model.score(X) >= stats.t(v, location, scale).logpdf(X[:, 0]).mean() - 1e-9
    assert model.degrees_of_freedom_[0] == pytest.approx(v, rel=1e-2)
    assert model.means_[0, 0] == pytest.approx(location, abs=1e-3)
    assert model.covariances_[0, 0, 0] == pytest.approx(scale**2, rel=1e-2)


def test_many_degrees_of_freedom_are_gaussian(X, covariance_type):
    settings = {"covariance_type": covariance_type, "tol": 0, "max_iter": 10}
    settings |= {"n_components": K, "random_state": 0}
    heavy = StudentMixture(degrees_of_freedom=1e6, **settings).fit(X)
    plain = GaussianMixture(**settings).fit(X)
    assert heavy.lower_bound_ == pytest.approx(plain.lower_bound_, rel=1e-4)
    assert_close(heavy.means_, plain.means_, 1e-3)
    assert_close(heavy.covariances_, plain.covariances_, 1e-3)


def test_rows_of_normal_clouds_have_many_degrees_of_freedom(random):
    X = random.normal(size=(5000, 2))
    model = StudentMixture(accelerate=True, tol=1e-9, max_iter=2000).fit(X)
    assert model.degrees_of_freedom_[0] > 30
    assert model.degrees_of_freedom_[0] <= 1e6


@pytest.mark.parametrize("v", [0.01, 0.3, 2.0, 59.9, 60.1, 1e3, 1e6])
def test_degrees_of_freedom_solve_their_equation(v):
    v = np.array([v])
    assert _solved(stationary_logarithms(v)) == pytest.approx(v, rel=1e-9)


def test_degrees_of_freedom_stay_in_bounds():
    assert _solved(np.array([-1.0, -1 - 1e-9, -1e9])).tolist() == [1e6, 1e6, 0.01]


@pytest.mark.parametrize("D", [1, 2, 7])
def test_constants_are_exact_however_many_degrees_of_freedom(D):
    v = np.geomspace(0.01, 1e6, 60)
    expected = [stats.multivariate_t(np.zeros(D), df=x).logpdf(np.zeros(D)) for x in v]
    np.testing.assert_allclose(
        log_constants(v, D), expected, rtol=1e-12, atol=1e-15 * v.max() * 20
    )
    # At the seam of the series, where both are right.
    below, above = log_constants(np.array([60 - 1e-9, 60 + 1e-9]), D)
    assert below == pytest.approx(above, abs=1e-11)


def test_criteria_count_degrees_of_freedom(X):
    n = {
        wish: StudentMixture(K, degrees_of_freedom=wish, max_iter=0).fit(X)
        for wish in ("estimate", "shared", 4.0)
    }
    plain = K * D + K - 1 + STRUCTURES["full"].n_parameters(K, D)
    for (_, model), more in zip(n.items(), (K, 1, 0), strict=True):
        assert model.aic(X) == pytest.approx(
            2 * (plain + more) - 2 * len(X) * model.score(X)
        )


def test_its_parameters_are_those_of_the_gaussian_mixture_and_two_more():
    ours, theirs = StudentMixture().get_params(), GaussianMixture().get_params()
    assert ours.pop("degrees_of_freedom") == "estimate"
    assert ours.pop("degrees_of_freedom_init") is None
    assert ours == theirs
    assert "covariance_type" in inspect.signature(StudentMixture).parameters
    model = StudentMixture(2, degrees_of_freedom=4.0, tol=1e-5)
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"degrees_of_freedom": 0.0}, "'degrees_of_freedom' parameter"),
        ({"degrees_of_freedom": 2e6}, "'degrees_of_freedom' parameter"),
        ({"degrees_of_freedom": "many"}, "'degrees_of_freedom' parameter"),
        (
            {"degrees_of_freedom_init": [1.0, 2.0]},
            r"degrees_of_freedom_init should have the shape \(3,\)",
        ),
        (
            {"degrees_of_freedom_init": [1.0, 2.0, 1e-3]},
            r"must lie in \[0.01, 1e\+06\], but is 0.001 for component 2",
        ),
    ],
)
def test_what_has_no_meaning_is_an_error(X, settings, message):
    with pytest.raises(ValueError, match=message):
        StudentMixture(K, **settings).fit(X)


def test_a_model_from_parameters_knows_its_tails(random):
    parameters = [0.5, 0.5], [[0.0], [8.0]], [[[1.0]], [[4.0]]]
    model = StudentMixture.from_parameters(*parameters, degrees_of_freedom=[2.0, 30.0])
    X = random.normal(4, 5, size=(50, 1))
    densities = [
        0.5 * stats.t(2, 0, 1).pdf(X[:, 0]),
        0.5 * stats.t(30, 8, 2).pdf(X[:, 0]),
    ]
    np.testing.assert_allclose(model.score_samples(X), np.log(sum(densities)))
    rows, labels = model.sample(4000, random_state=0)
    for k, law in enumerate((stats.t(2, 0, 1), stats.t(30, 8, 2))):
        assert stats.kstest(rows[labels == k, 0], law.cdf).pvalue > 1e-3
    assert model.degrees_of_freedom == "estimate"
    assert model.degrees_of_freedom_init.tolist() == [2, 30]
    kept = StudentMixture.from_parameters(*parameters, degrees_of_freedom=7)
    assert kept.fit(rows).degrees_of_freedom_.tolist() == [7, 7]
    with pytest.raises(ValueError, match="degrees_of_freedom must be given"):
        StudentMixture.from_parameters(*parameters)
    with pytest.raises(ValueError, match="a GaussianMixture has none"):
        GaussianMixture.from_parameters(*parameters, degrees_of_freedom=3.0)


def test_a_checkpoint_is_of_one_kind(X, tmp_path):
    def stop(progress):
        raise StopFit

    path = tmp_path / "fit.json"
    StudentMixture(tol=0).fit(X, checkpoint=path, callback=stop)
    with pytest.raises(ValueError, match="had degrees_of_freedom=estimate"):
        GaussianMixture(tol=0).fit(X, checkpoint=path)


def test_one_kind_of_start_is_kept_of_each_component():
    tails = StudentTails("shared", np.array([2.0, 8.0]))
    assert tails.start(2) == pytest.approx([4, 4])
    assert tails.start(3).tolist() == [10, 10, 10]
    assert StudentTails("estimate", np.array([2.0, 8.0])).start(2).tolist() == [2, 8]
    assert StudentTails(3.0, np.array([2.0, 8.0])).start(2).tolist() == [3, 3]
