"""Every pass over the rows, against its twin in plain NumPy.

A chunk has 1024 rows and a tile at most 256, or 512 of float32, so 700 rows are one
chunk with whole tiles and a part of one, and 2500 rows three chunks, which is the
parallel path.
"""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from scipy.special import digamma
from scipy.stats import multivariate_t

from fastem import kernels
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.kernels import grid, launch
from fastem.kernels.tiles import tile_rows
from tests import reference
from tests.mixtures import (
    assert_close,
    draw,
    parameters_of,
    random_mixture,
    with_noise,
    with_tails,
)

ONE_CHUNK, THREE_CHUNKS = 700, 2500
DIMENSIONS = [1, 2, 3, 4, 5, 6, 7, 8, 16, 33]

# Error of a sum or a row, of the largest among them. float32: responsibilities are
# off by the rounding of squared distances, a few hundred here.
TOLERANCES = {"float64": 1e-12, "float32": 2e-5}


class Problem:
    """Rows, their weights, and a mixture that explains them moderately well."""

    def __init__(
        self,
        random,
        name,
        n_rows,
        K,
        D,
        dtype="float64",
        weighted=False,
        noise=False,
        tails=False,
    ):
        self.name, self.structure = name, STRUCTURES[name]
        self.mixture = random_mixture(random, name, K, D)
        if noise:
            self.mixture = with_noise(self.mixture)
        if tails:
            v = np.geomspace(0.5, 200, K)
            self.mixture = with_tails(self.mixture, v)
        self.X = read_only(draw(random, self.mixture, n_rows).astype(dtype))
        self.row_weights = random.uniform(0, 1, n_rows if weighted else 0)
        if weighted:
            self.row_weights[::7] = 0
        self.row_weights = read_only(self.row_weights.astype(dtype))
        parameters = parameters_of(self.mixture, name)
        self.factors = self.structure.representation.factors(parameters, self.X.dtype)
        self.scatter_size = self.structure.representation.scatter_size(K, D)

    def expectation(self, n_threads=None):
        return kernels.expectation_pass(
            self.X, self.row_weights, self.factors, self.scatter_size, n_threads
        )

    def statistics(self, n_threads=None):
        return self.structure.representation.statistics(
            self.expectation(n_threads), self.factors
        )

    def expected_statistics(self, points):
        X = self.X.astype(np.float64)
        weights = self.row_weights.astype(np.float64) if len(self.row_weights) else None
        if getattr(self.mixture, "degrees_of_freedom", None) is None:
            return reference.expectation(X, self.mixture, weights, points)
        return self._expected_with_tails(X, weights, points)

    def _expected_with_tails(self, X, weights, points):
        weights = np.ones(len(X)) if weights is None else weights
        shares = reference.responsibilities(X, self.mixture) * weights[:, np.newaxis]
        pulled = shares[:, : len(points)] * reference.row_pulls(X, self.mixture)
        log_likelihood = weights @ reference.score_samples(X, self.mixture)
        sums = reference.moments(X, pulled, points, log_likelihood)
        return sums._replace(weights=shares[:, : len(points)].sum(axis=0))

    def expected_tail_sums(self):
        """Sums of r u, and of r (E log w - u)."""
        X, v = self.X.astype(np.float64), self.mixture.degrees_of_freedom
        shares = reference.responsibilities(X, self.mixture)[:, : len(v)]
        if len(self.row_weights):
            shares = shares * self.row_weights.astype(np.float64)[:, np.newaxis]
        pulls, halves = reference.row_pulls(X, self.mixture), (v + X.shape[1]) / 2
        logarithms = np.log(pulls) + digamma(halves) - np.log(halves)
        return (shares * pulls).sum(axis=0), (shares * (logarithms - pulls)).sum(axis=0)


@pytest.fixture
def problem(random):
    return lambda *arguments, **options: Problem(random, *arguments, **options)


@pytest.fixture(params=sorted(TOLERANCES))
def dtype(request):
    return request.param


def assert_same_statistics(problem, tolerance):
    actual = problem.statistics()
    expected = problem.expected_statistics(actual.reference)
    reduce_scatter = reference.STRUCTURES[problem.name].reduce_scatter
    assert_close(actual.reference, problem.mixture.means, tolerance)
    assert_close(actual.log_likelihood, expected.log_likelihood, tolerance)
    assert_close(actual.weights, expected.weights, tolerance)
    # First moments cancel, so the size of their terms is that of the scatter.
    size = np.sqrt(expected.scatter.max() * len(problem.X))
    np.testing.assert_allclose(
        actual.first, expected.first, rtol=0, atol=tolerance * size
    )
    assert_close(actual.scatter, reduce_scatter(expected.scatter), tolerance)
    weights = problem.row_weights.astype(np.float64)
    n_rows = weights.sum() if len(weights) else len(problem.X)
    noise = n_rows - expected.weights.sum()
    assert actual.background == pytest.approx(noise, rel=0, abs=tolerance * n_rows)


@pytest.mark.parametrize("n_features", DIMENSIONS)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("n_rows", [ONE_CHUNK, THREE_CHUNKS])
def test_expectation_pass_is_its_twin(
    problem, covariance_type, dtype, n_features, weighted, n_rows
):
    assert_same_statistics(
        problem(covariance_type, n_rows, 3, n_features, dtype, weighted),
        TOLERANCES[dtype],
    )


# A kernel takes seconds to compile: not each kind in each type.
FEW_KINDS = [("full", "float64"), ("tied", "float64"), ("diag", "float32")]


@pytest.mark.interpreted
@pytest.mark.parametrize(("covariance_type", "dtype"), FEW_KINDS)
@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_expectation_pass_with_noise_is_its_twin(
    problem, covariance_type, dtype, n_features, weighted
):
    assert_same_statistics(
        problem(covariance_type, 300, 3, n_features, dtype, weighted, noise=True),
        TOLERANCES[dtype],
    )


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("covariance_type", "dtype", "noise"),
    [*((*kind, False) for kind in FEW_KINDS), ("tied", "float64", True)],
)
@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_expectation_pass_with_tails_is_its_twin(
    problem, covariance_type, dtype, n_features, weighted, noise
):
    heavy = problem(
        *(covariance_type, 300, 3, n_features, dtype, weighted), noise=noise, tails=True
    )
    assert_same_statistics(heavy, TOLERANCES[dtype])
    counts, logarithms = heavy.expected_tail_sums()
    tails = heavy.statistics().tails
    assert_close(tails.counts, counts, TOLERANCES[dtype])
    assert_close(tails.logarithms, logarithms, TOLERANCES[dtype])


@pytest.mark.parametrize("v", [0.01, 1.0, 59.9, 60.1, 1e3, 1e6])
def test_tails_are_those_of_scipy(random, dtype, v):
    """Far out and in the middle, for few and for very many degrees of freedom."""
    mixture = with_tails(random_mixture(random, "full", 1, 3), v)
    mean, scale = mixture.means[0], mixture.covariances[0]
    directions = random.normal(size=(200, 3)) * np.geomspace(1e-9, 1e9, 200)[:, None]
    X = read_only((mean + directions).astype(dtype))
    factors = STRUCTURES["full"].representation.factors(
        parameters_of(mixture, "full"), X.dtype
    )
    actual = kernels.log_likelihood_pass(X, factors)
    expected = multivariate_t(mean, scale, df=v).logpdf(X.astype(np.float64))
    # scipy takes a difference of logarithms of gamma functions, of the size of v.
    rounding = 1e-15 * v if dtype == "float64" else 0
    np.testing.assert_allclose(
        actual, expected, rtol=TOLERANCES[dtype], atol=rounding + TOLERANCES[dtype]
    )


def test_answers_with_noise_are_their_twins(problem):
    dtype = "float64"
    noisy = problem("full", 700, 5, 3, dtype, noise=True)
    X = noisy.X.astype(np.float64)
    probabilities = kernels.probability_pass(noisy.X, noisy.factors)
    expected = reference.responsibilities(X, noisy.mixture)
    assert_close(probabilities, expected, TOLERANCES[dtype])
    labels = kernels.label_pass(noisy.X, noisy.factors)
    is_clear = np.diff(np.sort(expected, axis=1)[:, -2:]).ravel() > TOLERANCES[dtype]
    twins = reference.predict(X, noisy.mixture)
    np.testing.assert_array_equal(labels[is_clear], twins[is_clear])
    assert 50 < (labels == kernels.BACKGROUND).sum() < 400
    assert_close(
        kernels.log_likelihood_pass(noisy.X, noisy.factors),
        reference.score_samples(X, noisy.mixture),
        TOLERANCES[dtype],
    )


@pytest.mark.parametrize("n_components", [1, 2, 5, 17, 40])
def test_expectation_pass_is_its_twin_for_any_number_of_components(
    problem, covariance_type, n_components
):
    assert_same_statistics(problem(covariance_type, 700, n_components, 3), 1e-12)


@pytest.mark.parametrize("n_rows", [1, 2, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025])
def test_expectation_pass_is_its_twin_for_any_number_of_rows(
    problem, covariance_type, n_rows
):
    assert_same_statistics(problem(covariance_type, n_rows, 2, 3), 1e-12)


@pytest.mark.interpreted
@pytest.mark.parametrize("n_features", [2, 5])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_expectation_pass_is_its_twin_on_few_rows(
    problem, covariance_type, dtype, n_features, weighted
):
    assert_same_statistics(
        problem(covariance_type, 300, 3, n_features, dtype, weighted),
        TOLERANCES[dtype],
    )


def assert_same_rows(problem, tolerance):
    X = problem.X.astype(np.float64)
    labels = kernels.label_pass(problem.X, problem.factors)
    log_likelihoods = kernels.log_likelihood_pass(problem.X, problem.factors)
    probabilities = kernels.probability_pass(problem.X, problem.factors)
    assert log_likelihoods.dtype == probabilities.dtype == problem.X.dtype

    densities = reference.weighted_log_densities(X, problem.mixture)
    # Ties to rounding may fall either way.
    chosen = densities[np.arange(len(X)), labels]
    size = np.abs(densities[np.isfinite(densities)]).max()
    assert (densities.max(axis=1) - chosen).max() <= tolerance * size
    assert_close(
        log_likelihoods, reference.score_samples(X, problem.mixture), tolerance
    )
    expected = reference.responsibilities(X, problem.mixture)
    # A log-density is off by so much of its size, and a probability by as much.
    atol = tolerance * max(1, size)
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("n_features", DIMENSIONS)
@pytest.mark.parametrize("n_rows", [ONE_CHUNK, THREE_CHUNKS])
def test_row_passes_are_their_twins(
    problem, covariance_type, dtype, n_features, n_rows
):
    assert_same_rows(
        problem(covariance_type, n_rows, 3, n_features, dtype),
        TOLERANCES[dtype],
    )


@pytest.mark.interpreted
@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_row_passes_are_their_twins_on_few_rows(
    problem, covariance_type, dtype, n_components
):
    assert_same_rows(
        problem(covariance_type, 300, n_components, 3, dtype), TOLERANCES[dtype]
    )


def test_the_first_of_equally_likely_components_is_chosen():
    mixture = reference.Mixture(
        np.full(3, 1 / 3), np.zeros((3, 2)), np.repeat(np.eye(2)[np.newaxis], 3, axis=0)
    )
    X = read_only(np.random.default_rng(0).normal(size=(100, 2)))
    for name, structure in STRUCTURES.items():
        factors = structure.representation.factors(
            parameters_of(mixture, name), X.dtype
        )
        assert not kernels.label_pass(X, factors).any(), name


def test_rows_that_fill_up_a_tile_count_for_nothing(problem, covariance_type):
    # Every filled-up row lies on the centre, so counting one would add to all sums.
    few = problem(covariance_type, 1, 3, 5)
    sums = few.expectation()
    assert sums.weights.sum() == pytest.approx(1, rel=1e-14)
    assert_same_statistics(few, 1e-12)


def test_rows_of_weight_zero_count_for_nothing(problem, covariance_type):
    some = problem(covariance_type, THREE_CHUNKS, 3, 5, weighted=True)
    before = some.expectation()
    rows = some.X.copy()
    rows[some.row_weights == 0] += 10
    some.X = read_only(rows)
    for one, other in zip(before, some.expectation(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_empty_component_gets_no_responsibility(problem, covariance_type):
    some = problem(covariance_type, ONE_CHUNK, 3, 4)
    some.mixture.weights[:] = 0.25, 0.75, 0
    parameters = parameters_of(some.mixture, some.name)
    some.factors = some.structure.representation.factors(parameters, some.X.dtype)
    sums = some.expectation()
    assert sums.weights[2] == 0
    assert not sums.first[2].any()
    assert_same_statistics(some, 1e-12)
    assert_same_rows(some, 1e-12)


def test_scatter_is_exact_where_components_lie_far_apart(random, covariance_type):
    # 1e6 standard deviations: about any common point 12 digits would be gone.
    mixture = random_mixture(random, covariance_type, 3, 4)
    mixture = mixture._replace(means=1e6 * np.sign(mixture.means) * [[1], [2], [3]])
    X = np.round(draw(random, mixture, 900) * 2**10) / 2**10
    structure = STRUCTURES[covariance_type]
    factors = structure.representation.factors(
        parameters_of(mixture, covariance_type), X.dtype
    )
    sums = kernels.expectation_pass(
        read_only(X),
        read_only(np.empty(0)),
        factors,
        structure.representation.scatter_size(3, 4),
    )
    actual = structure.representation.statistics(sums, factors)
    expected = reference.expectation(X, mixture, None, actual.reference)
    reduce_scatter = reference.STRUCTURES[covariance_type].reduce_scatter
    assert_close(actual.scatter, reduce_scatter(expected.scatter), 1e-8)


@pytest.mark.parametrize("distance", [1e2, 1e5, 1e10])
def test_probabilities_of_far_rows_sum_to_one(
    problem, covariance_type, dtype, distance
):
    some = problem(covariance_type, 100, 3, 4)
    X = read_only((some.X * distance).astype(dtype))
    factors = some.structure.representation.factors(
        parameters_of(some.mixture, some.name), np.dtype(dtype)
    )
    probabilities = kernels.probability_pass(X, factors)
    assert np.isfinite(probabilities).all()
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=tolerance)


# Bits


def all_passes(problem, n_threads):
    """The bytes of everything that passes say of a problem."""
    X, factors = problem.X, problem.factors
    results = [
        *problem.expectation(n_threads),
        kernels.label_pass(X, factors, n_threads),
        kernels.log_likelihood_pass(X, factors, n_threads),
        kernels.probability_pass(X, factors, n_threads),
    ]
    return b"".join(np.asarray(result).tobytes() for result in results)


@pytest.mark.parametrize("n_features", [2, 48])
def test_any_number_of_threads_gives_the_same_bits(
    problem, covariance_type, dtype, n_features
):
    # With 48 columns, full covariances have more sums than are added in one block.
    some = problem(covariance_type, 5000, 3, n_features, dtype, weighted=True)
    serial = all_passes(some, 1)
    assert all_passes(some, 2) == serial
    assert all_passes(some, None) == serial
    assert all_passes(some, 2) == serial


def test_any_number_of_rows_in_a_segment_gives_the_same_bits(
    problem, covariance_type, monkeypatch
):
    some = problem(covariance_type, 5000, 3, 3, weighted=True)
    whole = all_passes(some, 2)
    monkeypatch.setattr(grid, "_SEGMENT_WORK", 1)
    for n_chunks in (1, 2):
        monkeypatch.setattr(grid, "_FEWEST_CHUNKS", n_chunks)
        assert all_passes(some, 1) == whole
        assert all_passes(some, 2) == whole


_PRINT_HASH = """
import hashlib
import numba
import numpy as np
from fastem.covariances import STRUCTURES
from tests.kernels.test_passes import Problem, all_passes
random = np.random.default_rng(5)
passes = [
    all_passes(Problem(random, name, 5000, 3, 5, weighted=True), n_threads)
    for name in STRUCTURES
    for n_threads in (None, 3, 100)
]
print(numba.config.NUMBA_NUM_THREADS, hashlib.sha256(b"".join(passes)).hexdigest())
"""


@pytest.mark.exhaustive
def test_more_threads_than_cores_give_the_same_bits():
    hashes = {}
    for n_threads in ("1", "2", "7"):
        environment = {**os.environ, "NUMBA_NUM_THREADS": n_threads}
        done = subprocess.run(
            [sys.executable, "-c", _PRINT_HASH],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        used, hashes[n_threads] = done.stdout.split()
        assert used == n_threads
    assert len(set(hashes.values())) == 1


@pytest.mark.skipif(
    numba.config.NUMBA_NUM_THREADS < 2, reason="there is one thread only"
)
@pytest.mark.parametrize("setting", [1, 2])
def test_the_users_number_of_threads_leaves_no_trace(problem, setting):
    some = problem("full", THREE_CHUNKS, 2, 2)
    before = numba.get_num_threads()
    numba.set_num_threads(setting)
    try:
        for n_threads in (1, 2, None, 1000):
            all_passes(some, n_threads)
            assert numba.get_num_threads() == setting
    finally:
        numba.set_num_threads(before)


def test_after_an_error_a_pass_works_as_before(problem, monkeypatch):
    some = problem("full", THREE_CHUNKS, 2, 2)
    expected = all_passes(some, 2)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(launch.passes, "expectation_chunks", interrupt)
    with pytest.raises(KeyboardInterrupt):
        some.expectation(n_threads=1)
    monkeypatch.undo()
    assert all_passes(some, 2) == expected


@pytest.mark.parametrize("n_components", [1, 16, 1000])
@pytest.mark.parametrize("itemsize", [4, 8])
def test_tiles_are_whole_numbers_of_vectors_and_fill_up_a_chunk(n_components, itemsize):
    for n_features in range(1, 300):
        rows = tile_rows(n_features, n_components, itemsize)
        assert rows % 64 == 0
        assert kernels.CHUNK_ROWS % rows == 0
        assert rows * itemsize <= 2048
