"""Random mixtures, rows drawn from them, and their parameters as fastem takes them."""

from itertools import product

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as SklearnMixture

from fastem.covariances import STRUCTURES
from fastem.statistics import Background, MixtureParameters
from tests import reference
from tests.reference import Mixture, Robust

(_named,) = SklearnMixture._parameter_constraints["covariance_type"]
OF_SCIKIT_LEARN = [name for name in STRUCTURES if name in _named.options]
# One of each way to store covariances, and one in which components share what they
# do not store together: where only passes and plumbing matter, the others are these.
IN_SHORT = [*OF_SCIKIT_LEARN, "EEI"]
# Starts that know nothing of structures, each with each of these; and trimmed ones,
# which are fits of their own and take ten times as long, with one of them always.
STARTS_IN_SHORT = [
    *product(
        IN_SHORT, ["kmeans", "k-means++", "random", "random_from_data", "subsample"]
    ),
    *(
        pytest.param(
            *(name, "trimmed"), marks=() if name == "diag" else pytest.mark.exhaustive
        )
        for name in IN_SHORT
    ),
]


def random_covariance(random, n_features):
    """A well-conditioned covariance with correlations."""
    loadings = random.normal(size=(n_features, n_features))
    return loadings @ loadings.T / n_features + 0.5 * np.eye(n_features)


def random_mixture(random, name, n_components, n_features, spread=1.5):
    """A mixture whose covariances are of the structure ``name``."""
    weights = random.uniform(0.5, 1.5, size=n_components)
    scatter = np.stack(
        [random_covariance(random, n_features) for _ in range(n_components)]
    )
    covariances = reference.STRUCTURES[name].estimate(np.ones(n_components), scatter)
    means = spread * random.normal(size=(n_components, n_features))
    return Mixture(weights / weights.sum(), means, covariances)


def with_noise(mixture, weight=0.2, volume=None):
    """The same with noise, by default about as dense as components two sd away."""
    if volume is None:
        determinants = np.linalg.det(mixture.covariances)
        D = mixture.means.shape[1]
        volume = np.exp(2) * np.sqrt((2 * np.pi) ** D * determinants.max())
    weights, means, covariances = mixture[:3]
    v = getattr(mixture, "degrees_of_freedom", None)
    return Robust(weights * (1 - weight), means, covariances, weight, volume, v)


def with_tails(mixture, degrees_of_freedom):
    """The same with Student's tails, (K,) or one number."""
    v = np.broadcast_to(degrees_of_freedom, mixture.weights.shape).astype(float)
    noise = getattr(mixture, "noise_weight", 0.0), getattr(mixture, "noise_volume", 0.0)
    return Robust(*mixture[:3], *noise, v)


def draw(random, mixture, n_rows):
    """Rows (N, D) of a mixture in random order."""
    shares = mixture.weights
    if isinstance(mixture, Robust):  # of those that are no noise
        shares = shares / shares.sum()
    labels = random.choice(len(mixture.weights), size=n_rows, p=shares)
    factors = np.linalg.cholesky(mixture.covariances)
    noise = random.normal(size=(n_rows, mixture.means.shape[1]))
    return mixture.means[labels] + np.einsum("nij,nj->ni", factors[labels], noise)


def parameters_of(mixture, name):
    """The mixture in the compact shapes of the structure ``name``."""
    structure = STRUCTURES[name]
    covariances = np.array(reference.STRUCTURES[name].compact(mixture.covariances))
    return MixtureParameters(
        mixture.weights,
        mixture.means,
        covariances,
        structure.representation.cholesky(covariances),
        Background(mixture.noise_weight, mixture.noise_volume)
        if getattr(mixture, "noise_volume", 0)
        else None,
        degrees_of_freedom=getattr(mixture, "degrees_of_freedom", None),
    )


def start_of(mixture, name):
    """Constructor arguments that start EM from the mixture."""
    precisions = np.linalg.inv(mixture.covariances)
    start = {
        "n_components": len(mixture.weights),
        "covariance_type": name,
        "weights_init": mixture.weights,
        "means_init": mixture.means,
        "precisions_init": reference.STRUCTURES[name].compact(precisions),
    }
    if getattr(mixture, "noise_volume", 0):
        start |= {
            "weights_init": mixture.weights / (1 - mixture.noise_weight),
            "noise": True,
            "noise_weight_init": mixture.noise_weight,
            "noise_volume": mixture.noise_volume,
        }
    if getattr(mixture, "degrees_of_freedom", None) is not None:
        start["degrees_of_freedom_init"] = mixture.degrees_of_freedom
    return start


def assert_close(actual, expected, tolerance, message=""):
    """Every element is right to ``tolerance`` of the array's largest element."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, message
    largest = np.abs(expected).max(initial=0)
    np.testing.assert_allclose(
        actual, expected, rtol=0, atol=tolerance * largest, err_msg=message
    )
