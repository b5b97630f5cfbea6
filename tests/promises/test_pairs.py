"""Everything with everything: no feature stands in the way of another.

Every feature is held with every structure, every pair of features with one structure
after the other, and triples as they were drawn; with ``--all`` every pair with a
structure of each representation, every structure where both features act on the
maximisation, and more triples. What must hold of a fit is said in ``fit_case.py``, what
a feature is in ``features.py``: a new one is an entry there, and a new structure one in
``STRUCTURES`` of ``tests/reference.py``.

Refused is what names components by their numbers, known labels and fixed parts, where
one is dropped: the others have other numbers then. Left out are values of the same
parameter: a component that has collapsed is either dropped or seeded anew.
"""

from itertools import combinations

import numpy as np
import pytest
from distributed import Client

from fastem.covariances import STRUCTURES
from tests.promises.features import (
    FEATURES,
    REFUSED,
    are_alternatives,
    are_refused,
    hold,
)
from tests.promises.fit_case import Case

NAMES = list(STRUCTURES)
KINDS = {name: type(STRUCTURES[name].representation) for name in NAMES}
PAIRS, TRIPLES = (
    [
        names
        for names in combinations(FEATURES, n)
        if not are_alternatives(names) and not are_refused(names)
    ]
    for n in (2, 3)
)
N_TRIPLES, N_MORE_TRIPLES = 42, 420
# Some twenty trimmed starts; "several starts" are three of them.
DEAR = "trimmed start", "judged starts"
# In which a structure is one of few parameters, or the only component's own.
SMALL_SHAPES = [(1, 1), (1, 3), (3, 1), (2, 2)]


@pytest.fixture(scope="module")
def client():
    with Client(
        processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"
    ) as client:
        yield client


def cell(features, name, *, is_usual):
    """A test that is made each time, or with ``--all``."""
    is_dear = set(DEAR) <= set(features)
    marks = [] if is_usual and not is_dear else [pytest.mark.exhaustive]
    return pytest.param(
        features, name, marks=marks, id=f"{' + '.join(features)}: {name}"
    )


def structures_with(i, pair):
    """The structures that the i-th pair is tried with, the usual one first.

    To kernels and to the kinds of tables, those of one representation are the same:
    they take turns from pair to pair.
    """
    usual = NAMES[i % len(NAMES)]
    if all(FEATURES[feature].acts_on_maximization for feature in pair):
        return [usual, *(name for name in NAMES if name != usual)]
    alike = [
        [name for name in NAMES if KINDS[name] is kind]
        for kind in dict.fromkeys(KINDS.values())
        if kind is not KINDS[usual]
    ]
    return [usual, *(names[i % len(names)] for names in alike)]


def pairs():
    return [
        cell(pair, name, is_usual=j == 0)
        for i, pair in enumerate(PAIRS)
        for j, name in enumerate(structures_with(i, pair))
    ]


def triples():
    order = np.random.default_rng(14).permutation(len(TRIPLES))
    return [
        cell(TRIPLES[t], NAMES[i % len(NAMES)], is_usual=i < N_TRIPLES)
        for i, t in enumerate(order[: N_TRIPLES + N_MORE_TRIPLES])
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_goes_with_each_structure(feature, name, request):
    hold(Case(name, request.getfixturevalue), [feature])


@pytest.mark.parametrize(("pair", "name"), pairs())
def test_each_feature_goes_with_each_other(pair, name, request):
    hold(Case(name, request.getfixturevalue), pair)


@pytest.mark.parametrize(("triple", "name"), triples())
def test_three_features_go_together(triple, name, request):
    hold(Case(name, request.getfixturevalue), triple)


@pytest.mark.parametrize(("pair", "text"), REFUSED.items())
def test_what_mathematics_forbids_is_refused(pair, text, request):
    with pytest.raises(ValueError, match=text):
        hold(Case(NAMES[0], request.getfixturevalue), pair)


@pytest.mark.parametrize("shape", SMALL_SHAPES, ids="K={0[0]}-D={0[1]}".format)
@pytest.mark.parametrize("name", NAMES)
def test_structures_hold_in_one_component_or_one_column(name, shape, request):
    for features in (
        ["weights", "labels", "sorted", "pickle", "model file", "stream"],
        ["labels", "accelerated"],
    ):
        hold(Case(name, request.getfixturevalue, shape), features)
