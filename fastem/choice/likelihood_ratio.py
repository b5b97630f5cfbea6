"""Whether another component is more than chance: the likelihood ratio, bootstrapped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from fastem.checks.rows import read_only
from fastem.choice.candidates import Attempt, Candidate, Fitter, is_complete
from fastem.choice.cutting import cut
from fastem.choice.starting import Starts
from fastem.covariances import CovarianceStructure, structure_of
from fastem.em.ridge import ridge_of
from fastem.em.side_by_side import Climb, Mixtures, SideBySide
from fastem.mixture import GaussianMixture
from fastem.mixture.drawing import draw_rows
from fastem.runtime import blas
from fastem.statistics import Array, MixtureParameters
from fastem.training.in_memory import RowsInMemory

# Iterations from each start, after which the likeliest goes on.
_SHORT = 6
# What is left to gain where fits end, in nats. Of 400 samples of 272 rows, statistics
# were more than 0.1 short, on plateaus, of what they are with a tenth of it: with 1e-2
# 23 %, with 1e-3 8 %, with 1e-4 0.5 %, for 1.2 times the time of 1e-2.
_TOL = 1e-4
_LONGEST = 1000  # iterations
# Samples that are fitted side by side at first, and values of them at most.
_FEWEST, _VALUES = 100, 1 << 22


@dataclass(frozen=True)
class LikelihoodRatioTest:
    """Whether a mixture needs more components, by samples from the one with fewer.

    Attributes
    ----------
    statistic : float
        Twice the gain in log-likelihood, 2 (L_1 - L_0); never negative.
    p_value : float
        How often a sample's statistic is as large, where the null hypothesis is true.
    error : float
        Standard error of ``p_value``, from the number of samples.
    sample : array of shape (B,)
        The statistics of the samples.
    n_components : tuple of int
        Of the null hypothesis, and of the alternative.
    log_likelihoods : tuple of float
        Of their fits to the rows.
    n_failed : int
        How many samples are left out, as each fit to them was a spike of density.
    """

    statistic: float
    p_value: float
    error: float
    sample: Array
    n_components: tuple[int, int]
    log_likelihoods: tuple[float, float]
    n_failed: int

    def __str__(self) -> str:
        null, alternative = self.n_components
        failed = f" ({self.n_failed} failed)" if self.n_failed else ""
        return (
            f"{null} or {alternative} components: twice the gain in log-likelihood is "
            f"{self.statistic:.4g}; of {len(self.sample)} samples from the mixture of "
            f"{null}{failed}, as much or more was gained with probability "
            f"{self.p_value:.3g} +- {self.error:.2g}"
        )


def bootstrap_lrt(
    X: Any,
    n_components: int,
    n_alternative: int | None = None,
    *,
    covariance_type: str = "full",
    estimator: GaussianMixture | None = None,
    sample_weight: ArrayLike | None = None,
    n_bootstrap: int = 999,
    n_exceedances: int | None = 50,
    random_state: int | np.random.RandomState | None = None,
) -> LikelihoodRatioTest:
    """Test a number of components against one more, by the likelihood ratio.

    Its distribution is not chi-squared, as the null hypothesis lies at the edge of what
    the alternative can be: so samples are drawn from the mixture of fewer components,
    as many rows as there are, with the same gaps, and both are fitted to each [1]_.

    P-values depend on how fits start, since other starts find other optima. All, to the
    rows as to samples, start alike: from the branches of Ward's tree, and from the fit
    with a component less, each of whose components is cut in two along its longest
    axis; that one started likewise, and so on down to one component. After some
    iterations the likeliest goes on, or the next if it becomes a spike that only
    ``reg_covar`` holds up: such fits do not count.

    Parameters
    ----------
    X : array-like of shape (N, D)
    n_components : int
        K, of the null hypothesis.
    n_alternative : int, default=None
        Of the alternative; None for K + 1.
    covariance_type : str, default='full'
        As :class:`fastem.GaussianMixture` takes it.
    estimator : GaussianMixture, default=None
        All else that fits are made of: a :class:`fastem.StudentMixture`, noise, missing
        values, ``reg_covar``. None for ``GaussianMixture(reg_covar='relative')``. When
        fits end is not its to say: with less than 1e-4 nats left to gain.
    sample_weight : array-like of shape (N,), default=None
        How often each row counts. Whole numbers: a sample has as many rows.
    n_bootstrap : int, default=999
        Number of samples, at most.
    n_exceedances : int or None, default=50
        After so many statistics that are as large as that of the rows, h of l samples,
        no more are drawn, and ``p_value`` is h / l [2]_; else it is (h + 1) / (B + 1).
        None draws all.
    random_state : int, RandomState instance or None, default=None
        Seed of the samples.

    Returns
    -------
    LikelihoodRatioTest

    Raises
    ------
    ValueError
        If X or a parameter cannot be used, or no fit to the rows is sound.

    Notes
    -----
    Where covariances follow from each component's own rows ('full', 'diag',
    'spherical'), all is normal and nothing missing, samples are fitted side by side,
    some thirty times faster than one after the other.

    References
    ----------
    .. [1] G. J. McLachlan, "On bootstrapping the likelihood ratio test statistic for
       the number of components in a normal mixture", Appl. Stat. 36 (1987), 318-324.
    .. [2] J. Besag, P. Clifford, "Sequential Monte Carlo p-values", Biometrika 78
       (1991), 301-304.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import bootstrap_lrt
    >>> X = np.random.default_rng(0).normal(size=(300, 1))
    >>> X[:150] += 4
    >>> bootstrap_lrt(X, 1, n_bootstrap=99, random_state=0).p_value
    0.01
    >>> bootstrap_lrt(X, 2, n_bootstrap=99, random_state=0).p_value > 0.05
    True
    """
    numbers = n_components, n_components + 1 if n_alternative is None else n_alternative
    _check(*numbers, n_bootstrap, n_exceedances)
    template = _template(estimator, numbers[1], covariance_type)
    template._check_settings()
    rows = template._training_rows(X, sample_weight)
    if not isinstance(rows, RowsInMemory):
        raise ValueError(
            "bootstrap_lrt draws tables like the rows, in memory, and X is read in "
            "blocks: pass some of its rows"
        )
    repeats = _repeats(rows)
    random = check_random_state(random_state)
    single = _OneByOne(template, numbers)
    null, alternative = single.fits(rows, random)
    for attempt in (null, alternative):
        if not attempt.is_regular:
            raise ValueError(
                f"No fit of {attempt.candidate} to these rows is sound, and without "
                f"one there is no statistic: {attempt.reason}"
            )
    log_likelihoods = _log_likelihood(null, rows), _log_likelihood(alternative, rows)
    statistic = max(0.0, 2 * (log_likelihoods[1] - log_likelihoods[0]))
    fits = _fits_of(template, rows, numbers, single)
    sample, n_failed = _sample(
        statistic,
        _statistics(null.fitted, rows, repeats, fits, n_bootstrap, random),
        n_exceedances,
    )
    if not len(sample):
        raise ValueError(
            f"Each fit to {n_failed} samples was a spike of density: use fewer "
            "components, or a structure with fewer parameters"
        )
    n_larger = int(np.count_nonzero(sample >= statistic))
    if n_larger == n_exceedances:
        p_value = n_larger / len(sample)
        error = p_value * math.sqrt((1 - p_value) / n_larger)
    else:
        p_value = (n_larger + 1) / (len(sample) + 1)
        error = math.sqrt(p_value * (1 - p_value) / (len(sample) + 1))
    return LikelihoodRatioTest(
        *(statistic, p_value, error, sample, numbers, log_likelihoods, n_failed)
    )


def _check(
    n_components: int, n_alternative: int, n_bootstrap: int, n_exceedances: int | None
) -> None:
    if not 1 <= n_components < n_alternative:
        raise ValueError(
            "n_components must be at least 1, and less than n_alternative, but they "
            f"are {n_components} and {n_alternative}"
        )
    if n_bootstrap < 1:
        raise ValueError(f"n_bootstrap must be 1 or more, but is {n_bootstrap}")
    if n_exceedances is not None and n_exceedances < 2:
        raise ValueError(
            f"n_exceedances must be 2 or more, or None, but is {n_exceedances}"
        )


def _template(
    estimator: GaussianMixture | None, n_components: int, covariance_type: str
) -> GaussianMixture:
    if estimator is not None and estimator.fixed:
        raise ValueError(
            "What the estimator holds fixed is of one number of components, and "
            "bootstrap_lrt compares two: set fixed=None"
        )
    template: GaussianMixture = (
        GaussianMixture(reg_covar="relative") if estimator is None else clone(estimator)
    )
    template.set_params(
        n_components=n_components,
        covariance_type=covariance_type,
        stopping="remaining_gain",
        accelerate=True,
        max_iter=max(2000, template.max_iter),
        on_collapse="raise",
        warm_start=False,
        verbose=0,
    )
    return template


def _repeats(rows: RowsInMemory) -> NDArray[np.int64]:
    """How often each row counts."""
    if not len(rows.weights):
        return np.ones(len(rows.values), np.int64)
    weights = rows.weights.astype(np.float64)
    counts = weights * (rows.n_rows / weights.sum())  # a fit's are relative ones
    whole = np.rint(counts)
    if not np.allclose(counts, whole, rtol=0, atol=1e-6 * max(1.0, counts.max())):
        raise ValueError(
            "sample_weight must be whole numbers for bootstrap_lrt: a sample has as "
            "many rows as there are, and weights that are no counts do not say how many"
        )
    repeats: NDArray[np.int64] = whole.astype(np.int64)
    return repeats


def _log_likelihood(attempt: Attempt, rows: RowsInMemory) -> float:
    return rows.n_rows * attempt.fitted.lower_bound_


def _statistics(
    null: GaussianMixture,
    rows: RowsInMemory,
    repeats: NDArray[np.int64],
    fits: _Fits,
    n_bootstrap: int,
    random: np.random.RandomState,
) -> Iterator[float]:
    """Those of samples from the null hypothesis; nan where no fit is sound."""
    structure, parameters = null._fitted()
    gaps = np.isnan(rows.values).repeat(repeats, axis=0) if rows.has_gaps else None
    N, D = int(repeats.sum()), rows.shape[1]
    n_done = 0
    while n_done < n_bootstrap:
        # At first few, as it may be seen soon that the statistic is nothing unusual.
        size = max(_FEWEST, min(n_done, _VALUES // (N * D)))
        tables = np.empty((min(size, n_bootstrap - n_done), N, D))
        n_done += len(tables)
        for table in tables:
            drawn, _ = draw_rows(parameters, structure.representation, N, random)
            if gaps is not None:  # drawn in the order of components
                drawn = drawn[random.permutation(N)]
                drawn[gaps] = np.nan
            table[:] = drawn
        with blas.one_thread():  # all matrices are small
            pairs = fits.log_likelihoods(tables, random)
        yield from np.maximum(2 * (pairs[:, 1] - pairs[:, 0]), 0.0)


def _sample(
    statistic: float, statistics: Iterator[float], n_exceedances: int | None
) -> tuple[Array, int]:
    """Statistics until enough of them are as large, and how many there are not."""
    kept: list[float] = []
    n_failed = n_larger = 0
    for value in statistics:
        if math.isnan(value):
            n_failed += 1
            continue
        kept.append(value)
        n_larger += value >= statistic
        if n_larger == n_exceedances:
            break
    return np.array(kept), n_failed


class _Fits(Protocol):
    """Fits of both hypotheses to samples."""

    def log_likelihoods(self, tables: Array, random: np.random.RandomState) -> Array:
        """Of the null hypothesis and the alternative: (B, 2), nan where none is sound.

        ``tables`` (B, N, D) are samples.
        """


def _fits_of(
    template: GaussianMixture,
    rows: RowsInMemory,
    numbers: tuple[int, int],
    single: _OneByOne,
) -> _Fits:
    """Side by side where that can be."""
    structure = structure_of(template.covariance_type)
    plain = type(template) is GaussianMixture and not (
        template.noise or template.equal_weights
    )
    if not (
        (plain and structure.shares_nothing and not rows.has_gaps)
        and template.covariance_ratio is None
    ):
        return single
    ridge = ridge_of(template.reg_covar, rows.column_variances)
    return _Together(structure, ridge, numbers)


@final
@dataclass(frozen=True)
class _OneByOne:
    """Fits of any kind."""

    template: GaussianMixture
    numbers: tuple[int, int]

    def log_likelihoods(self, tables: Array, random: np.random.RandomState) -> Array:
        """Of the fits to each table."""
        found = np.full((len(tables), 2), math.nan)
        for of_table, table in zip(found, tables, strict=True):
            rows = RowsInMemory.checked(clone(self.template), table, None)
            fits = self.fits(rows, random)
            if all(attempt.is_regular for attempt in fits):
                of_table[:] = [_log_likelihood(attempt, rows) for attempt in fits]
        return found

    def fits(
        self, rows: RowsInMemory, random: np.random.RandomState
    ) -> tuple[Attempt, Attempt]:
        """Of the null hypothesis and of the alternative."""
        template = clone(self.template)
        template.n_features_in_ = rows.shape[1]
        fitter = Fitter(template, rows, _TOL)
        starts = Starts.of(rows, random)
        rungs: list[Attempt] = []
        for K in range(1, self.numbers[1] + 1):
            candidate = Candidate(template.covariance_type, K)
            cuts: list[MixtureParameters] = []
            if rungs and rungs[-1].model is not None:
                structure, parameters = rungs[-1].model._fitted()
                which = np.arange(len(parameters.weights))
                cuts = [cut(parameters, structure, k) for k in which[:, np.newaxis]]
            branches = _branches(starts, candidate)
            rungs.append(fitter.best(candidate, branches, cuts, _SHORT))
        null, alternative = self.numbers
        return rungs[null - 1], rungs[alternative - 1]


def _branches(starts: Starts, candidate: Candidate) -> list[NDArray[np.int32]]:
    labels = starts.from_tree(candidate.n_components)
    return [labels] if is_complete(labels, candidate.n_components) else []


@final
@dataclass(frozen=True)
class _Together:
    """Fits side by side, where covariances follow from each component's own rows."""

    structure: CovarianceStructure
    ridge: Any
    numbers: tuple[int, int]

    def log_likelihoods(self, tables: Array, random: np.random.RandomState) -> Array:
        """Of the fits to each table."""
        steps = SideBySide(self.structure, self.ridge, tables)
        trees = [
            Starts.of(RowsInMemory(read_only(table), np.empty(0), len(table)), random)
            for table in tables
        ]
        found: list[Climb] = []
        for K in range(1, self.numbers[1] + 1):
            starts = [self._of_trees(steps, trees, K)]
            if found:
                starts += [self._cut(found[-1].mixtures, k) for k in range(K - 1)]
            found.append(self._best(steps, starts))
        return np.column_stack([found[K - 1].log_likelihoods for K in self.numbers])

    def _of_trees(
        self, steps: SideBySide, trees: list[Starts], n_components: int
    ) -> Mixtures:
        if n_components == 1:
            return steps.of_partitions(np.zeros(steps.tables.shape[:2], np.int32), 1)
        labels = np.array([tree.from_tree(n_components) for tree in trees])
        return steps.of_partitions(labels, n_components)

    def _cut(self, mixtures: Mixtures, k: int) -> Mixtures:
        """All of them, with component k cut in two."""
        K, B = mixtures.n_components, len(mixtures)
        parameters = cut(mixtures.parameters, self.structure, np.arange(B) * K + k)
        # The second halves are behind all: they belong to their own mixture.
        first, second = np.arange(B * K).reshape(B, K), B * K + np.arange(B)
        order = np.column_stack([first, second]).ravel()
        return Mixtures(
            MixtureParameters(
                *(parameters.weights[order], parameters.means[order]),
                parameters.covariances[order],
                parameters.precisions_cholesky[order],
            ),
            K + 1,
        )

    def _best(self, steps: SideBySide, starts: list[Mixtures]) -> Climb:
        """The likeliest that is sound, of one from each start."""
        B = len(steps.tables)
        if len(starts) > 1:
            short = [steps.climbed(start, _TOL, _SHORT) for start in starts]
        else:
            short = [Climb(starts[0], np.zeros(B), 0)]
        reached = np.nan_to_num(
            np.array([climb.log_likelihoods for climb in short]), nan=-math.inf
        )
        order = np.argsort(-reached, axis=0, kind="stable")
        best = Climb(short[0].mixtures, np.full(B, math.nan), 0)
        left = np.arange(B)
        for rank in range(len(starts)):
            for number, climb in enumerate(short):
                which = left[order[rank, left] == number]
                if not len(which):
                    continue
                some = steps.taken(which)
                found = some.climbed(climb.mixtures.taken(which), _TOL, _LONGEST)
                found.log_likelihoods[some.is_held_up(found.mixtures)] = math.nan
                best.mixtures.put(which, found.mixtures)
                best.log_likelihoods[which] = found.log_likelihoods
            left = np.flatnonzero(np.isnan(best.log_likelihoods))
        return best
