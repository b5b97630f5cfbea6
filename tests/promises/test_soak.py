"""A minute of random calls with interrupts; scripts/soak goes on for half an hour."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import TIME_LIMIT

ROOT = Path(__file__).parents[2]


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
@pytest.mark.parametrize("driver", ["threads", "numba"])
def test_a_minute_of_random_calls_and_interrupts_does_no_harm(driver):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "soak.py", "--seconds", "60"],
        capture_output=True,
        text=True,
        timeout=3 * TIME_LIMIT,
        env={**os.environ, "FASTEM_DRIVER": driver},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "192 different calls" in done.stdout
