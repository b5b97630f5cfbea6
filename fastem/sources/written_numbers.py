"""Numbers that a column of text holds: a column that should not be left out."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastem.sources.delimited import Notation

_EXPONENT = r"([eE][-+]?[0-9]+)?"
_POINT = rf"([0-9]+\.?[0-9]*|\.[0-9]+){_EXPONENT}"
_COMMA = rf"([0-9]+,?[0-9]*|,[0-9]+){_EXPONENT}"
# 1,234,567.8 or 1'234.5, and 1.234.567,8; not 192.168.100.200.
_GROUPED = r"[0-9]{1,3}([,'][0-9]{3})+(\.[0-9]+)?|[0-9]{1,3}(\.[0-9]{3})+,[0-9]+"


@dataclass(frozen=True)
class Spoiler:
    """The first value that makes text of a column of numbers, in which row.

    Or the first one, where all are numbers and the column is text nevertheless.
    """

    column: str
    value: str
    row: int


def find_spoiler(column: str, values: Any, notation: Notation) -> Spoiler | None:
    """What makes text of Arrow values most of which are numbers, in any notation.

    None if most are none. Missing values are not counted.
    """
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    missing = pa.array(notation.all_missing, values.type)
    is_missing = compute.or_kleene(
        compute.is_in(values, missing), compute.is_null(values)
    )
    is_number = _matches(values, _POINT if notation.decimal == "." else _COMMA)
    is_like = _matches(values, f"{_POINT}|{_COMMA}|{_GROUPED}")
    n_values = compute.sum(compute.invert(is_missing)).as_py() or 0
    n_like = compute.sum(compute.and_not(is_like, is_missing)).as_py() or 0
    if 2 * n_like <= n_values:
        return None
    is_fine = compute.or_(is_number, is_missing)
    row = compute.index(is_fine, False).as_py()
    if row < 0:
        row = compute.index(is_missing, False).as_py()
    value = values[row].as_py()
    text = value if isinstance(value, str) else value.decode("latin-1")
    return Spoiler(column, text, row)


def _matches(values: Any, pattern: str) -> Any:
    """Which values are all of the pattern, but for a sign and spaces."""
    from pyarrow import compute

    found = compute.match_substring_regex(values, rf"^\s*[-+]?({pattern})\s*$")
    return compute.fill_null(found, False)


def describe_spoilers(spoilers: Iterable[Spoiler], *, is_delimited: bool) -> str:
    """The columns with what spoils them, and what can be done."""
    spoilers = list(spoilers)
    where = ", ".join(
        f"{s.column!r} (row {s.row} holds {_brief(s.value)})" for s in spoilers
    )
    text = (
        "these columns are text, although most of their values are numbers: "
        f"{where}; rows are counted from 0. "
    )
    if not is_delimited:
        return (
            f"{text}Write them as numbers, with nulls for what is missing, or choose "
            "the columns to use (--columns; in Python a scanner of "
            "pyarrow.dataset.dataset(path))"
        )
    values = [spoiler.value.strip().lstrip("+-") for spoiler in spoilers]
    has_comma = any(re.fullmatch(_COMMA, value) for value in values)
    is_grouped = any(re.fullmatch(_GROUPED, value) for value in values)
    missing = [s.value.strip() for s in spoilers if not re.search(r"[\d,]", s.value)]
    advice = []
    if has_comma:
        advice.append("If the comma is the decimal mark: --decimal ,.")
    elif is_grouped:
        advice.append("Numbers must be written without marks between thousands.")
    if missing:
        option = shlex.quote(",".join(dict.fromkeys(missing)))
        advice.append(
            f"If that is how missing values are written: --na-values {option}."
        )
    advice.append("Or correct the file, or choose other columns (--columns)")
    return text + " ".join(advice)


def _brief(value: str) -> str:
    return repr(value if len(value) <= 40 else f"{value[:37]}...")
