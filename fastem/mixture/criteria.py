"""Criteria by which mixtures of the same rows are compared: lower is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastem import kernels
from fastem.checks.rows import Rows, read_only
from fastem.mixture.fitted import FittedMixture
from fastem.mixture.predictive import predictive_answers
from fastem.statistics import Array
from fastem.training.in_blocks import answer_blocks

# Of memberships, which are computed in blocks and not kept.
_BLOCK_VALUES = 1 << 18


class JudgedMixture(FittedMixture):
    """What a mixture is worth for rows, and how sure it is of them."""

    def bic(self, X: Any, sample_weight: ArrayLike | str | None = None) -> float:
        """Bayesian information criterion: lower is better.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block
        sample_weight : array-like of shape (N,), or name of a column, default=None
            The number of rows is then the sum of the weights: a common factor matters.
            Warned of where they are no counts and sum to 10 times more or less than
            there are rows.

        Returns
        -------
        float
            p log N - 2 log L, with p free parameters and N rows. A background counts
            as two of them, and as one where ``noise_volume`` or ``noise_bounds`` is
            given.
        """
        mean, n_rows = self._counted(X, sample_weight, "bic")
        return self._criterion(mean, n_rows, math.log(n_rows))

    def aic(self, X: Any, sample_weight: ArrayLike | str | None = None) -> float:
        """Akaike's information criterion: lower is better.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block
        sample_weight : array-like of shape (N,), or name of a column, default=None
            As in :meth:`bic`.

        Returns
        -------
        float
            2 p - 2 log L, with p free parameters.
        """
        mean, n_rows = self._counted(X, sample_weight, "aic")
        return self._criterion(mean, n_rows, 2)

    def icl(self, X: Any, sample_weight: ArrayLike | str | None = None) -> float:
        """Integrated completed likelihood: BIC for clusters. Lower is better.

        It adds to BIC what rows lack to belong to one component wholly, and so
        prefers components that do not overlap [1]_.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block
        sample_weight : array-like of shape (N,), or name of a column, default=None
            As in :meth:`bic`.

        Returns
        -------
        float
            BIC less twice the sum of the logarithm of each row's largest membership,
            as in R's mclust. With all memberships instead of the largest, BIC plus
            twice :meth:`entropy`, it would be larger: that counts how rows are torn
            among the other components too.

        References
        ----------
        .. [1] C. Biernacki, G. Celeux, G. Govaert, "Assessing a mixture model for
           clustering with the integrated completed likelihood", IEEE Trans. PAMI 22
           (2000), 719-725.
        """
        mean, n_rows = self._counted(X, sample_weight, "icl", largest_log_densities)
        return self._criterion(mean, n_rows, math.log(n_rows))

    def entropy(self, X: Any, sample_weight: ArrayLike | str | None = None) -> float:
        """How much rows are torn between components: the entropy of memberships.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block
        sample_weight : array-like of shape (N,), or name of a column, default=None
            As in :meth:`bic`.

        Returns
        -------
        float
            The sum over rows of -z log z over the memberships z of a row, in nats: 0
            if each row belongs to one component wholly, N log K at most.

        Examples
        --------
        >>> from fastem import GaussianMixture
        >>> model = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [4.0]],
        ...                                         [[[1.0]], [[1.0]]])
        >>> round(model.entropy([[2.0], [-50.0]]), 4)  # log 2, and nothing
        0.6931
        """
        mean, n_rows = self._counted(X, sample_weight, "entropy", entropies)
        return mean * n_rows

    def predict_proba_uncertain(self, X: Any) -> Rows:
        """Memberships of rows to come, given that parameters are not known exactly.

        Those of :meth:`predict_proba` take the parameters for true. Where components
        have few rows for their parameters, memberships of new rows are overconfident.
        Here each component is what its rows leave open: Student's t, wider and with
        longer tails the fewer they are; of many rows the answers are the same.

        The prior is weak: each component has the mean covariance of all, as surely as D
        rows would say it ('diag': one row), any mean, and all weights alike. Nothing is
        known of errors in what belongs together: groups that are not normal
        distributions stay misjudged. :func:`fastem.calibration` says how much.

        Parameters
        ----------
        X : array-like of shape (N, D), or what ``fit`` can read block by block

        Returns
        -------
        array of shape (N, K), float32 if X is, else float64
            With ``noise=True`` (N, K + 1): the last column is that of the background.

        Raises
        ------
        ValueError
            If the covariances are not 'full' ('VVV') or 'diag' ('VVI'), the tails are
            Student's, or parameters are fixed: for these there is
            :func:`fastem.bagged_memberships`. If the parameters are not from a fit.

        See Also
        --------
        fastem.bagged_memberships : The same by fits to weighted rows.

        References
        ----------
        .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", Springer
           (2006), eq. 10.81.

        Examples
        --------
        >>> from fastem import GaussianMixture
        >>> model = GaussianMixture(2, means_init=[[0.0], [4.0]])
        >>> model = model.fit([[-1.0], [0.0], [1.0], [3.0], [4.0], [5.0]])
        >>> model.predict_proba([[1.0]]).round(2)
        array([[1., 0.]])
        >>> model.predict_proba_uncertain([[1.0]]).round(2)
        array([[0.93, 0.07]])
        """
        ask = predictive_answers(self)
        with closing(answer_blocks(self, X)) as blocks, self._announced():
            parts = [ask(kernels.probability_pass, rows) for rows, _ in blocks]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _row_blocks(
        self, X: Any, sample_weight: ArrayLike | str | None = None
    ) -> Generator[tuple[Rows, Array]]:
        """Rows to be told about, checked, and their weights; none are empty.

        Read once, wherever they are, with a block in memory at a time.
        """
        return answer_blocks(self, X, sample_weight)

    def _counted(
        self,
        X: Any,
        sample_weight: ArrayLike | str | None,
        criterion: str,
        row_pass: Callable[..., Any] = kernels.log_likelihood_pass,
    ) -> tuple[float, float]:
        """Mean of what a pass says of a row, and the number of rows."""
        mean, count = self._score(X, sample_weight, row_pass)
        count.warn_if_scaled(criterion)
        return mean, count.total

    def _criterion(self, mean: float, n_rows: float, price: float) -> float:
        """A price for each parameter, less twice the log-likelihood of all rows."""
        return price * self._n_parameters() - 2 * mean * n_rows


def largest_log_densities(rows: Rows, factors: Any, n_threads: int | None) -> Array:
    """The logarithm of the largest weighted density of a component at each row."""
    log_densities = kernels.log_likelihood_pass(rows, factors, n_threads)
    values = log_densities.astype(np.float64)
    for part in parts_of(len(rows), len(factors.means)):
        degrees = kernels.probability_pass(read_only(rows[part]), factors, n_threads)
        values[part] += np.log(degrees.max(axis=1).astype(np.float64))
    return values


def entropies(rows: Rows, factors: Any, n_threads: int | None) -> Array:
    """The entropy of the memberships of each row."""
    values = np.empty(len(rows))
    for part in parts_of(len(rows), len(factors.means)):
        degrees = kernels.probability_pass(read_only(rows[part]), factors, n_threads)
        values[part] = -x_log_x(degrees.astype(np.float64)).sum(axis=1)
    return values


def x_log_x(degrees: Array) -> Array:
    """Memberships times their logarithms; 0 for none."""
    logs: Array = np.log(degrees, where=degrees > 0, out=np.zeros_like(degrees))
    return degrees * logs


def parts_of(n_rows: int, n_components: int) -> Iterator[slice]:
    """Parts of the rows whose memberships may be held at a time."""
    chunks = _BLOCK_VALUES // (n_components * kernels.CHUNK_ROWS)
    size = max(1, chunks) * kernels.CHUNK_ROWS
    for start in range(0, n_rows, size):
        yield slice(start, start + size)
