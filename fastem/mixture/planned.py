"""Fits to rows that are checked, which may be fitted many times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from fastem.checks.labels import Partition, check_partition
from fastem.checks.parameters import GivenStart
from fastem.covariances import SingularCovarianceError, structure_of
from fastem.em import convergence_warnings
from fastem.em.maximization import warn_of_dropped, warn_of_empty
from fastem.em.plan import Plan
from fastem.em.progress import Progress, Reporter
from fastem.em.regularity import with_own_spreads
from fastem.em.restarts import Best
from fastem.em.ridge import RegularizationWarning, ridge_of, ridge_warning
from fastem.em.rounding import warn_of_rounding
from fastem.mixture.fixed import forget_order
from fastem.mixture.noise import background_of_fit
from fastem.mixture.online import OnlineMixture
from fastem.statistics import Array, MixtureParameters
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
        if continued is None:
            forget_order(self)
        n_left = None if continued is None else len(continued[0].weights)
        plan = self._plan_of(rows, labels, n_left)
        self._check_fixed(plan, rows, continued is not None)
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

    def _plan_of(
        self,
        rows: TrainingRows,
        labels: Partition | None = None,
        n_left: int | None = None,
    ) -> Plan:
        """What a fit to these rows is made of; ``n_left`` of a model that goes on."""
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
            n_left,
        )
        known = rows.known
        if known is not None and known.named.all() and starts_from_known(plan):
            return replace(plan, n_starts=1)  # there is but one
        return plan

    def _check_fixed(self, plan: Plan, rows: TrainingRows, goes_on: bool) -> None:
        """Raise ValueError if what is fixed has no start."""
        if plan.fixed is not None and not goes_on:
            is_known = rows.known is not None and starts_from_known(plan)
            follows = is_known or plan.given.labels is not None
            plan.fixed.check_start(plan.given, follows=follows)

    def _given_labels(self, n_rows: int) -> Partition | None:
        """The user's partition of so many rows, if the fit starts from one."""
        chosen = self.init_params
        if isinstance(chosen, str) or callable(chosen) or self._goes_on:
            return None
        return check_partition(
            chosen, n_rows, self.n_components, "init_params", self.noise
        )

    @property
    def _goes_on(self) -> bool:
        """Whether the next fit goes on from the last one."""
        return self.warm_start and hasattr(self, "converged_")

    def _continued(self, n_features: int) -> tuple[MixtureParameters, float] | None:
        """Where the last fit ended, and its lower bound, if this goes on from it."""
        if not self._goes_on:
            return None
        return self._continued_parameters(n_features), self.lower_bound_

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
        warn_of_empty(plan.structure, self._shares(fitted, rows), plan.fixed)
        warn_of_rounding(
            *(best.fit.parameters, plan.representation, plan.ridge),
            *(rows.dtype, self._names),
        )
        warning = self._ridge_warning(fitted, rows)
        if warning is not None:
            ending = convergence_warnings.ending()
            convergence_warnings.tell(warning.ending_in(ending) if ending else warning)

    def _shares(self, fitted: PlannedFit, rows: TrainingRows) -> Array:
        """The components' shares in the rows, which fixed weights do not tell."""
        plan, fixed = fitted.plan, fitted.plan.fixed
        if fixed is None or not (fixed.equal_weights or fixed.weights.any()):
            return self.weights_
        expect = rows.expectation(plan.representation, plan.n_threads)
        statistics = expect(fitted.best.fit.parameters)
        shares: Array = statistics.weights / statistics.total
        return shares

    def _ridge_warning(
        self, fitted: PlannedFit, rows: TrainingRows
    ) -> RegularizationWarning | None:
        """What to say if the ridge decides the answer."""
        if not self.n_iter_:
            return None
        plan, parameters = fitted.plan, fitted.best.fit.parameters
        parameters = with_own_spreads(
            *(plan, parameters),
            rows.expectation(plan.representation, plan.n_threads),
        )
        return ridge_warning(
            *(plan.structure, parameters, plan.ridge, self.reg_covar),
            n_rows=rows.n_rows,
            names=self._names,
            find=rows.repeated,
            held=None if plan.fixed is None else plan.fixed.covariances,
        )
