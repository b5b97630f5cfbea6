"""Fits that are killed or stopped, and go on from a file."""

import json
import re
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from typer.testing import CliRunner

import fastem
from fastem import GaussianMixture, StopFit
from fastem.checks.rows import read_only
from fastem.covariances import STRUCTURES
from fastem.em import checkpoint
from fastem.em.convergence import Convergence, Trace
from fastem.em.expectation import ExpectationStep
from fastem.statistics import MixtureParameters
from fastem.storage.json_values import from_json, to_json
from fastem.terminal.commands import app
from fastem.terminal.console import FitProgress
from tests.mixtures import draw, parameters_of, random_mixture


class Killed(BaseException):
    """What a callback raises in place of a kill, where the process is to live on."""


def killing(restart, iteration):
    def callback(progress):
        if (progress.restart, progress.iteration) == (restart, iteration):
            raise Killed

    return callback


@pytest.fixture(autouse=True)
def written_each_time(monkeypatch):
    monkeypatch.setattr(checkpoint, "_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(checkpoint, "_LARGEST_SHARE", np.inf)


def bits(model):
    """All that a fit found, as bytes and texts."""
    arrays = ("weights_", "means_", "covariances_", "precisions_cholesky_")
    return [
        *(getattr(model, name).tobytes() for name in arrays),
        *(model.n_iter_, model.converged_, model.n_dropped_),
        *(repr(model.lower_bounds_), repr(model.convergence_), repr(model.collapses_)),
    ]


def fit(model, X, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, **options)


def clusters(random, n_rows=900, n_features=2, n_components=4, distance=2.5):
    centers = distance * random.normal(size=(n_components, n_features))
    labels = random.integers(n_components, size=n_rows)
    return centers[labels] + random.normal(size=(n_rows, n_features))


CASES = {
    "plain": ({}, 0, 7),
    "several starts": ({"n_init": 3, "init_params": "random_from_data"}, 1, 5),
    "accelerated": ({"accelerate": True, "tol": 1e-9}, 0, 9),
    "by what is left": (
        {"stopping": "remaining_gain", "n_init": 3, "max_iter": 140},
        2,
        30,
    ),
    "tied": ({"covariance_type": "tied", "accelerate": True, "tol": 1e-9}, 0, 6),
    "first iteration": ({"n_init": 2}, 1, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fit_that_was_killed_goes_on_to_the_same_bits(random, tmp_path, case):
    settings, restart, iteration = CASES[case]
    X = clusters(random)
    path = tmp_path / "checkpoint.json"

    def new():
        return GaussianMixture(
            4, **{"random_state": 3, "tol": 1e-4, "max_iter": 300, **settings}
        )

    whole = fit(new(), X)
    with pytest.raises(Killed):
        fit(new(), X, callback=killing(restart, iteration), checkpoint=path)
    assert path.exists()
    seen = []
    resumed = fit(new(), X, callback=seen.append, checkpoint=path)
    # The iteration whose callback was killed was not written down yet.
    assert (seen[0].restart, seen[0].iteration) == (restart, iteration)
    assert bits(resumed) == bits(whole)
    assert not path.exists()


CHILD = """
import os, signal, sys
import numpy as np
from fastem import GaussianMixture
from fastem.em import checkpoint
checkpoint._SECONDS_BETWEEN = 0.0

def callback(progress):
    if progress.restart == 1 and progress.iteration == 6:
        os.kill(os.getpid(), signal.SIGKILL)

X = np.load(sys.argv[1])
GaussianMixture(3, n_init=3, init_params="random", accelerate=True, tol=1e-8,
                random_state=7).fit(X, callback=callback, checkpoint=sys.argv[2])
"""


def test_kill_9_loses_no_bit(random, tmp_path):
    X = clusters(random, n_components=3)
    np.save(tmp_path / "X.npy", X)
    path = tmp_path / "checkpoint.json"
    child = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path / "X.npy", path], check=False
    )
    assert child.returncode == -signal.SIGKILL
    settings = {"n_init": 3, "init_params": "random", "accelerate": True, "tol": 1e-8}
    whole, resumed = (
        fit(GaussianMixture(3, random_state=7, **settings), X, checkpoint=given)
        for given in (None, path)
    )
    assert bits(resumed) == bits(whole)
    assert [entry.name for entry in tmp_path.iterdir()] == ["X.npy"]


@pytest.mark.parametrize("iteration", [2, 5])
def test_rows_put_in_order_are_put_in_order_again(random, tmp_path, iteration):
    # So many rows and components that most of them are left out of most tiles.
    K, D = 64, 3
    centers = 30 * random.normal(size=(K, D))
    X = centers[random.integers(K, size=130_000)] + random.normal(size=(130_000, D))
    settings = {
        "weights_init": np.full(K, 1 / K),
        "means_init": centers + random.normal(size=(K, D)),
        "precisions_init": np.ones((K, D)),
        "covariance_type": "diag",
        "max_iter": 6,
        "tol": 0,
    }
    path = tmp_path / "checkpoint.json"
    whole = fit(GaussianMixture(K, **settings), X)
    with pytest.raises(Killed):
        fit(
            GaussianMixture(K, **settings),
            X,
            callback=killing(0, iteration),
            checkpoint=path,
        )
    assert json.loads(path.read_text())["expectation"]["leaves_out"]
    resumed = fit(GaussianMixture(K, **settings), X, checkpoint=path)
    assert bits(resumed) == bits(whole)


def test_rows_stay_in_order_where_nothing_is_left_out_any_more(random):
    mixture = random_mixture(random, "full", 2, 2)
    X = read_only(draw(random, mixture, 30_000))
    representation = STRUCTURES["full"].representation
    ordered, resumed, plain = (
        ExpectationStep(X, read_only(np.empty(0)), representation, None)
        for _ in range(3)
    )
    before = {**plain.state(), "is_ordered": True}
    ordered.restore(before)
    assert ordered.state() == before
    resumed.restore(ordered.state())
    one, other, third = (
        step(parameters_of(mixture, "full")).scatter.tobytes()
        for step in (ordered, resumed, plain)
    )
    assert one == other != third


@pytest.mark.parametrize("on_collapse", ["drop", "reseed"])
def test_collapses_and_their_random_numbers_are_kept(random, tmp_path, on_collapse):
    X = np.vstack([clusters(random), np.full((30, 2), 40.0)])

    def new():
        return GaussianMixture(
            5, on_collapse=on_collapse, reg_covar=1e-3, tol=1e-5, random_state=0
        )

    path = tmp_path / "checkpoint.json"
    whole = fit(new(), X)
    assert whole.collapses_
    last = whole.collapses_[-1].iteration
    with pytest.raises(Killed):
        fit(new(), X, callback=killing(0, last + 2), checkpoint=path)
    assert bits(fit(new(), X, checkpoint=path)) == bits(whole)


def test_singular_starts_are_still_counted(tmp_path):
    # Twenty equal rows, which some starts give a component of their own.
    X = np.vstack([clusters(np.random.default_rng(0)), np.full((20, 2), 6.0)])
    path = tmp_path / "checkpoint.json"

    def messages(seed, **options):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            GaussianMixture(4, n_init=3, reg_covar=0, random_state=seed).fit(
                X, **options
            )
        return [str(warning.message) for warning in caught]

    n_compared = 0
    for seed in range(8):
        try:
            said = messages(seed)
            with pytest.raises(Killed):
                messages(seed, callback=killing(2, 2), checkpoint=path)
        except fastem.SingularCovarianceError:
            path.unlink(missing_ok=True)
            continue
        n_compared += any("singular covariance" in text for text in said)
        assert messages(seed, checkpoint=path) == said
    assert n_compared > 0


def test_a_generator_of_random_numbers_goes_on_where_it_was(random, tmp_path):
    X = clusters(random)
    path = tmp_path / "checkpoint.json"
    mine, others = np.random.RandomState(5), np.random.RandomState(5)
    settings = {"n_init": 2, "init_params": "random", "tol": 1e-5}
    whole = fit(GaussianMixture(3, random_state=mine, **settings), X)
    model = GaussianMixture(3, random_state=others, **settings)
    with pytest.raises(Killed):
        fit(model, X, callback=killing(0, 4), checkpoint=path)
    again = np.random.RandomState(5)
    model = GaussianMixture(3, random_state=again, **settings)
    assert bits(fit(model, X, checkpoint=path)) == bits(whole)
    assert again.uniform() == mine.uniform()


def stopping(progress):
    if progress.iteration == 4:
        raise StopFit


def test_a_callback_stops_the_fit_where_it_is(random):
    X = clusters(random)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stopped = GaussianMixture(4, n_init=3, random_state=0, tol=0).fit(
            X, callback=stopping
        )
    four = fit(GaussianMixture(4, random_state=0, tol=0, max_iter=4), X)
    assert bits(stopped) == bits(four)
    assert not stopped.converged_


def test_a_stopped_fit_goes_on_later(random, tmp_path):
    X = clusters(random)
    path = tmp_path / "checkpoint.json"
    whole = fit(GaussianMixture(4, random_state=0, tol=1e-5), X)
    model = GaussianMixture(4, random_state=0, tol=1e-5)
    fit(model, X, callback=stopping, checkpoint=path)
    assert model.n_iter_ == 4
    assert bits(fit(model, X, checkpoint=path)) == bits(whole)
    assert not path.exists()


def test_a_fit_that_was_stopped_at_its_end_does_not_go_on(random, tmp_path):
    X = clusters(random)
    path = tmp_path / "checkpoint.json"
    whole = fit(GaussianMixture(4, random_state=0, tol=1e-5), X)

    def stop_at_the_end(progress):
        if progress.iteration == whole.n_iter_:
            raise StopFit

    model = GaussianMixture(4, random_state=0, tol=1e-5)
    assert bits(fit(model, X, callback=stop_at_the_end, checkpoint=path)) == bits(whole)
    assert bits(fit(model, X, checkpoint=path)) == bits(whole)


def test_the_command_line_goes_on_from_a_checkpoint(random, tmp_path):
    data, path = tmp_path / "data.npy", tmp_path / "checkpoint.json"
    np.save(data, clusters(random))

    def command(*options):
        arguments = ["fit", data, "-k", 4, "--tol", 1e-5, "--standardize", *options]
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        return result.output, result.exit_code

    assert command("--output", tmp_path / "whole.json")[1] == 0
    with pytest.MonkeyPatch.context() as patch:
        show = FitProgress.__call__

        def interrupt(self, progress):
            show(self, progress)
            if progress.iteration == 5:
                raise KeyboardInterrupt

        patch.setattr(FitProgress, "__call__", interrupt)
        said, code = command("--checkpoint", path)
    assert code == 130
    assert f"The same command goes on from {path}." in said
    said, code = command("--checkpoint", path, "--output", tmp_path / "resumed.json")
    assert code == 0
    assert "Going on from the checkpoint, at iteration 5." in said
    assert re.search(r"iteration 10, .*, gain \S+, .* rows/s, \d:\d\d:\d\d left", said)
    whole, resumed = (tmp_path / f"{name}.json" for name in ("whole", "resumed"))
    assert resumed.read_bytes() == whole.read_bytes()
    assert not path.exists()


@pytest.fixture
def interrupted(random, tmp_path):
    X = clusters(random)
    path = tmp_path / "checkpoint.json"
    with pytest.raises(Killed):
        fit(
            GaussianMixture(4, random_state=0),
            X,
            callback=killing(0, 3),
            checkpoint=path,
        )
    return X, path


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"tol": 1e-4}, "parameters had tol=0.001, and now it is 0.0001"),
        ({"random_state": None}, "random_state=0, and now it is null"),
        ({"means_init": np.zeros((4, 2))}, "means_init=null, and now it is array"),
    ],
)
def test_other_parameters_are_an_error_that_names_them(interrupted, settings, what):
    X, path = interrupted
    model = GaussianMixture(4, **{"random_state": 0, **settings})
    before = path.read_bytes()
    with pytest.raises(ValueError, match=what):
        model.fit(X, checkpoint=path)
    assert path.read_bytes() == before
    assert not hasattr(model, "means_")


def test_threads_and_what_is_printed_may_differ(interrupted):
    X, path = interrupted
    model = GaussianMixture(4, random_state=0, n_threads=1, verbose_interval=5)
    whole = fit(GaussianMixture(4, random_state=0), X)
    assert bits(fit(model, X, checkpoint=path)) == bits(whole)


def test_other_rows_are_an_error_that_says_so(interrupted):
    X, path = interrupted
    model = GaussianMixture(4, random_state=0)
    changed = X.copy()
    changed[17, 1] += 1e-9
    weights = np.ones(len(X))
    weights[3] = 2
    for rows, sample_weight, what in (
        (X[:-1], None, r"data had shape=\[900, 2\], and now it is \[899, 2\]"),
        (X.astype(np.float32), None, "dtype=float64, and now it is float32"),
        (X, weights, r"sum_of_weights=900\.0, and now it is 901\.0"),
        (changed, None, "values="),
    ):
        with pytest.raises(ValueError, match=what):
            model.fit(rows, sample_weight=sample_weight, checkpoint=path)


def test_a_file_that_is_no_checkpoint_is_left_alone(random, tmp_path):
    path = tmp_path / "precious.json"
    for text, what in (("{}", "is not a checkpoint"), ("mine", "is not JSON")):
        path.write_text(text)
        with pytest.raises(ValueError, match=what):
            GaussianMixture(2).fit(clusters(random), checkpoint=path)
        assert path.read_text() == text


def test_the_format_has_the_name_that_it_always_had(interrupted):
    _, path = interrupted
    assert json.loads(path.read_text())["format"] == "fastem.checkpoint"


def test_a_damaged_checkpoint_names_the_key(interrupted):
    X, path = interrupted
    content = json.loads(path.read_text())
    content["position"]["trace"]["is"] = "subprocess"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'"position": .*Delete the file'):
        GaussianMixture(4, random_state=0).fit(X, checkpoint=path)


def test_a_folder_that_is_not_there_is_an_error_before_the_fit(random, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        GaussianMixture(2).fit(clusters(random), checkpoint=tmp_path / "no" / "file")


@pytest.mark.interpreted
def test_values_are_read_back_to_the_last_bit(random):
    array = random.normal(size=(3, 2)) * 10.0 ** random.integers(-300, 300, (3, 2))
    parameters = MixtureParameters(array[:, 0], array, -array, array * 0.0)
    trace = Trace(3.0, 1e-16, -np.inf, [0.1, 0.2], 1)
    values = {
        "numbers": [1 / 3, -0.0, np.inf, np.nan, 2**100, True, None, "text"],
        "tuple": (1, (2.5,)),
        "arrays": [np.array([np.nan, -np.inf, 1.0]), np.arange(3, dtype=np.uint32)],
        "values": [parameters, trace, Convergence(1.0)],
        "empty": [np.empty(0), np.empty((0, 2))],
    }
    text = json.dumps(to_json(values), allow_nan=False)
    read = from_json(json.loads(text), [MixtureParameters, Trace, Convergence])
    assert repr(read) == repr(values)
    assert read["values"][0].means.tobytes() == array.tobytes()
    for layout in ((0, 1, 2), (0, 2, 1), (2, 1, 0)):
        laid_out = random.normal(size=(4, 3, 2)).transpose(layout)
        again = from_json(json.loads(json.dumps(to_json(laid_out))), [])
        assert again.strides == laid_out.strides
        assert np.array_equal(again, laid_out)
    with pytest.raises(ValueError, match="no value that fastem has written"):
        from_json(json.loads(text), [Trace])
