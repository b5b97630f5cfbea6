"""pytest-benchmark of the kernels: ``pytest benchmarks/bench_kernels.py``.

Each pass by itself, without the estimator around it, on small problems: to see what
an edit of a kernel does. ``--benchmark-compare`` sets two runs side by side.
"""

from typing import Any

import numpy as np
import pytest

from benchmarks.problems import PROBLEMS, Problem, generate
from fastem import kernels
from fastem.covariances import STRUCTURES
from fastem.statistics import MixtureParameters

_SHORT = [problem for problem in PROBLEMS.values() if problem.is_short]
_ROW_PASSES = {
    "label": kernels.label_pass,
    "log-likelihood": kernels.log_likelihood_pass,
    "probability": kernels.probability_pass,
}


def _rows_and_factors(problem: Problem) -> tuple[np.ndarray, Any]:
    """What a pass takes, as the estimator would give it."""
    X, start = generate(problem)
    X.flags.writeable = False
    representation = STRUCTURES[problem.covariance_type].representation
    cholesky = representation.cholesky_of_precisions(start.precisions)
    parameters = MixtureParameters(
        start.weights, start.means, representation.invert(cholesky), cholesky
    )
    return X, representation.factors(parameters, X.dtype)


@pytest.mark.parametrize("problem", _SHORT, ids=lambda problem: problem.name)
def test_expectation_pass(benchmark: Any, problem: Problem) -> None:
    X, factors = _rows_and_factors(problem)
    no_weights = np.empty(0, X.dtype)
    no_weights.flags.writeable = False
    scatter_size = STRUCTURES[problem.covariance_type].representation.scatter_size(
        problem.n_components, problem.n_features
    )
    benchmark.group = problem.name
    sums = benchmark(kernels.expectation_pass, X, no_weights, factors, scatter_size)
    assert np.isclose(sums.weights.sum(), len(X))


@pytest.mark.parametrize("problem", _SHORT, ids=lambda problem: problem.name)
@pytest.mark.parametrize("name", _ROW_PASSES)
def test_row_pass(benchmark: Any, name: str, problem: Problem) -> None:
    X, factors = _rows_and_factors(problem)
    benchmark.group = problem.name
    written = benchmark(_ROW_PASSES[name], X, factors)
    assert len(written) == len(X)
