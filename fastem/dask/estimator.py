"""The estimator for Dask arrays and DataFrames."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from dask import compute, delayed
from sklearn.utils.validation import check_is_fitted

from fastem import kernels, mixture
from fastem.checks import counting
from fastem.checks.rows import Rows
from fastem.dask import passes
from fastem.dask.outputs import values_of_rows
from fastem.dask.partitions import Partitions, is_distributed
from fastem.dask.passes import RowTask
from fastem.dask.rows import RowsOnCluster
from fastem.dask.trees import summed
from fastem.groups import RowAnswers
from fastem.mixture.predictive import ColumnAnswers, predictive_answers
from fastem.statistics import Array
from fastem.training.in_memory import TrainingRows

Answers = RowAnswers | ColumnAnswers


class GaussianMixture(mixture.GaussianMixture):
    """A Gaussian mixture fitted by EM to a table on a Dask cluster.

    Parameters, attributes and answers are those of :class:`fastem.GaussianMixture`,
    for Dask arrays and DataFrames as ``X`` too. Other tables are fitted in this
    process.

    The workers read and check the rows once, and hold them in memory, as float32 or
    float64, until ``fit`` returns. In each iteration the parameters travel to them,
    every partition is walked over once where it is, and sums the size of the
    parameters are added as a tree. The same partitions give the same result to the
    last bit on any number of workers. Rows that are lost with a worker are read again.

    - ``sample_weight`` is the name of a column of ``X``, which then is no part of the
      rows; or a Dask array or Series with the partitions of ``X``.
    - ``labels`` are ``('column', name)`` of ``X``, or a Dask array or Series with the
      partitions of ``X``, or an array in this process. Each component needs a row that
      is known to be its own, unless the start is given.
    - Partitions are those that ``X`` shows. Small files that dask would put together
      stay apart: ``X.repartition`` makes fewer of them.
    - Starts, and components seeded anew, are those of K (1000 + 20 D) rows drawn at
      random, or of all if there are no more, brought to this process.
    - ``n_threads`` is the number of Numba threads of each task; None for one, as a
      worker runs as many tasks at a time as it has threads. So a table should have
      at least as many partitions as the workers have threads.
    - ``predict``, ``predict_proba`` and ``score_samples`` return Dask arrays that are
      computed when they are asked for; ``score`` and the criteria numbers.
    - Displays, ``summary`` and ``merge_components`` bring one partition after the other
      to this process.
    - Errors in the values of ``X`` name the partition, and the row in it, from 0.

    Examples
    --------
    >>> import dask.array as da
    >>> from dask.distributed import Client
    >>> from fastem.dask import GaussianMixture
    >>> client = Client(processes=False, dashboard_address=":0")
    >>> X = da.random.default_rng(0).normal(size=(10_000, 2), chunks=(2_500, 2))
    >>> model = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> model.predict_proba(X)[:3].compute().shape
    (3, 2)
    >>> client.close()
    """

    def partial_fit(
        self, X: Any, y: None = None, sample_weight: Any = None, *, labels: Any = None
    ) -> Self:
        """Learn from more rows, which must be in this process.

        Only the first call, which is a :meth:`fit`, takes a Dask collection.

        Parameters
        ----------
        X : array-like of shape (N, D), or a source of rows in blocks
        y : None
            Ignored.
        sample_weight : array-like of shape (N,), or name of a column, default=None
        labels : array-like of shape (N,) or (N, K), or ('column', name), default=None

        Returns
        -------
        GaussianMixture
        """
        if is_distributed(X) and hasattr(self, "n_samples_seen_"):
            raise TypeError(
                f"X is a Dask {type(X).__name__}, but partial_fit learns from rows in "
                "this process: pass its partitions one after the other, "
                "X.partitions[i].compute(), or use fit for all rows at once"
            )
        return super().partial_fit(X, y, sample_weight, labels=labels)

    def predict(self, X: Any) -> Any:
        """The most likely component of each row.

        Parameters
        ----------
        X : Dask array or DataFrame, or array-like, of shape (N, D)

        Returns
        -------
        dask.array.Array of shape (N,), int
            NumPy's for rows in memory.
        """
        if not is_distributed(X):
            return super().predict(X)
        return self._values(X, kernels.label_pass)

    def predict_proba(self, X: Any) -> Any:
        """The probability of each component given the row: the degree of membership.

        Parameters
        ----------
        X : Dask array or DataFrame, or array-like, of shape (N, D)

        Returns
        -------
        dask.array.Array of shape (N, K), float32 if X is, else float64
            NumPy's for rows in memory.
        """
        if not is_distributed(X):
            return super().predict_proba(X)
        return self._values(X, kernels.probability_pass)

    def predict_proba_uncertain(self, X: Any) -> Any:
        """Memberships of rows to come, given that parameters are not known exactly.

        Parameters
        ----------
        X : Dask array or DataFrame, or array-like, of shape (N, D)

        Returns
        -------
        dask.array.Array of shape (N, K), float32 if X is, else float64
            NumPy's for rows in memory.
        """
        if not is_distributed(X):
            return super().predict_proba_uncertain(X)
        return self._values(X, kernels.probability_pass, predictive_answers(self))

    def score_samples(self, X: Any) -> Any:
        """The logarithm of the mixture's density at each row.

        Parameters
        ----------
        X : Dask array or DataFrame, or array-like, of shape (N, D)

        Returns
        -------
        dask.array.Array of shape (N,), float32 if X is, else float64
            NumPy's for rows in memory.
        """
        if not is_distributed(X):
            return super().score_samples(X)
        return self._values(X, kernels.log_likelihood_pass)

    def _values(
        self, X: Any, kernel: Callable[..., np.ndarray], ask: Answers | None = None
    ) -> Any:
        check_is_fitted(self)
        partitions = Partitions.checked(self, X, fitting=False)
        rows, _ = partitions.checked_values()
        task = self._row_task(kernel, partitions.dtype, ask)
        return values_of_rows(rows, partitions.lengths, task)

    def _row_task(
        self,
        kernel: Callable[..., np.ndarray],
        dtype: np.dtype[Any],
        ask: Answers | None = None,
    ) -> RowTask:
        ask = ask or self._row_answers()
        return RowTask(kernel, replace(ask, n_threads=ask.n_threads or 1), dtype)

    def _row_blocks(
        self, X: Any, sample_weight: Any = None
    ) -> Generator[tuple[Rows, Array]]:
        """Rows and weights, brought to this process a partition at a time."""
        if not is_distributed(X):
            yield from super()._row_blocks(X, sample_weight)
            return
        check_is_fitted(self)
        partitions = Partitions.checked(self, X, sample_weight, fitting=False)
        tasks, weights = partitions.checked_values()
        for of_rows in zip(tasks, weights or [None] * len(tasks), strict=True):
            rows, w = compute(*of_rows)
            if len(rows):
                yield rows, np.empty(0) if w is None else w

    def _training_rows(
        self, X: Any, sample_weight: Any, labels: Any = None
    ) -> TrainingRows:
        if not is_distributed(X):
            return super()._training_rows(X, sample_weight, labels)
        return RowsOnCluster.checked(self, X, sample_weight, labels)

    def _score(
        self,
        X: Any,
        sample_weight: Any,
        row_pass: Callable[..., Any] = kernels.log_likelihood_pass,
    ) -> tuple[float, counting.RowCount]:
        if not is_distributed(X):
            return super()._score(X, sample_weight, row_pass)
        check_is_fitted(self)
        partitions = Partitions.checked(self, X, sample_weight, fitting=False)
        rows, weights = partitions.checked_values()
        task = self._row_task(row_pass, partitions.dtype)
        shared = delayed(task, traverse=False)
        score = partial(delayed(passes.mean_score, pure=False), task=shared)

        def add(function: Callable[..., Any], groups: list[Any]) -> list[Any]:
            return [delayed(function, pure=False)(group) for group in groups]

        scores = list(map(score, rows, weights or [None] * len(rows)))
        tree = summed(scores, passes.mean_of_all, add)
        (score_of_all,) = compute(tree)
        if sample_weight is not None:
            counting.check_any_weight(score_of_all.counted.total)
        return score_of_all.mean, score_of_all.counted


class StudentMixture(GaussianMixture, mixture.StudentMixture):
    """A mixture of t distributions fitted by EM to a table on a Dask cluster.

    Parameters, attributes and answers are those of :class:`fastem.StudentMixture`; how
    tables on a cluster are fitted is as :class:`fastem.dask.GaussianMixture` has it.
    """
