"""The libraries that are measured, all behind one signature.

``prepare(problem, X, start)`` returns a function that runs exactly n iterations from
the start and returns the mean log-likelihood of a row at the start of each one. All
that a library does once for a table that it will fit belongs in ``prepare``.
"""

import warnings
from collections.abc import Callable
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as ScikitLearnMixture

import fastem
from benchmarks import numpy_reference
from benchmarks.problems import Problem, Rows, Start

RIDGE = 1e-6

Run = Callable[[int], list[float]]
Prepare = Callable[[Problem, Rows, Start], Run]


def _prepare_estimator(
    estimator: Callable[..., Any],
    problem: Problem,
    X: Rows,
    start: Start,
    **parameters: Any,
) -> Run:
    def run(n_iterations: int) -> list[float]:
        model = estimator(
            n_components=problem.n_components,
            covariance_type=problem.covariance_type,
            tol=0.0,  # scikit-learn stops at max_iter only, fastem at the optimum too
            reg_covar=RIDGE,
            max_iter=n_iterations,
            weights_init=start.weights,
            means_init=start.means,
            precisions_init=start.precisions,
            **parameters,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X)
        if len(model.lower_bounds_) < n_iterations:
            raise RuntimeError(
                f"{problem.name} is at its optimum after {len(model.lower_bounds_)} "
                f"iterations, before the {n_iterations} that were asked for"
            )
        return [float(bound) for bound in model.lower_bounds_]

    return run


def prepare_fastem(problem: Problem, X: Rows, start: Start, **parameters: Any) -> Run:
    """fastem, on as many threads as Numba is set to, unless ``n_threads`` is given."""
    return _prepare_estimator(fastem.GaussianMixture, problem, X, start, **parameters)


def prepare_scikit_learn(problem: Problem, X: Rows, start: Start) -> Run:
    """scikit-learn, version 1.7 or newer (``lower_bounds_``)."""
    return _prepare_estimator(ScikitLearnMixture, problem, X, start)


def prepare_numpy(problem: Problem, X: Rows, start: Start) -> Run:
    """The NumPy reference."""
    factors = numpy_reference.factors_of_precisions(
        start.precisions, problem.covariance_type
    )
    mixture = numpy_reference.Mixture(start.weights, start.means, factors)

    def run(n_iterations: int) -> list[float]:
        return numpy_reference.fit(
            X, mixture, problem.covariance_type, RIDGE, n_iterations
        )

    return run


FASTEM = "fastem"
NUMPY = "NumPy"
SCIKIT_LEARN = "scikit-learn"

LIBRARIES: dict[str, Prepare] = {
    FASTEM: prepare_fastem,
    NUMPY: prepare_numpy,
    SCIKIT_LEARN: prepare_scikit_learn,
}
