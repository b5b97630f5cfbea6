"""No array of rows x components is made: measured in a process of its own."""

import subprocess
import sys

import pytest

MEGABYTE = 2**20

# 3,000,000 x 3 float32 rows, 34 MB; an array of N x K would be 183 MB or 366 MB.
_MEASURE = """
import sys
import warnings
from pathlib import Path
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from fastem import GaussianMixture

warnings.simplefilter("ignore", ConvergenceWarning)
N, D, K = 3_000_000, 3, 16
random = np.random.default_rng(0)
means = 4 * random.normal(size=(K, D))


def model(**start):
    return GaussianMixture(
        K, covariance_type=sys.argv[1], max_iter=2, tol=0, random_state=0, **start
    )


def peak():
    # Not getrusage: its maximum begins with what the parent process had.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


# Compilation and libraries take their memory before the measurement.
few = random.normal(size=(5000, D)).astype(np.float32)
model().fit(few).predict(few)
before = peak()
X = random.standard_normal(size=(N, D), dtype=np.float32)
for block in np.array_split(X, 100):
    block += means[random.integers(K, size=len(block))].astype(np.float32)
start = {}
if sys.argv[2] == "user":
    small = model().fit(X[:5000])
    start = {
        "weights_init": small.weights_,
        "means_init": small.means_,
        "precisions_init": small.precisions_,
    }
fitted = model(**start).fit(X)
if sys.argv[3] == "answers":
    fitted.predict(X)
    fitted.score(X)
print(peak() - before, X.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
@pytest.mark.parametrize(
    ("covariance_type", "start", "answers", "allowance"),
    [
        # Less than an array of N x K takes, even in float32.
        ("full", "user", "answers", 100),
        pytest.param("tied", "user", "none", 100, marks=pytest.mark.exhaustive),
        # scikit-learn's k-means is in this one.
        pytest.param("full", "kmeans", "none", 400, marks=pytest.mark.exhaustive),
    ],
)
def test_peak_memory_is_the_array_and_little_more(
    covariance_type, start, answers, allowance
):
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, covariance_type, start, answers],
        capture_output=True,
        text=True,
        check=True,
    )
    growth, array = (int(number) for number in done.stdout.split())
    assert array == 36_000_000
    assert growth > array  # the array itself was counted
    assert growth <= array + allowance * MEGABYTE
