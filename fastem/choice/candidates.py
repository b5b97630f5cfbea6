"""What can be chosen, and fits of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastem.checks.labels import Labels
from fastem.choice.refits import unfitted
from fastem.em import convergence_warnings
from fastem.em.ridge import largest_ridge_share
from fastem.mixture import GaussianMixture
from fastem.mixture.planned import PlannedFit
from fastem.runtime import compiling
from fastem.statistics import MixtureParameters
from fastem.training.in_memory import TrainingRows

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
        self, candidate: Candidate, partitions: Sequence[Labels]
    ) -> Attempt:
        """The likeliest fit that the ridge does not hold up, of one from each start."""
        return self.best(candidate, partitions, [], _SHORT)

    def best(
        self,
        candidate: Candidate,
        partitions: Sequence[Labels],
        mixtures: Sequence[MixtureParameters],
        n_short: int,
    ) -> Attempt:
        """The likeliest fit that the ridge does not hold up, of one from each start.

        Starts are compared after ``n_short`` iterations; the likeliest goes on to its
        end, and the next one if that was a spike of density.
        """
        began = compiling.clock()
        try:
            self.rows.check_enough(candidate.n_components)
        except ValueError as error:
            return Attempt(candidate, None, str(error))
        starts: list[dict[str, Any]] = [
            *({"labels": labels} for labels in partitions),
            *({"continued": (mixture, -math.inf)} for mixture in mixtures),
        ]
        found: list[GaussianMixture] = []
        reason, n_iter = _NO_START, 0
        for start in starts:
            short = self._model(candidate)
            if len(starts) > 1:
                short.set_params(max_iter=min(n_short, short.max_iter))
            try:
                self._fit(short, **start)
            except ValueError as error:  # a singular covariance is one
                reason = str(error)
                continue
            n_iter += short.n_iter_
            found.append(short)
        found.sort(key=lambda model: -model.lower_bound_)
        first: Attempt | None = None
        for short in found:
            attempt = self.from_parameters(candidate, short._fitted()[1])
            n_iter += attempt.n_iter
            first = first or attempt
            if attempt.is_regular:
                first = attempt
                break
        attempt = first or Attempt(candidate, None, reason)
        return replace(attempt, n_iter=n_iter, seconds=compiling.clock() - began)

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
        warning = model._ridge_warning(planned, self.rows)
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
            planned = model._fit_rows(self.rows, **start)
        model.tol = tol
        return planned


def is_complete(labels: Labels, n_components: int) -> bool:
    """Whether each component has rows."""
    counts = np.bincount(labels[labels >= 0], minlength=n_components)
    return len(counts) == n_components and bool(counts.all())
