"""A bound on the ratio of eigenvalues: the likeliest covariances within it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastem import GaussianMixture
from fastem.covariances import STRUCTURES
from fastem.covariances.bound import RatioBound
from tests.mixtures import random_covariance

TIED_TOGETHER = ["VEI", "EVI", "VEE", "EVE", "VEV", "EVV"]
BOUNDED = sorted(set(STRUCTURES) - set(TIED_TOGETHER))
OF_COLUMNS_AS_THEY_ARE = {"spherical", "EII", "EEV", "VVE"}

sizes = st.sampled_from([0.0, 1e-6, 0.3, 1.0, 2.0, 7.0, 40.0, 1e5])


@given(data=st.data(), ratio=st.sampled_from([1.0, 1.5, 20.0, 1e4]))
def test_variances_are_cut_off_where_rows_are_likeliest(data, ratio):
    K, D = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    draw = data.draw(st.lists(sizes, min_size=K * D, max_size=K * D))
    variances = np.reshape(draw, (K, D))
    weights = np.array(data.draw(st.lists(sizes, min_size=K, max_size=K))) + 0.1
    bounded = RatioBound(ratio, np.ones(D)).clipped(variances, weights)
    if variances.max() == 0:
        assert not bounded.any()
        return
    assert bounded.max() <= ratio * bounded.min() * (1 + 1e-12)

    def price(least):
        v = np.clip(variances, least, ratio * least)
        return (weights[:, np.newaxis] * (np.log(v) + variances / v)).sum()

    ours = (weights[:, np.newaxis] * (np.log(bounded) + variances / bounded)).sum()
    exponents = np.linspace(-20, 20, 1001)
    assert ours <= min(map(price, np.exp(exponents))) + 1e-9 * abs(ours)


@given(data=st.data(), held=st.sampled_from([1e-6, 0.3, 2.0, 40.0]))
def test_variances_are_cut_off_beside_one_that_is_held(data, held):
    ratio, variances = 20.0, np.array([data.draw(st.lists(sizes, min_size=3))[:3]])
    representation = STRUCTURES["diag"].representation
    bound = RatioBound(ratio, np.ones(3)).beside(np.full((1, 3), held), representation)
    bounded = bound.clipped(variances, np.ones(1))
    both = np.append(bounded, held)
    assert both.max() <= ratio * both.min() * (1 + 1e-12)

    def price(v):
        return (np.log(v) + variances / v).sum()

    allowed = np.geomspace(held / ratio, held, 1001)
    prices = [price(np.clip(variances, m, ratio * m)) for m in allowed]
    assert price(bounded) <= min(prices) + 1e-9 * max(1, abs(price(bounded)))


def test_covariances_within_the_bound_stay_as_they_are(random):
    matrices = np.stack([random_covariance(random, 3) for _ in range(2)])
    bound = RatioBound(1e3, np.ones(3))
    full = STRUCTURES["full"].representation
    assert bound.within(matrices, full, np.ones(2)) is not None
    assert np.array_equal(bound.within(matrices, full, np.ones(2)), matrices)


def rows_and_a_spike(random):
    groups = random.normal(size=(2, 100, 3)) * [[[1, 1, 3]], [[0.2, 2, 1]]]
    groups[1] += 6
    return np.concatenate([*groups, np.tile([30.0, -20.0, 5.0], (12, 1))])


@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize("name", BOUNDED)
def test_a_spike_is_kept_within_the_bound_and_the_likelihood_rises(
    random, name, accelerate
):
    X = rows_and_a_spike(random)
    model = GaussianMixture(
        *(3,),
        covariance_type=name,
        covariance_ratio=20,
        reg_covar=0,
        tol=1e-9,
        max_iter=1000,
        accelerate=accelerate,
        random_state=0,
    ).fit(X)
    assert model.converged_
    assert (np.diff(model.lower_bounds_) > -1e-12).all()
    units = X.std(axis=0) if name not in OF_COLUMNS_AS_THEY_ARE else np.ones(3)
    covariances = STRUCTURES[name].representation.expand(model.covariances_, 3, 3)
    eigenvalues = np.linalg.eigvalsh(covariances / np.outer(units, units))
    assert eigenvalues.max() <= 20 * eigenvalues.min() * (1 + 1e-9)
    learned = model.partial_fit(X[:60])
    covariances = STRUCTURES[name].representation.expand(learned.covariances_, 3, 3)
    assert np.isfinite(covariances).all()


def test_units_of_columns_change_nothing(random):
    X = rows_and_a_spike(random)
    units = np.array([1e-6, 1.0, 1e6])
    one, other = (
        GaussianMixture(
            *(3,), covariance_ratio=20, reg_covar=0, init_params=labels, max_iter=5
        ).fit(rows)
        for labels in [np.repeat([0, 1, 2], [100, 100, 12])]
        for rows in (X, X * units)
    )
    expected = one.score(X) - np.log(units).sum()
    assert other.score(X * units) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", TIED_TOGETHER)
def test_structures_without_a_closed_form_are_refused_by_name(name):
    model = GaussianMixture(2, covariance_type=name, covariance_ratio=10)
    with pytest.raises(ValueError, match=f"'{name}'.* no closed form") as raised:
        model.fit(np.random.default_rng(0).normal(size=(30, 2)))
    assert "reg_covar" in str(raised.value)


def test_a_ratio_below_one_is_refused():
    with pytest.raises(ValueError, match=r"'covariance_ratio' parameter .* 0\.5"):
        GaussianMixture(covariance_ratio=0.5).fit([[0.0], [1.0]])
