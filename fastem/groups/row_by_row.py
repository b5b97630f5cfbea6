"""Rows of many small groups, which kernels walk over one by one."""

import numpy as np
from numpy.typing import DTypeLike

from fastem.checks.rows import Rows
from fastem.covariances.representations import Representation, dense, student
from fastem.groups.rows import Group
from fastem.kernels import GappyAnswers, GappyFactors, GappyTails, gappy_pass
from fastem.statistics import (
    Array,
    MixtureParameters,
    SufficientStatistics,
    TailSums,
)


def fewest_rows(n_features: int, has_matrices: bool) -> int:
    """Rows of a group from which on a pass of its own is faster than row by row.

    Both took as long, for 3 to 10 components, with matrices at 2,000 rows of 5 columns,
    900 of 10, 300 of 20 and 130 of 40, and with variances at half as many.
    """
    fewest = 30_000 / n_features**1.5 / (1 if has_matrices else 2)
    return int(min(max(fewest, 50), 2000))


def order_of(groups: list[Group]) -> np.ndarray:
    """The numbers of the groups' rows, one group after the other."""
    rows = [group.rows for group in groups]
    return np.concatenate(rows or [np.empty(0, np.intp)])


def no_answers(dtype: DTypeLike) -> GappyAnswers:
    """Nothing is wanted yet, of rows of this type."""
    none = np.empty(0, dtype)
    return GappyAnswers(
        np.empty(0, np.intp), none, none.reshape(0, 0), none.reshape(0, 0)
    )


def gappy_factors(
    representation: Representation,
    parameters: MixtureParameters,
    reference: Array | None = None,
) -> GappyFactors:
    """A mixture as the kernels take it; ``reference`` (K, D) are its means, rounded."""
    reference = parameters.means if reference is None else reference
    K, D = reference.shape
    background = parameters.background
    covariances = representation.expand(parameters.covariances, K, D)
    of_noise = np.full(1, -np.inf)
    if background is not None and background.weight > 0:
        of_noise = np.log([background.weight])
    v, tails = parameters.degrees_of_freedom, None
    if v is not None:
        numbers = range(D + 1)
        tails = GappyTails(
            np.ascontiguousarray(v, np.float64),
            np.stack([student.log_constants(v, n) for n in numbers]),
            np.stack([student.expected_logarithms(v, n) for n in numbers]),
        )
    return GappyFactors(
        parameters.center,
        np.ascontiguousarray((reference - parameters.center).T),
        np.ascontiguousarray(covariances.transpose(1, 2, 0)),
        np.append(parameters.log_weights, of_noise),
        np.zeros(D) if background is None else background.log_widths(D),
        tails,
    )


def statistics_row_by_row(
    X: Rows,
    order: np.ndarray,
    row_weights: Rows,
    representation: Representation,
    parameters: MixtureParameters,
    reference: Array,
    n_threads: int | None,
) -> SufficientStatistics:
    """Statistics, about the reference (K, D), of the rows that ``order`` names."""
    factors = gappy_factors(representation, parameters, reference)
    sums = gappy_pass(X, order, row_weights, factors, n_threads)
    v = parameters.degrees_of_freedom
    eps = float(np.finfo(X.dtype).eps)
    return SufficientStatistics(
        sums.log_likelihood,
        sums.weights,
        reference,
        sums.first,
        representation.pooled(dense.mirror_lower(sums.scatter)),
        eps,
        eps * np.abs(reference - parameters.center),
        sums.background,
        sums.present,
        None if v is None else TailSums(v, *sums.tails),
    )
