"""Folds of rows as weights: each row is in one of them, wherever rows are."""

import numpy as np
import pandas as pd
import pytest

from fastem import GaussianMixture
from fastem.checks.rows import read_only
from fastem.sources import reading
from fastem.training.folds import Fold, folds

N = 3000
NONE = np.empty(0)


@pytest.fixture(scope="module", name="X")
def rows():
    return np.random.default_rng(0).normal(size=(N, 2))


def test_each_row_is_held_out_once_and_at_random(X):
    dealt = np.array([fold.weights(0, X, NONE, 1.0) for fold in folds(5, 7)])
    assert np.array_equal(np.sort(dealt, axis=0)[-2:], [np.zeros(N), np.ones(N)])
    counts = dealt.sum(axis=1)
    assert (abs(counts - N / 5) < 4 * np.sqrt(N * 0.16)).all()
    # Not by where a row stands.
    assert abs(np.corrcoef(dealt[0][1:], dealt[0][:-1])[0, 1]) < 0.1
    rest = folds(5, 7)[0].rest().weights(0, X, NONE, 1.0)
    assert np.array_equal(rest, 1 - dealt[0])


def test_a_row_that_counts_c_is_dealt_as_c_rows(X):
    counts = np.random.default_rng(1).integers(0, 13, N).astype(float)
    dealt = np.array([fold.weights(0, X, counts / 12, 12.0) for fold in folds(5, 7)])
    assert dealt.sum(axis=0) == pytest.approx(counts / 12, rel=1e-15)
    times = dealt * 12
    assert np.all(abs(times - np.rint(times)) < 1e-12)
    assert np.ptp(times, axis=0).max() < 1 + 1e-9
    parts = [0.3, 2.5, 7.25]
    dealt = [fold.weights(0, X[:3], np.array(parts), 1.0) for fold in folds(5, 7)]
    assert np.sum(dealt, axis=0) == pytest.approx(parts)
    for fold in folds(5, 7):
        held, rest = (f.weights(0, X, counts, 1.0) for f in (fold, fold.rest()))
        assert np.array_equal(held + rest, counts)


def test_rows_are_in_the_same_fold_wherever_they_are_read(X, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 0)
    w = np.random.default_rng(1).uniform(0, 8, N)
    table = pd.DataFrame(X, columns=["a", "b"]).assign(w=w)
    for part in (slice(0, 1000), slice(1000, N)):
        path = tmp_path / f"{part.start}.parquet"
        table.iloc[part].to_parquet(path, row_group_size=300)
    model = GaussianMixture()
    whole = model._training_rows(table, "w")
    blocks = model._training_rows(tmp_path, "w")
    for fold in (Fold(1, 5, 3), Fold(1, 5, 3).rest()):
        there, here = blocks.part(fold), whole.part(fold)
        read = [(rows, weights) for rows, weights in there.blocks()]
        assert len(read) > 1
        values, weights = map(np.concatenate, zip(*read, strict=True))
        assert np.array_equal(values, here.values)
        assert weights == pytest.approx(here.weights, rel=1e-12)
        assert there.n_rows == pytest.approx(here.n_rows, rel=1e-12)


def test_huge_weights_are_dealt_evenly(X):
    weights = read_only(np.full(10, 1.0))
    dealt = [fold.weights(0, X[:10], weights, np.inf) for fold in folds(5, 7)]
    assert np.array(dealt) == pytest.approx(np.full((5, 10), 0.2))
