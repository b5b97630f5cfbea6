"""Components that collapse: dropped or seeded anew, and told of; or an error."""

import math
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastem import GaussianMixture, RegularizationWarning, SingularCovarianceError
from fastem.covariances import STRUCTURES
from fastem.em.maximization import Maximization
from fastem.statistics import SufficientStatistics
from tests.mixtures import IN_SHORT

OWN = [n for n in IN_SHORT if not STRUCTURES[n].is_shared]
SHARED = [n for n in IN_SHORT if STRUCTURES[n].is_shared]

own_covariances = pytest.mark.parametrize("name", OWN)


def groups_and_spikes(*spikes, n_rows=100, n_spike=20):
    """Two groups of rows that spread by 1, and places where rows are all the same."""
    random = np.random.default_rng(0)
    X = random.normal(size=(2 * n_rows, 2))
    X[n_rows:] += 10
    return np.concatenate([X, *(np.tile(place, (n_spike, 1)) for place in spikes)])


SPIKE = (30.0, -20.0)
OTHER = (-40.0, 50.0)


def means_of(*places):
    return np.array([(0.0, 0.0), (10.0, 10.0), *places])


def start_at(means, name, width=1.0):
    """Components of equal weight and the same variance at these means."""
    K, D = means.shape
    shape = STRUCTURES[name].representation.shape(K, D)
    precisions = (
        np.broadcast_to(np.eye(D), shape)
        if STRUCTURES[name].representation.has_matrices
        else np.ones(shape)
    )
    return {
        "n_components": K,
        "covariance_type": name,
        "weights_init": np.full(K, 1 / K),
        "means_init": means,
        "precisions_init": precisions / width**2,
    }


def fit(X, start, sample_weight=None, **options):
    parameters = {"reg_covar": 0, "random_state": 0, **options}
    return fitted(GaussianMixture(**{**start, **parameters}), X, sample_weight)


def fitted(model, X, sample_weight=None):
    with warnings.catch_warnings():
        for told in (".*did not converge", ".*'drop' left out"):
            warnings.filterwarnings("ignore", told, ConvergenceWarning)
        return model.fit(X, sample_weight=sample_weight)


def one_spike(name, **options):
    return fit(groups_and_spikes(SPIKE), start_at(means_of(SPIKE), name), **options)


# Dropped


@own_covariances
@pytest.mark.parametrize("reg_covar", [0, 1e-6, "relative"])
@pytest.mark.parametrize("accelerate", [False, True])
def test_a_component_that_collapses_is_left_out(name, reg_covar, accelerate):
    model = one_spike(
        name, on_collapse="drop", reg_covar=reg_covar, accelerate=accelerate
    )
    (collapse,) = model.collapses_
    assert (collapse.iteration, collapse.action) == (1, "dropped")
    known = collapse.degeneracy
    assert known.component == 2
    assert known.n_rows == pytest.approx(20)
    assert known.weight == pytest.approx(20 / 220)
    assert known.n_features == 2
    assert known.columns == ((0, 1) if name != "spherical" or reg_covar else ())
    assert len(model.weights_) == len(model.means_) == len(model.covariances_) == 2
    assert model.weights_.sum() == pytest.approx(1)
    assert model.converged_
    assert set(model.predict(groups_and_spikes(SPIKE))) == {0, 1}


@pytest.mark.parametrize("reg_covar", [0, 1e-6, "relative"])
@pytest.mark.parametrize(
    "name", [n for n, rule in STRUCTURES.items() if not rule.hides_empty_components]
)
def test_a_spike_is_seen_even_where_a_volume_in_common_would_blow_it_up(
    name, reg_covar
):
    model = one_spike(name, on_collapse="drop", reg_covar=reg_covar)
    degeneracy = model.collapses_[0].degeneracy
    assert (degeneracy.component, degeneracy.n_rows) == (2, pytest.approx(20))
    names_columns = name != "spherical" or reg_covar != 0
    assert degeneracy.constant_columns == ((0, 1) if names_columns else ())


@own_covariances
def test_that_components_were_dropped_is_warned_of(name):
    model = GaussianMixture(
        **start_at(means_of(SPIKE), name), on_collapse="drop", reg_covar=0
    )
    with pytest.warns(
        ConvergenceWarning,
        match=r"Of 3, 2 are left; the first to go was component 2 "
        r"\(weight 0\.0909, 20 rows\): ",
    ) as caught:
        model.fit(groups_and_spikes(SPIKE))
    assert {warning.filename for warning in caught} == {__file__}
    # Who asked for as many as are left is told nothing.
    model.set_params(warm_start=True).fit(groups_and_spikes(SPIKE))


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("reg_covar", [0, 1e-6])
@pytest.mark.parametrize("policy", ["raise", "drop", "reseed"])
def test_a_component_without_rows_is_no_secret_where_all_share(name, reg_covar, policy):
    X = groups_and_spikes()
    K = 3
    means = np.array([(0.0, 0.0), (10.0, 10.0), (1e6, 1e6)])
    start = {**start_at(means, name), "n_components": K}
    model = GaussianMixture(
        **start, reg_covar=reg_covar, on_collapse=policy, random_state=0
    )
    if policy == "reseed":
        model.fit(X)
        assert (model.weights_ > 0).all()
        assert len(model.weights_) == K
    else:
        what = "has no rows. It is component 2, of weight 0"
        if policy == "drop":
            what = r"component 2 \(weight 0, 0 rows\): no rows belong to it"
        with pytest.warns(ConvergenceWarning, match=what):
            model.fit(X)
        assert len(model.weights_) == (K if policy == "raise" else 2)
    plain = fit(X, start_at(means[:2], name), reg_covar=reg_covar)
    if policy != "reseed":
        for one, other in zip(model.means_[:2], plain.means_, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)
    actions = {"raise": [], "drop": ["dropped"], "reseed": ["reseeded"]}[policy]
    assert [collapse.action for collapse in model.collapses_] == actions


@own_covariances
def test_what_is_left_is_the_fit_of_the_others(name):
    # The spike's rows fall to whichever component explains them: as if it had never
    # been there, from the components as they were after the first iteration.
    X = groups_and_spikes(SPIKE)
    model = one_spike(name, on_collapse="drop", max_iter=1)
    rest = np.array([(0.0, 0.0), (10.0, 10.0)])
    labels = np.linalg.norm(X[:200, np.newaxis] - rest, axis=2).argmin(axis=1)
    means = np.stack([X[:200][labels == k].mean(axis=0) for k in (0, 1)])
    np.testing.assert_allclose(model.means_, means, atol=1e-9)
    np.testing.assert_allclose(model.weights_, [0.5, 0.5], atol=1e-12)
    further = fit(
        X,
        {
            **start_at(means, name),
            "weights_init": model.weights_,
            "precisions_init": model.precisions_,
        },
        tol=1e-10,
        max_iter=500,
    )
    whole = one_spike(name, on_collapse="drop", tol=1e-10, max_iter=500)
    np.testing.assert_allclose(whole.means_, further.means_, atol=1e-6)
    assert whole.lower_bound_ == pytest.approx(further.lower_bound_, abs=1e-8)


@own_covariances
@pytest.mark.parametrize("accelerate", [False, True])
def test_lower_bounds_may_fall_only_where_a_collapse_was(name, accelerate):
    model = one_spike(name, on_collapse="drop", accelerate=accelerate, tol=1e-8)
    bounds = model.lower_bounds_
    (collapse,) = model.collapses_
    falls = np.flatnonzero(np.diff(bounds) < -1e-9) + 1
    # lower_bounds_[iteration - 1] is the last bound with the component.
    assert list(falls) == [collapse.iteration]
    assert model.convergence_.n_decreases == 0


@own_covariances
def test_a_later_collapse_is_told_with_its_iteration(name):
    # A wide start: some iterations pass until nothing but the spike is left.
    X = groups_and_spikes(SPIKE)
    start = start_at(means_of((25.0, -15.0)), name, width=6.0)
    with pytest.raises(SingularCovarianceError):
        fit(X, start)
    model = fit(X, start, on_collapse="drop", max_iter=500)
    (collapse,) = model.collapses_
    assert collapse.iteration > 1
    assert collapse.degeneracy.component == 2
    assert collapse.degeneracy.n_rows == pytest.approx(20, rel=1e-6)
    # Up to there it is the same fit as one that stops before.
    before = fit(X, start, max_iter=collapse.iteration - 1)
    assert before.lower_bounds_ == model.lower_bounds_[: collapse.iteration - 1]
    assert len(before.weights_) == 3


@own_covariances
@pytest.mark.parametrize("policy", ["drop", "reseed"])
def test_a_start_may_be_mended_too(name, policy):
    # k-means finds the spike at once, so that the start itself has no spread.
    X = groups_and_spikes(SPIKE)
    start = {"n_components": 3, "covariance_type": name}
    model = fit(X, start, on_collapse=policy, max_iter=1)
    first = model.collapses_[0]
    assert first.iteration == 0
    assert first.degeneracy.n_rows == 20
    assert first.degeneracy.weight == pytest.approx(20 / 220)
    assert first.action == {"drop": "dropped", "reseed": "reseeded"}[policy]
    assert len(model.weights_) == (2 if policy == "drop" else 3)
    with pytest.raises(SingularCovarianceError, match=r"20 rows.* on_collapse='drop'"):
        model.set_params(on_collapse="raise").fit(X)


@own_covariances
def test_several_components_collapse_in_one_iteration(name):
    X = groups_and_spikes(SPIKE, OTHER)
    # The spikes' components are the first and the third.
    means = np.array([SPIKE, (0.0, 0.0), OTHER, (10.0, 10.0)])
    model = fit(X, start_at(means, name), on_collapse="drop")
    told = [
        (c.iteration, c.degeneracy.component, c.action, c.degeneracy.weight)
        for c in model.collapses_
    ]
    share = pytest.approx(20 / 240)
    assert told == [(1, 0, "dropped", share), (1, 2, "dropped", share)]
    assert len(model.weights_) == 2
    anew = fit(X, start_at(means, name), on_collapse="reseed", max_iter=2)
    told = [(c.iteration, c.degeneracy.component, c.action) for c in anew.collapses_]
    assert told[:2] == [(1, 0, "reseeded"), (1, 2, "reseeded")]
    assert len(anew.weights_) == 4


@own_covariances
@pytest.mark.parametrize("reg_covar", [0, 1e-6])
def test_a_component_without_rows_is_told_as_such(name, reg_covar):
    X = groups_and_spikes()
    start = start_at(means_of((1e6, 1e6)), name)
    model = fit(X, start, reg_covar=reg_covar, on_collapse="drop")
    (collapse,) = model.collapses_
    assert (collapse.degeneracy.n_rows, collapse.degeneracy.weight) == (0, 0)
    assert len(model.weights_) == 2
    if reg_covar:
        # With 'raise' it stays where it was, with weight 0, as in scikit-learn.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RegularizationWarning)
            kept = fit(X, start, reg_covar=reg_covar)
        assert kept.weights_[2] == 0
        np.testing.assert_array_equal(kept.means_[2], [1e6, 1e6])
        assert kept.collapses_ == []
    else:
        with pytest.raises(SingularCovarianceError, match="no rows belong to it"):
            fit(X, start)


@own_covariances
@pytest.mark.parametrize("policy", ["drop", "reseed"])
def test_it_is_an_error_when_no_component_is_left(name, policy):
    X = np.repeat([SPIKE, OTHER], 20, axis=0)
    start = start_at(np.array([SPIKE, OTHER]), name)
    with pytest.raises(SingularCovarianceError) as raised:
        fit(X, start, on_collapse=policy)
    text = str(raised.value)
    assert text.startswith("No other component is left that has rows. Component 1")
    assert "on_collapse" not in text
    assert raised.value.weight == pytest.approx(0.5)
    assert raised.value.n_rows == pytest.approx(20)


@own_covariances
@pytest.mark.parametrize("policy", ["drop", "reseed"])
def test_components_without_rows_are_no_rest(name, policy):
    X = np.repeat([SPIKE, OTHER], 20, axis=0)
    X[0, 0] = np.nextafter(X[0, 0], np.inf)  # a third distinct row, but no spread
    start = start_at(np.array([SPIKE, OTHER, (1e6, 1e6)]), name)
    with pytest.raises(SingularCovarianceError, match="No other component is left"):
        fit(X, start, on_collapse=policy)


@pytest.mark.parametrize("name", sorted(set(STRUCTURES) - {"EII"}))
@pytest.mark.parametrize("policy", ["drop", "reseed"])
def test_a_column_that_is_constant_in_all_components_is_nobodys_fault(name, policy):
    X = groups_and_spikes()
    X[:, 1] = 5.0
    start = start_at(np.array([(0.0, 5.0), (10.0, 5.0)]), name)
    with (
        pytest.warns(RegularizationWarning)
        if name != "spherical"
        else (warnings.catch_warnings())
    ):
        model = fit(X, start, on_collapse=policy, reg_covar=1e-6)
    assert model.collapses_ == []
    assert len(model.weights_) == 2


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("policy", ["drop", "reseed"])
def test_no_policy_helps_where_all_share_a_covariance(name, policy):
    X = groups_and_spikes(SPIKE)
    X[:, 1] = 5.0
    with pytest.raises(SingularCovarianceError, match="share is singular") as raised:
        fit(X, start_at(means_of(SPIKE), name), on_collapse=policy)
    assert raised.value.component is None
    assert raised.value.constant_columns == (1,)
    assert "on_collapse" not in str(raised.value)


# Seeded anew


@own_covariances
@pytest.mark.parametrize("reg_covar", [0, 1e-6])
def test_a_component_is_seeded_anew_where_rows_are_explained_worst(name, reg_covar):
    # A third group that no component is near.
    random = np.random.default_rng(1)
    rows = groups_and_spikes(SPIKE, n_spike=3)
    lost = random.normal(60, 1, size=(60, 2))
    X = np.concatenate([rows, lost])
    start = start_at(means_of(SPIKE), name, width=3.0)
    options = {"reg_covar": reg_covar, "max_iter": 300}
    model = fit(X, start, on_collapse="reseed", **options)
    dropped = fit(X, start, on_collapse="drop", **options)
    assert model.lower_bound_ > dropped.lower_bound_ + 0.1
    assert len(model.weights_) == 3
    assert [c.action for c in model.collapses_] == ["reseeded"] * len(model.collapses_)
    assert model.collapses_[0].degeneracy.component == 2


@own_covariances
def test_seeding_anew_ends_after_ten_times_a_component(name):
    X = np.concatenate([np.zeros((100, 2)), groups_and_spikes()[:10] + 50])
    start = start_at(np.array([(0.0, 0.0), (50.0, 50.0)]), name)
    with pytest.raises(SingularCovarianceError, match="seeded anew 20 times") as raised:
        fit(X, start, on_collapse="reseed", max_iter=10_000, tol=0)
    assert "on_collapse" not in str(raised.value)
    assert 0 < raised.value.weight < 1


@own_covariances
def test_a_new_component_has_a_row_for_mean_and_the_others_covariance(name):
    structure = STRUCTURES[name]
    K, D = 3, 2
    statistics = SufficientStatistics(
        0.0,
        np.array([30.0, 10.0, 60.0]),
        np.array([(0.0, 0.0), (5.0, 5.0), (9.0, 9.0)]),
        np.zeros((K, D)),
        structure.representation.zero_scatter(K, D),
    )
    for k, variance in enumerate((1.0, 0.0, 4.0)):
        structure.representation.add_scatter(
            statistics.scatter,
            k,
            np.full(4, statistics.weights[k] / 2),
            math.sqrt(variance) * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]),
        )
    row = np.array([7.0, -7.0])
    seen = []
    maximize = Maximization(
        structure, 0.0, "reseed", lambda mixture: seen.append(mixture) or row
    )
    mended = maximize.start(statistics)
    assert [len(mixture.weights) for mixture in seen] == [2]
    np.testing.assert_allclose(mended.weights, [2 / 9, 1 / 3, 4 / 9])
    np.testing.assert_array_equal(mended.means, [(0, 0), row, (9, 9)])
    # (30 x 1 + 60 x 4) / 90 on the diagonal
    dense = structure.representation.expand(mended.covariances, K, D)
    np.testing.assert_allclose(dense[1], 3 * np.eye(D), atol=1e-12)
    np.testing.assert_allclose(dense[2], 4 * np.eye(D), atol=1e-12)
    (collapse,) = maximize.collapses
    assert collapse.iteration == 0
    assert collapse.degeneracy.n_rows == 10
    assert collapse.degeneracy.weight == pytest.approx(0.1)
    maximize.begin()
    assert maximize.collapses == []
    with pytest.raises(SingularCovarianceError):
        maximize.strict()(statistics)


# With other parameters


@own_covariances
def test_collapses_are_those_of_the_best_start(name):
    X = groups_and_spikes(SPIKE)
    start = {"n_components": 3, "covariance_type": name, "on_collapse": "drop"}
    model = fit(X, start, n_init=4)
    dropped = [c for c in model.collapses_ if c.action == "dropped"]
    assert len(model.weights_) == 3 - len(dropped)
    alone = [fit(X, start, random_state=seed) for seed in range(3)]
    assert model.lower_bound_ >= max(fit.lower_bound_ for fit in alone) - 1e-2


@own_covariances
def test_a_warm_start_goes_on_with_the_components_that_are_left(name):
    X = groups_and_spikes(SPIKE)
    start = {"n_components": 3, "covariance_type": name}
    model = fit(X, start, on_collapse="drop", warm_start=True)
    assert len(model.collapses_) == 1
    bound = model.lower_bound_
    for n_components in (3, 3, 2):
        model.set_params(n_components=n_components).fit(X)
        assert len(model.weights_) == 2
        assert model.lower_bound_ >= bound - 1e-12
        assert model.collapses_ == []
    with pytest.raises(ValueError, match=r"had 2 components.* n_components=4"):
        model.set_params(n_components=4).fit(X)


@own_covariances
@pytest.mark.parametrize("policy", ["raise", "drop", "reseed"])
def test_a_start_from_a_subsample_may_be_mended(name, policy):
    random = np.random.default_rng(2)
    X = random.normal(size=(6000, 2))
    X[:2000] = SPIKE
    X[2000:4000] += 10
    model = GaussianMixture(
        3,
        covariance_type=name,
        reg_covar=0,
        init_params="subsample",
        on_collapse=policy,
        random_state=0,
    )
    if policy == "raise":
        with pytest.raises(SingularCovarianceError):
            model.fit(X)
        return
    if policy == "drop":
        fitted(model, X)
        assert len(model.weights_) == 2
        assert model.collapses_[0].degeneracy.n_rows == pytest.approx(2000)
        return
    # The spike draws the new component again and again.
    with pytest.raises(SingularCovarianceError, match="seeded anew 30 times"):
        model.fit(X)


@own_covariances
def test_weights_count_in_what_is_told(name):
    X = groups_and_spikes(SPIKE)
    weights = np.ones(len(X))
    weights[200:] = 0.5
    start = start_at(means_of(SPIKE), name)
    (collapse,) = fit(X, start, weights, on_collapse="drop").collapses_
    assert collapse.degeneracy.n_rows == pytest.approx(10)
    assert collapse.degeneracy.weight == pytest.approx(10 / 210)


@pytest.mark.parametrize("name", SHARED)
def test_next_to_no_rows_are_none_where_all_share(name):
    X = np.random.default_rng(0).normal(size=(500, 2))
    precisions = np.eye(2) if STRUCTURES[name].representation.has_matrices else 1
    model = GaussianMixture(
        2,
        covariance_type=name,
        means_init=[[0, 0], [20, 0]],  # which gets 1e-66 of the rows, for good
        weights_init=[0.5, 0.5],
        precisions_init=np.broadcast_to(precisions, (2, 2)),
    )
    with pytest.warns(ConvergenceWarning, match="It is component 1,"):
        model.fit(X)
    with pytest.warns(ConvergenceWarning, match="Of 2, 1 is left"):
        model.set_params(on_collapse="drop").fit(X)
    assert model.weights_.tolist() == [1.0]
    model.set_params(on_collapse="reseed", random_state=0).fit(X)
    assert model.weights_.min() > 0.1


def test_a_component_that_a_start_lacks_rows_for_is_told_of_at_the_call():
    # Two distinct values for k-means in float64, three for whoever counts them.
    X = np.repeat([[0.0], [1.0], [1e-300]], [50, 50, 1], axis=0)
    model = GaussianMixture(3, on_collapse="drop", random_state=0)
    with (
        pytest.warns(
            ConvergenceWarning, match="distinct clusters than components. There are 2"
        ) as caught,
        pytest.warns(RegularizationWarning),
        pytest.warns(ConvergenceWarning, match="Of 3, 2 are left"),
    ):
        model.fit(X)
    assert {warning.filename for warning in caught} == {__file__}
    assert len(model.weights_) == 2
