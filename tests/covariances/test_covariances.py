"""One driver for all covariance structures: each against its dense expansion.

A new structure is tested by its line in ``tests.reference.STRUCTURES``.
"""

import pickle
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture as SklearnMixture

from fastem import Degeneracy, GaussianMixture, SingularCovarianceError, kernels
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.covariances.representations import dense
from fastem.statistics import EPS, SufficientStatistics
from tests import reference
from tests.mixtures import (
    IN_SHORT,
    OF_SCIKIT_LEARN,
    assert_close,
    draw,
    parameters_of,
    random_covariance,
    random_mixture,
)

pytestmark = pytest.mark.interpreted

SHAPES = [(1, 1), (1, 4), (3, 1), (3, 4), (5, 7)]
N = 200


class Case:
    """A structure, its twin, a mixture and rows; nothing from a kernel."""

    def __init__(self, name, shape):
        random = np.random.default_rng(shape)
        self.name, self.shape = name, shape
        self.structure, self.twin = STRUCTURES[name], reference.STRUCTURES[name]
        self.mixture = random_mixture(random, name, *shape)
        self.parameters = parameters_of(self.mixture, name)
        self.X = draw(random, self.mixture, N)
        self.row_weights = random.uniform(size=N)
        self.points = self.mixture.means + random.normal(size=shape)

    def dense_statistics(self):
        return reference.expectation(
            self.X, self.mixture, self.row_weights, self.points
        )

    def statistics(self):
        """The same statistics in the structure's own shape."""
        log_likelihood, weights, first, scatter = self.dense_statistics()
        return SufficientStatistics(
            log_likelihood,
            weights,
            self.points,
            first,
            np.array(self.twin.reduce_scatter(scatter)),
        )

    def estimate(self, statistics, ridge):
        spreads = self.structure.representation.spreads(statistics, ridge)
        return self.structure.estimate(spreads, statistics.weights)

    def expand(self, covariances):
        return self.structure.representation.expand(covariances, *self.shape)


case_of = cache(Case)  # no test changes one


@pytest.fixture(params=list(STRUCTURES))
def covariance_type(request):
    return request.param


@pytest.fixture(params=SHAPES, ids=lambda shape: "K={}-D={}".format(*shape))
def case(request, covariance_type):
    return case_of(covariance_type, request.param)


def test_structure_stands_in_the_registry_under_its_own_name(covariance_type):
    assert STRUCTURES[covariance_type].name == covariance_type


def test_covariances_have_the_shape_that_the_structure_states(case):
    assert case.parameters.covariances.shape == case.structure.representation.shape(
        *case.shape
    )
    assert case.structure.representation.has_matrices == (
        case.structure.representation.shape(2, 3)[-2:] == (3, 3)
    )


def test_expansion_is_dense(case):
    assert_close(
        case.expand(case.parameters.covariances), case.mixture.covariances, 1e-15
    )


def test_estimate_is_that_of_the_twin(case):
    estimate = case.estimate(case.statistics(), 1e-3)
    expected = reference.maximization(
        case.dense_statistics(), case.points, case.name, 1e-3
    )
    assert estimate.shape == case.structure.representation.shape(*case.shape)
    assert_close(case.expand(estimate), expected.covariances, case.twin.tolerance)


@pytest.mark.parametrize("name", IN_SHORT)
def test_ridge_is_added_to_every_variance_and_to_nothing_else(name):
    case = Case(name, (3, 4))
    statistics = case.statistics()
    with_ridge, without = (
        case.expand(case.estimate(statistics, ridge)) for ridge in (0.25, 0)
    )
    expected = np.repeat(0.25 * np.eye(case.shape[1])[np.newaxis], case.shape[0], 0)
    np.testing.assert_allclose(with_ridge - without, expected, atol=1e-12)


def test_estimate_does_not_change_the_statistics(case):
    statistics = case.statistics()
    before = statistics.scatter.copy(), statistics.first.copy()
    case.structure.maximize(statistics, 1.0)
    assert np.array_equal(statistics.scatter, before[0])
    assert np.array_equal(statistics.first, before[1])


@pytest.mark.parametrize("name", [*IN_SHORT, "EVV", "EEV"])
def test_matrices_are_symmetric_to_the_last_bit(name):
    # As matrix products are not, where BLAS adds in another order.
    case = Case(name, (5, 33))
    statistics = case.statistics()
    maximum = case.structure.maximize(statistics, 1e-6)
    for matrices in (
        maximum.covariances,
        case.structure.representation.gram(maximum.precisions_cholesky),
        case.structure.representation.invert(maximum.precisions_cholesky),
    ):
        expanded = case.expand(matrices)
        assert np.array_equal(expanded, expanded.transpose(0, 2, 1))


def test_maximum_is_above_all_neighbours(case):
    statistics = case.statistics()
    maximum = case.structure.maximize(statistics, 0)
    # Moments about the new means, as the expected log-likelihood needs them.
    shares = reference.responsibilities(case.X, case.mixture)
    shares *= case.row_weights[:, np.newaxis]

    def expected_log_likelihood(weights, means, covariances):
        mixture = reference.Mixture(weights, means, case.expand(covariances))
        moments = reference.moments(case.X, shares, means)
        return reference.log_likelihood_of_moments(moments, mixture)

    best = expected_log_likelihood(maximum.weights, maximum.means, maximum.covariances)
    random = np.random.default_rng(1)
    for _ in range(20):
        weights = maximum.weights * np.exp(0.02 * random.normal(size=case.shape[0]))
        means = maximum.means + 0.02 * random.normal(size=case.shape)
        covariances = maximum.covariances * np.exp(0.02 * random.normal())
        change = 0.02 * random.normal(size=covariances.shape) * covariances
        if case.structure.representation.has_matrices:
            change = (change + np.swapaxes(change, -1, -2)) / 2
        changed = case.structure.nearest(maximum.covariances + change)
        for neighbour in (
            (weights / weights.sum(), maximum.means, maximum.covariances),
            (maximum.weights, means, maximum.covariances),
            (maximum.weights, maximum.means, covariances),
            (maximum.weights, maximum.means, changed),
        ):
            assert expected_log_likelihood(*neighbour) <= best + 1e-9


def test_the_nearest_covariances_to_those_of_the_structure_are_themselves(case):
    covariances = case.parameters.covariances
    # Axes are exact to the rounding of eigenvectors, common ones to their iteration.
    exact = 1e-15 if case.name in IN_SHORT else case.twin.tolerance
    assert_close(case.structure.nearest(covariances), covariances, exact)
    # And of any others those that the structure has.
    random = np.random.default_rng(0)
    others = np.stack([random_covariance(random, case.shape[1]) for _ in range(9)])
    others = np.array(case.twin.compact(others[: case.shape[0]]))
    nearest = case.structure.nearest(others)
    assert_close(case.structure.nearest(nearest), nearest, max(exact, 1e-14))


def test_maximization_is_that_of_the_twin(case):
    ours = case.structure.maximize(case.statistics(), 1e-6)
    twin = reference.maximization(case.dense_statistics(), case.points, case.name, 1e-6)
    assert_close(ours.weights, twin.weights, 1e-14)
    assert_close(ours.means, twin.means, 1e-13)
    assert_close(case.expand(ours.covariances), twin.covariances, case.twin.tolerance)


def test_factors_are_triangular_roots_of_the_precisions(case):
    factors = case.expand(case.parameters.precisions_cholesky)
    assert np.array_equal(factors, np.triu(factors))
    precisions = factors @ factors.transpose(0, 2, 1)
    assert_close(precisions, np.linalg.inv(case.mixture.covariances), 1e-12)


def test_gram_gives_the_precisions(case):
    precisions = case.structure.representation.gram(case.parameters.precisions_cholesky)
    assert precisions.shape == case.structure.representation.shape(*case.shape)
    expected = np.linalg.inv(case.mixture.covariances)
    assert_close(case.expand(precisions), expected, 1e-12)


def test_factors_of_the_precisions_are_those_of_the_covariances(case):
    factors = case.parameters.precisions_cholesky
    precisions = case.structure.representation.gram(factors)
    assert_close(
        case.structure.representation.cholesky_of_precisions(precisions), factors, 1e-12
    )


def test_invert_gives_the_covariances(case):
    covariances = case.structure.representation.invert(
        case.parameters.precisions_cholesky
    )
    assert_close(covariances, case.parameters.covariances, 1e-12)


def test_log_determinants_are_those_of_the_dense_matrices(case):
    K, D = case.shape
    actual = case.structure.representation.log_determinants(
        case.parameters.precisions_cholesky, D
    )
    assert actual.shape in {(K,), (1,)}
    _, expected = np.linalg.slogdet(case.mixture.covariances)
    np.testing.assert_allclose(
        np.broadcast_to(actual, K), -0.5 * expected, rtol=0, atol=1e-12
    )


def test_add_scatter_adds_what_rows_give_to_a_component(case):
    K, D = case.shape
    shares = reference.responsibilities(case.X, case.mixture)
    scatter = case.structure.representation.zero_scatter(K, D)
    assert not scatter.any()
    for k in range(K):
        for rows in (slice(0, 50), slice(50, N)):
            case.structure.representation.add_scatter(
                scatter, k, shares[rows, k], case.X[rows] - case.points[k]
            )
    moments = reference.moments(case.X, shares, case.points)
    assert_close(scatter, case.twin.reduce_scatter(moments.scatter), 1e-13)


def test_kernel_statistics_lead_to_the_parameters_of_the_twin(case):
    factors = case.structure.representation.factors(case.parameters, np.float64)
    sums = kernels.expectation_pass(
        read_only(case.X),
        read_only(case.row_weights),
        factors,
        case.structure.representation.scatter_size(*case.shape),
    )
    assert sums.scatter.shape == (
        case.structure.representation.scatter_size(*case.shape),
    )
    ours = case.structure.maximize(
        case.structure.representation.statistics(sums, factors), 1e-6
    )
    twin, _ = reference.iterate(
        case.X, case.mixture, case.name, 1e-6, 1, case.row_weights
    )
    assert_close(ours.weights, twin.weights, 1e-13)
    assert_close(ours.means, twin.means, 1e-12)
    assert_close(case.expand(ours.covariances), twin.covariances, case.twin.tolerance)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", OF_SCIKIT_LEARN)
def test_free_parameters_are_as_many_as_scikit_learn_counts(name, shape):
    K, D = shape
    theirs = SklearnMixture(K, covariance_type=name)
    theirs.means_ = np.zeros(shape)
    n_parameters = STRUCTURES[name].n_parameters(K, D)
    assert n_parameters + K * D + K - 1 == theirs._n_parameters()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", IN_SHORT)
def test_free_parameters_are_as_many_as_directions_to_vary_covariances_in(name, shape):
    # The others, which are no linear spaces, are counted as R's mclust counts them.
    case = Case(name, shape)
    K, D = shape
    random = np.random.default_rng(0)
    estimates = []
    for _ in range(case.structure.n_parameters(K, D) + 5):
        scatter = np.stack([random_covariance(random, D) for _ in range(K)])
        dense_covariances = case.twin.estimate(np.ones(K), scatter)
        estimates.append(dense_covariances.ravel())
    assert np.linalg.matrix_rank(estimates) == case.structure.n_parameters(K, D)


def test_a_component_without_rows_stays_where_it_was(covariance_type):
    K = 3
    case = Case(covariance_type, (K, 4))
    statistics = case.statistics()
    weights, first = statistics.weights.copy(), statistics.first.copy()
    weights[-1], first[-1] = 0, 0
    scatter = statistics.scatter.copy()
    if len(scatter) == K:  # not shared
        scatter[-1] = 0
    empty = SufficientStatistics(0.0, weights, statistics.reference, first, scatter)
    maximum = case.structure.maximize(empty, 1.0)
    assert maximum.weights[-1] == 0
    assert np.array_equal(maximum.means[-1], statistics.reference[-1])
    assert np.isfinite(maximum.covariances).all()
    assert np.isfinite(maximum.precisions_cholesky).all()


# Singular covariances


def singular_covariances(name, n_components, component, columns):
    """Covariances in which columns of one component have no variance; D = 4."""
    covariances = np.repeat(np.eye(4)[np.newaxis], n_components, axis=0)
    covariances[component][columns] = 0
    return np.array(reference.STRUCTURES[name].compact(covariances))


@pytest.mark.parametrize("columns", [[2], [1, 3], [0, 1, 2, 3]])
@pytest.mark.parametrize("component", [0, 1])
def test_a_singular_covariance_is_named_with_component_and_columns(
    covariance_type, component, columns
):
    structure = STRUCTURES[covariance_type]
    shared = structure.representation.shape(2, 4) == (4, 4)
    if shared:
        component = 0
    if structure.representation.shape(2, 4) == (2,):
        columns = [0, 1, 2, 3]
    covariances = singular_covariances(covariance_type, 2, component, columns)
    with pytest.raises(SingularCovarianceError) as raised:
        structure.representation.cholesky(covariances)
    error = raised.value
    assert error.component == (None if shared else component)
    assert error.columns in {tuple(columns), ()}
    assert error.columns or structure.representation.shape(2, 4) == (2,)
    text = str(error.with_names(["a", "b", "height", "d"]))
    assert ("share" in text) if shared else (f"Component {component}" in text)
    for column in error.columns:
        assert repr(["a", "b", "height", "d"][column]) in text
        assert str(column) in str(error)
    assert "reg_covar" in text


@pytest.mark.parametrize("where", ["of the pass", "of the mean"])
@pytest.mark.parametrize(("spread", "is_singular"), [(0.9, True), (1.1, False)])
def test_a_spread_that_rounding_may_leave_is_none(
    covariance_type, where, spread, is_singular
):
    # In units of what rounding leaves of a distance, in all columns of component 1.
    structure = STRUCTURES[covariance_type]
    K, D = 2, 3
    rounding, reference_points, blur = 1e-3, np.zeros((K, D)), np.zeros((K, D))
    if where == "of the pass":
        blur[:] = rounding
    else:
        reference_points[:] = rounding / EPS
    scatter = structure.representation.zero_scatter(K, D)
    for k, size in enumerate((1.0, spread * rounding)):
        if structure.hides_empty_components:
            size = spread * rounding
        residuals = np.concatenate([np.eye(D), -np.eye(D)]) * size
        structure.representation.add_scatter(scatter, k, np.full(2 * D, 5.0), residuals)
    weights = np.full(K, 10.0)
    first = np.zeros((K, D))
    sums = SufficientStatistics(
        0.0, weights, reference_points, first, scatter, EPS, blur
    )
    structure.maximize(sums, 1e-12)  # a ridge is a spread
    if not is_singular:
        structure.maximize(sums, 0.0)
        return
    with pytest.raises(SingularCovarianceError) as raised:
        structure.maximize(sums, 0.0)
    worst = 0 if structure.hides_empty_components else 1
    assert raised.value.component == (None if structure.is_shared else worst)
    names_columns = structure.representation.shape(2, 3) != (2,)
    assert raised.value.constant_columns == ((0, 1, 2) if names_columns else ())


@pytest.mark.parametrize("value", [np.nan, -1.0, 0.0])
def test_a_variance_that_is_no_positive_number_is_singular(covariance_type, value):
    structure = STRUCTURES[covariance_type]
    covariances = np.array(
        reference.STRUCTURES[covariance_type].compact(np.stack([np.eye(3)] * 2))
    )
    covariances.flat[0] = value
    with pytest.raises(SingularCovarianceError):
        structure.representation.cholesky(covariances)


def test_singular_covariance_error_survives_pickling():
    known = Degeneracy(3, (1,), (2,), 0.25, 4.5, 3, 1e20)
    error = SingularCovarianceError(known, ["a", "b", "c"], "It happened before")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.component, copy.columns, str(copy)) == (3, (1, 2), str(error))
    assert copy.degeneracy == known
    assert isinstance(copy, ValueError)


@pytest.mark.parametrize(
    ("combination", "constant", "collinear", "copied"),
    [
        ([0, 0, 0, 1], (), (), ()),  # column 3 is itself
        ([1, 0, 0, 0], (), (3,), (0,)),  # a copy of column 0
        ([0, 0, -0.1, 0], (), (3,), (2,)),  # in another unit
        ([0.5, -2.0, 3.0, 0], (), (3,), ()),  # a linear combination
        ([0, 1, 1e-6, 0], (), (3,), ()),  # nearly a copy
        ([0, 0, 0, 0], (3,), (), ()),
    ],
)
def test_constant_and_collinear_columns_are_told_apart(
    random, combination, constant, collinear, copied
):
    X = random.normal(size=(60, 4))
    X[:, 3] = X @ combination
    covariance = np.atleast_2d(np.cov(X.T, bias=True))
    assert dense.degeneracy(1, covariance, EPS) == Degeneracy(
        1, constant, collinear, copied_columns=copied
    )


@pytest.mark.parametrize("name", ["full", "tied"])
def test_a_copied_column_is_named_with_what_it_is_a_copy_of(random, name):
    X = random.normal(size=(400, 2))
    X = np.c_[X, 3 * X[:, 0] + 2, X.sum(axis=1), -X[:, 0]]
    model = GaussianMixture(2, covariance_type=name, reg_covar=0, random_state=0)
    with pytest.raises(SingularCovarianceError) as raised:
        model.fit(X)
    text = str(raised.value)
    assert (
        "columns 2 and 4 are copies of column 0 (in any unit) and column 3 is" in text
    )
    assert "Leave such columns out or raise reg_covar" in text
    assert raised.value.degeneracy.is_everywhere
    assert "drop" not in text


def test_a_column_that_is_a_copy_in_one_component_only_is_not_to_blame(random):
    X = random.normal(size=(400, 2)) + 50 * (np.arange(400) >= 200)[:, np.newaxis]
    X[200:, 1] = X[200:, 0]
    with pytest.raises(SingularCovarianceError) as raised:
        GaussianMixture(2, reg_covar=0, random_state=0).fit(X)
    text = str(raised.value)
    assert "column 1 is a copy of column 0" in text
    assert "Use fewer components, leave such columns out or raise reg_covar" in text
    assert "on_collapse='drop' and 'reseed'" in text
    assert not raised.value.degeneracy.is_everywhere


def test_copies_are_not_named_where_rows_are_too_few_to_tell(random):
    # Within components there is one direction only.
    with pytest.raises(SingularCovarianceError) as raised:
        GaussianMixture(5, covariance_type="tied", reg_covar=0, random_state=0).fit(
            random.normal(size=(6, 3))
        )
    assert "columns 1 and 2 are linear combinations" in str(raised.value)
    assert "Use fewer components" in str(raised.value)


@pytest.mark.parametrize("name", STRUCTURES)
def test_only_columns_that_are_named_are_to_be_left_out(name):
    component = Degeneracy(1, (), (), 0.0, 0.0, 3)
    for known in (component, Degeneracy(1, (0, 1), (), 0.0, 0.0, 3)):
        text = str(SingularCovarianceError(known))
        assert "no rows belong to it. Use fewer components or start from means" in text
        assert "leave such columns" not in text
    structure = STRUCTURES[name]
    shape = structure.representation.shape(1, 2)
    if structure.representation.has_matrices:
        with pytest.raises(SingularCovarianceError, match="1 is a copy of column 0"):
            GaussianMixture.from_parameters(
                [1], [[0, 0]], np.ones(shape), covariance_type=name
            )
    unnamed = SingularCovarianceError(Degeneracy(0)).after("It has no inverse")
    assert "Add a small share of the variances to the diagonal." in str(unnamed)
    assert "such columns" not in str(unnamed)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(exponent=st.integers(-100, 100), seed=st.integers(0, 2**16))
def test_singularity_does_not_depend_on_units(exponent, seed):
    random = np.random.default_rng(seed)
    scale = 2.0**exponent
    regular = random_covariance(random, 3)
    copied = regular[[0, 1, 0]][:, [0, 1, 0]]  # column 2 is column 0
    for name in ("full", "tied"):
        compact = reference.STRUCTURES[name].compact
        structure = STRUCTURES[name]
        structure.representation.cholesky(
            np.array(compact(scale * regular[np.newaxis]))
        )
        with pytest.raises(SingularCovarianceError) as raised:
            structure.representation.cholesky(
                np.array(compact(scale * copied[np.newaxis]))
            )
        assert raised.value.columns == (2,)


OWN_AXES = [name for name, rule in STRUCTURES.items() if rule.code[2] == "V"]


def test_columns_of_very_different_scales_are_not_singular(covariance_type):
    scales = np.array([1e-10, 1.0, 1e10])
    random = np.random.default_rng(0)
    matrices = random_covariance(random, 3)[np.newaxis] * np.outer(scales, scales)
    # Of one component with axes of its own it is the covariance, which the twin would
    # put together from eigenvalues that are nothing but rounding.
    if covariance_type not in OWN_AXES:
        matrices = reference.STRUCTURES[covariance_type].estimate(np.ones(1), matrices)
    covariances = reference.STRUCTURES[covariance_type].compact(matrices)
    factors = STRUCTURES[covariance_type].representation.cholesky(np.array(covariances))
    assert np.isfinite(factors).all()


@pytest.mark.parametrize("name", OWN_AXES)
def test_variances_along_own_axes_are_exact_in_units_far_apart(random, name):
    # The least of them is the rounding of the largest.
    scales = 10.0 ** np.linspace(-4, 4, 5)
    spread = random_covariance(random, 5)
    nearest = STRUCTURES[name].nearest((scales[:, np.newaxis] * spread * scales)[None])
    assert_close(nearest[0] / scales[:, np.newaxis] / scales, spread, 1e-7)


@pytest.mark.parametrize("name", OWN_AXES)
def test_fits_to_columns_in_units_far_apart_come_back(name):
    random = np.random.default_rng(7)
    labels = np.arange(600) % 3
    X = np.empty((600, 6))
    for k in range(3):
        spread = np.linalg.cholesky(random_covariance(random, 6)).T
        X[labels == k] = random.normal(size=(200, 6)) @ spread + 2.5 * k
    X *= 10.0 ** np.linspace(-3, 3, 6)
    model = GaussianMixture(
        3, covariance_type=name, init_params=labels, reg_covar=0, tol=1e-9
    ).fit(X)
    assert np.diff(model.lower_bounds_).min() > 0
    again = GaussianMixture.from_parameters(
        *(model.weights_, model.means_, model.covariances_), covariance_type=name
    )
    assert np.array_equal(again.covariances_, model.covariances_)
