"""Partitions that candidates start from."""

import numpy as np
import pytest

from fastem import GaussianMixture
from fastem.choice.starting import Starts
from fastem.training.in_memory import RowsInMemory
from tests.choice.test_selector import clouds


def starts_of(X, weights=None):
    rows = RowsInMemory.checked(GaussianMixture(), X, weights)
    return Starts.of(rows, np.random.RandomState(0))


def same(first, second):
    """Whether two partitions are one, whatever the numbers of their parts."""
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    return len(pairs) == len(set(first.tolist())) == len(set(second.tolist()))


@pytest.mark.parametrize("units", [[1.0, 1e6], [1e-8, 1.0]])
def test_units_do_not_matter(units):
    X = clouds(500)
    here, there = starts_of(X), starts_of(X * units + 3)
    assert same(here.from_tree(3), there.from_tree(3))
    kmeans = [
        starts.from_kmeans(3, np.random.RandomState(0), 1) for starts in (here, there)
    ]
    assert same(*kmeans)


def test_one_tree_has_a_partition_for_each_number():
    starts = starts_of(clouds(400))
    coarse = starts.from_tree(2)
    for K in range(3, 6):
        fine = starts.from_tree(K)
        assert len(np.unique(fine)) == K
        pairs = set(zip(fine.tolist(), coarse.tolist(), strict=True))
        assert len(pairs) == K  # each part lies in one of the coarser
        coarse = fine


def test_of_many_rows_some_are_in_the_tree_and_none_of_weight_0():
    weights = np.ones(4000)
    weights[::2] = 0
    labels = starts_of(clouds(4000), weights).from_tree(3)
    assert np.count_nonzero(labels >= 0) == 1500
    assert (labels[::2] == -1).all()


def test_the_part_that_is_two_is_cut():
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(m, 1, size=(100, 2)) for m in (0, 20, 30)])
    labels = np.repeat([0, 1, 1], 100).astype(np.int32)
    split = starts_of(X).from_split(labels, 2, np.random.RandomState(0), 1)
    assert same(split, np.repeat([0, 1, 2], 100))
    assert (labels == np.repeat([0, 1, 1], 100)).all()


def test_rows_that_are_all_alike_cannot_be_cut():
    X = np.repeat([[0.0, 1.0], [2.0, 3.0]], 10, axis=0)
    labels = np.repeat([0, 1], 10).astype(np.int32)
    assert starts_of(X).from_split(labels, 2, np.random.RandomState(0), 1) is None
