"""What is released installs and works in clean environments, old and new."""

import os
import subprocess
import sys
import tarfile
import zipfile

import pytest
from packaging.requirements import Requirement

from tests.processes import environment_with
from tests.pythons import PROJECT, ROOT, SUPPORTED, found

pytestmark = pytest.mark.exhaustive

# A part of the suite that needs each of the dependencies.
CORE = [
    "tests/promises/test_parity.py",
    "tests/mixture/test_model_file.py",
    "tests/promises/test_processes.py::test_a_pickle_answers_alike_in_another_process",
    "tests/sources/test_tables.py",
    "tests/terminal",
    "tests/dask/test_dask.py::test_a_fit_is_that_of_one_machine",
    "tests/dask/test_dask.py::test_a_table_with_names",
]

FIRST_USE = """
import sys
from importlib.resources import files
import numpy as np
import fastem

assert fastem.__file__.startswith(sys.prefix), fastem.__file__
assert files("fastem").joinpath("py.typed").is_file()
rows = np.random.default_rng(0).normal(size=(100, 2))
print(fastem.__version__, fastem.GaussianMixture(2, random_state=0).fit(rows).n_iter_)
"""


def lowest(extra):
    """The lower bounds of what fastem needs with an extra, as pip's constraints."""
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *extras[extra]]:
        needed = Requirement(text)
        if needed.name == PROJECT["name"]:
            for inner in needed.extras:
                yield from lowest(inner)
        else:
            (bound,) = needed.specifier
            assert bound.operator == ">=", text
            yield f"{needed.name}=={bound.version}"


def call(*command, **options):
    """Run a command; return what it printed."""
    done = subprocess.run(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("released")
    call(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(released):
    (path,) = released.glob("*.whl")
    return path


@pytest.fixture
def tests(released, tmp_path):
    """What the sdist holds, but for the package: the tests see the installed one."""
    (path,) = released.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        # Python knows filters from 3.11.4 on.
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path, **safely)
    folder = tmp_path / path.name.removesuffix(".tar.gz")
    (folder / "fastem").rename(tmp_path / "not-installed")
    return folder


def test_the_sdist_and_the_checkout_build_the_same_wheel(wheel, tmp_path):
    call(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT)
    (direct,) = tmp_path.glob("*.whl")
    assert contents(direct) == contents(wheel)


def test_the_wheel_holds_the_package_alone(wheel):
    names = contents(wheel)
    folders = {name.split("/")[0] for name in names}
    assert folders == {"fastem", f"fastem-{PROJECT['version']}.dist-info"}
    sources = {str(path.relative_to(ROOT)) for path in ROOT.glob("fastem/**/*.py")}
    assert {name for name in names if name.endswith(".py")} == sources
    assert {"fastem/py.typed", "fastem/report/templates/page.html"} <= names.keys()


# The oldest Python with the oldest of everything, the others with the newest.
@pytest.mark.parametrize("version", SUPPORTED)
def test_a_clean_environment_is_enough(version, wheel, tests, tmp_path):
    if version not in found():
        pytest.skip(f"there is no Python {version} on the PATH or among pyenv's")
    call(found()[version], "-m", "venv", tmp_path / "environment")
    programs = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    constraints = tmp_path / "constraints.txt"
    bounds = lowest("test") if version == SUPPORTED[0] else []
    constraints.write_text("\n".join(bounds))
    call(
        *(python, "-m", "pip", "install", "-q", "--disable-pip-version-check"),
        # Of these packages, few modules are imported.
        *("--no-compile", "--constraint", constraints, f"{wheel}[test]"),
    )
    settings = {
        "cwd": tests,
        "env": environment_with(
            PYTHONPATH=None,
            PYTHONDONTWRITEBYTECODE=None,
            NUMBA_CACHE_DIR=None,
            XDG_CACHE_HOME=str(tmp_path),
        ),
    }
    said = call(python, "-W", "error", "-c", FIRST_USE, **settings)
    assert said.startswith(PROJECT["version"])
    assert call(programs / "fastem", "--version", **settings).split() == [
        "fastem",
        PROJECT["version"],
    ]
    # What old libraries warn of in new ones is not for us to fix.
    call(python, "-m", "pytest", "-q", "-o", "filterwarnings=", *CORE, **settings)


# In an environment of their own: what they need is heavy, and late for new versions.
OTHER_FORMATS = """
import re
import warnings
import numpy as np
import onnxruntime
import skops.io
from skl2onnx import to_onnx
import fastem.mixture
from fastem import GaussianMixture

random = np.random.default_rng(0)
X = np.vstack([random.normal(m, 1, (200, 3)) for m in (0, 4)])
for name in ("full", "tied", "diag", "spherical", "EEI"):
    model = GaussianMixture(2, covariance_type=name, random_state=0).fit(X)
    converted = to_onnx(model.to_sklearn(), X[:1], options={"score_samples": True})
    session = onnxruntime.InferenceSession(converted.SerializeToString())
    labels, degrees, densities = session.run(None, {session.get_inputs()[0].name: X})
    np.testing.assert_array_equal(np.ravel(labels), model.predict(X))
    np.testing.assert_allclose(degrees, model.predict_proba(X), atol=1e-12)
    np.testing.assert_allclose(np.ravel(densities), model.score_samples(X), rtol=1e-10)

trusted = re.findall(r'"(fastem\\.[^"]+\\.[A-Z]\\w+)"', fastem.mixture.__doc__)
spike = np.vstack([X, np.full((20, 3), 40.0)])
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    dropped = GaussianMixture(3, on_collapse="drop", random_state=0).fit(spike)
assert dropped.collapses_
needed = set()
for saved in (model, dropped):
    data = skops.io.dumps(saved)
    needed |= set(skops.io.get_untrusted_types(data=data))
    loaded = skops.io.loads(data, trusted=trusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), saved.predict_proba(X))
assert needed == set(trusted), (needed, trusted)
assert not skops.io.get_untrusted_types(data=skops.io.dumps(model.to_sklearn()))
print("equal")
"""


def test_other_formats_give_the_same_answers(wheel, tmp_path):
    call(sys.executable, "-m", "venv", tmp_path / "environment")
    programs = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin")
    call(
        *(programs / "python", "-m", "pip", "install", "-q", "--no-compile"),
        *("--disable-pip-version-check", wheel, "skl2onnx", "onnxruntime", "skops"),
    )
    settings = environment_with(PYTHONPATH=None, XDG_CACHE_HOME=str(tmp_path))
    said = call(programs / "python", "-c", OTHER_FORMATS, env=settings, cwd=tmp_path)
    assert said.endswith("equal\n")
