"""A picture of what some columns say of another: its density, given their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastem import kernels
from fastem.checks.arrays import as_numbers
from fastem.mixture import GaussianMixture
from fastem.mixture.columns import column_number
from fastem.mixture.probability import shares_asked
from fastem.report.colors import component_colors
from fastem.report.description import column_names
from fastem.report.figures import axes_or_new
from fastem.report.wording import number as in_digits
from fastem.statistics import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (8, 4.5)  # inches
_GREY = "#666666"
_SHADE = 0.13
_N_POINTS = 800
# Where nearly all of each distribution is.
_OUTER = (0.002, 0.998)
_ROOM = 0.03


class ConditionalDisplay:
    """The density of one column, given the values of others.

    A curve for each set of values, with its quantiles as lines and the range between
    the outer ones shaded; the dashed curve is the density whatever the others are.
    Columns that are neither drawn nor given may have any value.

    Parameters
    ----------
    marginal : GaussianMixture
        The distribution of the column, whatever the others are.
    conditionals : sequence of GaussianMixture
        Those of the same column, given values of others.
    labels : sequence of str
        What is given for each of them.
    name : str
        Of the column.
    quantiles : array-like, default=(0.05, 0.5, 0.95)

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        The densities: one for each set of values, and last the marginal one.
    quantiles_ : array of shape (n_sets + 1, n_quantiles)
        Those of the curves, in the same order.

    See Also
    --------
    fastem.GaussianMixture.conditional, fastem.GaussianMixture.ppf

    Examples
    --------
    >>> from fastem import ConditionalDisplay, GaussianMixture
    >>> model = GaussianMixture.from_parameters(
    ...     [1.0], [[170.0, 70.0]], [[[80.0, 70.0], [70.0, 120.0]]],
    ...     feature_names=["height", "weight"])
    >>> display = ConditionalDisplay.from_estimator(
    ...     model, "weight", {"height": [160.0, 180.0]})
    >>> display.quantiles_.round(1)
    array([[48.6, 61.2, 73.9],
           [66.1, 78.8, 91.4],
           [52. , 70. , 88. ]])
    """

    ax_: Axes
    figure_: Figure
    lines_: list[Any]
    quantiles_: Array

    def __init__(
        self,
        marginal: GaussianMixture,
        conditionals: Sequence[GaussianMixture],
        labels: Sequence[str],
        name: str,
        quantiles: ArrayLike = (0.05, 0.5, 0.95),
    ) -> None:
        self.marginal = marginal
        self.conditionals = list(conditionals)
        self.labels = list(labels)
        self.name = name
        self.quantiles = quantiles

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        column: str | int,
        given: Mapping[Any, Any],
        *,
        quantiles: ArrayLike = (0.05, 0.5, 0.95),
        feature_names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Of a fitted mixture, drawn.

        Parameters
        ----------
        model : GaussianMixture, or GaussianMixtureSelector
            Fitted, or made from parameters.
        column : str or int
            Whose density is asked for.
        given : mapping
            By names or numbers of columns a value for each, or several: a curve for
            each of them. Columns with several must have as many; one value holds for
            all curves.
        quantiles : array-like, default=(0.05, 0.5, 0.95)
            In (0, 1).
        feature_names : sequence of str, default=None
            Names of all columns; by default the model's own.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        ConditionalDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If the model is no mixture, or ``given`` no mapping.
        ValueError
            If there is no such column or value, or a background of which only the
            volume is known.
        """
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        if not isinstance(model, GaussianMixture):
            raise TypeError(
                "model must be a fitted mixture or a selector, but is a "
                f"{type(model).__name__}: of a pipeline pass the last step, with "
                "values as the steps before make them"
            )
        model._fitted()  # raises if there are no parameters
        names = column_names(model, feature_names)
        if not hasattr(given, "items"):
            raise TypeError(
                f"given must be a mapping from columns to values, but is {given!r}"
            )
        known = dict(enumerate(names))

        def number(name: Any, what: str) -> int:
            if isinstance(name, str) and name in names:
                return list(names).index(name)
            return column_number(model, name, f"{what}: {name!r} is not")

        asked = number(column, "column")
        if not given:
            raise ValueError(
                "given is empty: name a column and its value, or draw "
                "model.marginal(column)"
            )
        values = {number(name, "given"): value for name, value in given.items()}
        if len(values) < len(given):
            raise ValueError("given names a column twice: by its name and number")
        if asked in values:
            raise ValueError(
                f"column {known[asked]!r} is asked for, and given too: leave it out of "
                "one of them"
            )
        sets = _sets_of_values(values, names)
        of_all = model.marginal([asked, *values])
        conditionals = [
            of_all.conditional(dict(zip(range(1, len(row) + 1), row, strict=True)))
            for row in sets
        ]
        labels = [
            ", ".join(
                f"{names[j]} = {in_digits(float(value))}"
                for j, value in zip(values, row, strict=True)
            )
            for row in sets
        ]
        return cls(
            model.marginal(asked), conditionals, labels, names[asked], quantiles
        ).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None for a new figure.

        Returns
        -------
        ConditionalDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a quantile is not in (0, 1).
        """
        shares = np.unique(shares_asked(self.quantiles, "quantiles").ravel())
        if not len(shares) or shares[0] == 0 or shares[-1] == 1:
            raise ValueError(
                f"quantiles must be one or more in (0, 1), but are {self.quantiles!r}"
            )
        curves = [*self.conditionals, self.marginal]
        ends = np.array([curve.ppf(_OUTER) for curve in curves])
        low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
        room = _ROOM * (high - low)
        x = np.linspace(low - room, high + room, _N_POINTS)
        self.quantiles_ = np.array([curve.ppf(shares) for curve in curves])
        ax = axes_or_new(ax, *_SIZE)
        colors = [*component_colors(len(self.conditionals)), _GREY]
        labels = [*self.labels, "whatever the others are"]
        self.lines_ = []
        for curve, color, label, marks in zip(
            curves, colors, labels, self.quantiles_, strict=True
        ):
            is_marginal = curve is self.marginal
            density = _density(curve, x)
            (line,) = ax.plot(
                *(x, density),
                color=color,
                lw=1.2 if is_marginal else 1.8,
                ls="--" if is_marginal else "-",
                label=f"{label}\n  {_in_a_line(marks)}",
            )
            self.lines_.append(line)
            if is_marginal:
                continue
            ax.vlines(marks, 0, _density(curve, marks), color=color, lw=0.9)
            if len(marks) > 1:
                within = np.linspace(marks[0], marks[-1], _N_POINTS)
                ax.fill_between(
                    within, _density(curve, within), color=color, alpha=_SHADE, lw=0
                )
        ax.set_xlim(x[0], x[-1])
        ax.set_ylim(bottom=0)
        ax.set_xlabel(self.name)
        ax.set_ylabel("density")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(
            title=f"given, and quantiles: {_in_percent(shares)}",
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
            fontsize="small",
            labelspacing=0.8,
            alignment="left",
        )
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self


def _sets_of_values(values: Mapping[int, Any], names: Sequence[str]) -> Array:
    """A row for each curve, a column for each one that is given."""
    columns, lengths = [], {}
    for j, value in values.items():
        numbers = as_numbers(value, f"given[{names[j]!r}]")
        wrong = ""
        if numbers.ndim > 1 or not numbers.size:
            wrong = "must be a number or a list of numbers"
        elif not np.isfinite(numbers).all():
            wrong = "must be finite; leave out a column that is not known"
        if wrong:
            raise ValueError(f"given[{names[j]!r}] {wrong}, but is {value!r}")
        if numbers.ndim:
            lengths[names[j]] = len(numbers)
        columns.append(numbers)
    if len(set(lengths.values())) > 1:
        raise ValueError(
            "given has lists of different lengths, "
            f"{', '.join(f'{n} of {name}' for name, n in lengths.items())}: a curve "
            "needs a value of each"
        )
    return np.stack([np.ravel(c) for c in np.broadcast_arrays(*columns)], axis=1)


def _density(curve: GaussianMixture, x: Array) -> Array:
    ask = curve._row_answers()
    density: Array = np.exp(ask(kernels.log_likelihood_pass, x[:, np.newaxis]))
    return density


def _in_percent(shares: Array) -> str:
    return ", ".join(f"{100 * share:.4g}" for share in shares) + " %"


def _in_a_line(marks: Array) -> str:
    return ",  ".join(in_digits(float(mark)) for mark in marks)
