"""Components merged to clusters."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from fastem import GaussianMixture, merge_components

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def mclusts():
    """clustCombi of R's mclust 6.0.0 on its table Test1D: model E, 9 components."""
    return json.loads((DATA / "test1d.json").read_text())


@pytest.fixture(scope="module", name="X")
def rows():
    return np.loadtxt(DATA / "test1d.csv", skiprows=1, ndmin=2)


@pytest.fixture(scope="module")
def model(mclusts):
    means = np.array(mclusts["means"])[:, np.newaxis]
    variances = np.full((9, 1), mclusts["variance"])
    return GaussianMixture.from_parameters(
        mclusts["weights"], means, variances, covariance_type="diag"
    )


@pytest.fixture(scope="module")
def merging(model, X):
    return merge_components(model, X)


def ex41():
    """Its rows, and clustCombi of them: model EEV, 6 components."""
    said = json.loads((DATA / "ex4.1.json").read_text())
    return np.loadtxt(DATA / "ex4.1.csv", delimiter=",", skiprows=1), said, "EEV"


def one_dimensional():
    said = json.loads((DATA / "test1d.json").read_text())
    for parameters in said, said["before"]:
        parameters["means"] = np.reshape(parameters["means"], (9, 1))
        parameters["covariances"] = np.full((9, 1), parameters["variance"])
    return np.loadtxt(DATA / "test1d.csv", skiprows=1, ndmin=2), said, "EEI"


@pytest.mark.parametrize("table", [one_dimensional, ex41])
def test_entropies_are_mclusts(table):
    """mclust's memberships are those of the parameters one step of EM before its own.

    Which are they? The step is known, and was inverted for these tests: it leads from
    "before" to what mclust found.
    """
    X, said, code = table()
    of_step = {"covariance_type": code, "reg_covar": 0, "max_iter": 1, "tol": 0}
    names = "weights", "means", "covariances"
    before = [np.array(said["before"][name]) for name in names]
    model = GaussianMixture.from_parameters(*before, **of_step)
    merging = merge_components(model, X)
    assert merging.entropy == pytest.approx(said["entropy"], abs=1e-6)
    assert _groups(said["merges"]) == [
        merging.groups(n_clusters) for n_clusters in range(1, len(said["merges"]) + 1)
    ]
    with pytest.warns(ConvergenceWarning):
        model.fit(X)
    for name in names:
        assert getattr(model, f"{name}_") == pytest.approx(
            np.array(said[name]), abs=1e-8
        )


def _groups(merges):
    """clustCombi's groups of 1, 2, ... K clusters."""
    K = len(merges)
    parts = [{k} for k in range(K)]
    found = [parts]
    for n_clusters in range(K - 1, 0, -1):
        joins = np.array(merges[n_clusters - 1])
        parts = [set.union(*(parts[j] for j in np.flatnonzero(row))) for row in joins]
        found.append(parts)
    return [sorted(tuple(sorted(part)) for part in parts) for parts in found[::-1]]


def test_entropies_are_those_of_summed_memberships(merging, model, X, mclusts):
    deviation = np.sqrt(mclusts["variance"])
    densities = stats.norm.pdf(X, np.ravel(mclusts["means"]), deviation)
    degrees = densities * mclusts["weights"]
    degrees /= degrees.sum(axis=1)[:, np.newaxis]
    for n_clusters in (9, 4, 2, 1):
        z = np.column_stack(
            [degrees[:, group].sum(axis=1) for group in merging.groups(n_clusters)]
        )
        entropy = stats.entropy(z, axis=1).sum()
        assert merging.entropy[n_clusters - 1] == pytest.approx(entropy, abs=1e-9)
        assert merging.predict_proba(X, n_clusters) == pytest.approx(z, abs=1e-12)
        labels = merging.labels(X, n_clusters)
        assert np.array_equal(labels, z.argmax(axis=1))
    assert merging.entropy[-1] == pytest.approx(model.entropy(X), rel=1e-12)


def test_weights_are_repetitions(model, X):
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    weighted = merge_components(model, X, weights)
    repeated = merge_components(model, X.repeat(weights, axis=0))
    assert weighted.merges == repeated.merges
    assert weighted.entropy == pytest.approx(repeated.entropy, abs=1e-9)


def test_a_row_with_a_gap_counts_with_what_it_has():
    model = GaussianMixture.from_parameters(
        *([0.5, 0.5], [[0.0, 0.0], [1.0, 9.0]], [[1.0, 1.0], [1.0, 1.0]]),
        covariance_type="diag",
        missing_values="marginalize",
    )
    merging = merge_components(model, [[0.5, np.nan], [0.5, 0.0]])
    assert merging.entropy == pytest.approx([0, np.log(2)], abs=1e-12)


def test_a_background_is_merged_with_none():
    model = GaussianMixture.from_parameters(
        *([0.4, 0.4], [[0.0], [1.0]], [[[1.0]], [[1.0]]]),
        noise_weight=0.2,
        noise_volume=100.0,
    )
    X = np.array([[0.5], [40.0]])
    merging = merge_components(model, X)
    assert merging.predict_proba(X, 1).shape == (2, 2)
    assert merging.labels(X, 1).tolist() == [0, -1]
    assert 0 < merging.entropy[0] < merging.entropy[1]


def test_it_prints_what_is_merged_and_suggests_an_elbow(merging):
    assert merging.elbow == 7
    lines = str(merging).splitlines()
    assert lines[1].split() == ["9", "clusters", "11.21", "7", "with", "8"]
    assert lines[3].endswith("<- elbow")


def test_a_wrong_number_of_clusters_is_an_error(merging):
    with pytest.raises(ValueError, match="n_clusters=10 must be from 1 to the number"):
        merging.groups(10)
