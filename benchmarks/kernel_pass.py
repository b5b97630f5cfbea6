"""What a pass of the kernels takes, as the estimator would give it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.problems import Problem, generate
from fastem import kernels
from fastem.covariances import STRUCTURES
from fastem.statistics import MixtureParameters


def rows_and_factors(problem: Problem) -> tuple[np.ndarray, Any]:
    """The rows, and the mixture of the start."""
    X, start = generate(problem)
    X.flags.writeable = False
    representation = STRUCTURES[problem.covariance_type].representation
    cholesky = representation.cholesky_of_precisions(start.precisions)
    parameters = MixtureParameters(
        start.weights, start.means, representation.invert(cholesky), cholesky
    )
    return X, representation.factors(parameters, X.dtype)


def expectation_pass(problem: Problem) -> Callable[[int | None], kernels.PassSums]:
    """A pass over the problem's rows, to be called with a number of threads."""
    X, factors = rows_and_factors(problem)
    no_weights = np.empty(0, X.dtype)
    no_weights.flags.writeable = False
    scatter_size = STRUCTURES[problem.covariance_type].representation.scatter_size(
        problem.n_components, problem.n_features
    )
    return lambda n_threads: kernels.expectation_pass(
        X, no_weights, factors, scatter_size, n_threads
    )
