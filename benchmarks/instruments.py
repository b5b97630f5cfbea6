"""The instruments of scripts/bench beside its main table, each in a module of its own.

A module has a function ``document(options)`` that measures and returns Markdown. It is
imported when it is asked for: some set the environment of their imports.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

INSTRUMENTS = {
    "passes": "EM passes and predictions, against the peak of the cores and one thread",
    "others": "an EM iteration of oneDAL, mlpack and Armadillo, pairwise with fastem",
    "cluster": "an EM iteration on Dask beside Spark's MLlib, on this machine's cores",
    "end-to-end": "whole fits with default arguments, each library with its own start",
    "wide": "whole fits of tables of hundreds of columns, against scikit-learn",
    "slow-problems": "passes to the optimum, with and without acceleration; stopping",
    "plateaus": "how often 'remaining_gain' ends too early, with its test and without",
    "scaling": "time against rows, columns, components and threads: table and picture",
    "starting": "import, first fit, and small problems, against scikit-learn",
    "narrow": "EM passes compiled for processors with narrower vectors",
    "streaming": "peak memory and rates of a fit of a folder larger than memory",
    "streams": "one pass of partial_fit over shuffled rows, against fits",
    "outliers": "what outliers cost, by start and with noise, on real tables",
    "missing": "passes over rows with gaps; what gaps cost and labels bring, on tables",
    "starts": "how often the best optimum known is found, by the number of starts",
    "calibration": "memberships of held-out rows: what they claim, and what is right",
    "choice": "the selector: seconds, candidates, and what it chooses, on real tables",
    "anomalies": "anomalies found, and false alarms really seen, on real tables",
    "drivers": "EM passes on Python's threads and on Numba's, from one to all cores",
    "table-runs": "whole EM runs on real tables from one start, beside oneDAL",
    "skipping": "EM passes that leave out what cannot count, on real tables",
}


@dataclass(frozen=True)
class Options:
    """What the command line says to every instrument."""

    short: bool = False  # problems so small that a look takes a minute
    repeats: int | None = None  # None: the instrument's own number
    n_threads: int | None = None  # None: all cores
    patience: float = 30.0  # seconds to wait for other programs, for each problem
    tables: Sequence[str] = ()  # names of real tables; none for all
    picture: Path = Path("scaling.png")
    gigabytes: float = 24.0  # of rows, in a folder that is generated


def run(name: str, options: Options) -> str:
    """Measure; the Markdown document."""
    module = import_module(f"benchmarks.{name.replace('-', '_')}")
    text: str = module.document(options)
    return text
