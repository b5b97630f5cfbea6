"""A sentence for each cluster, for who is no statistician."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fastem.choice.intervals import wilson_interval
from fastem.report.agreement import Agreement
from fastem.report.column_tallies import LevelColumn, NumberColumn, Told
from fastem.report.outcomes import LEVEL, Outcome
from fastem.report.page import Summary, widest_or_narrowest
from fastem.report.wording import number, percent

# How far a mean is from that of all rows, in their standard deviations.
_MUCH, _CLEAR, _LEAST = 1.2, 0.5, 0.25
_ERRORS = 3.0  # of a mean that is told, in its standard errors
# How much more of a cluster's rows than of all have a level that is told.
_MORE = 0.1
_MOST_BESIDE = 2


def sentences_of(
    summary: Summary,
    beside: Sequence[Told],
    used: Sequence[str],
    outcome: Outcome | None,
    agreement: Agreement | None,
) -> tuple[str, ...]:
    """What sets each component apart, and last the background, if there is one.

    Parameters
    ----------
    summary : Summary
    beside : sequence of NumberColumn or LevelColumn
        The table's other columns.
    used : sequence of str
        Those of them that the clusters were made from too.
    outcome : Outcome or None
    agreement : Agreement or None
    """
    told = []
    n_clusters = len(summary.means) + hasattr(summary.model, "noise_weight_")
    made_from = [column for column in beside if column.name in used]
    others = [column for column in beside if column.name not in used]
    for k in range(n_clusters):
        if k == len(summary.means) and not _has_rows(summary, k):
            told.append("No row belongs to none of the clusters.")
            continue
        sentences = [_apart(summary, made_from, k)]
        found = list(_of_columns(others, k))
        if found:
            also = "Though not used to find the clusters, "
            sentences.append(also + _listed(found))
        if outcome is not None:
            sentences.append(_of_outcome(outcome, k))
        if agreement is not None:
            sentences.append(_of_labels(agreement, k))
        told.append(" ".join(f"{text}." for text in sentences if text))
    return tuple(told)


def _has_rows(summary: Summary, k: int) -> bool:
    """Whether any row's likeliest cluster it is."""
    return summary.rows is None or bool(summary.rows.certainty.n_rows[k])


def _apart(summary: Summary, made_from: Sequence[Told], k: int) -> str:
    """What sets a cluster apart in the columns that it was made from."""
    if k == len(summary.means):
        return "Rows that belong to no cluster: unusual, or between all of them"
    phrases = []
    for trait in summary.traits[k]:
        j = summary.columns.index(trait.column)
        overall = summary.overall_means[j]
        phrases.append(_of_mean(trait.column, trait.difference, trait.mean, overall))
    phrases += _of_columns(made_from, k)
    if phrases:
        return _listed(phrases)
    if len(summary.means) == 1:
        return "All rows: there is one cluster only"
    text = "Near the average of all rows in every column"
    spread = widest_or_narrowest(summary, k)
    if spread is None:
        return text
    j, times, is_wider = spread
    how = "more" if is_wider else "less"
    return f"{text}; {summary.columns[j]} varies {times:.1f} times {how} than in all"


def _of_columns(columns: Sequence[Told], k: int) -> list[str]:
    """What a cluster's rows have more or less of, at most in two columns."""
    found = [phrase for column in columns for phrase in _of_column(column, k)]
    found.sort(key=lambda phrase: -phrase[0])
    return [text for _, text in found[:_MOST_BESIDE]]


def _of_column(column: Told, k: int) -> Iterator[tuple[float, str]]:
    """What there is to say of a column, and how much it says."""
    n = column.n_rows[k]
    if not n > 1:
        return
    if isinstance(column, NumberColumn):
        difference = float(column.differences[k])
        error = column.deviations[k] / np.sqrt(n)
        is_clear = abs(column.means[k] - column.overall_mean) > _ERRORS * error
        if abs(difference) >= _LEAST and is_clear:
            overall = column.overall_mean
            text = _of_mean(column.name, difference, column.means[k], overall)
            yield abs(difference) / 2, text
        return
    shares = column.shares[k]
    more = shares - column.overall
    low, _ = wilson_interval(shares, np.array(n), LEVEL)
    more[low <= column.overall] = 0
    j = int(more.argmax())
    if more[j] >= _MORE:
        yield float(more[j]), _of_level(column, k, j)


def _of_mean(name: str, difference: float, mean: float, overall: float) -> str:
    size = abs(difference)
    how = "much " if size >= _MUCH else "" if size >= _CLEAR else "somewhat "
    how += "higher" if difference > 0 else "lower"
    return f"{name} is {how} (about {number(mean)}; all rows {number(overall)})"


def _of_level(column: LevelColumn, k: int, j: int) -> str:
    share, overall = percent(column.shares[k, j]), percent(column.overall[j])
    level = column.levels[j]
    return f"{column.name} is {level} for {share} (all rows {overall})"


def _of_outcome(outcome: Outcome, k: int) -> str:
    values, low, high = outcome.values[k], outcome.low[k], outcome.high[k]
    if not outcome.n_rows[k] > 0:
        return ""
    j = int(values.argmax())
    if not outcome.levels:
        between = f"{number(low[j])} to {number(high[j])}; " * bool(low[j] == low[j])
        return (
            f"{outcome.name} is {number(values[j])} on average "
            f"({between}all rows {number(outcome.overall[j])})"
        )
    most = "Most often, " if len(outcome.levels) > 1 else ""
    return (
        f"{most}{outcome.name} is {outcome.levels[j]} for {percent(values[j])} "
        f"({percent(low[j])} to {percent(high[j])}; all rows "
        f"{percent(outcome.overall[j])})"
    )


def _of_labels(agreement: Agreement, k: int) -> str:
    label, share = agreement.most_of(k)
    if share != share:
        return ""
    return f"By {agreement.name}, {percent(share)} are {label}"


def _listed(phrases: Sequence[str]) -> str:
    """One, one and another, or one, another, and a third."""
    if len(phrases) < 3:
        return " and ".join(phrases)
    return f"{', '.join(phrases[:-1])}, and {phrases[-1]}"
