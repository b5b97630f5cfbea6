"""The wings of fastem, and what they import: ``python -m tests.architecture``."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "fastem"
FILES = sorted(PACKAGE.rglob("*.py"))

# From top to bottom: a wing imports from the lines below its own only.
WINGS = [
    ["terminal"],
    ["__init__"],
    ["report", "dask"],
    ["decisions"],
    ["choice"],
    ["mixture"],
    ["training"],
    ["starts"],
    ["groups"],
    ["em", "sources"],
    ["checks"],
    ["covariances"],
    ["kernels"],
    ["statistics", "storage", "runtime", "version"],
]
DOORS = {"cli": "terminal", "__main__": "terminal"}
FLOORS = {wing: floor for floor, line in enumerate(WINGS) for wing in line}


def module_name(path: Path) -> str:
    """Dotted name of a file of the package."""
    parts = ("fastem", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def wing_of(module: str) -> str:
    """The wing that a module of the package belongs to."""
    room = module.split(".")[1] if "." in module else "__init__"
    return DOORS.get(room, room)


@cache
def tree_of(path: Path) -> ast.Module:
    """What a file says: each law is about all files."""
    return ast.parse(path.read_text())


def imported_names(path: Path) -> Iterator[str]:
    """Full names of all that a file imports, wherever in the file."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(path: Path) -> set[str]:
    """The modules of fastem that a file imports."""
    found = set()
    for name in imported_names(path):
        if name.split(".")[0] == "fastem":
            while name not in MODULES:
                name = name.rpartition(".")[0]
            found.add(name)
    return found


def modules_in_order() -> list[str]:
    """All modules, each after those that it imports; an error if there is a circle."""
    graph = {name: imported_modules(path) for name, path in MODULES.items()}
    return list(TopologicalSorter(graph).static_order())


def report() -> str:
    """For each wing its modules, its lines, and how many imports go where."""
    modules: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    arrows: dict[str, Counter[str]] = {wing: Counter() for wing in FLOORS}
    for name, path in MODULES.items():
        wing = wing_of(name)
        modules[wing] += 1
        lines[wing] += len(path.read_text().splitlines())
        arrows[wing].update(wing_of(m) for m in imported_modules(path))
    rows = [f"{'wing':12} modules  lines  imports of"]
    for wing in FLOORS:
        del arrows[wing][wing]
        below = [f"{to} {arrows[wing][to]}" for to in FLOORS if to in arrows[wing]]
        rows.append(
            f"{wing:12} {modules[wing]:7} {lines[wing]:6}  {', '.join(below) or '-'}"
        )
    n_arrows = sum(map(len, arrows.values()))
    rows.append(
        f"{len(FLOORS)} wings on {len(WINGS)} floors, {n_arrows} arrows; "
        f"{len(MODULES)} modules, {sum(lines.values())} lines"
    )
    return "\n".join(rows)


if __name__ == "__main__":
    print(report())
