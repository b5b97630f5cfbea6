"""Rows that know less or more: what gaps and known labels cost, and what they bring."""

import warnings
from collections.abc import Callable

from sklearn.exceptions import ConvergenceWarning

from benchmarks import few_labels, gappy_passes, gaps_filled, machine
from benchmarks.instruments import Options
from benchmarks.packages import UnavailableError
from benchmarks.reporting import measured_by

_PARTS: dict[str, Callable[[Options], str]] = {
    "passes": gappy_passes.tables,
    "tables with known groups": gaps_filled.tables,
    "few labels": few_labels.table,
    "Pima": gaps_filled.pima,
}


def document(options: Options) -> str:
    """Measure; the Markdown document."""
    parts, left_out = [], ""
    with (
        machine.threads(options.n_threads or machine.usable_cores()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, part in _PARTS.items():
            try:
                parts.append(part(options))
            except UnavailableError as error:
                left_out += f" **Left out: {name} ({error}).**"
    heading = measured_by("--missing", f"Each table says what it shows.{left_out}")
    return heading + "\n\n".join(parts) + "\n"
