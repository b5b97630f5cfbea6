"""Compiled code on disk: kept where possible, and never trusted."""

import re
import shutil

import pytest

from tests.processes import CLUSTERS, run

# Of those that compile a fit anew.
exhaustive = pytest.mark.exhaustive

FIT = CLUSTERS + "check(fit())"
LOGGED = "import logging; logging.basicConfig(level=logging.INFO)\n" + FIT
# Counts what is compiled: a file that is refused must be, one that is taken must not.
COUNTED = f"""
from numba.core import event
with event.install_recorder("numba:compile") as compilations:
    exec('''{FIT}''')
print(sum(e.is_start for _, e in compilations.buffer))
"""


def fit_with(cache, code=FIT, **environment):
    # Rows for one kernel on one thread: each process here may have to compile.
    folders = {"NUMBA_CACHE_DIR": None, "XDG_CACHE_HOME": str(cache)}
    return run(code, **{**folders, "N_ROWS": "600", **environment})


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def first_use(tmp_path_factory):
    """A cache folder after a fit, and the records of that."""
    folder = tmp_path_factory.mktemp("cache")
    _, said = fit_with(folder, LOGGED)
    assert files_in(folder)
    return folder, said


@pytest.fixture
def filled(first_use):
    """A cache folder after a fit."""
    return first_use[0]


def test_a_first_use_says_so_once_and_the_next_process_says_nothing(first_use):
    folder, said = first_use
    began, ended = said.splitlines()
    assert began == (
        "INFO:fastem:Compiling kernels for covariance_type='diag' and float64 rows, "
        "once for this environment: some seconds ..."
    )
    assert re.fullmatch(r"INFO:fastem:Compiled \d kernels? in [\d.]+ s\.", ended)
    assert fit_with(folder, LOGGED) == ("", "")


@pytest.fixture
def cache(filled, tmp_path):
    """A copy of it, to be spoilt."""
    return shutil.copytree(filled, tmp_path / "cache")


def zeros_in_the_middle(content):
    third = len(content) // 3
    return content[:third] + bytes(third) + content[2 * third :]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content: b"", marks=exhaustive),
        pytest.param(lambda content: content[: len(content) // 2], marks=exhaustive),
        pytest.param(lambda content: content[:-1], marks=exhaustive),
        pytest.param(
            lambda content: b"\x80\x05garbage." * (len(content) // 10),
            marks=exhaustive,
        ),
        # What a power failure leaves: it would be taken, and run.
        zeros_in_the_middle,
    ],
    ids=["empty", "half", "one byte less", "garbage", "zeros"],
)
def test_spoilt_files_are_compiled_again_with_one_warning(cache, spoil):
    for path in files_in(cache):
        path.write_bytes(spoil(path.read_bytes()))
    _, said = fit_with(cache)
    assert said.count("Warning") == 1
    assert said.startswith("<string>:")  # the code that fits, not Numba or fastem
    assert "cannot be used" in said
    assert str(cache) in said
    # They were replaced.
    assert fit_with(cache, COUNTED) == ("0\n", "")


@exhaustive
def test_folders_in_place_of_files_are_lived_with(cache):
    for path in files_in(cache):
        path.unlink()
        path.mkdir()
    _, said = fit_with(cache)
    assert said.count("Warning") == 1
    assert "cannot be kept" in said


@pytest.mark.parametrize(
    "folders",
    [
        {"XDG_CACHE_HOME": None, "HOME": "/proc/nobody"},
        pytest.param({"XDG_CACHE_HOME": __file__}, marks=exhaustive),
        pytest.param({"NUMBA_CACHE_DIR": __file__}, marks=exhaustive),
    ],
    ids=lambda folders: list(folders)[-1],
)
def test_without_a_writable_folder_a_fit_works_and_says_so_once(tmp_path, folders):
    _, said = fit_with(tmp_path, **folders)
    assert said.count("Warning") == 1
    assert "Set NUMBA_CACHE_DIR to a folder that can be written to" in said
    assert not files_in(tmp_path)


@exhaustive
def test_a_folder_that_is_gone_after_the_import_is_lived_with(tmp_path):
    remove = "import shutil; shutil.rmtree(os.environ['XDG_CACHE_HOME'])\n"
    block = "open(os.environ['XDG_CACHE_HOME'], 'w').close()\n"
    fit = "check(fit())"
    _, said = fit_with(tmp_path / "cache", CLUSTERS + remove + block + fit)
    assert said.count("Warning") == 1
    assert "cannot be kept" in said


def test_numbas_own_variable_says_where(filled, tmp_path):
    chosen = shutil.copytree(filled, tmp_path / "chosen")
    other = tmp_path / "other"
    other.mkdir()
    counted = fit_with(other, COUNTED, NUMBA_CACHE_DIR=str(chosen))
    assert counted == ("0\n", "")
    assert not files_in(other)
