"""The threads of BLAS: they stay away from the small matrices of a fit."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from fastem import GaussianMixture
from fastem.covariances.representations import Matrices
from fastem.em.acceleration import _Secants

WATCHED = [
    *((Matrices, name) for name in ("cholesky", "gram", "invert", "inverse_factors")),
    (_Secants, "step"),
]


def watched(function, found):
    """The same, but how many threads BLAS has when it is called is put down."""

    def call(*arguments, **by_name):
        libraries = [b for b in threadpool_info() if b["user_api"] == "blas"]
        found.update(library["num_threads"] for library in libraries)
        return function(*arguments, **by_name)

    return call


@pytest.fixture
def seen(monkeypatch):
    """Of each watched function how many threads BLAS had when it was called."""
    seen = {name: set() for _, name in WATCHED}
    for owner, name in WATCHED:
        monkeypatch.setattr(owner, name, watched(getattr(owner, name), seen[name]))
    with threadpool_limits(2, user_api="blas"):
        yield seen


def test_one_thread_works_on_small_matrices_from_the_start_to_the_end(seen, random):
    X = random.normal(size=(200, 2))
    model = GaussianMixture(2, accelerate=True, tol=0, max_iter=6, random_state=0)
    with pytest.warns(match="did not converge"):
        model.fit(X)
    model.partial_fit(X)
    given = {"weights_init": [0.5, 0.5], "means_init": np.eye(2)}
    GaussianMixture(2, tol=9, precisions_init=np.array([np.eye(2)] * 2), **given).fit(X)
    assert seen == {name: {1} for _, name in WATCHED}
