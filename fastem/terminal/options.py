"""Arguments and options of the commands: their help, and what they may be."""

import math
import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from fastem.choice.selector import ALL
from fastem.covariances import structure_of
from fastem.em.ridge import RELATIVE
from fastem.mixture import GaussianMixture
from fastem.mixture.online import AUTO
from fastem.storage import writing


def one_of(parameter: str) -> dict[str, Any]:
    """Choices that the estimator declares for a parameter."""
    return one_of_texts(GaussianMixture._parameter_constraints[parameter][0].options)


def one_of_texts(texts: Iterable[str]) -> dict[str, Any]:
    """The choice of one of these."""
    choices = sorted(texts)

    def check(value: str) -> str:
        if value not in choices:
            near = get_close_matches(value, choices, n=1)
            question = f". Did you mean {near[0]!r}?" if near else ""
            raise typer.BadParameter(
                f"{value!r} is none of {', '.join(choices)}{question}"
            )
        return value

    return {"callback": check, "metavar": "|".join(choices)}


_COMPONENTS = "'-k' / '--components'"


def numbers_of_components(text: str) -> list[int]:
    """'3', '1-5' for each from 1 to 5, or '2,4,8'."""
    numbers: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            found = range(int(first), int(last if dash else first) + 1)
            numbers += found or [0]
    except ValueError:
        numbers = [0]
    if min(numbers) < 1:
        raise typer.BadParameter(
            f"{text!r} is neither a whole number, 1 or more, nor a range such as 1-5, "
            "nor numbers such as 2,4,8",
            param_hint=_COMPONENTS,
        )
    return numbers


def check_numbers_of_components(text: str) -> str:
    """Check the text that says how many components there may be."""
    numbers_of_components(text)
    return text


def number_of_components(text: str | None, data: Path) -> int:
    """The one number of components of a fit.

    Raises
    ------
    typer.BadParameter
        If there is none, or several; the text names the command that chooses.
    """
    numbers = [] if text is None else numbers_of_components(text)
    if len(numbers) == 1:
        return numbers[0]
    lacks = "needs a number of components" if text is None else "takes one number"
    command = f"fastem select {shlex.quote(str(data))} -k {text or '1-10'}"
    raise typer.BadParameter(
        f"fastem fit {lacks}. This chooses among several: {command}",
        param_hint=_COMPONENTS,
    )


def structures(text: str) -> str | list[str]:
    """'all', or names of structures between commas."""
    if text == ALL:
        return text
    names = split(text) or []
    try:
        for name in names:
            structure_of(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return names


def check_structures(text: str) -> str:
    """Check the text that names structures."""
    structures(text)
    return text


def number_or_relative(text: str) -> str:
    """Check the text of a number that is not negative, or 'relative'."""
    try:
        is_right = text == RELATIVE or 0 <= float(text) < math.inf
    except ValueError:
        is_right = False
    if not is_right:
        raise typer.BadParameter(
            f"{text!r} is neither a number, 0 or more, nor {RELATIVE!r}"
        )
    return text


def number_of_starts(text: str) -> str:
    """Check the text of a whole number, 1 or more, or 'auto'."""
    if text != AUTO and not (text.isdecimal() and int(text) >= 1):
        raise typer.BadParameter(
            f"{text!r} is neither a whole number, 1 or more, nor {AUTO!r}"
        )
    return text


def order_of_components(sort: str | None, columns: Sequence[str]) -> str | int | None:
    """What ``sort_components`` takes: a column by its number among those in use.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    if sort in (None, "weight", "mean"):
        return sort
    assert sort is not None
    if sort in columns:
        return list(columns).index(sort)
    near = get_close_matches(sort, ["weight", "mean", *columns], n=1)
    question = f". Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"--sort {sort!r} is neither weight nor mean, nor a column in use: "
        f"{', '.join(columns)}{question}"
    )


def check_outputs(
    data: Path,
    overwrite: bool,
    *outputs: tuple[Path | None, tuple[str, ...], str | None],
) -> None:
    """Raise an error for the first file that could not be written.

    Of each output the path, if it is wanted, its suffixes, and the extra that it needs.
    """
    for path, suffixes, extra in outputs:
        if path is not None:
            writing.check_writable(path, suffixes, data, extra, overwrite=overwrite)


def split(text: str | None) -> list[str] | None:
    """Names, or other texts, between commas."""
    return None if text is None else [name.strip() for name in text.split(",")]


def example(*commands: str) -> str:
    """The end of a help: commands to copy."""
    label = "Example" if len(commands) == 1 else "Examples"
    return "\n\n\b\n".join([f"{label}:", "\n".join(f"  {text}" for text in commands)])


ModelPath = Annotated[
    Path, typer.Argument(metavar="MODEL", help="What fit has saved (.json).")
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace outputs that exist, which are an error otherwise: files, and "
        "folders that hold nothing but Parquet files.",
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Most threads to use.", show_default="all")
]
