"""Tables as DataFrames, of whichever library there is."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

_LIBRARIES = ("pandas", "polars")


def frame_of(columns: Mapping[str, Sequence[Any]]) -> Any:
    """A DataFrame of pandas, or of polars if that is the one there is.

    Raises
    ------
    ImportError
        If there is neither.
    """
    for library in _LIBRARIES:
        if find_spec(library) is not None:
            return import_module(library).DataFrame(dict(columns))
    raise ImportError(
        "a DataFrame needs pandas or polars, and there is neither: pip install pandas"
    )
