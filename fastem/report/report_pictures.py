"""The pictures of a report: rows and clusters, and the alternatives of a choice."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import Any

from fastem.choice.results import SelectionResults
from fastem.report.choice_pictures import SelectionDisplay
from fastem.report.component_marks import held_by_rings
from fastem.report.drawn_rows import DrawnRows
from fastem.report.figures import new_figure, without_formulas
from fastem.report.pictures import ClusterDisplay, coloured_rows
from fastem.report.report_contents import Contents, Drawn
from fastem.report.reported_tables import ReportedTable
from fastem.report.row_marks import notes_on
from fastem.report.separation import separating_views
from fastem.report.views import View

# Small, so that letters can be read where a phone shrinks them.
_SIZE = (5.4, 4.2)  # inches
_SIZE_OF_CHOICE = (6.4, 4.2)
_DOTS_PER_INCH = 180


@dataclass(frozen=True)
class Picture:
    """A picture in a page.

    Attributes
    ----------
    source : str
        All of it, as a URI.
    width, height : int
        In pixels.
    alt : str
        What it shows, for who does not see it.
    """

    source: str
    width: int
    height: int
    alt: str


def drawn_rows_of(table: ReportedTable) -> Drawn | None:
    """What pictures need of the rows, in one pass; None without matplotlib."""
    if find_spec("matplotlib") is None:
        return None
    model, rows, names = table.drawn
    views = [View.of_columns(columns, names) for columns in separating_views(model)]
    return model, coloured_rows(views, model, rows, sample_weight=table.weights)


def pictures_of_clusters(contents: Contents) -> list[Picture]:
    """The columns that tell clusters apart best, two at a time, or the only one."""
    assert contents.drawn is not None
    model, of_views = contents.drawn
    pictures = []
    for rows in of_views:
        figure = new_figure(*_SIZE)
        panel = figure.subplots()
        ClusterDisplay(model, rows).plot(panel, legend=False)
        pictures.append(_picture(figure, _alt(rows, len(model.weights_))))
    return pictures


def caption_of_clusters(contents: Contents) -> str:
    """What such a picture means, for who sees one first."""
    assert contents.drawn is not None
    model, of_views = contents.drawn
    first = of_views[0]
    if len(first.view.labels) == 1:
        text = (
            "Grey: how many rows have which value. In colours: the clusters, and in "
            "black their sum."
        )
    else:
        rows = (
            "Each point is a row, in the colour of its cluster: the paler, the less "
            "certain."
            if first.points is not None
            else "In the colours of their clusters: the deeper, the more rows."
        )
        held = [share for _, share in held_by_rings(model)]
        text = (
            f"{rows} Of a cluster {held[0]} lie within its thick ring, {held[1]} "
            "within the thin one."
        )
    return " ".join([text, *notes_on(of_views)])


def picture_of_choice(results: SelectionResults) -> Picture:
    """The criterion of each candidate against the number of components."""
    figure = new_figure(*_SIZE_OF_CHOICE)
    SelectionDisplay(results).plot(figure.add_subplot())
    best = results.ranked[0]
    return _picture(
        figure,
        f"{results.criterion} against the number of clusters, a line for each form of "
        f"covariances; the least is at {best.n_components}, {best.covariance_type}.",
    )


def _alt(rows: DrawnRows, n_clusters: int) -> str:
    labels = rows.view.labels
    if len(labels) == 1:
        return f"Histogram of {labels[0]}, with the densities of {n_clusters} clusters."
    return (
        f"Rows by {labels[0]} (across) and {labels[1]} (up), in the colours of "
        f"{n_clusters} clusters, each with its number at its mean and two rings."
    )


def _picture(figure: Any, alt: str) -> Picture:
    width, height = (round(size * _DOTS_PER_INCH) for size in figure.get_size_inches())
    written = BytesIO()
    # No version in it: the same rows give the same page.
    without_formulas(figure).savefig(
        written, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None}
    )
    content = base64.b64encode(written.getvalue()).decode("ascii")
    return Picture(f"data:image/png;base64,{content}", width, height, alt)
