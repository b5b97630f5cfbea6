"""What there is to know of a fit before one believes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastem.choice.results import SelectionResults
from fastem.covariances import named_columns
from fastem.em.ridge import ridge_warning
from fastem.mixture import GaussianMixture
from fastem.mixture.fixed import fixed_of
from fastem.report.wording import counted

_DROPPED = "dropped"


def notes_on_fit(
    model: GaussianMixture,
    columns: Sequence[str],
    n_rows: float,
    results: SelectionResults | None,
) -> Iterator[str]:
    """What a fit warned of, or would have, in sentences.

    Parameters
    ----------
    model : GaussianMixture
    columns : sequence of str
        Names of its columns.
    n_rows : float
        Number of rows, each as often as its weight says.
    results : SelectionResults or None
    """
    if not model.converged_ and model.n_iter_:
        yield (
            f"The fit ended after {counted(model.n_iter_, 'step')} without having "
            f"converged, or learned from a stream: {model.convergence_}. More steps "
            "(max_iter) may move the clusters."
        )
    for collapse in model.collapses_:
        known = collapse.degeneracy
        spread = ""
        if known.columns:
            in_columns = named_columns(known.columns, columns)
            spread = f": its rows did not spread in {in_columns}"
        what = "left out" if collapse.action == _DROPPED else "moved elsewhere"
        yield f"During the fit {known.whose} was {what}{spread}."
    held_up = _held_up(model, columns, n_rows)
    if held_up:
        yield held_up
    if results is not None:
        best = results.ranked[0]
        numbers = {row.n_components for row in results}
        if best.n_components == max(numbers) > min(numbers):
            yield (
                f"The number of clusters, {best.n_components}, is the largest that was "
                "tried: more may describe the rows better still."
            )


def _held_up(model: GaussianMixture, columns: Sequence[str], n_rows: float) -> str:
    """What the fit's warning of its ridge says, if it gave one."""
    ridge = getattr(model, "_ridge", None)
    if ridge is None or not model.n_iter_:
        return ""
    structure, parameters = model._fitted()
    fixed = fixed_of(model, len(model.weights_))
    warning = ridge_warning(
        *(structure, parameters, ridge, model.reg_covar),
        n_rows=n_rows,
        names=columns,
        find=lambda columns: (),
        held=None if fixed is None else fixed.covariances,
    )
    return "" if warning is None else str(warning)
