"""What rows tell of a mixture's parameters: scores and information, in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastem import kernels
from fastem.checks.rows import Rows, read_only
from fastem.choice.scores import n_coordinates, scores, second_derivatives
from fastem.covariances.directions import congruence, pairs_of
from fastem.covariances.representations import Representation
from fastem.covariances.view import View
from fastem.groups import groups_of
from fastem.mixture import GaussianMixture
from fastem.mixture.criteria import parts_of
from fastem.runtime import blas
from fastem.statistics import Array, MixtureParameters
from fastem.training.in_blocks import answer_blocks

_BLOCK_VALUES = 1 << 17  # of scores that are held at a time: what a cache holds
_FEWEST_ROWS = 512


@dataclass
class Information:
    """Sums over rows of scores, their outer products, and second derivatives.

    Coordinates are, component by component, those of :mod:`fastem.choice.scores`, of
    the weights before they are divided by their sum; and last the logarithm of the
    background's weight, if there is one.

    Attributes
    ----------
    score : array of shape (p,)
    outer : array of shape (p, p)
        Sum of outer products of the rows' scores.
    observed : array of shape (p, p)
        Minus the second derivative of the log-likelihood.
    """

    score: Array
    outer: Array
    observed: Array


def information(
    model: GaussianMixture,
    X: Any,
    sample_weight: ArrayLike | str | None,
    components: NDArray[np.intp] | None = None,
) -> Information:
    """Of a mixture and rows.

    Parameters
    ----------
    components : array of int, optional
        Coordinates of these components only, and of no background.

    Notes
    -----
    The log-density of a row is log sum_k exp(l_k), and with memberships z_k its second
    derivative sum_k z_k (l_k'' + l_k' l_k'^T) - s s^T, with the score s = sum_k z_k
    l_k' [1]_. Rows that lack columns have scores of the mixture's marginal, in whose
    parameters the whole's are linear.

    References
    ----------
    .. [1] T. A. Louis, "Finding the observed information matrix when using the EM
       algorithm", JRSS B 44 (1982), 226-233.
    """
    structure, parameters = model._fitted()
    representation = structure.representation
    K, D = parameters.means.shape
    which = np.arange(K) if components is None else components
    has_background = parameters.background is not None and components is None
    has_tails = parameters.degrees_of_freedom is not None
    q = n_coordinates(D, representation.has_matrices, has_tails)
    sums = _Sums(len(which), q, representation.has_matrices, has_background)
    with (
        closing(answer_blocks(model, X, sample_weight)) as blocks,
        blas.one_thread(),  # its products are small
    ):
        for rows, weights in blocks:
            for values, of_values, view in _complete(
                rows, weights, representation, parameters
            ):
                sums.add(values, of_values, view, which)
    shares = parameters.weights[which]
    if has_background:
        shares = np.append(shares, parameters.background_weight)
    return sums.information(shares, whole=components is None)


def weight_information(
    model: GaussianMixture, X: Any, sample_weight: ArrayLike | str | None
) -> Information:
    """Of the logarithms of weights, the background's last, were all else known."""
    ask = model._row_answers()
    parameters = ask.parameters
    shares = parameters.weights
    if parameters.background is not None:
        shares = np.append(shares, parameters.background_weight)
    total, counts = 0.0, np.zeros(len(shares))
    products = np.zeros((len(shares), len(shares)))
    with closing(answer_blocks(model, X, sample_weight)) as blocks:
        for rows, weights in blocks:
            for part in parts_of(len(rows), len(shares)):
                z = ask(kernels.probability_pass, read_only(rows[part]))
                z = z.astype(np.float64)
                w = weights[part] if len(weights) else np.ones(len(z))
                total += float(w.sum())
                counts += w @ z
                products += (z * w[:, np.newaxis]).T @ z
    both = np.outer(counts, shares)
    squares = np.outer(shares, shares)
    return Information(
        counts - total * shares,
        products - both - both.T + total * squares,
        products - np.diag(counts) + total * (np.diag(shares) - squares),
    )


@dataclass(frozen=True)
class _Seen:
    """A mixture as rows see it that have some of the columns."""

    representation: Representation
    parameters: MixtureParameters
    whole: MixtureParameters
    columns: NDArray[np.intp]

    def memberships(self, rows: Array) -> Array:
        factors = self.representation.factors(self.parameters, np.float64)
        degrees: Array = kernels.probability_pass(rows, factors, None)
        return degrees

    def whitened(self, rows: Array, k: int) -> Array:
        """What rows are from a component's mean, as seen from its own spread."""
        residuals = rows - self.parameters.means[k]
        whitened: Array = residuals @ frame(self.representation, self.parameters, k)
        return whitened

    def tails(self, k: int) -> float | None:
        """Degrees of freedom of a component; None if it is normal."""
        v = self.parameters.degrees_of_freedom
        return None if v is None else float(v[k])

    def lift(self, k: int) -> Array | None:
        """What the marginal's coordinates are of the whole's; None for the same."""
        D = self.whole.means.shape[1]
        if len(self.columns) == D:
            return None
        has_matrices = self.representation.has_matrices
        unwhitened = np.linalg.inv(frame(self.representation, self.whole, k)).T
        seen = frame(self.representation, self.parameters, k).T
        R = seen @ unwhitened[self.columns]
        of_pairs = congruence(R, has_matrices=has_matrices)
        n, m = of_pairs.shape
        has_tails = self.parameters.degrees_of_freedom is not None
        lifted = np.zeros((1 + len(R) + n + has_tails, 1 + D + m + has_tails))
        lifted[0, 0] = lifted[-1, -1] = 1.0
        lifted[1 : 1 + len(R), 1 : 1 + D] = R
        lifted[1 + len(R) : 1 + len(R) + n, 1 + D : 1 + D + m] = of_pairs
        return lifted


def frame(
    representation: Representation, parameters: MixtureParameters, k: int
) -> Array:
    """U with U U' = the inverse covariance of component k: (D, D)."""
    factors, D = parameters.precisions_cholesky, parameters.means.shape[1]
    if representation.has_matrices:
        of_k: Array = factors if representation.is_shared else factors[k]
        return of_k
    return np.diag(np.broadcast_to(factors[k], (D,)))


def _complete(
    rows: Rows,
    weights: Array,
    representation: Representation,
    parameters: MixtureParameters,
) -> Iterator[tuple[Array, Array, _Seen]]:
    """Rows with what they have, their weights, and the mixture as they see it.

    Rows that have nothing tell nothing.
    """
    values = rows.astype(np.float64)
    for group in groups_of(values):
        if not len(group.columns):
            continue
        view = View(representation, parameters, group.columns).parameters
        seen = _Seen(representation, view, parameters, group.columns)
        of_group = group.values(values)
        w = weights[group.rows].astype(np.float64) if len(weights) else None
        n_pairs = len(pairs_of(len(group.columns), representation.has_matrices)[0])
        p = len(parameters.weights) * (1 + len(group.columns) + n_pairs)
        size = max(_FEWEST_ROWS, _BLOCK_VALUES // p)
        for start in range(0, len(of_group), size):
            part = slice(start, start + size)
            some = read_only(of_group[part])
            yield some, np.ones(len(some)) if w is None else w[part], seen


class _Sums:
    """Sums over rows."""

    def __init__(
        self, n_components: int, q: int, has_matrices: bool, background: bool
    ) -> None:
        self._has_matrices = has_matrices
        self._K, self._background = n_components, background
        self._q = q
        p = n_components * self._q + background
        self._total = 0.0
        self._score = np.zeros(p)
        self._outer = np.zeros((p, p))
        # Sums of z_k (l_k'' + l_k' l_k'^T).
        self._expected = np.zeros((n_components, self._q, self._q))

    def add(
        self, rows: Array, weights: Array, seen: _Seen, which: NDArray[np.intp]
    ) -> None:
        """Add rows that have the same columns."""
        degrees = seen.memberships(rows)
        of_components = []
        for place, k in enumerate(which):
            z, v = degrees[:, k], seen.tails(int(k))
            y, w = seen.whitened(rows, int(k)), weights * z
            features = scores(y, self._has_matrices, v)
            moments = (features * w[:, np.newaxis]).T @ features
            moments += second_derivatives(y, w, moments[0], self._has_matrices, v)
            score = z[:, np.newaxis] * features
            lift = seen.lift(int(k))
            if lift is not None:
                moments, score = lift.T @ moments @ lift, score @ lift
            self._expected[place] += moments
            of_components.append(score)
        if self._background:
            of_components.append(degrees[:, -1:])
        of_rows = np.hstack(of_components)
        self._total += float(weights.sum())
        self._score += weights @ of_rows
        self._outer += (of_rows * weights[:, np.newaxis]).T @ of_rows

    def information(self, shares: Array, *, whole: bool) -> Information:
        """Of all rows, where components have these weights."""
        q, N = self._q, self._total
        observed = self._outer.copy()
        for k, of_component in enumerate(self._expected):
            mine = slice(k * q, (k + 1) * q)
            observed[mine, mine] -= of_component
        places = q * np.arange(self._K)
        if self._background:
            observed[-1, -1] -= self._score[-1]
            places = np.append(places, len(observed) - 1)
        if not whole:
            return Information(self._score, self._outer, observed)
        observed[np.ix_(places, places)] += N * (
            np.diag(shares) - np.outer(shares, shares)
        )
        constant = np.zeros(len(observed))
        constant[places] = shares
        both = np.outer(self._score, constant)
        outer = self._outer - both - both.T + N * np.outer(constant, constant)
        return Information(self._score - N * constant, outer, observed)
