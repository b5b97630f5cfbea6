"""The estimator that chooses a mixture."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, DensityMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from fastem.checks.rows import Rows, remember_columns
from fastem.choice.candidates import Attempt, Candidate
from fastem.choice.criteria import CRITERIA
from fastem.choice.fixed import check_fixed
from fastem.choice.known import check_here, rows_among, widened
from fastem.choice.progress import SelectionProgress, SelectionReport
from fastem.choice.results import SelectionResults, SelectionRow
from fastem.choice.search import Outcome, Search
from fastem.covariances import STRUCTURES, CovarianceStructure, structure_of
from fastem.mixture import GaussianMixture
from fastem.mixture.fitted import unchanged_on_error
from fastem.runtime.callers import levels_to_caller
from fastem.training.background import NOISE_WEIGHT
from fastem.training.in_memory import TrainingRows

ALL = "all"
# Of eigenvalues, where each fit without it is a spike of density.
_BOUND = 1000.0
_OF_A_FIT = GaussianMixture._parameter_constraints


def usual_estimator() -> GaussianMixture:
    """What all candidates have in common, where nothing else is said."""
    return GaussianMixture(
        reg_covar="relative",
        stopping="remaining_gain",
        tol=0.01,
        accelerate=True,
        max_iter=1000,
        n_init=3,
    )


class GaussianMixtureSelector(DensityMixin, BaseEstimator):  # type: ignore[misc]
    """Chooses the covariance structure and the number of components of a mixture.

    Each pair of them is a candidate, and the one whose criterion is the least is
    chosen, among fits that ``reg_covar`` does not hold up: a component that shrinks to
    a spike has a likelihood without bound, and the best of all criteria.

    Work is shared. Rows are checked once. Candidates with as many components start
    from the same partitions of the rows (Ward's tree [1]_, k-means), and from the fit
    of the same structure with a component less, of which one is cut in two. Of large
    tables candidates are first fitted to K (1000 + 20 D) rows drawn at random; those
    that are worse than the best by more than ``margin`` standard errors, as these rows
    tell it, are dropped; the others, and the four best in any case, go on with eight
    times as many, and in the end with all. Where labels are known, such rows are drawn
    of each label and of the others by themselves, and count as much as there are: so no
    label is lost, and K is at least the number of labels.

    Parameters
    ----------
    n_components : int or sequence of int, default=1 to 10
        Numbers of components to choose from.
    covariance_types : 'all', str or sequence of str, default='all'
        Structures to choose from, as :class:`fastem.GaussianMixture` takes them; 'all'
        are fourteen.
    criterion : {'bic', 'icl', 'aic', 'held_out'}, default='bic'
        Lower is better. 'bic' finds the density, 'icl' clusters that do not overlap.
        'held_out' is -2 log L of rows that a fit has not seen: each candidate that is
        fitted to all rows is fitted once more without each of five folds, from where
        it was. Folds are weights: a row that counts c is dealt to them as c rows. Fits
        to some of the rows are compared by AIC, which estimates the same. With labels
        log L is what such a fit maximises, also of rows that are held out: of known
        ones, how likely they are with their label.
    estimator : GaussianMixture, default=None
        All else that a fit is made of. ``n_init`` is the number of k-means partitions;
        with 'auto' each candidate starts, in place of these, where short runs from 20
        to 64 starts of its own lead.
        None for ``GaussianMixture(reg_covar='relative', stopping='remaining_gain',
        tol=0.01, accelerate=True, max_iter=1000, n_init=3)``: criteria are compared to
        a hundredth, and units do not matter. :class:`fastem.dask.GaussianMixture`
        chooses for Dask collections. What it holds ``fixed`` is of one number of
        components, and starts from its ``weights_init``, ``means_init`` and
        ``precisions_init``.
    noise : bool, default=False
        Whether rows may belong to no component, whatever ``estimator`` says.
    missing_values : {'error', 'marginalize'}, default=None
        What a NaN among the rows is, as :class:`fastem.GaussianMixture` takes it; None
        for what ``estimator`` says.
    margin : float, default=3.0
        By how many standard errors a candidate may be worse before it is dropped, if it
        is none of the four best. inf drops none, and fits all to all rows in the end.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws and of k-means.
    n_threads : int or None, default=None
        Largest number of threads to use; None for what ``estimator`` says.
    n_jobs : int or None, default=None
        Number of processes, as scikit-learn counts them, that share the fits to the
        first rows, which are the most: each takes a structure with all numbers of
        components. What is chosen is the same; a process starts in some seconds. Fits
        to more rows are shared by threads. None for one, or what a
        ``joblib.parallel_config`` says.
    verbose : int, default=0
        1 prints a line for each fit.

    Attributes
    ----------
    best_estimator_ : GaussianMixture
        The chosen mixture; :meth:`predict` and the rest are its.
    results_ : SelectionResults
        What came of each candidate, and why it was not chosen.
    n_components_ : int
    covariance_type_ : str
        Those of the chosen mixture.
    n_features_in_ : int
    feature_names_in_ : array of shape (D,)
        Names of the columns, if X had names that are strings.

    References
    ----------
    .. [1] C. Fraley, A. E. Raftery, "Model-based clustering, discriminant analysis, and
       density estimation", JASA 97 (2002), 611-631.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixtureSelector
    >>> random = np.random.default_rng(0)
    >>> X = np.vstack([random.normal(m, s, (300, 2)) for m, s in ((0, 1), (6, 2))])
    >>> selector = GaussianMixtureSelector(range(1, 5), ["VII", "EEE"], random_state=0)
    >>> selector = selector.fit(X)
    >>> selector.covariance_type_, selector.n_components_
    ('VII', 2)
    >>> selector.predict_proba([[0.0, 0.0], [6.0, 6.0]]).round(2).max(axis=1)
    array([1., 1.])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [*_OF_A_FIT["n_components"], "array-like"],
        "covariance_types": [str, "array-like"],
        "criterion": [StrOptions(set(CRITERIA))],
        "estimator": [GaussianMixture, None],
        "margin": [Interval(Real, 0.0, None, closed="both")],
        **{
            name: _OF_A_FIT[name]
            for name in ("noise", "random_state", "n_threads", "verbose")
        },
        "n_jobs": [Integral, None],
        "missing_values": [*_OF_A_FIT["missing_values"], None],
    }

    best_estimator_: GaussianMixture
    results_: SelectionResults

    def __init__(
        self,
        n_components: int | Sequence[int] = tuple(range(1, 11)),
        covariance_types: str | Sequence[str] = ALL,
        *,
        criterion: str = "bic",
        estimator: GaussianMixture | None = None,
        noise: bool = False,
        missing_values: str | None = None,
        margin: float = 3.0,
        random_state: int | np.random.RandomState | None = None,
        n_threads: int | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.covariance_types = covariance_types
        self.criterion = criterion
        self.estimator = estimator
        self.noise = noise
        self.missing_values = missing_values
        self.margin = margin
        self.random_state = random_state
        self.n_threads = n_threads
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: None = None,
        sample_weight: ArrayLike | str | None = None,
        *,
        labels: ArrayLike | tuple[str, str] | None = None,
        callback: Callable[[SelectionProgress], object] | None = None,
    ) -> Self:
        """Fit the candidates, and choose.

        On an error the selector is left as it was.

        Parameters
        ----------
        X : array-like of shape (N, D), or a source of rows in blocks
            As :meth:`fastem.GaussianMixture.fit` takes it.
        y : None
            Ignored.
        sample_weight : array-like of shape (N,), or name of a column, default=None
            How often each row counts, and so how many rows there are.
        labels : array-like of shape (N,) or (N, M), or ('column', name), default=None
            What is known of the rows, as :meth:`fastem.GaussianMixture.fit` takes it:
            component k is label k, and candidates with fewer components than labels
            are listed with that reason. Of two dimensions they may be of the first M
            components: rows that may belong to all of these may belong to the others.
        callback : callable, default=None
            Called with a :class:`SelectionProgress` after each fit.

        Returns
        -------
        GaussianMixtureSelector
            The selector itself.

        Raises
        ------
        ValueError
            If X, a parameter or a weight cannot be used, or no candidate can be fitted.
        """
        self._validate_params()
        template = self._template()
        template._check_settings()
        with unchanged_on_error(self), template._announced():
            labels = widened(labels, template.n_components)
            rows = template._training_rows(X, sample_weight, labels)
            check_here(rows)
            chosen = self._choose(template, rows, callback)
        assert chosen.planned is not None
        rows = rows_among(rows, chosen.candidate.n_components)
        chosen.fitted._warn_of(chosen.planned, rows)
        return self

    def _choose(
        self,
        template: GaussianMixture,
        rows: TrainingRows,
        callback: Callable[[SelectionProgress], object] | None = None,
    ) -> Attempt:
        """Choose for rows that are checked, whose columns the template knows."""
        remember_columns(self, template)
        outcomes = self._outcomes(template, rows, callback)
        chosen = _best(outcomes)
        self.results_ = SelectionResults(
            CRITERIA[self.criterion].title,
            rows.shape[0],
            tuple(SelectionRow.of(outcome, rows.n_rows) for outcome in outcomes),
        )
        self.best_estimator_ = chosen.fitted
        self.n_components_ = chosen.candidate.n_components
        self.covariance_type_ = chosen.candidate.covariance_type
        return chosen

    def fit_predict(
        self,
        X: Any,
        y: None = None,
        sample_weight: ArrayLike | str | None = None,
        *,
        labels: ArrayLike | tuple[str, str] | None = None,
    ) -> NDArray[np.intp]:
        """Choose, and return the most likely component of each row.

        Parameters
        ----------
        X : array-like of shape (N, D), or a source of rows in blocks
        y : None
            Ignored.
        sample_weight : array-like of shape (N,), or name of a column, default=None
        labels : array-like of shape (N,) or (N, M), or ('column', name), default=None
            For the fit only: each row gets what the mixture says of it.

        Returns
        -------
        array of shape (N,), int
        """
        return self.fit(X, sample_weight=sample_weight, labels=labels).predict(X)

    def predict(self, X: Any) -> NDArray[np.intp]:
        """The most likely component of each row, by the chosen mixture."""
        return self._chosen.predict(X)

    def predict_proba(self, X: Any) -> Rows:
        """The degree to which each row belongs to each component, by the chosen one."""
        return self._chosen.predict_proba(X)

    def score_samples(self, X: Any) -> Rows:
        """The logarithm of the chosen mixture's density at each row."""
        return self._chosen.score_samples(X)

    def score(
        self, X: Any, y: None = None, sample_weight: ArrayLike | str | None = None
    ) -> float:
        """The mean log-likelihood of a row under the chosen mixture."""
        return self._chosen.score(X, sample_weight=sample_weight)

    def __sklearn_tags__(self) -> Any:
        """Whether NaN may be among the rows is as the template has it."""
        tags = super().__sklearn_tags__()
        of_template = self._estimator().__sklearn_tags__()
        tags.input_tags.allow_nan = of_template.input_tags.allow_nan
        return tags

    @property
    def _chosen(self) -> GaussianMixture:
        check_is_fitted(self)
        return self.best_estimator_

    def _estimator(self) -> GaussianMixture:
        """A copy of what fits are made of, which knows what a NaN is."""
        estimator: GaussianMixture = (
            usual_estimator() if self.estimator is None else clone(self.estimator)
        )
        if self.missing_values is not None:
            estimator.missing_values = self.missing_values
        return estimator

    def _template(self) -> GaussianMixture:
        """What all candidates have in common; of as many components as the largest."""
        template = self._estimator()
        template.n_components = max(self._numbers())
        template.noise = template.noise or self.noise
        check_fixed(template, self._numbers())
        if self.n_threads is not None:
            template.n_threads = self.n_threads
        if template.random_state is None and isinstance(self.random_state, Integral):
            # So that a copy of what is chosen fits other rows alike each time.
            template.random_state = self.random_state
        if template.noise and template.noise_weight_init is None:
            # Not that of the rows that a partition leaves out.
            template.noise_weight_init = NOISE_WEIGHT
        return template

    def _numbers(self) -> list[int]:
        """The numbers of components, each once, in order."""
        numbers = np.unique(np.atleast_1d(np.asarray(self.n_components)))
        if not len(numbers) or numbers.dtype.kind not in "iu" or numbers[0] < 1:
            raise ValueError(
                "n_components must be whole numbers, at least 1, but is "
                f"{self.n_components!r}"
            )
        return [int(number) for number in numbers]

    def _candidates(self, n_features: int) -> list[Candidate]:
        """All pairs, without those that are others by another name."""
        given = self.covariance_types
        if isinstance(given, str):
            given = list(STRUCTURES) if given == ALL else [given]
        if not len(given):
            raise ValueError("covariance_types is empty: name one, or 'all'")
        names: dict[CovarianceStructure, str] = {}
        for name in given:
            names.setdefault(structure_of(name), name)
        found: dict[tuple[int, str], Candidate] = {}
        for K in self._numbers():
            for structure, name in names.items():
                code = _code_among(structure, K, n_features)
                found.setdefault((K, code), Candidate(name, K))
        return list(found.values())

    def _outcomes(
        self,
        template: GaussianMixture,
        rows: TrainingRows,
        callback: Callable[[SelectionProgress], object] | None,
    ) -> list[Outcome]:
        """Of all candidates; with a bound on eigenvalues if each is a spike without."""
        candidates = self._candidates(rows.shape[1])
        report = SelectionReport(self.verbose, callback)
        search = Search(
            *(template, rows, CRITERIA[self.criterion], self.margin),
            *(check_random_state(self.random_state), self.n_jobs, report.of_rows),
            lambda attempt, *told: report.of_fold(attempt, rows.shape[0], *told),
        )
        outcomes = search.outcomes(candidates)
        fitted = [o for o in outcomes if o.attempt.model is not None]
        if (
            template.covariance_ratio is None
            and fitted
            and all(outcome.reason for outcome in fitted)
        ):
            warnings.warn(
                "Each candidate is a spike of density that only reg_covar holds up. "
                f"Chosen is among fits with covariance_ratio={_BOUND:g} instead. The "
                f"first one said: {fitted[0].reason}",
                stacklevel=levels_to_caller(),
            )
            template.set_params(covariance_ratio=_BOUND)
            outcomes = search.outcomes(candidates)
        return outcomes


def _code_among(
    structure: CovarianceStructure, n_components: int, n_features: int
) -> str:
    """Code of the structure, alike for those that are the same one here.

    One component shares with none, and one column has no shape.
    """
    code = structure.code if n_features > 1 else structure.code[0]
    return code if n_components > 1 else code.replace("V", "E")


def _best(outcomes: Sequence[Outcome]) -> Attempt:
    """The attempt to choose."""
    regular = [outcome for outcome in outcomes if not outcome.reason]
    if not regular:
        first = outcomes[0]
        raise ValueError(
            "No candidate can be chosen, and the first one, "
            f"{first.attempt.candidate}, says why: {first.reason}"
        )
    return min(regular, key=lambda outcome: outcome.value).attempt
