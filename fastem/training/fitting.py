"""A fit: runs of EM on the rows, from each start, and the best of them."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastem.em.checkpoint import Checkpoint, plain_settings
from fastem.em.convergence import rounding_of
from fastem.em.loop import Fit
from fastem.em.plan import Plan
from fastem.em.progress import Reporter
from fastem.em.regularity import is_regular
from fastem.em.restarts import Best, Run, best_of
from fastem.statistics import MixtureParameters
from fastem.storage.writing import PathLike
from fastem.training.in_memory import TrainingRows
from fastem.training.short_runs import ranked_starts


def best_fit(
    plan: Plan,
    rows: TrainingRows,
    *,
    make_reporter: Callable[[int, int], Reporter],
    continued: tuple[MixtureParameters, float] | None = None,
    checkpoint: PathLike | None = None,
    settings: Mapping[str, Any],
) -> Best:
    """Fit the rows as the plan says.

    Parameters
    ----------
    plan : Plan
    rows : TrainingRows
    make_reporter : callable
        Given the number of rows and of the first start.
    continued : (MixtureParameters, float), optional
        Where an earlier fit ended, and its lower bound: the only start.
    checkpoint : path, optional
        Where the state of the fit is kept; the file is left there.
    settings : mapping
        By which a checkpoint knows the fit again.

    Raises
    ------
    SingularCovarianceError
        If every start ends in a singular covariance.
    """
    expect = rows.expectation(plan.representation, plan.n_threads)
    maximize = plan.maximization(expect)
    before = -math.inf if continued is None else continued[1]

    def start() -> MixtureParameters:
        maximize.begin()
        if continued is None:
            return rows.start(plan, maximize)
        return plan.completed(continued[0])

    kept = Checkpoint(
        checkpoint,
        lambda: {
            "data": rows.fingerprint(),
            "parameters": plain_settings({**settings, "continues_from": before}),
        },
        *(plan, expect, maximize),
    )

    def no_spike(fit: Fit) -> bool:
        return is_regular(plan, fit.parameters, expect)

    def waiting() -> MixtureParameters:
        maximize.begin()
        return kept.search.waiting.pop(0)

    def judged() -> MixtureParameters:
        kept.search.waiting = ranked_starts(rows, plan)
        return waiting() if kept.search.waiting else start()

    def judged_starts() -> Iterator[Callable[[], Any]]:
        yield from kept.starts(judged, 1)
        search = kept.search
        while search.waiting and not (search.best and no_spike(search.best)):
            yield waiting

    n_starts = plan.n_starts if continued is None else 1
    starts = judged_starts() if n_starts is None else kept.starts(start, n_starts)
    run = Run(
        *(plan, expect, maximize),
        n_rows=rows.n_rows,
        rounding=rounding_of(rows.dtype),
        reporter=make_reporter(rows.shape[0], kept.search.n_finished),
        before=before,
        recorder=kept,
    )
    return best_of(starts, run, plan.stopping.is_hopeless, kept.search, no_spike)
