"""What rows see of a mixture that have some of its columns only, and the way back."""

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fastem.covariances.representations import Representation
from fastem.covariances.representations.student import expected_tail_sums
from fastem.statistics import (
    Array,
    MixtureParameters,
    SufficientStatistics,
    TailSums,
)

# A normal density of this variance is 1 at its mean.
_UNIT_DENSITY = 1 / (2 * math.pi)


class View:
    """A mixture as a group of rows sees it, and the group's statistics lifted to it.

    Rows without any column are given one of zeros, at which every density is 1.

    Parameters
    ----------
    representation : Representation
    whole : MixtureParameters
    columns : array of int
        The columns that the rows have.
    components : array of int, optional
        The components that the rows may belong to; by default all.
    has_background : bool, default=True
        Whether they may belong to the background.
    """

    def __init__(
        self,
        representation: Representation,
        whole: MixtureParameters,
        columns: NDArray[np.intp],
        components: NDArray[np.intp] | None = None,
        has_background: bool = True,
    ) -> None:
        self._representation = representation
        self._whole = whole
        self._columns = columns
        K, D = whole.means.shape
        self._components = np.arange(K) if components is None else components
        self._missing = np.setdiff1d(np.arange(D), columns)
        self._has_background = has_background

    @cached_property
    def parameters(self) -> MixtureParameters:
        """The marginal mixture."""
        whole, columns, components = self._whole, self._columns, self._components
        background = whole.background if self._has_background else None
        if background is not None:
            background = background.marginal(columns, whole.means.shape[1])
        weights = whole.weights[components]
        if not len(columns):
            covariances = np.full(
                self._representation.shape(len(components), 1), _UNIT_DENSITY
            )
            return MixtureParameters(
                weights,
                np.zeros((len(components), 1)),
                covariances,
                self._representation.cholesky(covariances),
                background,
                np.zeros(1),
            )
        shape = self._covariances, self._of(whole.precisions_cholesky)
        if len(self._missing):
            shape = self._representation.marginal(*shape, columns)
        return MixtureParameters(
            weights,
            whole.means[components[:, np.newaxis], columns],
            *shape,
            background,
            whole.center[columns],
            self._degrees_of_freedom,
        )

    @property
    def _covariances(self) -> Array:
        return self._of(self._whole.covariances)

    @property
    def _degrees_of_freedom(self) -> Array | None:
        """Those of a marginal t are those of the whole."""
        v = self._whole.degrees_of_freedom
        return None if v is None else v[self._components]

    def _tails(self, statistics: SufficientStatistics) -> TailSums | None:
        """The sums of all components; rows without any column weigh 1."""
        v, of_view = self._whole.degrees_of_freedom, self._degrees_of_freedom
        if v is None or of_view is None:
            return None
        tails = statistics.tails
        if tails is None:
            tails = expected_tail_sums(statistics.weights, of_view)
        counts, logarithms = np.zeros(len(v)), np.zeros(len(v))
        counts[self._components] = tails.counts
        logarithms[self._components] = tails.logarithms
        return TailSums(v, counts, logarithms)

    def _of(self, covariances: Array) -> Array:
        """Those of the components that the rows may belong to."""
        if self._representation.is_shared:
            return covariances
        return covariances[self._components]

    def lifted(
        self, statistics: SufficientStatistics, reference: Array
    ) -> SufficientStatistics:
        """What the rows say of the whole mixture, about these points (K, D).

        ``statistics`` are those of a pass with the marginal mixture.
        """
        representation, components = self._representation, self._components
        columns, missing = self._columns, self._missing
        K, D = reference.shape
        of_columns = reference[components[:, np.newaxis], columns]
        factors = self.parameters.precisions_cholesky
        if not len(columns):
            n = len(components)
            nothing = np.zeros(representation.shape(n, 0))
            factors = nothing
            statistics = SufficientStatistics(
                statistics.log_likelihood,
                statistics.weights,
                of_columns,
                np.zeros((n, 0)),
                representation.zero_scatter(n, 0),
                statistics.eps,
                background=statistics.background,
            )
        elif not np.array_equal(statistics.reference, of_columns):
            statistics = representation.move(statistics, of_columns)
        first, scatter = representation.lift(
            statistics, self._covariances, factors, columns, missing
        )
        everywhere = np.zeros((K, D))
        present = np.zeros((K, D))
        blur = np.zeros((K, D))
        weights = np.zeros(K)
        weights[components] = statistics.weights
        everywhere[components] = first
        tails = self._tails(statistics)
        at = components[:, np.newaxis], columns
        present[at] = statistics.weights[:, np.newaxis]
        blur[at] = statistics.blur
        if not representation.is_shared:
            of_all = np.zeros((K, *scatter.shape[1:]))
            of_all[components] = scatter
            scatter = of_all
        return SufficientStatistics(
            statistics.log_likelihood,
            weights,
            reference,
            everywhere,
            scatter,
            statistics.eps,
            blur,
            statistics.background,
            present,
            tails,
        )
