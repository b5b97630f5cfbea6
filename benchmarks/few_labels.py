"""What rows of unknown groups bring where three of each group are known."""

import warnings

import numpy as np
from sklearn.metrics import adjusted_rand_score

from benchmarks.instruments import Options
from benchmarks.labelled import LabelledTable, load_labelled, load_more
from benchmarks.reporting import progress
from benchmarks.table import rows_of_cells
from fastem import GaussianMixture

_KNOWN = 3
_DRAWS = 10
# With so few rows of each group, one covariance is shared.
_STRUCTURES = ("tied", "full")


def labels_of(table: LabelledTable, seed: int) -> np.ndarray:
    """The groups of three rows of each, drawn at random; -1 for the others."""
    random = np.random.default_rng(seed)
    labels = np.full(len(table.rows), -1)
    for group in range(table.n_groups):
        rows = np.flatnonzero(table.groups == group)
        labels[random.choice(rows, _KNOWN, replace=False)] = group
    return labels


def agreements(table: LabelledTable, structure: str, draws: int) -> tuple[float, float]:
    """Of a fit to the known rows alone, and of one to all: means of the index.

    Of the rows that are not known.
    """
    found = []
    for seed in range(draws):
        labels = labels_of(table, seed)
        known = labels >= 0
        model = GaussianMixture(
            table.n_groups,
            covariance_type=structure,
            reg_covar=1e-2,
            tol=1e-6,
            max_iter=1000,
        )
        of_draw = []
        for rows in (known, np.ones(len(labels), bool)):
            model.fit(table.rows[rows], labels=labels[rows])
            predicted = model.predict(table.rows[~known])
            of_draw.append(adjusted_rand_score(table.groups[~known], predicted))
        found.append(of_draw)
    alone, with_others = np.mean(found, axis=0)
    return float(alone), float(with_others)


def table(options: Options) -> str:
    """A Markdown table."""
    labelled = [*load_labelled(), *load_more()]
    if options.short:
        labelled = labelled[:2]
    draws = 2 if options.short else options.repeats or _DRAWS
    lines = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in labelled:
            cells = []
            for structure in _STRUCTURES:
                progress(f"{one.name}: three labels a group, {structure}")
                alone, with_others = agreements(one, structure, draws)
                cells += [f"{alone:.2f}", f"{with_others:.2f}"]
            n_rows, n_columns = one.rows.shape
            lines.append([f"{one.name} ({n_rows} x {n_columns}, {one.n_groups})"])
            lines[-1] += cells
    head = ["table (N x D, groups)"]
    for structure in _STRUCTURES:
        head += [f"{structure}: known rows alone", f"{structure}: with the others"]
    return (
        f"Adjusted Rand index of the rows that are not known, where {_KNOWN} rows of "
        f"each group are, of standardised tables; means over {draws} draws, "
        "reg_covar=1e-2.\n\n" + rows_of_cells(head, lines)
    )
