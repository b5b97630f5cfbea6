"""pytest-benchmark of the kernels: ``pytest benchmarks/bench_kernels.py``.

Each pass by itself, without the estimator around it, on small problems: to see what
an edit of a kernel does. ``--benchmark-compare`` sets two runs side by side.
"""

from typing import Any

import numpy as np
import pytest

from benchmarks.kernel_pass import expectation_pass, rows_and_factors
from benchmarks.problems import PROBLEMS, Problem
from fastem import kernels

_SHORT = [problem for problem in PROBLEMS.values() if problem.is_short]
_ROW_PASSES = {
    "label": kernels.label_pass,
    "log-likelihood": kernels.log_likelihood_pass,
    "probability": kernels.probability_pass,
}


@pytest.mark.parametrize("problem", _SHORT, ids=lambda problem: problem.name)
def test_expectation_pass(benchmark: Any, problem: Problem) -> None:
    benchmark.group = problem.name
    sums = benchmark(expectation_pass(problem), None)
    assert np.isclose(sums.weights.sum(), problem.n_rows)


@pytest.mark.parametrize("problem", _SHORT, ids=lambda problem: problem.name)
@pytest.mark.parametrize("name", _ROW_PASSES)
def test_row_pass(benchmark: Any, name: str, problem: Problem) -> None:
    X, factors = rows_and_factors(problem)
    benchmark.group = problem.name
    written = benchmark(_ROW_PASSES[name], X, factors)
    assert len(written) == len(X)
