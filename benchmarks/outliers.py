"""What outliers cost: agreement with known groups, and how well they are found."""

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    adjusted_rand_score,
    average_precision_score,
    roc_auc_score,
)

from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.labelled import (
    FAR,
    NEAR,
    UNIFORM,
    LabelledTable,
    load_labelled,
    load_shuttle,
    with_outliers,
)
from benchmarks.packages import UnavailableError
from benchmarks.problems import Rows
from benchmarks.reporting import measured_by, progress
from benchmarks.table import at_least, at_most, rows_of_cells
from fastem import GaussianMixture

WITH_NOISE_TARGET = 0.75  # mean index with 10 % of uniform outliers
LARGEST_LOSS = 0.01  # without outliers, against k-means
_DRAWS = 4
_MOST_ITERATIONS = 1000
_SHUTTLE_COMPONENTS = (2, 4, 8, 16)
CLEAN = ("none", 0.0)
CONTAMINATIONS = (
    CLEAN,
    *((kind, share) for kind in (UNIFORM, FAR, NEAR) for share in (0.05, 0.1)),
)


@dataclass(frozen=True)
class Way:
    """A start, and whether the mixture has noise."""

    init: str
    outlier_share: float
    noise: bool

    @property
    def name(self) -> str:
        """As the first column of the tables has it."""
        share = f", outlier_share={self.outlier_share:g}"
        start = f"{self.init}{share if self.init == 'trimmed' else ''}"
        return f"{start}; {'noise' if self.noise else 'plain'}"

    def fitted(self, X: Rows, n_components: int, seed: int) -> GaussianMixture:
        """A fit to the rows."""
        return GaussianMixture(
            n_components,
            init_params=self.init,
            outlier_share=self.outlier_share,
            noise=self.noise,
            random_state=seed,
            max_iter=_MOST_ITERATIONS,
        ).fit(X)


WAYS = [
    Way(init, share, noise)
    for noise in (False, True)
    for init, share in (
        ("kmeans", 0.05),
        *(("trimmed", share) for share in (0.05, 0.1, 0.15)),
    )
]


@dataclass(frozen=True)
class Agreement:
    """How a fit agrees with what is known of the rows.

    Attributes
    ----------
    index : float
        The adjusted Rand index of the rows that are no outliers.
    precision, recall : float
        Of the outliers: rows that are labelled -1, or without noise the least likely
        ones, as many as there are. NaN without outliers.
    """

    index: float
    precision: float
    recall: float

    @classmethod
    def of(cls, model: GaussianMixture, table: LabelledTable) -> "Agreement":
        """Of a fit to the table."""
        labels = model.predict(table.rows)
        is_outlier = table.groups < 0
        n = int(is_outlier.sum())
        index = adjusted_rand_score(table.groups[~is_outlier], labels[~is_outlier])
        if not n:
            return cls(index, np.nan, np.nan)
        flagged = labels == -1
        if not model.noise:
            flagged[np.argsort(model.score_samples(table.rows))[:n]] = True
        found = float((flagged & is_outlier).sum())
        return cls(index, found / max(1, flagged.sum()), found / n)


def agreements(
    tables: Sequence[LabelledTable], draws: int
) -> Mapping[tuple[Way, tuple[str, float], str], list[Agreement]]:
    """Of all ways with all contaminations of each table, draw by draw."""
    found = defaultdict(list)
    for table in tables:
        for kind, share in CONTAMINATIONS:
            progress(f"{table.name}: {kind} {share:g}")
            for seed in range(draws):
                dirty = with_outliers(table, kind, share, seed) if share else table
                for way in WAYS:
                    model = way.fitted(dirty.rows, table.n_groups, seed)
                    of_draw = Agreement.of(model, dirty)
                    found[way, (kind, share), table.name].append(of_draw)
    return found


def _means(found: Sequence[Sequence[Agreement]]) -> NDArray[np.float64]:
    """Index, precision, recall: means over draws, then over tables."""
    of_tables = [
        np.mean([[one.index, one.precision, one.recall] for one in draws], axis=0)
        for draws in found
    ]
    means: NDArray[np.float64] = np.mean(of_tables, axis=0)
    return means


def agreement_table(found: Mapping[Any, list[Agreement]], names: Sequence[str]) -> str:
    """A Markdown table: each way with each contamination, means over the tables."""
    means = {
        (way, case): _means([found[way, case, name] for name in names])
        for way in WAYS
        for case in CONTAMINATIONS
    }
    lines = []
    for way in WAYS:
        cells = [way.name]
        base = means[Way("kmeans", 0.05, way.noise), CLEAN][0]
        for case in CONTAMINATIONS:
            index, precision, recall = means[way, case]
            text, lost = f"{index:.3f}", round(base - index, 3)
            if case == CLEAN:
                text += f" (target {at_most(LARGEST_LOSS, lost, ' lost')})"
            else:
                text += f" ({precision:.2f}, {recall:.2f})"
            if way.noise and case == (UNIFORM, 0.1):
                text += f", target {at_least(WITH_NOISE_TARGET, index, '')}"
            cells.append(text)
        lines.append(cells)
    head = ["start; mixture", "no outliers"]
    head += [f"{kind}, {share:.0%}" for kind, share in CONTAMINATIONS[1:]]
    return rows_of_cells(head, lines)


def table_by_table(found: Mapping[Any, list[Agreement]], names: Sequence[str]) -> str:
    """A Markdown table: the index of each table, without and with uniform outliers."""
    lines = [
        [
            *(way.name, f"{kind}, {share:.0%}"),
            *(f"{_means([found[way, (kind, share), name]])[0]:.2f}" for name in names),
        ]
        for kind, share in (CLEAN, (UNIFORM, 0.1))
        for way in WAYS
    ]
    return rows_of_cells(["start; mixture", "outliers", *names], lines)


def _shuttle_cells(step: int) -> Iterator[list[str]]:
    X, is_anomalous = load_shuttle()
    X, is_anomalous = np.ascontiguousarray(X[::step]), is_anomalous[::step]
    for units, rows in (
        ("raw", X),
        ("standardised", (X - X.mean(axis=0)) / X.std(axis=0)),
    ):
        for way in WAYS:
            cells = [f"{way.name}; {units}"]
            for n_components in _SHUTTLE_COMPONENTS:
                progress(f"shuttle: {way.name}, {units}, K = {n_components}")
                model = way.fitted(rows, n_components, 0)
                alone = GaussianMixture.from_parameters(
                    model.weights_ / model.weights_.sum(),
                    *(model.means_, model.covariances_),
                )
                unlikely = -alone.score_samples(rows)
                area = roc_auc_score(is_anomalous, unlikely)
                precision = average_precision_score(is_anomalous, unlikely)
                cells.append(f"{area:.4f}, {precision:.3f}")
            yield cells


def document(options: Options) -> str:
    """Measure the seven tables and the shuttle; the Markdown document."""
    parts, left_out = [], ""
    draws = 1 if options.short else options.repeats or _DRAWS
    with (
        machine.threads(options.n_threads or machine.usable_cores()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            tables = load_labelled()[: 2 if options.short else None]
            names = [table.name for table in tables]
            found = agreements(tables, draws)
            parts += [agreement_table(found, names), table_by_table(found, names)]
        except UnavailableError as error:
            left_out += f" **Left out: tables with known groups ({error}).**"
        try:
            head = [f"K = {n_components}" for n_components in _SHUTTLE_COMPONENTS]
            lines = list(_shuttle_cells(20 if options.short else 1))
            head.insert(0, "shuttle: start; mixture; units")
            parts.append(rows_of_cells(head, lines))
        except UnavailableError as error:
            left_out += f" **Left out: shuttle ({error}).**"
        heading = measured_by(
            "--outliers",
            "Standardised tables whose groups are known, K as many, 'full' "
            f"covariances, means over {draws} draws of outliers and over the tables: "
            "the adjusted Rand index of the rows that are no outliers and, in "
            "brackets, precision and recall of the outliers. Shuttle: area under the "
            "curve and average precision of the components' log-density, which says "
            f"how unlikely a row is.{left_out}",
        )
    return heading + "\n\n".join(parts) + "\n"
