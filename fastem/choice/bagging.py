"""Memberships averaged over fits to rows weighted at random."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from fastem.choice.refits import refitted
from fastem.mixture import GaussianMixture
from fastem.mixture.predictive import has_predictive
from fastem.statistics import Array


def bagged_memberships(
    model: GaussianMixture,
    X: Any,
    new_rows: Any = None,
    sample_weight: ArrayLike | None = None,
    *,
    n_fits: int = 50,
    random_state: int | np.random.RandomState | None = None,
) -> Array:
    """Memberships that know how sure the parameters are, for mixtures of every kind.

    The mean of the memberships that fits to the same rows give, in each of which rows
    count as random numbers say that are exponentially distributed [1]_. Each fit starts
    from the mixture, so that components keep their numbers. What a fit says of rows are
    its ``predict_proba_uncertain`` where that has a closed form: the fits tell which
    rows may belong together, and that how sure the parameters are if they do.

    Parameters
    ----------
    model : GaussianMixture or StudentMixture
        Fitted to X.
    X : array-like of shape (N, D)
        The rows of the fit.
    new_rows : array-like of shape (M, D), or a source of rows in blocks, default=None
        The rows to answer about; None for X.
    sample_weight : array-like of shape (N,), default=None
        How often each row of the fit counts.
    n_fits : int, default=50
        Number of fits. What random numbers leave of a membership z is an error of
        sqrt(z (1 - z) / n_fits) at most.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    array of shape (M, K)
        With ``noise=True`` (M, K + 1): the last column is that of the background.

    Raises
    ------
    ValueError
        If X cannot be used, or no fit succeeds.

    References
    ----------
    .. [1] M. A. Newton, A. E. Raftery, "Approximate Bayesian inference with the
       weighted likelihood bootstrap", JRSS B 56 (1994), 3-48.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, bagged_memberships
    >>> X = np.random.default_rng(0).normal([[-2.0]] * 10 + [[2.0]] * 10)
    >>> model = GaussianMixture(2, covariance_type="tied", random_state=0).fit(X)
    >>> model.predict_proba([[0.5]]).max().round(2)
    np.float64(0.95)
    >>> bool(bagged_memberships(model, X, [[0.5]], random_state=0).max() < 0.93)
    True
    """
    if n_fits < 1:
        raise ValueError(f"n_fits must be 1 or more, but is {n_fits}")
    asked_of = X if new_rows is None else new_rows
    random = check_random_state(random_state)
    total, n_found = np.zeros(1), 0
    for fit in refitted(
        *(model, X, sample_weight, "weighted", n_fits, random, "bagged_memberships")
    ):
        if fit is not None:
            ask = fit.predict_proba_uncertain if has_predictive(fit) else None
            degrees = (ask or fit.predict_proba)(asked_of)
            total = total + np.asarray(degrees, np.float64)
            n_found += 1
    if not n_found:
        raise ValueError(
            f"Each of {n_fits} fits failed, as components turned singular: use fewer "
            "components, or a larger reg_covar"
        )
    mean: Array = total / n_found
    return mean
