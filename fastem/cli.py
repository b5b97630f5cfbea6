"""The command line's entry point: it works without the extra only to name it."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command ``fastem``."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # and not ignored, as in the background
        signal.signal(signal.SIGINT, _end_at_once)
    try:
        from fastem.terminal.commands import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit("The command line needs typer and rich: pip install 'fastem[cli]'")
    signal.signal(signal.SIGINT, handler)
    app(prog_name="fastem")


def _end_at_once(signum: int, frame: FrameType | None) -> None:
    """End while modules are imported, which would make other errors of an interrupt."""
    os.write(2, b"Interrupted.\n")
    os._exit(130)
