"""What a mixture says of rows: of those with gaps, what its marginal density says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastem import kernels
from fastem.checks.known import Known
from fastem.checks.rows import Rows, read_only
from fastem.covariances.representations import Representation
from fastem.covariances.view import View
from fastem.groups import row_by_row
from fastem.groups.row_by_row import gappy_factors, no_answers, order_of
from fastem.groups.rows import Group, groups_of, has_gaps
from fastem.statistics import Array, MixtureParameters


@dataclass(frozen=True)
class RowAnswers:
    """A mixture that can be asked about rows.

    Attributes
    ----------
    representation : Representation
    parameters : MixtureParameters
    n_threads : int or None
    allows_gaps : bool, default=False
        Whether NaN is a missing value. Else nothing is looked for.
    """

    representation: Representation
    parameters: MixtureParameters
    n_threads: int | None
    allows_gaps: bool = False

    def __call__(self, row_pass: Callable[..., Any], X: Rows) -> Any:
        """What a pass says of each row, given the values that it has.

        Parameters
        ----------
        row_pass : callable
            One of the passes over rows in :mod:`fastem.kernels`.
        X : array of shape (N, D)
        """
        if not (self.allows_gaps and has_gaps(X)):
            return self._of_complete(row_pass, X, self.parameters)
        out = None
        small: list[Group] = []
        has_matrices = self.representation.has_matrices
        fewest = row_by_row.fewest_rows(X.shape[1], has_matrices)
        for group in groups_of(X):
            if row_pass in _ROW_BY_ROW and len(group.rows) < fewest:
                small.append(group)
                continue
            view = View(self.representation, self.parameters, group.columns)
            values = group.values(X)
            of_group = self._of_complete(row_pass, values, view.parameters)
            if out is None:
                out = np.empty((len(X), *of_group.shape[1:]), of_group.dtype)
            out[group.rows] = of_group
        if small:
            out = self._row_by_row(row_pass, X, order_of(small), out)
        return out

    def of_known(self, row_pass: Callable[..., Any], X: Rows, known: Known) -> Array:
        """What a pass says of the density of rows of which something is known: (N,).

        That of the components that a row may belong to, with their weights.
        """
        out = np.empty(len(X))
        is_free = known.is_free[known.kinds]
        if is_free.any():
            out[is_free] = self(row_pass, read_only(X[is_free]))
        rest = np.flatnonzero(~is_free)
        some = X[rest]
        for group in groups_of(some, known.of(rest)) if len(rest) else ():
            assert group.allowed is not None
            mine = rest[group.rows]
            if group.is_noise:
                assert self.parameters.background is not None
                seen = self.parameters.background.marginal(group.columns, X.shape[1])
                out[mine] = seen.log_density
                continue
            view = View(
                *(self.representation, self.parameters, group.columns),
                *(np.flatnonzero(group.allowed[:-1]), bool(group.allowed[-1])),
            )
            values = group.values(some)
            out[mine] = self._of_complete(row_pass, values, view.parameters)
        return out

    def _row_by_row(
        self, row_pass: Callable[..., Any], X: Rows, order: np.ndarray, out: Any
    ) -> Any:
        """Write into ``out`` what the pass says of the rows that ``order`` names."""
        n_columns = len(self.parameters.weights)
        n_columns += self.parameters.background is not None
        name, shape, dtype = {
            kernels.label_pass: ("labels", (len(X),), np.dtype(np.intp)),
            kernels.log_likelihood_pass: ("log_densities", (len(X),), X.dtype),
            kernels.probability_pass: ("shares", (len(X), n_columns), X.dtype),
        }[row_pass]
        out = np.empty(shape, dtype) if out is None else out
        factors = gappy_factors(self.representation, self.parameters)
        answers = no_answers(X.dtype)._replace(**{name: out})
        kernels.answer_gappy(X, order, factors, answers, n_threads=self.n_threads)
        if row_pass is kernels.label_pass:
            labels = out[order]
            is_noise = labels == len(self.parameters.weights)
            out[order] = np.where(is_noise, kernels.BACKGROUND, labels)
        return out

    def _of_complete(
        self, row_pass: Callable[..., Any], X: Rows, parameters: MixtureParameters
    ) -> Any:
        factors = self.representation.factors(parameters, X.dtype)
        return row_pass(X, factors, self.n_threads)


# Passes of which rows can be asked one by one.
_ROW_BY_ROW = {
    kernels.label_pass,
    kernels.log_likelihood_pass,
    kernels.probability_pass,
}
