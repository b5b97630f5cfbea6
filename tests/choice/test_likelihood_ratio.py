"""The likelihood ratio of two numbers of components, bootstrapped."""

from pathlib import Path

import numpy as np
import pytest

from fastem import GaussianMixture, StudentMixture, bootstrap_lrt
from fastem.choice import likelihood_ratio
from fastem.choice.cutting import cut
from fastem.choice.likelihood_ratio import _OneByOne, _sample, _statistics, _template
from fastem.covariances import STRUCTURES, structure_of

DATA = Path(__file__).parents[1] / "promises" / "data"
# R's mclust 6.0.0, VVV: log-likelihoods to 1e-13, and mclustBootstrapLRT.
LOG_LIKELIHOODS = -1289.79674505261, -1130.26396018475
MCLUSTS = 319.065353531528, 0.01  # of 99 samples


@pytest.fixture(scope="module", name="X")
def rows():
    return np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1)


def test_it_is_mclusts_where_both_find_the_same_optima(X):
    found = bootstrap_lrt(X, 1, n_bootstrap=99, random_state=0)
    assert found.log_likelihoods == pytest.approx(LOG_LIKELIHOODS, abs=5e-4)
    exact = 2 * (LOG_LIKELIHOODS[1] - LOG_LIKELIHOODS[0])
    assert found.statistic == pytest.approx(exact, abs=1e-3)
    assert found.statistic == pytest.approx(MCLUSTS[0], abs=0.3)
    assert found.p_value == pytest.approx(MCLUSTS[1], abs=2e-3)
    assert found.n_components == (1, 2)
    assert "1 or 2 components: twice the gain" in str(found)


def test_it_ends_after_so_many_statistics_as_large(random):
    X = random.normal(size=(80, 1))
    found = bootstrap_lrt(X, 1, n_bootstrap=50, n_exceedances=5, random_state=0)
    assert (found.sample >= found.statistic).sum() == 5
    assert found.sample[-1] >= found.statistic
    assert found.p_value == 5 / len(found.sample)
    whole = bootstrap_lrt(
        X, 1, n_bootstrap=len(found.sample), n_exceedances=None, random_state=0
    )
    assert whole.sample == pytest.approx(found.sample, abs=0.05)
    assert whole.p_value == 6 / (len(found.sample) + 1)
    assert whole.error == pytest.approx(found.error, rel=0.3)
    assert (found.sample >= 0).all()


def test_samples_without_a_sound_fit_are_counted():
    sample, n_failed = _sample(2.0, iter([1.0, np.nan, 3.0, 2.0, 5.0]), 2)
    assert sample.tolist() == [1.0, 3.0, 2.0]
    assert n_failed == 1


def test_one_by_one_it_is_what_it_is_side_by_side(X, monkeypatch):
    settings = {"n_bootstrap": 4, "n_exceedances": None, "random_state": 0}
    together = bootstrap_lrt(X, 1, **settings)
    monkeypatch.setattr(
        likelihood_ratio, "_fits_of", lambda template, rows, numbers, single: single
    )
    one_by_one = bootstrap_lrt(X, 1, **settings)
    assert one_by_one.sample == pytest.approx(together.sample, abs=0.02)
    assert one_by_one.p_value == together.p_value


@pytest.mark.parametrize(
    ("estimator", "structure"),
    [
        (StudentMixture(degrees_of_freedom=5.0), "diag"),
        (GaussianMixture(noise=True, reg_covar="relative"), "tied"),
    ],
)
def test_any_mixture_can_be_the_null(estimator, structure):
    X = np.random.default_rng(0).normal(size=(150, 2))
    X[:75] += 6
    found = bootstrap_lrt(
        *(X, 1),
        covariance_type=structure,
        estimator=estimator,
        n_bootstrap=3,
        random_state=0,
    )
    assert found.statistic > found.sample.max()
    assert found.p_value == 0.25


def test_samples_have_the_gaps_of_the_rows():
    X = np.random.default_rng(0).normal(size=(50, 2))
    X[:20, 0] = np.nan
    template = _template(
        GaussianMixture(missing_values="marginalize", reg_covar="relative"), 2, "diag"
    )
    checked = template._training_rows(X, None)
    null, _ = _OneByOne(template, (1, 2)).fits(checked, np.random.RandomState(0))
    seen = []

    class Watched:
        def log_likelihoods(self, tables, random):
            seen.append(tables)
            return np.zeros((len(tables), 2))

    repeats = np.ones(50, np.int64)
    random = np.random.RandomState(0)
    list(_statistics(null.fitted, checked, repeats, Watched(), 3, random))
    assert seen[0].shape == (3, 50, 2)
    assert (np.isnan(seen[0]) == np.isnan(X)).all()
    assert not np.array_equal(seen[0][0], seen[0][1], equal_nan=True)


def test_weights_are_repetitions_and_must_be_counts():
    random = np.random.default_rng(1)
    X = random.normal(size=(60, 1))
    counts = random.integers(1, 4, 60)
    settings = {"n_bootstrap": 1, "random_state": 0, "covariance_type": "diag"}
    weighted = bootstrap_lrt(X, 1, sample_weight=counts, **settings)
    repeated = bootstrap_lrt(X.repeat(counts, axis=0), 1, **settings)
    assert weighted.statistic == pytest.approx(repeated.statistic, abs=0.01)
    with pytest.raises(ValueError, match="sample_weight must be whole numbers"):
        bootstrap_lrt(X, 1, sample_weight=counts + 0.5, **settings)


def test_a_fit_that_the_ridge_holds_up_does_not_count():
    X = np.concatenate([np.zeros(30), np.linspace(5, 6, 30)])[:, np.newaxis]
    with pytest.raises(ValueError, match="No fit of full, 2 to these rows is sound"):
        bootstrap_lrt(X, 1, n_bootstrap=1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_components": 0}, "n_components must be at least 1"),
        ({"n_components": 2, "n_alternative": 2}, "less than n_alternative"),
        ({"n_components": 1, "n_bootstrap": 0}, "n_bootstrap must be 1 or more"),
        ({"n_components": 1, "n_exceedances": 1}, "n_exceedances must be 2 or more"),
    ],
)
def test_errors_say_what_is_wrong(X, settings, said):
    with pytest.raises(ValueError, match=said):
        bootstrap_lrt(X, **settings)


def test_rows_in_blocks_are_pointed_to_some_of_them(X):
    blocks = type("Blocks", (), {"__iter__": lambda self: iter([X])})()
    with pytest.raises(ValueError, match="pass some of its rows"):
        bootstrap_lrt(blocks, 1)


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_a_component_that_is_cut_keeps_its_moments(name, random):
    """Where the structure can have two halves that differ from the others."""
    structure = structure_of(name)
    spreads = random.normal(size=(2, 40, 3)) * [1.0, 2.0, 5.0]
    covariances = structure.representation.compact(
        np.array([np.cov(rows.T) for rows in spreads])
    )
    covariances = structure.nearest(covariances)
    model = GaussianMixture.from_parameters(
        [0.4, 0.6], random.normal(size=(2, 3)), covariances, covariance_type=name
    )
    parameters = model._fitted()[1]
    halves = cut(parameters, structure, np.array([1]))
    assert halves.weights == pytest.approx([0.4, 0.3, 0.3])
    assert halves.means[1:].mean(axis=0) == pytest.approx(parameters.means[1])
    dense = structure.representation.expand(halves.covariances, 3, 3)
    assert (np.linalg.eigvalsh(dense) > 0).all()
    if name == "full":
        apart = halves.means[2] - parameters.means[1]
        whole = dense[1:].mean(axis=0) + np.outer(apart, apart)
        assert whole == pytest.approx(covariances[1])
