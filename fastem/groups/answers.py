"""What a mixture says of rows: of those with gaps, what its marginal density says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastem.checks.rows import Rows
from fastem.covariances.representations import Representation
from fastem.covariances.view import View
from fastem.groups.rows import groups_of, has_gaps
from fastem.statistics import MixtureParameters


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
        for group in groups_of(X):
            view = View(self.representation, self.parameters, group.columns)
            values = group.values(X)
            of_group = self._of_complete(row_pass, values, view.parameters)
            if out is None:
                out = np.empty((len(X), *of_group.shape[1:]), of_group.dtype)
            out[group.rows] = of_group
        return out

    def _of_complete(
        self, row_pass: Callable[..., Any], X: Rows, parameters: MixtureParameters
    ) -> Any:
        factors = self.representation.factors(parameters, X.dtype)
        return row_pass(X, factors, self.n_threads)
