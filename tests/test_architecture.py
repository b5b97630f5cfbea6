"""Which wing may know of which: imports run downwards, as CONTRIBUTING draws it."""

import ast
import re
import subprocess
import sys

import fastem
from fastem.covariances import COVARIANCE_TYPES, STRUCTURES
from tests import processes
from tests.architecture import (
    FILES,
    FLOORS,
    MODULES,
    PACKAGE,
    WINGS,
    imported_modules,
    imported_names,
    module_name,
    modules_in_order,
    tree_of,
    wing_of,
)

# Names that say nothing about what a module knows.
EMPTY_NAMES = {"base", "common", "core", "helper", "helpers", "misc", "util", "utils"}
COMPILERS = {"numba", "llvmlite"}
OPTIONAL = [
    "dask",
    "distributed",
    "jinja2",
    "matplotlib",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "typer",
]


def test_the_walk_finds_the_modules():
    assert {"mixture", "em", "kernels", "covariances"} <= set(map(wing_of, MODULES))
    assert "fastem.kernels" in imported_modules(PACKAGE / "em" / "expectation.py")
    assert "fastem.statistics" in imported_modules(PACKAGE / "em" / "loop.py")


def test_every_module_has_its_place():
    assert set(map(wing_of, MODULES)) == set(FLOORS), "see WINGS, tests/architecture.py"


def test_imports_run_downwards():
    upward = [
        f"{module} imports fastem.{target}, which stands above or beside"
        for module, path in MODULES.items()
        for target in map(wing_of, imported_modules(path))
        if target != wing_of(module) and FLOORS[target] <= FLOORS[wing_of(module)]
    ]
    assert not upward


def test_contributing_draws_these_wings():
    page = (PACKAGE.parent / "CONTRIBUTING.md").read_text()
    _, picture, _ = page.split("```")
    drawn = [re.findall(r"\w+", line) for line in picture.splitlines()[1:]]
    front = ["fastem", "the", "public", "names"]
    assert drawn == [front if line == ["__init__"] else line for line in WINGS]


def test_no_import_goes_in_a_circle():
    assert len(modules_in_order()) == len(FILES)


def test_only_public_names_show():
    assert dir(fastem) == fastem.__all__


def test_public_names_are_those_that_type_checkers_see():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (unseen,) = [node for node in tree.body if isinstance(node, ast.If)]
    homes = {alias.name: node.module for node in unseen.body for alias in node.names}
    assert homes == fastem._HOMES
    assert sorted([*homes, "__version__"]) == sorted(fastem.__all__)


FIRST_USE = """
import sys
import fastem
assert "numpy" not in sys.modules  # so that Ctrl-C finds the command line ready
assert not hasattr(fastem, "nothing")
assert fastem.mixture.GaussianMixture is fastem.GaussianMixture
for name in fastem.__all__:
    assert getattr(fastem, name) is vars(fastem)[name]
"""


def test_public_names_are_imported_at_their_first_use():
    processes.run(FIRST_USE)


def strangers_of(module, path):
    """What it imports that its wing must not know."""
    roots = {name.split(".")[0] for name in imported_names(path)}
    if wing_of(module) != "kernels":
        return roots & COMPILERS
    return roots - set(sys.stdlib_module_names) - COMPILERS - {"numpy", "fastem"}


def test_numba_is_known_to_kernels_alone():
    strangers = {m: strangers_of(m, path) for m, path in MODULES.items()}
    assert not {m: names for m, names in strangers.items() if names}


def test_a_module_is_named_for_what_it_knows():
    for path in FILES:
        names = path.relative_to(PACKAGE).with_suffix("").parts
        assert not {name.strip("_") for name in names} & EMPTY_NAMES, path


def exempt_constants(tree):
    """Docstrings, defaults of arguments and of annotated names in signatures."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            yield node.value
        elif isinstance(node, ast.FunctionDef | ast.Lambda):
            yield from node.args.defaults
            yield from (default for default in node.args.kw_defaults if default)


def names_of_structures(path):
    tree = tree_of(path)
    exempt = {id(node) for node in exempt_constants(tree)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and node.value in list(COVARIANCE_TYPES)
            and id(node) not in exempt
        ):
            yield node.value


def test_the_name_of_a_structure_is_written_in_its_own_file_only():
    own = {module: set() for module in MODULES}
    for structure in STRUCTURES.values():
        own[type(structure).__module__] |= {structure.name, structure.code}
    for module, path in MODULES.items():
        assert sorted(names_of_structures(path)) == sorted(own[module]), module


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
