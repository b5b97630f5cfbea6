"""The estimator that tells classes apart by their mixtures."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from fastem import kernels
from fastem.checks.known import Known
from fastem.checks.labels import Labels
from fastem.checks.parameters import check_weights
from fastem.checks.rows import Rows, allows_gaps, remember_columns
from fastem.choice.selector import GaussianMixtureSelector
from fastem.covariances import SingularCovarianceError
from fastem.covariances.eii import EII
from fastem.decisions.classes import (
    Numbers,
    check_classes,
    check_weights_of_classes,
    rows_of_all,
    rows_of_classes,
)
from fastem.em import convergence_warnings
from fastem.mixture import GaussianMixture
from fastem.mixture.fitted import unchanged_on_error
from fastem.statistics import Array, MixtureParameters
from fastem.training.in_blocks import answer_blocks
from fastem.training.in_memory import TrainingRows


class MixtureClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Tells classes apart by a mixture for each: discriminant analysis, and more.

    A class has a prior probability and a density, that of its mixture; a row belongs
    to each class with the probability that Bayes' rule gives it.

    Parameters
    ----------
    mixture : GaussianMixture, StudentMixture or GaussianMixtureSelector, default=None
        What the mixture of a class is made of: a template, which stays as it is. Of a
        selector each class gets the structure and the number of components that are
        chosen for it. None for ``GaussianMixture()``: one component for each class,
        with a covariance matrix of its own, is quadratic discriminant analysis.
    share_across_classes : bool, default=False
        Whether what components have in common by their ``covariance_type`` is common
        to those of all classes, not only to those of one class: then one mixture is
        fitted, in which rows can only belong to components of their class. With one
        component for each class it is linear discriminant analysis if 'tied', and R's
        mclust calls the fourteen structures EDDA [1]_; with several it is mixture
        discriminant analysis [2]_.
    priors : array-like of shape (n_classes,), default=None
        Probabilities of the classes, in the order of ``classes_``, of sum 1. None for
        the shares of their rows, by their weights.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    priors_ : array of shape (n_classes,)
        Probabilities of the classes.
    mixtures_ : list of GaussianMixture
        The mixture of each class. Of a selector, those that were chosen. With
        ``share_across_classes`` they are parts of one fit, whose ``n_iter_``,
        ``lower_bounds_`` and the like each of them has.
    n_features_in_ : int
    feature_names_in_ : array of shape (D,)
        Names of the columns, if X had names that are strings.

    See Also
    --------
    sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis, \
sklearn.discriminant_analysis.LinearDiscriminantAnalysis

    Notes
    -----
    Covariances are those of the largest likelihood, as scikit-learn's are since its
    version 1.9: scatter is divided by the number of rows. For its numbers ``reg_covar``
    must be 0.

    References
    ----------
    .. [1] H. Bensmail, G. Celeux, "Regularized Gaussian discriminant analysis through
       eigenvalue decomposition", JASA 91 (1996), 1743-1748.
    .. [2] T. Hastie, R. Tibshirani, "Discriminant analysis by Gaussian mixtures",
       JRSS B 58 (1996), 155-176.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, MixtureClassifier
    >>> random = np.random.default_rng(0)
    >>> X = np.repeat([0.0, 5.0, 10.0], 100)[:, np.newaxis]
    >>> X += random.normal(size=(300, 1))
    >>> y = np.repeat(["outer", "inner", "outer"], 100)
    >>> classifier = MixtureClassifier(GaussianMixture(2, random_state=0)).fit(X, y)
    >>> classifier.predict([[0.0], [5.0], [10.0]]).tolist()
    ['outer', 'inner', 'outer']
    >>> classifier.predict_proba([[0.0]]).round(2)
    array([[0., 1.]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "mixture": [GaussianMixture, GaussianMixtureSelector, None],
        "share_across_classes": ["boolean"],
        "priors": ["array-like", None],
    }

    classes_: np.ndarray
    priors_: Array
    mixtures_: list[GaussianMixture]

    def __init__(
        self,
        mixture: GaussianMixture | GaussianMixtureSelector | None = None,
        *,
        share_across_classes: bool = False,
        priors: ArrayLike | None = None,
    ) -> None:
        self.mixture = mixture
        self.share_across_classes = share_across_classes
        self.priors = priors

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | str | None = None
    ) -> Self:
        """Fit the mixtures.

        On an error the classifier is left as it was.

        Parameters
        ----------
        X : array-like of shape (N, D), or a source of rows in blocks
            As :meth:`fastem.GaussianMixture.fit` takes it.
        y : array-like of shape (N,)
            The class of each row: numbers or strings.
        sample_weight : array-like of shape (N,), or name of a column, default=None
            How often each row counts.

        Returns
        -------
        MixtureClassifier
            The classifier itself.

        Raises
        ------
        ValueError
            If X, y, a parameter or a weight cannot be used, or a class has too few
            rows; the text names the class.
        SingularCovarianceError
            If the rows of a class do not spread in all columns.
        """
        self._validate_params()
        with unchanged_on_error(self):
            self.classes_, numbers = check_classes(y)
            check_weights_of_classes(self.classes_, numbers, sample_weight)
            fit = self._fit_together if self.share_across_classes else self._fit_apart
            self.mixtures_, shares = fit(X, numbers, sample_weight)
            if self.priors is not None:
                shares = check_weights(self.priors, len(self.classes_), "priors")
            self.priors_ = shares / shares.sum()
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most likely class of each row.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block

        Returns
        -------
        array of shape (N,), of the type of ``classes_``
        """
        likeliest = np.argmax(self._joint_log_densities(X), axis=1)
        labels: np.ndarray = self.classes_[likeliest]
        return labels

    def predict_proba(self, X: Any) -> Rows:
        """The probability of each class given the row.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block

        Returns
        -------
        array of shape (N, n_classes), float32 if X is, else float64
        """
        probabilities: Rows = np.exp(self.predict_log_proba(X))
        return probabilities

    def predict_log_proba(self, X: Any) -> Rows:
        """The logarithm of the probability of each class given the row.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block

        Returns
        -------
        array of shape (N, n_classes), float32 if X is, else float64
        """
        logarithms: Rows = log_softmax(self._joint_log_densities(X), axis=1)
        return logarithms

    def decision_function(self, X: Any) -> Rows:
        """The logarithm of each class's prior times its density at the row.

        Of two classes, the second one's less the first one's.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block

        Returns
        -------
        array of shape (N, n_classes) or (N,), float32 if X is, else float64
        """
        joint = self._joint_log_densities(X)
        return joint[:, 1] - joint[:, 0] if len(self.classes_) == 2 else joint

    def __sklearn_tags__(self) -> Any:
        """Whether NaN may be among the rows is as the template has it."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = allows_gaps(self._template())
        return tags

    def _template(self) -> GaussianMixture:
        """What mixtures have in common, whatever is chosen for each."""
        if isinstance(self.mixture, GaussianMixtureSelector):
            return self.mixture._template()
        return GaussianMixture() if self.mixture is None else clone(self.mixture)

    def _joint_log_densities(self, X: Any) -> Rows:
        """The logarithm of each class's prior times its density, (N, n_classes)."""
        check_is_fitted(self)
        asks = [mixture._row_answers() for mixture in self.mixtures_]
        with np.errstate(divide="ignore"):
            log_priors = np.log(self.priors_)

        def joint(rows: Rows) -> Rows:
            densities = [ask(kernels.log_likelihood_pass, rows) for ask in asks]
            return (np.column_stack(densities) + log_priors).astype(rows.dtype)

        gaps = allows_gaps(self.mixtures_[0])
        with closing(answer_blocks(self, X, gaps=gaps)) as blocks:
            parts = [joint(rows) for rows, _ in blocks]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _fit_apart(
        self, X: Any, numbers: Numbers, sample_weight: ArrayLike | str | None
    ) -> tuple[list[GaussianMixture], Array]:
        """A mixture for each class by itself, and the weights of their rows."""
        template = self._template()
        template._check_settings()
        mixtures, shares = [], []
        rows_of = rows_of_classes(template, X, numbers, sample_weight)
        for number, label in enumerate(self.classes_.tolist()):
            of_class = f"It is the mixture of class {label!r}."
            with _errors_named(label), convergence_warnings.ending_in(of_class):
                rows = rows_of(number)
                mixtures.append(self._mixture_of(rows, template))
            shares.append(rows.n_rows)
        remember_columns(self, template)
        return mixtures, np.array(shares)

    def _mixture_of(
        self, rows: TrainingRows, template: GaussianMixture
    ) -> GaussianMixture:
        """The mixture of one class, whose columns the template knows."""
        if isinstance(self.mixture, GaussianMixtureSelector):
            selector: GaussianMixtureSelector = clone(self.mixture)
            selector._validate_params()
            with template._announced():
                chosen = selector._choose(template, rows)
            mixture, planned = chosen.fitted, chosen.planned
            assert planned is not None
        else:
            mixture = clone(template)
            remember_columns(mixture, template)
            labels = mixture._given_labels(rows.shape[0])
            with mixture._announced():
                planned = mixture._fit_rows(rows, labels)
        mixture._warn_of(planned, rows)
        return mixture

    def _fit_together(
        self, X: Any, numbers: Numbers, sample_weight: ArrayLike | str | None
    ) -> tuple[list[GaussianMixture], Array]:
        """The classes' parts of one mixture of all rows, and their weights."""
        template = self._template()
        template._check_settings()
        self._check_can_share(template)
        partition = self._partition(template, X, numbers, sample_weight)
        n_classes, K = len(self.classes_), template.n_components
        mixture = clone(template).set_params(n_components=n_classes * K, n_init=1)
        rows = rows_of_all(mixture, X, numbers, sample_weight)
        remember_columns(self, mixture)
        own = np.repeat(np.eye(n_classes, dtype=bool), K, axis=1)
        no_background = np.zeros(n_classes, bool)
        known = Known(numbers.astype(np.int32), np.column_stack([own, no_background]))
        try:
            with mixture._announced():
                planned = mixture._fit_rows(replace(rows, known=known), partition)
        except SingularCovarianceError as error:
            if error.component is None:
                raise
            label = self.classes_.tolist()[error.component // K]
            raise error.within(
                f"Component {error.component} is of class {label!r}"
            ) from None
        mixture._warn_of(planned, rows)
        fit = planned.best.fit
        shares = fit.parameters.weights.reshape(n_classes, K).sum(axis=1)
        parts = []
        for number in range(n_classes):
            mine = slice(number * K, (number + 1) * K)
            of_class = _components(
                fit.parameters, mine, planned.plan.representation.is_shared
            )
            part = clone(template)
            remember_columns(part, mixture)
            part._set_fitted(replace(fit, parameters=of_class))
            parts.append(part)
        return parts, shares

    def _check_can_share(self, template: GaussianMixture) -> None:
        """Raise ValueError if classes cannot be fitted together as the user wants."""
        if isinstance(self.mixture, GaussianMixtureSelector):
            raise ValueError(
                "share_across_classes=True fits all classes at once, and a "
                "GaussianMixtureSelector chooses for each: pass a GaussianMixture, and "
                "compare structures with sklearn.model_selection.GridSearchCV over "
                "mixture__covariance_type"
            )
        if template.noise:
            raise ValueError(
                "share_across_classes=True fits all classes at once, and then rows of "
                "the background would be of no class: use noise=False, a "
                "StudentMixture, or share_across_classes=False"
            )
        if template.on_collapse == "drop":
            raise ValueError(
                "share_across_classes=True numbers components by their classes, and "
                "on_collapse='drop' would give these others: use 'raise' or 'reseed'"
            )
        if template.fixed or template.equal_weights:
            raise ValueError(
                "share_across_classes=True fits all classes at once, and fixed and "
                "equal_weights would be about the components of all, and so about how "
                "frequent classes are: leave them out, or share_across_classes=False"
            )

    def _partition(
        self,
        template: GaussianMixture,
        X: Any,
        numbers: Numbers,
        sample_weight: ArrayLike | str | None,
    ) -> Labels:
        """Components that rows start in: those of their class, by their own start.

        In a class the start's means are compared by distance alone.
        """
        K = template.n_components
        labels = numbers.astype(np.int32) * K
        if K == 1:
            return labels
        nearest = clone(template).set_params(
            covariance_type=EII().code,
            covariance_ratio=None,
            max_iter=0,
            n_init=1,
            weights_init=np.full(K, 1 / K),
            precisions_init=np.ones(K),
        )
        rows_of = rows_of_classes(template, X, numbers, sample_weight)
        for number, label in enumerate(self.classes_.tolist()):
            with _errors_named(label):
                rows = rows_of(number)
                given = nearest._given_labels(rows.shape[0])
                nearest._fit_rows(rows, given)
            labels[numbers == number] += rows.labels(nearest._row_answers())
        return labels


def _components(
    parameters: MixtureParameters, some: slice, is_shared: bool
) -> MixtureParameters:
    """Some components as a mixture of their own."""
    weights, v = parameters.weights[some], parameters.degrees_of_freedom
    own = slice(None) if is_shared else some
    return MixtureParameters(
        weights / weights.sum(),
        parameters.means[some],
        parameters.covariances[own],
        parameters.precisions_cholesky[own],
        degrees_of_freedom=None if v is None else v[some],
    )


@contextmanager
def _errors_named(label: Any) -> Generator[None]:
    """Let errors in a block say which class they are about."""
    try:
        yield
    except SingularCovarianceError as error:
        raise error.within(f"Class {label!r} cannot have this mixture") from None
    except ValueError as error:
        raise ValueError(f"class {label!r}: {error}") from error
