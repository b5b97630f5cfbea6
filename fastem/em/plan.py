"""What a fit is made of."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from fastem.checks.fixed import Fixed
from fastem.checks.labels import Partition
from fastem.checks.parameters import GivenStart
from fastem.checks.rows import Rows
from fastem.covariances import CovarianceStructure
from fastem.covariances.representations import Representation
from fastem.em.acceleration import Path, PlainPath
from fastem.em.constraints import equalized
from fastem.em.expectation import Expectation
from fastem.em.maximization import Maximization
from fastem.em.stopping import SmallChange, StoppingRule
from fastem.em.tails import StudentTails
from fastem.statistics import Background, MixtureParameters, Ridge


@dataclass(frozen=True)
class Plan:
    """What a fit is made of, factor by factor, wherever its rows are.

    It is made once, from what the user asked for; passes, starts, restarts, streams
    and clusters take from it what they need.

    Attributes
    ----------
    n_components : int
        K, as asked for.
    structure : CovarianceStructure
        How covariances follow from scatter; its representation says how they are
        stored, and thus which kernels walk over the rows.
    ridge : float or array of shape (D,)
        Added to every variance.
    on_collapse : {'raise', 'drop', 'reseed'}
        What becomes of a component whose density has no bound.
    method : str
        How EM starts, if the given start has no labels: one of ``init_params``.
    given : GivenStart
        Replaces what the method gives.
    partition : callable or None
        In place of the method: given rows, K and a RandomState, where the rows start.
    outlier_share : float
        What part of the rows the method 'trimmed' leaves out.
    n_starts : int or None
        Number of starts, of which the best is kept; None for those that short runs on
        some of the rows have judged.
    make_path : callable
        Makes the :class:`Path` of a run, of the structure, the tails and what is fixed:
        where to next.
    stopping : StoppingRule
        When a run is near enough to its limit.
    max_iter : int
        Largest number of iterations of a run.
    random_state : RandomState
        For starts, and for components that are seeded anew.
    n_threads : int or None
        At most so many threads; None for Numba's own setting.
    background : Background or None
        With the weight that it starts with.
    tails : StudentTails or None
        How degrees of freedom follow; None for Gaussian components.
    fixed : Fixed or None
        What stays as it is at the start.
    """

    n_components: int
    structure: CovarianceStructure
    ridge: Ridge = 0.0
    on_collapse: str = "raise"
    method: str = "kmeans"
    given: GivenStart = field(default_factory=GivenStart)
    partition: Callable[[Rows, int, np.random.RandomState], Partition] | None = None
    outlier_share: float = 0.05
    n_starts: int | None = 1
    make_path: Callable[
        [CovarianceStructure, StudentTails | None, Fixed | None], Path
    ] = PlainPath
    stopping: StoppingRule = field(default_factory=lambda: SmallChange(1e-3))
    max_iter: int = 100
    random_state: np.random.RandomState = field(default_factory=np.random.RandomState)
    n_threads: int | None = None
    background: Background | None = None
    tails: StudentTails | None = None
    fixed: Fixed | None = None

    @property
    def representation(self) -> Representation:
        """How covariances are stored."""
        return self.structure.representation

    def path(self) -> Path:
        """The path of another run."""
        return self.make_path(self.structure, self.tails, self.fixed)

    def maximization(self, expect: Expectation) -> Maximization:
        """The maximisation step, for these rows."""
        return Maximization(
            self.structure,
            self.ridge,
            self.on_collapse,
            lambda parameters: expect.draw_ill_explained(parameters, self.random_state),
            self.background,
            self.tails,
            self.fixed,
        )

    def completed(self, parameters: MixtureParameters) -> MixtureParameters:
        """A start from parameters of another kind of mixture, or of this.

        A background that there is keeps its weight; a new one takes its share.
        """
        v = parameters.degrees_of_freedom
        if self.tails is None:
            v = None
        elif v is None or not isinstance(self.tails.wish, str):
            v = self.tails.start(len(parameters.weights))
        completed = self._with_background(replace(parameters, degrees_of_freedom=v))
        return equalized(self.fixed, completed)

    def _with_background(self, parameters: MixtureParameters) -> MixtureParameters:
        known, wanted = parameters.background, self.background
        if wanted is None:
            if known is None:
                return parameters
            weights = parameters.weights / parameters.weights.sum()
            return replace(parameters, weights=weights, background=None)
        if known is not None:
            return replace(parameters, background=replace(wanted, weight=known.weight))
        weights = parameters.weights * (1 - wanted.weight)
        return replace(parameters, weights=weights, background=wanted)
