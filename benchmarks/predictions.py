"""predict, predict_proba and score_samples: against the EM pass and scikit-learn."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture as ScikitLearnMixture

import fastem
from benchmarks.instruments import Options
from benchmarks.libraries import FASTEM
from benchmarks.measure import Result
from benchmarks.problems import Problem, Rows, generate
from benchmarks.reporting import note
from benchmarks.rounds import Action, Rounds, alternate
from benchmarks.table import at_least, number, rows_of_cells, times

METHODS = ("predict", "predict_proba", "score_samples")
SPEED_TARGET = 60.0  # % of the EM pass's, per flop
NO_SLOWER = 1.0
_SHAPES = ((4, 3), (16, 16), (64, 16), (64, 64))  # (D, K)
_NUMBERS_OF_ROWS = (1, 10, 100, 1_000, 10_000, 100_000)
_ATTRIBUTES = (
    "weights_",
    "means_",
    "covariances_",
    "precisions_",
    "precisions_cholesky_",
    "n_features_in_",
)


def fitted_pair(problem: Problem) -> tuple[Rows, Any, Any]:
    """The rows, and the same model after two iterations in fastem and scikit-learn."""
    X, start = generate(problem)
    model = fastem.GaussianMixture(
        problem.n_components,
        covariance_type=problem.covariance_type,
        tol=1e9,
        max_iter=2,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=start.precisions,
    ).fit(X)
    other = ScikitLearnMixture(
        problem.n_components, covariance_type=problem.covariance_type
    )
    for name in _ATTRIBUTES:
        setattr(other, name, getattr(model, name))
    return X, model, other


def _call(model: Any, method: str, X: Rows) -> Action:
    bound: Callable[[Rows], object] = getattr(model, method)
    return lambda: bound(X)


def against_em_passes(results: Sequence[Result], repeats: int, options: Options) -> str:
    """A Markdown table: rates of useful flops in % of the EM pass's, full problems.

    A prediction does one of the EM pass's two triangular products: half its flops.
    """
    lines = []
    for result in results:
        problem = result.problem
        if problem.covariance_type != "full" or problem.dtype != "float64":
            continue
        X, model, _ = fitted_pair(problem)
        rounds = alternate(
            {method: _call(model, method, X) for method in METHODS},
            repeats=repeats,
            seconds_a_sample=0.02 if options.short else 0.1,
            patience=options.patience,
        )
        em_seconds = median(result.timings[FASTEM].wall)
        line = [problem.name, number(1e3 * em_seconds)]
        for method in METHODS:
            percent = 100 * em_seconds / 2 / rounds.seconds(method)
            line.append(
                f"{number(1e3 * rounds.seconds(method))} ms, {percent:.0f} %, "
                f"{'met' if percent >= SPEED_TARGET else 'missed'}"
            )
        lines.append([*line, f"{model.score(X):.6f}"])
        note(f"predictions of {problem.name}: done")
    return rows_of_cells(
        [
            "problem (type-N-D-K)",
            "EM pass, ms",
            *(
                f"{m}: time, % of the EM pass's rate (target {SPEED_TARGET:g} %)"
                for m in METHODS
            ),
            "log-likelihood of a row, nats",
        ],
        lines,
    )


def _line(name: str, rounds: Rounds, models: Sequence[Any], rows: Rows) -> list[str]:
    cells = [name]
    for method in METHODS:
        ours, theirs = f"fastem {method}", f"scikit-learn {method}"
        ratios = rounds.ratios(theirs, ours)
        cells += [
            f"{number(1e6 * rounds.seconds(ours))} and "
            f"{number(1e6 * rounds.seconds(theirs))}",
            f"{times(ratios)}, {at_least(NO_SLOWER, median(ratios)).split(', ')[1]}",
        ]
    reached = (float(np.mean(model.score_samples(rows))) for model in models)
    return [*cells, " and ".join(f"{value:.6f}" for value in reached)]


def against_scikit_learn(repeats: int, options: Options) -> str:
    """A Markdown table: time of a call beside scikit-learn's, down to one row."""
    lines = []
    numbers = _NUMBERS_OF_ROWS[:3] if options.short else _NUMBERS_OF_ROWS
    for D, K in _SHAPES:
        X, *models = fitted_pair(Problem("", max(numbers[-1], 20_000), D, K))
        for n in numbers:
            rows = np.ascontiguousarray(X[:n])
            actions = {
                f"{library} {method}": _call(model, method, rows)
                for method in METHODS
                for library, model in zip(
                    ("fastem", "scikit-learn"), models, strict=True
                )
            }
            rounds = alternate(
                actions,
                repeats=repeats,
                seconds_a_sample=0.005 if options.short else 0.03,
                patience=options.patience,
            )
            lines.append(_line(f"{n:,} x {D}, K = {K}", rounds, models, rows))
        note(f"predictions with {D} columns, {K} components: done")
    head = ["rows x columns"]
    for method in METHODS:
        head += [
            f"{method}, microseconds: fastem and scikit-learn",
            "times faster (target 1x)",
        ]
    return rows_of_cells([*head, "log-likelihood of a row, nats: both"], lines)
