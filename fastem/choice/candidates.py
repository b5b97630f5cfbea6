"""What can be chosen, and fits of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastem.checks.labels import Partition
from fastem.choice.known import lacking, rows_among
from fastem.choice.refits import unfitted
from fastem.em import convergence_warnings
from fastem.em.ridge import largest_ridge_share
from fastem.mixture import GaussianMixture
from fastem.mixture.planned import PlannedFit
from fastem.runtime import compiling
from fastem.statistics import MixtureParameters
from fastem.training.in_memory import TrainingRows
from fastem.training.short_runs import ranked_starts

_NO_START = "no start has rows for each component: use fewer components"
# Iterations from each start, after which the likeliest goes on.
_SHORT = 12


@dataclass(frozen=True)
class Candidate:
    """A covariance structure and a number of components."""

    covariance_type: str
    n_components: int

    def __str__(self) -> str:
        return f"{self.covariance_type}, {self.n_components}"


@dataclass(frozen=True)
class Attempt:
    """A fit of a candidate, or why there is none.

    Attributes
    ----------
    candidate : Candidate
    model : GaussianMixture or None
        The fitted mixture; None if each start ended in a singular covariance.
    reason : str
        Why it cannot be chosen; empty if it can.
    planned : PlannedFit or None
        What the model came from.
    ridge_share : float
        The ridge's share of what a column varies in a component, given all others,
        where it is largest.
    n_iter : int
        Passes over the rows, from all starts.
    seconds : float
        Without those of the compiler.
    """

    candidate: Candidate
    model: GaussianMixture | None
    reason: str = ""
    planned: PlannedFit | None = None
    ridge_share: float = math.nan
    n_iter: int = 0
    seconds: float = 0.0

    @property
    def is_regular(self) -> bool:
        """Whether it can be chosen."""
        return not self.reason

    @property
    def fitted(self) -> GaussianMixture:
        """The model, of an attempt that has one."""
        assert self.model is not None
        return self.model

    @property
    def log_likelihood(self) -> float:
        """Of a row, as of the last iteration; -inf if there is no model."""
        return -math.inf if self.model is None else self.model.lower_bound_

    @property
    def parameters(self) -> MixtureParameters:
        """Of the fitted mixture."""
        return self.fitted._fitted()[1]

    def after(self, earlier: "Attempt") -> "Attempt":
        """The same, with what an earlier one took."""
        return replace(
            self,
            n_iter=self.n_iter + earlier.n_iter,
            seconds=self.seconds + earlier.seconds,
        )


@dataclass(frozen=True)
class Fitter:
    """Fits candidates to the same rows.

    Attributes
    ----------
    template : GaussianMixture
        All else that a fit is made of. What it knows of columns, fits know.
    rows : TrainingRows
    tol : float
    """

    template: GaussianMixture
    rows: TrainingRows
    tol: float

    def from_partitions(
        self,
        candidate: Candidate,
        partitions: Sequence[Partition],
        mixtures: Sequence[MixtureParameters] = (),
    ) -> Attempt:
        """The likeliest fit that the ridge does not hold up, of one from each start."""
        return self.best(candidate, partitions, mixtures, _SHORT)

    def best(
        self,
        candidate: Candidate,
        partitions: Sequence[Partition],
        mixtures: Sequence[MixtureParameters],
        n_short: int,
    ) -> Attempt:
        """The likeliest fit that the ridge does not hold up, of one from each start.

        Starts are compared after ``n_short`` iterations; the likeliest goes on to its
        end, and the next one if that was a spike of density. Those of shares, in which
        rows belong to several components alike, climb slowly at first, and often
        farther: they go to their end too.
        """
        began = compiling.clock()
        reason = self.refusal(candidate)
        if reason:
            return Attempt(candidate, None, reason)
        starts: list[dict[str, Any]] = [
            *({"labels": labels} for labels in partitions),
            *({"continued": (mixture, -math.inf)} for mixture in mixtures),
        ]
        found: list[GaussianMixture] = []
        slow: list[GaussianMixture] = []
        reason, n_iter = _NO_START, 0
        for start in starts:
            short = self._model(candidate)
            if len(starts) > 1 and not _is_slow(start):
                short.set_params(max_iter=min(n_short, short.max_iter))
            try:
                self._fit(short, **start)
            except ValueError as error:  # a singular covariance is one
                reason = str(error)
                continue
            n_iter += short.n_iter_
            (slow if _is_slow(start) else found).append(short)
        ends = [self._to_the_end(candidate, each) for each in (found, slow) if each]
        n_iter += sum(end.n_iter for end in ends)
        ends.sort(key=lambda end: (not end.is_regular, -end.log_likelihood))
        attempt = ends[0] if ends else Attempt(candidate, None, reason)
        return replace(attempt, n_iter=n_iter, seconds=compiling.clock() - began)

    def _to_the_end(
        self, candidate: Candidate, found: list[GaussianMixture]
    ) -> Attempt:
        """The likeliest goes on, and the next one if that was a spike of density."""
        n_iter, attempts = 0, []
        for short in sorted(found, key=lambda model: -model.lower_bound_):
            attempts.append(self.from_parameters(candidate, short._fitted()[1]))
            n_iter += attempts[-1].n_iter
            if attempts[-1].is_regular:
                return replace(attempts[-1], n_iter=n_iter)
        return replace(attempts[0], n_iter=n_iter)

    def refusal(self, candidate: Candidate) -> str:
        """Why the rows are not for so many components; empty if they are."""
        try:
            self.rows.check_enough(candidate.n_components)
        except ValueError as error:
            return str(error)
        return lacking(self.rows, candidate.n_components)

    def judged(
        self, candidate: Candidate, random_state: np.random.RandomState
    ) -> list[MixtureParameters]:
        """Where short runs from many starts of its own lead: ``n_init='auto'``."""
        if self.refusal(candidate):
            return []
        model = self._model(candidate).set_params(random_state=random_state)
        rows = rows_among(self.rows, candidate.n_components)
        try:
            with convergence_warnings.muted():
                plan = model._plan_of(rows)
                return [] if plan.n_starts else ranked_starts(rows, plan)
        except ValueError:  # as when all collapse
            return []

    def from_parameters(
        self, candidate: Candidate, start: MixtureParameters
    ) -> Attempt:
        """The fit that starts from these parameters."""
        began = compiling.clock()
        model = self._model(candidate)
        try:
            planned = self._fit(model, continued=(start, -math.inf))
        except ValueError as error:
            seconds = compiling.clock() - began
            return Attempt(candidate, None, str(error), seconds=seconds)
        rows = rows_among(self.rows, candidate.n_components)
        warning = model._ridge_warning(planned, rows)
        plan, parameters = planned.plan, planned.best.fit.parameters
        held = None if plan.fixed is None else plan.fixed.covariances
        share = largest_ridge_share(plan.structure, parameters, plan.ridge, held)
        return Attempt(
            *(candidate, model, "" if warning is None else str(warning), planned),
            *(share, model.n_iter_, compiling.clock() - began),
        )

    def _model(self, candidate: Candidate) -> GaussianMixture:
        return unfitted(
            self.template,
            n_components=candidate.n_components,
            covariance_type=candidate.covariance_type,
        )

    def _fit(self, model: GaussianMixture, **start: Any) -> PlannedFit:
        """Fit it, to within the tolerance of these rows."""
        tol = model.tol
        with convergence_warnings.muted():
            model.tol = self.tol
            rows = rows_among(self.rows, model.n_components)
            planned = model._fit_rows(rows, **start)
        model.tol = tol
        return planned


def _is_slow(start: dict[str, Any]) -> bool:
    return "labels" in start and start["labels"].ndim == 2


def is_complete(labels: Partition, n_components: int) -> bool:
    """Whether each component has rows."""
    if labels.ndim == 2:
        return bool(labels[:, :n_components].any(axis=0).all())
    counts = np.bincount(labels[labels >= 0], minlength=n_components)
    return len(counts) == n_components and bool(counts.all())
