"""What an instrument says while it measures, and above its table."""

import sys

from benchmarks.machine import Machine


def progress(text: str) -> None:
    """What is going on: a line that changes on a terminal, nothing in a log."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def note(text: str) -> None:
    """What was done: a line that stays."""
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{start}{text}", file=sys.stderr, flush=True)


def measured_by(
    option: str, how: str, *, n_disturbed: int = 0, n_samples: int = 0
) -> str:
    """The paragraph above a table: command, machine, versions, and how."""
    here = Machine.here().describe()
    return (
        f"Measured by `scripts/bench {option}` on {here}. {how} "
        "`benchmarks/README.md` says how each number is obtained."
        f"{busy(n_disturbed, n_samples)}\n\n"
    )


def busy(n_disturbed: int, n_samples: int) -> str:
    """A sentence to add if other programs disturbed samples; else nothing."""
    if not n_disturbed:
        return ""
    return (
        f" **The machine was busy: other programs disturbed {n_disturbed} of "
        f"{n_samples} samples.**"
    )
