"""What the documents say: their blocks of code, their commands, what they point to."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests", "benchmarks", "scripts")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(p for f in FOLDERS for p in ROOT.glob(f"{f}/**/*.md"))]
)
README = (ROOT / "README.md").read_text(encoding="utf-8")


def docstring_of(module: str) -> str:
    """The docstring of a module, without its indentation."""
    return inspect.getdoc(importlib.import_module(module)) or ""


# The package's own docstring lists the others.
GUIDES = {
    module: docstring_of(module)
    for module in (
        "fastem",
        *re.findall(r"^- `(fastem\.\w+)`", docstring_of("fastem"), flags=re.MULTILINE),
    )
}


def python_blocks(page: str) -> list[str]:
    """The fenced blocks of Python, in order."""
    return re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[str]:
    """What stands behind prompts, without comments; continued lines in one."""
    joined = re.sub(r"\\\n\s*", "", text)
    for line in re.findall(r"^\s*\$ (.*)$", joined, flags=re.MULTILINE):
        for command in line.partition(" #")[0].split("&&"):
            yield command.strip()


def code_spans(page: str) -> Iterator[str]:
    """What stands between backticks in running text."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))
