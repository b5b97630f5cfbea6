"""Starts that short runs have judged: ``n_init='auto'``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from fastem.covariances import SingularCovarianceError
from fastem.em import convergence_warnings
from fastem.em.acceleration import PlainPath
from fastem.em.convergence import rounding_of
from fastem.em.plan import Plan
from fastem.em.progress import Reporter
from fastem.em.regularity import is_regular
from fastem.em.restarts import Run
from fastem.em.stopping import SmallChange
from fastem.starts.subsample import enough_rows, fewest_rows
from fastem.statistics import MixtureParameters
from fastem.training.in_memory import RowsInMemory, TrainingRows, start_on_sample

# Short runs: so many at least, and until the best end has been found so often. Of 49
# problems (nine tables of 145 to 342 rows, two to six components, three structures)
# that finds the best of 60 ends with a probability of .91 on average, in 28 runs; from
# 10 runs on it would be .85 in 20; 20 runs by no rule find .88, and one start .49.
_FEWEST_RUNS, _MOST_RUNS = 20, 64
_AGAIN = 5
# More than the fewest walk no more often over all rows, or over no more rows.
_PASSES = 50
_ROWS = 250_000
_MOST_ITERATIONS = 30
_CONTINUED = 4
_TOLERANCE = 1e-5  # of the mean log-likelihood of a row, where a short run ends
_SAME_END = 1e-3  # ends that differ by less are one


@dataclass(frozen=True)
class _End:
    """Where a short run has ended."""

    is_regular: bool
    lower_bound: float
    parameters: MixtureParameters
    n_iter: int

    @property
    def rank(self) -> tuple[bool, float]:
        """The larger, the better: what only a ridge holds up comes last."""
        return self.is_regular, self.lower_bound

    def is_as_good_as(self, other: "_End") -> bool:
        """Whether it is no worse, to within what short runs tell."""
        return self.rank >= (other.is_regular, other.lower_bound - _SAME_END)


def ranked_starts(rows: TrainingRows, plan: Plan) -> list[MixtureParameters]:
    """Starts for EM on all rows, the most promising first; none if all collapsed.

    They are where short runs on K (200 + 10 D) rows, or all, have led, and the best of
    these on K (1000 + 20 D). Runs on the same rows share all that is known of these.
    """
    n_rows, n_features = rows.shape
    K = plan.n_components
    many = _drawn(rows, enough_rows(K, n_features), plan)
    few = _drawn(many, fewest_rows(K, n_features), plan)
    ends = _ShortRuns.on(few, plan).from_starts(n_rows)
    chosen = _distinct(ends)[:_CONTINUED]
    further = _ShortRuns.on(many, plan)
    ends = [end for start in chosen if (end := further.run(start.parameters))]
    return [end.parameters for end in _distinct(ends or chosen)]


def _drawn(rows: TrainingRows, size: int, plan: Plan) -> RowsInMemory:
    """So many rows; all in memory if there are less than twice as many.

    Or if it is known of some where they belong.
    """
    if isinstance(rows, RowsInMemory) and (
        rows.known is not None or len(rows.values) < 2 * size
    ):
        return rows
    return rows.drawn(size, plan.random_state)


def _distinct(ends: Sequence[_End]) -> list[_End]:
    """The best first, and of those that are as good as one before none."""
    found: list[_End] = []
    for end in sorted(ends, key=lambda end: end.rank, reverse=True):
        if not (found and end.is_as_good_as(found[-1])):
            found.append(end)
    return found


@dataclass(frozen=True)
class _ShortRuns:
    """Short runs of EM on the same rows, which are arranged once.

    Attributes
    ----------
    rows : RowsInMemory
    plan : Plan
    run_from : Run
    """

    rows: RowsInMemory
    plan: Plan
    run_from: Run

    @classmethod
    def on(cls, rows: RowsInMemory, plan: Plan) -> Self:
        """On these rows, as the plan has it but for where they end."""
        plan = replace(
            plan,
            on_collapse="raise",
            make_path=PlainPath,
            stopping=SmallChange(_TOLERANCE),
            max_iter=_MOST_ITERATIONS,
        )
        expect = rows.expectation(plan.representation, plan.n_threads)
        return cls(
            rows,
            plan,
            Run(
                *(plan, expect, plan.maximization(expect)),
                n_rows=rows.n_rows,
                rounding=rounding_of(rows.dtype),
                reporter=Reporter(0, 1, None),
            ),
        )

    def from_starts(self, n_rows: int) -> list[_End]:
        """The ends of runs from starts of these rows, for a fit to ``n_rows``.

        Until the best is found again and again, or runs have cost what they may.
        """
        ends: list[_End] = []
        n_left = max(_PASSES * n_rows, _ROWS) / len(self.rows.values)
        for n_runs in range(_MOST_RUNS):
            if n_runs >= _FEWEST_RUNS and n_left <= 0:
                break
            end = self.run()
            n_left -= _MOST_ITERATIONS if end is None else end.n_iter
            if end is not None:
                ends.append(end)
                best = max(ends, key=lambda end: end.rank)
                n_alike = sum(end.is_as_good_as(best) for end in ends)
                if n_runs + 1 >= _FEWEST_RUNS and n_alike >= _AGAIN:
                    break
        return ends

    def run(self, start: MixtureParameters | None = None) -> _End | None:
        """Where a run ends, from these parameters or another start of the plan's.

        None if a component collapses.
        """
        plan, expect, maximize = self.plan, self.run_from.expect, self.run_from.maximize
        # Of clusters without rows, and of runs that end before their limit.
        with convergence_warnings.muted():
            try:
                if start is None:
                    start = start_on_sample(
                        self.rows, len(self.rows.values), plan, maximize
                    )
                fit = self.run_from(start, lambda trace: False)
            except SingularCovarianceError:
                return None
        return _End(
            is_regular(plan, fit.parameters, expect),
            *(fit.lower_bound, fit.parameters, fit.n_iter),
        )
