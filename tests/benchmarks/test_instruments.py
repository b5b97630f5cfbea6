"""The instruments of scripts/bench beside the main table: tiny, without downloads."""

import importlib
import re
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

import benchmarks.measure
import fastem
from benchmarks import (
    __main__ as command_line,
)
from benchmarks import (
    cluster,
    drivers,
    end_to_end,
    instruments,
    narrow,
    others,
    packages,
    passes,
    predictions,
    problems,
    scaling,
    skipping,
    slow_problems,
    starting,
    streaming,
    streams,
    table_runs,
    tables,
    wide,
)
from benchmarks.instruments import INSTRUMENTS, Options
from benchmarks.libraries import FASTEM, SCIKIT_LEARN
from benchmarks.measure import DisagreementError, Result, Sample, Timing
from benchmarks.problems import Problem, generate
from benchmarks.rounds import Rounds, alternate

TINY = Problem("tiny", 300, 3, 2)
OPTIONS = Options(short=True, repeats=2, n_threads=2, patience=0)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Problems this tiny take less time than a busy machine's clock is off."""
    monkeypatch.setattr(benchmarks.measure, "_MOST_RETRIES", 1000)


def lines_of(table):
    """Its lines, which must all have the same number of cells."""
    lines = table.splitlines()
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    return lines


def result_of(milliseconds, problem=TINY, one_thread_ms=None):
    def timing(ms):
        return Timing(0.1, 3, [Sample(ms / 1e3, ms / 1e3, ms / 1e3)] * 3)

    timings = {FASTEM: timing(milliseconds)}
    if one_thread_ms:
        timings[passes.ONE_THREAD] = timing(one_thread_ms)
    return Result(problem, timings, -1.5, 1e9)


@pytest.fixture
def no_tables(monkeypatch):
    for module in (end_to_end, skipping):
        monkeypatch.setattr(module, "load_available", lambda *_: ({}, ""))


@pytest.fixture
def only_tiny_problems(monkeypatch):
    named = {"full-tiny-3-2": replace(TINY, name="full-tiny-3-2", is_short=True)}
    monkeypatch.setattr(problems, "PROBLEMS", named)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_has_a_module(name):
    module = importlib.import_module(f"benchmarks.{name.replace('-', '_')}")
    assert callable(module.document)


def test_the_command_line_runs_the_instrument_that_it_names(
    monkeypatch, tmp_path, capsys
):
    asked = []

    def run(name, options):
        asked.append((name, options))
        return "| a table |\n"

    monkeypatch.setattr(instruments, "run", run)
    file = tmp_path / "table.md"
    words = f"bench --end-to-end --short --tables ocean --repeats 3 --output {file}"
    monkeypatch.setattr("sys.argv", words.split())
    assert command_line.main() == 0
    ((name, options),) = asked
    assert name == "end-to-end"
    assert (options.short, options.tables, options.repeats) == (True, ["ocean"], 3)
    assert "| a table |" in capsys.readouterr().out
    assert file.read_text() == "| a table |\n"


@pytest.mark.parametrize(
    "words", ["--passes --scaling", "--passes --readme", "--passes --tables sea"]
)
def test_what_does_not_go_together_is_refused(monkeypatch, words):
    monkeypatch.setattr("sys.argv", ["bench", *words.split()])
    monkeypatch.setattr(instruments, "run", None)
    try:
        status = command_line.main()
    except SystemExit as exit:
        status = exit.code
    assert status == 2


def test_actions_take_turns_and_are_timed_by_the_call():
    called = []
    actions = {name: lambda name=name: called.append(name) for name in "AB"}
    rounds = alternate(actions, repeats=3)
    assert called[-6:] == list("ABABAB")
    assert {len(samples) for samples in rounds.samples.values()} == {3}


def test_ratios_of_actions_are_taken_round_by_round():
    rounds = Rounds(
        {
            "A": [Sample(2, 1, 1), Sample(9, 1, 1)],
            "B": [Sample(1, 1, 1), Sample(3, 1, 1, others=0.5)],
        }
    )
    assert rounds.ratios("A", "B") == [2, 3]
    assert rounds.seconds("B") == 2
    assert (rounds.n_disturbed, rounds.n_samples) == (1, 4)


def test_a_table_that_cannot_be_had_is_named_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail():
        raise packages.UnavailableError("there is no pip: install it")

    rows = np.arange(20.0).reshape(10, 2)
    good = tables.RealTable("good", "a table", 10, 2, lambda: rows)
    changed = tables.RealTable("changed", "a table", 11, 2, lambda: rows)
    missing = tables.RealTable("missing", "a table", 10, 2, fail)
    found, left_out = tables.load_available(
        [good, changed, missing], lambda text: None, most_rows=5
    )
    assert list(found) == ["good"]
    assert np.array_equal(found["good"], rows[::2])
    assert "missing (there is no pip: install it)" in left_out
    assert "changed has the shape (10, 2) instead of (11, 2)" in left_out
    again = replace(good, read=fail)
    assert np.array_equal(tables.load(again), rows), "not from the cache"


def test_tables_are_chosen_by_name():
    assert [table.name for table in tables.select_tables(["ocean"])] == ["ocean"]
    assert len(tables.select_tables([])) == len(tables.TABLES)
    with pytest.raises(ValueError, match="no table is named 'sea'"):
        tables.select_tables(["sea"])


def test_a_package_client_that_fails_says_why_and_what_to_do(tmp_path):
    with pytest.raises(packages.UnavailableError, match="no no-such-client: install"):
        packages.run_client(["no-such-client"], tmp_path, "install it")
    command = ["sh", "-c", "echo first >&2; echo the reason >&2; exit 3"]
    with pytest.raises(packages.UnavailableError, match=r"the reason\): try again"):
        packages.run_client(command, tmp_path, "try again")


def test_passes_are_held_against_their_targets():
    problem = Problem("full", 1000, 16, 4)
    # 2 * 1000 * 4 * 16 * 17 operations in 4 ms, of 1e9 a second.
    table = passes.pass_table(
        [passes._case(problem)], [result_of(4, problem, one_thread_ms=6)], 2
    )
    line = lines_of(table)[2]
    assert "| 2000 | - | 0.54 | 1.00 | 54 % | 45 %, met |" in line
    assert "| 1.50x (1.50 to 1.50) | 1.9x, missed |" in line


def test_tied_and_float32_are_compared_with_full_float64_by_the_row():
    full = Problem("full", 1000, 16, 4)
    results = [
        result_of(12, full),
        result_of(1, replace(full, name="tied", n_rows=500, covariance_type="tied")),
        result_of(6, replace(full, name="single", dtype="float32")),
        result_of(6, replace(full, name="alone", n_features=8, dtype="float32")),
    ]
    lines = lines_of(passes.comparisons(results))
    assert len(lines) == 4
    assert "| tied against full | 6.00x | 5x, met |" in lines[2]
    assert "| single against full | 2.00x | 1.6x, met |" in lines[3]


def test_passes_and_predictions_are_measured(monkeypatch):
    monkeypatch.setattr(passes, "_problems", lambda short: [TINY])
    monkeypatch.setattr(predictions, "_SHAPES", ((3, 2),))
    monkeypatch.setattr(predictions, "_NUMBERS_OF_ROWS", (1, 10))
    text = passes.document(OPTIONS)
    assert "| tiny |" in text
    assert "| 1 x 3, K = 2 |" in text


def test_a_model_given_to_scikit_learn_predicts_the_same():
    X, ours, theirs = predictions.fitted_pair(TINY)
    assert np.allclose(ours.predict_proba(X), theirs.predict_proba(X))


def test_a_worker_reaches_what_the_library_itself_reaches():
    again = others.Library("again", others.FASTEM.command, mean_target=1e9)
    pair = others.measure_pair(TINY, again, repeats=2, seconds=0.01, patience=0)
    X, start = generate(TINY)
    model = fastem.GaussianMixture(
        2,
        tol=0,
        reg_covar=0,
        max_iter=others.N_CHECKED,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=start.precisions,
    )
    with pytest.warns(Warning, match="did not converge"):
        model.fit(X)
    assert pair.log_likelihoods["again"] == pytest.approx(model.score(X), rel=1e-12)
    lines = lines_of(others.pair_table(again, [pair]))
    assert f"fastem {fastem.__version__}" in lines[0]
    assert ", equal |" in lines[2]
    assert "1e+09x, missed" in lines[-1]


def test_a_whole_run_on_a_table_is_timed_beside_another_library():
    again = others.Library("oneDAL", others.FASTEM.command)
    X = table_runs.without_ties(np.repeat(generate(TINY)[0], 2, axis=0))
    assert len(np.unique(X, axis=0)) == len(X)
    start = table_runs.start_of(X, 2)
    runs = table_runs.measure_runs(X, start, again, repeats=2, patience=0)
    assert all(len(seconds) == 2 for seconds in runs.seconds.values())
    lines = lines_of(table_runs.runs_table(again, {("tiny", 64): runs}))
    assert lines[2].startswith("| tiny, K = 64 |")
    assert ", equal |" in lines[2]
    assert "(target 4x, missed)" in lines[3]


def test_another_answer_is_shown_as_different():
    pair = others.Pair(
        TINY,
        {"other": "other 1.0"},
        {"fastem": -2.0, "other": -2.1},
        {"fastem": [1.0], "other": [4.0]},
    )
    table = others.pair_table(others.Library("other", list), [pair, pair])
    assert "| 4.00x | 1x, met |" in table
    assert "5e-02, DIFFERENT" in table


def test_a_worker_that_fails_is_left_out_with_its_last_words(tmp_path):
    broken = others.worker(["sh", "-c", "echo so it is >&2"], tmp_path, (300, 3, 2))
    with (
        pytest.raises(packages.UnavailableError, match="its worker ended: so it is"),
        broken,
    ):
        pass


@pytest.mark.exhaustive
def test_a_cluster_is_measured_beside_one_process():
    again = others.Library(cluster.ON_DASK.name, others.FASTEM.command)
    libraries = [others.FASTEM, again]
    samples, reached = cluster.measure_side_by_side(TINY, libraries, 2, 1e-3)
    assert {len(seconds) for seconds in samples.values()} == {2}
    cells = cluster.cluster_row(TINY, samples, reached)
    assert cells[3:5] == ["-", "-"], "Spark, which is not there"
    assert cells[6:] == ["0e+00", "-"]


def test_what_dask_costs_is_a_difference():
    names = others.FASTEM.name, cluster.ON_DASK.name, cluster.SPARK.name
    seconds = dict(zip(names, ([0.1], [0.12], [2.4]), strict=True))
    reached = dict(zip(names, (-2.0, -2.0, -2.002), strict=True))
    cells = cluster.cluster_row(TINY, seconds, reached)
    assert cells[1:] == ["100", "120", "2400", "20.0x", "20.0", "0e+00", "1e-03"]


@pytest.mark.usefixtures("no_tables", "only_tiny_problems")
def test_whole_fits_are_measured():
    text = end_to_end.document(OPTIONS)
    assert "| full-tiny-3-2 (15 x 3, 2) |" in text
    assert "not lower" in text
    assert "| geometric mean |" in text


def test_streams_are_measured(monkeypatch):
    small = replace(TINY, n_rows=1000)
    monkeypatch.setattr(streams, "select", lambda patterns, short: [small])
    text = streams.document(OPTIONS)
    head, _, line = lines_of(text[text.index("| problem") :].strip())
    cells = dict(zip(head.split("|"), line.split("|"), strict=True))
    assert cells[" problem (type-N-D-K) "] == " tiny "
    lost = -float(cells[" one pass, difference "])
    assert cells[" target, loss at most "].strip() == (
        f"0.01 nats, {'met' if lost <= 0.01 else 'missed'}"
    )


def test_a_lower_log_likelihood_is_shown():
    def fits(seconds, log_likelihood):
        return end_to_end.Fits([seconds], [log_likelihood], [5])

    table = end_to_end.fit_table(
        {
            "a": {SCIKIT_LEARN: fits(9.0, -1.0), FASTEM: fits(1.0, -1.1)},
            "b": {SCIKIT_LEARN: fits(4.0, -1.0), FASTEM: fits(1.0, -1.0)},
        }
    )
    first, second, last = lines_of(table)[2:]
    assert "LOWER by 1.0e-01" in first
    assert "not lower" in second
    assert "| 6.00x (target 15x, missed) |" in last


@pytest.mark.parametrize("case", slow_problems.CASES, ids=lambda case: case.name)
def test_the_rows_of_each_slow_problem_are_there(case):
    assert len(case.rows()) >= 100


def test_passes_to_the_limit_are_counted(monkeypatch):
    def without_acceleration(K, accelerate=False, **parameters):
        return fastem.GaussianMixture(K, **parameters)

    monkeypatch.setattr(slow_problems, "_Mixture", without_acceleration)
    case = slow_problems.Case("tiny", lambda: generate(TINY)[0], 2)
    plain, fast = slow_problems.measure_case(case, most_passes=200)
    assert (plain.passes, plain.limit) == (fast.passes, fast.limit)
    bounds = fastem.GaussianMixture(2, tol=0, max_iter=plain.passes, random_state=0)
    with pytest.warns(Warning, match="did not converge"):
        bounds.fit(case.rows())
    assert plain.limit - bounds.lower_bounds_[-1] <= slow_problems.CLOSE
    assert plain.limit - bounds.lower_bounds_[-2] > slow_problems.CLOSE


def test_fewer_passes_and_lower_limits_are_shown():
    slow = slow_problems.Case("slow", lambda: generate(TINY)[0], 2)
    easy = replace(slow, name="easy", is_slow=False)
    plain = slow_problems.Way(400, -1.0, 0.4)
    lines = lines_of(
        slow_problems.acceleration_table(
            [slow, easy],
            [
                (plain, slow_problems.Way(100, -1.0, 0.1)),
                (plain, slow_problems.Way(500, -1.1, 0.5)),
            ],
        )
    )
    assert "| 400 | 100 | 4.00x |" in lines[2]
    assert lines[3].endswith("-1.100000, LOWER |")
    assert "4.00x (target 3x, met)" in lines[4]
    assert "0.80x (target 0.95x, missed)" in lines[5]


def test_stopping_rules_are_held_against_the_best(monkeypatch):
    monkeypatch.setattr(slow_problems, "_MOST_PASSES", 100)
    lines = lines_of(slow_problems.stopping_table(500))
    assert any(line.endswith("| 0.000 |") for line in lines)


def test_exponents_are_those_of_a_power_law(tmp_path):
    series = scaling.all_series(n_threads=3, short=False)
    assert series[-1].values == (1, 2, 3)
    measured = [
        scaling.Measured(
            one, [1e-4 * v**1.5 for v in one.values], [-1.0] * len(one.values)
        )
        for one in series
    ]
    for one in measured:
        assert one.exponent == pytest.approx(1.5)
        assert one.last_exponent == pytest.approx(1.5)
    lines_of(scaling.exponent_table(measured))
    scaling.draw(measured, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("is_threads", [False, True])
def test_a_series_is_measured(is_threads):
    tiny = (replace(TINY, n_rows=200), TINY)
    values = (1, 2) if is_threads else (200, 300)
    series = scaling.Series(
        "rows N", "all else", "1", values, (TINY, TINY) if is_threads else tiny
    )
    measured = scaling.measure_series(
        replace(series, is_threads=is_threads), 1, 1e-3, 0
    )
    assert len(measured.seconds) == len(measured.log_likelihoods) == 2
    assert min(measured.seconds) > 0


def test_imports_are_compared_round_by_round():
    seconds = {name: [1.0, 2.0] for name in starting._IMPORTS}
    seconds[FASTEM] = [1.1, 2.4]
    lines = lines_of(starting.import_table(seconds))
    assert "| 1.15x | 1.2x, met |" in lines[2]


def test_small_problems_are_measured_beside_scikit_learn():
    table, rounds = starting._measure_small(1, OPTIONS)
    assert len(lines_of(table)) == 2 + rounds.n_samples // 2


def test_other_widths_are_measured_with_their_own_peak(monkeypatch):
    monkeypatch.setattr(narrow, "PROBLEMS", {"tiny": TINY})
    monkeypatch.setattr(narrow, "_PROBLEMS", ("tiny",))
    found = narrow.measure_here(1, 2, patience=0, short=False)
    assert found[0]["difference"] < 1e-9
    found[0] |= {"rate": 4e9, "peak": 10e9}
    lines = lines_of(narrow.width_table({"native": found, "haswell": found}))
    assert "| 40 % | - |" in lines[2]
    assert "| 40 % | 50 %, missed |" in lines[3]


def test_drivers_are_compared(monkeypatch):
    monkeypatch.setattr(drivers, "_NUMBERS_OF_ROWS", (500, 40_000))
    monkeypatch.setattr(drivers, "numbers_of_threads", lambda _: [1, 2])
    text = drivers.document(OPTIONS)
    lines = lines_of(text.split("\n\n")[1])
    assert [line.split(" | ")[:2] for line in lines[2:]] == [
        [f"| {n_rows}", n_threads] for n_rows in ("500", "40,000") for n_threads in "12"
    ]


def test_other_bits_are_no_comparison(monkeypatch):
    monkeypatch.setattr(drivers, "expectation_pass", lambda _: lambda n: [float(n)])
    with pytest.raises(DisagreementError, match="threads: 2 threads do not give"):
        next(drivers.compare(500, [2], 1, 0.0, 0.0))


def test_the_driver_that_takes_less_time_is_named():
    def compared(n_threads, seconds):
        samples = {drivers.PYTHON: [1.0] * len(seconds), drivers.NUMBA: seconds}
        rounds = Rounds(
            {name: [Sample(s, s, s) for s in some] for name, some in samples.items()}
        )
        return drivers.Compared(1000, n_threads, -1.5, rounds)

    found = [
        compared(1, [0.5] * 4),
        compared(2, [0.5] * 4),
        compared(4, [2.0] * 4),
        compared(8, [0.5, 0.5, 2.0, 2.0]),
    ]
    assert [one.winner for one in found] == ["numba", "numba", "threads", None]
    assert drivers.summary(found).splitlines()[2:] == [
        "- `threads`: 1,000 rows on 4.",
        "- `numba`: 1,000 rows on 2.",
        "- neither: 1,000 rows on 8.",
    ]
    assert "| 2.00x (2.00 to 2.00) | numba |" in drivers.comparison_table(found)
    assert drivers.numbers_of_threads(1) == [1]
    assert drivers.numbers_of_threads(2) == [1, 2]
    assert drivers.numbers_of_threads(12) == [1, 2, 4, 8, 12]


@pytest.mark.usefixtures("no_tables", "only_tiny_problems")
def test_passes_that_leave_out_are_measured(monkeypatch):
    monkeypatch.setattr(skipping, "_leaving_out", lambda skip: nullcontext())
    text = skipping.document(OPTIONS)
    assert "| full-tiny-3-2 |" in text
    assert "| 0e+00 |" in text


def test_speed_counts_where_there_are_most_components():
    def runs(seconds):
        return [skipping.PassTimes(seconds, 0.1, -1.0)]

    few = skipping.OnAndOff("sea, full, K = 16", 0.5, runs(3.0), runs(1.0))
    many = replace(few, name="sea, full, K = 64")
    lines = lines_of(skipping.speed_table([few, many], 64))
    assert lines[2].endswith("| - |")
    assert lines[3].endswith("| 4x, missed |")
    slower = replace(few, on=runs(3.3))
    assert "| +10.0 % | 3 %, missed |" in skipping.cost_table([slower])


def test_other_types_are_measured_on_tables_of_many_columns(monkeypatch):
    random = np.random.default_rng(0)
    rows = {"few": random.normal(size=(900, 3)), "many": random.normal(size=(900, 7))}
    monkeypatch.setattr(skipping, "load_available", lambda *_: (rows, ""))
    monkeypatch.setattr(skipping, "select", lambda *_, **__: [])
    monkeypatch.setattr(skipping, "COMPONENTS", (2,))
    monkeypatch.setattr(skipping, "OTHER_COMPONENTS", (2,))
    text = skipping.document(OPTIONS)
    kinds = re.findall(r"^\| (few|many) \(.*?\), (\w+), K = 2 \|", text, re.MULTILINE)
    others = [("many", kind) for kind in skipping.OTHER_TYPES]
    assert kinds == [("few", "full"), ("many", "full"), *others]


@pytest.mark.parametrize("kind", ["full", *skipping.OTHER_TYPES])
def test_the_share_that_counts_is_one_where_all_overlap(kind):
    X = np.random.default_rng(0).standard_normal((500, 2))
    model = skipping.model_of_table(X, 3, kind)
    assert model.covariance_type == kind
    assert 0.9 < skipping.share_that_counts(X, model) <= 1


@pytest.mark.exhaustive
def test_a_folder_is_generated_fitted_and_deleted(monkeypatch, tmp_path):
    monkeypatch.setattr(streaming, "_SHORT_GIGABYTES", 2e-4)
    monkeypatch.setattr(streaming, "_PART_ROWS", 900)
    monkeypatch.setattr(streaming.tempfile, "tempdir", str(tmp_path))
    _, of_passes, of_fits = streaming.document(OPTIONS).split("\n\n")
    *_, kept, killed = lines_of(of_fits)
    assert kept.endswith("| the same |")
    assert killed.endswith("| the same |")
    line = lines_of(of_passes)[2]
    assert "| 1,562 |" in line
    assert "1000 MB, met |" in line
    assert "70 %" in line
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_too_small_for_the_folder_is_named(monkeypatch, tmp_path):
    free = streaming.shutil.disk_usage(tmp_path)._replace(free=10**6)
    monkeypatch.setattr(streaming.shutil, "disk_usage", lambda _: free)
    with pytest.raises(OSError, match=r"0\.0 GB left, and 1\.0 GB are to be written"):
        streaming.write_folder(tmp_path, 1e9, lambda _: None)


def test_wide_fits_are_compared_by_processor_time(monkeypatch):
    monkeypatch.setattr(wide, "WIDE", [replace(TINY, n_features=30)])
    head, _, line = lines_of(wide.document(OPTIONS).split("\n\n")[1])
    heads, found = (text.strip("| ").split(" | ") for text in (head, line))
    assert heads[-1] == "fastem, log-likelihood of a row, nats"
    assert found[-1] == found[-2]
    rounds = Rounds(
        {
            SCIKIT_LEARN: [Sample(1.0, 2.0, 1.0)] * 3,
            FASTEM: [Sample(1.0, 3.0, 1.0)] * 3,
        }
    )
    models = {library: fastem.GaussianMixture(1).fit([[0.0], [1.0]]) for library in
              (FASTEM, SCIKIT_LEARN)}  # fmt: skip
    cells = wide.cells(TINY, rounds, models)
    assert cells[1:5] == ["2000", "3000", "1.50x (1.50 to 1.50)", "missed"]
