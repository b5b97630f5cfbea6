"""A report as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill, indent, wrap
from typing import Any

from fastem.report.agreement import MOST_LABELS, Agreement
from fastem.report.column_tallies import NumberColumn
from fastem.report.doubtful_rows import Doubts
from fastem.report.level_tables import MOST_LEVELS, level_tables
from fastem.report.outcomes import Outcome
from fastem.report.page import criteria_of, title_of_summary
from fastem.report.report_contents import Contents
from fastem.report.wording import counted, number, percent

_WIDTH = 79
_MOST_PAIRS = 5
_MOST_ROWS = 8


def called(component: int) -> str:
    """What a cluster is called; -1 is the background."""
    return "Noise" if component < 0 else f"Cluster {component}"


def lead_of(contents: Contents) -> str:
    """What was divided into how many clusters, by which columns."""
    summary = contents.summary
    assert summary.rows is not None
    names = summary.columns
    told = ", ".join(names[:MOST_LEVELS])
    if len(names) > MOST_LEVELS:
        told += f" and {counted(len(names) - MOST_LEVELS, 'more column')}"
    noise = " and rows that belong to none" * (-1 in contents.components)
    clusters = counted(len(summary.means), "cluster")
    rows = counted(summary.rows.n_rows, "row")
    return f"{rows} in {clusters}{noise}, by {told}."


def weight_of(contents: Contents, component: int) -> float:
    """A cluster's share of all rows."""
    model: Any = contents.summary.model
    return float(model.noise_weight_ if component < 0 else model.weights_[component])


def size_of(contents: Contents, component: int) -> str:
    """How large a cluster is, and how sure its rows are."""
    rows = contents.summary.rows
    assert rows is not None
    n_rows = rows.certainty.n_rows[component]
    text = f"{percent(weight_of(contents, component))} of all rows"
    if n_rows:
        sure = percent(float(rows.certainty.sure[component]))
        text += f"; {counted(n_rows, 'row')} most likely here, {sure} of them surely"
    return text


def text_of(contents: Contents) -> str:
    """The whole report."""
    title = contents.title
    parts = [
        f"{title}\n{'=' * len(title)}",
        fill(lead_of(contents), _WIDTH),
        *(_cluster(contents, k) for k in contents.components),
        *_beside(contents),
    ]
    if contents.outcome is not None:
        parts.append("\n".join(_outcome(contents, contents.outcome)))
    if contents.agreement is not None:
        parts.append("\n".join(_agreement(contents, contents.agreement)))
    parts.append("\n".join(_doubts(contents.doubts)))
    of_fit = title_of_summary(contents.summary), *criteria_of(contents.summary)
    parts.append("\n".join(of_fit))
    notes = [*gaps_of(contents), *contents.notes]
    if notes:
        told = [
            fill(note, _WIDTH, initial_indent="- ", subsequent_indent="  ")
            for note in notes
        ]
        parts.append("\n".join(["To know:", *told]))
    return "\n\n".join(parts)


def _cluster(contents: Contents, k: int) -> str:
    head = f"{called(k)} ({size_of(contents, k)})"
    lines = wrap(contents.sentences[k], _WIDTH - 4, break_on_hyphens=False)
    return "\n".join([*wrap(head, _WIDTH), indent("\n".join(lines), "    ")])


def _beside(contents: Contents) -> Iterator[str]:
    """The table's other columns: numbers in one table, levels in others."""
    order = contents.components
    heads = ["all", *(called(k).removeprefix("Cluster ") for k in order)]
    numbers = [
        (column.name, [number(float(v)) for v in (column.overall_mean, *own)])
        for column in contents.beside
        if isinstance(column, NumberColumn)
        for own in [column.means[list(order)]]
    ]
    if numbers:
        yield "\n".join(_grid("Means of other columns, by cluster", heads, numbers))
    for table in level_tables(contents):
        lines = [
            (name, [percent(float(share)) for share in shares])
            for name, shares in table.lines
        ]
        yield "\n".join(_grid(f"{table.name}, by cluster", heads, lines))


def _outcome(contents: Contents, outcome: Outcome) -> Iterator[str]:
    for j in range(outcome.values.shape[1]):
        what = f" = {outcome.levels[j]}" if outcome.levels else ", mean"
        show = percent if outcome.levels else number
        rows = [
            (
                called(k),
                [show(a[k, j]) for a in (outcome.values, outcome.low, outcome.high)],
            )
            for k in contents.components
        ]
        ends = outcome.overall, outcome.overall_low, outcome.overall_high
        rows.append(("All rows", [show(float(a[j])) for a in ends]))
        head = f"{outcome.name}{what}, 95% interval"
        yield from _grid(head, ["", "from", "to"], rows)
    yield fill(note_on_outcome(outcome), _WIDTH)


def note_on_outcome(outcome: Outcome) -> str:
    """How intervals are meant."""
    text = (
        "Each row counts in each cluster to the degree that it belongs there, and the "
        "sum of these degrees is the number of rows for the interval."
    )
    if outcome.missing:
        text += f" Of {percent(outcome.missing)} of the rows it is not known."
    return text


def _agreement(contents: Contents, agreement: Agreement) -> Iterator[str]:
    shown = range(min(len(agreement.labels), MOST_LABELS))
    rows = [
        (called(k), [f"{agreement.counts[k, j]:,.6g}" for j in shown])
        for k in contents.components
    ]
    heads = [agreement.labels[j] for j in shown]
    yield from _grid(f"Rows by cluster and {agreement.name}", heads, rows)
    more = len(agreement.labels) - len(shown)
    if more:
        yield f"    ({counted(more, 'more label')} not shown)"
    yield fill(sentence_of_agreement(agreement), _WIDTH)


def sentence_of_agreement(agreement: Agreement) -> str:
    """What the index says."""
    index = agreement.adjusted_rand
    how = (
        "nearly the same groups"
        if index > 0.9
        else "much alike"
        if index > 0.65
        else "alike in part"
        if index > 0.3
        else "hardly alike"
        if index > 0.05
        else "not alike"
    )
    text = (
        f"Adjusted Rand index {index:.2f}: clusters and labels are {how} (1 is the "
        "same, 0 as by chance)."
    )
    if agreement.missing:
        text += f" {percent(agreement.missing)} of the rows have no label."
    return text


def _doubts(doubts: Doubts) -> Iterator[str]:
    yield fill(sentence_of_doubts(doubts), _WIDTH)
    for first, second, n_rows in doubts.pairs[:_MOST_PAIRS]:
        yield f"    between {_pair(first, second)}: {counted(n_rows, 'row')}"
    if doubts.rows:
        names = ", ".join(row.name for row in doubts.rows[:_MOST_ROWS])
        yield fill(f"Torn most: rows {names}.", _WIDTH)
    if doubts.noise_rows:
        names = ", ".join(row.name for row in doubts.noise_rows[:_MOST_ROWS])
        yield fill(f"In no cluster, most surely: rows {names}.", _WIDTH)


def sentence_of_doubts(doubts: Doubts) -> str:
    """How many rows are not sure."""
    if not doubts.n_rows:
        return "Every row is sure of its cluster, to more than 90%."
    rows = counted(doubts.n_rows, "row")
    return (
        f"{rows} ({percent(doubts.share)}) are not sure: they belong to their "
        "likeliest cluster to 90% or less."
    )


def _pair(first: int, second: int) -> str:
    if min(first, second) < 0:
        return f"{max(first, second)} and noise"
    return f"{first} and {second}"


def gaps_of(contents: Contents) -> Iterator[str]:
    """Which columns lack values, in a sentence."""
    rows = contents.summary.rows
    assert rows is not None
    shares = dict(zip(contents.summary.columns, rows.missing.tolist(), strict=True))
    shares |= {column.name: column.missing for column in contents.beside}
    gappy = sorted((n for n in shares if shares[n] > 0), key=lambda n: -shares[n])
    if gappy:
        told = [
            f"{name} in {percent(shares[name])} of the rows"
            for name in gappy[:MOST_LEVELS]
        ]
        more = len(gappy) - len(told)
        told += [f"and {counted(more, 'more column')}"] * bool(more)
        yield f"Values are missing: {', '.join(told)}."


def _grid(
    head: str, heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]
) -> Iterator[str]:
    """A table of text: names to the left, figures to the right.

    What does not fit beside each other stands below.
    """
    first = min(max(len(name) for name, _ in rows), 30)
    cells = [heads, *(values for _, values in rows)]
    widths = [
        min(max(len(texts[j]) for texts in cells), 16) + 2 for j in range(len(heads))
    ]
    yield head
    start = 0
    while start < len(heads):
        stop, room = start + 1, _WIDTH - 4 - first - widths[start]
        while stop < len(heads) and widths[stop] <= room:
            room -= widths[stop]
            stop += 1
        names = ["", *(name for name, _ in rows)]
        for name, texts in zip(names, cells, strict=True):
            figures = (
                f"{_short(texts[j], widths[j] - 2):>{widths[j]}}"
                for j in range(start, stop)
            )
            yield f"    {_short(name, first):{first}}{''.join(figures)}".rstrip()
        start = stop


def _short(text: str, width: int) -> str:
    """As much of both ends of a text as has room: that tells it from others."""
    if len(text) <= width:
        return text
    end = (width - 2) // 2
    return f"{text[: width - 2 - end]}..{text[-end:]}"
