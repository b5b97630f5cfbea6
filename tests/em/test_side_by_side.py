"""EM on many small tables at once."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastem import GaussianMixture, kernels
from fastem.covariances import STRUCTURES, structure_of
from fastem.em.side_by_side import SideBySide

SHARE_NOTHING = [name for name, rule in STRUCTURES.items() if rule.shares_nothing]


@pytest.fixture(name="tables")
def tables_of_two_clusters():
    random = np.random.default_rng(0)
    tables = random.normal(size=(6, 90, 2)) + 100
    tables[:, :40] += random.uniform(1.5, 4, size=(6, 1, 2))
    return tables


@pytest.fixture(name="labels")
def partitions(tables):
    return (tables.sum(axis=2) > 202).astype(np.int32)


def test_three_rules_share_nothing():
    assert sorted(SHARE_NOTHING) == ["diag", "full", "spherical"]


@pytest.mark.parametrize("name", SHARE_NOTHING)
def test_each_table_is_fitted_as_by_itself(name, tables, labels):
    steps = SideBySide(structure_of(name), 1e-6, tables)
    climb = steps.climbed(steps.of_partitions(labels, 2), 1e-4, 1000)
    for b, (table, partition) in enumerate(zip(tables, labels, strict=True)):
        alone = GaussianMixture(
            2,
            covariance_type=name,
            init_params=partition,
            stopping="remaining_gain",
            tol=1e-6,
            max_iter=5000,
        ).fit(table)
        assert climb.log_likelihoods[b] == pytest.approx(
            alone.lower_bound_ * len(table), abs=1e-3
        )
        mine = climb.mixtures.taken(np.array([b])).parameters
        assert mine.weights == pytest.approx(alone.weights_, abs=0.01)
        assert mine.means == pytest.approx(alone.means_, abs=0.05)


@pytest.mark.parametrize("name", SHARE_NOTHING)
def test_one_step_is_that_of_em(name, tables, labels):
    """From the same start the same numbers, to rounding."""
    steps = SideBySide(structure_of(name), 1e-6, tables)
    start = steps.of_partitions(labels, 2)
    log_likelihoods, statistics = steps.expected(start)
    after = steps.maximized(statistics, 2).parameters
    for b in range(len(tables)):
        alone = GaussianMixture(2, covariance_type=name, init_params=labels[b])
        with pytest.warns(ConvergenceWarning):
            alone.set_params(max_iter=1).fit(tables[b])
        mine = slice(2 * b, 2 * b + 2)
        assert log_likelihoods[b] == pytest.approx(90 * alone.lower_bound_, rel=1e-12)
        assert after.means[mine] == pytest.approx(alone.means_, rel=1e-12)
        assert after.covariances[mine] == pytest.approx(alone.covariances_, rel=1e-9)


def test_a_singular_component_stops_its_own_table_only(tables, labels):
    tables[2, labels[2] == 1] = 7.0
    steps = SideBySide(structure_of("full"), 0.0, tables)
    ridged = SideBySide(structure_of("full"), 1e-6, tables)
    start = ridged.of_partitions(labels, 2)
    assert ridged.is_held_up(start).tolist() == [False] * 2 + [True] + [False] * 3
    found = steps.climbed(start, 0.01, 500).log_likelihoods
    assert np.isnan(found[2])
    assert np.isfinite(np.delete(found, 2)).all()


def test_passes_over_tables_of_several_chunks_are_passes(random):
    tables = random.normal(size=(2, kernels.CHUNK_ROWS + 50, 3))
    structure = structure_of("full")
    model = GaussianMixture(2, random_state=0).fit(tables[0])
    parameters = model._fitted()[1]
    factors = structure.representation.factors(parameters, np.float64)
    alike = factors._replace(
        **{
            name: np.concatenate([value, value])
            for name, value in factors._asdict().items()
            if isinstance(value, np.ndarray) and name != "center"
        },
        center=np.stack([factors.center] * 2),
    )
    sums = kernels.expectation_passes(tables, alike, 2, 18)
    for table, found in zip(tables, sums, strict=True):
        one = kernels.expectation_pass(table, np.empty(0), factors, 18)
        assert found[0] == one.log_likelihood
        assert np.array_equal(found[2:4], one.weights)
        assert np.array_equal(found[4:10], one.first.ravel())
        assert np.array_equal(found[10:], one.scatter)
