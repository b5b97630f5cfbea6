"""Numba's threads: the bits of Python's, and entered only where that is safe."""

import os
import warnings

import numba
import numpy as np
import pytest

from fastem import kernels
from fastem.checks.rows import read_only
from fastem.kernels import grid, numba_threads
from fastem.kernels.compilation import kernel
from fastem.kernels.native_calls import add_at
from tests.groups.test_gaps import N as N_GAPPY
from tests.groups.test_gaps import problem as gappy_problem
from tests.groups.test_gaps import row_by_row, statistics_of
from tests.kernels.test_carried import Passes, moved
from tests.kernels.test_passes import Problem, all_passes
from tests.kernels.test_skipping import Clusters
from tests.mixtures import parameters_of, random_mixture
from tests.starts.test_kmeans import cluster, rows_and_weights, state

pytestmark = pytest.mark.skipif(
    numba.config.NUMBA_NUM_THREADS < 2, reason="there is one thread only"
)


class Loop:
    """Stands at the door of the parallel loop: who came, and who was let in."""

    def __init__(self):
        self.came = []

    def __call__(self, *arguments):
        self.came.append(numba_threads.share_chunks(*arguments))
        return self.came[-1]


@pytest.fixture
def loop(monkeypatch):
    """Numba's threads for each walk that has two chunks or more."""
    loop = Loop()
    monkeypatch.setattr(grid, "_LEAST_WORK", 1.0)
    monkeypatch.setattr(grid, "chosen_driver", lambda: "numba")
    monkeypatch.setattr(grid, "share_chunks", loop)
    return loop


def bits_of(results):
    return [np.asarray(result).tobytes() for result in results]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_passes_have_the_bits_of_one_thread(random, covariance_type, dtype, loop):
    for options in ({}, {"weighted": True}):
        some = Problem(random, covariance_type, 5000, 3, 5, dtype, **options)
        serial = all_passes(some, 1)
        assert not loop.came
        assert all_passes(some, 2) == serial
        assert all_passes(some, None) == serial
        assert loop.came == 8 * [True]
        loop.came.clear()


def test_noise_and_tails_have_the_bits_of_one_thread(random, loop):
    for options in ({"noise": True}, {"tails": True}):
        some = Problem(random, "full", 5000, 3, 5, **options)
        assert bits_of(some.expectation(2)) == bits_of(some.expectation(1))
    assert loop.came == 2 * [True]


def test_passes_that_leave_out_have_the_bits_of_one_thread(random, loop):
    clusters = Clusters(random, "full")
    assert bits_of(clusters.sums(True, 2)) == bits_of(clusters.sums(True, 1))
    mixture = random_mixture(random, "full", 12, 8, spread=20)
    one, two = (
        Passes(np.random.default_rng(1), mixture, "full", n_rows=9000) for _ in "12"
    )
    for step in (0, 0.1, 0.02):
        mixture = moved(random, mixture, step, "full")
        assert bits_of(two.sums(mixture, 2)) == bits_of(one.sums(mixture, 1))
        np.testing.assert_array_equal(two.history.nearest, one.history.nearest)
    assert loop.came == 4 * [True]


def test_rows_with_gaps_have_the_bits_of_one_thread(loop, monkeypatch):
    X, mixture = gappy_problem("full")
    X = read_only(np.tile(X, (20, 1)))
    parameters = parameters_of(mixture, "full")
    monkeypatch.setattr(row_by_row, "fewest_rows", lambda *_: N_GAPPY * 20)
    one, two = (statistics_of(X, parameters, "full", n) for n in (1, 2))
    assert loop.came == [True]
    assert one.log_likelihood == two.log_likelihood
    np.testing.assert_array_equal(one.scatter, two.scatter)


def test_starts_have_the_bits_of_one_thread(random, loop):
    X, row_weights = rows_and_weights(
        random, 5000, 3, 5, dtype=np.float64, weighted=True
    )
    one, two = (cluster(X, row_weights, 5, state(), n) for n in (1, 2))
    assert all(loop.came)
    assert loop.came
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_array_equal(one.centers, two.centers)


def test_segments_follow_each_other(random, loop, monkeypatch):
    some = Problem(random, "full", 9000, 3, 5)
    whole = bits_of(some.expectation(1))
    monkeypatch.setattr(grid, "_SEGMENT_WORK", 1)
    monkeypatch.setattr(grid, "_FEWEST_CHUNKS", 2)
    assert bits_of(some.expectation(2)) == whole
    assert loop.came == 4 * [True]  # the last segment is of one chunk


@pytest.mark.parametrize("setting", [1, 2])
def test_the_users_number_of_threads_leaves_no_trace(random, loop, setting):
    some = Problem(random, "full", 5000, 3, 5)
    before = numba.get_num_threads()
    numba.set_num_threads(setting)
    try:
        some.expectation(2)
        assert numba.get_num_threads() == setting
    finally:
        numba.set_num_threads(before)
    assert loop.came == [True]


def test_where_it_is_not_safe_pythons_threads_have_the_same_bits(
    random, loop, monkeypatch
):
    some = Problem(random, "full", 5000, 3, 5)
    serial = bits_of(some.expectation(1))
    with monkeypatch.context() as changed:
        changed.setattr(numba_threads, "_inside", np.ones(1, np.int64))
        assert bits_of(some.expectation(2)) == serial
        assert numba_threads._inside == 1, "another thread is still inside"
    with monkeypatch.context() as changed:
        changed.setattr(numba_threads, "_is_forked", True)
        assert bits_of(some.expectation(2)) == serial
    assert loop.came == 2 * [False]
    assert bits_of(some.expectation(2)) == serial
    assert loop.came[2:] == [True]
    assert numba_threads._inside == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be forked")
def test_a_forked_child_is_told():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other threads
        child = os.fork()
    if child == 0:
        os._exit(0 if numba_threads._is_forked else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not numba_threads._is_forked


@kernel(nogil=True)
def meet(X, begun, space, start, stop, sums_out):
    """Wait for another thread; tell where this one's space is, and what is in it."""
    if stop > start:
        add_at(begun, 1)
        n_looks = 0
        while add_at(begun, 0) < 2 and n_looks < 1_000_000_000:
            n_looks += 1
        for c in range(sums_out.shape[0]):
            sums_out[c, 0] = space.ctypes.data
            sums_out[c, 1] = space[0]
        space[0] = -1


def test_each_thread_has_a_space_of_its_own(loop):
    template, begun = np.full(5, 7.0), np.zeros(1, np.int64)
    (sums,) = grid.walk(
        meet,
        (np.zeros(2 * kernels.CHUNK_ROWS), begun.ctypes.data),
        lambda _: template,
        n_rows=2 * kernels.CHUNK_ROWS,
        n_sums=2,
        row_work=1.0,
        n_threads=2,
    )
    assert loop.came == [True]
    places = {template.ctypes.data, *sums[:, 0]}
    assert len(places) == 3
    np.testing.assert_array_equal(sums[:, 1], 7)
    np.testing.assert_array_equal(template, 7)


@kernel(nogil=True)
def fail_at_second_chunk(X, space, start, stop, sums_out):
    if start <= kernels.CHUNK_ROWS < stop:
        raise ValueError("the second chunk")
    for c in range(sums_out.shape[0]):
        sums_out[c] = stop - start


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_kernel_that_fails_is_an_error(loop, n_threads):
    def walk(n_rows):
        return list(
            grid.walk(
                fail_at_second_chunk,
                (np.zeros(n_rows),),
                np.empty,
                n_rows=n_rows,
                n_sums=1,
                row_work=1.0,
                n_threads=n_threads,
            )
        )

    error = {1: ValueError, 2: RuntimeError}[n_threads]
    with pytest.raises(error, match=r"second.chunk"):
        walk(2500)
    assert walk(600)[0] == 600


def test_the_environment_names_the_driver(monkeypatch):
    chosen = numba_threads.chosen_driver.__wrapped__
    for value, driver in (("", "threads"), ("threads", "threads"), ("numba", "numba")):
        monkeypatch.setenv(numba_threads.VARIABLE, value)
        assert chosen() == driver
    monkeypatch.delenv(numba_threads.VARIABLE)
    assert chosen() == "threads"
    monkeypatch.setenv(numba_threads.VARIABLE, "Numba")
    expected = "FASTEM_DRIVER is 'Numba': set it to 'threads' or 'numba'"
    with pytest.raises(ValueError, match=expected):
        chosen()


def test_a_wrong_name_is_an_error_however_few_the_rows(random, monkeypatch):
    some = Problem(random, "full", 20, 3, 5)
    monkeypatch.setenv(numba_threads.VARIABLE, "tbb")
    numba_threads.chosen_driver.cache_clear()
    with pytest.raises(ValueError, match="FASTEM_DRIVER"):
        some.expectation(1)
    monkeypatch.undo()
    some.expectation(1)
