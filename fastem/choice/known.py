"""What is known of rows, for mixtures of any number of components."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fastem import kernels
from fastem.checks.known import Known
from fastem.checks.labels import UNASSIGNED, Labels, Partition
from fastem.checks.rows import Rows, read_only
from fastem.mixture import GaussianMixture
from fastem.starts.gaps import column_means, filled
from fastem.starts.known import with_all_named
from fastem.training.in_blocks import RowsInBlocks
from fastem.training.in_memory import RowsInMemory, TrainingRows


def widened(labels: Any, n_components: int) -> Any:
    """Masks that are of fewer components than there are at most, for so many.

    A row that may belong to all that are named may belong to the others too; one that
    may not belong to all belongs to those that are named for it.
    """
    if labels is None or isinstance(labels, tuple) or np.ndim(labels) != 2:
        return labels
    mask = np.asarray(labels)
    n_more = n_components - mask.shape[1]
    if mask.dtype != bool or n_more <= 0:
        return labels
    others = np.repeat(mask.all(axis=1, keepdims=True), n_more, axis=1)
    return np.column_stack([mask, others])


def check_here(rows: TrainingRows) -> None:
    """Raise ValueError if what is known of rows is not in this process."""
    if not (rows.known is None or isinstance(rows.known, Known)):
        raise ValueError(
            "A choice with labels needs them in this process, as each number of "
            "components reads them anew, and X lies on a cluster: pass the path of its "
            "files, or some of its rows, or fit fastem.dask.GaussianMixture with "
            "labels for each candidate"
        )


def rows_among(rows: TrainingRows, n_components: int) -> TrainingRows:
    """The same rows, and what is known of them where there are so many components."""
    if rows.known is None:
        return rows
    assert isinstance(rows, RowsInMemory | RowsInBlocks)
    assert rows.known is not None
    return replace(rows, known=rows.known.among(n_components))


def lacking(rows: TrainingRows, n_components: int) -> str:
    """Why so many components are too few for what is known; empty if they are not."""
    known = rows.known
    if not isinstance(known, Known) or n_components >= known.fewest_components:
        return ""
    return (
        f"labels name component {known.fewest_components - 1}, and there are "
        f"{n_components}: component k is label k"
    )


def partitions_of_known(
    rows: RowsInMemory,
    partitions: Sequence[Labels],
    n_components: int,
    random_state: np.random.RandomState,
    n_threads: int | None,
) -> list[Partition]:
    """Partitions in which rows are where they are known to be: component k is label k.

    The first is the one that a fit with labels starts from by itself; the others are
    those given, whose parts are numbered so that most known rows are right.
    """
    assert rows.known is not None
    known, X = rows.known.among(n_components), rows.values
    if rows.has_gaps:
        X = filled(X, column_means(X, rows.weights))
    named, shares = with_all_named(known, X, rows.weights, random_state, n_threads)
    found: list[Partition] = [shares[named.kinds]]
    for partition in partitions:
        numbered = _respecting(partition, known, rows.weights)
        if not any(np.array_equal(numbered, other) for other in found):
            found.append(numbered)
    return found


def _respecting(partition: Labels, known: Known, weights: Rows) -> Labels:
    """The partition by other numbers, and known rows where they belong."""
    K = known.allowed.shape[1] - 1
    only = _only(known)[known.kinds]
    told = np.flatnonzero((only >= 0) & (partition >= 0))
    counts = np.zeros((K, K))
    of_told = weights[told] if len(weights) else np.ones(len(told))
    np.add.at(counts, (partition[told], only[told]), of_told)
    _, numbers = linear_sum_assignment(counts, maximize=True)
    labels = np.where(partition >= 0, numbers[partition], UNASSIGNED).astype(np.int32)
    is_right = known.allowed[known.kinds, labels] & (labels >= 0)
    moved: Labels = np.where(is_right, labels, only)
    # Nothing is known of those, and they are in no part.
    return moved.astype(np.int32)


def likeliest_labels(model: GaussianMixture, rows: RowsInMemory) -> Labels:
    """The likeliest component of each row, of those that it may belong to."""
    ask = model._row_answers()
    labels = rows.labels(ask).astype(np.int32)
    if rows.known is None:
        return labels
    K = len(model.weights_)
    known = rows.known.among(K)
    some = np.flatnonzero(~known.is_free[known.kinds])
    if len(some):
        degrees = ask(kernels.probability_pass, read_only(rows.values[some]))[:, :K]
        allowed = known.allowed[known.kinds[some], :-1]
        likeliest = np.where(allowed, degrees, -1).argmax(axis=1)
        labels[some] = np.where(allowed.any(axis=1), likeliest, UNASSIGNED)
    return labels


def may_be(rows: RowsInMemory, component: int) -> NDArray[np.bool_] | None:
    """Which rows may belong to a component; None if all may."""
    if rows.known is None:
        return None
    allowed: NDArray[np.bool_] = rows.known.allowed[rows.known.kinds, component]
    return allowed


def _only(known: Known) -> Labels:
    """The one component that rows of each kind may belong to; -1 if that is not one."""
    is_one = known.allowed.sum(axis=1) == 1
    is_one &= ~known.allowed[:, -1]
    only: Labels = np.where(is_one, known.allowed[:, :-1].argmax(axis=1), UNASSIGNED)
    return only.astype(np.int32)
