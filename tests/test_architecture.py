"""Which room may know of which: imports run downwards, as the README draws it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from fastem.covariances import STRUCTURES

PACKAGE = Path(__file__).parent.parent / "fastem"
FILES = sorted(PACKAGE.rglob("*.py"))

# From top to bottom: a module imports from the lines below its own only. A package
# is one room, whose own modules may import each other.
LAYERS = [
    ["__main__"],
    ["cli"],
    ["commands"],
    ["__init__"],
    ["table_fit"],
    ["console"],
    ["display", "plot"],
    ["separation"],
    ["dask", "description", "memberships", "model_file", "scaling", "tables"],
    ["mixture"],
    ["online"],
    ["fitted"],
    ["streaming"],
    ["checkpoint"],
    ["training"],
    ["pickled"],
    ["subsample"],
    ["restarts"],
    ["em"],
    ["maximization"],
    ["ridge"],
    ["survey"],
    ["initialization", "expectation"],
    ["reading", "sources"],
    ["parquet_sources"],
    ["arrow_sources"],
    ["blocks", "counting"],
    ["acceleration", "kmeans", "progress", "stopping", "validation"],
    ["charts", "convergence"],
    ["covariances"],
    ["statistics"],
    ["kernels"],
    [
        *("blas", "convergence_warnings", "data_files"),
        *("json_text", "json_values", "threads", "writing"),
    ],
]
DEPTHS = {room: depth for depth, layer in enumerate(LAYERS) for room in layer}

# Names that say nothing about what a module knows.
EMPTY_NAMES = {"base", "common", "core", "helper", "helpers", "misc", "util", "utils"}
COMPILERS = {"numba", "llvmlite"}
OPTIONAL = [
    "dask",
    "distributed",
    "matplotlib",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "typer",
]


def room_of(path):
    """The first part of a module's name below fastem."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def module_name(path):
    return ".".join(("fastem", *path.relative_to(PACKAGE).with_suffix("").parts))


def imported_modules(path):
    """Full names of all that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_rooms(path):
    for name in imported_modules(path):
        parts = name.split(".")
        # The version is a fact about the package; no room is entered for it.
        if parts[0] == "fastem" and name != "fastem.__version__":
            is_room = len(parts) > 1 and (
                (PACKAGE / parts[1]).is_dir() or (PACKAGE / f"{parts[1]}.py").exists()
            )
            yield parts[1] if is_room else "__init__"


def test_the_walk_finds_the_modules():
    assert {"mixture", "em", "kernels", "covariances"} <= {room_of(f) for f in FILES}
    assert "kernels" in set(imported_rooms(PACKAGE / "expectation.py"))
    assert "statistics" in set(imported_rooms(PACKAGE / "em.py"))


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_run_downwards(path):
    room = room_of(path)
    for target in imported_rooms(path):
        for name in (room, target):
            assert name in DEPTHS, (
                f"fastem.{name} is not in LAYERS in tests/test_architecture.py: add it "
                "to the line of what it may import, and to the README's architecture"
            )
        assert target == room or DEPTHS[target] > DEPTHS[room], (
            f"{module_name(path)} imports fastem.{target}, which stands above or beside"
        )


def test_every_module_has_its_place():
    unknown = {room_of(path) for path in FILES} - set(DEPTHS)
    assert not unknown, f"add {unknown} to LAYERS in tests/test_architecture.py"
    gone = set(DEPTHS) - {room_of(path) for path in FILES}
    assert not gone, f"remove {gone} from LAYERS in tests/test_architecture.py"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_numba_is_known_to_kernels_alone(path):
    roots = {name.split(".")[0] for name in imported_modules(path)}
    if room_of(path) == "kernels":
        strangers = (
            roots - set(sys.stdlib_module_names) - COMPILERS - {"numpy", "fastem"}
        )
        assert not strangers
    else:
        assert not roots & COMPILERS


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_module_is_named_for_what_it_knows(path):
    names = set(path.relative_to(PACKAGE).with_suffix("").parts)
    assert not {name.strip("_") for name in names} & EMPTY_NAMES


def exempt_constants(tree):
    """Docstrings, defaults of arguments and of annotated names in signatures."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            yield node.value
        elif isinstance(node, ast.FunctionDef | ast.Lambda):
            yield from node.args.defaults
            yield from (default for default in node.args.kw_defaults if default)


def names_of_structures(path):
    tree = ast.parse(path.read_text())
    exempt = {id(node) for node in exempt_constants(tree)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and node.value in list(STRUCTURES)
            and id(node) not in exempt
        ):
            yield node.value


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_the_name_of_a_structure_is_written_in_its_own_file_only(path):
    own = [
        name
        for name, structure in STRUCTURES.items()
        if type(structure).__module__ == module_name(path)
    ]
    assert list(names_of_structures(path)) == own


def test_no_module_has_grown_out_of_its_name():
    for path in FILES:
        assert len(path.read_text().splitlines()) <= 500, module_name(path)


def test_fitting_needs_nothing_optional():
    command = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {OPTIONAL}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import numpy as np
from fastem import GaussianMixture
print(GaussianMixture().fit(np.arange(6.0).reshape(3, 2)).means_)
"""
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[[2. 3.]]"
