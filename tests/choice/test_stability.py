"""Whether components come back in fits to the same rows by other weights."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, jaccard_score

from fastem import GaussianMixture, stability
from fastem.choice.stability import _Comparison, adjusted_rand
from fastem.training.in_memory import RowsInMemory


@pytest.fixture(scope="module", name="X")
def two_and_a_half_clusters():
    """Two clouds apart; three components have to cut one of them."""
    X = np.random.default_rng(0).normal(size=(300, 2))
    X[:100] += 9
    return X


def test_clusters_come_back_and_halves_of_one_do_not(X):
    sound = GaussianMixture(2, covariance_type="spherical", random_state=0).fit(X)
    found = stability(sound, X, n_bootstrap=12, random_state=0)
    assert found.rand == pytest.approx(np.ones(12))
    assert found.recovered.tolist() == [1, 1]
    assert found.memberships == pytest.approx(sound.predict_proba(X), abs=1e-3)
    assert found.deviations.max() < 1e-3
    cut = GaussianMixture(3, covariance_type="spherical", random_state=0).fit(X)
    far = int(np.argmax(cut.means_[:, 0]))
    found = stability(cut, X, n_bootstrap=12, random_state=0)
    assert found.recovered[far] > 0.75
    assert np.delete(found.recovered, far).max() < 0.75
    assert found.deviations.max() > 0.2
    assert found.memberships.sum(axis=1) == pytest.approx(1)
    frame = found.to_frame()
    assert frame["dissolved"].tolist() == found.dissolved.tolist()
    assert f"component {far} came back in " in str(found)


def test_indices_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 3, (2, 60))
    counts = random.integers(1, 4, 60)
    rows = RowsInMemory(np.zeros((60, 1)), counts.astype(float), float(counts.sum()))
    comparison = _Comparison(np.eye(3)[first], 3, rows)
    comparison.add(np.eye(3)[second], 3)
    one, other = first.repeat(counts), second.repeat(counts)
    assert comparison.rand[0] == pytest.approx(adjusted_rand_score(one, other))
    jaccard = comparison.result(0).jaccard[0]
    expected = [
        max(jaccard_score(one == k, other == j) for j in range(3)) for k in range(3)
    ]
    assert jaccard == pytest.approx(expected)


def test_components_are_aligned_whatever_their_numbers():
    random = np.random.default_rng(0)
    degrees = random.dirichlet(np.full(4, 0.2), 50)
    rows = RowsInMemory(np.zeros((50, 1)), np.empty(0), 50.0)
    comparison = _Comparison(degrees, 3, rows)  # the last one is the background
    comparison.add(degrees[:, [2, 0, 1, 3]], 3)
    assert comparison.result(0).memberships == pytest.approx(degrees)
    assert comparison.rand[0] == 1
    comparison.add(degrees[:, [1, 2, 3]], 2)  # one was dropped
    assert comparison.result(0).memberships[:, 3] == pytest.approx(degrees[:, 3])


def test_one_cluster_is_as_chance_has_it():
    assert adjusted_rand(np.array([[5.0]])) == 1
    assert adjusted_rand(np.array([[5.0, 5.0], [5.0, 5.0]])) < 0.1


def test_gaps_and_a_background_come_back_too(X):
    with_gaps = X.copy()
    with_gaps[::5, 0] = np.nan
    model = GaussianMixture(
        *(2,),
        missing_values="marginalize",
        noise=True,
        covariance_type="diag",
        random_state=0,
    ).fit(with_gaps)
    found = stability(model, with_gaps, n_bootstrap=4, random_state=0)
    assert found.memberships.shape == (300, 3)
    assert found.recovered.tolist() == [1, 1]
    again = stability(model, with_gaps, n_bootstrap=4, random_state=0)
    assert np.array_equal(found.memberships, again.memberships)


def test_errors_say_what_is_wrong(X):
    model = GaussianMixture(2, random_state=0).fit(X)
    with pytest.raises(ValueError, match="method must be 'weighted' or 'bootstrap'"):
        stability(model, X, method="jackknife")
    with pytest.raises(ValueError, match="n_bootstrap must be 1 or more"):
        stability(model, X, n_bootstrap=0)
    blocks = type("Blocks", (), {"__iter__": lambda self: iter([X])})()
    with pytest.raises(ValueError, match="pass some of its rows"):
        stability(model, blocks)
    spikes = GaussianMixture.from_parameters(
        [0.5, 0.5], [[0.0], [5.0]], np.ones((2, 1, 1)), reg_covar=0
    )
    with pytest.raises(ValueError, match=r"All 3 fits failed.*is singular"):
        stability(spikes, [[0.0], [0.0], [5.0], [5.0]], n_bootstrap=3)
