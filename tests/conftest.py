"""Fixtures that many tests share, and which tests run without ``--all``."""

import numpy as np
import pytest
from hypothesis import settings

from tests import pythons
from tests.mixtures import IN_SHORT


def pytest_addoption(parser):
    parser.addoption(
        "--all",
        action="store_true",
        help="run the tests marked as exhaustive too, and draw all examples",
    )


def pytest_configure(config):
    # How many examples a law is tried with; other tests take a multiple.
    settings.register_profile("all", max_examples=25)
    settings.register_profile("plain", max_examples=8)
    settings.load_profile("all" if config.getoption("all") else "plain")


def pytest_report_header(config):
    if config.getoption("all"):
        return f"release: to be tried in Python {', '.join(pythons.found())}"
    return "exhaustive tests are left out; --all runs them too"


def pytest_collection_modifyitems(config, items):
    """Without --all, leave out what is exhaustive; with it, leave out nothing."""
    if config.getoption("all"):
        return
    chosen, left_out = [], []
    for item in items:
        (left_out if item.get_closest_marker("exhaustive") else chosen).append(item)
    items[:] = chosen
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def random():
    return np.random.default_rng(20240607)


@pytest.fixture(params=IN_SHORT)
def covariance_type(request):
    return request.param
