"""Several starts: regular fits first, and those that short runs have judged."""

from pathlib import Path

import numpy as np
import pytest

import fastem
from fastem import GaussianMixture, GaussianMixtureSelector, kernels
from fastem.covariances import STRUCTURES
from fastem.starts.subsample import enough_rows, fewest_rows

DATA = Path(__file__).parents[1] / "promises" / "data"


@pytest.fixture(scope="module")
def faithful():
    return np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1)


@pytest.fixture
def spiked(random):
    """Two clouds, and in one of them a value that some rows repeat."""
    X = np.concatenate([random.normal(0, 1, 200), random.normal(4, 1, 200)])[:, None]
    X[200:230] = 4.0
    return X


def walked(monkeypatch):
    """The rows that passes walk over, pass by pass, from now on."""
    real, rows = kernels.expectation_pass, []

    def noted(X, *arguments, **options):
        rows.append(len(X))
        return real(X, *arguments, **options)

    monkeypatch.setattr(kernels, "expectation_pass", noted)
    return rows


@pytest.mark.parametrize("name", [n for n in STRUCTURES if n[0] != "E" and n != "tied"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_spike_is_kept_only_if_there_is_nothing_else(spiked, name, order):
    clouds = (np.arange(400) >= 200).astype(int)
    spike = ((np.arange(400) >= 200) & (np.arange(400) < 230)).astype(int)
    partitions = iter([[clouds, spike][i] for i in order] + [spike, spike])
    model = GaussianMixture(
        2,
        covariance_type=name,
        init_params=lambda X, K, random_state: next(partitions),
        n_init=2,
        tol=1e-6,
    )
    model.fit(spiked)  # a warning would be an error
    np.testing.assert_allclose(np.sort(model.means_.ravel()), [0, 4], atol=0.5)
    regular = model.lower_bound_
    with pytest.warns(fastem.RegularizationWarning):
        spikes = model.fit(spiked)
    assert spikes.covariances_.min() < 1e-4
    assert spikes.lower_bound_ > regular


def test_judged_starts_find_what_one_start_misses():
    """mclust's optimum of 'V', G = 3, or a better one."""
    X = np.loadtxt(DATA / "acidity.csv", skiprows=1)[:, np.newaxis]

    def reached(n_init, seed):
        model = GaussianMixture(
            *(3,), n_init=n_init, random_state=seed, tol=1e-8, max_iter=2000
        )
        return model.fit(X).score(X) * len(X)

    assert reached(1, 2) < -181
    assert min(reached("auto", seed) for seed in (2, 3)) > -178.754397145823 - 1e-3


def test_many_rows_are_judged_by_few(random, monkeypatch):
    n_rows, K, D = 30_000, 3, 2
    X = random.normal(size=(n_rows, D)) + 5 * random.integers(K, size=(n_rows, 1))
    rows = walked(monkeypatch)
    model = GaussianMixture(K, n_init="auto", random_state=0, tol=1e-5).fit(X)
    few, many = fewest_rows(K, D), enough_rows(K, D)
    of_few = [n for n in rows if n <= few]
    of_many = [n for n in rows if few < n <= many]
    assert len(of_few) + len(of_many) + model.n_iter_ == len(rows)
    assert len(of_few) >= 20
    assert len(of_many) <= 4 * 30
    # All short runs together take less than half of a hundred passes.
    assert sum(of_few) + sum(of_many) < 50 * n_rows


def test_a_judged_start_is_regular_where_one_can_be(spiked):
    GaussianMixture(3, n_init="auto", random_state=0).fit(spiked)


def test_where_all_starts_collapse_the_error_is_that_of_one(random):
    X = np.column_stack([random.normal(size=60), np.ones(60)])
    with pytest.raises(fastem.SingularCovarianceError, match="column 1 is constant"):
        GaussianMixture(2, n_init="auto", reg_covar=0, random_state=0).fit(X)
    dropped = GaussianMixture(2, n_init="auto", on_collapse="drop", random_state=0)
    with pytest.warns(fastem.RegularizationWarning):
        assert dropped.fit(X).converged_


def test_auto_goes_where_a_number_goes(faithful, tmp_path):
    labels = (faithful[:, 0] > 3).astype(int)
    judged = GaussianMixture(2, n_init="auto", random_state=0)
    one = GaussianMixture(2, init_params=labels).fit(faithful)
    given = clone_of(judged, init_params=labels).fit(faithful)
    assert given.means_.tobytes() == one.means_.tobytes()
    known = clone_of(judged).fit(faithful, labels=np.where(labels, 1, -1))
    assert known.means_[1, 0] > known.means_[0, 0]
    fastem.save_model(judged.fit(faithful), tmp_path / "model.json")
    assert fastem.load_model(tmp_path / "model.json").n_init == "auto"
    assert judged.to_sklearn().n_init == 1
    selector = GaussianMixtureSelector([2], ["tied"], estimator=judged)
    assert selector.fit(faithful).n_components_ == 2
    again = clone_of(judged).fit(faithful)
    assert again.means_.tobytes() == judged.means_.tobytes()


def clone_of(model, **settings):
    return GaussianMixture(**{**model.get_params(), **settings})
