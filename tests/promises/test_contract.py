"""Hard rows: the right number, or an error or a warning that says what is wrong.

A row of a table in ``tests/contract_cases.py`` is a test for each covariance type, and
what is right comes from ``tests/exact.py``. Rows, weights and parameters that cannot be
used at all are in ``tests/test_bad_input.py``.
"""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastem import GaussianMixture, RegularizationWarning, SingularCovarianceError
from fastem.covariances import STRUCTURES
from tests import reference
from tests.mixtures import IN_SHORT, draw, random_mixture, start_of
from tests.promises import exact
from tests.promises.contract_cases import DEGENERATE, PLACES, SHARED
from tests.reference import Mixture

ITERATIONS = 4
EPS = np.finfo(np.float64).eps


def fit(X, start, **options):
    """A short fit, and what it warned of, other than of being short."""
    parameters = {"tol": 0, "max_iter": ITERATIONS, **options}
    model = GaussianMixture(**start, **parameters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", ".*did not converge", ConvergenceWarning)
        model.fit(X)
    return model, [warning.message for warning in caught]


def deviations(mixture):
    return np.sqrt(reference.diagonals(mixture.covariances))


def condition(mixture):
    """The largest condition number of a covariance scaled to variances of 1."""
    scales = deviations(mixture)
    scaled = mixture.covariances / scales[:, :, np.newaxis] / scales[:, np.newaxis]
    return np.linalg.cond(scaled.astype(np.float64)).max()


def assert_right(model, X, expected, name, unit, blur):
    """Parameters and every answer are what the exact fit says.

    ``unit`` is the relative rounding of the arithmetic, that of log-densities too;
    ``blur`` what rounding of the values themselves is, in standard deviations.
    """
    mixture = expected.mixture
    K, D = mixture.means.shape
    unit, blur = float(unit), float(blur)
    largest = float(np.abs(expected.log_densities).max())
    tolerance = unit * (32 + largest) + 4 * blur
    scales = deviations(mixture)
    assert model.weights_ == pytest.approx(
        mixture.weights.astype(float), rel=0, abs=tolerance
    )
    assert np.abs((model.means_ - mixture.means) / scales).max() <= tolerance
    dense = STRUCTURES[name].representation.expand(model.covariances_, K, D)
    difference = (dense - mixture.covariances) / scales[:, :, None] / scales[:, None]
    assert np.abs(difference).max() <= tolerance

    tolerance = 16 * unit * (1 + largest) + 16 * blur
    assert model.lower_bounds_ == pytest.approx(
        expected.lower_bounds.astype(float), rel=0, abs=tolerance
    )
    log_densities, probabilities = model.score_samples(X), model.predict_proba(X)
    assert np.abs(log_densities - expected.log_densities).max() <= tolerance
    assert np.abs(probabilities - expected.probabilities).max() <= tolerance
    mean = float(expected.log_densities.mean())
    assert model.score(X) == pytest.approx(mean, rel=0, abs=tolerance)
    n_parameters = STRUCTURES[name].n_parameters(K, D) + K * D + K - 1
    for criterion, price in ((model.bic, np.log(len(X))), (model.aic, 2)):
        assert criterion(X) == pytest.approx(
            price * n_parameters - 2 * len(X) * mean, abs=2 * len(X) * tolerance
        )
    ranked = np.sort(expected.probabilities, axis=1)
    clear = ranked[:, -1] - (ranked[:, -2] if K > 1 else 0) > 2 * tolerance
    assert clear.mean() > 0.9
    labels = expected.probabilities.argmax(axis=1)
    assert np.array_equal(model.predict(X)[clear], labels[clear])


# Scale and shift


@pytest.mark.parametrize("where", PLACES)
def test_answers_do_not_depend_on_where_rows_are_and_in_which_unit(
    covariance_type, where
):
    place = PLACES[where]
    X, start = place.rows_and_start(covariance_type)
    model, warned = fit(X, place.arguments(start, covariance_type), reg_covar=0)
    assert not warned
    assert model.n_iter_ == ITERATIONS
    expected = exact.fit(X, start, covariance_type, ITERATIONS)
    smallest = (
        max(place.scales) if covariance_type == "spherical" else min(place.scales)
    )
    blur = EPS * abs(place.offset) / smallest
    unit = np.finfo(place.dtype).eps
    assert_right(model, X, expected, covariance_type, unit, blur)


def times_and_durations(n_rows=600):
    """Nanoseconds since 1970, in a year in which two processes ran, and durations."""
    random = np.random.default_rng(1)
    late = np.arange(n_rows) % 3 == 0
    begun = 1_700_000_000_000_000_000 + random.integers(0, 10**15, n_rows)
    begun[late] += 25 * 10**15
    return np.stack([begun, random.integers(10**6, 10**9, n_rows)], axis=1)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float64, np.longdouble])
def test_timestamps_in_nanoseconds_are_numbers_like_others(covariance_type, dtype):
    X = times_and_durations().astype(dtype)
    spread = np.array([1e15, 1e9])
    if covariance_type == "spherical":
        spread[:] = 1e15
    means = np.array([[1.7005e18, 5e8], [1.7255e18, 5e8]])
    start = Mixture(np.array([0.5, 0.5]), means, np.stack([np.diag(spread**2)] * 2))
    model, warned = fit(X, start_of(start, covariance_type))
    assert not warned
    as_read = X.astype(np.float64)  # exact to 128 ns
    expected = exact.fit(as_read, start, covariance_type, model.n_iter_)
    assert_right(model, X, expected, covariance_type, EPS, EPS * 1.7e18 / 2e14)
    assert model.predict(X).sum() == len(X) / 3


@pytest.mark.parametrize(("dtype", "gap"), [(np.float64, 1e8), (np.float32, 1e3)])
def test_groups_many_deviations_apart_are_right(covariance_type, dtype, gap):
    random = np.random.default_rng(2)
    labels = np.arange(600) % 2
    X = (random.normal(size=(600, 2)) + gap * labels[:, np.newaxis]).astype(dtype)
    start = Mixture(
        np.array([0.5, 0.5]),
        np.array([[0.0, 0.0], [gap, gap]]),
        np.stack([np.eye(2)] * 2),
    )
    model, warned = fit(X, start_of(start, covariance_type), reg_covar=0)
    assert not warned
    expected = exact.fit(X, start, covariance_type, model.n_iter_)
    unit = np.finfo(dtype).eps
    assert_right(model, X, expected, covariance_type, unit, unit * gap)
    assert np.array_equal(model.predict(X), labels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("distance", [1e3, 1e6, 1e10, 1e15])
def test_rows_far_from_all_components_have_probabilities(
    covariance_type, distance, dtype
):
    random = np.random.default_rng(3)
    mixture = random_mixture(random, covariance_type, 3, 2)
    model = GaussianMixture(**start_of(mixture, covariance_type), max_iter=0)
    model.fit(draw(random, mixture, 50))
    far = (distance * random.normal(size=(200, 2))).astype(dtype)
    probabilities, log_densities = exact.answers(far, mixture, covariance_type)
    unit = float(np.finfo(dtype).eps)
    actual = model.score_samples(far)
    assert actual == pytest.approx(log_densities.astype(dtype), rel=64 * unit)
    actual = model.predict_proba(far)
    assert actual.sum(axis=1) == pytest.approx(np.ones(200), abs=8 * unit)
    # Between two components rounding of the squared distances may decide.
    values = reference.weighted_log_densities(far.astype(np.longdouble), mixture)
    values = np.sort(values, axis=1)
    clear = values[:, -1] - values[:, -2] > 1000 * unit * np.abs(values[:, -1]) + 40
    assert clear.any() or covariance_type in SHARED
    assert actual[clear] == pytest.approx(probabilities[clear], abs=1e-6)
    labels = probabilities.argmax(axis=1)
    assert np.array_equal(model.predict(far)[clear], labels[clear])


@pytest.mark.parametrize(
    ("dtype", "size", "n_rows"),
    [(np.float64, 1e152, 20_000), (np.float32, 7e17, 200)],
)
def test_values_whose_squares_have_no_sum_are_named_with_their_column(
    covariance_type, dtype, size, n_rows
):
    X = np.random.default_rng(4).choice([-1.0, 1.0], size=(n_rows, 3))
    X[:, 1] *= size
    model = GaussianMixture(covariance_type=covariance_type)
    with pytest.raises(ValueError, match=r"too large .* column 1\. Scale"):
        model.fit(X.astype(dtype))
    # A tenth of it is fine.
    X[:, 1] *= 0.1
    X = X.astype(dtype)
    model.set_params(reg_covar=0).fit(X)
    assert model.covariances_.max() == pytest.approx(
        (size / 10) ** 2 / (3 if covariance_type == "spherical" else 1), rel=1e-2
    )


# Rows that do not spread in all columns


def ridge_for(X, reg_covar):
    """What is to be added to the variances, (D,)."""
    if reg_covar != "relative":
        return np.full(X.shape[1], float(reg_covar))
    variances = X.astype(np.longdouble).var(axis=0)
    varies = variances > (1e-14 * np.abs(X).max(axis=0)) ** 2
    rest = variances[varies].mean() if varies.any() else 1.0
    return 1e-6 * np.where(varies, variances, rest).astype(float)


def rounding(X, expected):
    """``unit`` and ``blur`` of a fit whose covariances are not well-conditioned.

    The sums of a shared covariance are taken about the mean of all rows, and so lose
    what groups are apart.
    """
    mixture = expected.mixture
    shrinks = (X.astype(np.longdouble).var(axis=0) / deviations(mixture) ** 2).max()
    is_shared = (mixture.covariances == mixture.covariances[0]).all()
    unit = EPS * condition(mixture) * (max(1, shrinks) if is_shared else 1)
    return unit, EPS * np.abs(X).max() / deviations(mixture).min()


@pytest.mark.parametrize("what", DEGENERATE)
def test_without_a_ridge_what_has_no_spread_is_named(covariance_type, what):
    case = DEGENERATE[what]
    singular = case.singular.get(covariance_type)
    start = case.start(covariance_type)
    arguments = start_of(start, covariance_type)
    if singular is None:
        model, warned = fit(case.X, arguments, reg_covar=0)
        assert not warned
        expected = exact.fit(case.X, start, covariance_type, model.n_iter_)
        assert_right(
            model, case.X, expected, covariance_type, *rounding(case.X, expected)
        )
        return
    with pytest.raises(SingularCovarianceError) as raised:
        fit(case.X, arguments, reg_covar=0)
    error = raised.value
    n_rows = len(case.X)
    if singular.component is not None:
        n_rows = int((case.labels == singular.component).sum())
    assert (error.component, error.constant_columns, error.collinear_columns) == (
        singular
    )
    assert error.columns == tuple(sorted(singular.constant + singular.collinear))
    assert error.n_rows == pytest.approx(n_rows, rel=1e-12)
    assert error.weight == pytest.approx(n_rows / len(case.X), rel=1e-12)
    assert error.n_features == case.X.shape[1]
    assert error.condition_number > 1e12
    assert np.isinf(error.condition_number) or not singular.constant
    text = str(error)
    assert "is singular" in text
    # All columns have no spread where whole rows are equal.
    some_columns = 0 < len(error.columns) < case.X.shape[1]
    assert ("leave such columns out" in text.lower()) == some_columns
    repeats = some_columns and bool(singular.constant)
    assert bool(error.repeated) == repeats
    is_short = bool(singular.collinear) and n_rows <= case.X.shape[1]
    is_always = singular.component != 1 and some_columns and not is_short
    assert ("fewer components" in text) == (
        not (repeats or is_always)
        and (case.n_components > 1 or covariance_type in SHARED)
    )
    assert "raise reg_covar" in text.lower()
    assert ("constant" in text) == bool(singular.constant)
    is_copy = what in ("a duplicated column", "a column in another unit")
    if is_copy and singular.collinear:
        assert f"column 2 is a copy of column {int('unit' in what)} (in any" in text
    assert ("linear combination" in text) == (bool(singular.collinear) and not is_copy)
    assert all(str(column) in text for column in error.columns)
    assert error.columns or "its rows do not differ" in text
    assert ("on_collapse='drop'" in text) == (
        singular.component is not None and case.n_components > 1 and not is_always
    )
    # Where there are no more rows than columns, more rows are what is missing.
    assert (f"need more than {case.X.shape[1]} rows" in text) == is_short


def shares_of(mixture, ridge):
    """The ridge's share of what each column varies, given the others: (K, D)."""
    variances = [
        1 / np.diag(np.linalg.inv(c)) for c in mixture.covariances.astype(float)
    ]
    return ridge / np.array(variances)


@pytest.mark.parametrize("reg_covar", [1e-6, "relative", 1e-2])
@pytest.mark.parametrize("what", DEGENERATE)
def test_with_a_ridge_the_fit_is_right_and_what_rests_on_the_ridge_is_named(
    covariance_type, what, reg_covar
):
    case = DEGENERATE[what]
    start = case.start(covariance_type)
    arguments = start_of(start, covariance_type)
    model, warned = fit(case.X, arguments, reg_covar=reg_covar)
    ridge = ridge_for(case.X, reg_covar)
    if covariance_type == "spherical":
        ridge = np.full_like(ridge, ridge.mean())
    expected = exact.fit(case.X, start, covariance_type, model.n_iter_, ridge)
    assert_right(model, case.X, expected, covariance_type, *rounding(case.X, expected))
    shares = shares_of(expected.mixture, ridge)
    noticeable = shares > 0.01
    assert bool(warned) == noticeable.any()
    # Whatever has no spread without a ridge is named with one.
    assert bool(warned) >= (covariance_type in case.singular)
    if not warned:
        return
    (warning,) = warned
    assert isinstance(warning, RegularizationWarning)
    known = warning.degeneracy
    assert warning.share == pytest.approx(shares.max(), rel=1e-6)
    # Equal shares may be told apart by rounding.
    worst = known.component if covariance_type not in SHARED else 0
    assert shares[worst].max() == pytest.approx(shares.max(), rel=1e-6)
    assert known.columns == tuple(np.flatnonzero(noticeable[worst]))
    n_affected = int(noticeable.any(axis=1).sum())
    assert warning.n_affected == (1 if covariance_type in SHARED else n_affected)
    assert f"reg_covar={reg_covar!r} is" in str(warning)
    assert "The answer depends on reg_covar: " in str(warning)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_columns", [1, 3])
def test_a_spike_is_named_at_once_whatever_the_type(covariance_type, dtype, n_columns):
    # What rounding leaves of distances differs from one number to the next.
    # One group without spread is no harm to a covariance that is shared.
    n_groups = 1 if covariance_type in SHARED else 2
    labels = np.arange(400) % n_groups
    random = np.random.default_rng(5)
    for value in random.uniform(-3, 3, size=20):
        X = random.normal(50, 1, size=(400, n_columns))
        X[labels == 0] = value
        X = X.astype(dtype)
        means = [X[labels == k].astype(float).mean(axis=0) for k in range(n_groups)]
        covariances = np.stack([np.eye(n_columns)] * n_groups)
        start = Mixture(np.full(n_groups, 1 / n_groups), np.stack(means), covariances)
        with pytest.raises(SingularCovarianceError) as raised:
            fit(X, start_of(start, covariance_type), reg_covar=0, max_iter=1)
        error = raised.value
        assert error.component == (None if covariance_type in SHARED else 0)
        names_columns = covariance_type != "spherical" or n_columns == 1
        assert error.columns == tuple(range(n_columns) if names_columns else ())


# Policies


@pytest.mark.parametrize("policy", ["drop", "reseed"])
@pytest.mark.parametrize("reg_covar", [0, 1e-6, "relative"])
@pytest.mark.parametrize(
    "what",
    ["nine tenths zeros", "one huge outlier", "a component with one row"],
)
def test_a_collapse_may_be_mended(covariance_type, what, reg_covar, policy):
    case = DEGENERATE[what]
    if what == "one huge outlier" and reg_covar == "relative":
        reg_covar = 1e-3  # the outlier's share of the variance is all of it
    arguments = start_of(case.start(covariance_type), covariance_type)
    options = {"reg_covar": reg_covar, "on_collapse": policy, "random_state": 0}
    if covariance_type in SHARED:
        model, warned = fit(case.X, arguments, **options)
        assert model.collapses_ == []
        assert len(model.weights_) == 2
        return
    singular = case.singular[covariance_type]
    if policy == "drop":
        model, warned = fit(case.X, arguments, **options)
        (warning,) = warned
        assert "on_collapse='drop' left out what collapsed" in str(warning)
        (collapse,) = model.collapses_
        assert collapse.action == "dropped"
        assert collapse.iteration == 1
        # What is left is one component: the mean and variance of all rows.
        assert model.means_ == pytest.approx(case.X.mean(axis=0)[None], rel=1e-12)
    else:
        model, _ = fit(case.X, arguments, **options)
        collapse = model.collapses_[0]
        assert collapse.action == "reseeded"
        assert len(model.weights_) == 2
    assert collapse.degeneracy.component == singular.component
    n_rows = (case.labels == singular.component).sum()
    assert collapse.degeneracy.n_rows == pytest.approx(n_rows)
    assert collapse.degeneracy.weight == pytest.approx(n_rows / len(case.X))


# Numbers of any type


TYPES = [
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("bool", "float16", "float32", "float64", "longdouble", ">f8", ">i2", "object"),
]


def whole_numbers(dtype):
    """Rows that a type can hold, up to the limits of 8 bits, and a mixture of them."""
    random = np.random.default_rng(6)
    mixture = random_mixture(random, "full", 3, 2, spread=1)
    X = np.rint(20 * draw(random, mixture, 300))
    kind = np.dtype(dtype).kind
    X = X.clip(0, 255) if kind == "u" else X.clip(-128, 127)
    if kind == "b":
        return X > 0, mixture
    start = Mixture(mixture.weights, 20 * mixture.means, 400 * mixture.covariances)
    return X.astype(dtype), start


def in_structure(mixture, name):
    structure = reference.STRUCTURES[name]
    covariances = structure.estimate(np.ones(len(mixture.weights)), mixture.covariances)
    return mixture._replace(covariances=covariances)


EXPECTED = {
    "predict": lambda p, logs, n: p.argmax(axis=1),
    "predict_proba": lambda p, logs, n: p,
    "score_samples": lambda p, logs, n: logs,
    "score": lambda p, logs, n: logs.mean(),
    "bic": lambda p, logs, n: n * np.log(len(logs)) - 2 * logs.sum(),
    "aic": lambda p, logs, n: 2 * n - 2 * logs.sum(),
}


@pytest.mark.parametrize("method", EXPECTED)
@pytest.mark.parametrize("dtype", TYPES)
def test_answers_are_those_of_the_numbers_whatever_their_type(
    covariance_type, dtype, method
):
    X, mixture = whole_numbers(dtype)
    mixture = in_structure(mixture, covariance_type)
    model = GaussianMixture.from_parameters(
        mixture.weights,
        mixture.means,
        reference.STRUCTURES[covariance_type].compact(mixture.covariances),
        covariance_type=covariance_type,
    )
    numbers = X.astype(np.float64)
    probabilities, log_densities = exact.answers(numbers, mixture, covariance_type)
    n_parameters = STRUCTURES[covariance_type].n_parameters(3, 2) + 3 * 2 + 2
    expected = EXPECTED[method](probabilities, log_densities, n_parameters)
    actual = getattr(model, method)(X)
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(
        np.asarray(actual, dtype=np.float64),
        np.asarray(expected, dtype=np.float64),
        rtol=tolerance,
        atol=tolerance,
    )


@pytest.mark.parametrize("method", ["fit", "fit_predict"])
@pytest.mark.parametrize("dtype", TYPES)
def test_fits_are_those_of_the_numbers_whatever_their_type(
    covariance_type, dtype, method
):
    X, mixture = whole_numbers(dtype)
    mixture = in_structure(mixture, covariance_type)
    model = GaussianMixture(
        **start_of(mixture, covariance_type), max_iter=3, tol=0, reg_covar=0.5
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RegularizationWarning)
        labels = getattr(model, method)(X)
    numbers = X.astype(np.float64)
    expected = exact.fit(numbers, mixture, covariance_type, 3, 0.5)
    unit = np.finfo(dtype).eps if dtype == "float32" else EPS
    assert_right(model, X, expected, covariance_type, unit, 0.0)
    if method == "fit_predict":
        assert np.array_equal(labels, model.predict(X))


# Fits that fail, and restarts of which some do


FAILURES = [(what, name) for what, case in DEGENERATE.items() for name in case.singular]


@pytest.mark.parametrize(("what", "name"), FAILURES)
def test_a_model_is_whole_after_a_fit_that_fails(what, name):
    case = DEGENERATE[what]
    arguments = start_of(case.start(name), name)
    model, _ = fit(case.X, arguments, reg_covar=1e-2)
    model.set_params(reg_covar=0)
    before, answers = dict(vars(model)), model.score_samples(case.X)
    for method in (model.fit, model.fit_predict):
        with pytest.raises(SingularCovarianceError):
            method(case.X)
        with pytest.raises(ValueError, match="means_init"):
            method(np.hstack([case.X, case.X]))
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[key] is value for key, value in before.items())
    np.testing.assert_array_equal(model.score_samples(case.X), answers)


def spiked_rows():
    """Rows of which k-means sometimes makes a cluster of the ones that are equal."""
    random = np.random.default_rng(7)
    X = random.normal(size=(120, 2)) * 3
    X[:15] = (1.0, 1.0)
    return X


def outcome(model, X):
    """The lower bound, or None where the fit is singular."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return model.fit(X).lower_bound_
        except SingularCovarianceError:
            return None


@pytest.mark.parametrize("name", sorted(set(IN_SHORT) - set(SHARED)))
def test_singular_restarts_are_counted_and_the_best_of_the_others_is_kept(name):
    X, n_init = spiked_rows(), 12
    options = {"n_components": 5, "covariance_type": name, "reg_covar": 0}
    random_state = np.random.RandomState(0)
    single = GaussianMixture(**options, random_state=random_state)
    bounds = [outcome(single, X) for _ in range(n_init)]
    regular = [bound for bound in bounds if bound is not None]
    n_singular = n_init - len(regular)
    assert 0 < n_singular < n_init  # else the rows say nothing
    model = GaussianMixture(
        **options, n_init=n_init, random_state=np.random.RandomState(0)
    )
    with pytest.warns(ConvergenceWarning, match="Left out") as caught:
        model.fit(X)
    assert any(f"{n_singular} initialisations" in str(w.message) for w in caught)
    assert {warning.filename for warning in caught} == {__file__}
    assert model.lower_bound_ == max(regular)


def test_if_all_restarts_are_singular_the_first_one_says_why(covariance_type):
    case = DEGENERATE["all rows identical"]
    model = GaussianMixture(covariance_type=covariance_type, n_init=5, reg_covar=0)
    with pytest.raises(SingularCovarianceError, match=r"50 rows|share"):
        model.fit(case.X)
    assert not hasattr(model, "weights_")


# Repeated rows, long tails


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("times", [2, 100])
def test_long_tails_and_repeated_rows_have_the_optimum_of_single_rows(
    covariance_type, times, dtype
):
    random = np.random.default_rng(8)
    X = random.standard_cauchy(size=(300, 2)).astype(dtype)
    spread = np.quantile(np.abs(X), 0.9) ** 2
    start = Mixture(
        np.array([0.5, 0.5]),
        X[[0, 1]].astype(float),
        np.stack([spread * np.eye(2)] * 2),
    )
    model, warned = fit(
        np.tile(X, (times, 1)), start_of(start, covariance_type), reg_covar=0
    )
    assert not warned
    expected = exact.fit(X, start, covariance_type, model.n_iter_)
    unit = rounding(X, expected)[0] / EPS * np.finfo(dtype).eps
    assert_right(model, X, expected, covariance_type, unit, 0.0)


# Convergence


def overlapping_rows():
    place = PLACES["+ 0"]
    return place.rows_and_start("full", n_rows=300)[0]


@pytest.mark.parametrize("max_iter", [3, 200])
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
def test_it_converges_when_the_gain_is_below_tol_and_not_before(
    covariance_type, tol, max_iter
):
    X = overlapping_rows()
    start = PLACES["+ 0"].rows_and_start(covariance_type, n_rows=300)[1]
    _, bounds = reference.iterate(X, start, covariance_type, 0, max_iter)
    small = np.flatnonzero(np.abs(np.diff(bounds)) < tol)
    n_iter = small[0] + 2 if len(small) else max_iter
    model, _ = fit(
        X, start_of(start, covariance_type), reg_covar=0, tol=tol, max_iter=max_iter
    )
    assert model.converged_ == bool(len(small))
    assert model.n_iter_ == n_iter == len(model.lower_bounds_)
    np.testing.assert_allclose(model.lower_bounds_, bounds[:n_iter], rtol=1e-10)
    if model.converged_:
        return
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X)
    text = str(caught[0].message)
    change = bounds[-1] - bounds[-2]
    assert f"did not converge. After {max_iter} iterations" in text
    assert f"changed by {change:.1e}" in text
    assert f"tol is {tol:g}" in text
    assert "Increase max_iter or tol, or try another start" in text


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stopping", ["change", "remaining_gain"])
def test_a_tol_of_zero_ends_at_the_rounding_floor_and_says_so(
    covariance_type, stopping, dtype
):
    X = overlapping_rows().astype(dtype)
    start = PLACES["+ 0"].rows_and_start(covariance_type, n_rows=300)[1]
    model, warned = fit(
        X,
        start_of(start, covariance_type),
        reg_covar=0,
        stopping=stopping,
        max_iter=20_000,
    )
    assert not warned
    assert model.converged_
    assert model.n_iter_ < 20_000
    assert model.convergence_.at_rounding
    assert "no more than rounding is left to gain" in str(model.convergence_)
    # Nothing is left to gain: the gradient of the log-likelihood is none.
    mixture = Mixture(
        model.weights_,
        model.means_,
        STRUCTURES[covariance_type].representation.expand(model.covariances_, 3, 3),
    )
    (after, _), scales = (
        reference.iterate(X.astype(float), mixture, covariance_type, 0, 1),
        deviations(mixture),
    )
    slack = 1e-4 if dtype is np.float64 else 0.2
    assert np.abs((after.means - mixture.means) / scales).max() < slack


@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize("max_iter", [0, 1, 2])
def test_few_iterations_leave_a_usable_model(covariance_type, max_iter, accelerate):
    X = overlapping_rows()
    start = PLACES["+ 0"].rows_and_start(covariance_type, n_rows=300)[1]
    model, _ = fit(
        X,
        start_of(start, covariance_type),
        reg_covar=0,
        max_iter=max_iter,
        accelerate=accelerate,
    )
    expected = exact.fit(X, start, covariance_type, max_iter)
    assert_right(model, X, expected, covariance_type, EPS, 0.0)
    assert not model.converged_
    assert len(model.lower_bounds_) == model.n_iter_ == max_iter


# Starts that EM cannot leave


def test_components_that_start_alike_are_told(covariance_type):
    X = overlapping_rows()
    start = PLACES["+ 0"].rows_and_start(covariance_type, n_rows=300)[1]
    means, covariances = start.means.copy(), start.covariances.copy()
    means[2], covariances[2] = means[0], covariances[0]
    start = start._replace(means=means, covariances=covariances)
    alike = start_of(start, covariance_type)
    _, warned = fit(X, alike, reg_covar=0)
    (warning,) = warned
    assert isinstance(warning, ConvergenceWarning)
    assert str(warning).startswith("Components start with the same mean and covariance")
    assert "EM moves 0 and 2 alike" in str(warning)
    assert "means_init" in str(warning)
