"""The error of a covariance that has no inverse."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

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
        of its standard deviation; inf if a column is constant.
    copied_columns : tuple of int
        For each of the collinear columns the one before it that it is a copy of, up
        to scale and offset, or -1; empty if there is none.
    is_everywhere : bool
        Whether columns are collinear in every component that has rows.
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

    @property
    def columns(self) -> tuple[int, ...]:
        """Constant and collinear columns together, in order."""
        return tuple(sorted({*self.constant_columns, *self.collinear_columns}))

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


class SingularCovarianceError(ValueError):
    """A covariance is not positive definite, so its density has no bound.

    The facts are attributes: ``component``, ``weight``, ``n_rows``, ``n_features``,
    ``constant_columns``, ``collinear_columns``, ``columns`` (both of them) and
    ``condition_number``, as in :class:`fastem.Degeneracy`; and ``repeated``.

    Parameters
    ----------
    degeneracy : Degeneracy
    names : sequence of str, optional
        Names of all columns of the data.
    history : str, optional
        A sentence on what was tried before, without its full stop.
    repeated : sequence of Repeated, optional
        Values that many rows have in the constant columns.
    remedy : str, optional
        What to do, beside raising ``reg_covar``; by default that depends on why.
    """

    def __init__(
        self,
        degeneracy: Degeneracy,
        names: Sequence[str] | None = None,
        history: str = "",
        repeated: Sequence[Repeated] = (),
        remedy: str = "",
    ) -> None:
        super().__init__(degeneracy, names, history, repeated, remedy)
        self.degeneracy = degeneracy
        self.component = degeneracy.component
        self.constant_columns = degeneracy.constant_columns
        self.collinear_columns = degeneracy.collinear_columns
        self.columns = degeneracy.columns
        self.weight = degeneracy.weight
        self.n_rows = degeneracy.n_rows
        self.n_features = degeneracy.n_features
        self.condition_number = degeneracy.condition_number
        self.repeated = tuple(repeated)
        self._names = names
        self._history = history
        self._remedy = remedy

    def with_names(self, names: Sequence[str] | None) -> "SingularCovarianceError":
        """The same error, with names for all columns of the data."""
        return self._but(names=names)

    def after(self, history: str, remedy: str = "") -> "SingularCovarianceError":
        """The same error, with a sentence on what was tried before, and a remedy."""
        return self._but(history=history, remedy=remedy)

    def among(self, find: Find) -> "SingularCovarianceError":
        """The same error, with the values that many of all rows have."""
        return self._but(repeated=repeated_in(self.degeneracy, find))

    def in_units(self, means: Array, deviations: Array) -> "SingularCovarianceError":
        """The same error of a fit to standardised columns, in units of the data."""
        repeated = [r.in_units(means, deviations) for r in self.repeated]
        return self._but(repeated=repeated)

    def _but(self, **changes: Any) -> "SingularCovarianceError":
        settings = {
            "degeneracy": self.degeneracy,
            "names": self._names,
            "history": self._history,
            "repeated": self.repeated,
            "remedy": self._remedy,
        }
        return SingularCovarianceError(**{**settings, **changes})

    def about(
        self,
        weights: Array,
        n_features: int,
        condition_number: float,
    ) -> "SingularCovarianceError":
        """The same error, with what the sums of responsibilities (K,) tell."""
        total = float(weights.sum())
        mine = total if self.component is None else float(weights[self.component])
        known = replace(
            self.degeneracy,
            weight=mine / total,
            n_rows=mine,
            n_features=n_features,
            condition_number=condition_number,
        )
        return self._but(degeneracy=known)

    def __str__(self) -> str:
        whose = self.degeneracy.whose
        text = f"{self._history}. " if self._history else ""
        if self._history and math.isnan(self.weight):  # a user's matrix, not of rows
            reasons = self._reasons() or "it has no variance"
            leave_out = "leave such columns out, or " if self.columns else ""
            advice = f"{leave_out}add a small share of the variances to the diagonal"
            text += f"{whose[0].upper()}{whose[1:]} is singular: {reasons}. "
            return f"{text}{advice[0].upper()}{advice[1:]}."
        text += f"{whose[0].upper()}{whose[1:]} is singular: {self.why}. "
        remedies = self._remedies()
        advice = ", ".join(remedies[:-1]) + " or " * (len(remedies) > 1) + remedies[-1]
        text += advice[0].upper() + advice[1:]
        has_others = self.component is not None and self.weight != 1
        if has_others and not (self._history or self._is_of_columns):
            text += "; on_collapse='drop' and 'reseed' go on without such components"
        return f"{text}."

    @property
    def _is_of_columns(self) -> bool:
        """Whether columns are to blame, in all components."""
        known = self.degeneracy
        always = {r.column for r in self.repeated if r.is_everywhere}
        return bool(known.columns) and (
            always.issuperset(known.constant_columns)
            and (known.is_everywhere or not known.collinear_columns)
        )

    def _remedies(self) -> list[str]:
        """What to do about it, one or the other."""
        if self.n_rows == 0:
            return ["use fewer components", "start from means_init among the rows"]
        raise_ridge = (
            "raise reg_covar (it is added to every variance, so choose it in squared "
            "units of the data, or reg_covar='relative')"
        )
        if self._remedy:
            return [self._remedy, raise_ridge]
        is_only_one = self.component is not None and self.weight == 1
        remedies = []
        if not (is_only_one or self.repeated or self._is_of_columns):
            remedies.append("use fewer components")
        if self.columns and len(self.columns) != self.n_features:
            remedies.append("leave such columns out")
        if not all(r.is_everywhere for r in self.repeated):
            remedies.append(repeats.JITTER)
        return [*remedies, raise_ridge]

    @property
    def why(self) -> str:
        """Why it is singular, as the end of a sentence."""
        if self.n_rows == 0:
            return "no rows belong to it"
        reasons = self._reasons()
        if not reasons:
            return "its rows do not differ"
        whose_rows = "the rows of each" if self.component is None else "its rows"
        why = f"among {whose_rows}, {reasons}"
        if self.degeneracy.lacks_rows:
            why += f" ({needed_rows(self.n_features)})"
        return why

    def _reasons(self) -> str:
        """Which columns are why, if they are known."""
        reasons = []
        if self.constant_columns:
            columns, is_or_are = self._named(self.constant_columns)
            reasons.append(f"{columns} {is_or_are} constant{self._values()}")
        copies = self._copies()
        for source, copied in copies.items():
            columns, is_or_are = self._named(copied)
            what = "a copy of" if len(copied) == 1 else "copies of"
            of = named_columns([source], self._names)
            reasons.append(f"{columns} {is_or_are} {what} {of} (in any unit)")
        others = set(self.collinear_columns).difference(*copies.values())
        if others:
            columns, is_or_are = self._named(sorted(others))
            what = (
                "a linear combination of columns before it"
                if len(others) == 1
                else "linear combinations of columns before them"
            )
            reasons.append(f"{columns} {is_or_are} {what}")
        return " and ".join(reasons)

    def _named(self, columns: Sequence[int]) -> tuple[str, str]:
        """Some columns, and the verb that follows."""
        return named_columns(columns, self._names), "is" if len(columns) == 1 else "are"

    def _copies(self) -> dict[int, list[int]]:
        """Of which column which others are copies, where there are rows to tell."""
        copies: dict[int, list[int]] = {}
        known = self.degeneracy
        is_of_rows = not math.isnan(known.n_rows)
        if not (is_of_rows and known.component is None and not known.is_everywhere):
            sources = () if known.lacks_rows else known.copied_columns
            for j, source in zip(self.collinear_columns, sources, strict=False):
                if source >= 0:
                    copies.setdefault(source, []).append(j)
        return copies

    def _values(self) -> str:
        """The values that repeat in the constant columns, in brackets."""
        if not self.repeated:
            return ""
        if len(self.constant_columns) == 1:
            return f" ({self.repeated[0]})"
        return f" ({repeated_in_columns(self.repeated, self._names)})"


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
    remedies = f"leave such columns out, {repeats.JITTER}"
    if len(degeneracy.constant_columns) == degeneracy.n_features:
        return remedies
    return f"{remedies}, or let columns share their variance ('spherical')"


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
