"""The arithmetic of the benchmarks: no test here looks at a clock."""

from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest

import benchmarks.measure
from benchmarks import numpy_reference, regression, table
from benchmarks.libraries import FASTEM, LIBRARIES, NUMPY, SCIKIT_LEARN
from benchmarks.machine import Machine
from benchmarks.measure import (
    TOLERANCES,
    DisagreementError,
    Result,
    Sample,
    Timing,
    measure,
    relative_difference,
)
from benchmarks.problems import PROBLEMS, Problem, generate, select
from benchmarks.session import select_libraries

TINY = Problem("tiny", 300, 3, 2)
MACHINE = Machine("a processor", 2, 2, 512, "a BLAS", "3.11", {"numpy": "2"}, "today")


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Problems this tiny take less time than a busy machine's clock is off."""
    monkeypatch.setattr(benchmarks.measure, "_MOST_RETRIES", 1000)


def timing(*milliseconds, parallel_share=0.5):
    samples = [
        Sample(ms / 1e3, ms / 1e3, ms / 1e3 * (1 - parallel_share))
        for ms in milliseconds
    ]
    return Timing(0.1, 3, samples, 1e-15)


def result_of(fastem_ms, numpy_ms, parallel_share=0.5, problem=TINY):
    timings = {
        FASTEM: timing(*fastem_ms, parallel_share=parallel_share),
        NUMPY: timing(*numpy_ms),
    }
    return Result(problem, timings, -1.5, 1e12)


def comparison_of(fastem_ms, numpy_ms, recorded, parallel_share=0.5, limit=1.35):
    record = {"problems": {"tiny": {"ratio": recorded}}}
    result = result_of(fastem_ms, numpy_ms, parallel_share)
    return regression.compare(result, record, MACHINE, limit)


def measure_tiny():
    return measure(
        TINY,
        [FASTEM, NUMPY],
        repeats=2,
        seconds_a_run=1e-3,
        with_peak=False,
        report=lambda text: None,
    )


def test_ratios_are_taken_round_by_round():
    result = result_of([1, 2, 30], [10, 40, 90])
    assert result.ratios(NUMPY, FASTEM) == pytest.approx([10, 20, 3])


def test_a_slowdown_fails_only_past_both_thresholds():
    slower_by_both = comparison_of([2.0], [10], recorded=0.1)
    assert slower_by_both.slowdown == pytest.approx(2)
    assert slower_by_both.lost_ms == pytest.approx(1)
    assert slower_by_both.is_regression
    assert "SLOWER" in slower_by_both.verdict
    twice_as_slow_but_tiny = comparison_of([0.02], [0.1], recorded=0.1)
    assert not twice_as_slow_but_tiny.is_regression
    much_lost_but_relatively_little = comparison_of([12.0], [100], recorded=0.1)
    assert not much_lost_but_relatively_little.is_regression
    assert much_lost_but_relatively_little.verdict == "ok"


def test_a_slower_machine_is_no_regression():
    assert not comparison_of([9.0], [90], recorded=0.1).is_regression


def test_the_looser_limit_of_another_machine_is_kept():
    assert comparison_of([1.8], [10], recorded=0.1).is_regression
    assert not comparison_of([1.8], [10], recorded=0.1, limit=2.0).is_regression


def test_losing_the_threads_is_a_regression_though_no_work_was_added():
    serial = comparison_of([1.0], [10], recorded=0.1, parallel_share=0.02)
    assert not serial.is_slower
    assert serial.is_regression
    assert "NOT PARALLEL" in serial.verdict
    assert not replace(serial, n_threads=1).is_regression


def test_the_better_of_two_measurements_counts():
    slow = comparison_of([2.0], [10], recorded=0.1)
    fine = comparison_of([1.1], [10], recorded=0.1)
    serial = comparison_of([1.0], [10], recorded=0.1, parallel_share=0.0)
    assert regression.better(slow, fine) is fine
    assert regression.better(fine, slow) is fine
    assert regression.better(serial, fine) is fine


def test_a_record_survives_its_file(tmp_path):
    path = tmp_path / "recorded.json"
    empty = regression.read_record(path)
    assert empty["problems"] == {}
    record = regression.updated_record(empty, [result_of([1], [10])], MACHINE)
    regression.write_record(record, path)
    assert regression.read_record(path) == record
    assert regression.differences(record, MACHINE) == []
    assert record["problems"]["tiny"]["ratio"] == pytest.approx(0.1)


def test_a_record_keeps_other_problems_of_the_same_machine_only():
    first = regression.updated_record(
        {"machine": {}, "problems": {}}, [result_of([1], [10])], MACHINE
    )
    other = result_of([3], [10], problem=replace(TINY, name="other"))
    assert set(regression.updated_record(first, [other], MACHINE)["problems"]) == {
        "tiny",
        "other",
    }
    without_avx512 = replace(MACHINE, vector_bits=256)
    (difference,) = regression.differences(first, without_avx512)
    assert "vector_bits" in difference
    record = regression.updated_record(first, [other], without_avx512)
    assert set(record["problems"]) == {"other"}


def test_the_comparison_table_names_the_slow_problem():
    text = regression.comparison_table([comparison_of([2.0], [10], recorded=0.1)])
    assert "| tiny | 0.1000 | 0.2000 | 2.00x | +1.00 | 50 % | SLOWER" in text


def test_each_problem_has_a_line_and_each_line_the_same_cells():
    problem = replace(TINY, target=8.0)
    result = result_of([1, 1, 2], [10, 20, 30], problem=problem)
    result.timings[SCIKIT_LEARN] = timing(6, 7, 8)
    lines = table.results_table([result, result]).splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    assert "| 6.00x (5.00 to 6.50) | 8x, missed |" in lines[2]
    assert "| 15.0x (12.5 to 17.5) |" in lines[2]


def test_a_table_can_do_without_the_other_libraries():
    result = Result(TINY, {FASTEM: timing(1, 1, 2)}, -1.5, 1e12)
    assert "scikit-learn" not in table.results_table([result])


def test_only_the_text_between_the_markers_is_replaced():
    text = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    new = table.replace_between_markers(text, "| new |\n")
    assert new == f"before\n{table.BEGIN}\n| new |\n{table.END}\nafter\n"
    assert table.replace_between_markers(new, "| new |\n") == new


def test_the_document_has_a_place_for_the_table():
    document = Path(table.__file__).with_name("README.md").read_text()
    assert "| new |" in table.replace_between_markers(document, "| new |")


@pytest.mark.parametrize(
    "text", ["no markers", f"{table.BEGIN} only", f"{table.END} {table.BEGIN}"]
)
def test_a_text_without_both_markers_is_an_error(text):
    with pytest.raises(ValueError, match="benchmark table"):
        table.replace_between_markers(text, "new")


def test_operations_are_counted_as_documented():
    assert Problem("", 10, 4, 3).flops == 2 * 10 * 3 * 4 * 5
    assert Problem("", 10, 4, 3, "tied").flops == 2 * 10 * (4 * 5 + 3 * 3 * 4)
    assert Problem("", 10, 4, 3, "diag").flops == 2 * 10 * 4 * 3 * 4
    assert Problem("", 10, 4, 3, "spherical").flops == 2 * 10 * 3 * 3 * 4


def test_names_are_looked_up_and_unknown_ones_are_refused():
    assert {p.name for p in select(["diag-*"], short=False)} == {
        "diag-200k-16-16",
        "diag-200k-16-16-float32",
    }
    assert all(p.is_short for p in select([], short=True))
    with pytest.raises(ValueError, match="no problem is named 'nothing'"):
        select(["nothing"], short=False)
    assert select_libraries(["numpy", "FASTEM"]) == [FASTEM, NUMPY]
    with pytest.raises(ValueError, match="no library is named 'mclust'"):
        select_libraries(["mclust"])


def test_every_problem_is_under_its_own_name():
    assert all(name == problem.name for name, problem in PROBLEMS.items())


def test_a_problem_is_the_same_each_time():
    (X, start), (again, start_again) = generate(TINY), generate(TINY)
    assert np.array_equal(X, again)
    assert np.array_equal(start.means, start_again.means)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_all_libraries_reach_the_same_log_likelihoods(covariance_type, dtype):
    problem = replace(TINY, covariance_type=covariance_type, dtype=dtype)
    X, start = generate(problem)
    histories = {
        library: prepare(problem, X, start)(5) for library, prepare in LIBRARIES.items()
    }
    assert {len(history) for history in histories.values()} == {5}
    for history in histories.values():
        difference = relative_difference(history, histories[SCIKIT_LEARN])
        assert difference < TOLERANCES[dtype]


def test_a_log_likelihood_that_is_not_a_number_agrees_with_nothing():
    assert relative_difference([1.0, float("nan")], [1.0, 2.0]) == float("inf")


def test_a_wrong_library_is_not_timed_but_refused(monkeypatch):
    right = LIBRARIES[FASTEM]

    def prepare_wrong(problem, X, start):
        run = right(problem, X, start)
        return lambda n: [bound * (1 + 1e-7) for bound in run(n)]

    monkeypatch.setitem(LIBRARIES, FASTEM, prepare_wrong)
    with pytest.raises(DisagreementError, match="fastem on tiny"):
        measure_tiny()


def test_measuring_gives_a_sample_a_round():
    result = measure_tiny()
    for measured in result.timings.values():
        assert len(measured.samples) == 2
        assert median(measured.wall) > 0
    assert result.timings[NUMPY].difference == 0


def test_reference_factors_are_those_of_the_precisions():
    random = np.random.default_rng(0)
    root = random.standard_normal((2, 4, 4))
    precisions = root @ root.transpose(0, 2, 1) + np.eye(4)
    factors = numpy_reference.factors_of_precisions(precisions, "full")
    assert np.allclose(np.tril(factors, -1), 0)
    assert np.allclose(factors @ factors.transpose(0, 2, 1), precisions)
