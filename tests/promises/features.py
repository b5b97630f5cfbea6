"""Everything that may be asked of a fit, each as what it changes of a fit and its twin.

A :class:`Case` is a small table, a start, and what the estimator is given for them. A
:class:`Feature` changes it in up to three places: before the fit (rows, start, settings,
the kind of table), around the fit, and after it. The expected answer follows from what
the case then is: EM of the twin, in plain NumPy, from the same start. So features need
not know of each other, and a new one is a class of a few lines in ``FEATURES``.

Where two ways to the same limit differ (``accelerate``, rules that iterate), or where
the start is drawn, ``at_limit`` has the fit go on until only rounding changes, and the
twin say that EM stays there.
"""

import copy
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning

import fastem
from fastem import GaussianMixture, StopFit, kernels
from fastem.covariances import STRUCTURES
from fastem.em import checkpoint, expectation
from tests import reference
from tests.mixtures import assert_close, start_of
from tests.reference import Mixture

K, D, N, N_MORE = 3, 3, 180, 60
FAR = 1e4  # where no rows are
PARTITIONS = (2, 3, 5)  # of a table, as shares
# Where components are near each other, and where the last one is far from the others.
CENTERS = np.array([[0.0, 0, 0], [4, 1, -2], [-1, 5, 3]])
APART = np.array([[1.0], [1], [15]])
SHAPES = np.array([[1.0, 0.3, 0.5], [0.4, 1.2, 0.6], [1.5, 0.5, 0.8]])
# Of the rules that iterate, a step of EM goes a part of the way only.
BY_PARTS = {"EVE", "VVE"}
N_ITERATIONS = 6


def draw(random, labels, centers):
    """Rows of each label's cloud; the clouds differ in size, shape and axes."""
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(K, D, D)))[0]
    normal = random.normal(size=(len(labels), D)) * SHAPES[labels]
    return centers[labels] + np.einsum("nij,nj->ni", axes[labels], normal)


@dataclass
class Case:
    """A table and a start, what the estimator is given, and what is to come of it."""

    name: str  # of the structure
    use: Callable[[str], Any]  # a fixture, by its name
    seed: int = 0
    centers: np.ndarray = field(default_factory=lambda: CENTERS)
    row_weights: np.ndarray | None = None
    more_weights: np.ndarray | None = None  # of the rows that come later
    labels: np.ndarray | None = None  # a partition to start from
    is_drawn: bool = False  # the start is k-means
    lost: int | None = None  # a component that has no rows
    settings: dict = field(default_factory=dict)
    estimator: type = GaussianMixture
    ridge: float = 0.0
    at_limit: bool = False
    has_other_limit: bool = False  # than that of EM from the start
    rounding: float = 1e-9  # of what follows after a few steps
    stillness: float = 1e-5  # by how much EM may still move at its limit
    passes: list = field(default_factory=list)  # rows, and whether some were left out

    def __post_init__(self):
        random = np.random.default_rng(self.seed)
        self.random = random
        self.members = np.arange(N) % K
        self.X = draw(random, self.members, self.centers)
        self.more = draw(random, random.integers(K, size=N_MORE), self.centers)
        self.named = lambda rows: rows
        self.table = lambda: self.X
        self.table_weights = lambda: self.row_weights
        self.at_limit = self.name in BY_PARTS

    # The twin

    @property
    def rows(self):
        """The rows as the twin takes them, and how often each counts."""
        return self.X.astype(float), self.counts

    @property
    def counts(self):
        return np.ones(len(self.X)) if self.row_weights is None else self.row_weights

    @property
    def start(self):
        """Where the twin begins, with all components."""
        if self.labels is not None:
            members = self.labels[:, np.newaxis] == np.arange(K)
            shares = members * self.counts[:, np.newaxis]
            return reference.start_from_shares(
                self.X.astype(float), shares, self.name, self.ridge
            )
        random = np.random.default_rng(5)
        scatter = np.stack([np.diag(shape**2) + 0.2 for shape in SHAPES])
        covariances = reference.STRUCTURES[self.name].estimate(np.ones(K), scatter)
        means = self.centers + 0.5 * random.normal(size=(K, D))
        return Mixture(np.array([0.3, 0.3, 0.4]), means, covariances)

    def expected(self, n_iterations):
        """The twin's mixture, and its lower bounds."""
        start = self.start
        if self.lost is not None:
            start = without(start, self.lost)
        X, counts = self.rows
        return reference.iterate(X, start, self.name, self.ridge, n_iterations, counts)

    # The estimator

    def new(self):
        """The estimator, with its start and its settings."""
        start = self.start
        if self.lost is not None:
            start.means[self.lost] = FAR
        given = start_of(start, self.name)
        if self.labels is not None or self.is_drawn:
            kept = {"n_components", "covariance_type"}
            if self.lost is not None:
                kept |= {"means_init"}
            given = {name: given[name] for name in kept}
            given["init_params"] = "kmeans" if self.labels is None else self.labels
        limits = {"tol": 0, "max_iter": 5000 if self.at_limit else N_ITERATIONS}
        return self.estimator(
            **given,
            **{"random_state": 3, "reg_covar": self.ridge, **limits, **self.settings},
        )

    def fit(self, model, **options):
        """The estimator, fitted to the table."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(
                self.table(), sample_weight=self.table_weights(), **options
            )

    def watch(self):
        """Have the passes over the rows noted, and small tables treated as large."""
        if self.passes is None or getattr(self, "is_watched", False):
            return
        self.is_watched = True
        monkeypatch = self.use("monkeypatch")
        for name, value in (("_FEWEST_ROWS", 1), ("_LEAST_WORK", 0), ("_ORDERING", 0)):
            monkeypatch.setattr(expectation, name, value)
        expectation_pass = kernels.expectation_pass

        def noted(X, *arguments, reach=None, **options):
            self.passes.append((len(X), reach is not None))
            return expectation_pass(X, *arguments, reach=reach, **options)

        monkeypatch.setattr(kernels, "expectation_pass", noted)

    @property
    def is_in_memory(self):
        """Whether fit has the rows as an array."""
        return self.table() is self.X

    # What must hold

    def check(self, model):
        """The fit is the twin's."""
        if self.at_limit:
            self._check_limit(model)
            return
        twin, bounds = self.expected(N_ITERATIONS)
        assert_same(mixture_of(model), twin, self.rounding)
        given = model.lower_bounds_[1:]  # the first may be that with one lost
        np.testing.assert_allclose(
            given, bounds[len(bounds) - len(given) :], rtol=self.rounding
        )

    def _check_limit(self, model):
        assert model.converged_
        X, counts = self.rows
        found = mixture_of(model)
        twin, bounds = reference.iterate(X, found, self.name, self.ridge, 2, counts)
        assert_same(twin, found, self.stillness)
        # Of a log-likelihood, in total: what is left to gain is second order.
        rounding = max(self.stillness**2, 1e-12) * abs(bounds[0]) * 10
        assert model.lower_bound_ == pytest_approx(bounds[0], rounding)
        mended = {collapse.iteration for collapse in model.collapses_}
        gains = np.diff(model.lower_bounds_)
        falls = [-gain for i, gain in enumerate(gains, 1) if i not in mended]
        assert self.ridge or not falls or max(falls) <= rounding
        if not self.has_other_limit:
            limit = self.limit()
            assert model.lower_bound_ == pytest_approx(limit, rounding)

    def limit(self):
        """The log-likelihood of a row at the end of the twin's way from the start."""
        X, counts = self.rows
        lost = -1 if self.lost is None else self.lost
        start = self.start if lost < 0 else without(self.start, lost)
        arrays = (X, counts, *start)
        return _limit(
            self.name, self.ridge, *((a.shape, a.tobytes()) for a in arrays)
        )

    def check_answers(self, model):
        """What is asked of the model is what the twin says of its parameters."""
        X, counts = self.rows
        mixture = mixture_of(model)
        exact = max(self.rounding, 1e-10)
        for table in (self.named(self.X), self.table()):
            scores = np.asarray(model.score_samples(table))
            assert_close(scores, reference.score_samples(X, mixture), exact)
            shares = np.asarray(model.predict_proba(table))
            assert_close(shares, reference.responsibilities(X, mixture), exact)
        weights = self.table_weights()
        mean = model.score(self.table(), sample_weight=weights)
        assert mean == pytest_approx(reference.score(X, mixture, counts), exact * 10)
        assert_close(model.to_sklearn().score_samples(self.named(X)), scores, exact)
        assert np.isfinite(model.sample(9, random_state=0)[0]).all()
        again = GaussianMixture.from_parameters(
            *(model.weights_, model.means_, model.covariances_),
            covariance_type=self.name,
        )
        assert bits(again) == bits(model)


def pytest_approx(value, tolerance):
    import pytest

    return pytest.approx(value, rel=0, abs=tolerance)


def without(mixture, component):
    """The mixture without one of its components."""
    return Mixture(*(np.delete(part, component, axis=0) for part in mixture))


def mixture_of(model):
    """The parameters of a model, dense."""
    representation = STRUCTURES[model.covariance_type].representation
    covariances = representation.expand(model.covariances_, *model.means_.shape)
    return Mixture(model.weights_, model.means_, np.array(covariances))


def bits(model):
    """The parameters, to be compared to the last bit."""
    arrays = ("weights_", "means_", "covariances_", "precisions_cholesky_")
    return [getattr(model, name).tobytes() for name in arrays]


def assert_same(ours, twin, tolerance):
    assert_close(ours.weights / ours.weights.sum(), twin.weights, tolerance)
    assert_close(ours.means, twin.means, tolerance)
    assert_close(ours.covariances, twin.covariances, tolerance)


@lru_cache(maxsize=None)
def _limit(name, ridge, *arrays):
    X, counts, *start = (np.frombuffer(b).reshape(shape) for shape, b in arrays)
    mixture, before = Mixture(*start), -np.inf
    for _ in range(200):
        mixture, bounds = reference.iterate(X, mixture, name, ridge, 5, counts)
        if bounds[-1] - before < 1e-14:
            break
        before = bounds[-1]
    return bounds[-1]


class Feature:
    """One thing that may be asked of a fit; by default it changes nothing."""

    def arrange(self, case):
        """Change the rows, the start, the settings or the kind of table."""

    def around(self, case, fit, model, **options):
        """Fit the model, another way than to call ``fit`` once."""
        return fit(model, **options)

    def after(self, case, model):
        """Do something with the fitted model, and return what goes on."""
        return model


class Merged(Feature):
    """Equal rows are computed once."""

    def arrange(self, case):
        case.watch()
        times = 3
        case.X, case.members = (np.repeat(a, times, 0) for a in (case.X, case.members))

    def after(self, case, model):
        if case.is_in_memory:
            n_distinct = len(np.unique(case.X, axis=0))
            assert case.passes[0][0] == n_distinct < len(case.X)
        return model


class LeftOut(Feature):
    """Components that are far from whole tiles of rows are left out there."""

    def arrange(self, case):
        case.watch()
        case.centers = CENTERS * APART
        # Whole tiles of rows are in the component that is far.
        case.members = np.repeat([0, 1, 2], [96, 96, 448])
        case.X = draw(case.random, case.members, case.centers)
        case.more = draw(case.random, case.random.integers(K, size=N_MORE), case.centers)

    def after(self, case, model):
        if case.is_in_memory:
            assert any(left_out for _, left_out in case.passes)
        return model


class Weighted(Feature):
    """Rows count as often as their weights say, some of them not at all."""

    def arrange(self, case):
        case.row_weights = case.random.uniform(0, 3, len(case.X))
        case.row_weights[::7] = 0
        case.more_weights = case.random.uniform(0.5, 2, N_MORE)


class Narrow(Feature):
    """Rows are float32."""

    def arrange(self, case):
        case.X, case.more = (a.astype(np.float32) for a in (case.X, case.more))
        case.rounding, case.stillness = 1e-4, 1e-3


class Labels(Feature):
    """The start is a partition of the rows; some are in no part."""

    def arrange(self, case):
        case.labels = case.members.copy()
        case.labels[::5] = case.random.integers(K, size=len(case.labels[::5]))
        case.labels[3::11] = -1


class SeveralStarts(Feature):
    """The best of several starts, of which it is told that none is better."""

    def arrange(self, case):
        case.settings["n_init"] = 3
        if case.labels is None:
            case.is_drawn = case.at_limit = case.has_other_limit = True

    def around(self, case, fit, model, **options):
        one = fit(copy.deepcopy(model).set_params(n_init=1))
        best = fit(model, **options)
        if case.labels is not None:
            assert bits(best) == bits(one)
        assert best.lower_bound_ >= one.lower_bound_ - case.stillness**2
        return best


class Dropped(Feature):
    """A component that has no rows is left out."""

    def arrange(self, case):
        case.settings["on_collapse"] = "drop"
        case.lost = 1

    def after(self, case, model):
        assert len(model.weights_) == K - 1
        return model


class Reseeded(Feature):
    """A component that has no rows begins anew on a row."""

    def arrange(self, case):
        case.settings["on_collapse"] = "reseed"
        case.lost = 1
        plain = case.expected

        def expected(n_iterations):
            """From where one iteration has put the component."""
            model = case.fit(case.new().set_params(max_iter=1))
            assert [c.action for c in model.collapses_] == ["reseeded"]
            ours, (twin, _) = mixture_of(model), plain(1)
            assert np.isclose(case.X, ours.means[1], rtol=1e-6).all(axis=1).any()
            assert_close(np.delete(ours.means, 1, 0), twin.means, case.rounding)
            assert_close(np.delete(ours.weights, 1), twin.weights * 2 / 3, case.rounding)
            X, counts = case.rows
            return reference.iterate(
                X, ours, case.name, case.ridge, n_iterations - 1, counts
            )

        case.expected = expected
        case.has_other_limit = True


class Ridge(Feature):
    """A share of every variance is added to it."""

    def arrange(self, case):
        case.ridge = 3e-4


class Accelerated(Feature):
    """Longer steps than EM's."""

    def arrange(self, case):
        case.settings["accelerate"] = True
        case.at_limit = True


class RemainingGain(Feature):
    """The fit ends where little is left to gain."""

    def arrange(self, case):
        case.settings |= {"stopping": "remaining_gain", "tol": 1e-9}
        case.at_limit = True

    def after(self, case, model):
        assert model.convergence_.at_rounding or model.convergence_.remaining_gain < 1e-9
        return model


class Blocks(Feature):
    """Rows, and their weights, are in a file that is read block by block."""

    def arrange(self, case):
        case.path = case.use("tmp_path") / "rows.parquet"
        case.named = partial(pd.DataFrame, columns=[f"x{j}" for j in range(D)])
        case.table = partial(self._written, case)
        case.table_weights = lambda: None if case.row_weights is None else "weight"

    def _written(self, case):
        import pyarrow as pa
        from pyarrow import parquet

        if not case.path.exists():
            table = pa.Table.from_pandas(case.named(case.X))
            if case.row_weights is not None:
                table = table.append_column("weight", [case.row_weights])
            parquet.write_table(table, case.path, row_group_size=50)
        return case.path


class Cluster(Feature):
    """Rows are a Dask collection."""

    def arrange(self, case):
        import fastem.dask

        case.use("client")
        case.estimator = fastem.dask.GaussianMixture
        table = case.table

        def collection():
            import dask.array as da
            import dask.dataframe as dd

            rows = table()
            if rows is not case.X:
                return dd.read_parquet(rows)
            return da.from_array(rows, chunks=(len(rows) // 2 + 1, D))

        def weights():
            if case.row_weights is None or not hasattr(case.table(), "chunks"):
                return None if case.row_weights is None else "weight"
            import dask.array as da

            return da.from_array(case.row_weights, chunks=(case.table().chunks[0],))

        case.table, case.table_weights = collection, weights


class WarmStart(Feature):
    """A fit that ended early is gone on with."""

    def around(self, case, fit, model, **options):
        whole = model.max_iter
        fit(model.set_params(warm_start=True, max_iter=2), **options)
        return fit(model.set_params(max_iter=whole - 2), **options)


class Resumed(Feature):
    """A fit that was stopped goes on from its checkpoint, to the same bits."""

    def around(self, case, fit, model, **options):
        monkeypatch = case.use("monkeypatch")
        monkeypatch.setattr(checkpoint, "_SECONDS_BETWEEN", 1e9)
        path = case.use("tmp_path") / "checkpoint.json"

        def stop(progress):
            if progress.iteration == 2:
                raise StopFit

        whole = fit(copy.deepcopy(model))
        fit(copy.deepcopy(model), checkpoint=path, callback=stop)
        assert path.exists()
        resumed = fit(model, checkpoint=path)
        assert not path.exists()
        assert bits(resumed) == bits(whole)
        assert resumed.lower_bounds_ == whole.lower_bounds_
        return resumed


class HandedOn(Feature):
    """The model is a copy of itself, that learns as the model would have."""

    def after(self, case, model):
        copied = self.copied(case, model)
        assert bits(copied) == bits(model)
        assert copied.n_samples_seen_ == model.n_samples_seen_
        learned = [m.partial_fit(case.named(case.more)) for m in map(copy.deepcopy, (copied, model))]
        assert bits(learned[0]) == bits(learned[1])
        return copied


class Pickled(HandedOn):
    """The model was pickled."""

    def copied(self, case, model):
        return pickle.loads(pickle.dumps(model))


class Filed(HandedOn):
    """The model was written to a file."""

    def copied(self, case, model):
        path = case.use("tmp_path") / "model.json"
        fastem.save_model(model, path)
        return fastem.load_model(path)


class Sorted(Feature):
    """The components are in another order, and the fit is gone on with."""

    def after(self, case, model):
        before = mixture_of(model)
        order = np.arange(len(model.weights_))[::-1]
        model.sort_components(list(order))
        turned = mixture_of(model)
        assert_same(turned, Mixture(*(part[order] for part in before)), 1e-14)
        seen = model.n_samples_seen_
        X, counts = case.rows
        twin, _ = reference.iterate(X, turned, case.name, case.ridge, 1, counts)
        if case.is_in_memory:
            case.fit(model.set_params(warm_start=True, max_iter=1))
            tolerance = case.stillness if case.name in BY_PARTS else case.rounding
            assert_same(mixture_of(model), twin, tolerance)
            assert model.n_samples_seen_ == seen
        return model


class Stream(Feature):
    """More rows come later: a step of stepwise EM."""

    def after(self, case, model):
        before, seen = mixture_of(model), model.n_samples_seen_
        counts = np.ones(N_MORE) if case.more_weights is None else case.more_weights
        more = case.more.astype(float)
        # The r-th row counts as r: of n rows and b more, the latter n + b/2 to n/2.
        n_new = counts.sum()
        n_old = n_new / ((1 + n_new / seen) ** model.forgetting - 1)
        statistics = reference.expectation(more, before, counts)
        old = n_old * before.weights / before.weights.sum()
        spreads = before.covariances - case.ridge * np.eye(D)
        twin = reference.maximization(
            statistics._replace(
                weights=statistics.weights + old,
                scatter=statistics.scatter + old[:, np.newaxis, np.newaxis] * spreads,
            ),
            *(before.means, case.name, case.ridge),
        )
        model.partial_fit(case.named(case.more), sample_weight=case.more_weights)
        tolerance = case.stillness if case.name in BY_PARTS else case.rounding
        assert_same(mixture_of(model), twin, tolerance)
        assert model.n_samples_seen_ == pytest_approx(seen + n_new, 1e-9 * seen)
        return model


# In the order in which they come into effect.
FEATURES = {
    "rows far apart": LeftOut(),
    "equal rows": Merged(),
    "weights": Weighted(),
    "float32": Narrow(),
    "labels": Labels(),
    "several starts": SeveralStarts(),
    "dropped": Dropped(),
    "reseeded": Reseeded(),
    "ridge": Ridge(),
    "accelerated": Accelerated(),
    "remaining gain": RemainingGain(),
    "blocks": Blocks(),
    "Dask": Cluster(),
    "warm start": WarmStart(),
    "checkpoint": Resumed(),
    "sorted": Sorted(),
    "model file": Filed(),
    "pickle": Pickled(),
    "stream": Stream(),
}


def hold(case, names):
    """Ask for all of these at once, and check what comes of it."""
    features = [FEATURES[name] for name in FEATURES if name in names]
    for feature in features:
        feature.arrange(case)
    fit = case.fit
    for feature in features:
        fit = partial(feature.around, case, fit)
    model = fit(case.new())
    case.check(model)
    for feature in features:
        model = feature.after(case, model)
    case.check_answers(model)
