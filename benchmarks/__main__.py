"""The command line of scripts/bench."""

import argparse
import os
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Times EM iterations of fastem, the NumPy reference and "
        "scikit-learn from the same start, and writes a Markdown table.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check",
        action="store_true",
        help="fail if fastem is clearly slower, against the NumPy reference, than "
        "recorded in the repository",
    )
    what.add_argument(
        "--record",
        action="store_true",
        help="write the record that --check compares with",
    )
    what.add_argument(
        "--compile",
        action="store_true",
        help="seconds of compilation in the first fit of a process",
    )
    what.add_argument(
        "--memory",
        action="store_true",
        help="peak memory of a fit of 3,000,000 rows",
    )
    parser.add_argument(
        "--problems",
        default="",
        metavar="NAMES",
        help="names or shell patterns, separated by commas",
    )
    parser.add_argument(
        "--libraries",
        default="",
        metavar="NAMES",
        help="separated by commas, of: fastem, NumPy, scikit-learn; all if not given "
        "(--memory: fastem alone)",
    )
    parser.add_argument(
        "--short", action="store_true", help="the small problems: seconds in all"
    )
    parser.add_argument(
        "--repeats", type=int, metavar="N", help="rounds (default: 7; --compile: 3)"
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads for each library"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait, for each problem, where other programs disturb it "
        "(default: 30 s)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE.md", help="write the table there as well"
    )
    parser.add_argument(
        "--readme",
        action="store_true",
        help="put the table into README.md, between the markers",
    )
    arguments = parser.parse_args()
    if arguments.repeats is not None and arguments.repeats < 1:
        parser.error("--repeats must be at least 1")
    if arguments.threads is not None and arguments.threads < 1:
        parser.error("--threads must be at least 1")
    return arguments


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def main() -> int:
    """Run what the arguments ask for; the exit status."""
    arguments = _arguments()
    if arguments.check or arguments.record:
        # Threads that wait for others by spinning would count as processor time.
        # OpenMP reads this when it is loaded: before the imports below.
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    from benchmarks import session
    from benchmarks.problems import select
    from benchmarks.table import replace_between_markers

    readme = _ROOT / "README.md"
    try:
        problems = select(_names(arguments.problems), short=arguments.short)
        libraries = session.select_libraries(_names(arguments.libraries))
        if arguments.readme:
            replace_between_markers(readme.read_text(encoding="utf-8"), "")
    except ValueError as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 2
    if arguments.check:
        return session.check(problems, arguments.repeats or 7, arguments.threads)
    if arguments.record:
        session.record(problems, arguments.repeats or 7, arguments.threads)
        return 0
    if arguments.compile:
        text = session.compilation(arguments.repeats or 3)
    elif arguments.memory:
        chosen = libraries if arguments.libraries else ["fastem"]
        text = session.memory_peaks(chosen)
    else:
        text = session.table(
            problems,
            libraries,
            arguments.repeats or 7,
            arguments.threads,
            arguments.patience,
        )
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text, encoding="utf-8")
    if arguments.readme:
        old = readme.read_text(encoding="utf-8")
        readme.write_text(replace_between_markers(old, text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
