"""The choice among several starts, with fits made up for the purpose."""

import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning

from fastem import Degeneracy, SingularCovarianceError
from fastem.em.loop import Fit
from fastem.em.restarts import best_of

pytestmark = pytest.mark.interpreted


def never(trace, best):
    return False


def singular(component):
    def start():
        raise SingularCovarianceError(Degeneracy(component, (0,)))

    return start


def fit_of(start, is_hopeless):
    """A start here is the lower bound that its fit reaches, and a name."""
    if isinstance(start, int):
        raise SingularCovarianceError(Degeneracy(start, (0,)))
    return Fit(start[1], True, [start[0]])


def choose(*starts):
    made = [start if callable(start) else lambda s=start: s for start in starts]
    return best_of(made, fit_of, never).fit


def test_the_restart_with_the_largest_lower_bound_is_kept():
    assert choose((-3.0, "a"), (-1.0, "b"), (-2.0, "c")).lower_bound == -1


def test_the_first_of_equal_restarts_is_kept():
    assert choose((-1.0, "a"), (-1.0, "b")).parameters == "a"


def test_singular_restarts_are_counted_and_left_out():
    with pytest.warns(ConvergenceWarning, match="2 initialisations.* Component 4 is"):
        assert choose(4, (-1.0, "a"), singular(5)).lower_bound == -1


def test_the_first_error_is_raised_when_all_restarts_are_singular():
    with pytest.raises(SingularCovarianceError, match="Component 4"):
        choose(singular(4), 5)


def test_other_errors_are_not_left_out():
    def broken():
        raise FloatingPointError

    with pytest.raises(FloatingPointError):
        choose((-1.0, "a"), broken)


def test_a_restart_without_iterations_can_be_the_best():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        best = best_of([lambda: "a"], lambda s, h: Fit(s, False, []), never)
    assert best.fit.parameters == "a"


def test_a_start_is_made_when_its_fit_begins():
    events = []
    best_of(
        [lambda: events.append("start")] * 2,
        lambda start, h: events.append("fit") or Fit(None, True, [0.0]),
        never,
    )
    assert events == ["start", "fit", "start", "fit"]


def test_dropped_fits_are_counted_and_do_not_win():
    def run(start, is_hopeless):
        return Fit(start, True, [start], dropped=is_hopeless(None))

    best = best_of([lambda: -1.0, lambda: 5.0], run, lambda trace, best: best == -1)
    assert best.fit.parameters == -1
    assert best.n_dropped == 1
