"""The report on a mixture and a table: what a colleague wants to know of clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastem.choice.frames import frame_of
from fastem.report.agreement import agreement_of
from fastem.report.column_tallies import NumberColumn, Told
from fastem.report.description import distinctive_traits_of
from fastem.report.fit_notes import notes_on_fit
from fastem.report.outcomes import Outcome, outcome_of
from fastem.report.page import Summary
from fastem.report.report_contents import Contents
from fastem.report.report_pictures import drawn_rows_of
from fastem.report.report_text import text_of
from fastem.report.reported_tables import ReportedTable, table_of
from fastem.report.row_summary import summarize_rows
from fastem.report.row_tallies import RowTallies
from fastem.report.sentences import sentences_of
from fastem.report.subjects import Subject, subject_of
from fastem.report.summary import summary_of
from fastem.report.web_page import write_page
from fastem.statistics import Array
from fastem.storage.writing import PathLike


@dataclass(frozen=True)
class Report(Contents):
    """What there is to say of clusters, for a colleague: ``print`` it, or write a page.

    Attributes
    ----------
    title : str
    summary : Summary
        Of the mixture; where steps of a pipeline stand before it, means are those of
        the rows, in the columns' own units.
    sentences : tuple of str
        One for each component, and last for the background, if there is one.
    beside : tuple of NumberColumn or LevelColumn
        The table's other columns, in each cluster.
    outcome : Outcome or None
    agreement : Agreement or None
        With the labels that were given.
    doubts : Doubts
        Rows that are torn between clusters.
    notes : tuple of str
        What there is to know before one believes it.
    """

    def to_frame(self) -> Any:
        """A DataFrame with a row for each cluster: of pandas, or of polars.

        Columns are those of ``summary.to_frame()``, the sentence in ``in_words``, then
        means of other columns of numbers, ``column = level`` for shares of levels, the
        outcome with its interval, and the label that most rows have.
        """
        columns = dict(self.summary.columns_of_frame())
        columns["in_words"] = list(self.sentences)
        for column in self.beside:
            if isinstance(column, NumberColumn):
                columns[column.name] = column.means.tolist()
                continue
            for level, shares in zip(column.levels, column.shares.T, strict=True):
                columns[f"{column.name} = {level}"] = shares.tolist()
        if self.outcome is not None:
            columns |= _columns_of_outcome(self.outcome)
        if self.agreement is not None:
            labels = [self.agreement.most_of(k)[0] for k in range(len(self.sentences))]
            columns[f"most of {self.agreement.name}"] = labels
        return frame_of(columns)

    def to_html(self, path: PathLike) -> None:
        """Write one page that needs no other file and no network.

        With tables, pictures and words; it can be printed, read on a phone, and sent
        by mail. The same report gives the same page, to the bit.

        Parameters
        ----------
        path : path
            Ends in .html.

        Raises
        ------
        ImportError
            If matplotlib or jinja2 is not installed; the text says what installs them.
        ValueError
            If the name ends in something else.
        """
        write_page(self, path)

    def __str__(self) -> str:
        return text_of(self)


def report(
    model: Any,
    X: Any,
    *,
    labels: ArrayLike | str | None = None,
    outcome: ArrayLike | str | None = None,
    sample_weight: ArrayLike | str | None = None,
    title: str | None = None,
) -> Report:
    r"""Describe clusters for a colleague: in words, tables and pictures, on one page.

    A sentence says of each cluster what sets it apart, in the columns' own units. All
    other columns of the table are told too: texts and few numbers by their shares in
    each cluster, other numbers by their means.

    Parameters
    ----------
    model : GaussianMixture, StudentMixture, GaussianMixtureSelector or Pipeline
        Fitted, or made from parameters; a pipeline ends with one of the others. With a
        selector the alternatives are told as well.
    X : array-like of shape (N, D), DataFrame, Arrow table, or path to Parquet files
        The rows, with any columns beside those of the mixture. Read twice: for numbers
        and for pictures.
    labels : array-like of shape (N,) or name of a column, default=None
        Groups that are known, to be compared with the clusters.
    outcome : array-like of shape (N,) or name of a column, default=None
        What became of the rows: truth values, a few texts or numbers, of which shares
        are told with Wilson's interval; or other numbers, of which means are told.
    sample_weight : array-like of shape (N,), or name of a column, default=None
        How often each row counts.
    title : str, default=None
        Of the page.

    Returns
    -------
    Report

    Raises
    ------
    TypeError
        If the model has no clusters, as detectors, classifiers and regressors.
    ValueError
        If X, or a column that is named, cannot be used.

    See Also
    --------
    summary : The mixture alone on a page of text.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import fastem
    >>> from fastem import GaussianMixture
    >>> random = np.random.default_rng(0)
    >>> is_large = np.arange(600) < 200
    >>> table = pd.DataFrame({"length": random.normal(np.where(is_large, 80, 50), 5)})
    >>> table["kind"] = np.where(is_large, "pike", "perch")
    >>> table["caught"] = random.random(600) < np.where(is_large, 0.6, 0.2)
    >>> model = GaussianMixture(2, random_state=0).fit(table[["length"]])
    >>> fish = fastem.report(model, table, outcome="caught")
    >>> print(*fish.sentences, sep="\n")  # doctest: +NORMALIZE_WHITESPACE
    length is lower (about 49.8; all rows 59.9). Though not used to find the clusters,
    kind is perch for >99.9% (all rows 67%). caught is True for 20% (16% to 24%; all
    rows 33%).
    length is much higher (about 80; all rows 59.9). Though not used to find the
    clusters, kind is pike for 99.8% (all rows 33%). caught is True for 60% (53% to
    67%; all rows 33%).
    >>> fish.to_html("fish.html")
    """
    subject = subject_of(model)
    apart = [name for name in (labels, outcome) if isinstance(name, str)]
    _check_apart(subject, labels=labels, outcome=outcome)
    table = table_of(subject, X, sample_weight, apart)
    return report_on(subject, table, labels=labels, outcome=outcome, title=title)


def report_on(
    subject: Subject,
    table: ReportedTable,
    *,
    labels: Any = None,
    outcome: Any = None,
    title: str | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """The report on a table that is prepared, with some notes on it."""
    model = subject.mixture
    tallies = RowTallies(model, table.beside, outcome, labels)
    rows = summarize_rows(model, table.rows, table.weights, follow=tallies)
    told, untold = tallies.told()
    summary = summary_of(model, table.columns, rows, subject.results)
    used = table.used
    if subject.steps is not None:
        summary, told = _in_own_units(summary, told, tallies, used)
    of_outcome = None if tallies.outcome is None else outcome_of(tallies.outcome)
    agreement = None if tallies.labels is None else agreement_of(tallies.labels)
    doubts = tallies.doubts.told(
        lambda row: (table.beside.position(row), table.row_name(row))
    )
    warned = notes_on_fit(model, table.columns, rows.total_weight, subject.results)
    left_out = [f"Column {name} is not told of: {why}." for name, why in untold.items()]
    n_clusters = len(model.weights_)
    return Report(
        title
        or f"{n_clusters} cluster{'s' * (n_clusters > 1)} in {rows.n_rows:,} rows",
        summary,
        sentences_of(summary, told, used, of_outcome, agreement),
        tuple(told),
        *(of_outcome, agreement, doubts, (*notes, *table.notes, *warned, *left_out)),
        drawn_rows_of(table),
    )


def _check_apart(subject: Subject, **given: Any) -> None:
    """Raise ValueError for a column that clusters were made from."""
    for argument, name in given.items():
        if isinstance(name, str) and name in (subject.needed or ()):
            raise ValueError(
                f"{argument} is {name!r}, a column that the clusters were made from: "
                "they differ in it because they were made to. Its means are told anyway"
            )


def _in_own_units(
    summary: Summary, told: list[Told], tallies: RowTallies, used: Sequence[str]
) -> tuple[Summary, list[Told]]:
    """The summary with means of the rows in columns as they were before the steps."""
    assert summary.rows is not None
    numbers = []
    for name in used:
        found = tallies.columns[name].as_numbers() if name in tallies.columns else None
        if found is not None:
            numbers.append(found)
    if not numbers:
        return summary, told
    K = len(summary.model.weights_)
    names = tuple(column.name for column in numbers)
    overall = np.array([column.overall_mean for column in numbers])
    spread = np.array([column.overall_deviation for column in numbers])
    spread = np.where(spread > 0, spread, 1.0)
    means, deviations = (_by_component(numbers, name, K) for name in _OF_NUMBERS)
    rows = replace(
        summary.rows,
        missing=np.array([column.missing for column in numbers]),
        means=overall,
        deviations=spread,
    )
    traits = distinctive_traits_of(means, deviations, names, (overall, spread))
    columns = names, traits, means, deviations, overall, spread
    in_units = Summary(
        *(summary.model, *columns, rows, summary.overlap, summary.results)
    )
    return in_units, [column for column in told if column.name not in names]


_OF_NUMBERS = ("means", "deviations")


def _by_component(numbers: Sequence[NumberColumn], name: str, K: int) -> Array:
    """Means, or deviations, of components: (K, D)."""
    return np.column_stack([getattr(column, name)[:K] for column in numbers])


def _columns_of_outcome(outcome: Outcome) -> dict[str, list[float]]:
    columns = {}
    for j in range(outcome.values.shape[1]):
        name = outcome.name
        if outcome.levels:
            name += f" = {outcome.levels[j]}"
        columns[name] = outcome.values[:, j].tolist()
        columns[f"{name} (low)"] = outcome.low[:, j].tolist()
        columns[f"{name} (high)"] = outcome.high[:, j].tolist()
    return columns
