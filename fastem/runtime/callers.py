"""Who called fastem: the line that a warning points at."""

import sys
from types import FrameType


def levels_to_caller() -> int:
    """How many levels up the code stands that called fastem, for ``warnings.warn``."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
        level += 1
    return level


def _is_ours(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] == "fastem"
