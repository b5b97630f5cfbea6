"""A mixture as a probability distribution: of some columns, given others, quantiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, f

from fastem.checks.arrays import as_numbers
from fastem.covariances import structure_of
from fastem.em.tails import MOST
from fastem.groups.conditional import conditionals
from fastem.mixture.columns import column_numbers, row_of_values
from fastem.mixture.criteria import JudgedMixture
from fastem.mixture.line import LineMixtures
from fastem.statistics import Array, Background

# Rows that levels of density are taken from: those of 95 % are then right to 0.02 nats
# or better in up to ten columns (and to 1e-4 of one column, which is not drawn from).
_N_ROWS = 1 << 17


class ProbabilityMixture(JudgedMixture):
    """What can be asked of a mixture as a probability distribution."""

    def marginal(self, columns: Sequence[str | int] | str | int) -> Self:
        """The distribution of some columns, whatever the others are.

        Parameters
        ----------
        columns : name or number of a column, or sequence of them
            In the order that the marginal distribution is to have.

        Returns
        -------
        GaussianMixture
            A fitted model of these columns. Where its components do not have the
            structure of this one any more, as equal volumes, its ``covariance_type``
            is a freer one.

        Raises
        ------
        ValueError
            If there is no such column, or one is there twice.

        Examples
        --------
        >>> from fastem import GaussianMixture
        >>> model = GaussianMixture.from_parameters([1.0], [[0.0, 1.0]],
        ...                                         [[[1.0, 0.5], [0.5, 2.0]]])
        >>> model.marginal([1]).covariances_
        array([[[2.]]])
        """
        structure, fitted = self._fitted()
        numbers = column_numbers(self, columns)
        K, D = fitted.means.shape
        covariances = structure.representation.expand(fitted.covariances, K, D)
        background = fitted.background
        if background is not None:
            background = background.marginal(numbers, D)
        return self._of_columns(
            *(numbers, fitted.weights, fitted.means[:, numbers]),
            covariances[:, numbers[:, np.newaxis], numbers],
            *(structure.code_of_some_columns, background, fitted.degrees_of_freedom),
        )

    def conditional(self, values: Mapping[Any, float] | ArrayLike) -> Self:
        """The distribution of the other columns, given the values of some.

        Parameters
        ----------
        values : mapping, Series, or array-like of shape (D,)
            Values by names or numbers of columns; or a row, with NaN in the columns
            that are asked for.

        Returns
        -------
        GaussianMixture
            A fitted model of the columns that are not in ``values``, in their order.
            Of Student's t, components have a scale of their own each.

        Raises
        ------
        ValueError
            If there is no such column, or a value for each or for none.

        Examples
        --------
        >>> from fastem import GaussianMixture
        >>> model = GaussianMixture.from_parameters([1.0], [[0.0, 1.0]],
        ...                                         [[[1.0, 0.5], [0.5, 2.0]]])
        >>> given = model.conditional({0: 2.0})
        >>> given.means_, given.covariances_
        (array([[2.]]), array([[[1.75]]]))
        """
        structure, fitted = self._fitted()
        row = row_of_values(self, values)[np.newaxis]
        numbers = np.flatnonzero(np.isnan(row[0]))
        ask = replace(self._row_answers(), allows_gaps=True)
        (of_row,) = conditionals(ask, row, numbers)
        covariances, code = of_row.covariances, structure.code_of_some_columns
        v, background = of_row.degrees_of_freedom, of_row.background
        if v is not None:
            covariances = covariances * of_row.scales[0][:, np.newaxis, np.newaxis]
            code = "V" + code[1:]
            v = np.minimum(v, MOST)
        weights = of_row.shares[0] / of_row.shares[0].sum()
        if background is not None:
            # Far from all components it is 1 to rounding, and must be less.
            of_noise = min(float(weights[-1]), float(np.nextafter(1, 0)))
            background = replace(background, weight=of_noise)
            weights = weights[:-1]
            if not weights.any():  # shares of what is less than rounding
                weights = (1 - of_noise) * fitted.weights / fitted.weights.sum()
        return self._of_columns(
            *(numbers, weights, of_row.means[0], covariances, code, background, v)
        )

    def cdf(self, x: ArrayLike) -> Array:
        """The distribution function of a mixture of one column.

        Parameters
        ----------
        x : array-like
            Any shape.

        Returns
        -------
        array, of the shape of x
            The probability of a value of at most x.

        Raises
        ------
        ValueError
            If there are several columns, or a background of which only the volume is
            known.

        Examples
        --------
        >>> from fastem import GaussianMixture
        >>> model = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [4.0]],
        ...                                         [[[1.0]], [[1.0]]])
        >>> model.cdf([0.0, 2.0]).round(3)
        array([0.25, 0.5 ])
        """
        mixture = self._on_a_line("cdf")
        values = as_numbers(x, "x")
        return mixture.cdf(values.ravel()).reshape(values.shape)

    def ppf(self, q: ArrayLike) -> Array:
        """Quantiles of a mixture of one column: the inverse of :meth:`cdf`.

        Parameters
        ----------
        q : array-like
            Any shape, in [0, 1].

        Returns
        -------
        array, of the shape of q

        Raises
        ------
        ValueError
            As :meth:`cdf`; or if q is not in [0, 1].

        Examples
        --------
        >>> from fastem import GaussianMixture
        >>> model = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [4.0]],
        ...                                         [[[1.0]], [[1.0]]])
        >>> model.ppf([0.5, 0.9]).round(3)
        array([2.   , 4.842])
        """
        mixture = self._on_a_line("ppf")
        return mixture.ppf(shares_asked(q, "q").ravel()).reshape(np.shape(q))

    def density_levels(
        self,
        mass: ArrayLike,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> Array:
        """How dense the smallest region is that holds so much of the mixture [1]_.

        The region is where ``score_samples(X) >= density_levels(mass)``: of all that
        hold this mass, it has the least volume.

        Parameters
        ----------
        mass : array-like
            Any shape, in [0, 1].
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None for the one of the constructor.

        Returns
        -------
        array, of the shape of mass
            Logarithms of densities. Of one component exact; of one column right to
            1e-4; else those of 131,072 rows that are drawn.

        Raises
        ------
        ValueError
            If a mass is not in [0, 1], or there is a background of which only the
            volume is known.

        References
        ----------
        .. [1] R. J. Hyndman, "Computing and graphing highest density regions", The
           American Statistician 50 (1996), 120-126.

        Examples
        --------
        >>> from fastem import GaussianMixture
        >>> model = GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
        >>> model.density_levels([0.0, 0.95]).round(3)
        array([-0.919, -2.84 ])
        >>> model.score_samples([model.ppf([0.975])]).round(3)  # where 2.5 % are left
        array([-2.84])
        """
        _, fitted = self._fitted()
        masses = shares_asked(mass, "mass")
        n_columns = fitted.means.shape[1]
        levels: Array
        if len(fitted.weights) == 1 and fitted.background is None:
            top = float(self.score_samples(fitted.means)[0])
            levels = top + _below_top(masses, n_columns, fitted.degrees_of_freedom)
        else:
            if n_columns == 1:
                shares = (np.arange(_N_ROWS) + 0.5) / _N_ROWS
                rows = self.ppf(shares)[:, np.newaxis]
            else:
                rows, _ = self.sample(_N_ROWS, random_state=random_state)
            levels = np.quantile(self.score_samples(rows), 1 - masses)
        return levels

    def _on_a_line(self, asked: str) -> LineMixtures:
        structure, fitted = self._fitted()
        K, D = fitted.means.shape
        if D > 1:
            raise ValueError(
                f"{asked} is of one column, but the model has {D}: take one of them, "
                f"as in marginal(0).{asked}(...)"
            )
        covariances = structure.representation.expand(fitted.covariances, K, D)
        shares, bounds = fitted.weights, None
        if fitted.background is not None:
            shares = np.append(shares, fitted.background.weight)
            bounds = fitted.background.box[0]
        return LineMixtures(
            shares[np.newaxis],
            fitted.means.T,
            np.sqrt(covariances[:, 0].T),
            *(fitted.degrees_of_freedom, bounds),
        )

    def _of_columns(
        self,
        numbers: NDArray[np.intp],
        weights: Array,
        means: Array,
        covariances: Array,
        code: str,
        background: Background | None,
        degrees_of_freedom: Array | None,
    ) -> Self:
        """A model of its own, of matrices (K, M, M) that have this structure."""
        structure = structure_of(code)
        names = getattr(self, "feature_names_in_", None)
        settings: dict[str, Any] = {}
        if background is not None:
            settings["noise_bounds"] = background.bounds
            settings["noise_weight"] = background.weight
            settings["noise_volume"] = background.volume
        return type(self).from_parameters(
            weights,
            means,
            structure.representation.compact(covariances),
            covariance_type=structure.name,
            feature_names=None if names is None else names[numbers],
            degrees_of_freedom=degrees_of_freedom,
            **settings,
            missing_values=self.missing_values,
            random_state=self.random_state,
            n_threads=self.n_threads,
        )


def _below_top(
    masses: Array, n_columns: int, degrees_of_freedom: Array | None
) -> Array:
    """Logarithms of the density of one component, less that at its mean."""
    if degrees_of_freedom is None:
        of_normal: Array = -chi2.ppf(masses, n_columns) / 2
        return of_normal
    v = degrees_of_freedom[0]
    distances = n_columns * f.ppf(masses, n_columns, v)
    of_t: Array = -(v + n_columns) / 2 * np.log1p(distances / v)
    return of_t


def shares_asked(values: ArrayLike, name: str) -> Array:
    """Numbers in [0, 1] of any shape."""
    shares = as_numbers(values, name)
    if not ((shares >= 0) & (shares <= 1)).all():
        wrong = shares[~((shares >= 0) & (shares <= 1))].flat[0]
        raise ValueError(f"{name} must be in [0, 1], but has {wrong:g}")
    return shares
