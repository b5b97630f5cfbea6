"""A report as one page of HTML that needs no other file, and no network."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from fastem.mixture.tails import degrees_of_freedom_of
from fastem.report.agreement import MOST_LABELS, Agreement
from fastem.report.colors import NOISE, component_colors, is_light
from fastem.report.column_tallies import NumberColumn
from fastem.report.doubtful_rows import Doubts, TornRow
from fastem.report.level_tables import LevelTable, level_tables
from fastem.report.outcomes import Outcome
from fastem.report.page import title_of_summary
from fastem.report.report_contents import Contents
from fastem.report.report_pictures import (
    caption_of_clusters,
    picture_of_choice,
    pictures_of_clusters,
)
from fastem.report.report_text import (
    called,
    gaps_of,
    lead_of,
    note_on_outcome,
    sentence_of_agreement,
    sentence_of_doubts,
    size_of,
    weight_of,
)
from fastem.report.wording import counted, number, percent
from fastem.storage.writing import PathLike, complete_or_absent

SUFFIXES = (".html",)
_NEEDED = "a page needs matplotlib and jinja2: pip install 'fastem[report]'"
_MOST_PAIRS = 10
_MOST_CANDIDATES = 8
_FULL_TINT = 2.0  # standard deviations


def write_page(contents: Contents, path: PathLike) -> None:
    """Write it; see :meth:`Report.to_html`."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: the name of a page must end in .html")
    if contents.drawn is None:  # as there was no matplotlib
        raise ImportError(_NEEDED)
    text = page_of(contents)
    with complete_or_absent(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def page_of(contents: Contents) -> str:
    """The page as text."""
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise ImportError(_NEEDED) from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    folder = files("fastem.report") / "templates"
    template, style = (
        (folder / name).read_text(encoding="utf-8")
        for name in ("page.html", "page.css")
    )
    return environment.from_string(template).render(style=style, **_shown(contents))


def _shown(contents: Contents) -> dict[str, Any]:
    """All that the template shows, as texts and lists of them."""
    from matplotlib.colors import to_hex

    summary = contents.summary
    assert summary.rows is not None
    colors = [to_hex(c) for c in component_colors(len(summary.means))] + [NOISE]
    clusters = [
        {
            "name": called(k),
            "short": "noise" if k < 0 else str(k),
            "color": colors[k],
            "on_color": "#000" if is_light(colors[k]) else "#fff",
            "weight": weight_of(contents, k),
            "share": percent(weight_of(contents, k)),
            "size": size_of(contents, k),
            "sentence": contents.sentences[k],
        }
        for k in contents.components
    ]
    return {
        "title": contents.title,
        "lead": lead_of(contents),
        "kind": " ".join(title_of_summary(summary).split()),
        "clusters": clusters,
        "pictures": pictures_of_clusters(contents),
        "caption": caption_of_clusters(contents),
        "means": _means(contents),
        "spread": "scale"
        if degrees_of_freedom_of(summary.model) is not None
        else "standard deviation",
        "levels": [_levels(table) for table in level_tables(contents)],
        "outcomes": _outcomes(contents, contents.outcome),
        "agreement": _agreement(contents, contents.agreement),
        "doubts": _doubts(contents.doubts),
        "criteria": [
            (name, f"{value:,.1f}")
            for name, value in (
                ("BIC", summary.rows.bic),
                ("ICL", summary.rows.icl),
                ("AIC", summary.rows.aic),
            )
        ],
        "choice": _choice(contents),
        "notes": [*gaps_of(contents), *contents.notes],
    }


def _means(contents: Contents) -> list[dict[str, Any]]:
    """A line for each column of numbers: those of the mixture, then others."""
    summary, order = contents.summary, contents.components
    lines = []
    for j, name in enumerate(summary.columns):
        values = [
            (summary.means[k, j], summary.deviations[k, j], summary.differences[k, j])
            if k >= 0
            else (np.nan,) * 3
            for k in order
        ]
        overall = summary.overall_means[j], summary.overall_deviations[j]
        lines.append(_line(name, overall, values))
    n_own = len(lines)
    for column in contents.beside:
        if isinstance(column, NumberColumn):
            values = [
                (column.means[k], column.deviations[k], column.differences[k])
                for k in order
            ]
            overall = column.overall_mean, column.overall_deviation
            lines.append(_line(column.name, overall, values))
            lines[-1]["begins_beside"] = len(lines) == n_own + 1
    return lines


def _line(name: str, overall: Any, values: Any) -> dict[str, Any]:
    cells = [
        {
            "mean": number(float(mean)) if np.isfinite(mean) else "-",
            "spread": number(float(spread)) if np.isfinite(spread) else "",
            "tint": _tint(difference),
            "side": "more" if difference > 0 else "less",
        }
        for mean, spread, difference in values
    ]
    mean, spread = (number(float(value)) for value in overall)
    return {
        "name": name,
        "mean": mean,
        "spread": spread,
        "cells": cells,
        "begins_beside": False,
    }


def _tint(difference: float) -> int:
    """How strongly a cell is coloured, from 0 to 100."""
    if not np.isfinite(difference):
        return 0
    return round(100 * min(abs(float(difference)) / _FULL_TINT, 1.0))


def _levels(table: LevelTable) -> dict[str, Any]:
    lines = [
        {
            "name": name,
            "overall": percent(float(shares[0])),
            "cells": [(percent(float(s)), _width(float(s))) for s in shares[1:]],
        }
        for name, shares in table.lines
    ]
    return {"name": table.name, "lines": lines, "left": table.n_left}


def _width(share: float) -> str:
    return f"{100 * share:.1f}" if np.isfinite(share) else "0"


def _outcomes(contents: Contents, outcome: Outcome | None) -> list[dict[str, Any]]:
    """A table for each level that is told of, with places on a line."""
    if outcome is None:
        return []
    tables = []
    show = percent if outcome.levels else number
    for j in range(outcome.values.shape[1]):
        ends = np.concatenate(
            [outcome.low[:, j], outcome.high[:, j], outcome.values[:, j]]
        )
        least, most = float(np.nanmin(ends)), float(np.nanmax(ends))
        least = 0.0 if outcome.levels else min(least, float(outcome.overall[j]))
        most = max(most, float(outcome.overall[j]))
        width = (most - least) or 1.0

        def place(value: float, least: float = least, width: float = width) -> str:
            at = (float(value) - least) / width if np.isfinite(value) else 0.0
            return f"{100 * at:.1f}"

        lines = [
            {
                "name": called(k),
                "place": k,
                "rows": f"{outcome.n_rows[k]:,.0f}",
                "value": show(float(outcome.values[k, j])),
                "low": show(float(outcome.low[k, j])),
                "high": show(float(outcome.high[k, j])),
                "at": place(outcome.values[k, j]),
                "from": place(outcome.low[k, j]),
                "to": place(outcome.high[k, j]),
                "differs": bool(outcome.differs[k, j]),
            }
            for k in contents.components
        ]
        level = f" = {outcome.levels[j]}" if outcome.levels else ", mean"
        tables.append(
            {
                "name": f"{outcome.name}{level}",
                "lines": lines,
                "overall": show(float(outcome.overall[j])),
                "overall_at": place(outcome.overall[j]),
                "note": note_on_outcome(outcome),
            }
        )
    return tables


def _agreement(contents: Contents, agreement: Agreement | None) -> Any:
    if agreement is None:
        return None
    sums = np.maximum(agreement.counts.sum(axis=1), 1e-300)
    lines = [
        {
            "name": called(k),
            "cells": [
                (f"{n:,.6g}", _width(float(n / sums[k])))
                for n in agreement.counts[k, :MOST_LABELS]
            ],
        }
        for k in contents.components
    ]
    return {
        "name": agreement.name,
        "labels": agreement.labels[:MOST_LABELS],
        "left": max(len(agreement.labels) - MOST_LABELS, 0),
        "lines": lines,
        "sentence": sentence_of_agreement(agreement),
    }


def _doubts(doubts: Doubts) -> dict[str, Any]:
    pairs = [
        (f"{called(first)} and {called(second).lower()}", counted(n_rows, "row"))
        for first, second, n_rows in doubts.pairs[:_MOST_PAIRS]
    ]
    return {
        "sentence": sentence_of_doubts(doubts),
        "pairs": pairs,
        "rows": [_torn(row) for row in doubts.rows],
        "noise": ", ".join(row.name for row in doubts.noise_rows),
    }


def _torn(row: TornRow) -> tuple[str, ...]:
    return (
        *(row.name, called(row.first), percent(row.first_degree)),
        *(called(row.second), percent(row.second_degree)),
    )


def _choice(contents: Contents) -> Any:
    """The alternatives, if a selector chose."""
    results = contents.summary.results
    if results is None:
        return None
    best = results.ranked[0]
    lines = [
        (
            *(str(row.n_components), row.covariance_type, f"{row.value:,.1f}"),
            "chosen" if row is best else f"+{row.value - best.value:,.1f}",
        )
        for row in results.ranked[:_MOST_CANDIDATES]
    ]
    return {
        "criterion": results.criterion,
        "lines": lines,
        "fates": f"Of {len(results)} candidates: {results.fates()}.",
        "picture": picture_of_choice(results),
    }
