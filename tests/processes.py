"""Python in processes of its own, where what goes wrong may take the process along."""

import os
import signal
import subprocess
import sys
import time
import traceback

# Far more than any needs on a busy machine: what hangs must fail all the same.
TIME_LIMIT = 240

# Two clusters so far apart that a fit gives the moments of each, which NumPy knows.
CLUSTERS = """
import os
import sys
import numpy as np
from fastem import GaussianMixture

n_rows = int(os.environ.get("N_ROWS", 40_000))
truth = np.arange(n_rows) % 2
X = np.random.default_rng(0).normal(size=(n_rows, 2)) + 100.0 * truth[:, np.newaxis]


def fit(X=X, **parameters):
    return GaussianMixture(
        2,
        covariance_type="diag",
        weights_init=[0.5, 0.5],
        means_init=[[0, 0], [100, 100]],
        precisions_init=np.ones((2, 2)),
        random_state=0,
    ).set_params(**parameters).fit(X)


def check(model):
    for k in (0, 1):
        rows = X[truth == k]
        np.testing.assert_allclose(model.means_[k], rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(
            model.covariances_[k], rows.var(axis=0) + 1e-6, rtol=1e-9
        )


def check_answers(model):
    np.testing.assert_array_equal(model.predict(X), truth)
    np.testing.assert_array_equal(model.predict_proba(X).round(12), np.eye(2)[truth])
"""


def environment_with(**changes):
    """This process's environment with changes; None removes a variable."""
    environment = {**os.environ, **changes}
    return {name: value for name, value in environment.items() if value is not None}


def reader_threads(expected):
    """How many threads read ahead: counted until they are as many as expected."""
    end = time.monotonic() + TIME_LIMIT / 4
    while True:
        stacks = map(traceback.extract_stack, sys._current_frames().values())
        found = sum(any(f.name == "read_on" for f in stack) for stack in stacks)
        if found == expected or time.monotonic() > end:
            return found
        time.sleep(0.01)


def run(code, *arguments, **environment):
    """Run code; return what it printed, and what it said on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        env=environment_with(**environment),
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr}"
    return done.stdout, done.stderr


def interrupt(code, *arguments, times=1, **environment):
    """Run code, and send it Ctrl-C when it prints a line; return its last output."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment_with(**environment),
    ) as process:
        try:
            for _ in range(times):
                assert process.stdout.readline() == "ready\n", process.stderr.read()
                process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=TIME_LIMIT)
        finally:
            process.kill()
    assert process.returncode == 0, f"exit status {process.returncode}\n{errors}"
    return output
