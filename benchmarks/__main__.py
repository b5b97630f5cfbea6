"""The command line of scripts/bench."""

import argparse
import os
import sys
from pathlib import Path

from benchmarks import instruments
from benchmarks.instruments import INSTRUMENTS, Options


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Times EM iterations of fastem, the NumPy reference and "
        "scikit-learn from the same start, and writes a Markdown table; or measures "
        "one of the following instead.",
    )
    what = parser.add_argument_group(
        "what to measure, if not the main table"
    ).add_mutually_exclusive_group()
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
    for name, measures in INSTRUMENTS.items():
        what.add_argument(
            f"--{name}",
            action="store_const",
            const=name,
            dest="instrument",
            help=measures,
        )
    parser.add_argument(
        "--problems",
        default="",
        metavar="NAMES",
        help="main table: names or shell patterns, separated by commas",
    )
    parser.add_argument(
        "--libraries",
        default="",
        metavar="NAMES",
        help="main table: of fastem, NumPy, scikit-learn, separated by commas; all if "
        "not given (--memory: fastem alone)",
    )
    parser.add_argument(
        "--tables",
        default="",
        metavar="NAMES",
        help="real tables, separated by commas, of: flights, ocean, retina, hubble; "
        "all if not given. They are downloaded once, as packages",
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="small problems and tables: a look, not a measurement",
    )
    parser.add_argument(
        "--repeats",
        type=int,
        metavar="N",
        help="rounds (default: 7; fewer where processes start or fits are whole)",
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
        "--picture",
        type=Path,
        default=Path("scaling.png"),
        metavar="FILE.png",
        help="--scaling: where the picture goes (default: scaling.png)",
    )
    parser.add_argument(
        "--gigabytes",
        type=float,
        default=24.0,
        metavar="GB",
        help="--streaming: size of the folder, which is deleted afterwards (default: "
        "24)",
    )
    parser.add_argument(
        "--readme",
        action="store_true",
        help="put the main table into benchmarks/README.md, between the markers",
    )
    arguments = parser.parse_args()
    elsewhere = arguments.instrument or arguments.compile or arguments.memory
    if arguments.readme and elsewhere:
        parser.error("--readme is for the main table")
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
    from benchmarks.tables import select_tables

    readme = Path(__file__).with_name("README.md")
    try:
        problems = select(_names(arguments.problems), short=arguments.short)
        libraries = session.select_libraries(_names(arguments.libraries))
        tables = _names(arguments.tables)
        select_tables(tables)
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
    if arguments.instrument:
        text = instruments.run(
            arguments.instrument,
            Options(
                short=arguments.short,
                repeats=arguments.repeats,
                n_threads=arguments.threads,
                patience=arguments.patience,
                tables=tables,
                picture=arguments.picture,
                gigabytes=arguments.gigabytes,
            ),
        )
    elif arguments.compile:
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
