"""The summary of a mixture as a page of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np

from fastem.choice.frames import frame_of
from fastem.choice.overlap import Overlap
from fastem.choice.results import SelectionResults
from fastem.covariances import structure_of
from fastem.mixture import GaussianMixture
from fastem.mixture.noise import background_of_model
from fastem.mixture.tails import degrees_of_freedom_of
from fastem.report.description import Trait
from fastem.report.row_summary import RowSummary
from fastem.report.wording import counted, number, sentence_of
from fastem.statistics import Array

_WIDTH = 79
_MOST_PAIRS = 5
_LEAST_OVERLAP = 0.001
_MOST_COLUMNS = 8  # whose gaps are listed
_WIDER = 1.5  # so many times as wide as all rows, or as narrow, is worth telling


@dataclass(frozen=True)
class Summary:
    """What a mixture says, for who is no statistician: ``print`` it.

    Attributes
    ----------
    model : GaussianMixture
    columns : tuple of str
    traits : list of list of Trait
        For each component, in their own order, what sets it apart: at most three
        columns.
    means, deviations : arrays of shape (K, D)
        In the columns' own units; of Student's t its scales instead of deviations.
    overall_means, overall_deviations : arrays of shape (D,)
        Of all rows; without rows those of the mixture.
    rows : RowSummary or None
        None without rows.
    overlap : Overlap or None
        None where it would take minutes: :func:`fastem.overlap` does it.
    results : SelectionResults or None
        The alternatives, if a selector chose.
    """

    model: GaussianMixture
    columns: tuple[str, ...]
    traits: list[list[Trait]]
    means: Array
    deviations: Array
    overall_means: Array
    overall_deviations: Array
    rows: RowSummary | None
    overlap: Overlap | None
    results: SelectionResults | None

    @property
    def differences(self) -> Array:
        """Means less those of all rows, in their standard deviations: (K, D)."""
        differences: Array
        differences = (self.means - self.overall_means) / self.overall_deviations
        return differences

    def to_frame(self) -> Any:
        """A DataFrame with a row for each component: of pandas, or of polars.

        Columns are ``component`` (-1 for noise), ``weight``; with rows ``n_rows``,
        ``certainty`` (mean probability), ``sure`` and ``unsure``; then for each column
        its mean, under its own name, and how far that is from all rows' in their
        standard deviations, with `` (sd)`` after the name.
        """
        return frame_of(self.columns_of_frame())

    def columns_of_frame(self) -> dict[str, Sequence[Any]]:
        """What the columns of that DataFrame are."""
        K = len(self.means)
        background = background_of_model(self.model)
        numbers, weights = list(range(K)), self.model.weights_.tolist()
        if background is not None:
            numbers, weights = [*numbers, -1], [*weights, background.weight]
        columns: dict[str, Sequence[Any]] = {"component": numbers, "weight": weights}
        if self.rows is not None:
            sure = self.rows.certainty
            columns["n_rows"] = sure.n_rows.tolist()
            columns["certainty"] = sure.mean.tolist()
            columns["sure"], columns["unsure"] = (
                sure.sure.tolist(),
                sure.unsure.tolist(),
            )
        rest = [np.nan] * (len(numbers) - K)
        for j, column in enumerate(self.columns):
            name = f"{column} (mean)" if column in columns else column
            columns[name] = [*self.means[:, j].tolist(), *rest]
            columns[f"{name} (sd)"] = [*self.differences[:, j].tolist(), *rest]
        return columns

    def __str__(self) -> str:
        return _page(self)


def _page(summary: Summary) -> str:
    """All that a summary knows, in words."""
    sections = [
        title_of_summary(summary),
        _reading(summary),
        "\n".join(_components(summary)),
        _certainty(summary),
        _overlap(summary),
        _missing(summary),
        "\n".join(criteria_of(summary)),
    ]
    return "\n\n".join(section for section in sections if section)


def title_of_summary(summary: Summary) -> str:
    """Which mixture it is, and of what."""
    model, rows = summary.model, summary.rows
    structure = structure_of(model.covariance_type)
    kind = "Gaussian" if degrees_of_freedom_of(model) is None else "Student"
    parts = [counted(len(model.weights_), "component")]
    if background_of_model(model) is not None:
        parts.append("a background of noise")
    form = structure.description
    if structure.name != structure.code:
        form = f"{structure.name} ({form})"
    data = [] if rows is None else [counted(rows.n_rows, "row")]
    data.append(counted(len(summary.columns), "column"))
    text = (
        f"{kind} mixture of {' and '.join(parts)}, covariance {form}, "
        f"{' x '.join(data)}."
    )
    if rows is not None and rows.total_weight != rows.n_rows:
        text += f" Rows count by their weights, which sum to {rows.total_weight:,.6g}."
    return fill(text, _WIDTH)


def _reading(summary: Summary) -> str:
    """How the paragraphs of components are to be read."""
    v = degrees_of_freedom_of(summary.model)
    spread = "standard deviation" if v is None else "scale"
    whole = "the mixture" if summary.rows is None else "all rows"
    return fill(
        "Below each component is what sets it apart, in three columns at most: its "
        f"mean ± {spread} in the column's own unit, and how much more or less than the "
        f"mean of {whole} that is, also in the latter's standard deviations (sd).",
        _WIDTH,
    )


def _components(summary: Summary) -> Iterator[str]:
    """A paragraph for each component, the heaviest first."""
    model = summary.model
    for k in map(int, np.argsort(-model.weights_, kind="stable")):
        yield f"Component {k}: {_size(summary, k, float(model.weights_[k]))}"
        for line in _apart(summary, k):
            yield f"    {line}"
    background = background_of_model(model)
    if background is not None:
        size = _size(summary, len(model.weights_), background.weight)
        yield f"Noise, which is no component: {size}"


def _size(summary: Summary, place: int, weight: float) -> str:
    text = f"{weight:.1%} of the rows"
    if summary.rows is None:
        return text
    certainty = summary.rows.certainty
    n_rows = certainty.n_rows[place]
    text += f"; the likeliest one for {n_rows:,.6g}"
    return text + f" ({certainty.sure[place]:.0%} sure)" * bool(n_rows)


def _apart(summary: Summary, k: int) -> Iterator[str]:
    """What sets a component apart, a column on a line."""
    v = degrees_of_freedom_of(summary.model)
    if v is not None:
        yield f"tails of Student's t with {number(float(v[k]))} degrees of freedom"
    traits = summary.traits[k]
    if not traits:
        whole = "the mixture's" if summary.rows is None else "that of all rows"
        yield f"in every column a mean close to {whole}"
        yield from _spread(summary, k)
        return
    places = [summary.columns.index(trait.column) for trait in traits]
    names = [trait.column for trait in traits]
    values = [_values(summary, k, j) for j in places]
    for j, name, value, trait in zip(places, names, values, traits, strict=True):
        more = summary.means[k, j] - summary.overall_means[j]
        yield (
            f"{name:{max(map(len, names))}}  {value:{max(map(len, values))}}  "
            f"{number(abs(more))} {'more' if more > 0 else 'less'} "
            f"({trait.difference:+.1f} sd)"
        )


def _values(summary: Summary, k: int, j: int) -> str:
    return f"{number(summary.means[k, j])} ± {number(summary.deviations[k, j])}"


def _spread(summary: Summary, k: int) -> Iterator[str]:
    """The column in which a component's spread differs most, if that is much."""
    found = widest_or_narrowest(summary, k)
    if found is not None:
        j, times, is_wider = found
        how = "far" if is_wider else "near"
        yield (
            f"{summary.columns[j]}  {_values(summary, k, j)}  {times:.1f} times as "
            f"{how} from the mean"
        )


def widest_or_narrowest(summary: Summary, k: int) -> tuple[int, float, bool] | None:
    """The column in which a component's spread differs most, if that is much.

    Its number, how many times as wide or as narrow it is, and whether it is wider.
    """
    ratios = summary.deviations[k] / summary.overall_deviations
    with np.errstate(divide="ignore"):
        sizes = np.abs(np.log(ratios))
    sizes[~np.isfinite(sizes)] = 0.0  # of no spread at all
    j = int(sizes.argmax())
    times = float(np.exp(sizes[j]))
    return (j, times, bool(ratios[j] > 1)) if times >= _WIDER else None


def _certainty(summary: Summary) -> str:
    if summary.rows is None:
        return ""
    return fill(sentence_of(summary.rows.certainty), _WIDTH)


def _overlap(summary: Summary) -> str:
    """Which pairs of components are confused, by the mixture's own account."""
    if len(summary.means) == 1:
        return ""
    if summary.overlap is None:
        return fill(
            "Overlaps are not computed, as that takes long for so many columns and "
            "components: fastem.overlap(model).",
            _WIDTH,
        )
    pairs = summary.overlap.pairs
    shown = [pair for pair in pairs[:_MOST_PAIRS] if pair.overlap >= _LEAST_OVERLAP]
    if not shown:
        return fill(
            "No components overlap: of each pair, less than 0.1% of the rows look like "
            "the other one's.",
            _WIDTH,
        )
    lines = ["Which components overlap, by the mixture's own account:"]
    lines += [
        f"    {pair.first} and {pair.second}: {pair.first_as_second:.1%} of the rows "
        f"of {pair.first} look like {pair.second}, {pair.second_as_first:.1%} of "
        f"{pair.second} like {pair.first}"
        for pair in shown
    ]
    rest = pairs[len(shown) :]
    if rest:
        most = max(rest[0].overlap, _LEAST_OVERLAP)
        others = "the other pair" if len(rest) == 1 else f"each of {len(rest)} others"
        lines.append(f"    {others}: {most:.1%} or less in sum")
    return "\n".join(lines)


def _missing(summary: Summary) -> str:
    """What rows lack."""
    rows = summary.rows
    if rows is None or not rows.n_gappy:
        return ""
    text = f"Missing: {rows.n_gappy:,} of {counted(rows.n_rows, 'row')} lack values"
    if rows.n_empty:
        text += f", {rows.n_empty:,} of them all"
    worst = np.argsort(-rows.missing, kind="stable")
    gappy = [int(j) for j in worst if rows.missing[j] > 0]
    shown = gappy[:_MOST_COLUMNS]
    told = [f"{summary.columns[j]} {rows.missing[j]:.1%}" for j in shown]
    if len(gappy) > len(shown):
        told.append(f"and {counted(len(gappy) - len(shown), 'more column')}")
    text += f" ({', '.join(told)}). They count with the values that they have."
    return fill(text, _WIDTH)


def criteria_of(summary: Summary) -> Iterator[str]:
    """What the mixture is compared by, and with what it was compared."""
    rows, results = summary.rows, summary.results
    if rows is not None:
        yield fill(
            f"BIC {rows.bic:,.1f}, ICL {rows.icl:,.1f}, AIC {rows.aic:,.1f} (lower is "
            "better, among fits to the same rows and columns).",
            _WIDTH,
        )
    if results is not None:
        best, *others = results.ranked
        yield (
            f"Chosen by {results.criterion} from {len(results)} candidates: "
            f"{best.covariance_type}, {counted(best.n_components, 'component')}."
        )
        for row in others[:3]:
            name = f"{row.covariance_type}, {row.n_components}"
            yield f"    {name}: worse by {row.value - best.value:,.1f}"
