"""A small fit, what the estimator is given for it, and the laws that it must obey.

The expected answer follows from what the case is: EM of the plain twin from the same
start. After a few iterations a fit is where the twin is. Where two ways to the same
limit differ (longer steps, starts that are drawn, rules that go a part of the way),
``at_limit`` has the fit go on until only rounding changes; the twin then says that EM
gains nothing from there.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastem import GaussianMixture, StudentMixture
from fastem.covariances import STRUCTURES
from tests import reference
from tests.mixtures import assert_close, start_of
from tests.reference import Mixture, Robust

N, N_MORE, N_ITERATIONS, AMPLE = 150, 60, 4, 3000
SHAPE = (3, 3)  # components and columns
CENTERS = np.array([[0.0, 0, 0], [4, 1, -2], [-4, 2, 2]])
DEVIATIONS = np.array([[1.0, 0.5, 0.6], [0.5, 1.2, 0.7], [1.5, 0.6, 0.8]])
NOWHERE = 1e4  # no rows are there
# Common axes are sought in a few sweeps a step, from the last ones: likelier than those
# and, in the end, than what the twin finds from others.
BY_PARTS = {"EVE", "VVE"}


@dataclass
class Case:
    """A table and a start, as features have changed them."""

    name: str  # of the structure
    use: Callable[[str], Any]  # a fixture of pytest's, by its name
    shape: tuple[int, int] = SHAPE
    estimator: type = GaussianMixture
    settings: dict = field(default_factory=dict)
    ridge: float = 0.0
    # How often rows count, those of the table and those that come later.
    row_weights: np.ndarray | None = None
    more_weights: np.ndarray | None = None
    # The start: by default parameters near those that the rows come from.
    labels: np.ndarray | None = None  # or degrees, of two dimensions
    known: np.ndarray | None = None  # components that rows are known to belong to
    is_drawn: bool = False
    fixed: reference.Fixed | None = None  # what stays as it is at the start
    lost: int | None = None  # a component that no rows belong to
    noise_volume: float = 0.0  # of a background, if there is one
    degrees_of_freedom: float | None = None  # of all components, if they have tails
    # What may be expected.
    at_limit: bool = False
    is_elsewhere: bool = False  # at a limit that is not that of the given start
    rounding: float = 1e-9  # of what a few steps lead to
    stillness: float = 1e-5  # by how much EM moves where it does not gain any more

    def __post_init__(self):
        K, D = self.shape
        self.random = np.random.default_rng(1)
        self.centers, self.deviations = CENTERS[:K, :D], DEVIATIONS[:K, :D]
        self.axes = np.linalg.qr(self.random.normal(size=(K, D, D)))[0]
        self.at_limit = self.is_by_parts = self.name in BY_PARTS
        self.draw(np.arange(N) % K)
        # What fit is given, and the same without weights; arrays as such rows.
        self.table = self.unweighted_table = lambda: self.X
        self.table_weights = lambda: self.row_weights
        self.table_known = lambda: self.known
        self.named = lambda rows: rows

    def draw(self, members):
        """Have the table's rows drawn from the clouds of these numbers."""
        self.members = members
        self.X = self._drawn(members)
        self.more = self._drawn(self.random.integers(self.shape[0], size=N_MORE))

    def _drawn(self, members):
        normal = self.random.normal(size=(len(members), self.shape[1]))
        turned = np.einsum(
            "nij,nj->ni", self.axes[members], normal * self.deviations[members]
        )
        return self.centers[members] + turned

    @property
    def is_in_memory(self):
        return self.table() is self.X

    # The estimator

    def new(self):
        """The estimator with its start and settings."""
        start = self.start
        if self.lost is not None:
            start = start._replace(means=start.means.copy())
            start.means[self.lost] = NOWHERE
        given = start_of(start, self.name)
        if self.labels is not None or self.is_drawn:
            left_out = {"weights_init", "means_init", "precisions_init"}
            left_out -= {"means_init"} if self.lost is not None else set()
            if self.is_drawn and self.fixed is not None and self.fixed.means.any():
                left_out -= {"means_init", "weights_init"}
            given = {name: given[name] for name in given if name not in left_out}
            given["init_params"] = "kmeans" if self.labels is None else self.labels
        usual = {
            "tol": 1e-12 if self.at_limit else 0,
            "max_iter": AMPLE if self.at_limit else N_ITERATIONS,
            "reg_covar": self.ridge,
            "random_state": 3,
        }
        return self.estimator(**{**given, **usual, **self.settings})

    def fit(self, model, **options):
        """The estimator, fitted to the table."""
        weights = self.table_weights()
        if self.known is not None:
            options["labels"] = self.table_known()
        with warnings.catch_warnings():
            # Few iterations do not converge, and components are left out.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(self.table(), sample_weight=weights, **options)

    # The twin

    @property
    def rows(self):
        """The rows and how often each counts, as the twin takes them."""
        counts = np.ones(len(self.X)) if self.row_weights is None else self.row_weights
        return self.X.astype(float), counts

    @property
    def allowed(self):
        """Which components each row may belong to, and the background: (N, K + 1)."""
        if self.known is None:
            return None
        n_columns = self.shape[0] + (self.noise_volume > 0)
        return (self.known[:, np.newaxis] == np.arange(n_columns)) | (self.known == -1)[
            :, np.newaxis
        ]

    @cached_property
    def start(self):
        """Where EM begins, once all is arranged; with a component that is lost."""
        start = self._start
        if self.fixed is not None and self.fixed.equal_weights:
            start = start._replace(weights=np.full(self.shape[0], 1 / self.shape[0]))
        share = 0.1 if self.noise_volume else 0.0
        v = self.degrees_of_freedom
        if not share and v is None:
            return start
        return Robust(
            *((1 - share) * start.weights, *start[1:], share, self.noise_volume),
            None if v is None else np.full(len(start.weights), v),
        )

    @property
    def _start(self):
        K, _ = self.shape
        if self.labels is not None:
            X, counts = self.rows
            present = ~np.isnan(X)
            sums = (counts @ np.where(present, X, 0)) / (counts @ present)
            X = np.where(present, X, sums)
            shares = self.labels
            if shares.ndim == 1:
                shares = shares[:, np.newaxis] == np.arange(K)
            shares = shares * counts[:, np.newaxis]
            return reference.start_from_shares(X, shares, self.name, self.ridge)
        scatter = np.stack([np.diag(row**2) + 0.2 for row in self.deviations])
        covariances = reference.STRUCTURES[self.name].estimate(np.ones(K), scatter)
        return Mixture(np.full(K, 1 / K), self.centers + 0.5, covariances)

    def expected(self, n_iterations):
        """The twin's mixture, and its lower bounds on the way."""
        start = self.start
        if self.lost is not None:
            left = [np.delete(part, self.lost, axis=0) for part in start[:3]]
            start = type(start)(*left, *start[3:])
            if self.degrees_of_freedom is not None:
                v = start.degrees_of_freedom[:-1]
                start = start._replace(degrees_of_freedom=v)
        return self.iterated(start, n_iterations)

    def iterated(self, mixture, n_iterations):
        """The twin's mixture and lower bounds, from this one."""
        given = [part for part in mixture if part is not None]
        parts = map(np.asarray, (*self.rows, *given))
        arrays = [(part.shape, part.tobytes()) for part in parts]
        allowed = None
        if self.known is not None:
            of_left = self.allowed
            if len(mixture.weights) < self.shape[0]:
                of_left = np.delete(of_left, self.lost, axis=1)
            allowed = of_left.shape, of_left.tobytes()
        fixed = self.fixed_of(mixture)
        if fixed is not None:
            fixed = reference.Fixed(*map(tuple, fixed[:3]), fixed.equal_weights)
        return _iterated(self.name, self.ridge, n_iterations, allowed, fixed, *arrays)

    def fixed_of(self, mixture):
        """What is fixed of the components that are left."""
        if self.fixed is None or len(mixture.weights) == self.shape[0]:
            return self.fixed
        return self.fixed.of(np.delete(np.arange(self.shape[0]), self.lost))

    def mean_log_likelihood(self, mixture):
        """What EM climbs: with known rows not the mixture's own."""
        X, counts = self.rows
        if self.known is None:
            return reference.score(X, mixture, counts)
        return self.iterated(mixture, 1)[1][0]

    # The laws

    def check(self, model):
        """The fit is as likely as the twin's; where it goes step by step, it is it."""
        if not self.at_limit:
            twin, bounds = self.expected(N_ITERATIONS)
            assert_same(mixture_of(model), twin, self.rounding)
            assert_close(model.lower_bound_, bounds[-1], self.rounding)
            return
        assert model.converged_
        found = mixture_of(model)
        further, (bound,) = self.iterated(found, 1)
        if not self.is_by_parts:
            assert_same(further, found, self.stillness)
        # Where EM moves so little, it gains the square of that.
        slack = max(self.stillness**2, 1e-12) * 10 * max(1.0, abs(bound))
        assert self.mean_log_likelihood(further) - bound <= slack
        assert abs(model.lower_bound_ - bound) <= slack
        if not self.ridge:
            mended = {collapse.iteration for collapse in model.collapses_}
            gains = np.delete(np.diff(model.lower_bounds_), [i - 1 for i in mended])
            assert gains.min(initial=0) >= -slack
        if not self.is_elsewhere:
            limit = self.expected(3 if self.is_by_parts else 500)[1][-1]
            assert model.lower_bound_ >= limit - slack
            assert self.is_by_parts or model.lower_bound_ <= limit + slack

    def check_step(self, ours, sums, before):
        """These parameters are what the twin makes of sums about the means before."""
        fixed = self.fixed_of(before)
        twin = reference.maximization(
            sums, before.means, self.name, self.ridge, before, fixed
        )
        if not self.is_by_parts:
            assert_same(Mixture(*ours[:3]), twin, self.rounding)
            return
        if self.degrees_of_freedom is not None:
            return
        ours = Mixture(*ours[:3])
        assert_same(ours._replace(covariances=twin.covariances), twin, self.rounding)
        counts = sums.weights[:, np.newaxis, np.newaxis]
        ridge = self.ridge * np.eye(self.shape[1])
        about = reference.about(sums, twin.means - before.means)
        sums = sums._replace(scatter=about + counts * ridge)
        now, then = (
            reference.log_likelihood_of_moments(sums, twin._replace(covariances=C))
            for C in (ours.covariances, before.covariances)
        )
        assert now >= then - self.rounding * abs(then)

    def check_answers(self, model):
        """All that the model says is what the twin says of its parameters."""
        X, counts = self.rows
        mixture = mixture_of(model)
        scores = reference.score_samples(X, mixture)
        shares = reference.responsibilities(X, mixture)
        exact = max(self.rounding, 1e-10)
        named = self.named(self.X)
        # What has come out of a file knows no collections.
        is_mine = isinstance(model, self.estimator)
        for table in [named, *([self.unweighted_table()] if is_mine else [])]:
            assert_close(model.score_samples(table), scores, exact)
            assert_close(model.predict_proba(table), shares, exact)
        if is_mine:
            mean = model.score(self.table(), sample_weight=self.table_weights())
            assert_close(mean, reference.score(X, mixture, counts), exact)
        # Of noise, tails and gaps scikit-learn knows nothing.
        if type(mixture) is Mixture and not np.isnan(X).any():
            assert_close(model.to_sklearn().score_samples(named), scores, exact)
        drawn, of = model.sample(2 * len(scores), random_state=0)
        scores = scores[~np.isnan(X).any(axis=1)]
        n_drawn = np.bincount(of[of >= 0], minlength=len(mixture.weights))
        assert_close(n_drawn / len(of), mixture.weights, 0.3)
        assert reference.score(drawn, mixture) > scores.mean() - 1
        of_noise = {}
        if self.noise_volume:
            names = "noise_weight", "noise_volume"
            of_noise = {name: getattr(mixture, name) for name in names}
        kind = GaussianMixture
        if self.degrees_of_freedom is not None:
            kind = StudentMixture
            of_noise["degrees_of_freedom"] = model.degrees_of_freedom_
        again = kind.from_parameters(
            *(model.weights_, model.means_, model.covariances_),
            covariance_type=self.name,
            **of_noise,
        )
        assert_same(mixture_of(again), mixture, 1e-15)


@lru_cache
def _iterated(name, ridge, n_iterations, allowed, fixed, *arrays):
    if fixed is not None:
        fixed = reference.Fixed(*map(np.array, fixed[:3]), fixed.equal_weights)
    if allowed is not None:
        allowed = np.frombuffer(allowed[1], bool).reshape(allowed[0])
    X, counts, *parts = (np.frombuffer(data).reshape(shape) for shape, data in arrays)
    mixture, bounds = (Robust if parts[3:] else Mixture)(*parts), []
    while len(bounds) < n_iterations:
        mixture, more = reference.iterate(
            X, mixture, name, ridge, 1, counts, allowed, fixed
        )
        bounds += more
        if len(bounds) > 20 and bounds[-1] - bounds[-2] < 1e-14:  # all but rounding
            break
    return mixture, bounds


def mixture_of(model):
    """The parameters of a model, dense."""
    representation = STRUCTURES[model.covariance_type].representation
    covariances = representation.expand(model.covariances_, *model.means_.shape)
    parts = model.weights_, model.means_, np.array(covariances)
    v = getattr(model, "degrees_of_freedom_", None)
    if hasattr(model, "noise_weight_"):
        return Robust(*parts, model.noise_weight_, model.noise_volume_, v)
    return Mixture(*parts) if v is None else Robust(*parts, degrees_of_freedom=v)


def shares_of(mixture):
    """The weights beside each other, that of noise the last."""
    weights = np.append(mixture.weights, mixture[3:4])
    return weights / weights.sum()


def bits(model):
    """The parameters, to be compared to the last bit."""
    arrays = ("weights_", "means_", "covariances_", "precisions_cholesky_")
    return [getattr(model, name).tobytes() for name in arrays]


def assert_same(ours, twin, tolerance):
    """Two mixtures are the same; weights count beside each other only."""
    assert_close(shares_of(ours), shares_of(twin), tolerance)
    assert_close(ours.means, twin.means, tolerance)
    assert_close(ours.covariances, twin.covariances, tolerance)
