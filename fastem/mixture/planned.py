"""Fits to rows that are checked, which may be fitted many times."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from numpy.typing import ArrayLike

from fastem.checks.known import Known, check_known
from fastem.checks.labels import Partition
from fastem.checks.parameters import GivenStart
from fastem.covariances import SingularCovarianceError, structure_of
from fastem.em import convergence_warnings
from fastem.em.maximization import warn_of_dropped, warn_of_empty
from fastem.em.plan import Plan
from fastem.em.progress import Progress, Reporter
from fastem.em.restarts import Best
from fastem.em.ridge import (
    RegularizationWarning,
    ridge_of,
    ridge_warning,
    with_own_spreads,
)
from fastem.em.rounding import warn_of_rounding
from fastem.mixture.noise import background_of_fit
from fastem.mixture.online import OnlineMixture
from fastem.runtime.callers import levels_to_caller
from fastem.statistics import MixtureParameters
from fastem.storage.writing import PathLike
from fastem.training.fitting import best_fit
from fastem.training.in_memory import TrainingRows, starts_from_known


class PlannedFit(NamedTuple):
    """What a fit was made of, and what came of it."""

    plan: Plan
    best: Best


class PlannedMixture(OnlineMixture):
    """Fits as its parameters plan it, and what users should know of how that went."""

    def _fit_rows(
        self,
        rows: TrainingRows,
        labels: Partition | None = None,
        continued: tuple[MixtureParameters, float] | None = None,
        callback: Callable[[Progress], object] | None = None,
        checkpoint: PathLike | None = None,
    ) -> PlannedFit:
        """Fit rows that are checked; the same ones may be fitted many times.

        Parameters
        ----------
        labels : Partition, optional
            A partition of the rows to start from, in place of ``init_params``.
        continued : (MixtureParameters, float), optional
            Parameters to start from, in place of all that is given, and their lower
            bound.
        """
        rows.check_enough(self.n_components)
        given = GivenStart.checked(
            *(self.weights_init, self.means_init, self.precisions_init),
            structure_of(self.covariance_type),
            (self.n_components, rows.shape[1]),
            labels,
            self.noise_weight_init,
        )
        plan = self._plan(
            self._structure(rows.column_variances),
            ridge_of(self.reg_covar, rows.column_variances),
            given,
            background_of_fit(self, rows),
        )
        known = rows.known
        if known is not None and known.named.all() and starts_from_known(plan):
            plan = replace(plan, n_starts=1)  # there is but one
        try:
            best = best_fit(
                plan,
                rows,
                make_reporter=partial(
                    Reporter, self.verbose, self.verbose_interval, callback
                ),
                continued=continued,
                checkpoint=checkpoint,
                settings={"degrees_of_freedom": None, **self.get_params()},
            )
        except SingularCovarianceError as error:
            raise error.among(rows.repeated).with_names(self._names) from None
        self._set_fitted(best.fit, best.n_dropped)
        self._begin_stream(rows.n_rows, plan.ridge)
        return PlannedFit(plan, best)

    def _known(self, labels: ArrayLike, n_rows: int) -> Known:
        """What is known of so many rows."""
        if self.on_collapse == "drop":
            raise ValueError(
                "labels are numbers of components, and on_collapse='drop' would give "
                "these others: use 'raise' or 'reseed'"
            )
        return check_known(labels, n_rows, self.n_components, self.noise)

    @property
    def _names(self) -> Sequence[str] | None:
        names: Sequence[str] | None = getattr(self, "feature_names_in_", None)
        return names

    def _warn_of(self, fitted: PlannedFit, rows: TrainingRows) -> None:
        """Say what users should know of how the fit went."""
        plan, best = fitted.plan, fitted.best
        if not (self.converged_ or best.stopped) and self.max_iter > 0:
            convergence_warnings.warn(best.fit.shortfall(self.tol))
        find = rows.repeated
        warn_of_dropped(best.fit.collapses, len(self.weights_), self._names, find)
        warn_of_empty(plan.structure, self.weights_)
        warn_of_rounding(
            *(best.fit.parameters, plan.representation, plan.ridge),
            *(rows.dtype, self._names),
        )
        warning = self._ridge_warning(fitted, rows)
        if warning is not None:
            warnings.warn(warning, stacklevel=levels_to_caller())

    def _ridge_warning(
        self, fitted: PlannedFit, rows: TrainingRows
    ) -> RegularizationWarning | None:
        """What to say if the ridge decides the answer."""
        if not self.n_iter_:
            return None
        plan, parameters = fitted.plan, fitted.best.fit.parameters
        parameters = with_own_spreads(
            *(plan.structure, parameters, plan.ridge),
            rows.expectation(plan.representation, plan.n_threads),
        )
        return ridge_warning(
            *(plan.structure, parameters, plan.ridge, self.reg_covar),
            n_rows=rows.n_rows,
            names=self._names,
            find=rows.repeated,
        )
