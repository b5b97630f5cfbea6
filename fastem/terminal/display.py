"""What the commands show of a model: components, and how certain rows are."""

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from fastem.mixture import GaussianMixture
from fastem.mixture.noise import background_of_model
from fastem.report.criteria import Criteria
from fastem.report.description import Trait, component_variances, distinctive_traits
from fastem.report.memberships import Certainty

_LOG_WIDTH = 110
_COMPONENTS_ABREAST = 6


def output() -> Console:
    """Standard output: as wide as the terminal, or wide enough for tables in a log."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(width=_LOG_WIDTH)


def number(value: float) -> str:
    """Four significant digits, written for people: 1,297 or 45.2 or 3.1e-07."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if not 1e-4 <= abs(value) < 1e9:
        return f"{value:.3g}"
    decimals = max(
        0, (2 if abs(value) < 1000 else 3) - math.floor(math.log10(abs(value)))
    )
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def print_components(
    model: GaussianMixture,
    columns: Sequence[str],
    certainty: Certainty | None = None,
) -> None:
    """A table of the components, the heaviest first.

    With ``certainty`` also the number of rows and how surely they belong.
    """
    console = output()
    width_of_numbers = 25 if certainty is None else 44
    grid = Grid(header_style="bold")
    grid.add_column("component", justify="right")
    grid.add_column("weight", justify="right")
    if certainty is not None:
        grid.add_column("rows", justify="right")
        grid.add_column("sure", justify="right")
    grid.add_column("what sets it apart", overflow="fold")
    traits = distinctive_traits(model, columns)
    for k in np.argsort(-model.weights_, kind="stable"):
        cells = [str(k), f"{model.weights_[k]:.1%}"]
        if certainty is not None:
            sure = f"{certainty.sure[k]:.0%}" if certainty.n_rows[k] else "-"
            cells += [f"{certainty.n_rows[k]:,}", sure]
        grid.add_row(*cells, _in_words(traits[k], console.width - width_of_numbers))
    background = background_of_model(model)
    if background is not None:
        cells = ["noise", f"{background.weight:.1%}"]
        if certainty is not None:
            sure = f"{certainty.sure[-1]:.0%}" if certainty.n_rows[-1] else "-"
            cells += [f"{certainty.n_rows[-1]:,}", sure]
        grid.add_row(*cells, "rows that belong to no component")
    console.print(grid)
    console.print(
        "Means in units of the data; in brackets how far from the overall mean, in "
        "overall standard deviations (sd)."
    )


def print_certainty(certainty: Certainty) -> None:
    """How sure the rows are of their component, in a sentence."""
    mean, sure, unsure = certainty.overall()
    output().print(
        f"Memberships: {sure:.1%} of the rows are sure (their component has a "
        f"probability above 0.9), {unsure:.1%} are in doubt (0.5 at most); on average "
        f"the likeliest component has {mean:.3f}."
    )


def print_criteria(criteria: Criteria) -> None:
    """What numbers of components and forms of covariances are compared by."""
    output().print(
        f"{criteria} (lower is better, among fits to the same rows and columns)."
    )


def print_means(model: GaussianMixture, columns: Sequence[str]) -> None:
    """Mean and standard deviation of each column in each component."""
    deviations = np.sqrt(component_variances(model))
    heaviest_first = np.argsort(-model.weights_, kind="stable")
    console = output()
    for start in range(0, len(heaviest_first), _COMPONENTS_ABREAST):
        shown = heaviest_first[start : start + _COMPONENTS_ABREAST]
        grid = Grid(title="Mean ± standard deviation", title_justify="left")
        grid.add_column("column", overflow="fold")
        for k in shown:
            grid.add_column(f"{k} ({model.weights_[k]:.1%})", justify="right")
        for j, name in enumerate(columns):
            cells = (
                f"{number(model.means_[k, j])} ± {number(deviations[k, j])}"
                for k in shown
            )
            grid.add_row(escape(name), *cells)
        console.print(grid)


def _in_words(traits: list[Trait], width: int) -> str:
    if not traits:
        return "close to the overall mean in every column"
    words = [
        f"{trait.column} {number(trait.mean)} ({trait.difference:+.1f} sd)"
        for trait in traits
    ]
    # Lines break between traits, not within one.
    unbroken = ", ".join(text.replace(" ", "\N{NO-BREAK SPACE}") for text in words)
    lines = textwrap.wrap(unbroken, max(width, 24), break_long_words=False)
    return escape("\n".join(lines).replace("\N{NO-BREAK SPACE}", " "))
