"""The command line's entry point: it works without the extra only to name it."""

import sys


def main() -> None:
    """Run the command ``fastem``."""
    try:
        from fastem.terminal.commands import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit("The command line needs typer and rich: pip install 'fastem[cli]'")
    except KeyboardInterrupt:
        sys.exit(130)
    app(prog_name="fastem")
