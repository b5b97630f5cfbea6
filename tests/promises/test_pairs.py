"""Everything with everything."""

from itertools import combinations

import pytest
from distributed import Client

from fastem.covariances import STRUCTURES
from tests.promises.features import FEATURES, are_alternatives, hold
from tests.promises.fit_case import Case

PAIRS = [pair for pair in combinations(FEATURES, 2) if not are_alternatives(pair)]


@pytest.fixture(scope="module")
def client():
    with Client(
        processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None
    ) as client:
        yield client


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("feature", FEATURES)
def test_each_structure_with(feature, name, request):
    hold(Case(name, request.getfixturevalue), {feature})


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_pairs(pair, name, request):
    hold(Case(name, request.getfixturevalue), set(pair))
