"""What is compiled once is compiled never again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastem.kernels
from fastem.kernels.compilation import CACHE_FOLDER, source_hash
from tests.mixtures import OF_SCIKIT_LEARN

# Rows enough for the parallel kernels, and few enough for the serial ones.
USE_EVERYTHING = f"""
import warnings
import numpy as np
from numba.core import event
from fastem import GaussianMixture

warnings.simplefilter("ignore")
with event.install_recorder("numba:compile") as compilations:
    for n_rows in (3000, 100):
        for dtype in (np.float64, np.float32):
            X = np.random.default_rng(0).standard_normal((n_rows, 3)).astype(dtype)
            for name in {OF_SCIKIT_LEARN}:
                model = GaussianMixture(2, covariance_type=name, max_iter=2).fit(X)
                model.predict(X), model.predict_proba(X), model.score_samples(X)
print(len(compilations.buffer))
"""


def number_of_compilations(command, **environment):
    done = subprocess.run(
        [sys.executable, "-c", command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return int(done.stdout)


INTERRUPT_THE_COMPILER = """
import gc
import signal
import numpy as np
from numba.core import event
from fastem import GaussianMixture

class Interrupter(event.Listener):
    begun = ended = collecting = 0

    def on_start(self, event):
        self.begun += 1
        self.collecting += gc.isenabled()
        signal.raise_signal(signal.SIGINT)

    def on_end(self, event):
        self.ended += 1

interrupter = Interrupter()
try:
    with event.install_listener("numba:compile", interrupter):
        GaussianMixture(2).fit(np.random.default_rng(0).normal(size=(100, 2)))
except KeyboardInterrupt:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert interrupter.begun == interrupter.ended > 0
    assert interrupter.collecting == 0 and gc.isenabled()
    print(1)
"""


def test_an_interrupt_and_the_collector_wait_for_the_compiler(tmp_path):
    assert number_of_compilations(INTERRUPT_THE_COMPILER, NUMBA_CACHE_DIR=str(tmp_path))


def test_no_type_that_is_cached_compiles_again():
    # The first process may compile what no test before this one has needed.
    numbers = (number_of_compilations(USE_EVERYTHING) for _ in range(2))
    assert 0 in numbers


@pytest.mark.parametrize("changed", ["passes.py", "vectors/stacks.py"])
def test_a_change_of_any_source_makes_another_cache(tmp_path, changed):
    sources = Path(fastem.kernels.__file__).parent
    copy = shutil.copytree(sources, tmp_path / "kernels")
    assert CACHE_FOLDER.endswith(f"kernels-{source_hash(copy)}")
    with (copy / changed).open("a") as file:
        file.write("# changed")
    assert source_hash(copy) != source_hash(sources)
