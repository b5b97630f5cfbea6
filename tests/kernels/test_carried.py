"""Carried bounds: never above a distance, and the same bits as without them."""

import numpy as np
import pytest

from fastem import kernels
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from tests import reference
from tests.mixtures import (
    assert_close,
    draw,
    parameters_of,
    random_mixture,
    with_noise,
    with_tails,
)

# Of each kind of factors that passes with bounds have code for.
KINDS = ("full", "diag", "tied")
N_COMPUTED = kernels.PassSums._fields.index("computed")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def moved(random, mixture, step, kind):
    """The mixture some iterations later."""
    K, D = mixture.means.shape
    scales = np.sqrt(np.einsum("kjj->kj", mixture.covariances))
    turns = np.eye(D) + step * random.normal(size=(K, D, D))
    covariances = turns @ mixture.covariances @ turns.transpose(0, 2, 1)
    return mixture._replace(
        means=mixture.means + step * scales * random.normal(size=(K, D)),
        covariances=reference.STRUCTURES[kind].estimate(np.ones(K), covariances),
    )


def whiteners_of(factors):
    """As matrices (K, D, D)."""
    if isinstance(factors, kernels.TiedFactors):
        return np.repeat(factors.whitener[np.newaxis], len(factors.means), axis=0)
    if isinstance(factors, kernels.DiagonalFactors):
        return factors.whiteners[:, :, np.newaxis] * np.eye(factors.means.shape[1])
    return factors.whiteners


class Passes:
    """Rows in order, and passes over them, each with what the last has left."""

    def __init__(
        self, random, mixture, kind, dtype="float64", n_rows=3000, weighted=True
    ):
        self.kind = kind
        self.representation = STRUCTURES[kind].representation
        self.rows = draw(random, mixture, n_rows).astype(dtype)
        self.weights = np.empty(0, dtype)
        if weighted:
            self.weights = random.uniform(0.5, 2, n_rows).astype(dtype)
        D = self.rows.shape[1]
        kernels.order_rows(self.rows, self.weights, np.ones(D), 1)
        self.rows, self.weights = read_only(self.rows), read_only(self.weights)
        self.history = self.factors = None

    def go_on_from(self, factors):
        """Whether the last pass was in the same type, so that groups are the same."""
        return self.factors is not None and (
            self.factors.means.dtype == factors.means.dtype
        )

    def sums(self, mixture, n_threads=1, keep=True):
        parameters = parameters_of(mixture, self.kind)
        factors = self.representation.factors(parameters, self.rows.dtype)
        if not (keep and self.go_on_from(factors)):
            history = kernels.first_history(self.rows, factors)
            drift = kernels.drift_of(factors, factors, parameters.log_weights)
            if not keep:  # nothing is known
                history = kernels.History(
                    np.zeros_like(history.nearest), np.zeros_like(history.labels)
                )
        else:
            history = self.history
            drift = kernels.drift_of(self.factors, factors, parameters.log_weights)
        scatter_size = self.representation.scatter_size(*mixture.means.shape)
        sums = kernels.carried_pass(
            *(self.rows, self.weights, factors),
            *(scatter_size, drift, history, n_threads),
        )
        if keep:
            self.history, self.factors = history, factors
        return sums


def assert_same_bits(one, other):
    for n, (a, b) in enumerate(zip(one, other, strict=True)):
        if n != N_COMPUTED:
            np.testing.assert_array_equal(a, b)


def assert_sums_of(passes, mixture, sums, tolerance):
    """That the sums are those of the twin."""
    parameters = parameters_of(mixture, passes.kind)
    factors = passes.representation.factors(parameters, passes.rows.dtype)
    about = factors.center + factors.means
    rows = passes.rows.astype(np.float64)
    weights = passes.weights if len(passes.weights) else None
    twin = reference.expectation(rows, mixture, weights, about)
    assert_close(sums.log_likelihood, twin.log_likelihood, tolerance)
    assert_close(sums.weights, twin.weights, tolerance)
    assert_close(sums.first, twin.first, 10 * tolerance)
    if getattr(factors, "is_compact", True):  # if not, 'tied' carries no bounds
        scatter = passes.representation.scatter(sums, factors)
        expected = reference.STRUCTURES[passes.kind].reduce_scatter(twin.scatter)
        assert_close(scatter, expected, 10 * tolerance)
    if sums.tails.size:
        pulls = reference.row_pulls(rows, mixture)
        shares = reference.responsibilities(rows, mixture)[:, : pulls.shape[1]]
        if weights is not None:
            shares = shares * weights[:, np.newaxis]
        logarithms = (shares * (np.log(pulls) - pulls)).sum(axis=0)
        assert_close(sums.tails, [twin.counts, logarithms], 10 * tolerance)


# A kernel takes seconds to compile.
NARROW = pytest.param("float32", marks=pytest.mark.exhaustive)


@pytest.mark.parametrize("dtype", ["float64", NARROW])
@pytest.mark.parametrize("D", [1, 2, 3, 4, 5, 8, 17])
def test_sums_are_those_of_the_twin_and_have_the_bits_of_all_pairs(
    random, kind, dtype, D
):
    tolerance = {"float64": 1e-12, "float32": 2e-5}[dtype]
    mixture = random_mixture(random, kind, 12, D, spread=20)
    passes = Passes(random, mixture, kind, dtype, n_rows=1500 + D, weighted=D % 2)
    for step in (0, 0.1, 0.03, 0.03, 0.01):
        mixture = moved(random, mixture, step, kind)
        sums = passes.sums(mixture)
        assert_sums_of(passes, mixture, sums, tolerance)
        everything = passes.sums(mixture, keep=False)
        assert everything.computed > 0.95  # but for the last group's padding: all
        assert_same_bits(sums, everything)
    # The test must not pass because nothing is left out.
    assert sums.share <= sums.computed < 0.5 or D == 1


def test_components_that_jump_are_found_wherever_they_are(random, kind):
    mixture = random_mixture(random, kind, 8, 3, spread=20)
    passes = Passes(random, mixture, kind)
    passes.sums(mixture)
    mixture.means[:] = mixture.means[::-1]
    if kind == "tied":
        mixture.covariances[:] *= 0.5
    else:
        mixture.covariances[2] *= 1e4
        mixture.covariances[5] *= 1e-4
    sums = passes.sums(mixture)
    assert_sums_of(passes, mixture, sums, 1e-12)
    assert_same_bits(sums, passes.sums(mixture, keep=False))
    assert passes.sums(mixture).computed < 0.9


def test_any_number_of_threads_gives_the_same_bits(random, kind):
    mixture = random_mixture(random, kind, 40, 8, spread=20)
    one, two = (
        Passes(np.random.default_rng(1), mixture, kind, n_rows=30_000) for _ in "12"
    )
    for step in (0, 0.1, 0.02):
        mixture = moved(random, mixture, step, kind)
        sums = one.sums(mixture, n_threads=1)
        np.testing.assert_array_equal(sums.computed, two.sums(mixture, 2).computed)
        assert_same_bits(sums, one.sums(mixture, n_threads=2, keep=False))
        np.testing.assert_array_equal(one.history.nearest, two.history.nearest)


@pytest.mark.exhaustive
@pytest.mark.parametrize("volume", [1.0, 1e6, 1e300])
def test_noise_takes_its_share(random, kind, volume):
    plain = random_mixture(random, kind, 10, 3, spread=20)
    passes = Passes(random, plain, kind)
    mixture = with_noise(plain, volume=volume)
    for step in (0, 0.05, 0.01):
        mixture = moved(random, mixture, step, kind)
        sums = passes.sums(mixture)
        assert_sums_of(passes, mixture, sums, 1e-12)
        assert_same_bits(sums, passes.sums(mixture, keep=False))
    assert sums.computed < 0.6
    assert sums.background > 0


@pytest.mark.parametrize(
    ("dtype", "is_noisy"), [("float64", False), (*NARROW.values, True)]
)
def test_tails_fall_by_their_own_law(random, kind, dtype, is_noisy):
    tolerance = {"float64": 4e-12, "float32": 5e-5}[dtype]
    plain = random_mixture(random, kind, 8, 6, spread=40)
    mixture = with_tails(plain, [4.0, 20.0, 60.0, 1e3, 1e5, 15.0, 30.0, 100.0])
    if is_noisy:
        mixture = with_noise(mixture)
    passes = Passes(random, plain, kind, dtype, n_rows=1600)
    for step in (0, 0.1, 0.03, 0.01):
        mixture = moved(random, mixture, step, kind)
        # Bounds are of distances, whatever the law was.
        mixture = mixture._replace(degrees_of_freedom=1.1 * mixture.degrees_of_freedom)
        sums = passes.sums(mixture)
        assert_sums_of(passes, mixture, sums, tolerance)
        assert_same_bits(sums, passes.sums(mixture, keep=False))
    assert sums.share <= sums.computed < 0.8


@pytest.mark.parametrize("dtype", ["float64", NARROW])
@pytest.mark.parametrize("step", [1e-6, 0.01, 0.3])
@pytest.mark.parametrize("flat", [1.0, 1e-6])
@pytest.mark.parametrize("D", [5, 20])
def test_no_row_is_nearer_than_its_bound(random, kind, dtype, step, flat, D):
    K = 6
    mixture = random_mixture(random, kind, K, D, spread=5)
    # Nearly all in a plane that lies across the columns.
    axis = np.full(D, D**-0.5)
    thin = np.eye(D) - (1 - flat**0.5) * np.outer(axis, axis)
    thin = thin @ mixture.covariances @ thin
    thin = reference.STRUCTURES[kind].estimate(np.ones(K), thin)
    mixture = mixture._replace(covariances=thin)
    passes = Passes(random, mixture, kind, dtype, n_rows=640)
    for n in range(4):
        if n:
            mixture = moved(random, mixture, step, kind)
        parameters = parameters_of(mixture, kind)
        factors = passes.representation.factors(parameters, dtype)
        size = kernels.GROUP_ROWS * 8 // factors.means.itemsize
        if not passes.go_on_from(factors):
            bounds = kernels.first_history(passes.rows, factors).nearest
            drift = kernels.drift_of(factors, factors, parameters.log_weights)
        else:
            bounds = passes.history.nearest
            drift = kernels.drift_of(passes.factors, factors, parameters.log_weights)
        bounds = np.maximum(bounds * drift.shrink - drift.shift, 0)[:, :K]
        means = factors.center + factors.means
        residuals = passes.rows.astype(np.longdouble)[:, None] - means
        whitened = np.einsum("kij,nkj->nki", whiteners_of(factors), residuals)
        distances = np.sqrt((whitened**2).sum(axis=2)).reshape(-1, size, K).min(axis=1)
        assert (bounds <= distances * (1 + 1e-12)).all()
        if n and flat == 1 and step < 0.1:
            # They bound something.
            assert np.median(bounds / distances) > 0.5
        passes.sums(mixture)


def test_what_is_no_number_or_too_far_is_computed_again(random, kind):
    mixture = random_mixture(random, kind, 6, 3, spread=20)
    passes = Passes(random, mixture, kind)
    rows = passes.rows.copy()
    rows[-1] = 1e160  # whose square is no number
    passes.rows = read_only(rows)
    with np.errstate(all="ignore"):
        passes.sums(mixture)
    assert (passes.history.nearest[-1] == 0).all()
    assert (passes.history.nearest[0] > 0).any()


def test_an_empty_component_stays_empty(random, kind):
    mixture = random_mixture(random, kind, 4, 3, spread=20)
    mixture.weights[:] = 0.5, 0.25, 0.25, 0
    passes = Passes(random, mixture, kind)
    for _ in range(2):
        assert passes.sums(mixture).weights[3] == 0


@pytest.mark.interpreted
def test_few_rows_have_the_bits_of_all_pairs(random, kind):
    mixture = random_mixture(random, kind, 4, 3, spread=20)
    passes = Passes(random, mixture, kind, n_rows=210)
    for step in (0, 0.05):
        mixture = moved(random, mixture, step, kind)
        sums = passes.sums(mixture)
        assert_sums_of(passes, mixture, sums, 1e-12)
        assert_same_bits(sums, passes.sums(mixture, keep=False))
    assert sums.computed < 0.9
