"""What gaps cost: agreement with known groups, by what is done about the gaps."""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.metrics import adjusted_rand_score

from benchmarks.instruments import Options
from benchmarks.labelled import LabelledTable, load_labelled, load_pima
from benchmarks.problems import Rows
from benchmarks.reporting import progress
from benchmarks.table import rows_of_cells
from fastem import GaussianMixture

_SHARES = (0.1, 0.3)
_DRAWS = 5
_STARTS = 4
_MOST_ITERATIONS = 1000

Labels = np.ndarray
# Given rows with gaps, how many groups, and a seed: the group of each row.
Way = Callable[[Rows, int, int], Labels]


def _mixture(n_groups: int, seed: int, missing: str = "error") -> GaussianMixture:
    return GaussianMixture(
        n_groups,
        n_init=_STARTS,
        random_state=seed,
        max_iter=_MOST_ITERATIONS,
        reg_covar=1e-4,
        missing_values=missing,
    )


def _exact(X: Rows, n_groups: int, seed: int) -> Labels:
    """The likelihood of what is there."""
    model = _mixture(n_groups, seed, "marginalize")
    return model.fit_predict(X)


def _without_rows(X: Rows, n_groups: int, seed: int) -> Labels:
    """A fit to complete rows; others are of the group they are nearest to, by it."""
    complete = X[~np.isnan(X).any(axis=1)]
    if len(complete) <= n_groups:
        return np.zeros(len(X), np.intp)
    model = _mixture(n_groups, seed).fit(complete)
    model.set_params(missing_values="marginalize")
    return model.predict(X)


def _with_medians(X: Rows, n_groups: int, seed: int) -> Labels:
    filled = SimpleImputer(strategy="median").fit_transform(X)
    return _mixture(n_groups, seed).fit_predict(filled)


def _with_regressions(X: Rows, n_groups: int, seed: int) -> Labels:
    filled = IterativeImputer(random_state=seed, max_iter=10).fit_transform(X)
    return _mixture(n_groups, seed).fit_predict(filled)


WAYS: Mapping[str, Way] = {
    "exact: missing_values='marginalize'": _exact,
    "rows with gaps left out of the fit": _without_rows,
    "filled with medians": _with_medians,
    "filled by regressions (IterativeImputer)": _with_regressions,
}


def with_gaps(X: Rows, share: float, seed: int) -> Rows:
    """The rows with such a share of the values taken out, completely at random."""
    random = np.random.default_rng(seed)
    return np.where(random.random(X.shape) < share, np.nan, X)


def agreement(table: LabelledTable, way: Way, share: float, draws: int) -> float:
    """The mean over draws of the adjusted Rand index; 0 where a fit is not possible."""
    indices = []
    for seed in range(draws):
        X = with_gaps(table.rows, share, seed) if share else table.rows
        try:
            labels = way(X, table.n_groups, seed)
        except ValueError:
            indices.append(0.0)
            continue
        indices.append(adjusted_rand_score(table.groups, labels))
    return float(np.mean(indices))


def tables(options: Options) -> str:
    """A Markdown table for each share of values taken out."""
    labelled = load_labelled()[: 2 if options.short else None]
    draws = 1 if options.short else options.repeats or _DRAWS
    parts = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for share in _SHARES:
            lines = []
            for name, way in WAYS.items():
                found = []
                for table in labelled:
                    progress(f"{table.name}, {share:.0%} missing: {name}")
                    found.append(agreement(table, way, share, draws))
                cells = [f"{index:.2f}" for index in found]
                lines.append([name, *cells, f"{np.mean(found):.3f}"])
            if share == _SHARES[0]:
                complete = [
                    agreement(table, _with_medians, 0.0, 1) for table in labelled
                ]
                cells = [f"{index:.2f}" for index in complete]
                mean = f"{np.mean(complete):.3f}"
                lines.insert(0, ["nothing taken out", *cells, mean])
            head = [f"{share:.0%} taken out", *(t.name for t in labelled), "mean"]
            parts.append(rows_of_cells(head, lines))
    return (
        "Adjusted Rand index with the known groups of standardised tables, of whose "
        f"values a share was taken out completely at random; means over {draws} draws. "
        f"'full', K as many as groups, {_STARTS} k-means starts, reg_covar=1e-4. All "
        "rows are judged: those left out of a fit by its marginal densities. A fit "
        "that is not possible, as too few rows are left, counts 0.\n\n"
        + "\n\n".join(parts)
    )


def pima(options: Options) -> str:
    """A sentence: rows of a medical table that a fit can be asked about."""
    X = load_pima()
    has_gaps = np.isnan(X).any(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianMixture(2, random_state=0, reg_covar="relative")
        model.fit(X[~has_gaps]).set_params(missing_values="marginalize")
    answered = np.isfinite(model.score_samples(X[has_gaps])).sum()
    return (
        f"Of Pima's {len(X)} rows x {X.shape[1]} columns (Debian r-cran-mlbench, "
        f"PimaIndiansDiabetes2) {has_gaps.sum()} have gaps. A mixture fitted to the "
        f"other {(~has_gaps).sum()} answers about {answered} of them, as soon as it is "
        "told missing_values='marginalize', without another fit."
    )
