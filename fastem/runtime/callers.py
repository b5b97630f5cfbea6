"""Who called fastem: the line that a warning points at."""

import sys
from types import FrameType

# Beside fastem itself, what calls it for a user (pipelines, searches), and what stands
# between functions of its own.
_BETWEEN = {"fastem", "sklearn", "joblib", "numba", "contextlib"}


def levels_to_caller() -> int:
    """How many levels up the user's code stands, for ``warnings.warn``."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and _is_between(frame):
        frame = frame.f_back
        level += 1
    return level


def _is_between(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] in _BETWEEN
