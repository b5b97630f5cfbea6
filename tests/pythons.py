"""The Pythons that fastem is for, and where this machine has them."""

import os
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_CLASSIFIER = "Programming Language :: Python :: 3."
SUPPORTED = [
    name.rpartition(" ")[2]
    for name in PROJECT["classifiers"]
    if name.startswith(_CLASSIFIER)
]

# Fails where there is nothing to make a virtual environment from.
_VERSION = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"


def _candidates():
    yield sys.executable
    yield from filter(None, (shutil.which(f"python{v}") for v in SUPPORTED))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob("versions/3.*/bin/python"))


@cache
def found():
    """The path of each supported Python that is here, by its version."""
    pythons = {}
    for path in _candidates():
        done = subprocess.run([path, "-c", _VERSION], capture_output=True, text=True)
        version = done.stdout.strip()
        if done.returncode == 0 and version in SUPPORTED:
            pythons.setdefault(version, str(path))
    return {version: pythons[version] for version in SUPPORTED if version in pythons}
