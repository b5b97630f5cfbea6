"""Leaving out far components: the same sums to rounding, by bounds that hold."""

import numpy as np
import pytest

from fastem import kernels
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.kernels.compilation import kernel
from fastem.kernels.dispatch import box_distances
from fastem.kernels.skipping import reach_of
from tests import reference
from tests.mixtures import (
    assert_close,
    draw,
    parameters_of,
    random_mixture,
    with_noise,
    with_tails,
)

TOLERANCES = {"float64": 1e-13, "float32": 1e-6}


class Clusters:
    """Ordered rows of clusters of which most are far from each other."""

    def __init__(
        self,
        random,
        name,
        dtype="float64",
        n_rows=4000,
        K=12,
        D=3,
        spread=30,
        noise_volume=0.0,
        v=None,
    ):
        self.structure = STRUCTURES[name]
        self.mixture = random_mixture(random, name, K, D, spread)
        if noise_volume:
            self.mixture = with_noise(self.mixture, volume=noise_volume)
        if v is not None:
            self.mixture = with_tails(self.mixture, v)
        rows = draw(random, self.mixture, n_rows).astype(dtype)
        weights = random.uniform(0.5, 2, n_rows).astype(dtype)
        kernels.order_rows(rows, weights, np.ones(D), None)
        self.rows, self.weights = read_only(rows), read_only(weights)
        self.parameters = parameters_of(self.mixture, name)

    def sums(self, leave_out, n_threads=None):
        factors = self.structure.representation.factors(
            self.parameters, self.rows.dtype
        )
        return kernels.expectation_pass(
            self.rows,
            self.weights,
            factors,
            self.structure.representation.scatter_size(*self.parameters.means.shape),
            n_threads,
            reach_of(factors, self.parameters.log_weights) if leave_out else None,
        )


def assert_same_sums(clusters, tolerance):
    actual, expected = clusters.sums(True), clusters.sums(False)
    size = np.sqrt(np.abs(expected.scatter).max() * len(clusters.rows))
    assert_close(actual.log_likelihood, expected.log_likelihood, tolerance)
    assert_close(actual.weights, expected.weights, tolerance)
    np.testing.assert_allclose(
        actual.first, expected.first, rtol=0, atol=tolerance * size
    )
    assert_close(actual.scatter, expected.scatter, tolerance)
    assert_close(actual.background, expected.background, tolerance)
    return actual.share


@pytest.mark.parametrize("dtype", sorted(TOLERANCES))
@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 5, 8, 17])
def test_leaving_out_changes_sums_by_rounding_only(
    random, covariance_type, dtype, n_features
):
    clusters = Clusters(random, covariance_type, dtype, D=n_features)
    share = assert_same_sums(clusters, TOLERANCES[dtype])
    if 1 < n_features < 8:
        assert share < 0.6  # the test must not pass because nothing is left out


# A kernel takes seconds to compile: not each kind in each type.
FEW_KINDS = [("tied", "float64"), ("diag", "float32")]


@pytest.mark.parametrize(("covariance_type", "dtype"), FEW_KINDS)
@pytest.mark.parametrize("noise_volume", [1.0, 1e6, 1e300])
def test_leaving_out_is_exact_beside_noise(
    random, covariance_type, dtype, noise_volume
):
    plain = Clusters(np.random.default_rng(3), covariance_type, dtype)
    noisy = Clusters(
        np.random.default_rng(3), covariance_type, dtype, noise_volume=noise_volume
    )
    share = assert_same_sums(noisy, TOLERANCES[dtype])
    # The denser the noise, the nearer must a component be to count.
    others = plain.sums(True).share
    assert share < others if noise_volume == 1 else share <= others


@pytest.mark.parametrize(
    ("covariance_type", "dtype"),
    [FEW_KINDS[0], pytest.param(*FEW_KINDS[1], marks=pytest.mark.exhaustive)],
)
@pytest.mark.parametrize("v", [3.0, 1e3, 1e6])
def test_leaving_out_is_exact_with_tails(random, covariance_type, dtype, v):
    share = assert_same_sums(
        Clusters(random, covariance_type, dtype, spread=100, v=v), TOLERANCES[dtype]
    )
    assert share < 0.6 or v == 3


@pytest.mark.parametrize("spread", [0, 1, 3, 10, 1e3, 1e6])
def test_leaving_out_is_exact_at_any_distance(random, covariance_type, spread):
    clusters = Clusters(random, covariance_type, spread=spread)
    share = assert_same_sums(clusters, 1e-13)
    if spread >= 1e3:
        assert share < 0.3  # some tiles hold rows of several clusters
    if spread == 0:
        assert share == 1


@pytest.mark.interpreted
def test_leaving_out_changes_few_sums_by_rounding_only(random, covariance_type):
    clusters = Clusters(random, covariance_type, n_rows=300, K=3)
    assert assert_same_sums(clusters, 1e-13) < 0.9


def test_far_rows_keep_their_components(random, covariance_type):
    # One row that is far from all components, in a tile of rows that are not.
    clusters = Clusters(random, covariance_type)
    rows = clusters.rows.copy()
    rows[5] = 1e4
    clusters.rows = read_only(rows)
    assert_same_sums(clusters, 1e-13)


def test_an_empty_component_stays_empty(random, covariance_type):
    clusters = Clusters(random, covariance_type, K=3)
    clusters.mixture.weights[:] = 0.25, 0.75, 0
    clusters.parameters = parameters_of(clusters.mixture, covariance_type)
    assert clusters.sums(True).weights[2] == 0
    assert_same_sums(clusters, 1e-13)


def test_what_is_not_a_number_counts_as_without_leaving_out(random, covariance_type):
    clusters = Clusters(random, covariance_type)
    factors = clusters.structure.representation.factors(
        clusters.parameters, clusters.rows.dtype
    )
    factors.log_normalizers[3] = np.nan  # of one component alone
    size = clusters.structure.representation.scatter_size(
        *clusters.parameters.means.shape
    )
    log_weights = clusters.parameters.log_weights
    actual, expected = (
        kernels.expectation_pass(
            clusters.rows, clusters.weights, factors, size, None, reach
        )
        for reach in (reach_of(factors, log_weights), None)
    )
    assert actual.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-13)
    assert_close(actual.weights, expected.weights, 1e-13)


def test_any_number_of_threads_leaves_out_the_same(random, covariance_type):
    clusters = Clusters(random, covariance_type)
    for one, other in zip(clusters.sums(True, 1), clusters.sums(True, 2), strict=True):
        np.testing.assert_array_equal(one, other)


@kernel()
def bound_distances(factors, blocks, box, central_out, nearest_out):
    box_distances(factors, blocks, box[0], box[1], box[2:], central_out, nearest_out)


@pytest.mark.interpreted
def test_no_point_of_a_box_is_nearer_than_its_bound(random, covariance_type):
    K, D = 5, 4
    mixture = random_mixture(random, covariance_type, K, D, 3)
    structure = STRUCTURES[covariance_type]
    factors = structure.representation.factors(
        parameters_of(mixture, covariance_type), np.float64
    )
    reach = reach_of(factors, np.log(mixture.weights))
    for _ in range(20):
        center, half_widths = 3 * random.normal(size=D), random.uniform(0, 1, size=D)
        n = reach.blocks.shape[0] * reach.blocks.shape[2]
        central, nearest = np.empty(n), np.empty(n)
        box = np.stack([center, half_widths, center, center])
        bound_distances(factors, reach.blocks, box, central, nearest)
        corners = random.uniform(-1, 1, size=(500, D))
        corners[:250] = np.sign(corners[:250])
        corners[-1] = 0
        points = factors.center + center + half_widths * corners
        distances = np.stack(
            [
                ((points - mean) @ np.linalg.inv(covariance) * (points - mean)).sum(1)
                for mean, covariance in zip(
                    mixture.means, mixture.covariances, strict=True
                )
            ]
        )
        np.testing.assert_allclose(central[:K], distances[:, -1], rtol=1e-9)
        assert (nearest[:K] <= distances.min(axis=1) * (1 + 1e-12)).all()
        assert (nearest[:K] <= central[:K]).all()
        point = center + factors.center
        expected = reference.weighted_log_densities(point[np.newaxis], mixture)[0]
        np.testing.assert_allclose(
            reach.log_normalizers - 0.5 * central[:K], expected, rtol=1e-9
        )
