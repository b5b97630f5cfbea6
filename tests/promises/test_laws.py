"""Laws that every fit must obey, whatever the rows."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from fastem import GaussianMixture, RegularizationWarning, SingularCovarianceError
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.em.expectation import ExpectationStep
from fastem.kernels import CHUNK_ROWS, grid
from tests import reference
from tests.mixtures import (
    STARTS_IN_SHORT,
    assert_close,
    draw,
    parameters_of,
    random_mixture,
    start_of,
)

law = settings(
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
few_examples = settings(law, max_examples=2 * law.max_examples // 5)

seeds = st.integers(0, 2**20)
counts = st.integers(1, 4)
dimensions = st.integers(1, 6)
row_counts = st.integers(60, 400)


class Problem:
    """Rows, and a start that is near them but not their own mixture."""

    def __init__(self, name, seed, K=3, D=3, N=300):
        random = np.random.default_rng(seed)
        self.random, self.name, self.K, self.D = random, name, K, D
        self.X = draw(random, random_mixture(random, "full", K, D), N)
        start = random_mixture(random, name, K, D)
        chosen = random.choice(N, size=K, replace=False)
        self.start = start._replace(means=self.X[chosen])

    def fit(self, X=None, start=None, sample_weight=None, **options):
        """A short fit; examples in which a component collapses are no examples."""
        parameters = {"max_iter": 8, "tol": 0, "reg_covar": 0, **options}
        model = GaussianMixture(
            **start_of(start or self.start, self.name), **parameters
        )
        try:
            fit_quietly(model, self.X if X is None else X, sample_weight)
        except SingularCovarianceError:
            assume(False)
        return model

    def assume_regular(self, model):
        """Rounding is multiplied by the condition number of a covariance."""
        dense = STRUCTURES[self.name].representation.expand(
            model.covariances_, self.K, self.D
        )
        assume(np.linalg.cond(dense).max() < 1e6)


def fit_quietly(model, X, sample_weight=None):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*did not converge", ConvergenceWarning)
        warnings.simplefilter("ignore", RegularizationWarning)
        return model.fit(X, sample_weight=sample_weight)


def same_fit(one, other, tolerance):
    assert one.n_iter_ == other.n_iter_
    assert_close(one.weights_, other.weights_, tolerance)
    assert_close(one.means_, other.means_, tolerance)
    assert_close(one.covariances_, other.covariances_, tolerance)
    assert_close(one.lower_bounds_, other.lower_bounds_, tolerance)


def same_bits(one, other):
    same_fit(one, other, 0)


@law
@given(seed=seeds, K=counts, D=dimensions, N=row_counts)
def test_log_likelihood_never_falls(covariance_type, seed, K, D, N):
    problem = Problem(covariance_type, seed, K, D, N)
    fit = problem.fit(max_iter=30)
    problem.assume_regular(fit)
    size = max(1, np.abs(fit.lower_bounds_).max())
    assert np.diff(fit.lower_bounds_).min() >= -1e-12 * size
    assert fit.lower_bounds_[-1] > fit.lower_bounds_[0]


@law
@given(seed=seeds, K=counts, D=dimensions, exponent=st.integers(-6, 2))
def test_with_a_ridge_the_log_likelihood_falls_by_no_more_than_its_penalty(
    covariance_type, seed, K, D, exponent
):
    # An M-step maximises the expected log-likelihood less half of the sum over
    # components of n_k reg_covar trace(precision_k).
    problem = Problem(covariance_type, seed, K, D, 100)
    ridge = 10.0**exponent
    compact = reference.STRUCTURES[covariance_type].compact
    model = GaussianMixture(
        **start_of(problem.start, covariance_type),
        reg_covar=ridge,
        tol=0,
        max_iter=1,
        warm_start=True,
    )

    def mixture():
        structure = STRUCTURES[covariance_type]
        dense = structure.representation.expand(model.covariances_, K, D)
        return reference.Mixture(model.weights_, model.means_, dense)

    def penalty(mixture, shares):
        precisions = np.linalg.inv(mixture.covariances)
        return ridge * (shares @ np.trace(precisions, axis1=1, axis2=2)) / 2

    before = problem.start
    assert compact(before.covariances).shape == STRUCTURES[
        covariance_type
    ].representation.shape(K, D)
    for _ in range(6):
        fit_quietly(model, problem.X)
        after = mixture()
        shares = reference.responsibilities(problem.X, before).mean(axis=0)
        fall = reference.score(problem.X, before) - reference.score(problem.X, after)
        assert fall <= penalty(before, shares) - penalty(after, shares) + 1e-9
        before = after


@law
@given(seed=seeds, K=counts, D=dimensions)
def test_weights_of_components_sum_to_one(covariance_type, seed, K, D):
    fit = Problem(covariance_type, seed, K, D).fit(reg_covar=1e-6)
    assert fit.weights_.sum() == pytest.approx(1, abs=1e-14)
    assert (fit.weights_ >= 0).all()


@law
@given(seed=seeds, exponent=st.integers(-40, 40))
def test_scaling_the_data_scales_the_answer(covariance_type, seed, exponent):
    problem = Problem(covariance_type, seed)
    scale = 2.0**exponent
    start = problem.start._replace(
        means=problem.start.means * scale,
        covariances=problem.start.covariances * scale**2,
    )
    one, other = problem.fit(), problem.fit(problem.X * scale, start)
    assert_close(other.means_, one.means_ * scale, 1e-11)
    assert_close(other.covariances_, one.covariances_ * scale**2, 1e-11)
    assert_close(other.weights_, one.weights_, 1e-11)
    shift = problem.D * np.log(scale)
    np.testing.assert_allclose(
        other.lower_bounds_, np.subtract(one.lower_bounds_, shift), rtol=0, atol=1e-11
    )


@law
@given(seed=seeds, shift=st.floats(-1e3, 1e3))
def test_shifting_the_data_shifts_the_means_alone(covariance_type, seed, shift):
    problem = Problem(covariance_type, seed)
    moved = problem.start._replace(means=problem.start.means + shift)
    one, other = problem.fit(), problem.fit(problem.X + shift, moved)
    tolerance = 1e-9
    np.testing.assert_allclose(other.means_, one.means_ + shift, atol=tolerance)
    assert_close(other.covariances_, one.covariances_, tolerance)
    assert_close(other.lower_bounds_, one.lower_bounds_, tolerance)


@pytest.mark.parametrize(
    ("dtype", "offset", "step"),
    [(np.float64, 1e6, 2**-20), (np.float64, 1e8, 2**-20), (np.float32, 1e4, 2**-8)],
)
def test_data_far_from_the_origin_are_as_right_as_centred_ones(
    covariance_type, dtype, offset, step
):
    # Rows on a grid that both places can represent: shifting them rounds nothing.
    problem = Problem(covariance_type, 4, N=1500)
    offset = np.round(offset)
    centred = np.round(problem.X / step) * step
    far = (centred + offset).astype(dtype)
    assert np.array_equal(far.astype(np.float64) - offset, centred)
    moved = problem.start._replace(means=problem.start.means + offset)
    here, there = problem.fit(centred), problem.fit(far, moved)
    tolerance = 1e-7 if dtype is np.float64 else 1e-4
    np.testing.assert_allclose(there.means_ - offset, here.means_, atol=tolerance)
    assert_close(there.covariances_, here.covariances_, tolerance)
    assert_close(there.lower_bounds_, here.lower_bounds_, tolerance)
    np.testing.assert_allclose(
        there.predict_proba(far), here.predict_proba(centred), atol=10 * tolerance
    )


# A variance for each column depends on the axes, by definition.
WITHOUT_AXES = [
    n for n, s in STRUCTURES.items() if s.representation.shape(2, 3) != (2, 3)
]


@pytest.mark.parametrize("covariance_type", WITHOUT_AXES)
@law
@given(seed=seeds, D=dimensions)
def test_rotating_the_rows_rotates_the_answer(covariance_type, seed, D):
    problem = Problem(covariance_type, seed, D=D)
    rotation, _ = np.linalg.qr(problem.random.normal(size=(D, D)))
    start = problem.start._replace(
        means=problem.start.means @ rotation,
        covariances=rotation.T @ problem.start.covariances @ rotation,
    )
    one, other = problem.fit(), problem.fit(problem.X @ rotation, start)
    problem.assume_regular(one)
    assert_close(other.weights_, one.weights_, 1e-8)
    assert_close(other.means_, one.means_ @ rotation, 1e-8)
    expand = STRUCTURES[covariance_type].representation.expand
    assert_close(
        expand(other.covariances_, problem.K, D),
        rotation.T @ expand(one.covariances_, problem.K, D) @ rotation,
        1e-8,
    )
    assert_close(other.lower_bounds_, one.lower_bounds_, 1e-9)
    assert_close(
        other.predict_proba(problem.X @ rotation), one.predict_proba(problem.X), 1e-7
    )


@law
@given(seed=seeds)
def test_the_order_of_rows_does_not_matter(covariance_type, seed):
    problem = Problem(covariance_type, seed)
    order = problem.random.permutation(len(problem.X))
    same_fit(problem.fit(problem.X[order]), problem.fit(), 1e-10)


@law
@given(seed=seeds)
def test_the_order_of_columns_does_not_matter(covariance_type, seed):
    problem = Problem(covariance_type, seed)
    order = problem.random.permutation(problem.D)
    start = problem.start._replace(
        means=problem.start.means[:, order],
        covariances=problem.start.covariances[:, order][:, :, order],
    )
    one, other = problem.fit(), problem.fit(problem.X[:, order], start)
    expand = STRUCTURES[covariance_type].representation.expand
    shape = (problem.K, problem.D)
    assert_close(other.means_, one.means_[:, order], 1e-10)
    assert_close(
        expand(other.covariances_, *shape),
        expand(one.covariances_, *shape)[:, order][:, :, order],
        1e-10,
    )
    assert_close(other.lower_bounds_, one.lower_bounds_, 1e-10)


@law
@given(seed=seeds)
def test_the_order_of_components_does_not_matter(covariance_type, seed):
    problem = Problem(covariance_type, seed)
    order = problem.random.permutation(problem.K)
    start = reference.Mixture(*(part[order] for part in problem.start))
    one, other = problem.fit(), problem.fit(start=start)
    assert_close(other.weights_, one.weights_[order], 1e-10)
    assert_close(other.means_, one.means_[order], 1e-10)
    assert_close(other.lower_bounds_, one.lower_bounds_, 1e-10)
    labels = np.argsort(order)[one.predict(problem.X)]
    assert np.array_equal(other.predict(problem.X), labels)


# Parts of a table, and threads


@law
@given(seed=seeds, K=counts, D=dimensions, cut=st.floats(0.01, 0.99))
def test_statistics_of_parts_add_up_to_those_of_the_whole(
    covariance_type, seed, K, D, cut
):
    problem = Problem(covariance_type, seed, K, D)
    structure = STRUCTURES[covariance_type]
    parameters = parameters_of(problem.start, covariance_type)
    weights = problem.random.uniform(size=len(problem.X))

    def statistics(rows):
        table = read_only(problem.X[rows]), read_only(weights[rows])
        return ExpectationStep(*table, structure.representation, 1)(parameters)

    cut = int(cut * len(problem.X))
    parts = statistics(slice(cut)) + statistics(slice(cut, None))
    whole = statistics(slice(None))
    assert parts.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-12)
    assert_close(parts.weights, whole.weights, 1e-12)
    assert_close(parts.first, whole.first, 1e-11)
    assert_close(parts.scatter, whole.scatter, 1e-11)
    one, other = (structure.maximize(sums, 1e-6) for sums in (parts, whole))
    assert_close(one.means, other.means, 1e-11)


ANSWERS = ["predict", "predict_proba", "score_samples"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_rows_cut_at_chunks_are_answered_with_the_same_bits(
    covariance_type, dtype, chunks
):
    problem = Problem(covariance_type, 12, N=4 * CHUNK_ROWS + 77)
    X = problem.X.astype(dtype)
    model = problem.fit(X, max_iter=2)
    cut = chunks * CHUNK_ROWS
    for method in ANSWERS:
        answer = getattr(model, method)
        parts = np.concatenate([answer(X[:cut]), answer(X[cut:])])
        np.testing.assert_array_equal(parts, answer(X), method)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_chunks", [1, 2, 3])
def test_a_fit_in_segments_of_chunks_has_the_same_bits(
    covariance_type, dtype, n_chunks, monkeypatch
):
    problem = Problem(covariance_type, 13, N=5 * CHUNK_ROWS + 77)
    X = problem.X.astype(dtype)
    weights = problem.random.uniform(size=len(X))
    whole = problem.fit(X, sample_weight=weights, n_threads=1)
    monkeypatch.setattr(grid, "_SEGMENT_WORK", 1)
    monkeypatch.setattr(grid, "_FEWEST_CHUNKS", n_chunks)
    same_bits(problem.fit(X, sample_weight=weights, n_threads=1), whole)
    same_bits(problem.fit(X, sample_weight=weights, n_threads=2), whole)


@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_number_of_threads_gives_the_same_bits(
    covariance_type, dtype, weighted, accelerate
):
    problem = Problem(covariance_type, 14, N=3 * CHUNK_ROWS + 5)
    X = problem.X.astype(dtype)
    weights = problem.random.uniform(size=len(X)) if weighted else None
    one, *others = (
        problem.fit(X, sample_weight=weights, n_threads=n, accelerate=accelerate)
        for n in (1, 2, 8, None)
    )
    for other in others:
        same_bits(one, other)
        for method in ANSWERS:
            np.testing.assert_array_equal(
                getattr(one, method)(X), getattr(other, method)(X), method
            )
        assert one.score(X, sample_weight=weights) == other.score(
            X, sample_weight=weights
        )


@pytest.mark.parametrize(("covariance_type", "init_params"), STARTS_IN_SHORT)
def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads(
    covariance_type, init_params
):
    X = Problem(covariance_type, 15, N=6 * CHUNK_ROWS).X
    one, *others = (
        fit_quietly(
            GaussianMixture(
                3,
                covariance_type=covariance_type,
                init_params=init_params,
                random_state=1,
                n_init=2,
                max_iter=5,
                n_threads=n,
            ),
            X,
        )
        for n in (1, 2, None)
    )
    for other in others:
        same_bits(one, other)


# Weights


@law
@given(seed=seeds)
def test_integer_weights_are_repeated_rows(covariance_type, seed):
    problem = Problem(covariance_type, seed)
    weights = problem.random.integers(0, 4, size=len(problem.X))
    repeated = np.repeat(problem.X, weights, axis=0)
    weighted = problem.fit(sample_weight=weights)
    same_fit(weighted, problem.fit(repeated), 1e-10)


@few_examples
@given(seed=seeds, weight=st.floats(1e-300, 1e300))
def test_constant_weights_change_no_bit(covariance_type, seed, weight):
    problem = Problem(covariance_type, seed)
    same_bits(problem.fit(sample_weight=np.full(len(problem.X), weight)), problem.fit())


@few_examples
@given(seed=seeds, exponent=st.integers(-200, 200))
def test_a_common_factor_of_weights_changes_no_bit(covariance_type, seed, exponent):
    problem = Problem(covariance_type, seed)
    weights = problem.random.uniform(0.1, 1, size=len(problem.X))
    same_bits(
        problem.fit(sample_weight=weights * 2.0**exponent),
        problem.fit(sample_weight=weights),
    )


@pytest.mark.parametrize("exponent", [-1000, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_of_any_size_neither_overflow_nor_vanish(
    covariance_type, dtype, exponent
):
    problem = Problem(covariance_type, 8)
    X = problem.X.astype(dtype)
    weights = problem.random.uniform(0.1, 1, size=len(X))
    same_bits(
        problem.fit(X, sample_weight=weights * 2.0**exponent),
        problem.fit(X, sample_weight=weights),
    )


@law
@given(seed=seeds)
def test_a_row_of_weight_zero_is_a_dropped_row(covariance_type, seed):
    problem = Problem(covariance_type, seed)
    kept = problem.random.uniform(size=len(problem.X)) < 0.7
    X = np.where(kept[:, np.newaxis], problem.X, 1e9)
    same_fit(problem.fit(X, sample_weight=kept), problem.fit(problem.X[kept]), 1e-10)


@pytest.mark.parametrize(
    "init_params", ["kmeans", "k-means++", "random", "random_from_data"]
)
def test_constant_weights_change_no_bit_from_any_start(covariance_type, init_params):
    X = Problem(covariance_type, 5).X
    model = GaussianMixture(
        3, covariance_type=covariance_type, init_params=init_params, random_state=0
    )
    one, other = (
        fit_quietly(clone(model), X, sample_weight)
        for sample_weight in (None, np.full(len(X), 3.0))
    )
    same_bits(one, other)


@few_examples
@given(seed=seeds, exponent=st.integers(-1000, 1000))
def test_a_common_factor_of_weights_changes_no_score(covariance_type, seed, exponent):
    problem = Problem(covariance_type, seed)
    model = problem.fit(max_iter=1)
    weights = problem.random.uniform(0.1, 1, size=len(problem.X))
    score = model.score(problem.X, sample_weight=weights * 2.0**exponent)
    assert score == model.score(problem.X, sample_weight=weights)
    assert score == pytest.approx(
        np.average(model.score_samples(problem.X), weights=weights), rel=1e-13
    )


@pytest.mark.parametrize("times", [2, 100])
def test_exact_duplicates_change_nothing(covariance_type, times):
    problem = Problem(covariance_type, 6, N=100)
    same_fit(problem.fit(np.tile(problem.X, (times, 1))), problem.fit(), 1e-10)


# Answers


@law
@given(seed=seeds, K=counts, D=dimensions, exponent=st.floats(0, 10), direction=seeds)
def test_probabilities_sum_to_one_however_far_the_row(
    covariance_type, seed, K, D, exponent, direction
):
    problem = Problem(covariance_type, seed, K, D)
    far = np.random.default_rng(direction).normal(size=(20, D)) * 10**exponent
    probabilities = problem.fit(reg_covar=1e-6).predict_proba(far)
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)


@law
@given(seed=seeds, K=counts, D=dimensions)
def test_labels_are_where_probabilities_are_largest(covariance_type, seed, K, D):
    problem = Problem(covariance_type, seed, K, D)
    model = problem.fit(reg_covar=1e-6)
    probabilities = model.predict_proba(problem.X)
    chosen = probabilities[np.arange(len(problem.X)), model.predict(problem.X)]
    np.testing.assert_allclose(chosen, probabilities.max(axis=1), rtol=1e-12)


@law
@given(seed=seeds, K=counts)
def test_fit_predict_is_fit_then_predict(covariance_type, seed, K):
    problem = Problem(covariance_type, seed, K)
    parameters = {
        **start_of(problem.start, covariance_type),
        "max_iter": 4,
        "tol": 1e300,
    }
    labels = GaussianMixture(**parameters).fit_predict(problem.X)
    assert np.array_equal(
        labels, GaussianMixture(**parameters).fit(problem.X).predict(problem.X)
    )


@law
@given(seed=seeds, K=counts, D=dimensions)
def test_score_is_the_mean_of_score_samples(covariance_type, seed, K, D):
    problem = Problem(covariance_type, seed, K, D)
    model = problem.fit(reg_covar=1e-6)
    assert model.score(problem.X) == pytest.approx(
        model.score_samples(problem.X).mean(), rel=1e-13
    )


@law
@given(seed=seeds, K=counts, D=dimensions)
def test_the_lower_bound_is_the_score_of_the_parameters_before(
    covariance_type, seed, K, D
):
    problem = Problem(covariance_type, seed, K, D)
    before = problem.fit(max_iter=3, reg_covar=1e-6)
    after = problem.fit(max_iter=4, reg_covar=1e-6)
    assert after.lower_bound_ == pytest.approx(before.score(problem.X), rel=1e-12)


@law
@given(seed=seeds, D=dimensions)
def test_one_component_is_the_mean_and_covariance_of_the_rows(covariance_type, seed, D):
    problem = Problem(covariance_type, seed, 1, D)
    model = problem.fit(max_iter=1)
    twin = reference.start_from_labels(
        problem.X, np.zeros(len(problem.X), int), covariance_type
    )
    compact = reference.STRUCTURES[covariance_type].compact
    assert_close(model.means_, twin.means, 1e-13)
    assert_close(model.covariances_, compact(twin.covariances), 1e-12)


# Where a structure compares columns, units matter, by definition.
@pytest.mark.parametrize(
    "covariance_type",
    [n for n, s in STRUCTURES.items() if s.code_in_other_units == s.code],
)
def test_units_of_columns_do_not_matter(covariance_type):
    problem = Problem(covariance_type, 11)
    scales = np.array([1e-10, 1.0, 1e10])
    start = problem.start._replace(
        means=problem.start.means * scales,
        covariances=problem.start.covariances * np.outer(scales, scales),
    )
    one, other = problem.fit(), problem.fit(problem.X * scales, start)
    np.testing.assert_allclose(other.means_ / scales, one.means_, rtol=1e-9)
    np.testing.assert_allclose(
        other.predict_proba(problem.X * scales), one.predict_proba(problem.X), atol=1e-9
    )
