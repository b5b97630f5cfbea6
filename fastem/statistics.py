"""The two values that EM passes around: what rows say, and what is believed."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ridge = float | Array  # added to every variance, or (D,) to those of each column
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class TailSums:
    """Further sums of components with the tails of Student's t.

    A row counts in moments by its weight u beside its responsibility r: u is the
    expectation of what divides its covariance, given the row.

    Attributes
    ----------
    degrees_of_freedom : array of shape (K,)
        Those of the pass.
    counts : array of shape (K,)
        Sums of r u: how many rows count in moments.
    logarithms : array of shape (K,)
        Sums of r (the expectation of the logarithm of that divisor, less u).
    """

    degrees_of_freedom: Array
    counts: Array
    logarithms: Array

    def __add__(self, other: "TailSums") -> "TailSums":
        """Those of both sets of rows, in passes with the same parameters."""
        return replace(
            self,
            counts=self.counts + other.counts,
            logarithms=self.logarithms + other.logarithms,
        )

    def of(self, components: NDArray[np.intp]) -> "TailSums":
        """Those of some of the components."""
        return TailSums(
            self.degrees_of_freedom[components],
            self.counts[components],
            self.logarithms[components],
        )


@dataclass(frozen=True)
class SufficientStatistics:
    """Sums over rows, weighted by responsibilities: all that a fit keeps of them.

    Moments are taken about a reference point for each component, the mean it had
    during the pass: so a covariance never is the difference of two huge numbers.

    Attributes
    ----------
    log_likelihood : float
        Sum over rows of sample weight times log-density.
    weights : array of shape (K,)
        Sums of responsibilities.
    reference : array of shape (K, D)
        The points that the moments are about.
    first : array of shape (K, D)
        Sums of responsibility x (row - reference).
    scatter : array
        Sums of responsibility x (row - reference)(row - reference)', in the shape
        that the covariance structure needs.
    eps : float
        Relative rounding of the arithmetic that made the sums.
    blur : float or array of shape (K, D)
        What rounding in the pass may leave of row - reference where there is no
        difference: a smaller spread cannot be told from none.
    background : float
        Sum of the responsibilities of the background, which has no moments.
    present : array of shape (K, D), or None
        Sums of responsibilities of the rows that have a value in each column; None if
        all rows have all.
    tails : TailSums, optional
        Where tails are Student's; responsibilities in moments are times u then.
    """

    log_likelihood: float
    weights: Array
    reference: Array
    first: Array
    scatter: Array
    eps: float = EPS
    blur: float | Array = 0.0
    background: float = 0.0
    present: Array | None = None
    tails: TailSums | None = None

    @property
    def counts(self) -> Array:
        """How many rows count in the moments of each component: (K,)."""
        return self.weights if self.tails is None else self.tails.counts

    @property
    def total(self) -> float:
        """Number of rows, each as often as its weight says."""
        return float(self.weights.sum()) + self.background

    def __add__(self, other: "SufficientStatistics") -> "SufficientStatistics":
        """Statistics of both sets of rows; the references must be the same."""
        if not np.array_equal(self.reference, other.reference):
            raise ValueError(
                "statistics about different reference points cannot be added: "
                "they come from passes with different parameters"
            )
        return SufficientStatistics(
            self.log_likelihood + other.log_likelihood,
            self.weights + other.weights,
            self.reference,
            self.first + other.first,
            self.scatter + other.scatter,
            max(self.eps, other.eps),
            np.maximum(self.blur, other.blur),
            self.background + other.background,
            self._present_with(other),
            None
            if self.tails is None or other.tails is None
            else self.tails + other.tails,
        )

    def _present_with(self, other: "SufficientStatistics") -> Array | None:
        if self.present is None and other.present is None:
            return None
        counts = [
            s.weights[:, np.newaxis] if s.present is None else s.present
            for s in (self, other)
        ]
        present: Array = counts[0] + counts[1]
        return present

    def without(
        self, component: int, *, shares_scatter: bool = False
    ) -> "SufficientStatistics":
        """What is left when a component is taken out, its rows with it.

        Where components share their scatter, only one that has no rows can be.
        """
        return self.of(
            np.delete(np.arange(len(self.weights)), component),
            shares_scatter=shares_scatter,
        )

    def of(
        self, components: NDArray[np.intp], *, shares_scatter: bool = False
    ) -> "SufficientStatistics":
        """Those of some of the components."""
        blur = self.blur
        return replace(
            self,
            weights=self.weights[components],
            reference=self.reference[components],
            first=self.first[components],
            scatter=self.scatter if shares_scatter else self.scatter[components],
            blur=blur[components] if isinstance(blur, np.ndarray) else blur,
            present=None if self.present is None else self.present[components],
            tails=None if self.tails is None else self.tails.of(components),
        )


@dataclass(frozen=True)
class Background:
    """A uniform density beneath all components: rows that belong to none.

    It is the same everywhere, also outside its box.

    Attributes
    ----------
    weight : float
    volume : float
        The density is 1 / volume.
    bounds : array of shape (D, 2), or None
        The box to draw from, if one is known: the least and the largest value of each
        column.
    """

    weight: float
    volume: float
    bounds: Array | None = None

    @property
    def log_density(self) -> float:
        """Logarithm of weight times density."""
        if not self.weight > 0:
            return -math.inf
        return math.log(self.weight) - math.log(self.volume)

    @property
    def box(self) -> Array:
        """The bounds.

        Raises
        ------
        ValueError
            If they are not known.
        """
        if self.bounds is None:
            raise ValueError(
                "Of the background only the volume is known, and not where it lies: "
                "give noise_bounds, the least and the largest value of each column"
            )
        return self.bounds

    def marginal(self, columns: NDArray[np.intp], n_features: int) -> "Background":
        """What rows see of it that have these of D columns only.

        Its box has a volume in them, in units in which all columns together give the
        background's; without a box each column has the same share of that. No column
        gives 1.
        """
        volume = self.volume
        if len(columns) < n_features:
            volume = math.exp(float(self.log_widths(n_features)[columns].sum()))
        bounds = None if self.bounds is None else self.bounds[columns]
        return replace(self, volume=volume, bounds=bounds)

    def log_widths(self, n_features: int) -> Array:
        """Logarithms of the box's widths, which sum to that of the volume: (D,)."""
        logarithms = np.zeros(n_features)
        if self.bounds is not None and (self.bounds[:, 0] < self.bounds[:, 1]).all():
            logarithms = np.log(self.bounds[:, 1] - self.bounds[:, 0])
        logarithms += (math.log(self.volume) - logarithms.sum()) / n_features
        return logarithms


def background_of(
    statistics: SufficientStatistics, known: Background | None
) -> Background | None:
    """The background with the weight that the statistics give it."""
    if known is None:
        return None
    return replace(known, weight=statistics.background / statistics.total)


@dataclass(frozen=True)
class MixtureParameters:
    """A Gaussian mixture.

    Attributes
    ----------
    weights : array of shape (K,)
        With that of a background they sum to 1.
    means : array of shape (K, D)
    covariances : array
        In the shape of the covariance structure.
    precisions_cholesky : array
        Upper triangular U with U U' = inverse covariance, in the same shape; for
        structures without off-diagonal elements, 1 / standard deviation.
    background : Background, optional
    origin : array of shape (D,), optional
        What passes shift the rows by, if not by the mean of the mixture.
    degrees_of_freedom : array of shape (K,), optional
        Those of Student's t; covariances are its scale matrices then. None for normal
        distributions.
    """

    weights: Array
    means: Array
    covariances: Array
    precisions_cholesky: Array
    background: Background | None = None
    origin: Array | None = None
    degrees_of_freedom: Array | None = None

    @property
    def background_weight(self) -> float:
        """That of the background, 0 if there is none."""
        return 0.0 if self.background is None else self.background.weight

    @property
    def center(self) -> Array:
        """What passes shift the rows by, shape (D,): the mean of the mixture."""
        if self.origin is not None:
            return self.origin
        center: Array = self.weights @ self.means / self.weights.sum()
        return center

    def of(
        self, components: NDArray[np.intp], *, shares_covariance: bool = False
    ) -> "MixtureParameters":
        """Some of the components, with the weights that they have in the mixture."""

        def some(array: Array) -> Array:
            return array if shares_covariance else array[components]

        v = self.degrees_of_freedom
        return replace(
            self,
            weights=self.weights[components],
            means=self.means[components],
            covariances=some(self.covariances),
            precisions_cholesky=some(self.precisions_cholesky),
            degrees_of_freedom=None if v is None else v[components],
        )

    @property
    def log_weights(self) -> Array:
        """Logarithms of the weights, -inf for an empty component: shape (K,)."""
        with np.errstate(divide="ignore"):
            log_weights: Array = np.log(self.weights)
        return log_weights
