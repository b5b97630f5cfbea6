"""The maximisation step of a fit, and what becomes of components that collapse.

A component collapses when its rows do not spread in all columns any more: the density
of a spike has no bound, and the likelihood no maximum. It collapses as well when no
rows are left to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fastem.checks.fixed import Fixed
from fastem.covariances import (
    CovarianceStructure,
    Degeneracy,
    Find,
    SingularCovarianceError,
    what_helps,
)
from fastem.covariances.held import maximize_beside
from fastem.em import convergence_warnings
from fastem.em.constraints import about_fixed_means, equalized, kept
from fastem.em.ridge import degeneracy_of
from fastem.em.tails import StudentTails
from fastem.statistics import (
    EPS,
    Array,
    Background,
    MixtureParameters,
    Ridge,
    SufficientStatistics,
    background_of,
)

# A component is held up by the ridge alone if it is more than this share of what a
# column varies, given the others.
_HELD_UP = 0.5
# Where all share a covariance, a component with no more than rounding of all rows has
# none. From a start 20 deviations beside the rows EM gets it 1e-66 of them, for good.
_EMPTY = EPS
_MOST_COLLAPSES = 10  # of a component, in a fit
# What became of a component that collapsed.
DROPPED, RESEEDED = "dropped", "reseeded"


@dataclass(frozen=True)
class Collapse:
    """What happened to a component that collapsed during a fit.

    Attributes
    ----------
    iteration : int
        The iteration after which it happened, from 1; 0 for the start.
        ``lower_bounds_[iteration - 1]`` is the last bound with the component. In a
        stream it is the number of the batch in its call, from 1.
    degeneracy : Degeneracy
        Which component (as numbered before that iteration), its weight, its rows, and
        the columns without spread.
    action : {'dropped', 'reseeded'}
    """

    iteration: int
    degeneracy: Degeneracy
    action: str


def warn_of_dropped(
    collapses: Sequence[Collapse],
    n_left: int,
    names: Sequence[str] | None,
    find: Find,
) -> None:
    """Say that fewer components are left than were asked for, if that is so."""
    dropped = [c.degeneracy for c in collapses if c.action == DROPPED]
    if not dropped:
        return
    n_asked = n_left + len(dropped)
    first = SingularCovarianceError(dropped[0], names).among(find)
    advice = "use fewer components"
    if first.repeated:
        advice = what_helps(first.degeneracy)
    elif 0 < len(first.columns) != first.n_features and first.n_rows > 0:
        advice += ", or leave such columns out"
    convergence_warnings.warn(
        "Fewer components are left than were asked for: on_collapse='drop' left out "
        f"what collapsed. Of {n_asked}, {n_left} {'is' if n_left == 1 else 'are'} "
        f"left; the first to go was {dropped[0].whose}: {first.why}. collapses_ tells "
        f"of each. {advice[0].upper()}{advice[1:]}."
    )


def warn_of_empty(
    structure: CovarianceStructure, weights: Array, fixed: Fixed | None = None
) -> None:
    """Say that a component has no rows, where nothing else would show it.

    Where each has a covariance of its own that follows from the rows, that is singular,
    or the ridge alone. ``weights`` (K,) are the shares of the components in the rows.
    """
    is_hidden = np.full(len(weights), structure.hides_empty_components)
    if fixed is not None:
        is_hidden[np.flatnonzero(fixed.covariances)] = True
    empty = np.flatnonzero(is_hidden & (weights <= _EMPTY))
    if len(empty):
        others = f", and there are {len(empty) - 1} more" if len(empty) > 1 else ""
        convergence_warnings.warn(
            f"A component has no rows. It is component {empty[0]}, of weight "
            f"{weights[empty[0]]:.1g}{others}. Use fewer components, "
            "on_collapse='drop' or 'reseed', or means_init among the rows."
        )


class Maximization:
    """Parameters from statistics.

    Parameters
    ----------
    structure : CovarianceStructure
    ridge : float or array of shape (D,)
        Added to every variance.
    on_collapse : {'raise', 'drop', 'reseed'}
    draw_row : callable
        Given a mixture, a row (D,) that it explains badly. For 'reseed'.
    background : Background, optional
        What is known of it; its weight follows from the statistics.
    tails : StudentTails, optional
        How degrees of freedom follow; None for Gaussian components.
    fixed : Fixed, optional
        What may not move: it stays as it is in the parameters of the pass.

    Attributes
    ----------
    structure : CovarianceStructure
    tails : StudentTails or None
    fixed : Fixed or None
    collapses : list of Collapse
        What happened to components in this run.
    """

    def __init__(
        self,
        structure: CovarianceStructure,
        ridge: Ridge,
        on_collapse: str,
        draw_row: Callable[[MixtureParameters], Array],
        background: Background | None = None,
        tails: StudentTails | None = None,
        fixed: Fixed | None = None,
    ) -> None:
        self.structure = structure
        self._ridge = ridge
        self._on_collapse = on_collapse
        self._draw_row = draw_row
        self._background = background
        self.tails = tails
        self.fixed = fixed
        self.collapses: list[Collapse] = []

    def begin(self) -> None:
        """Another run begins."""
        self.collapses = []

    def strict(self) -> "Maximization":
        """The same, for which a collapse is an error."""
        return Maximization(
            *(self.structure, self._ridge, "raise", self._draw_row),
            *(self._background, self.tails, self.fixed),
        )

    def start(self, statistics: SufficientStatistics) -> MixtureParameters:
        """Parameters to start from, mended if need be."""
        try:
            return self(statistics)
        except SingularCovarianceError as error:
            return self.mend(statistics, error, 0)

    def __call__(
        self,
        statistics: SufficientStatistics,
        before: MixtureParameters | None = None,
    ) -> MixtureParameters:
        """The parameters under which the rows are likeliest.

        Parameters
        ----------
        statistics : SufficientStatistics
        before : MixtureParameters, optional
            Those of the pass, than which what is returned is likelier.

        Raises
        ------
        SingularCovarianceError
            If a component collapsed; with 'raise', not if the ridge holds it up.
        """
        return self._step(statistics, before, self.fixed)

    def _step(
        self,
        statistics: SufficientStatistics,
        before: MixtureParameters | None,
        fixed: Fixed | None,
    ) -> MixtureParameters:
        """The step, in which what is ``fixed`` of these components stays as before.

        At a start there is nothing before: then it is what will stay.
        """
        held = None
        if fixed is None or before is None:
            parameters = self.structure.maximize(statistics, self._ridge, before)
        else:
            held = fixed.covariances
            statistics = about_fixed_means(
                fixed, statistics, before, self.structure.representation
            )
            parameters = maximize_beside(
                self.structure, statistics, self._ridge, before, held
            )
        background = background_of(statistics, self._background)
        parameters = replace(parameters, background=background)
        if self.tails is not None:
            parameters = self.tails.completed(
                parameters, statistics, self.structure, held
            )
        if fixed is None or before is None:
            parameters = equalized(fixed, parameters)
        else:
            parameters = kept(fixed, parameters, before, self.structure.representation)
        if self._on_collapse != "raise":
            collapsed = self._held_up(parameters, statistics, fixed)
            if collapsed is not None:
                raise SingularCovarianceError(collapsed)
        return parameters

    def mend(
        self,
        statistics: SufficientStatistics,
        error: SingularCovarianceError,
        iteration: int,
        before: MixtureParameters | None = None,
    ) -> MixtureParameters:
        """Parameters without the components that collapsed, or with new ones instead.

        ``before`` are those of the pass, of which what is fixed stays.

        Raises
        ------
        SingularCovarianceError
            If that is not wanted, or no other component is left, or all share the
            covariance, or anything of the component is fixed, or it has happened too
            often.
        """
        fixed, others = self.fixed, before
        # Numbers of the components that are left, as they were before the iteration.
        left = list(range(len(statistics.weights)))
        gone: list[int] = []
        most = _MOST_COLLAPSES * len(left)
        total = statistics.total
        while True:
            k = error.component
            if self._on_collapse == "raise" or k is None:
                raise error
            is_shared = self.structure.representation.is_shared
            if is_shared and error.degeneracy.empty_columns:
                raise error  # what its rows gave to the shared scatter stays there
            if fixed is not None and fixed.components[k]:
                raise error.after(
                    f"on_collapse={self._on_collapse!r} leaves component {left[k]} "
                    "alone, of which something is fixed"
                )
            # As it was in the whole mixture.
            degeneracy = replace(
                error.degeneracy,
                component=left[k],
                weight=error.n_rows / total,
            )
            error = SingularCovarianceError(degeneracy)
            if len(self.collapses) >= most:
                raise error.after(
                    f"Components were seeded anew {most} times, and collapsed again"
                )
            gone.append(left.pop(k))
            statistics = statistics.without(k, shares_scatter=is_shared)
            rest = np.delete(np.arange(len(left) + 1), k)
            fixed = None if fixed is None else fixed.of(rest)
            if others is not None:
                others = others.of(rest, shares_covariance=is_shared)
            if not statistics.weights.any():
                raise error.after("No other component is left that has rows")
            action = DROPPED if self._on_collapse == "drop" else RESEEDED
            self.collapses.append(Collapse(iteration, degeneracy, action))
            try:
                parameters = self._step(statistics, others, fixed)
            except SingularCovarianceError as another:
                error = another
                continue
            break
        if self._on_collapse == "reseed":
            for number in sorted(gone):
                parameters = self._with_another(parameters, number)
            if self.fixed is not None and before is not None:
                representation = self.structure.representation
                parameters = kept(self.fixed, parameters, before, representation)
        return parameters

    def largest_fall(
        self,
        statistics: SufficientStatistics,
        before: MixtureParameters,
        after: MixtureParameters,
    ) -> float:
        """By how much the mean log-likelihood of a row may fall in this step.

        EM with a ridge maximises the log-likelihood less half the sum of n_k ridge_j
        precision_kjj, with the sums n_k of this step's responsibilities: that does
        not fall, so the log-likelihood falls by no more than the other term does.
        """
        shares = statistics.weights / statistics.total
        of_after = shares
        if self.tails is not None:
            # It was the step's before its covariances were divided.
            held = None if self.fixed is None else self.fixed.covariances
            of_after = shares / self.tails.expansions(statistics, self.structure, held)
        return max(0.0, self.penalty(shares, before) - self.penalty(of_after, after))

    def penalty(self, shares: Array, parameters: MixtureParameters) -> float:
        """What the ridge takes from the mean log-likelihood of a row, for EM's steps.

        With these shares of the components in the rows.
        """
        if not np.any(self._ridge):
            return 0.0
        ridge_shares = np.broadcast_to(
            self.structure.representation.ridge_shares(
                parameters.precisions_cholesky, self._ridge
            ),
            parameters.means.shape,
        )
        return float(shares @ ridge_shares.sum(axis=1)) / 2

    def _held_up(
        self,
        parameters: MixtureParameters,
        statistics: SufficientStatistics,
        fixed: Fixed | None,
    ) -> Degeneracy | None:
        """The first component that has no rows, or spread from the ridge alone.

        Not in columns in which that is true of all components: they are not to blame
        for a constant column. Nor one of which anything is fixed.
        """
        weights = statistics.weights
        if len(weights) == 1:
            return None
        hides_empty = self.structure.hides_empty_components
        collapsed = weights <= (_EMPTY * weights.sum() if hides_empty else 0)
        if np.any(self._ridge) and not hides_empty:
            parameters = self.structure.unscaled(parameters, statistics, self._ridge)
            shares = self.structure.representation.ridge_shares(
                parameters.precisions_cholesky, self._ridge
            )
            held_up = shares > _HELD_UP
            collapsed |= (held_up & ~held_up.all(axis=0)).any(axis=1)
        if fixed is not None:
            collapsed[np.flatnonzero(fixed.components)] = False
        if not collapsed.any():
            return None
        k = int(np.argmax(collapsed))
        if hides_empty:  # what they share is as it should be
            n_features = parameters.means.shape[1]
            return Degeneracy(k, weight=0.0, n_rows=0.0, n_features=n_features)
        return degeneracy_of(
            self.structure, parameters, k, weights, self._ridge, _HELD_UP
        )

    def _with_another(
        self, parameters: MixtureParameters, number: int
    ) -> MixtureParameters:
        """One more component: a badly explained row, with the others' mean covariance.

        Its weight is 1 / K.
        """
        row = self._draw_row(parameters)
        n_components = len(parameters.weights) + 1
        left = 1 - 1 / n_components
        background = parameters.background
        if background is not None:
            background = replace(background, weight=background.weight * left)
        covariances = parameters.covariances
        if not self.structure.representation.is_shared:
            mean = np.average(covariances, axis=0, weights=parameters.weights)
            covariances = np.insert(covariances, number, mean, axis=0)
            covariances = self.structure.nearest(covariances)
        v = parameters.degrees_of_freedom
        return MixtureParameters(
            np.insert(parameters.weights * left, number, 1 / n_components),
            np.insert(parameters.means, number, row, axis=0),
            covariances,
            self.structure.representation.cholesky(covariances),
            background,
            # Of equal ones their own.
            degrees_of_freedom=None
            if v is None
            else np.insert(v, number, np.median(v)),
        )
