"""The loop, with steps made up for the purpose."""

import math

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastem.em import loop
from fastem.em.acceleration import PlainPath
from fastem.em.convergence import Trace
from fastem.em.progress import Progress, Reporter
from fastem.em.stopping import SmallChange
from fastem.runtime import compiling
from fastem.statistics import SufficientStatistics

pytestmark = pytest.mark.interpreted


def statistics_of(total, weights=(1.0, 3.0)):
    points = np.zeros((2, 1))
    return SufficientStatistics(
        total, np.array(weights), points, points, np.zeros((2, 1))
    )


class Steps:
    """Expectation and maximisation that follow a script of mean log-likelihoods."""

    def __init__(self, lower_bounds):
        self.totals = [4 * bound for bound in lower_bounds]  # of rows of weight 4
        self.calls = []

    def expect(self, parameters):
        self.calls.append(("expect", parameters))
        return statistics_of(self.totals[parameters])

    def maximize(self, statistics):
        self.calls.append(("maximize", statistics.log_likelihood))
        return self.totals.index(statistics.log_likelihood) + 1


class ScriptedMaximization:
    """The maximisation step of the script, which may lower bounds by so much."""

    collapses = ()

    def __init__(self, maximize, allowed):
        self._maximize = maximize
        self._allowed = allowed

    def __call__(self, statistics, before):
        return self._maximize(statistics)

    def largest_fall(self, statistics, before, after):
        return self._allowed


def run(
    lower_bounds,
    reporter=None,
    tol=1e-3,
    lower_bound=-math.inf,
    largest_fall=0.0,
    **options,
):
    steps = Steps(lower_bounds)
    path = options.pop("path", PlainPath(None))
    fit = loop.fit(
        loop.Position.start(0, Trace(4, 1e-15, lower_bound), path),
        steps.expect,
        ScriptedMaximization(steps.maximize, largest_fall),
        rule=SmallChange(tol),
        reporter=reporter or Reporter(0, 1, None),
        **{"max_iter": 10, **options},
    )
    return fit, steps


def test_it_stops_when_the_gain_is_below_tol():
    fit, steps = run([-5.0, -4.0, -3.9995, -3.0])
    assert fit.converged
    assert fit.n_iter == 3
    assert fit.lower_bounds == [-5.0, -4.0, -3.9995]
    assert fit.lower_bound == -3.9995
    # The last maximisation step is taken too.
    assert fit.parameters == 3
    assert [call[0] for call in steps.calls] == ["expect", "maximize"] * 3


def test_a_gain_of_exactly_tol_goes_on():
    fit, _ = run([-5.0, -4.5, -4.25, -4.25], tol=0.25)
    assert fit.n_iter == 4


def test_the_first_iteration_never_converges_by_itself():
    fit, _ = run([-5.0], max_iter=1, tol=1e300)
    assert not fit.converged


def test_it_stops_at_max_iter_without_having_converged():
    fit, _ = run([-5.0, -4.0, -3.0, -2.0], max_iter=3)
    assert not fit.converged
    assert fit.n_iter == 3
    assert fit.parameters == 3


def test_no_iteration_returns_the_start():
    fit, steps = run([-5.0], max_iter=0)
    assert fit.parameters == 0
    assert fit.lower_bound == -math.inf
    assert not fit.converged
    assert steps.calls == []


def test_the_lower_bound_is_a_mean_over_the_weight_of_all_rows():
    fit, steps = run([-5.0, -4.0], max_iter=2)
    assert steps.totals[0] == -20
    assert fit.lower_bounds[0] == -5


def test_a_continued_run_can_converge_at_once():
    fit, _ = run([-5.0, -4.0], lower_bound=-5.0004)
    assert fit.converged
    assert fit.n_iter == 1


def test_a_fall_beyond_rounding_is_warned_of():
    with pytest.warns(ConvergenceWarning, match=r"fell by 1\.0e\+00 in iteration 2"):
        run([-5.0, -6.0, -6.0], largest_fall=0.9)


def test_a_fall_that_a_ridge_may_cause_is_not_warned_of():
    run([-5.0, -6.0, -6.0], largest_fall=1.0)


def test_a_fall_by_rounding_is_not_warned_of():
    run([-5.0, -5.0 - 1e-12, -5.0])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_log_likelihood_that_is_no_number_is_an_error(bad):
    with pytest.raises(ValueError, match="iteration 2"):
        run([-5.0, bad])


def test_the_reporter_is_told_everything():
    seen = []
    run([-5.0, -4.0, -4.0], Reporter(0, 1, seen.append))
    assert all(isinstance(progress, Progress) for progress in seen)
    assert [p.iteration for p in seen] == [1, 2, 3]
    assert [p.lower_bound for p in seen] == [-5.0, -4.0, -4.0]
    assert [p.change for p in seen] == [math.inf, 1.0, 0.0]


def test_the_time_left_follows_from_how_the_gains_shrink():
    # The gain of iteration n is 2^(1 - n): less than tol at n = 11.
    bounds = [-(0.5**n) for n in range(30)]
    seen = []
    reporter = Reporter(0, 1, seen.append, n_rows=1000)
    run(bounds, reporter, tol=1e-3, max_iter=25)
    assert seen[-1].iteration == 11
    seconds = [p.seconds for p in seen]
    for p in seen:
        average = np.mean(seconds[max(0, p.iteration - 10) : p.iteration])
        assert p.rows_per_second == pytest.approx(1000 / average)
        # Five bounds are needed to tell; until then max_iter is the limit.
        left = 25 - p.iteration if p.iteration < 5 else 11 - p.iteration
        assert p.seconds_left == pytest.approx(average * left)


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def perf_counter(self):
        return self.now


def test_compiling_counts_in_no_rate_and_no_lapse(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(compiling, "time", clock)
    expect = Steps.expect

    def compile_and_expect(self, parameters):
        if not self.calls:
            with compiling.clock_stopped():
                clock.now += 20
        clock.now += 0.5
        return expect(self, parameters)

    monkeypatch.setattr(Steps, "expect", compile_and_expect)
    seen = []
    run([-5.0, -4.0, -3.0], Reporter(2, 1, seen.append, n_rows=1000), max_iter=3)
    assert [p.seconds for p in seen] == [0.5] * 3
    assert [p.rows_per_second for p in seen] == [2000] * 3
    assert [p.seconds_left for p in seen] == [1.0, 0.5, 0.0]
    printed = capsys.readouterr().out
    assert printed.count("time lapse 0.50000s") == 3
    assert "time lapse 1.50000s" in printed


def test_verbose_prints_every_interval(capsys):
    run([-5.0, -4.0, -3.0, -2.0, -2.0], Reporter(1, 2, None))
    assert capsys.readouterr().out.splitlines() == [
        "Initialization 0",
        "  Iteration 2",
        "  Iteration 4",
        "Initialization converged.",
    ]


class Leaps(PlainPath):
    """A path that leaps over every second point, which may be taken back."""

    def __init__(self):
        self.extrapolated = False
        self.image = None
        self.rejected = []

    def choose(self, parameters, image, is_near):
        self.extrapolated = not self.extrapolated
        self.image = image
        return image + 1 if self.extrapolated else image

    def reject(self, image):
        self.rejected.append(image)
        self.extrapolated = False
        return self.image


def leap(lower_bounds, **options):
    path = Leaps()
    fit, steps = run(lower_bounds, path=path, **options)
    return fit, path, [point for name, point in steps.calls if name == "expect"]


def test_a_leap_into_a_fall_is_taken_back():
    fit, path, points = leap([-5.0, -4.0, -6.0, -3.0, -2.0], max_iter=3)
    assert points == [0, 2, 1]
    assert path.rejected == [3]
    assert fit.lower_bounds == [-5.0, -4.0]
    assert fit.convergence.n_rejected == 1
    assert fit.n_iter == 3
    assert fit.parameters == 2


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_a_leap_to_where_em_cannot_go_on_is_taken_back(bad):
    fit, path, points = leap([-5.0, -4.0, bad, -3.0], max_iter=3)
    assert points == [0, 2, 1]
    assert path.rejected == [None]
    assert fit.lower_bounds == [-5.0, -4.0]


def test_a_fit_does_not_end_with_a_leap():
    # The leap from 0 to 2 gains less than tol; EM's own step after it decides.
    fit, _, points = leap([-5.0, -4.5, -4.9999, -4.9, -4.8], max_iter=3)
    assert points == [0, 2, 3]
    assert not fit.converged
