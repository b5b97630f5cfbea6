"""CSV and TSV files as Arrow tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FIRST_BYTES = 1 << 16


@dataclass(frozen=True)
class Notation:
    """How the values of a CSV file are written.

    Attributes
    ----------
    missing : tuple of str
        What stands for a missing value, beside empty, NA, null, NaN and the like.
    decimal : {'.', ','}
        The decimal mark.
    """

    missing: tuple[str, ...] = ()
    decimal: str = "."

    @property
    def all_missing(self) -> list[str]:
        """Everything that stands for a missing value."""
        from pyarrow import csv

        return [*csv.ConvertOptions().null_values, *self.missing]


def read_delimited(path: Path, notation: Notation) -> Any:
    """The table in a CSV or TSV file, whose first line holds names.

    Raises
    ------
    ValueError
        If the first line holds numbers.
    pyarrow.ArrowException, UnicodeDecodeError
        If the file cannot be read.
    """
    import pyarrow as pa
    from pyarrow import csv

    with pa.input_stream(path) as stream:  # decompresses by suffix
        header = stream.read(_FIRST_BYTES).split(b"\n", 1)[0]
    reading = {
        "parse_options": csv.ParseOptions(delimiter=_delimiter(header, notation)),
        "convert_options": csv.ConvertOptions(
            null_values=notation.all_missing, decimal_point=notation.decimal
        ),
    }
    try:
        table = csv.read_csv(path, **reading)
    except pa.ArrowInvalid as error:
        if "conversion error" not in str(error):
            raise
        # Types were guessed from the first megabyte; guess again from all of it.
        whole = csv.ReadOptions(block_size=2**31 - 1)
        table = csv.read_csv(path, read_options=whole, **reading)
    names = table.column_names
    if all(_is_number(name) for name in names):
        raise ValueError(
            f"{path}: the first line must hold the names of the columns, but it holds "
            f"numbers: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}. "
            "Put a line of names before it"
        )
    return table


def _delimiter(header: bytes, notation: Notation) -> str:
    """The mark that the line has most of."""
    marks = [mark for mark in ",;\t" if mark != notation.decimal]
    return max(marks, key=lambda mark: header.count(mark.encode()))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
