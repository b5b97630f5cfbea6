"""What is known of a component whose rows do not spread in all directions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastem.covariances import repeated as repeats
from fastem.covariances.repeated import Find, Repeated
from fastem.statistics import Array

_MOST_NAMED = 8


@dataclass(frozen=True)
class Degeneracy:
    """What is known of a component whose rows do not spread in all directions.

    Attributes
    ----------
    component : int or None
        The component, or None where all components share the covariance.
    constant_columns : tuple of int
        Columns in which its rows do not differ.
    collinear_columns : tuple of int
        Columns that are a linear combination of the ones before them.
    weight : float
        Its weight in the mixture; nan if not known.
    n_rows : float
        Effective number of rows: the sum of their degrees of membership, times their
        sample weights; nan if not known.
    n_features : int or None
        Number of all columns.
    condition_number : float
        Largest over smallest eigenvalue of the covariance, with each column in units
        of its standard deviation; inf if a column is constant, nan if not known: of a
        component that the ridge holds up, eigenvalues are not computed.
    copied_columns : tuple of int
        For each of the collinear columns the one before it that it is a copy of, up
        to scale and offset, or -1; empty if there is none.
    is_everywhere : bool
        Whether columns are collinear in every component that has rows.
    empty_columns : tuple of int
        Columns of which its rows have no value.
    """

    component: int | None
    constant_columns: tuple[int, ...] = ()
    collinear_columns: tuple[int, ...] = ()
    weight: float = math.nan
    n_rows: float = math.nan
    n_features: int | None = None
    condition_number: float = math.inf
    copied_columns: tuple[int, ...] = ()
    is_everywhere: bool = False
    empty_columns: tuple[int, ...] = ()

    @property
    def columns(self) -> tuple[int, ...]:
        """Constant, collinear and empty columns together, in order."""
        return tuple(
            sorted(
                {*self.constant_columns, *self.collinear_columns, *self.empty_columns}
            )
        )

    @property
    def lacks_rows(self) -> bool:
        """Whether so few rows are in no way enough for so many columns."""
        return bool(
            self.n_features is not None
            and self.collinear_columns
            and self.n_rows <= self.n_features
        )

    @property
    def whose(self) -> str:
        """The component with its weight and rows, as the middle of a sentence."""
        if self.component is None:
            return "the covariance that the components share"
        details = ""
        if not math.isnan(self.weight):
            n = f"{self.n_rows:,.0f}" if self.n_rows >= 1000 else f"{self.n_rows:.3g}"
            rows = "row" if n == "1" else "rows"
            details = f" (weight {self.weight:.3g}, {n} {rows})"
        return f"component {self.component}{details}"


def repeated_in(degeneracy: Degeneracy, find: Find) -> tuple[Repeated, ...]:
    """What repeats in a table, if that is why a component has constant columns."""
    if not degeneracy.constant_columns or degeneracy.n_rows == 0:
        return ()
    return repeats.reasons(
        degeneracy.constant_columns,
        degeneracy.n_features,
        math.nan if degeneracy.component is None else degeneracy.weight,
        find,
    )


def repeated_in_columns(
    repeated: Sequence[Repeated], names: Sequence[str] | None
) -> str:
    """'column 1 is 0 in 82 % of all rows, column 4 is 1 in 60 % of all rows'."""
    return repeats.told(repeated, lambda columns: named_columns(columns, names))


def what_helps(degeneracy: Degeneracy) -> str:
    """What to do where a value repeats in columns in which a component is constant."""
    leave_out = "leave such columns out"
    if len(degeneracy.constant_columns) == degeneracy.n_features:
        return f"{leave_out}, or {repeats.JITTER}"
    share = "let columns share their variance ('spherical')"
    return f"{leave_out}, {repeats.JITTER}, or {share}"


def needed_rows(n_features: int | None) -> str:
    """What a covariance matrix of so many columns needs."""
    return (
        f"{n_features} columns need more than {n_features} rows a component, or a "
        "covariance_type with fewer parameters, such as 'diag'"
    )


def named_columns(columns: Sequence[int], names: Sequence[str] | None) -> str:
    """'column 3', or 'columns 'height' and 'width'' where they have names."""
    labels = [str(j) if names is None else repr(names[j]) for j in columns]
    if len(labels) == 1:
        return f"column {labels[0]}"
    if len(labels) > _MOST_NAMED:
        labels[_MOST_NAMED:] = [f"{len(labels) - _MOST_NAMED} more"]
    return f"columns {', '.join(labels[:-1])} and {labels[-1]}"


def condition_number(covariance: Array) -> float:
    """Largest over smallest eigenvalue of a matrix (D, D) scaled to a diagonal of 1."""
    variances = np.diag(covariance)
    if not (np.isfinite(covariance).all() and (variances > 0).all()):
        return math.inf
    scales = 1 / np.sqrt(variances)
    eigenvalues = np.linalg.eigvalsh(scales[:, np.newaxis] * covariance * scales)
    return float(eigenvalues[-1] / eigenvalues[0]) if eigenvalues[0] > 0 else math.inf
