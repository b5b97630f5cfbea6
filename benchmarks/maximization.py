"""What a maximisation step of each covariance structure costs, beside a pass."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from benchmarks.instruments import Options
from benchmarks.table import at_most, number, rows_of_cells
from fastem import kernels
from fastem.checks.rows import Rows, read_only
from fastem.covariances import STRUCTURES, CovarianceStructure
from fastem.runtime import blas
from fastem.statistics import MixtureParameters

_N_ROWS, _N_COLUMNS, _N_COMPONENTS = 100_000, 32, 32
_LARGEST_SHARE = 0.2
_LARGEST_SHARE_OF_COMMON_AXES = 1.0  # where only they are equal they are searched for


def _problem(short: bool) -> tuple[Rows, np.ndarray, np.ndarray]:
    """Rows of unlike clusters, their means, and covariances with nothing in common."""
    random = np.random.default_rng(0)
    K, D = _N_COMPONENTS, _N_COLUMNS
    means = 3 * random.normal(size=(K, D))
    loadings = random.normal(size=(K, D, D + 3))
    n_rows = _N_ROWS // 20 if short else _N_ROWS
    rows = random.normal(size=(n_rows, D)) + means[random.integers(K, size=n_rows)]
    return read_only(rows), means, loadings @ loadings.transpose(0, 2, 1) / D


def _seconds(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def _cells(
    structure: CovarianceStructure,
    problem: tuple[Rows, np.ndarray, np.ndarray],
    repeats: int,
) -> list[str]:
    X, means, spreads = problem
    K, D = means.shape
    representation = structure.representation
    start = representation.compact(spreads)
    if not representation.has_matrices:
        start = np.diagonal(spreads, axis1=1, axis2=2)
    covariances = np.array(structure.estimate(start, np.ones(K)))
    parameters = MixtureParameters(
        np.full(K, 1 / K), means, covariances, representation.cholesky(covariances)
    )
    factors = representation.factors(parameters, X.dtype)
    no_weights = read_only(np.empty(0))

    def make_pass() -> kernels.PassSums:
        size = representation.scatter_size(K, D)
        return kernels.expectation_pass(X, no_weights, factors, size)

    statistics = representation.statistics(make_pass(), factors)

    def maximize() -> MixtureParameters:
        return structure.maximize(statistics, 1e-6, parameters)

    passes, steps = [], []
    with blas.one_thread():
        for _ in range(repeats):
            passes.append(_seconds(make_pass))
            steps.append(_seconds(maximize))
    share = median(steps) / median(passes)
    has_common_axes = structure.code[1:] == "VE"
    largest = _LARGEST_SHARE_OF_COMMON_AXES if has_common_axes else _LARGEST_SHARE
    return [
        f"{structure.code}-{len(X) // 1000}k-{D}-{K}",
        number(1e3 * median(passes)),
        number(1e3 * median(steps)),
        f"{share:.3f}",
        at_most(largest, share, ""),
        f"{statistics.log_likelihood / len(X):.6f}",
    ]


def maximization_table(options: Options, repeats: int) -> str:
    """A line for each structure, in the order of their free parameters."""
    problem = _problem(options.short)
    structures = sorted(STRUCTURES.values(), key=lambda rule: rule.n_parameters(2, 2))
    return rows_of_cells(
        [
            "maximisation (structure-N-D-K)",
            "pass, ms",
            "maximisation, ms",
            "of a pass",
            "target, at most",
            "log-likelihood of a row, nats",
        ],
        [_cells(structure, problem, repeats) for structure in structures],
    )
