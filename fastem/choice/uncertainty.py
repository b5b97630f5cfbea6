"""How sure the parameters of a mixture are: fits to the same rows by other weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils import check_random_state

from fastem.checks.rows import read_only
from fastem.covariances import SingularCovarianceError
from fastem.em import convergence_warnings
from fastem.mixture import GaussianMixture
from fastem.mixture.fixed import masks_of
from fastem.statistics import Array, MixtureParameters
from fastem.training.in_memory import RowsInMemory

_METHODS = ("bootstrap", "weighted")


@dataclass(frozen=True)
class StandardErrors:
    """Standard errors of the parameters of a mixture.

    Attributes
    ----------
    weights : array of shape (K,)
    means : array of shape (K, D)
    covariances : array
        In the shape of ``covariances_``.
    samples : dict of str to array
        The parameters of each fit, under these names.
    n_failed : int
        How many fits ended in a singular covariance, and are left out.
    """

    weights: Array
    means: Array
    covariances: Array
    samples: dict[str, Array]
    n_failed: int

    def interval(self, name: str, level: float = 0.95) -> tuple[Array, Array]:
        """Between which values this share of the fits lies, symmetrically.

        Parameters
        ----------
        name : {'weights', 'means', 'covariances'}
        level : float, default=0.95

        Returns
        -------
        low, high : arrays in the shape of the parameter
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, but is {level}")
        tail = (1 - level) / 2
        low, high = np.quantile(self.samples[name], [tail, 1 - tail], axis=0)
        return low, high

    def __str__(self) -> str:
        n_fits = len(self.samples["weights"])
        failed = f" ({self.n_failed} failed)" if self.n_failed else ""
        lines = [f"Standard errors by {n_fits} fits{failed}:"]
        for k, (weight, means) in enumerate(zip(self.weights, self.means, strict=True)):
            told = ", ".join(f"{error:.3g}" for error in means)
            lines.append(f"  component {k}: weight {weight:.3g}, means {told}")
        return "\n".join(lines)


def standard_errors(
    model: GaussianMixture,
    X: Any,
    sample_weight: ArrayLike | None = None,
    *,
    method: str = "bootstrap",
    n_bootstrap: int = 400,
    random_state: int | np.random.RandomState | None = None,
) -> StandardErrors:
    """Standard errors of a mixture's parameters, by fits to rows weighted at random.

    Each fit starts from the mixture, so that components keep their numbers, and goes
    on to its limit. Rows are not copied: how often each was drawn is its weight. What
    the mixture holds fixed has an error of 0.

    Parameters
    ----------
    model : GaussianMixture
        Fitted to these rows.
    X : array-like of shape (N, D)
    sample_weight : array-like of shape (N,), default=None
        How often each row counts.
    method : {'bootstrap', 'weighted'}, default='bootstrap'
        'bootstrap': as many rows are drawn as there are, with replacement. 'weighted':
        each row counts as a random number says that is exponentially distributed [1]_,
        so that no row is left out: for components of few rows.
    n_bootstrap : int, default=400
        Number of fits. A standard error of B fits is right to 1 / sqrt(2 B) of itself.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    StandardErrors

    Raises
    ------
    ValueError
        If X cannot be used, or fewer than two fits succeed.

    References
    ----------
    .. [1] M. A. Newton, A. E. Raftery, "Approximate Bayesian inference with the
       weighted likelihood bootstrap", JRSS B 56 (1994), 3-48.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, standard_errors
    >>> X = np.random.default_rng(0).normal(size=(400, 1))
    >>> model = GaussianMixture(random_state=0).fit(X)
    >>> errors = standard_errors(model, X, n_bootstrap=200, random_state=0)
    >>> abs(errors.means[0, 0] - 1 / np.sqrt(400)) < 0.01
    np.True_
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {_METHODS}, but is {method!r}")
    if n_bootstrap < 2:
        raise ValueError(f"n_bootstrap must be 2 or more, but is {n_bootstrap}")
    template = clone(model).set_params(
        fixed=masks_of(model),
        n_components=len(model.weights_),
        stopping="remaining_gain",
        tol=0.01,
        accelerate=True,
        max_iter=max(1000, model.max_iter),
        verbose=0,
    )
    rows = template._training_rows(X, sample_weight)
    if not isinstance(rows, RowsInMemory):
        raise ValueError(
            "standard_errors weighs rows in memory, and X is read in blocks: pass some "
            "of its rows, as errors shrink with the root of their number"
        )
    random = check_random_state(random_state)
    start = model._fitted()[1]
    found: list[MixtureParameters] = []
    for _ in range(n_bootstrap):
        weighted = _weighted(rows, method, random)
        fit = clone(template)
        try:
            with convergence_warnings.muted():
                fit._fit_rows(weighted, continued=(start, -math.inf))
        except SingularCovarianceError:
            continue
        if len(fit.weights_) == len(start.weights):
            found.append(fit._fitted()[1])
    if len(found) < 2:
        raise ValueError(
            f"{n_bootstrap - len(found)} of {n_bootstrap} fits failed, as components "
            "turned singular: use fewer components, or method='weighted'"
        )
    samples = {
        name: np.array([getattr(parameters, name) for parameters in found])
        for name in ("weights", "means", "covariances")
    }
    weights, means, covariances = map(_errors, samples.values())
    n_failed = n_bootstrap - len(found)
    return StandardErrors(weights, means, covariances, samples, n_failed)


def _errors(values: Array) -> Array:
    """Standard deviations over fits; of what is the same in all of them exactly 0."""
    varies = (values != values[0]).any(axis=0)
    errors: Array = np.where(varies, values.std(axis=0, ddof=1), 0.0)
    return errors


def _weighted(
    rows: RowsInMemory, method: str, random: np.random.RandomState
) -> RowsInMemory:
    """The same rows, weighted at random."""
    N = len(rows.values)
    shares = rows.weights.astype(np.float64) if len(rows.weights) else np.ones(N)
    if method == "bootstrap":
        n_drawn = max(1, round(rows.n_rows))
        weights = random.multinomial(n_drawn, shares / shares.sum()).astype(np.float64)
    else:
        weights = shares * random.standard_exponential(N)
    relative = (weights / weights.max()).astype(rows.dtype)
    return RowsInMemory(rows.values, read_only(relative), rows.n_rows, rows.has_gaps)
