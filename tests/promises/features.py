"""What may be asked of a fit: each feature as what it changes of a :class:`Case`.

A feature acts before the fit (rows, start, settings, kind of table), around it, or on
the fitted model. What comes out is judged by the case's laws, so that no feature knows
of another. A new one is a class of a few lines and an entry in ``FEATURES``.
"""

import copy
import pickle
from functools import partial

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

import fastem
import fastem.dask
from fastem import StopFit, kernels
from fastem.covariances import STRUCTURES
from fastem.em import checkpoint, expectation
from fastem.groups import row_by_row
from fastem.kernels import CHUNK_ROWS
from fastem.sources import reading
from tests import reference
from tests.mixtures import assert_close
from tests.promises.fit_case import (
    N_MORE,
    Case,
    assert_same,
    bits,
    mixture_of,
    shares_of,
)


class Feature:
    """One thing that may be asked of a fit; by default nothing."""

    parameter = ""  # features of the same one are alternatives
    acts_on_maximization = False  # where each structure has a rule of its own

    def arrange(self, case):
        """Change rows, start, settings, or the kind of table."""

    def around(self, case, fit, model, **options):
        """Fit the model; another way than to call ``fit`` once."""
        return fit(model, **options)

    def after(self, case, model):
        """Do something with the fitted model, and return what goes on."""
        return model


class Arranged(Feature):
    """Tables are arranged that are too small for that to pay."""

    def arrange(self, case):
        monkeypatch = case.use("monkeypatch")
        for name, value in (("_FEWEST_ROWS", 1), ("_LEAST_WORK", 0), ("_ORDERING", 0)):
            monkeypatch.setattr(expectation, name, value)
        monkeypatch.setattr(row_by_row, "fewest_rows", lambda *_: 1)
        real, self.passes = kernels.expectation_pass, []

        def noted(X, *arguments, reach=None, **options):
            self.passes.append((len(X), reach is not None))
            return real(X, *arguments, reach=reach, **options)

        monkeypatch.setattr(kernels, "expectation_pass", noted)


class RowsFarApart(Arranged):
    """Components are left out where they are far from a whole tile of rows."""

    def arrange(self, case):
        super().arrange(case)
        case.centers = case.centers * [[1], [1], [15]]
        case.draw(np.repeat([0, 1, 2], [96, 96, 448]))

    def after(self, case, model):
        if case.is_in_memory:
            assert any(leaves_out for _, leaves_out in self.passes)
        return model


class Blocks(Feature):
    """Rows, and their weights, are read from a file, in two blocks or more."""

    def arrange(self, case):
        case.use("monkeypatch").setattr(reading, "_BLOCK_BYTES", 0)
        case.draw(np.resize(case.members, CHUNK_ROWS + 100))
        names = [f"x{j}" for j in range(case.shape[1])]
        case.named = partial(pd.DataFrame, columns=names)
        case.table = partial(self._written, case, case.use("tmp_path"))
        case.unweighted_table = case.table  # columns are found by their names
        case.table_weights = lambda: None if case.row_weights is None else "weight"
        case.table_known = lambda: ("column", "known")

    @staticmethod
    def _written(case, folder):
        path = folder / "rows.parquet"
        if not path.exists():
            table = pa.Table.from_pandas(case.named(case.X))
            if case.row_weights is not None:
                table = table.append_column("weight", [case.row_weights])
            if case.known is not None:
                table = table.append_column("known", [case.known])
            parquet.write_table(table, path, row_group_size=300)
        return path


class EqualRows(Arranged):
    """Equal rows are merged."""

    def arrange(self, case):
        super().arrange(case)
        self.n_distinct = len(case.X)
        times = np.resize([1, 3, 5], self.n_distinct)
        case.X, case.members = (np.repeat(a, times, 0) for a in (case.X, case.members))

    def after(self, case, model):
        known = np.zeros(len(case.X)) if case.known is None else case.known
        kinds = np.column_stack([np.isnan(case.X), known])
        n_groups = len(np.unique(kinds, axis=0))
        # The first ones may be those of a start.
        n_passed = sum(n_rows for n_rows, _ in self.passes[-n_groups:])
        if case.is_in_memory and n_groups == 1:
            assert n_passed == self.n_distinct
        elif case.is_in_memory:  # in small groups few are equal
            assert self.n_distinct <= n_passed < 0.7 * len(case.X)
        return model


class Weights(Feature):
    """Rows count as often as their weights say, some of them not at all."""

    def arrange(self, case):
        case.row_weights = case.random.uniform(0, 3, len(case.X))
        case.row_weights[::7] = 0
        case.more_weights = case.random.uniform(0.5, 2, N_MORE)


class Gaps(Feature):
    """Values are missing, and what is there counts."""

    def arrange(self, case):
        case.settings["missing_values"] = "marginalize"
        case.X, case.more = (self._gappy(case, rows) for rows in (case.X, case.more))

    @staticmethod
    def _gappy(case, rows):
        gaps = case.random.random(rows.shape) < 0.2
        kept = case.random.integers(rows.shape[1], size=len(rows))
        gaps[np.arange(len(rows)), kept] = False
        return np.where(gaps, np.nan, rows).astype(rows.dtype)


class Float32(Feature):
    """Rows are float32, and sums of a few of them too."""

    def arrange(self, case):
        case.X, case.more = case.X.astype(np.float32), case.more.astype(np.float32)
        case.rounding, case.stillness = 1e-4, 1e-3
        case.settings["tol"] = 0  # to where changes are rounding


class Labels(Feature):
    """The start is a partition of the rows, with rows that are in no part."""

    parameter = "init_params"

    def arrange(self, case):
        case.labels = case.members.copy()
        case.labels[::5] = case.random.integers(case.shape[0], size=len(case.X[::5]))
        case.labels[3::11] = -1


class Degrees(Feature):
    """The start says how much each row belongs to each component; some to none."""

    parameter = "init_params"

    def arrange(self, case):
        K = case.shape[0]
        drawn = case.random.dirichlet(np.ones(K), size=len(case.X))
        case.labels = 0.7 * np.eye(K)[case.members] + 0.3 * drawn
        case.labels[3::11] = 0


class KnownRows(Feature):
    """Some rows are known to belong to a component."""

    def arrange(self, case):
        case.known = np.where(np.arange(len(case.X)) % 4, -1, case.members)
        case.known[case.known == 1] = -1  # the component that may be lost


class Trimmed(Feature):
    """The start leaves out the least likely rows."""

    def arrange(self, case):
        if case.labels is None and case.known is None:  # which are a start already
            case.settings["init_params"] = "trimmed"
            case.is_drawn = case.at_limit = case.is_elsewhere = True


class SeveralStarts(Feature):
    """The best of several starts is no worse than the first."""

    parameter = "n_init"
    n_init: int | str = 3

    def arrange(self, case):
        case.settings["n_init"] = self.n_init
        if case.labels is None:  # of a partition there is one start
            case.is_drawn = case.at_limit = case.is_elsewhere = True

    def around(self, case, fit, model, **options):
        first = fit(copy.deepcopy(model).set_params(n_init=1))
        best = fit(model, **options)
        # Options are such as a callback that stops it; with what starts are seeded
        # anew depends on the random numbers before.
        if not (options or (self.n_init == "auto" and model.on_collapse == "reseed")):
            assert best.lower_bound_ >= first.lower_bound_ - case.stillness**2
        return best


class JudgedStarts(SeveralStarts):
    """Nor is the one that short runs find."""

    n_init = "auto"


class Dropped(Feature):
    """A component without rows is left out."""

    parameter = "on_collapse"
    acts_on_maximization = True

    def arrange(self, case):
        case.settings["on_collapse"] = "drop"
        case.lost = 1

    def after(self, case, model):
        assert len(model.weights_) == case.shape[0] - 1
        return model


class Reseeded(Feature):
    """A component without rows begins anew on one of them."""

    parameter = "on_collapse"
    acts_on_maximization = True

    def arrange(self, case):
        case.settings["on_collapse"] = "reseed"
        case.lost = 1
        case.expected = partial(self._expected, case, case.expected)
        case.is_elsewhere = True

    @staticmethod
    def _expected(case, expected, n_iterations):
        """From where one iteration has put the component; the others are the twin's."""
        model = case.fit(case.new().set_params(max_iter=1))
        assert [c.action for c in model.collapses_] == ["reseeded"]
        start, (twin, _) = mixture_of(model), expected(1)
        if not case.is_drawn and case.fixed is None:
            assert_close(np.delete(start.means, 1, 0), twin.means, case.rounding)
            left = start._replace(weights=np.delete(start.weights, 1))
            assert_close(shares_of(left), shares_of(twin), case.rounding)
        if case.fixed is None:
            assert start.weights[1] * len(start.weights) == 1
        assert (np.abs(case.X - start.means[1]) < 1e-6).all(axis=1).any()
        return case.iterated(start, n_iterations - 1)


class FixedParts(Feature):
    """The first component keeps its weight and mean, and its covariance if it can."""

    parameter = "weights"
    acts_on_maximization = True

    def arrange(self, case):
        K = case.shape[0]
        first = np.arange(K) == 0
        # Where the start is drawn, something must be left to draw.
        is_held = STRUCTURES[case.name].shares_nothing and not case.is_drawn
        case.fixed = reference.Fixed(first, first, first & is_held)
        parts = zip(("weights", "means", "covariances"), case.fixed, strict=False)
        case.settings["fixed"] = {name: mask.tolist() for name, mask in parts}


class EqualWeights(Feature):
    """All components have the same weight."""

    parameter = "weights"
    acts_on_maximization = True

    def arrange(self, case):
        none = np.zeros(case.shape[0], bool)
        case.fixed = reference.Fixed(none, none, none, equal_weights=True)
        case.settings["equal_weights"] = True


class Ridge(Feature):
    """Something is added to every variance."""

    acts_on_maximization = True

    def arrange(self, case):
        case.ridge = 3e-4


class Noise(Feature):
    """Some rows belong to a background."""

    acts_on_maximization = True

    def arrange(self, case):
        # A cube: all columns have the same share of its volume.
        low, high = np.nanmin(case.X) - 1, np.nanmax(case.X) + 1
        D = case.shape[1]
        case.noise_volume = float((high - low) ** D)
        case.settings["noise_bounds"] = [[low, high]] * D


class Tails(Feature):
    """Components have the tails of Student's t."""

    acts_on_maximization = True

    def arrange(self, case):
        # So many that no row belongs to a component that is nowhere.
        case.degrees_of_freedom = case.settings["degrees_of_freedom"] = 200.0
        case.estimator = fastem.StudentMixture


class Accelerated(Feature):
    """Longer steps than EM's, by which the log-likelihood does not fall."""

    acts_on_maximization = True

    def arrange(self, case):
        case.settings["accelerate"] = True
        case.at_limit = True


class RemainingGain(Feature):
    """The fit ends where little is left to gain."""

    def arrange(self, case):
        case.settings |= {"stopping": "remaining_gain", "tol": 1e-7}
        case.at_limit = True


class Cluster(Feature):
    """Rows are a Dask collection."""

    def arrange(self, case):
        case.use("client")
        case.estimator = getattr(fastem.dask, case.estimator.__name__)
        table, weights, known = case.table, case.table_weights, case.table_known
        case.table = lambda: self._collection(case, table())
        case.table_weights = lambda: self._collection(case, weights())
        case.table_known = lambda: self._collection(case, known())
        case.unweighted_table = partial(self._unweighted, case)

    @staticmethod
    def _unweighted(case):
        table = case.table()
        if not isinstance(table, dd.DataFrame):
            return table
        return table.drop(columns=["weight", "known"], errors="ignore")

    @staticmethod
    def _collection(case, values):
        if isinstance(values, np.ndarray):
            n_rows = len(values)
            return da.from_array(values, chunks=(n_rows // 2 + 7, *values.shape[1:]))
        return (
            values
            if isinstance(values, str | tuple | None)
            else dd.read_parquet(values)
        )


class Checkpoint(Feature):
    """A fit that was stopped goes on to the bits of one that was not."""

    def around(self, case, fit, model, **options):
        # Nothing is written but where the fit is stopped.
        case.use("monkeypatch").setattr(checkpoint, "_SECONDS_BETWEEN", 1e9)
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


class WarmStart(Feature):
    """A fit that ended early goes on."""

    def around(self, case, fit, model, **options):
        n_iterations = model.max_iter
        fit(model.set_params(warm_start=True, max_iter=2), **options)
        return fit(model.set_params(max_iter=n_iterations - 2), **options)


class Sorted(Feature):
    """The components are in another order, in which the fit goes on."""

    def after(self, case, model):
        before = mixture_of(model)
        order = np.argsort(model.means_[:, 0])
        model.sort_components(0)
        turned = mixture_of(model)
        expected = type(before)(*(part[order] for part in before[:3]), *before[3:])
        assert_same(turned, expected, 1e-14)
        if case.fixed is not None:
            case.fixed = case.fixed.of(order)
        if case.known is not None:  # component k is label k
            case.known = np.append(np.argsort(order), -1)[case.known]
        sums = reference.expectation(
            case.rows[0], turned, case.rows[1], allowed=case.allowed
        )
        if isinstance(model, case.estimator):  # not after a file
            case.fit(model.set_params(warm_start=True, max_iter=1))
            case.check_step(mixture_of(model), sums, turned)
        return model


class Copied(Feature):
    """The model is a copy of itself, that learns as the model would have."""

    def after(self, case, model):
        copied = self._copied(case, model)
        assert bits(copied) == bits(model)
        more = case.named(case.more)
        learned = [copy.deepcopy(m).partial_fit(more) for m in (copied, model)]
        assert bits(learned[0]) == bits(learned[1])
        assert learned[0].n_samples_seen_ == learned[1].n_samples_seen_
        return copied


class Pickled(Copied):
    """Through a pickle."""

    @staticmethod
    def _copied(case, model):
        return pickle.loads(pickle.dumps(model))


class ModelFile(Copied):
    """Through a model file."""

    @staticmethod
    def _copied(case, model):
        path = case.use("tmp_path") / "model.json"
        fastem.save_model(model, path)
        return fastem.load_model(path)


class Stream(Feature):
    """More rows come: a step of stepwise EM."""

    acts_on_maximization = True

    def after(self, case, model):
        before, n_seen = mixture_of(model), model.n_samples_seen_
        counts = np.ones(N_MORE) if case.more_weights is None else case.more_weights
        n_new = counts.sum()
        # The r-th row counts as often as r: those after n less than n + 1 squared.
        n_kept = n_new / ((1 + n_new / n_seen) ** 2 - 1)
        kept = n_kept * shares_of(before)[: len(before.weights)]
        spreads = before.covariances - case.ridge * np.eye(case.shape[1])
        new = reference.expectation(case.more.astype(float), before, counts)
        if case.degrees_of_freedom is not None:
            new = new._replace(counts=new.counts + kept)
        sums = new._replace(
            weights=new.weights + kept,
            scatter=new.scatter + kept[:, np.newaxis, np.newaxis] * spreads,
        )
        model.partial_fit(case.named(case.more), sample_weight=case.more_weights)
        case.check_step(mixture_of(model), sums, before)
        assert_close(model.n_samples_seen_, n_seen + n_new, case.rounding)
        return model


# In the order in which they act.
FEATURES = {
    "rows far apart": RowsFarApart(),
    "blocks": Blocks(),
    "equal rows": EqualRows(),
    "weights": Weights(),
    "gaps": Gaps(),
    "float32": Float32(),
    "labels": Labels(),
    "degrees": Degrees(),
    "known rows": KnownRows(),
    "trimmed start": Trimmed(),
    "several starts": SeveralStarts(),
    "judged starts": JudgedStarts(),
    "fixed parts": FixedParts(),
    "equal weights": EqualWeights(),
    "dropped": Dropped(),
    "reseeded": Reseeded(),
    "ridge": Ridge(),
    "noise": Noise(),
    "tails": Tails(),
    "accelerated": Accelerated(),
    "remaining gain": RemainingGain(),
    "Dask": Cluster(),
    "checkpoint": Checkpoint(),
    "warm start": WarmStart(),
    "sorted": Sorted(),
    "pickle": Pickled(),
    "model file": ModelFile(),
    "stream": Stream(),
}


# By mathematics: what the error says.
REFUSED = {
    ("known rows", "dropped"): "labels are numbers of components",
    ("fixed parts", "dropped"): "fixed names components by their numbers",
}


def are_refused(names):
    """Whether two of them exclude each other."""
    return any(set(pair) <= set(names) for pair in REFUSED)


def are_alternatives(names):
    """Whether two of them are values of one parameter."""
    parameters = [FEATURES[n].parameter for n in names if FEATURES[n].parameter]
    return len(set(parameters)) < len(parameters)


def hold(case: Case, names):
    """Fit with these features at once; what comes out obeys all laws."""
    features = [feature for name, feature in FEATURES.items() if name in names]
    fit = case.fit
    for feature in features:
        feature.arrange(case)
        fit = partial(feature.around, case, fit)
    model = fit(case.new())
    case.check(model)
    for feature in features:
        model = feature.after(case, model)
    case.check_answers(model)
