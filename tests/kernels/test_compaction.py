"""Rows that leave components: labels to the last bit, and densities to an ulp."""

import numpy as np
import pytest

from fastem import kernels
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.kernels import compaction, launch, leaving
from fastem.kernels.outputs import Labels, LogLikelihoods
from tests import reference
from tests.mixtures import (
    draw,
    parameters_of,
    random_mixture,
    with_noise,
    with_tails,
)

FULL = STRUCTURES["full"].representation
EPS = np.finfo(np.float64).eps
FEWEST_FOR_DENSITIES = leaving._FEWEST_FOR_DENSITIES
# A kernel takes seconds to compile.
NARROW = pytest.param("float32", marks=pytest.mark.exhaustive)


def factors_of(mixture, dtype="float64"):
    return FULL.factors(parameters_of(mixture, "full"), np.dtype(dtype))


def rows_of(random, mixture, n_rows, dtype="float64"):
    return read_only(draw(random, mixture, n_rows).astype(dtype))


@pytest.fixture(autouse=True)
def densities_of_few_columns(monkeypatch):
    """For densities rows leave with as few columns as for labels: they are the same."""
    monkeypatch.setattr(leaving, "_FEWEST_FOR_DENSITIES", 4)


@pytest.fixture
def of_any_size(monkeypatch):
    """Rows leave whatever the number of columns, of four or more."""
    monkeypatch.setattr(leaving, "_FEWEST_COLUMNS", 4)
    monkeypatch.setattr(leaving, "_FEWEST_COMPONENTS", 1)


def let_leave(X, factors, output, cutoff):
    """Have rows leave from the first tile on; return the share of the work."""
    when = leaving.leaving_of(factors, cutoff)
    space = compaction.compact_space(factors, when, np.array([-1, 1]), len(X))
    sums = np.empty((-(-len(X) // kernels.CHUNK_ROWS), 1))
    compaction.compact_chunks(X, factors, output, when, space, 0, len(X), sums)
    return sums.sum() / len(X)


def assert_same_labels(X, factors):
    expected = np.empty(len(X), np.intp)
    launch.answer_rows(X, factors, Labels(expected))
    actual = np.empty(len(X), np.intp)
    share = let_leave(X, factors, Labels(actual), 0.0)
    np.testing.assert_array_equal(actual, expected)
    return share, expected


def assert_same_densities(X, factors):
    """The bits of all terms that count, and to rounding the sum of all terms."""
    cutoff = leaving.cutoff_of_densities(factors)
    some, found, everything = (np.empty(len(X), X.dtype) for _ in range(3))
    launch.answer_rows(X, factors, LogLikelihoods(some, -cutoff))
    let_leave(X, factors, LogLikelihoods(found, -cutoff), cutoff)
    np.testing.assert_array_equal(found, some)
    launch.answer_rows(X, factors, LogLikelihoods(everything))
    ulp = 2 * np.finfo(factors.means.dtype).eps
    np.testing.assert_allclose(found, everything, rtol=ulp, atol=ulp)
    return found


@pytest.mark.interpreted
@pytest.mark.parametrize("spread", [0.3, 4], ids=["overlapping", "clustered"])
def test_few_rows_are_answered_as_by_all_pairs(random, spread):
    mixture = random_mixture(random, "full", 6, 17, spread)
    X, factors = rows_of(random, mixture, 70), factors_of(mixture)
    assert_same_labels(X, factors)
    assert_same_densities(X, factors)


@pytest.mark.parametrize("dtype", ["float64", NARROW])
@pytest.mark.parametrize("spread", [0.3, 1.5, 6])
@pytest.mark.parametrize("D", [4, 5, 6, 7, 8, 16, 19, 24, 40])
def test_answers_are_those_by_all_pairs(random, of_any_size, D, spread, dtype):
    for K in (1, 2, 5, 16, 70):
        mixture = random_mixture(random, "full", K, D, spread)
        X = rows_of(random, mixture, 1100 + D, dtype)
        share, labels = assert_same_labels(X, factors_of(mixture, dtype))
        assert_same_densities(X, factors_of(mixture, dtype))
        if spread == 6 and K >= 16 and D >= 16:
            # The test must not pass because nothing is left out.
            assert share < 0.3
            assert len(np.unique(labels)) == K


def test_labels_and_densities_are_those_of_the_twin(random):
    mixture = random_mixture(random, "full", 12, 18, 4)
    X, factors = rows_of(random, mixture, 2500), factors_of(mixture)
    labels, log_densities = (np.empty(len(X), t) for t in (np.intp, X.dtype))
    assert let_leave(X, factors, Labels(labels), 0.0) < 0.6
    cutoff = leaving.cutoff_of_densities(factors)
    let_leave(X, factors, LogLikelihoods(log_densities, -cutoff), cutoff)
    np.testing.assert_array_equal(labels, reference.predict(X, mixture))
    twins = reference.score_samples(X, mixture)
    np.testing.assert_allclose(log_densities, twins, rtol=1e-13)


def test_passes_let_rows_leave_where_that_pays(random):
    mixture = random_mixture(random, "full", 16, 16, 6)
    X, factors = rows_of(random, mixture, 5000), factors_of(mixture)
    for cutoff in (0.0, leaving.cutoff_of_densities(factors)):
        when = leaving.leaving_of(factors, cutoff)
        output = Labels(np.empty(len(X), np.intp))
        share = launch.answer_rows_that_leave(X, factors, output, when, 1)
        # But for a first tile, with and without further columns of the guesses.
        assert 0.1 < share < 0.5
        np.testing.assert_array_equal(output.out, kernels.label_pass(X, factors, 2))


def test_passes_compute_all_pairs_where_all_count(random):
    mixture = random_mixture(random, "full", 8, 16, 0.1)
    X, factors = rows_of(random, mixture, 5000), factors_of(mixture)
    output = Labels(np.empty(len(X), np.intp))
    when = leaving.leaving_of(factors, 0.0)
    assert launch.answer_rows_that_leave(X, factors, output, when, 1) < 1.02


def test_a_density_has_the_same_bits_whichever_rows_lie_beside_it(random, monkeypatch):
    """Cut anywhere, computed in full or not, by any number of threads."""
    monkeypatch.setattr(launch, "_LEAST_WORK", 2e7)
    mixture = random_mixture(random, "full", 24, 32, 4)
    X, factors = rows_of(random, mixture, 6000), factors_of(mixture)
    whole = kernels.log_likelihood_pass(X, factors, 1)
    np.testing.assert_array_equal(kernels.log_likelihood_pass(X, factors, 2), whole)
    for cut in (100, 777, 3000):
        parts = [
            kernels.log_likelihood_pass(read_only(part.copy()), factors)
            for part in (X[:cut], X[cut:])
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_first_of_equally_likely_components_is_chosen(random):
    mixture = random_mixture(random, "full", 5, 16, 3)
    doubled = reference.Mixture(*(np.concatenate([part] * 3) for part in mixture))
    doubled.weights[:] = np.concatenate([mixture.weights] * 3) / 3
    X = rows_of(random, mixture, 1500)
    _, labels = assert_same_labels(X, factors_of(doubled))
    np.testing.assert_array_equal(np.unique(labels), np.arange(5))
    # Later copies that are as likely by the first columns, and less by the others.
    doubled.covariances[5:] *= np.where(np.arange(16) < 4, 1, 1.5)[:, np.newaxis] ** 0.5
    doubled.covariances[5:] *= np.where(np.arange(16) < 4, 1, 1.5) ** 0.5
    assert_same_labels(X, factors_of(doubled))


def test_empty_components_count_for_no_row(random):
    mixture = random_mixture(random, "full", 8, 16, 2)
    X = rows_of(random, mixture, 1500)
    mixture.weights[[0, 3]] = 0
    factors = factors_of(mixture)
    _, labels = assert_same_labels(X, factors)
    assert not np.isin(labels, [0, 3]).any()
    assert_same_densities(X, factors)
    # Nothing is likely: the first one, as anywhere.
    none = factors._replace(log_normalizers=np.full(8, -np.inf))
    _, labels = assert_same_labels(X, none)
    assert not labels.any()


def test_the_background_takes_rows_that_no_component_reaches(random):
    mixture = with_noise(random_mixture(random, "full", 8, 16, 4), volume=1e18)
    X = draw(random, mixture, 3000)
    X[::3] = random.uniform(-9, 9, X[::3].shape)
    X, factors = read_only(X), factors_of(mixture)
    share, labels = assert_same_labels(X, factors)
    assert 900 < (labels == 8).sum() < 1500
    assert share < 0.7
    expected = np.where(labels == 8, kernels.BACKGROUND, labels)
    np.testing.assert_array_equal(kernels.label_pass(X, factors), expected)


@pytest.mark.parametrize("dtype", ["float64", NARROW])
def test_numbers_that_overflow_are_answered_as_by_all_pairs(random, dtype):
    mixture = random_mixture(random, "full", 6, 16, 2)
    factors = factors_of(mixture, dtype)
    X = draw(random, mixture, 1500).astype(dtype)
    root = np.sqrt(np.finfo(dtype).max)
    X[1100:1200] *= root / 50  # squares are numbers, and sums of squares are not all
    X[1200:1300] *= root
    X[1300, 15] = -np.finfo(dtype).max
    X[1301] = np.inf
    X[1302, 9] = np.nan
    with np.errstate(all="ignore"):
        assert_same_labels(read_only(X), factors)
    assert leaving.leaving_of(factors, 0.0).limit > 1e6


def test_models_whose_sums_overflow_let_no_row_leave(random):
    factors = factors_of(random_mixture(random, "full", 6, 16, 2))
    assert leaving.leaving_of(factors, 0.0) is not None
    for name, value in (
        ("whiteners", 1e200),
        ("whiteners", np.nan),
        ("means", np.inf),
        ("log_normalizers", np.inf),
        ("log_normalizers", np.nan),
    ):
        spoilt = getattr(factors, name).copy()
        spoilt.flat[0] = value
        spoilt = factors._replace(**{name: spoilt})
        assert leaving.leaving_of(spoilt, 0.0) is None, (name, value)


@pytest.mark.exhaustive
def test_narrow_rows_of_wide_factors(random):
    mixture = random_mixture(random, "full", 6, 16, 4)
    X = rows_of(random, mixture, 1500, "float32")
    share, _ = assert_same_labels(X, factors_of(mixture, "float64"))
    assert share < 0.7


def test_densities_need_more_columns_than_labels(random, monkeypatch):
    monkeypatch.setattr(leaving, "_FEWEST_FOR_DENSITIES", FEWEST_FOR_DENSITIES)
    for D in (FEWEST_FOR_DENSITIES - 1, FEWEST_FOR_DENSITIES):
        factors = factors_of(random_mixture(random, "full", 4, D))
        cutoff = leaving.cutoff_of_densities(factors)
        assert leaving.leaving_of(factors, 0.0) is not None
        when = leaving.leaving_of(factors, cutoff)
        assert (when is None) == (D < FEWEST_FOR_DENSITIES)


def test_other_mixtures_are_computed_in_full(random):
    few = random_mixture(random, "full", 8, 15)
    assert leaving.leaving_of(factors_of(few), 0.0) is None
    few = random_mixture(random, "full", 3, 16)
    assert leaving.leaving_of(factors_of(few), 0.0) is None
    tails = with_tails(random_mixture(random, "full", 8, 16), 5.0)
    assert leaving.leaving_of(factors_of(tails), 0.0) is None
    for name in ("tied", "diag", "spherical"):
        mixture = random_mixture(random, name, 8, 16)
        factors = STRUCTURES[name].representation.factors(
            parameters_of(mixture, name), np.dtype(np.float64)
        )
        assert leaving.leaving_of(factors, 0.0) is None


@pytest.mark.parametrize(
    ("D", "stages"),
    [(16, [4, 16]), (23, [4, 23]), (24, [4, 12, 24]), (72, [4, 12, 36, 72])],
)
def test_stages(random, D, stages):
    factors = factors_of(random_mixture(random, "full", 4, D))
    assert leaving.leaving_of(factors, 0.0).columns.tolist() == stages
