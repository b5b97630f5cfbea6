"""Everything with everything."""

from itertools import combinations

import numpy as np
import pytest
from distributed import Client

from fastem.covariances import STRUCTURES
from tests.promises.features import FEATURES, Case, hold


@pytest.fixture(scope="module")
def client():
    with Client(
        processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None
    ) as client:
        yield client


PAIRS = list(combinations(FEATURES, 2))


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("feature", FEATURES)
def test_each_structure_with(feature, name, request):
    hold(Case(name, request.getfixturevalue), {feature})


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_pairs(pair, name, request):
    hold(Case(name, request.getfixturevalue), set(pair))
