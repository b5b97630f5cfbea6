"""Streams of rows: stepwise EM."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from fastem.checks import counting
from fastem.checks.known import (
    Known,
    check_keeps_numbers,
    check_known,
    column_of_labels,
)
from fastem.checks.labels import OF_CALLABLE, Partition, check_partition
from fastem.checks.parameters import GivenStart
from fastem.checks.rows import Rows, allows_gaps
from fastem.covariances import (
    CovarianceStructure,
    SingularCovarianceError,
    structure_of,
)
from fastem.em.acceleration import ExtrapolatedPath, PlainPath
from fastem.em.expectation import ExpectationStep
from fastem.em.loop import Fit
from fastem.em.maximization import Collapse, warn_of_dropped
from fastem.em.plan import Plan
from fastem.em.ridge import warn_of_ridge
from fastem.em.stopping import STOPPING_RULES
from fastem.groups import expectation_of
from fastem.mixture.fading import rows_kept, warn_of_faded, worn
from fastem.mixture.fitted import unchanged_on_error
from fastem.mixture.fixed import fixed_of
from fastem.mixture.probability import ProbabilityMixture
from fastem.mixture.tails import tails_of_fit
from fastem.runtime import blas
from fastem.sources.blocks import Source
from fastem.sources.opening import split_labels
from fastem.statistics import Array, Background, MixtureParameters, Ridge
from fastem.training.in_blocks import answer_blocks
from fastem.training.in_memory import RowsInMemory

# Given rows, K and a RandomState, where the rows start.
Partitioner = Callable[[Rows, int, np.random.RandomState], Partition]
# Rows of a call are used in batches of so many, each with the parameters that the one
# before has led to.
BATCH_ROWS = 4096
AUTO = "auto"  # as many starts as short runs say
# What a plan calls a start from the user's partition.
_PARTITION = "partition"
# New rows that count less are lost in rounding beside those before.
_LEAST_AGE = 1e-20


def rows_remembered(
    n_new: float, n_seen: float, forgetting: float, memory: float | None
) -> float:
    """How many rows those seen so far count as, beside new ones that count 1 each.

    The step size of stepwise EM is the new rows' share of all that count. Where row r
    has the weight r^(c - 1), that is 1 - (n / (n + b))^c for b rows after n: c / t for
    the t-th of equal batches. With a memory of m rows it is 1 - exp(-b / m), if that
    is more. Both depend on the rows alone, not on how they are cut into batches.
    """
    age = forgetting * math.log1p(n_new / n_seen)
    if memory is not None:
        age = max(age, n_new / memory)
    return _countable(n_new / math.expm1(min(max(age, _LEAST_AGE), 700.0)))


def rows_counted_alike(n_old: float, n_effective: float, n_new: float) -> float:
    """How many rows that count alike say as much as all so far and the new ones.

    Those so far, worth ``n_effective`` of which all count alike, have come to count as
    ``n_old``, and new ones count 1 each: the square of the sum of all that rows count,
    over the sum of squares (L. Kish, "Survey Sampling", Wiley 1965).
    """
    share = n_old / (n_old + n_new)
    squares = share**2 / n_effective + (1 - share) ** 2 / n_new
    return _countable(1 / squares if squares else math.inf)


def _countable(n_rows: float) -> float:
    """The same number, but not infinite: weights may be as large as numbers are."""
    return min(n_rows, sys.float_info.max)


class OnlineMixture(ProbabilityMixture):
    """A mixture that learns from rows as they come."""

    n_components: int
    tol: float
    max_iter: int
    stopping: str
    accelerate: bool
    reg_covar: float | str
    covariance_ratio: float | None
    on_collapse: str
    n_init: int | str
    init_params: str | ArrayLike | Callable[..., ArrayLike]
    noise: bool
    outlier_share: float
    forgetting: float
    memory: float | None
    n_samples_seen_: float
    n_effective_: float

    def partial_fit(
        self,
        X: Any,
        y: None = None,
        sample_weight: ArrayLike | str | None = None,
        *,
        labels: ArrayLike | tuple[str, str] | None = None,
    ) -> Self:
        """Learn from more rows: stepwise EM.

        The first call is a :meth:`fit` to its rows, which should be enough for that:
        some hundred for each component; given parameters start it. Later calls, and
        those after a ``fit``, update the parameters [1]_: sufficient statistics of the
        rows so far, which the parameters stand for, and of the new rows are averaged,
        with the weights that ``forgetting`` and ``memory`` say. A long call is cut into
        batches of 4,096 rows, each of which is used once; the rows of a batch count
        alike.
        On an error the estimator is left as it was.

        Parameters
        ----------
        X : array-like of shape (N, D), or a source of rows in blocks
            Rows in random order, unless it is their change that is to be followed.
            Sources are those of :meth:`fit`; later calls read them once.
        y : None
            Ignored.
        sample_weight : array-like of shape (N,), or name of a column, default=None
            How often each row counts. Unlike in ``fit``, a common factor matters: it
            weighs this call against others.
        labels : array-like of shape (N,) or (N, K), or ('column', name), default=None
            What is known of these rows, as in :meth:`fit`.

        Returns
        -------
        GaussianMixture
            The estimator itself. ``lower_bounds_`` are the mean log-likelihoods of a
            row of each batch of this call, before it was learned from, and ``n_iter_``
            is their number; ``converged_`` is False. ``collapses_`` are those of all
            calls. ``reg_covar='relative'`` is relative to the rows of the first call.

        Raises
        ------
        ValueError
            If X or a weight cannot be used; the text says where and why.
        SingularCovarianceError
            If a component collapses, and ``on_collapse`` is 'raise'.

        References
        ----------
        .. [1] O. Cappe, E. Moulines, "On-line expectation-maximization algorithm for
           latent data models", JRSS B 71 (2009), 593-613.

        Examples
        --------
        >>> import numpy as np
        >>> from fastem import GaussianMixture
        >>> random = np.random.default_rng(0)
        >>> model = GaussianMixture(n_components=2, random_state=0)
        >>> for _ in range(10):
        ...     rows = random.normal([0, 0], [1, 2], (1000, 2))
        ...     rows[:300] += 10
        ...     model = model.partial_fit(rows)
        >>> model.weights_.round(2)
        array([0.7, 0.3])
        >>> model.n_samples_seen_
        10000.0
        """
        if not hasattr(self, "n_samples_seen_"):
            self._fit(X, sample_weight, labels=labels)
            return self
        self._check_settings()
        with unchanged_on_error(self), self._announced():
            try:
                self._update(X, sample_weight, labels)
            except SingularCovarianceError as error:
                names = getattr(self, "feature_names_in_", None)
                raise error.with_names(names) from None
        return self

    def _structure(self, column_variances: Callable[[], Array]) -> CovarianceStructure:
        """The rule for covariances; variances of columns (D,) are for its bound."""
        structure = structure_of(self.covariance_type)
        if self.covariance_ratio is None:
            return structure
        return structure.bounded(self.covariance_ratio, column_variances())

    def _plan(
        self,
        structure: CovarianceStructure,
        ridge: Ridge,
        given: GivenStart | None = None,
        background: Background | None = None,
        n_left: int | None = None,
    ) -> Plan:
        """What a fit is made of; all but the arguments is the user's wish.

        ``n_left`` is the number of components of a model that goes on.
        """
        n_components = self.n_components if n_left is None else n_left
        return Plan(
            n_components=self.n_components,
            structure=structure,
            ridge=ridge,
            on_collapse=self.on_collapse,
            method=(
                self.init_params if isinstance(self.init_params, str) else _PARTITION
            ),
            given=given or GivenStart(),
            partition=self._own_partition(),
            outlier_share=self.outlier_share,
            n_starts=self._n_starts(given),
            make_path=ExtrapolatedPath if self.accelerate else PlainPath,
            stopping=STOPPING_RULES[self.stopping](self.tol),
            max_iter=self.max_iter,
            random_state=check_random_state(self.random_state),
            n_threads=self.n_threads,
            background=background,
            tails=tails_of_fit(self),
            fixed=fixed_of(self, n_components),
        )

    def _n_starts(self, given: GivenStart | None) -> int | None:
        """How many starts there are; None for as many as short runs say."""
        chosen = self.init_params
        is_array = not (isinstance(chosen, str) or callable(chosen))
        if is_array or (given is not None and given.labels is not None):
            return 1
        if not isinstance(self.n_init, str):
            return self.n_init
        return 1 if given is not None and given.is_complete else None

    def _own_partition(self) -> Partitioner | None:
        """What the user's callable says of rows, checked, if there is one."""
        ask = self.init_params
        if not callable(ask):
            return None

        def partition(
            X: Rows, n_components: int, random_state: np.random.RandomState
        ) -> Partition:
            return check_partition(
                *(ask(X, n_components, random_state), len(X), n_components),
                *("what init_params returned", self.noise, OF_CALLABLE),
            )

        return partition

    def _begin_stream(self, n_rows: float, ridge: Ridge) -> None:
        """From here on rows are to be added to so many, with this ridge."""
        self.n_samples_seen_ = self.n_effective_ = _countable(n_rows)
        self._ridge = ridge
        self._judge_by(self._fitted()[1])

    def _judge_by(self, parameters: MixtureParameters) -> None:
        """From here on these are what weights fade from and spreads wear away from."""
        representation = structure_of(self.covariance_type).representation
        self._first_variances = representation.variances(parameters.covariances)
        self._largest_weights = parameters.weights

    def _update(
        self,
        X: Any,
        sample_weight: ArrayLike | str | None,
        labels: ArrayLike | tuple[str, str] | None,
    ) -> None:
        structure, before = self._fitted()
        known = None
        if labels is not None:
            X, sample_weight, known = self._of_stream(X, sample_weight, labels)
        n_rows = 0
        # From a pickle of fastem 0.1.0, or with other parameters than it learned.
        if len(getattr(self, "_largest_weights", ())) != len(before.weights):
            self._judge_by(before)
        parameters, largest = before, self._largest_weights
        bounds: list[float] = []
        collapses: list[Collapse] = []
        latest = RowsInMemory(np.empty((0, before.means.shape[1])), np.empty(0), 0.0)
        with closing(answer_blocks(self, X, sample_weight)) as blocks:
            for rows, of_rows in blocks:
                of_block = None
                if known is not None:
                    of_block = known.of(slice(n_rows, n_rows + len(rows)))
                n_rows += len(rows)
                if known is not None and n_rows > len(known.kinds):
                    known.check_length(n_rows)
                if len(of_rows) and not of_rows.any():
                    continue
                weights, total = counting.check_row_weights(
                    of_rows if len(of_rows) else None, rows
                )
                latest = RowsInMemory(rows, weights, total)
                total = _countable(total)
                n_counted = (
                    float(weights.sum(dtype=np.float64)) if len(weights) else len(rows)
                )
                for start in range(0, len(rows), BATCH_ROWS):
                    batch = slice(start, start + BATCH_ROWS)
                    if len(weights) and not weights[batch].any():
                        continue
                    parameters = self._learn(
                        *(parameters, rows[batch], weights[batch], total / n_counted),
                        *(bounds, collapses),
                        None if of_block is None else of_block.of(batch),
                    )
        if known is not None:
            known.check_length(n_rows)
        if not bounds:
            counting.check_any_weight(0.0)
        earlier = self.collapses_
        self._set_fitted(
            Fit(
                parameters,
                converged=False,
                lower_bounds=bounds,
                collapses=[*earlier, *collapses],
            )
        )
        names = getattr(self, "feature_names_in_", None)
        kept = self._rows_kept()
        find = latest.repeated
        fixed = fixed_of(self, len(parameters.weights))
        warn_of_dropped(collapses, len(parameters.weights), names, find)
        warn_of_faded(before.weights, parameters.weights, kept, largest)
        warn_of_ridge(
            *(structure, parameters, self._ridge, self.reg_covar),
            n_rows=kept,
            names=names,
            find=find,
            before=before,
            held=None if fixed is None else fixed.covariances,
        )

    def _of_stream(
        self,
        X: Any,
        sample_weight: ArrayLike | str | None,
        labels: ArrayLike | tuple[str, str],
    ) -> tuple[Any, ArrayLike | str | None, Known]:
        """Rows to learn from without the column of labels, and what these say."""
        column = column_of_labels(labels)
        if column is not None:
            weights = sample_weight if isinstance(sample_weight, str) else None
            names = vars(self).get("feature_names_in_")
            columns = None if names is None else tuple(names)
            X, labels = split_labels(X, column, columns=columns, weights=weights)
            if isinstance(X, Source) and weights is not None:
                sample_weight = None  # the source's own
        check_keeps_numbers(self)
        given: Any = labels
        n_components = len(self.weights_)
        known = check_known(given, len(given), n_components, self.noise)
        return X, sample_weight, known

    @blas.one_thread()
    def _learn(
        self,
        parameters: MixtureParameters,
        rows: Rows,
        weights: Rows,
        scale: float,
        bounds: list[float],
        collapses: list[Collapse],
        known: Known | None = None,
    ) -> MixtureParameters:
        """The parameters after one batch, whose weights count ``scale`` each."""
        representation = structure_of(self.covariance_type).representation
        structure = self._structure(lambda: representation.column_variances(parameters))
        plan = self._plan(
            structure,
            self._ridge,
            background=parameters.background,
            n_left=len(parameters.weights),
        )
        expect = (
            expectation_of(rows, weights, representation, plan.n_threads, known)
            if allows_gaps(self) or known is not None
            else ExpectationStep(rows, weights, representation, plan.n_threads)
        )
        maximize = plan.maximization(expect)
        new = expect(parameters)
        n_new = new.total
        bounds.append(new.log_likelihood / n_new)
        n_old = rows_remembered(
            scale * n_new, self.n_samples_seen_, self.forgetting, self.memory
        )
        old = representation.statistics_of(parameters, n_old / scale, self._ridge)
        statistics = representation.move(old, new.reference) + new
        self.n_effective_ = rows_counted_alike(
            n_old, getattr(self, "n_effective_", self.n_samples_seen_), scale * n_new
        )
        self.n_samples_seen_ = _countable(self.n_samples_seen_ + scale * n_new)
        try:
            learned = maximize(statistics, parameters)
            gone = worn(
                *(plan, parameters, learned, self._rows_kept()),
                *(self._largest_weights, self._first_variances),
            )
            if gone is not None:
                raise SingularCovarianceError(gone).about(
                    statistics.weights, rows.shape[1], math.inf
                )
            self._largest_weights = np.maximum(self._largest_weights, learned.weights)
            return learned
        except SingularCovarianceError as error:
            mended = maximize.mend(statistics, error, len(bounds), parameters)
            collapses.extend(maximize.collapses)
            self._judge_by(mended)
            return mended

    def _rows_kept(self) -> float:
        return rows_kept(self.n_samples_seen_, self.forgetting, self.memory)
