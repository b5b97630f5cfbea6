"""The libraries that others.py measures, and how each one's worker comes to run."""

import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.packages import (
    cache_folder,
    environment_with,
    from_apt,
    from_pip,
    run_client,
)

_WORKERS = Path(__file__).with_name("workers")
_LINUX_LIBRARIES = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True)
class Library:
    """Another library, and the command of its worker."""

    name: str
    command: Callable[[], list[str]]  # raises UnavailableError
    mean_target: float | None = None  # times faster, geometric mean


def _fastem() -> list[str]:
    return [sys.executable, "-m", "benchmarks.workers.run_fastem"]


def _onedal(environment: str, *requirements: str) -> list[str]:
    python = environment_with(environment, requirements)
    return [str(python), "-m", "benchmarks.workers.run_onedal"]


def _compiled(source: str, *include: Path) -> list[str]:
    """A worker in C++, compiled against packages of which none is installed."""
    path, program = _WORKERS / source, cache_folder() / Path(source).stem
    newest = max(path.stat().st_mtime, (_WORKERS / "protocol.hpp").stat().st_mtime)
    if not program.exists() or program.stat().st_mtime < newest:
        headers = [from_apt("libarmadillo-dev") / "usr/include", *include]
        blas, *needed = (
            from_apt("libopenblas0-pthread") / _LINUX_LIBRARIES / "openblas-pthread",
            from_apt("libgfortran5") / _LINUX_LIBRARIES,
            from_apt("libquadmath0") / _LINUX_LIBRARIES,
        )
        command = ["g++", "-std=c++17", "-O3", "-march=native", "-fopenmp", "-w"]
        command += ["-DARMA_DONT_USE_WRAPPER", "-DARMA_NO_DEBUG"]
        command += [f"-DARMA_DONT_USE_{x}" for x in ("HDF5", "ARPACK", "SUPERLU")]
        command += [f"-I{folder}" for folder in headers]
        command += [str(path), "-o", str(program), f"-L{blas}", "-l:libopenblas.so.0"]
        # The run path must hold for what OpenBLAS needs, too.
        command += ["-Wl,--disable-new-dtags"]
        command += [f"-Wl,-rpath,{x},-rpath-link,{x}" for x in (blas, *needed)]
        run_client(command, cache_folder(), "install g++")
    return [str(program)]


def _armadillo() -> list[str]:
    return _compiled("run_armadillo.cpp")


def _mlpack() -> list[str]:
    """Its Python package brings the headers of the same version."""
    headers = cache_folder() / "downloads" / "mlpack"
    if not headers.exists():
        with zipfile.ZipFile(from_pip("mlpack")) as wheel:
            names = [n for n in wheel.namelist() if n.startswith("mlpack/include/")]
            wheel.extractall(headers, names)
    return _compiled(
        "run_mlpack.cpp",
        headers / "mlpack/include",
        from_apt("libcereal-dev") / "usr/include",
        from_apt("rapidjson-dev") / "usr/include",
    )


FASTEM = Library("fastem", _fastem)
OTHERS = (
    # 2024.7 was up to 1.7 times faster than 2026.2 on an AMD EPYC.
    Library(
        "oneDAL 2024.7",
        partial(
            _onedal,
            "onedal-2024.7",
            "daal4py==2024.7.0",
            "scikit-learn==1.5.2",
            "numpy<2.1",
            "packaging",
        ),
        mean_target=3.5,
    ),
    Library(
        "oneDAL, newest",
        partial(_onedal, "onedal", "scikit-learn-intelex"),
        mean_target=3.5,
    ),
    Library("mlpack", _mlpack),
    Library("Armadillo", _armadillo),
)
