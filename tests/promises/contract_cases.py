"""Tables that are hard on a mixture model, each with what is to be said of it.

Rows come with a start from which the first expectation step assigns them wholly: each
row belongs to the nearest mean, and the other means are a hundred standard deviations
or more away. So what the first maximisation step sees is known beforehand.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastem.covariances import STRUCTURES
from tests import reference
from tests.mixtures import IN_SHORT, draw, random_mixture
from tests.reference import Mixture

NEAR, FAR = 0.0, 8.0  # where two groups of rows are, which spread by 1
SHARED = [name for name in IN_SHORT if STRUCTURES[name].is_shared]


class Singular(NamedTuple):
    """What a covariance without inverse is to be named by."""

    component: int | None
    constant: tuple[int, ...] = ()
    collinear: tuple[int, ...] = ()


@dataclass(frozen=True)
class Degenerate:
    """Rows, the group of each, and which covariance of which structure is singular."""

    X: np.ndarray
    labels: np.ndarray
    singular: dict[str, Singular]

    @property
    def n_components(self):
        return int(self.labels.max()) + 1

    def start(self, name):
        """A start among the rows with narrow components."""
        K, D = self.n_components, self.X.shape[1]
        means = np.stack([self.X[self.labels == k].mean(axis=0) for k in range(K)])
        width = 1.0
        if K > 1:
            distances = np.linalg.norm(means[:, np.newaxis] - means, axis=-1)
            width = distances[distances > 0].min() / 100
        weights = np.bincount(self.labels) / len(self.labels)
        covariances = np.repeat((width**2 * np.eye(D))[np.newaxis], K, axis=0)
        return Mixture(weights, means, covariances)


def groups(*sizes, n_features=3, seed=0):
    """Rows of groups 0, 1, ..., each FAR from the one before in every column."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    X = random.normal(size=(len(labels), n_features))
    return X + FAR * labels[:, np.newaxis], labels


def with_column(column, values, **options):
    X, labels = groups(60, 60, **options)
    X[:, column] = values(X)
    return X, labels


def in_each(constant=(), collinear=(), component=0, dense=True, axes=False):
    """The same for all structures that can see it.

    ``dense``: those with matrices; ``axes``: those with a variance for each column.
    """
    named = {}
    if dense:
        named["full"] = Singular(component, constant, collinear)
        named["tied"] = Singular(None, constant, collinear)
    if axes:
        named["diag"] = Singular(component, constant)
        named["EEI"] = Singular(None, constant)
    return named


def without_shared(singular):
    """A group without spread is no harm where all groups share a covariance."""
    return {name: named for name, named in singular.items() if name not in SHARED}


ALL = (0, 1, 2)
NOTHING = {  # all rows of a component are the same
    **in_each(ALL, axes=True),
    "spherical": Singular(0),
}


def of_component(k, singular):
    return {
        name: named._replace(component=k if named.component is not None else None)
        for name, named in singular.items()
    }


def likert():
    """Answers 1 or 2 of one group, 4 or 5 of the other, who all agree on question 2."""
    X, labels = groups(60, 60)
    answers = np.where(X - FAR * labels[:, np.newaxis] > 0, 2, 1)
    answers[labels == 1] += 3
    answers[labels == 1, 2] = 5
    return answers.astype(float), labels


def mostly_zeros():
    X, labels = groups(108, 12)
    X[labels == 0] = 0
    return X, labels


def with_rows(*rows):
    """A group, and some rows of another one."""
    X, labels = groups(60, len(rows))
    X[labels == 1] = rows
    return X, labels


def lone_rows(n_rows):
    return 10.0 * np.arange(n_rows)[:, np.newaxis] + np.eye(n_rows, 3), np.arange(
        n_rows
    )


SPREAD = [[40.0, 40, 40], [41, 42, 43], [44, 41, 42], [40, 43, 41]]

DEGENERATE = {
    "a constant column": Degenerate(
        *with_column(1, lambda X: 4.0), in_each((1,), axes=True)
    ),
    "a column of zeros": Degenerate(
        *with_column(0, lambda X: 0.0), in_each((0,), axes=True)
    ),
    "a constant column far from zero": Degenerate(
        *with_column(2, lambda X: 1e8 + 0.1), in_each((2,), axes=True)
    ),
    "two constant columns": Degenerate(
        *with_column(slice(0, 2), lambda X: [0.1, -3e5]), in_each((0, 1), axes=True)
    ),
    "a duplicated column": Degenerate(
        *with_column(2, lambda X: X[:, 0]), in_each(collinear=(2,))
    ),
    "a column in another unit": Degenerate(
        *with_column(2, lambda X: 1024 * X[:, 1]), in_each(collinear=(2,))
    ),
    "a linear combination": Degenerate(
        *with_column(2, lambda X: X[:, 0] - 2 * X[:, 1] + 7), in_each(collinear=(2,))
    ),
    "all rows identical": Degenerate(
        np.tile([1.5, -2.0, 1e3], (50, 1)), np.zeros(50, int), NOTHING
    ),
    "two distinct rows": Degenerate(
        np.repeat([[0.0, 1, 2], [5, 7, 9]], 30, axis=0), np.repeat([0, 1], 30), NOTHING
    ),
    "as many components as rows": Degenerate(*lone_rows(6), NOTHING),
    "nine tenths zeros": Degenerate(*mostly_zeros(), without_shared(NOTHING)),
    "rounded data": Degenerate(
        np.round(groups(60, 60)[0]), groups(60, 60)[1], singular={}
    ),
    "answers that all agree": Degenerate(
        *likert(), without_shared(in_each((2,), component=1, axes=True))
    ),
    "one huge outlier": Degenerate(
        *with_rows([1e6, -1e6, 1e6]), of_component(1, without_shared(NOTHING))
    ),
    "a component with one row": Degenerate(
        *with_rows([40.0, 40, 40]), of_component(1, without_shared(NOTHING))
    ),
    "a component with two rows": Degenerate(
        *with_rows(*SPREAD[:2]), without_shared(in_each(collinear=(1, 2), component=1))
    ),
    "a component with three rows": Degenerate(
        *with_rows(*SPREAD[:3]), without_shared(in_each(collinear=(2,), component=1))
    ),
    "a component with four rows": Degenerate(*with_rows(*SPREAD), {}),
    "fewer rows than columns": Degenerate(
        *groups(4, n_features=6), in_each(collinear=(3, 4, 5))
    ),
    "fewer rows than columns in a component": Degenerate(
        *groups(30, 5, n_features=6),
        without_shared(in_each(collinear=(4, 5), component=1)),
    ),
}


@dataclass(frozen=True)
class Place:
    """Where rows sit, and how far they spread there."""

    dtype: type
    offset: float
    scales: tuple[float, ...]

    def rows_and_start(self, name, n_rows=1500, seed=4):
        """Rows of three overlapping groups, and a start of the structure ``name``."""
        random = np.random.default_rng(seed)
        K, D = 3, len(self.scales)
        scales = np.array(self.scales)
        X = draw(random, random_mixture(random, "full", K, D), n_rows)
        X = (X * scales + self.offset).astype(self.dtype)
        mixture = random_mixture(random, name, K, D)
        means = X[random.choice(n_rows, size=K, replace=False)].astype(np.float64)
        if name == "spherical":
            scales = np.full(D, scales.max())
        covariances = mixture.covariances * scales[:, np.newaxis] * scales
        return X, Mixture(mixture.weights, means, covariances)

    def arguments(self, start, name):
        """Constructor arguments; inverses are taken in units of the scales."""
        scales = np.sqrt(reference.diagonals(start.covariances))
        units = scales[:, :, np.newaxis] * scales[:, np.newaxis]
        precisions = np.linalg.inv(start.covariances / units) / units
        return {
            "n_components": len(start.weights),
            "covariance_type": name,
            "weights_init": start.weights,
            "means_init": start.means,
            "precisions_init": reference.STRUCTURES[name].compact(precisions),
        }


def place(dtype, offset=0.0, scale=1.0):
    return Place(dtype, offset, tuple(np.broadcast_to(scale, 3).tolist()))


APART = (1e-10, 1.0, 1e10)
PLACES = {
    **{f"+ {x:g}": place(np.float64, offset=x) for x in (0, 1e6, 1e8, 1e12, -1e12)},
    **{
        f"x {s:g}": place(np.float64, scale=s)
        for s in (1e-100, 1e-10, 1e-5, 1e5, 1e10, 1e100, 1e150)
    },
    "columns of units far apart": place(np.float64, scale=APART),
    "small numbers far away": place(np.float64, offset=1.0, scale=1e-8),
    **{f"float32 + {x:g}": place(np.float32, offset=x) for x in (0, 1e4, -1e4)},
    **{
        f"float32 x {s:g}": place(np.float32, scale=s)
        for s in (1e-15, 1e-10, 1e-5, 1e5, 1e10, 1e15)
    },
    "float32, columns of units far apart": place(np.float32, scale=APART),
}
