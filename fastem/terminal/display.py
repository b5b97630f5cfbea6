"""What the commands show of a model: components, and how certain rows are."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from fastem.choice.results import SelectionResults
from fastem.mixture import GaussianMixture
from fastem.mixture.noise import background_of_model
from fastem.report.criteria import Criteria
from fastem.report.description import Trait, component_variances, distinctive_traits
from fastem.report.memberships import Certainty, Written
from fastem.report.page import Summary
from fastem.report.wording import number, sentence_of

_LOG_WIDTH = 110
_MOST_CANDIDATES = 10
# Of tables: beside each column, and beside the last one more.
_BORDER = 3
_EDGE = _BORDER + 1
# Names of columns may be broken in lines, but before that fewer components stand
# beside each other.
_LEAST_WIDTH = 24
# Between the words of_a_name.orAnotherName, each with what ends it.
_WORDS = re.compile(r"(?<=[\s_./-])(?=[^\s_./-])|(?<=[a-z])(?=[A-Z])")


def output() -> Console:
    """Standard output: as wide as the terminal, or wide enough for tables in a log."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(width=_LOG_WIDTH)


def print_components(
    model: GaussianMixture,
    columns: Sequence[str],
    certainty: Certainty | None = None,
) -> None:
    """A table of the components, the heaviest first.

    With ``certainty`` also the number of rows and how surely they belong.
    """
    console = output()
    heads = ["component", "weight", *(() if certainty is None else ("rows", "sure"))]
    heaviest_first = np.argsort(-model.weights_, kind="stable")
    lines = [[str(k), f"{model.weights_[k]:.1%}"] for k in heaviest_first]
    if certainty is not None:
        for k, line in zip(heaviest_first, lines, strict=True):
            sure = f"{certainty.sure[k]:.0%}" if certainty.n_rows[k] else "-"
            line += [f"{certainty.n_rows[k]:,}", sure]
    background = background_of_model(model)
    of_noise = []
    if background is not None:
        of_noise = ["noise", f"{background.weight:.1%}"]
        if certainty is not None:
            sure = f"{certainty.sure[-1]:.0%}" if certainty.n_rows[-1] else "-"
            of_noise += [f"{certainty.n_rows[-1]:,}", sure]
    grid = Grid(header_style="bold")
    for head in heads:
        grid.add_column(head, justify="right", no_wrap=True)
    grid.add_column("what sets it apart", overflow="fold")
    room = console.width - _EDGE - sum(_widths([heads, *lines]))
    traits = distinctive_traits(model, columns)
    for k, line in zip(heaviest_first, lines, strict=True):
        grid.add_row(*line, _in_words(traits[k], room))
    if of_noise:
        grid.add_row(*of_noise, "rows that belong to no component")
    console.print(grid)
    console.print(
        "Means in units of the data; in brackets how far from the overall mean, in "
        "overall standard deviations (sd)."
    )


def print_certainty(certainty: Certainty) -> None:
    """How sure the rows are of their component, in a sentence."""
    output().print(sentence_of(certainty))


def print_summary(summary: Summary) -> None:
    """The page of a model."""
    output().print(str(summary), markup=False, soft_wrap=True)


def print_outliers(written: Written, limit: float) -> None:
    """How many of the rows that were written are outliers."""
    n_rows = int(written.certainty.n_rows.sum())
    share = written.n_outliers / n_rows
    output().print(
        f"Outliers: {written.n_outliers:,} of {n_rows:,} rows ({share:.2%}) have a "
        f"log-density below {limit:g}."
    )


def print_criteria(criteria: Criteria) -> None:
    """What numbers of components and forms of covariances are compared by."""
    output().print(
        f"{criteria} (lower is better, among fits to the same rows and columns)."
    )


def print_selection(results: SelectionResults) -> None:
    """A table of the best candidates, what came of the others, and the choice."""
    grid = Grid(
        box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False
    )
    grid.add_column("covariance", no_wrap=True, vertical="bottom")
    for head in (
        *("-k", results.criterion, "worse\nby", "log-\nlikelihood"),
        *("para-\nmeters", "smallest\nweight", "con-\nverged", "time"),
    ):
        grid.add_column(head, justify="right", vertical="bottom", no_wrap=True)
    best, *others = results.ranked
    for row in (best, *others[: _MOST_CANDIDATES - 1]):
        grid.add_row(
            *(row.covariance_type, str(row.n_components), f"{row.value:,.1f}"),
            f"{row.value - best.value:,.1f}" if row is not best else "",
            *(f"{row.log_likelihood:,.1f}", f"{row.n_parameters:,}"),
            *(f"{row.smallest_weight:.1%}", "yes" if row.converged else "no"),
            f"{row.seconds:.1f} s",
            style="bold" if row is best else None,
        )
    console = output()
    console.print(grid)
    console.print(f"Of {len(results)} candidates: {results.fates()}.")
    least = min(results, key=lambda row: row.value)  # nan is never less
    if least.value < best.value:
        console.print(
            f"Not chosen, though its {results.criterion} is {least.value:,.1f}: "
            f"{least.covariance_type}, {least.n_components}. {least.reason}",
            markup=False,
        )
    components = "component" if best.n_components == 1 else "components"
    text = (
        f"Chosen: {best.covariance_type}, {best.n_components} {components}, by the "
        f"lowest {results.criterion}."
    )
    numbers = {row.n_components for row in results}
    if best.n_components == max(numbers) > min(numbers):
        text += " At the largest number tried it may still fall: try more."
    console.print(text)


def print_means(model: GaussianMixture, columns: Sequence[str]) -> None:
    """Mean and standard deviation of each column in each component."""
    deviations = np.sqrt(component_variances(model))
    console = output()
    longest = max(map(cell_len, ["column", *columns]))
    left = [int(k) for k in np.argsort(-model.weights_, kind="stable")]
    while left:
        shown: list[int] = []
        lines = [["column"], *([] for _ in columns)]
        room = console.width - _EDGE
        while left:
            k = left[0]
            numbers = [f"{k} ({model.weights_[k]:.1%})"] + [
                f"{number(model.means_[k, j])} ± {number(deviations[k, j])}"
                for j in range(len(columns))
            ]
            (width,) = _widths([[text] for text in numbers])
            if shown and room - width < min(longest, _LEAST_WIDTH):
                break
            room -= width
            shown.append(left.pop(0))
            for line, text in zip(lines, numbers, strict=True):
                line.append(text)
        heads, *rows = lines
        grid = Grid(title="Mean ± standard deviation", title_justify="left")
        grid.add_column("column", overflow="fold")
        for head in heads[1:]:
            grid.add_column(head, justify="right", no_wrap=True)
        for name, row in zip(columns, rows, strict=True):
            grid.add_row(escape(_broken(_WORDS.split(name), room)), *row)
        console.print(grid)


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """How wide the columns of a table are that holds these texts, with a border."""
    return [max(map(cell_len, texts)) + _BORDER for texts in zip(*lines, strict=True)]


def _broken(words: Iterable[str], width: int) -> str:
    """Words in lines of this width, if none is longer; what ends a word goes along."""
    lines = [""]
    for word in words:
        if lines[-1] and cell_len(lines[-1] + word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(line.rstrip() for line in lines)


def _in_words(traits: list[Trait], width: int) -> str:
    """Traits in lines; one is broken only if it is longer than a line, in its name."""
    if not traits:
        return "close to the overall mean in every column"
    lines = [""]
    for trait in traits:
        end = "" if trait is traits[-1] else ", "
        figures = f"{number(trait.mean)} ({trait.difference:+.1f} sd){end}"
        words = [*_WORDS.split(f"{trait.column} "), figures]
        if cell_len(lines[-1] + "".join(words).rstrip()) <= width:
            lines[-1] += "".join(words)
        else:
            lines += _broken(words, width).split("\n")
            lines[-1] += " " * bool(end)
    return escape("\n".join(line.rstrip() for line in lines if line))
