"""A fit: runs of EM on the rows, from each start, and the best of them."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from fastem.em.checkpoint import Checkpoint, plain_settings
from fastem.em.convergence import rounding_of
from fastem.em.plan import Plan
from fastem.em.progress import Reporter
from fastem.em.restarts import Best, Run, best_of
from fastem.statistics import MixtureParameters
from fastem.storage.writing import PathLike
from fastem.training.in_memory import TrainingRows


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
    starts = kept.starts(start, plan.n_starts if continued is None else 1)
    run = Run(
        *(plan, expect, maximize),
        n_rows=rows.n_rows,
        rounding=rounding_of(rows.dtype),
        reporter=make_reporter(rows.shape[0], kept.search.n_finished),
        before=before,
        recorder=kept,
    )
    return best_of(starts, run, plan.stopping.is_hopeless, kept.search)
