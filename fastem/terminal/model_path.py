"""The model that a command is given, and what it may be instead."""

from pathlib import Path
from typing import Any

from fastem.decisions.files import open_model
from fastem.sources.data_files import SUFFIXES


def open_any_model(path: Path, data: Path | None = None) -> Any:
    """A mixture's file, or an estimator around one; an error says what else it is."""
    is_table = path.is_dir() or path.name.lower().endswith(SUFFIXES)
    if is_table and data is not None and data.suffix.lower() == ".json":
        raise ValueError(
            f"{path} is no model, but a table: the model comes first, as in "
            f"fastem predict {data} {path}"
        )
    if is_table:
        raise ValueError(
            f"{path} is no model: name the file that fastem fit --output has saved "
            "(.json)"
        )
    if not path.exists():
        raise FileNotFoundError(
            f"there is no file {path}: name the model that fastem fit --output has "
            "saved"
        )
    return open_model(path)
