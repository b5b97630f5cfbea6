"""What happens around a fit: forks, threads, workers, Ctrl-C, Numba's variables."""

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastem import GaussianMixture
from tests.processes import CLUSTERS, interrupt, run

exhaustive = pytest.mark.exhaustive
either_driver = pytest.mark.parametrize("driver", ["threads", "numba"])

ALL = "model = fit(); check(model); check_answers(model)\n"

FORKED = {
    "os.fork": """
def in_child(work):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def work():
    check(fit())
    check_answers(model)


in_child(work)
in_child(lambda: in_child(work))
""",
    "multiprocessing": """
import multiprocessing


def work(seed):
    check_answers(model)
    fitted = fit(init_params="kmeans", means_init=None, random_state=seed)
    return fitted.means_


with multiprocessing.get_context("fork").Pool(2) as pool:
    parts = pool.map(work, range(4))
for seed in range(4):
    np.testing.assert_array_equal(parts[seed], work(seed))
""",
    # The child has one thread, whatever locks the others held.
    "os.fork amid threads": """
import threading

over = threading.Event()


def fit_on():
    while not over.is_set():
        fit()


others = [threading.Thread(target=fit_on) for _ in range(2)]
for thread in others:
    thread.start()
try:
    for _ in range(20):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                check(fit())
                check_answers(model)
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
finally:
    over.set()
    for thread in others:
        thread.join()
""",
}


@either_driver
@pytest.mark.parametrize(
    "way",
    [
        "os.fork",
        pytest.param("multiprocessing", marks=exhaustive),
        pytest.param("os.fork amid threads", marks=exhaustive),
    ],
)
def test_a_forked_child_fits_and_predicts(way, driver):
    run(CLUSTERS + ALL + FORKED[way] + ALL, FASTEM_DRIVER=driver)


@pytest.mark.parametrize(
    ("driver", "layer"),
    [
        ("threads", "omp"),
        pytest.param("threads", "workqueue", marks=exhaustive),
        pytest.param("numba", "omp", marks=exhaustive),
        # It ends the process if two threads enter a parallel loop at once.
        ("numba", "workqueue"),
    ],
)
def test_python_threads_that_fit_at_once_get_the_bits_of_one(driver, layer):
    run(
        CLUSTERS
        + """
import warnings
from concurrent.futures import ThreadPoolExecutor
from threadpoolctl import threadpool_info

kinds = 3 * ["full", "tied", "diag", "spherical"]
Z = np.random.default_rng(0).normal(size=(10_000, 6))


def work(kind):
    model = GaussianMixture(
        5, covariance_type=kind, max_iter=8, tol=0, random_state=0, init_params="random"
    )
    model.fit(Z)
    return [
        *(model.weights_, model.means_, model.covariances_, model.lower_bounds_),
        *(model.predict(Z), model.predict_proba(Z), model.score_samples(Z)),
    ]


def blas_threads():
    return {
        library["filepath"]: library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }


warnings.simplefilter("ignore")
before = blas_threads()
alone = [work(kind) for kind in kinds[:4]]
with ThreadPoolExecutor(6) as pool:
    together = list(pool.map(work, kinds))
for i, parts in enumerate(together):
    for part, expected in zip(parts, alone[i % 4], strict=True):
        np.testing.assert_array_equal(part, expected)
# Settings of the process are as they were.
assert blas_threads() == before
""",
        FASTEM_DRIVER=driver,
        NUMBA_THREADING_LAYER=layer,
    )


def test_filters_of_warnings_are_as_before_when_fits_overlap(random):
    Z = random.normal(size=(20_000, 2))

    def work(seed):
        GaussianMixture(2, tol=9, init_params="subsample", random_state=seed).fit(Z)

    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(16)))
    assert warnings.filters == before


@pytest.mark.parametrize(
    ("backends", "driver"),
    [
        ("loky threading", "threads"),
        pytest.param("multiprocessing", "threads", marks=exhaustive),
        pytest.param("loky multiprocessing threading", "numba", marks=exhaustive),
    ],
)
def test_joblibs_workers_get_the_bits_of_one_process(backends, driver):
    run(
        CLUSTERS
        + """
from joblib import Parallel, delayed


def work(seed):
    model = fit(means_init=None, init_params="kmeans", random_state=seed)
    return model.means_, model.predict_proba(X)


here = [work(seed) for seed in range(4)]
for backend in sys.argv[1].split():
    there = Parallel(2, backend=backend)(delayed(work)(seed) for seed in range(4))
    for (means, degrees), (own_means, own_degrees) in zip(there, here, strict=True):
        np.testing.assert_array_equal(means, own_means)
        np.testing.assert_array_equal(degrees, own_degrees)
""",
        backends,
        FASTEM_DRIVER=driver,
    )


@exhaustive
def test_scikit_learns_searches_run_in_workers():
    run(
        CLUSTERS
        + """
from sklearn.model_selection import GridSearchCV, cross_val_score

model = GaussianMixture(covariance_type="spherical", random_state=0)
alone, by_two = (cross_val_score(model, X, cv=3, n_jobs=n) for n in (1, 2))
np.testing.assert_array_equal(by_two, alone)
search = GridSearchCV(model, {"n_components": [1, 2]}, cv=3, n_jobs=2).fit(X)
assert search.best_params_ == {"n_components": 2}
np.testing.assert_array_equal(search.predict(X) == search.predict(X[:1]), truth == 0)
"""
    )


INTERRUPTED = """
import json
import warnings

warnings.simplefilter("ignore")
start, times = sys.argv[1], int(sys.argv[2])
Z = np.random.default_rng(1).normal(size=(40_000, 4))
model = fit()


def state():
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else repr(value)
        for name, value in vars(model).items()
    }


long_fit = dict(
    n_components=8, max_iter=3, tol=0, n_init=10**6, init_params=start,
    weights_init=None, means_init=None, precisions_init=None,
)
short_fit = {name: model.get_params()[name] for name in long_fit}
model.set_params(**long_fit)
before = state()
for _ in range(times):
    announced = []

    def announce(progress):
        if not announced:
            announced.append(print("ready", flush=True))

    try:
        model.fit(Z, callback=announce)
    except KeyboardInterrupt:
        assert state() == before
    else:
        raise AssertionError("the fit came to an end")
model.set_params(**short_fit)
check(model)
check(model.fit(X))
check_answers(model)
print("fine")
"""


# Where the signal lands is up to the machine: in a start, a pass, or between.
@pytest.mark.parametrize("driver", ["threads", pytest.param("numba", marks=exhaustive)])
@pytest.mark.parametrize(
    "start",
    [
        "kmeans",
        pytest.param("subsample", marks=exhaustive),
        pytest.param("random", marks=exhaustive),
    ],
)
def test_ctrl_c_ends_a_fit_and_leaves_the_estimator_as_it_was(start, driver):
    code = CLUSTERS + INTERRUPTED
    assert interrupt(code, start, 5, times=5, FASTEM_DRIVER=driver) == "fine\n"


@exhaustive
@either_driver
def test_ctrl_c_ends_a_fit_that_compiles(tmp_path, driver):
    output, _ = run(
        CLUSTERS
        + """
import signal
import threading

try:
    # The kernels of a first fit take seconds.
    threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
    while True:
        fit()
except KeyboardInterrupt:
    pass
check(fit())
print("fine")
""",
        FASTEM_DRIVER=driver,
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    assert output == "fine\n"


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"NUMBA_NUM_THREADS": "1"}, marks=exhaustive),
        pytest.param({"NUMBA_THREADING_LAYER": "workqueue"}, marks=exhaustive),
        # With threads, the test above has it.
        pytest.param({"NUMBA_THREADING_LAYER": "omp"}, marks=exhaustive),
        # Kernels as plain Python: a few rows are enough.
        {"NUMBA_DISABLE_JIT": "1", "N_ROWS": "60"},
    ],
    ids=lambda variables: "=".join(next(iter(variables.items()))),
)
def test_numbas_variables_change_no_answer(variables):
    assert run(CLUSTERS + ALL, **variables) == ("", "")


def test_a_pickle_answers_alike_in_another_process(tmp_path):
    path = tmp_path / "model.pickle"
    exec(CLUSTERS, here := {})
    path.write_bytes(pickle.dumps(here["fit"]()))
    run(
        CLUSTERS
        + """
import pickle

model = pickle.load(open(sys.argv[1], "rb"))
check(model)
check_answers(model)
for name, value in vars(fit()).items():
    assert repr(getattr(model, name)) == repr(value), name
check(model.fit(X))
""",
        path,
    )
