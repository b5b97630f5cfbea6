"""The named workloads: rows of overlapping clusters, and one start for all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.floating[Any]]
Array = NDArray[np.float64]

_SEED = 20240
# Mean squared distance between two cluster centres, in units of the spread along
# one direction, whatever the number of columns: neighbours overlap, and a good
# part of the (row, component) pairs keeps a responsibility that counts.
_SQUARED_SEPARATION = 12.0
_ROWS_AT_ONCE = 65536


@dataclass(frozen=True)
class Problem:
    """A table of N rows and D columns to be fitted with K components."""

    name: str
    n_rows: int
    n_features: int
    n_components: int
    covariance_type: str = "full"
    dtype: str = "float64"
    target: float | None = None  # times faster than scikit-learn
    is_short: bool = False

    @property
    def flops(self) -> float:
        """Useful floating-point operations of one EM iteration: 2 a multiply-add.

        Multiply-adds that the leanest known way cannot do without: both triangular
        products for each row and component (full) or for each row (tied); beside
        them, a difference and a square for each distance, and the moments. Not
        counted: exponentials, logarithms, loads, the maximisation step.
        """
        D, K = self.n_features, self.n_components
        multiply_adds_of_a_row = {
            "full": K * D * (D + 1),
            "tied": D * (D + 1) + 3 * K * D,
            "diag": 4 * K * D,
            "spherical": 3 * K * D,
        }[self.covariance_type]
        return 2.0 * self.n_rows * multiply_adds_of_a_row


@dataclass(frozen=True)
class Start:
    """Parameters that every library starts from, in scikit-learn's shapes."""

    weights: Array
    means: Array
    precisions: Array


def _named(*problems: Problem) -> dict[str, Problem]:
    return {problem.name: problem for problem in problems}


PROBLEMS = _named(
    Problem("full-500k-2-8", 500_000, 2, 8, target=35),
    Problem("full-200k-8-16", 200_000, 8, 16, target=25),
    Problem("full-200k-16-16", 200_000, 16, 16, target=20),
    Problem("full-100k-32-32", 100_000, 32, 32, target=14),
    Problem("full-50k-64-16", 50_000, 64, 16, target=7),
    Problem("full-20k-128-8", 20_000, 128, 8, target=3),
    Problem("diag-200k-16-16", 200_000, 16, 16, "diag", target=15),
    Problem("spherical-200k-16-16", 200_000, 16, 16, "spherical", target=15),
    Problem("tied-200k-16-16", 200_000, 16, 16, "tied", target=20),
    Problem("full-500k-2-8-float32", 500_000, 2, 8, dtype="float32"),
    Problem("full-200k-16-16-float32", 200_000, 16, 16, dtype="float32"),
    Problem("full-50k-64-16-float32", 50_000, 64, 16, dtype="float32"),
    Problem("diag-200k-16-16-float32", 200_000, 16, 16, "diag", "float32"),
    Problem("short-full-2-8", 40_000, 2, 8, is_short=True),
    Problem("short-full-8-16", 20_000, 8, 16, is_short=True),
    Problem("short-full-16-16", 10_000, 16, 16, is_short=True),
    Problem("short-full-32-16", 8_000, 32, 16, is_short=True),
    Problem("short-full-64-8", 4_000, 64, 8, is_short=True),
    Problem("short-diag-16-16", 20_000, 16, 16, "diag", is_short=True),
    Problem("short-spherical-16-16", 20_000, 16, 16, "spherical", is_short=True),
    Problem("short-tied-16-16", 20_000, 16, 16, "tied", is_short=True),
    Problem("short-full-16-16-float32", 10_000, 16, 16, "full", "float32", None, True),
)


def select(patterns: Sequence[str], *, short: bool) -> list[Problem]:
    """The problems whose names match one of the shell patterns; all, if none given.

    Raises
    ------
    ValueError
        If a pattern matches no problem.
    """
    if not patterns:
        return [p for p in PROBLEMS.values() if p.is_short == short]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in PROBLEMS):
            raise ValueError(
                f"no problem is named {pattern!r}; there are: {', '.join(PROBLEMS)}"
            )
    return [p for p in PROBLEMS.values() if _matches(p.name, patterns)]


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def generate(problem: Problem) -> tuple[Rows, Start]:
    """The rows, and the start: always the same ones for the same problem."""
    random = np.random.default_rng([_SEED, problem.n_features, problem.n_components])
    K, D = problem.n_components, problem.n_features
    spread = np.sqrt(_SQUARED_SEPARATION / (2 * D))
    centers = spread * random.standard_normal((K, D))
    mixing = np.eye(D) + 0.3 / np.sqrt(D) * random.standard_normal((K, D, D))
    shares = random.dirichlet(np.full(K, 5.0))
    labels = random.choice(K, size=problem.n_rows, p=shares)
    X = np.empty((problem.n_rows, D), problem.dtype)
    for start in range(0, problem.n_rows, _ROWS_AT_ONCE):
        some = labels[start : start + _ROWS_AT_ONCE]
        noise = random.standard_normal((len(some), D))
        rows = X[start : start + _ROWS_AT_ONCE]
        for k in range(K):
            rows[some == k] = centers[k] + noise[some == k] @ mixing[k]
    guesses = centers + 0.3 * spread * random.standard_normal((K, D))
    precisions = {
        "full": np.repeat(np.eye(D)[np.newaxis], K, axis=0),
        "tied": np.eye(D),
        "diag": np.ones((K, D)),
        "spherical": np.ones(K),
    }[problem.covariance_type]
    return X, Start(np.full(K, 1 / K), guesses, precisions)
