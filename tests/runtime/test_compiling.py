"""What is told of the compiler; the compiler is made up for the purpose."""

import logging
import sys
from threading import Thread

import numpy as np
import pytest

from fastem import GaussianMixture, kernels
from fastem.runtime import compiling


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(compiling, "time", clock)
    return clock


class Keeper(logging.Handler):
    """Keeps the texts of records."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.texts = []

    def emit(self, record):
        assert record.levelno == logging.INFO
        self.texts.append(record.getMessage())


@pytest.fixture
def records(caplog):
    keeper = Keeper()
    caplog.set_level(logging.INFO, logger="fastem")
    compiling.LOGGER.addHandler(keeper)
    yield keeper.texts
    compiling.LOGGER.removeHandler(keeper)


def compile_for(clock, seconds, what="float64 rows"):
    with compiling.clock_stopped(), compiling.told(what):
        clock.now += seconds


BEGAN = "Compiling kernels for {}, once for this environment: some seconds ..."


def test_a_block_announces_all_that_it_compiles_once(clock, records):
    with compiling.announced("covariance_type='full'"):
        compile_for(clock, 2)
        with compiling.announced("another"):
            compile_for(clock, 1.5)
        assert records == [BEGAN.format("covariance_type='full' and float64 rows")]
    assert records[1:] == ["Compiled 2 kernels in 3.5 s."]


def test_what_no_block_announces_announces_itself(clock, records):
    for what in ("float64 rows", "float32 rows"):
        compile_for(clock, 1, what)
    assert records == [
        *(BEGAN.format("float64 rows"), "Compiled 1 kernel in 1.0 s."),
        *(BEGAN.format("float32 rows"), "Compiled 1 kernel in 1.0 s."),
    ]


def test_nothing_is_said_where_nothing_is_compiled(clock, records, capsys):
    with compiling.announced(verbose=True), compiling.clock_stopped():
        clock.now += 1  # of loading
    assert not records
    assert not capsys.readouterr().out


def test_verbose_prints_what_no_handler_shows(clock, capsys):
    logger = logging.getLogger("fastem")
    with compiling.announced(verbose=True):
        compile_for(clock, 2)
    printed = BEGAN.format("float64 rows") + "\nCompiled 1 kernel in 2.0 s.\n"
    assert capsys.readouterr() == (printed, "")
    handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with compiling.announced(verbose=True):
            compile_for(clock, 2)
        assert capsys.readouterr() == ("", printed)
        # One that leaves out such records shows none.
        handler.setLevel(logging.WARNING)
        with compiling.announced(verbose=True):
            compile_for(clock, 2)
        assert capsys.readouterr() == (printed, "")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


class Listener:
    """Keeps what it was told."""

    def __init__(self):
        self.heard = []

    def begin(self, what):
        self.heard.append(what)

    def end(self, seconds):
        self.heard.append(seconds)


def test_listeners_hear_each_kernel_of_their_own_thread(clock):
    listener = Listener()
    with compiling.heard_by(listener):
        compile_for(clock, 2)
        other = Thread(target=compile_for, args=(clock, 1))
        other.start()
        other.join()
        compile_for(clock, 3, "float32 rows")
    compile_for(clock, 4)
    assert listener.heard == ["float64 rows", 2, "float32 rows", 3]


def test_an_interrupt_ends_what_it_interrupts(clock):
    listener = Listener()

    def interrupt():
        with compiling.heard_by(listener), compiling.told("float64 rows"):
            clock.now += 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    compile_for(clock, 1)
    assert listener.heard == ["float64 rows", 2]


def test_the_clock_stands_still_for_the_thread_that_waits(clock):
    began = compiling.clock()
    compile_for(clock, 5)
    clock.now += 1
    assert compiling.clock() - began == 1
    lapses = []

    def measure():
        began = compiling.clock()
        clock.now += 3
        lapses.append(compiling.clock() - began)

    other = Thread(target=measure)
    other.start()
    other.join()
    assert lapses == [3]


@pytest.fixture
def new_kernels(monkeypatch):
    """Passes over rows that compile, it seems, each time."""
    for name in ("expectation_pass", "label_pass"):
        plain = getattr(kernels, name)

        def compiled(X, *arguments, plain=plain, **options):
            with compiling.told(f"{X.dtype} rows"):
                return plain(X, *arguments, **options)

        monkeypatch.setattr(kernels, name, compiled)


def test_each_call_of_an_estimator_announces_its_own(records, new_kernels):
    X = np.random.default_rng(0).normal(size=(200, 2))
    model = GaussianMixture(1, covariance_type="tied", random_state=0)
    for call in (model.fit, model.predict, model.fit_predict, model.partial_fit):
        call(X)
        began, ended = records
        records.clear()
        assert began == BEGAN.format("covariance_type='tied' and float64 rows")
        assert ended.startswith("Compiled ")
