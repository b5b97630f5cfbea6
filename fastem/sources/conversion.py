"""Files that fastem does not read, and how they become files that it reads."""

import json
import shlex
from pathlib import Path

# Functions of pandas that read them.
_READERS = {
    ".dta": "read_stata",
    ".h5": "read_hdf",
    ".hdf5": "read_hdf",
    ".json": "read_json",
    ".ods": "read_excel",
    ".orc": "read_orc",
    ".pickle": "read_pickle",
    ".pkl": "read_pickle",
    ".sas7bdat": "read_sas",
    ".sav": "read_spss",
    ".xls": "read_excel",
    ".xlsx": "read_excel",
}
_PACKED = (".bz2", ".gz", ".xz", ".zip", ".zst")


def how_to_convert(path: Path) -> str:
    """One sentence on what makes a readable file of this one."""
    suffix = path.suffix.lower()
    if suffix == ".json" and _holds_model(path):
        return "It is a model; predict takes it first, and the table second"
    if suffix in _READERS:
        target = path.with_suffix(".parquet").name
        program = (
            f"import pandas; pandas.{_READERS[suffix]}({json.dumps(path.name)})"
            f".to_parquet({json.dumps(target)})"
        )
        return f"Convert it, for example: python -c {shlex.quote(program)}"
    if suffix in _PACKED:
        return "Unpack it first"
    if suffix in (".txt", ".dat", ""):
        return "If it is a table with a line of names, rename it to .csv or .tsv"
    return "Write the table as Parquet or CSV"


def _holds_model(path: Path) -> bool:
    """Whether the file begins as those of models do."""
    with path.open("rb") as file:
        return b'"fastem.' in file.read(200)
