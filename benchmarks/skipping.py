"""EM passes that leave out the pairs that cannot count, against passes that do not."""

import importlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import fastem
from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.measure import wait_until_quiet
from benchmarks.packages import UnavailableError
from benchmarks.predictions import fitted_pair
from benchmarks.problems import Rows, select
from benchmarks.reporting import measured_by, note, progress
from benchmarks.table import at_least, at_most, number, rows_of_cells, times
from benchmarks.tables import load_available, select_tables

COMPONENTS = (16, 64, 256)
# Beside 'full': of tables of so many columns, with so many components.
OTHER_TYPES = ("diag", "tied")
OTHER_COMPONENTS = (64, 256)
_FEWEST_COLUMNS = 7
SPEED_TARGET = 4.0  # times, at the most components
COST_TARGET = 3.0  # % where nothing can be left out
COUNTS = math.exp(-37)  # a responsibility below cannot change a double
_N_PASSES = 5
_N_FIRST = 2  # passes in which rows are arranged
_SAMPLED_ROWS = 20_000


@dataclass(frozen=True)
class PassTimes:
    """A run of passes from one model."""

    seconds: float  # of a pass, median of those after the first two
    once: float  # seconds of the fit beyond as many such passes
    log_likelihood: float  # mean of a row at the last pass
    needed: float = math.nan  # share of the pairs in groups and vectors that count
    computed: float = math.nan  # share of the pairs that the last pass computed


def pass_times(X: Rows, model: Any, skip: bool) -> PassTimes:
    """Go on from the model by a few passes, with pairs left out or not.

    Raises
    ------
    UnavailableError
        If this version of fastem leaves nothing out.
    """
    again = fastem.GaussianMixture(
        model.n_components,
        covariance_type=model.covariance_type,
        reg_covar=model.reg_covar,
        tol=0.0,
        max_iter=_N_FIRST + _N_PASSES,
        weights_init=model.weights_,
        means_init=model.means_,
        precisions_init=model.precisions_,
    )
    passes: list[float] = []
    shares = [(math.nan, math.nan)]
    with warnings.catch_warnings(), _leaving_out(skip), _recorded(shares):
        warnings.simplefilter("ignore", ConvergenceWarning)
        began = time.perf_counter()
        again.fit(X, callback=lambda told: passes.append(told.seconds))
        whole = time.perf_counter() - began
    seconds = median(passes[_N_FIRST:])
    once = whole - len(passes) * seconds
    return PassTimes(seconds, once, again.lower_bound_, *shares[-1])


@contextmanager
def _recorded(shares: list[tuple[float, float]]) -> Iterator[None]:
    """Write down which shares of the pairs had to be computed, and were."""
    kernels = importlib.import_module("fastem.kernels")

    def recording(real: Callable[..., Any]) -> Callable[..., Any]:
        def record(*arguments: Any, **options: Any) -> Any:
            sums = real(*arguments, **options)
            is_boxed = options.get("reach") is not None
            carried = getattr(sums, "computed", math.nan)
            if math.isnan(carried):
                shares.append((math.nan, sums.share if is_boxed else 1.0))
            else:
                shares.append((sums.share, carried))
            return sums

        return record

    with ExitStack() as changes:
        for name in ("expectation_pass", "carried_pass"):
            if hasattr(kernels, name):
                spy = recording(getattr(kernels, name))
                changes.enter_context(mock.patch.object(kernels, name, spy))
        yield


@contextmanager
def _leaving_out(skip: bool) -> Iterator[None]:
    """Passes as they are, or with every pair computed and no row merged."""
    try:
        expectation = importlib.import_module("fastem.em.expectation")
    except ImportError:
        if skip:
            raise UnavailableError("this version leaves nothing out") from None
        yield
        return
    with ExitStack() as changes:
        if not skip:
            step = expectation.ExpectationStep
            dense = mock.patch.object(step, "_pays", return_value=False)
            whole = mock.patch.object(expectation, "_merged", lambda X, w: (X, w))
            changes.enter_context(dense)
            changes.enter_context(whole)
        yield


def model_of_table(X: Rows, n_components: int, covariance_type: str = "full") -> Any:
    """A model as a fit with default arguments ends, from means among the rows.

    In one that is on its way more pairs count: of flights and 64 components 41 % after
    ten iterations with a ridge of a thousandth of the variance, and 6 % at the end.
    """
    D = X.shape[1]
    random = np.random.default_rng(0)
    # Distinct, since a photograph has many pixels of one colour.
    some = np.unique(X[random.choice(len(X), min(len(X), 20_000), False)], axis=0)
    means = some[random.choice(len(some), n_components, replace=False)]
    covariance = np.cov(X, rowvar=False).reshape(D, D)
    if covariance_type == "diag":
        covariance *= np.eye(D)
    spread = float(np.trace(covariance)) / D
    precision = np.linalg.inv(covariance + 1e-3 * spread * np.eye(D))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fastem.GaussianMixture(
            n_components,
            covariance_type=covariance_type,
            reg_covar="relative",  # no component may collapse on equal rows
            weights_init=np.full(n_components, 1 / n_components),
            means_init=means,
            precisions_init=np.repeat(
                n_components ** (2 / D) * precision[np.newaxis], n_components, axis=0
            ),
        ).fit(X)


def share_that_counts(X: Rows, model: Any) -> float:
    """Of the pairs of some rows: with a responsibility that can change a double."""
    step = max(1, len(X) // _SAMPLED_ROWS)
    return float((model.predict_proba(X[::step]) > COUNTS).mean())


def percent(share: float) -> str:
    """In a table."""
    return "-" if math.isnan(share) else f"{100 * share:.0f} %"


@dataclass
class OnAndOff:
    """Runs with pairs left out and without, in turn."""

    name: str
    counts: float
    off: list[PassTimes]
    on: list[PassTimes]

    @property
    def faster(self) -> list[float]:
        """Time of a pass without over that with, round by round."""
        return [a.seconds / b.seconds for a, b in zip(self.off, self.on, strict=True)]

    def cells(self) -> list[str]:
        """Times of both, ratio, and what was reached."""
        off, on = self.off[-1].log_likelihood, self.on[-1].log_likelihood
        once = median(a.once for a in self.on) - median(a.once for a in self.off)
        return [
            *map(percent, (self.counts, self.on[-1].needed, self.on[-1].computed)),
            number(1e3 * median(one.seconds for one in self.off)),
            number(1e3 * median(one.seconds for one in self.on)),
            times(self.faster),
            f"{1e3 * once:+.0f}",
            f"{off:.9f}",
            f"{abs(on - off) / abs(off):.0e}",
        ]


HEAD = (
    "pairs that count",
    "in groups that do",
    "pairs computed",
    "ms a pass, all pairs",
    "ms a pass, some left out",
    "times faster",
    "ms once a fit, more",
    "log-likelihood of a row, nats",
    "relative difference of both",
)


def measure_on_and_off(
    name: str, X: Rows, model: Any, repeats: int, patience: float
) -> OnAndOff:
    """Runs in turn, after one of each that warms up."""
    result = OnAndOff(name, share_that_counts(X, model), [], [])
    for skip in (True, False):
        pass_times(X, model, skip)
    for _ in range(repeats):
        for skip, runs in ((False, result.off), (True, result.on)):
            before = time.perf_counter()
            wait_until_quiet(patience)
            patience -= time.perf_counter() - before
            runs.append(pass_times(X, model, skip))
    return result


def speed_table(measured: Sequence[OnAndOff], most_components: int) -> str:
    """A Markdown table for the real tables: 'full' with most has a target."""
    last = f"full, K = {most_components}"
    return rows_of_cells(
        ["table", *HEAD, "target, at least"],
        [
            [
                one.name,
                *one.cells(),
                at_least(
                    SPEED_TARGET if one.name.endswith(last) else None,
                    median(one.faster),
                ),
            ]
            for one in measured
        ],
    )


def cost_table(measured: Sequence[OnAndOff]) -> str:
    """A Markdown table for rows of which nearly every pair counts."""
    lines = []
    for one in measured:
        cost = 100 * (1 / median(one.faster) - 1)
        verdict = at_most(COST_TARGET, cost, " %")
        lines.append([one.name, *one.cells(), f"{cost:+.1f} %", verdict])
    head = ["problem (type-N-D-K)", *HEAD, "cost of a pass", "target, at most"]
    return rows_of_cells(head, lines)


def _models(
    covariance_types: Sequence[str],
    components: Sequence[int],
    options: Options,
    tables: Mapping[str, Rows],
) -> Iterator[Any]:
    """Name, rows and model of each real table, type and number of components."""
    for name, X in tables.items():
        for kind in covariance_types:
            for K in components[:1] if options.short else components:
                progress(f"{name}: a {kind!r} model of {K} components")
                yield (
                    f"{name} ({len(X):,} x {X.shape[1]}), {kind}, K = {K}",
                    X,
                    model_of_table(X, K, kind),
                )


def document(options: Options) -> str:
    """Measure the real tables and the synthetic problems; the Markdown document."""
    repeats = options.repeats or 3
    tables, left_out = load_available(
        select_tables(options.tables), progress, 30_000 if options.short else 0
    )
    many = {n: X for n, X in tables.items() if X.shape[1] >= _FEWEST_COLUMNS}
    models = chain(
        _models(("full",), COMPONENTS, options, tables),
        _models(OTHER_TYPES, OTHER_COMPONENTS, options, many),
    )
    real, synthetic = [], []
    with machine.threads(options.n_threads or machine.usable_cores()):
        try:
            for name, X, model in models:
                real.append(
                    measure_on_and_off(name, X, model, repeats, options.patience)
                )
                note(f"{name}: {times(real[-1].faster)} faster")
            for problem in select([], short=options.short):
                if problem.dtype != "float64":
                    continue
                X, model, _ = fitted_pair(problem)
                synthetic.append(
                    measure_on_and_off(
                        problem.name, X, model, repeats, options.patience
                    )
                )
                note(f"{problem.name}: {times(synthetic[-1].faster)} faster")
        except UnavailableError as error:
            left_out += f" **Left out: everything ({error}).**"
        heading = measured_by(
            "--skipping",
            f"Wall clock, medians of {repeats} alternating runs of {_N_PASSES} passes; "
            "ratios round by round with their quartiles in brackets. A pair is a row "
            "and a component; it counts if its responsibility exceeds e^-37."
            f"{left_out}",
        )
    found = []
    if real:
        found.append(speed_table(real, COMPONENTS[-1]))
    if synthetic:
        found.append(cost_table(synthetic))
    return heading + "\n\n".join(found) + "\n"
