"""The error of a covariance that has no inverse."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastem.covariances import repeated as repeats
from fastem.covariances.degeneracy import (
    Degeneracy,
    named_columns,
    needed_rows,
    repeated_in,
    repeated_in_columns,
)
from fastem.covariances.repeated import Find, Repeated
from fastem.statistics import Array


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

    def within(self, where: str) -> "SingularCovarianceError":
        """The same error, with a sentence on what it is a part of."""
        history = f"{where}. {self._history}" if self._history else where
        return self._but(history=history)

    def among(self, find: Find) -> "SingularCovarianceError":
        """The same error, with the values that many of all rows have."""
        return self._but(repeated=repeated_in(self.degeneracy, find))

    def in_units(
        self, means: Array, deviations: Array, eps: float
    ) -> "SingularCovarianceError":
        """The same error of a fit to standardised columns, in units of the data."""
        repeated = [r.in_units(means, deviations, eps) for r in self.repeated]
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
        if self.degeneracy.empty_columns:
            return ["use fewer components", "leave such columns out"]
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
        if self.n_rows < 1 and not self.columns:
            return "its rows count less than one"
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
        if self.degeneracy.empty_columns:
            columns, _ = self._named(self.degeneracy.empty_columns)
            has = "has" if len(self.degeneracy.empty_columns) == 1 else "have"
            reasons.append(f"{columns} {has} no value")
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
