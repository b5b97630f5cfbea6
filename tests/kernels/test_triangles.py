"""What bounds ask of triangular matrices: never less than it is, and not much more."""

import numpy as np
import pytest

from fastem.kernels.triangles import inverses, largest_change, sizes
from tests.mixtures import assert_close

K = 3


@pytest.fixture(params=[1, 7, 16, 17, 40])
def triangles(request, random):
    D = request.param
    return np.eye(D) + np.tril(0.1 * random.normal(size=(K, D, D)))


def test_the_inverse_is_one(triangles):
    ones = np.broadcast_to(np.eye(triangles.shape[-1]), triangles.shape)
    assert_close(triangles @ inverses(triangles), ones, 1e-12)


def test_a_size_is_no_less_than_the_norm(triangles):
    other = triangles[::-1]
    norms = np.linalg.norm(np.abs(triangles) @ np.abs(other), 2, axis=(1, 2))
    found = sizes(triangles, other)
    assert (found >= norms * (1 - 1e-12)).all()
    assert (found < 2 * norms).all()


def test_the_largest_change_is_no_less_than_that_of_an_eigenvalue(triangles):
    products = triangles @ triangles.transpose(0, 2, 1)
    changes = np.abs(np.linalg.eigvalsh(products) - 1).max(axis=1)
    found = largest_change(products)
    assert (found >= changes * (1 - 1e-12)).all()
    assert (found < 1.6 * changes + 1e-12).all()
