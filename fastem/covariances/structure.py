"""The contract of a rule: how covariances follow from what the rows say."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from fastem.covariances.bound import RatioBound
from fastem.covariances.degeneracy import Degeneracy, condition_number
from fastem.covariances.representations import Representation, mean_shifts
from fastem.covariances.singular import SingularCovarianceError
from fastem.statistics import (
    EPS,
    Array,
    MixtureParameters,
    Ridge,
    SufficientStatistics,
)

# Of smaller ones there is no inverse.
_LEAST_VARIANCE = 1e-306
# How many roundings of its variance a column may be from a combination of others to
# count as one. With 1, of 20 tables with such a column up to 3 in float64 (50,000 rows)
# and up to 5 in float32 were fitted, with condition numbers of rounding; with 8, none.
_SUMMED_ROUNDINGS = 8
# The share of a component's rows that have a value in a column must be more: with less
# EM stays where it is, and the column's parameters in the component are what they were.
_PRESENT = 1e-8


@dataclass(frozen=True, eq=False)
class CovarianceStructure(ABC):
    """A rule by which the covariances of components follow from their spreads.

    A new one is a final subclass in a file of its own and an entry in ``STRUCTURES``.
    K is the number of components, D of columns.

    A covariance is volume x axes x shape x axes', with a shape of determinant 1, and
    ``code`` has a letter for each of volume, shape and axes [1]_: E where they are
    equal in all components, V where each has its own, I for spheres or for axes along
    the columns.

    References
    ----------
    .. [1] G. Celeux, G. Govaert, "Gaussian parsimonious clustering models", Pattern
       Recognition 28 (1995), 781-793.
    """

    name: ClassVar[str]
    code: ClassVar[str]
    representation: ClassVar[Representation]  # how the covariances are stored
    bound: RatioBound | None = None

    @abstractmethod
    def estimate(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        """Maximum-likelihood covariances, in the shape of the representation.

        Rules that iterate begin with ``before``, so that they are likelier than those.

        Parameters
        ----------
        spreads : array
            The covariance of each component's own rows, with the ridge in it, as
            ``representation.spreads`` returns it.
        weights : array of shape (K,)
            Sums of responsibilities: how many rows each of them stands for.
        before : array, optional
            Covariances of this structure, such as the last estimate.
        """

    @property
    def description(self) -> str:
        """'VEV: own volumes, equal shapes, own axes'."""
        volume, shape, axes = list(self.code)
        whose = {"E": "equal", "V": "own"}
        told = [f"{whose[volume]} volumes"]
        told.append("spheres" if shape == "I" else f"{whose[shape]} shapes")
        if axes != "I":
            told.append(f"{whose[axes]} axes")
        elif shape != "I":
            told.append("axes along the columns")
        return f"{self.code}: {', '.join(told)}"

    @property
    def is_shared(self) -> bool:
        """Whether all components have the same covariance."""
        return "V" not in self.code

    @property
    def shares_nothing(self) -> bool:
        """Whether each component's covariance follows from its own rows alone."""
        return "E" not in self.code

    @property
    def takes_bound(self) -> bool:
        """Whether its likeliest covariances within a bound have a closed form."""
        volume, shape, _ = list(self.code)
        return shape in (volume, "I")

    def bounded(self, ratio: float, variances: Array) -> Self:
        """The same rule, with a bound on the ratio of eigenvalues.

        Of columns in units of their deviations, if that leaves the structure as it is;
        spheres, for example, suppose that columns can be compared.

        Parameters
        ----------
        ratio : float
        variances : array of shape (D,)
            Of the columns.

        Raises
        ------
        ValueError
            If a shared volume or shape ties eigenvalues to each other.
        """
        if not self.takes_bound:
            raise ValueError(
                f"covariance_ratio cannot be used with covariance_type={self.name!r}: "
                "where components share their volume or their shape alone, cutting off "
                "an eigenvalue of one moves those of all, and which are likeliest has "
                "no closed form. Use another structure, or reg_covar"
            )
        scales = np.ones_like(variances)
        if self.code_in_other_units == self.code:
            scales = np.sqrt(np.where(variances > 0, variances, 1.0))
        return replace(self, bound=RatioBound(ratio, scales))

    @property
    def hides_empty_components(self) -> bool:
        """Whether a component without rows has a covariance like any other."""
        return "V" not in self.code[:2] or self.bound is not None

    @property
    def scales_freely(self) -> bool:
        """Whether each covariance may be multiplied by a number of its own."""
        return self.code[0] == "V" and self.bound is None

    @property
    def scales_own_shapes(self) -> bool:
        """Whether a spread that is no more than rounding is scaled up to the others'.

        That is where they have a volume in common, but no shape.
        """
        return self.code[:2] == "EV"

    @property
    def code_in_other_units(self) -> str:
        """Code of the structure that the same rows have in other units of columns.

        Volumes and proportions stay as they are; spheres do not, nor angles between
        axes that are not those of the columns. Axes or shapes alone cannot be equal
        then.
        """
        volume, shape, axes = list(self.code)
        if axes == "I":
            return volume + shape.replace("I", "E") + axes
        return self.code if shape == axes else f"{volume}VV"

    @property
    def code_of_some_columns(self) -> str:
        """Code of the structure that components have in some of their columns.

        Also given the others. Proportions stay as they are; equal volumes are volumes
        of all columns, and so are axes or shapes alone.
        """
        volume, shape, axes = list(self.code)
        if axes == "I":
            return ("V" if shape == "V" else volume) + shape + axes
        return self.code if shape == axes == "E" else "V" * len(self.code)

    def unscaled(
        self,
        parameters: MixtureParameters,
        statistics: SufficientStatistics,
        ridge: Ridge,
    ) -> MixtureParameters:
        """The estimate, with the spreads as they are where they were scaled."""
        if not self.scales_own_shapes:
            return parameters
        spreads = self.representation.spreads(statistics, ridge)
        factors = self.representation.cholesky(spreads)
        return replace(parameters, covariances=spreads, precisions_cholesky=factors)

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Number of free parameters of the covariances."""
        volume, shape, axes = (
            {"E": 1, "V": n_components, "I": 0}[letter] for letter in self.code
        )
        n_angles = n_features * (n_features - 1) // 2
        return volume + shape * (n_features - 1) + axes * n_angles

    def _estimated(
        self, spreads: Array, weights: Array, before: Array | None = None
    ) -> Array:
        """The estimate within the bound, if there is one.

        What overflows is for whoever factorises it to find.
        """
        with np.errstate(all="ignore"):
            covariances = self.estimate(spreads, weights, before)
            if self.bound is None:
                return covariances
            return self.bound.within(covariances, self.representation, weights)

    def nearest(self, covariances: Array, weights: Array | None = None) -> Array:
        """The covariances of this structure that are likeliest if these are seen.

        The same ones, to rounding, if they are of this structure. ``weights`` (K,) say
        how often each is seen; by default alike.
        """
        variances = self.representation.variances(covariances)
        spreads = covariances if self.representation.has_matrices else variances
        return self._estimated(
            spreads, np.ones(len(variances)) if weights is None else weights
        )

    def confined(self, parameters: MixtureParameters) -> MixtureParameters:
        """The same mixture, with the nearest covariances that this structure can have.

        Raises
        ------
        SingularCovarianceError
        """
        nearest = self.nearest(parameters.covariances, parameters.weights)
        if np.array_equal(nearest, parameters.covariances):
            return parameters
        factors = self.representation.cholesky(nearest)
        return replace(parameters, covariances=nearest, precisions_cholesky=factors)

    def maximize(
        self,
        statistics: SufficientStatistics,
        ridge: Ridge,
        before: MixtureParameters | None = None,
    ) -> MixtureParameters:
        """The maximisation step: the parameters under which the rows are likeliest.

        A component without rows stays where it was, with weight 0. ``before`` are
        parameters to begin with where the step has to iterate: those of the pass.

        Raises
        ------
        SingularCovarianceError
            Without a ridge, also where a spread is no more than rounding.
        """
        check_present(statistics)
        representation = self.representation
        spreads = representation.spreads(statistics, ridge)
        covariances = self._estimated(
            spreads, statistics.weights, None if before is None else before.covariances
        )
        self._check_squares(covariances)
        try:
            if self.scales_own_shapes and not np.any(ridge):
                has_own_axes = self.code[2] != "E"
                self._check_spread(spreads, statistics, by_columns=has_own_axes)
            factors = self._factors(covariances, statistics, ridge)
        except SingularCovarianceError as error:
            n_components, n_features = statistics.reference.shape
            dense = representation.expand(covariances, n_components, n_features)
            condition = (
                math.inf
                if error.constant_columns
                else condition_number(dense[error.component or 0])
            )
            error = SingularCovarianceError(
                replace(
                    error.degeneracy,
                    component=None if self.is_shared else error.component,
                    is_everywhere=self._is_everywhere(
                        error.degeneracy, covariances, statistics, ridge
                    ),
                )
            )
            raise error.about(statistics.weights, n_features, condition) from None
        return MixtureParameters(
            weights=statistics.weights / statistics.total,
            means=statistics.reference + mean_shifts(statistics),
            covariances=covariances,
            precisions_cholesky=factors,
        )

    def _factors(
        self, covariances: Array, statistics: SufficientStatistics, ridge: Ridge
    ) -> Array:
        """precisions_cholesky; raises SingularCovarianceError for the first of them."""
        if np.any(ridge):
            return self.representation.cholesky(covariances)
        self._check_spread(covariances, statistics)
        rounding = _SUMMED_ROUNDINGS * statistics.eps
        return self.representation.cholesky(covariances, rounding)

    def _is_everywhere(
        self,
        known: Degeneracy,
        covariances: Array,
        statistics: SufficientStatistics,
        ridge: Ridge,
    ) -> bool:
        """Whether columns are collinear in all components that have rows for it."""
        n_components, n_features = statistics.reference.shape
        if not known.collinear_columns:
            return False
        if self.is_shared:
            return bool(statistics.weights.sum() > n_components + n_features)
        for k, weight in enumerate(statistics.weights):
            if not weight:
                continue
            if weight <= n_features:
                return False
            rest = replace(
                statistics,
                weights=statistics.weights[k:],
                reference=statistics.reference[k:],
                blur=statistics.blur[k:]
                if isinstance(statistics.blur, np.ndarray)
                else statistics.blur,
            )
            try:
                self._factors(covariances[k:], rest, ridge)
            except SingularCovarianceError as error:
                if (
                    error.component
                    or error.collinear_columns != known.collinear_columns
                ):
                    return False
            else:
                return False
        return True

    def _check_squares(self, covariances: Array) -> None:
        """Raise ValueError for a variance that has no inverse, though rows spread."""
        variances = self.representation.variances(covariances)
        too_small = (variances > 0) & (variances < _LEAST_VARIANCE)
        if too_small.any():
            k, j = (int(i) for i in np.argwhere(too_small)[0])
            columns = f"column {j}" if variances.shape[1] > 1 else "all columns"
            raise ValueError(
                f"the rows of component {k} spread by {math.sqrt(variances[k, j]):.2g} "
                f"in {columns}, too little to be squared: multiply what is so small "
                "by a large number"
            )

    def _check_spread(
        self,
        covariances: Array,
        statistics: SufficientStatistics,
        *,
        by_columns: bool = True,
    ) -> None:
        """No variance may be what rounding leaves of none; or not all of a component.

        Along axes that are not those of the columns a column may be constant.
        """
        variances = self.representation.variances(covariances)
        smallest = np.maximum(statistics.blur, EPS * np.abs(statistics.reference)) ** 2
        if self.is_shared:
            variances = variances[:1]
            shares = statistics.weights / statistics.weights.sum()
            smallest = (shares @ smallest)[np.newaxis]
        if variances.shape[1] == 1:
            smallest = smallest.mean(axis=1, keepdims=True)
        # Written so that a NaN counts as constant.
        constant = ~(variances > smallest)
        if not by_columns:
            constant &= constant.all(axis=1, keepdims=True)
        if constant.any():
            k = int(np.argmax(constant.any(axis=1)))
            n_columns = statistics.reference.shape[1]
            columns = (
                np.flatnonzero(constant[k]) if constant.shape[1] == n_columns else ()
            )
            raise SingularCovarianceError(Degeneracy(k, tuple(int(j) for j in columns)))


def check_present(statistics: SufficientStatistics) -> None:
    """Raise SingularCovarianceError for a component without values in a column."""
    if statistics.present is None:
        return
    is_empty = statistics.present <= _PRESENT * statistics.weights[:, np.newaxis]
    is_empty &= statistics.weights[:, np.newaxis] > 0
    if is_empty.any():
        k = int(np.argmax(is_empty.any(axis=1)))
        columns = tuple(int(j) for j in np.flatnonzero(is_empty[k]))
        raise SingularCovarianceError(Degeneracy(k, empty_columns=columns)).about(
            statistics.weights, statistics.reference.shape[1], math.inf
        )
