"""CSV and TSV files as Arrow tables."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STANDARD_INPUT = Path("-")

_FIRST_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"


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
        If the file is compressed and not named so, or the other way round; if it is
        no UTF-8 text, or its first line holds numbers.
    pyarrow.ArrowException, OSError
        If it cannot be read.
    """
    import pyarrow as pa
    from pyarrow import csv

    # Standard input can be read once only.
    content = (
        pa.py_buffer(sys.stdin.buffer.read()) if path == STANDARD_INPUT else str(path)
    )
    with pa.input_stream(content, compression=None) as stream:
        _check_compression(path, stream.read(2) == _GZIP)
    with pa.input_stream(content) as stream:  # decompresses by suffix
        header = _decoded(path, stream.read(_FIRST_BYTES).split(b"\n", 1)[0])
    reading = {
        "parse_options": csv.ParseOptions(delimiter=_delimiter(header, notation)),
        "convert_options": csv.ConvertOptions(
            null_values=notation.all_missing, decimal_point=notation.decimal
        ),
    }

    def read(**more: Any) -> Any:
        with pa.input_stream(content) as stream:
            return csv.read_csv(stream, **reading, **more)

    try:
        table = read()
    except pa.ArrowInvalid as error:
        if "conversion error" not in str(error):
            raise
        # Types were guessed from the first megabyte; guess again from all of it.
        table = read(read_options=csv.ReadOptions(block_size=2**31 - 1))
    names = table.column_names
    if all(_is_number(name) for name in names):
        numbers = ", ".join([*names[:4], *(["..."] if len(names) > 4 else [])])
        raise ValueError(
            f"{called(path)}: the first line must hold the names of the columns, but "
            f"it holds numbers: {numbers}. Put a line of names before it"
        )
    return table


def called(path: Path) -> Path:
    """What to call the file in texts."""
    return Path("standard input") if path == STANDARD_INPUT else path


def _check_compression(path: Path, is_compressed: bool) -> None:
    is_named = path.suffix.lower() == ".gz"
    if is_named and not is_compressed:
        raise ValueError(
            f"{path} is not compressed by gzip. If it is plain CSV, rename it to "
            f"{path.with_suffix('')}"
        )
    if is_compressed and not is_named:
        remedy = (
            "unpack it first: gunzip -c FILE | fastem ..."
            if path == STANDARD_INPUT
            else f"rename it to {path}.gz"
        )
        raise ValueError(f"{called(path)} is compressed by gzip: {remedy}")


def _decoded(path: Path, header: bytes) -> str:
    try:
        return header.decode()
    except UnicodeDecodeError:
        is_wide = header.startswith((b"\xff\xfe", b"\xfe\xff"))
        encoding = "UTF-16" if is_wide else "LATIN1"
        remedy = f"iconv -f {encoding} -t UTF-8 "
        remedy += (
            "FILE | fastem ..."
            if path == STANDARD_INPUT
            else f"{shlex.quote(str(path))} > utf8.csv"
        )
        raise ValueError(
            f"{called(path)} is not UTF-8 text, but perhaps {encoding}. Convert it: "
            f"{remedy}"
        ) from None


def _delimiter(header: str, notation: Notation) -> str:
    """The mark that the line has most of."""
    marks = [mark for mark in ",;\t" if mark != notation.decimal]
    return max(marks, key=header.count)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
