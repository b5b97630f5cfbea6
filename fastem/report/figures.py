"""Figures of matplotlib, which is optional."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastem.storage.writing import PathLike, complete_or_absent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS_MATPLOTLIB = "pictures need matplotlib: pip install 'fastem[plot]'"
_DOTS_PER_INCH = 150


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches.

    Not through pyplot, which would choose a backend for the whole process.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(NEEDS_MATPLOTLIB) from error
    return Figure(figsize=(width, height), layout="constrained")


def write_figure(figure: Any, path: PathLike) -> None:
    """Write it to a file, of the kind that its name ends in."""
    with complete_or_absent(path) as temporary:
        suffix = Path(path).suffix[1:].lower()
        figure.savefig(temporary, format=suffix, dpi=_DOTS_PER_INCH)
