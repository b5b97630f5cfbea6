"""Tables of more than 2**31 elements, of which nearly all are zeros nobody wrote."""

import mmap
import sys

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastem import GaussianMixture, RegularizationWarning, kernels
from fastem.covariances import STRUCTURES
from fastem.kernels import passes
from fastem.kernels.outputs import Labels, LogLikelihoods, Probabilities
from fastem.kernels.tiles import tile_space
from tests.mixtures import OF_SCIKIT_LEARN

BEYOND = 2**31 + 2**20
# Memory that is reserved only when it is written to: Linux's MAP_NORESERVE, which
# Python 3.11 has no name for.
_NO_RESERVE = 0x4000

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="relies on Linux's page of zeros"
)


def zeros(shape, dtype=np.float32):
    """Zeros that take memory only where they are written to."""
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    pages = mmap.mmap(
        -1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
    )
    return np.frombuffer(pages, dtype).reshape(shape)


def two_components(n_columns):
    """One at zero and one at four, in every column."""
    means = np.repeat([[0.0], [4.0]], n_columns, axis=1)
    return GaussianMixture.from_parameters(
        [0.5, 0.5], means, [1.0, 1.0], covariance_type="spherical"
    )


@pytest.fixture
def wide():
    """More than 2**31 elements in 4096 columns; the last three rows are fours."""
    X = zeros((BEYOND // 4096, 4096))
    X[-3:] = 4
    assert X.size > 2**31
    return X


@pytest.mark.exhaustive
def test_the_last_rows_of_many_elements_are_predicted(wide):
    labels = two_components(4096).predict(wide)
    assert labels[:-3].max() == 0
    np.testing.assert_array_equal(labels[-3:], 1)


@pytest.mark.exhaustive
def test_the_last_rows_of_many_elements_count_in_a_fit(wide):
    model = two_components(4096).set_params(max_iter=1, tol=0, reg_covar=0.5)
    with pytest.warns(ConvergenceWarning), pytest.warns(RegularizationWarning):
        model.fit(wide)
    np.testing.assert_allclose(
        model.weights_, [1 - 3 / len(wide), 3 / len(wide)], rtol=1e-12
    )
    np.testing.assert_array_equal(model.means_, np.repeat([[0], [4]], 4096, axis=1))


def last_chunk(n_rows):
    """The rows of the last chunk."""
    return (n_rows - 1) // kernels.CHUNK_ROWS * kernels.CHUNK_ROWS, n_rows


@pytest.mark.parametrize(
    ("n_rows", "n_components", "n_columns"),
    [(2**31 + 5, 2, 1), (2**27 + 5, 17, 1), (BEYOND // 4096, 2, 4096)],
    ids=["N", "N x K", "N x D"],
)
def test_the_last_rows_of_very_many_are_written_where_they_belong(
    n_rows, n_components, n_columns
):
    X = zeros((n_rows, n_columns))
    X[-1] = 4.0 * (n_components - 1)
    means = np.repeat(4.0 * np.arange(n_components)[:, np.newaxis], n_columns, 1)
    model = GaussianMixture.from_parameters(
        np.full(n_components, 1 / n_components),
        means,
        np.ones(n_components),
        covariance_type="spherical",
    )
    factors = model._factors(X.dtype)
    start, stop = last_chunk(n_rows)
    view = X.view()
    view.flags.writeable = False
    labels = zeros(n_rows, np.intp)
    degrees = zeros((n_rows, n_components))
    densities = zeros(n_rows)
    for output in (Labels(labels), Probabilities(degrees), LogLikelihoods(densities)):
        space = tile_space(factors, stop - start)
        passes.row_chunks(view, factors, output, space, start, stop, np.empty((1, 0)))
    few = X[start:stop].copy()
    np.testing.assert_array_equal(labels[start:stop], model.predict(few))
    assert labels[-1] == n_components - 1
    np.testing.assert_array_equal(degrees[start:stop], model.predict_proba(few))
    np.testing.assert_array_equal(densities[start:stop], model.score_samples(few))
    # Nothing was written where a number of 32 bits would have pointed.
    assert not labels[: start - 1].reshape(-1)[::4096].any()
    assert not densities[: kernels.CHUNK_ROWS].any()


@pytest.mark.parametrize("name", OF_SCIKIT_LEARN)  # one of each representation
def test_the_last_rows_of_very_many_are_summed(name):
    n_rows = 2**31 + 5
    X = zeros((n_rows, 1))
    X[-5:] = [[1], [2], [3], [4], [5]]
    X.flags.writeable = False
    structure = STRUCTURES[name]
    model = GaussianMixture.from_parameters(
        [1.0],
        [[0.0]],
        np.ones(structure.representation.shape(1, 1)),
        covariance_type=name,
    )
    n_sums = 3 + 1 + structure.representation.scatter_size(1, 1)
    chunks = np.empty((1, n_sums))
    factors = model._factors(X.dtype)
    space = tile_space(factors, kernels.CHUNK_ROWS)
    passes.expectation_chunks(
        X, X[:0, 0], factors, None, space, n_rows - 5, n_rows, chunks
    )
    sums = chunks[0]
    log_densities = -0.5 * (np.arange(1, 6) ** 2 + np.log(2 * np.pi))
    np.testing.assert_allclose(sums[0], log_densities.sum(), rtol=1e-6)
    assert sums[2] == 5
    assert sums[3] == 15


def test_more_distinct_rows_than_can_be_numbered_are_left_unmerged():
    X = zeros((2**32 + 2, 1))
    assert kernels.merge_equal_rows(X, X[:0, 0], 0.5) is None
    indices, weights = kernels.merge_equal_rows(X[: 2**20], X[:0, 0], 0.5)
    assert (indices, weights) == ([0], [2**20])
