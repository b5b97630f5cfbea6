"""Fixtures that many tests share."""

import numpy as np
import pytest

from fastem.covariances import STRUCTURES


@pytest.fixture
def random():
    return np.random.default_rng(20240607)


@pytest.fixture(params=list(STRUCTURES))
def covariance_type(request):
    return request.param
