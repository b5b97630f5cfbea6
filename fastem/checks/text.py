"""Text where numbers should be, also where it could be read as numbers."""

from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Text(NamedTuple):
    """A text, and where it is among the values."""

    position: int
    value: str

    def __str__(self) -> str:
        return repr(self.value if len(self.value) <= 40 else f"{self.value[:37]}...")


def find_text(values: np.ndarray) -> Text | None:
    """The first text among the values (N,) that is no number, else the first one."""
    if values.dtype.kind not in "OUS":
        return None
    texts = (
        Text(i, value if isinstance(value, str) else value.decode("latin-1"))
        for i, value in enumerate(values.tolist())
        if isinstance(value, str | bytes)
    )
    first = next(texts, None)
    if first is None or not _is_number(first.value):
        return first
    return next((text for text in texts if not _is_number(text.value)), first)


def check_no_text(values: ArrayLike, name: str) -> None:
    """Raise ValueError if an argument holds text."""
    text = None
    with suppress(ValueError):  # ragged lists, which are named elsewhere
        text = find_text(np.asarray(values).ravel())
    if text is not None:
        raise ValueError(f"{name} does not hold numbers, but text, the first {text}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
