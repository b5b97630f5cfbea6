"""What memberships of held-out rows claim, and how many are right."""

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.labelled import WIDER_NAMES, LabelledTable, load_labelled
from benchmarks.packages import UnavailableError
from benchmarks.problems import Rows
from benchmarks.reporting import measured_by, progress
from benchmarks.table import at_most, rows_of_cells
from fastem import GaussianMixture, bagged_memberships, calibration
from fastem.em.ridge import RegularizationWarning

PLUG_IN, PREDICTIVE, BAGGED = "predict_proba", "predict_proba_uncertain", "bagged"
WAYS = (PLUG_IN, PREDICTIVE, BAGGED)
TYPES = ("full", "diag")
HALF = 0.5  # of the plug-in's gap
_SPLITS = 5
_FITS = 50


def judged(
    table: LabelledTable, covariance_type: str, seed: int
) -> Iterator[tuple[str, float, float]]:
    """Each way, and what it claims and has right on a half that no fit has seen."""
    order = np.random.default_rng(seed).permutation(len(table.rows))
    seen, new = np.array_split(order, 2)
    model = GaussianMixture(
        table.n_groups,
        covariance_type=covariance_type,
        reg_covar="relative",
        n_init=5,
        max_iter=1000,
        random_state=seed,
    ).fit(table.rows[seen])
    rows, groups = table.rows[new], table.groups[new]
    for way in WAYS:
        told = calibration(
            model,
            rows,
            groups,
            memberships=_memberships(model, way, table.rows[seen], rows, seed),
            matching="one-to-one",
        )
        yield way, told.mean_claimed, told.mean_right


def _memberships(
    model: GaussianMixture, way: str, seen: Rows, new: Rows, seed: int
) -> Rows:
    if way == BAGGED:
        return bagged_memberships(model, seen, new, n_fits=_FITS, random_state=seed)
    degrees: Rows = getattr(model, way)(new)
    return degrees


def claims(
    tables: Sequence[LabelledTable], covariance_type: str, n_splits: int
) -> Mapping[str, Mapping[str, tuple[float, float]]]:
    """Of each table and way the means of what is claimed and right over splits."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for table in tables:
        of_ways = defaultdict(list)
        for seed in range(n_splits):
            progress(f"{table.name}: {covariance_type}, split {seed + 1}")
            for way, claimed, right in judged(table, covariance_type, seed):
                of_ways[way].append((claimed, right))
        found[table.name] = {
            way: tuple(np.mean(of_splits, axis=0)) for way, of_splits in of_ways.items()
        }
    return found


def claims_table(
    found: Mapping[str, Mapping[str, tuple[float, float]]], covariance_type: str
) -> str:
    """A Markdown table: claimed / right of each table, and the mean gaps."""
    lines = [
        [name, *(f"{c:.3f} / {r:.3f}" for c, r in (of_table[way] for way in WAYS))]
        for name, of_table in found.items()
    ]
    values = np.array([[found[name][way] for way in WAYS] for name in found])
    means = values.mean(axis=0)
    lines.append(["mean", *(f"{c:.3f} / {r:.3f}" for c, r in means)])
    gaps = np.abs(values[..., 0] - values[..., 1]).mean(axis=0)
    target = HALF * gaps[0]
    cells = [f"{gaps[0]:.3f}"]
    for gap, right in zip(gaps[1:], means[1:, 1], strict=True):
        met = at_most(round(target, 3), round(gap, 3), "")
        lost = max(0.0, means[0, 1] - right)
        cells.append(f"{gap:.3f} (target {met}; {lost:.3f} less right)")
    lines.append(["mean gap, either sign", *cells])
    return rows_of_cells([f"{covariance_type!r}: claimed / right", *WAYS], lines)


def document(options: Options) -> str:
    """Measure all tables; the Markdown document."""
    n_splits = 1 if options.short else options.repeats or _SPLITS
    parts, left_out = [], ""
    with (
        machine.threads(options.n_threads or machine.usable_cores()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", RegularizationWarning)
        try:
            tables = load_labelled(WIDER_NAMES)[: 3 if options.short else None]
            for covariance_type in TYPES:
                found = claims(tables, covariance_type, n_splits)
                parts.append(claims_table(found, covariance_type))
        except UnavailableError as error:
            left_out = f" **Left out: all tables ({error}).**"
        heading = measured_by(
            "--calibration",
            "Standardised tables whose groups are known, K as many; fits to one half "
            "of the rows, the best of five starts, judged on the other half: the mean "
            "of the largest membership, and the share of rows whose likeliest "
            "component is their group's, as components are matched to groups one to "
            f"one. Means of {n_splits} splits; bagged over {_FITS} fits.{left_out}",
        )
    return heading + "\n\n".join(parts) + "\n"
