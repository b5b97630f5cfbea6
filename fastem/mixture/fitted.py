"""What can be asked of a mixture once its parameters are known."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from fastem import kernels
from fastem.checks import counting
from fastem.checks.counting import RowCount
from fastem.checks.parameters import check_mixture
from fastem.checks.rows import Rows, allows_gaps, check_names
from fastem.covariances import CovarianceStructure, structure_of
from fastem.em.loop import Fit
from fastem.em.maximization import Collapse
from fastem.groups import RowAnswers, imputed
from fastem.mixture import fixed, noise, tails
from fastem.mixture.drawing import draw_rows
from fastem.mixture.handing_on import as_sklearn, sorted_parameters
from fastem.mixture.pickled import VersionedPickle
from fastem.runtime import blas, compiling
from fastem.statistics import Array, MixtureParameters
from fastem.training.in_blocks import answer_blocks

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture as SklearnMixture


class FittedMixture(DensityMixin, VersionedPickle):  # type: ignore[misc]
    """Every method of :class:`fastem.GaussianMixture` that does not fit.

    The public attributes are the parameters: a model whose attributes were set by
    hand answers like any other.
    """

    n_components: int
    covariance_type: str
    verbose: int
    n_threads: int | None
    random_state: int | np.random.RandomState | None
    weights_: Array
    means_: Array
    covariances_: Array
    precisions_cholesky_: Array
    collapses_: list[Collapse]

    @classmethod
    def from_parameters(
        cls,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        *,
        covariance_type: str = "full",
        feature_names: ArrayLike | None = None,
        noise_weight: float | None = None,
        noise_volume: float | None = None,
        degrees_of_freedom: ArrayLike | None = None,
        **parameters: Any,
    ) -> Self:
        """A model with these parameters, ready for every method but needing no data.

        ``fit`` starts from them: they are also its ``weights_init``, ``means_init``
        and ``precisions_init``.

        Parameters
        ----------
        weights : array-like of shape (K,)
            Not negative, summing to 1 (with ``noise_weight``, if that is given).
        means : array-like of shape (K, D)
        covariances : array-like
            In the shape that ``covariance_type`` gives to ``covariances_``.
        covariance_type : str, default='full'
            'full', 'tied', 'diag', 'spherical', or one of mclust's fourteen codes.
        feature_names : array-like of str of shape (D,), default=None
        noise_weight : float, default=None
            Weight of a background, if there is one; in [0, 1).
        noise_volume : float, default=None
            What its density is 1 over; by default the volume of ``noise_bounds``.
        degrees_of_freedom : float or array-like of shape (K,), default=None
            Of a :class:`fastem.StudentMixture`, which needs them. A number is kept by
            later fits; where there is one for each component, their estimates start
            there.
        **parameters
            Other constructor parameters.

        Returns
        -------
        GaussianMixture

        Raises
        ------
        ValueError
            If a shape is wrong, a weight negative, or a covariance not symmetric and
            positive definite.

        Examples
        --------
        >>> from fastem import GaussianMixture
        >>> model = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [4.0]],
        ...                                         [[1.0], [1.0]],
        ...                                         covariance_type="diag")
        >>> model.predict_proba([[2.0]])
        array([[0.5, 0.5]])
        """
        structure = structure_of(covariance_type)
        background, of_noise = noise.given_background(
            *(noise_weight, noise_volume, parameters.get("noise_bounds")),
            np.shape(means)[-1] if np.ndim(means) else 0,
        )
        fitted = check_mixture(weights, means, covariances, structure, background)
        n_components, n_features = fitted.means.shape
        v, of_tails = tails.given_tails(cls, degrees_of_freedom, n_components)
        fitted = replace(fitted, degrees_of_freedom=v)
        model = cls(
            n_components=n_components,
            covariance_type=covariance_type,
            weights_init=fitted.weights / (1 - fitted.background_weight),
            means_init=fitted.means,
            precisions_init=structure.representation.gram(fitted.precisions_cholesky),
            **{**parameters, **of_noise, **of_tails},
        )
        model._set_fitted(Fit(fitted, converged=False, lower_bounds=[]))
        model.n_features_in_ = n_features
        if feature_names is not None:
            names = check_names(feature_names, n_features)
            model.feature_names_in_ = names
        return model

    def predict(self, X: Any) -> NDArray[np.intp]:
        """The most likely component of each row.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block

        Returns
        -------
        array of shape (N,), int
            The first one of equally likely components; -1 where the background is
            likelier than each, with ``noise=True``.
        """
        labels: NDArray[np.intp] = self._answer(X, kernels.label_pass)
        return labels

    def predict_proba(self, X: Any) -> Rows:
        """The probability of each component given the row: the degree of membership.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block

        Returns
        -------
        array of shape (N, K), float32 if X is, else float64
            With ``noise=True`` (N, K + 1): the last column is that of the background.
        """
        degrees: Rows = self._answer(X, kernels.probability_pass)
        return degrees

    def score_samples(self, X: Any) -> Rows:
        """The logarithm of the mixture's density at each row.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block

        Returns
        -------
        array of shape (N,), float32 if X is, else float64
        """
        log_densities: Rows = self._answer(X, kernels.log_likelihood_pass)
        return log_densities

    def score(
        self, X: Any, y: None = None, sample_weight: ArrayLike | str | None = None
    ) -> float:
        """The mean log-likelihood of a row.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block
        y : None
            Ignored.
        sample_weight : array-like of shape (N,), or name of a column, default=None

        Returns
        -------
        float
        """
        return self._score(X, sample_weight)[0]

    def sample(
        self,
        n_samples: int = 1,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> tuple[Array, NDArray[np.intp]]:
        """Draw rows from the mixture.

        The same seed gives scikit-learn's rows, except where the columns' units are so
        far apart (1e8 and more) that its own do not have the covariances.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None for the one of the constructor.

        Returns
        -------
        X : array of shape (n_samples, D)
            In the order of their components.
        y : array of shape (n_samples,), int
            The component that each row was drawn from; -1 for rows of the background,
            which come last.

        Raises
        ------
        ValueError
            If there is a background of which only the volume is known.
        """
        structure, fitted = self._fitted()
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(
                f"n_samples must be a whole number, at least 1, but is {n_samples!r}"
            )
        random = check_random_state(
            self.random_state if random_state is None else random_state
        )
        return draw_rows(fitted, structure.representation, int(n_samples), random)

    def impute(
        self,
        X: Any,
        method: str = "mean",
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> Rows:
        """Fill missing values by what the mixture says of them, given those present.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block
            Whatever ``missing_values`` is.
        method : {'mean', 'sample'}, default='mean'
            'mean': the conditional mean. 'sample': a draw from the conditional
            distribution; several of them show what missing values leave open (multiple
            imputation), which means hide.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None for the one of the constructor.

        Returns
        -------
        array of shape (N, D), float32 if X is, else float64
            Present values keep their bits.

        Raises
        ------
        ValueError
            If there is a background of which only the volume is known.

        Examples
        --------
        >>> import numpy as np
        >>> from fastem import GaussianMixture
        >>> model = GaussianMixture.from_parameters([1.0], [[0.0, 1.0]],
        ...                                         [[[1.0, 0.5], [0.5, 1.0]]])
        >>> model.impute([[2.0, np.nan], [2.0, 3.0]])
        array([[2., 2.],
               [2., 3.]])
        """
        if method not in ("mean", "sample"):
            raise ValueError(f"method must be 'mean' or 'sample', but is {method!r}")
        random = None
        if method == "sample":
            random = check_random_state(
                self.random_state if random_state is None else random_state
            )
        ask = replace(self._row_answers(), allows_gaps=True)
        with closing(answer_blocks(self, X, gaps=True)) as blocks, self._announced():
            parts = [imputed(ask, rows, random) for rows, _ in blocks]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def sort_components(self, by: str | int | Sequence[int] = "weight") -> Self:
        """Put the components in an order that does not depend on the start.

        A start numbers them at random: so that component 0 of two fits is the same
        one, sort both. Answers are those of before, to rounding, with the new numbers.

        Parameters
        ----------
        by : {'weight', 'mean'}, name or number of a column, or sequence of int
            'weight': the largest first. 'mean': the smallest mean in the first column
            first, of equal ones in the next. A column: the smallest mean in it first.
            A sequence: the present numbers, in their new order.

        Returns
        -------
        GaussianMixture
            The estimator itself. ``collapses_`` keep the numbers of their time.

        Raises
        ------
        ValueError
            If there is no such column, or a number is missing or there twice.

        Examples
        --------
        >>> from fastem import GaussianMixture
        >>> model = GaussianMixture.from_parameters([0.25, 0.75], [[0.0], [4.0]],
        ...                                         [[[1.0]], [[2.0]]])
        >>> model.sort_components().means_
        array([[4.],
               [0.]])
        """
        self._fitted()
        for name, value in sorted_parameters(self, by).items():
            setattr(self, name, value)
        return self

    def to_sklearn(self) -> SklearnMixture:
        """The fitted mixture as one of scikit-learn's, with the same answers.

        For tools that know no other, such as skl2onnx. The answers agree to rounding;
        Of the structures that it does not know, 'EII' becomes 'spherical', 'EEI',
        'VEI' and 'EVI' become 'diag', and the others 'full', whose criteria count more
        parameters.

        Returns
        -------
        sklearn.mixture.GaussianMixture

        Examples
        --------
        >>> from fastem import GaussianMixture
        >>> model = GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
        >>> model.to_sklearn().predict_proba([[2.0]])
        array([[1.]])
        """
        self._fitted()
        return as_sklearn(self)

    def __sklearn_tags__(self) -> Any:
        """Whether NaN may be among the rows follows ``missing_values``."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = allows_gaps(self)
        return tags

    def _check_settings(self) -> None:
        """Raise ValueError if a constructor parameter has no meaning."""
        # Not scikit-learn's decorator: where a Ctrl-C meets that, it leaves a setting
        # by which nothing is validated any more.
        if not get_config()["skip_parameter_validation"]:
            if isinstance(self.covariance_type, str):
                structure_of(self.covariance_type)  # raises, and says more
            self._validate_params()

    def _fitted(self) -> tuple[CovarianceStructure, MixtureParameters]:
        """The fitted parameters, as they stand in the public attributes."""
        check_is_fitted(self)
        fitted_type = getattr(self, "_fitted_covariance_type", self.covariance_type)
        if fitted_type != self.covariance_type:
            raise ValueError(
                f"covariance_type is {self.covariance_type!r}, but the fit was made "
                f"with {fitted_type!r}: set it back, or fit anew (warm_start=False)."
            )
        return structure_of(self.covariance_type), MixtureParameters(
            self.weights_,
            self.means_,
            self.covariances_,
            self.precisions_cholesky_,
            noise.background_of_model(self),
            degrees_of_freedom=tails.degrees_of_freedom_of(self),
        )

    def _answer(self, X: Any, row_pass: Callable[..., Any]) -> Any:
        """What a pass says of each row."""
        parts = [answer for answer, _ in self._answers(X, row_pass)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _answers(
        self, X: Any, row_pass: Callable[..., Any], weights: str | None = None
    ) -> Generator[tuple[Any, Array]]:
        """What a pass says of the rows of each block, and their own weights.

        Nothing is kept from one call to the next: attributes may be set by hand.
        """
        ask = self._row_answers()
        with closing(answer_blocks(self, X, weights)) as blocks:
            for rows, of_rows in blocks:
                with self._announced():
                    answer = ask(row_pass, rows)
                yield answer, of_rows

    def _announced(self) -> compiling.announced:
        """Have all that is compiled in a block announced at once."""
        model = f"covariance_type={self.covariance_type!r}"
        return compiling.announced(model, verbose=bool(self.verbose))

    def _row_answers(self) -> RowAnswers:
        """What can be asked about rows."""
        structure, fitted = self._fitted()
        return RowAnswers(
            structure.representation, fitted, self.n_threads, allows_gaps(self)
        )

    def _factors(self, dtype: DTypeLike) -> Any:
        structure, fitted = self._fitted()
        return structure.representation.factors(fitted, dtype)

    def _score(
        self,
        X: Any,
        sample_weight: ArrayLike | str | None,
        row_pass: Callable[..., Any] = kernels.log_likelihood_pass,
    ) -> tuple[float, RowCount]:
        """Mean of what a pass says of a row, and the number of rows."""
        if sample_weight is None or isinstance(sample_weight, str):
            total, count = 0.0, RowCount()
            for of_rows, w in self._answers(X, row_pass, sample_weight):
                weighted = w @ of_rows if len(w) else of_rows.sum(dtype=np.float64)
                total += float(weighted)
                count += RowCount.of(w, len(of_rows))
            return total / count.total, count
        of_rows = self._answer(X, row_pass)
        weights = counting.check_sample_weight(sample_weight, len(of_rows))
        # Scaled, so that no sum overflows; a common factor changes nothing.
        scaled = weights / weights.max()
        mean = float(np.average(of_rows, weights=scaled))
        return mean, RowCount.of(weights, len(weights))

    def _n_parameters(self) -> int:
        """Number of free parameters of the model."""
        self._fitted()
        n_parameters: int = fixed.n_mixture_parameters(self)
        n_parameters += noise.n_background_parameters(self)
        return n_parameters + tails.n_tail_parameters(self)

    def _continued_parameters(self, n_features: int) -> MixtureParameters:
        """Parameters of the last fit, if ``fit`` can go on from them."""
        _, fitted = self._fitted()
        # As many as were asked for then, or as are left of them.
        n_left, n_fitted_features = fitted.means.shape
        n_asked = getattr(self, "_fitted_n_components", n_left)
        if (
            self.n_components not in {n_asked, n_left}
            or n_fitted_features != n_features
        ):
            raise ValueError(
                f"warm_start continues the last fit, which had {n_left} components "
                f"and {n_fitted_features} columns; now n_components="
                f"{self.n_components} and X has {n_features} columns. Set "
                "warm_start=False to start anew."
            )
        return fitted

    @blas.one_thread()
    def _set_fitted(self, fit: Fit, n_dropped: int = 0) -> None:
        structure = structure_of(self.covariance_type)
        self.weights_ = fit.parameters.weights
        self.means_ = fit.parameters.means
        self.covariances_ = fit.parameters.covariances
        self.precisions_cholesky_ = fit.parameters.precisions_cholesky
        self.precisions_ = structure.representation.gram(
            fit.parameters.precisions_cholesky
        )
        noise.set_background(self, fit.parameters.background)
        tails.set_degrees_of_freedom(self, fit.parameters.degrees_of_freedom)
        self.converged_ = fit.converged
        self.convergence_ = fit.convergence
        self.n_dropped_ = n_dropped
        self.collapses_ = list(fit.collapses)
        self.n_iter_ = fit.n_iter
        self.lower_bound_ = fit.lower_bound
        self.lower_bounds_ = fit.lower_bounds
        self._fitted_covariance_type = self.covariance_type
        self._fitted_n_components = self.n_components


@contextmanager
def unchanged_on_error(estimator: BaseEstimator) -> Generator[None]:
    """Give the estimator back its attributes if the block raises."""
    before = dict(estimator.__dict__)
    try:
        yield
    except BaseException:
        estimator.__dict__ = before  # at once, whatever interrupts
        raise
