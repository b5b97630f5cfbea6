"""What is known beforehand stays: fixed weights, means, covariances; equal weights."""

import json
import re

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import t
from sklearn.exceptions import ConvergenceWarning

import fastem
from fastem import GaussianMixture, StopFit, StudentMixture
from fastem.covariances import STRUCTURES, SingularCovarianceError
from tests import reference
from tests.mixtures import (
    IN_SHORT,
    assert_close,
    draw,
    random_mixture,
    start_of,
    with_noise,
    with_tails,
)
from tests.reference import Fixed, Mixture

# Few iterations do not converge.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Best performing initialization did not converge"
)

EXHAUSTIVE = pytest.mark.exhaustive

K, D, N = 3, 2, 120
NONE, ALL, FIRST = np.zeros(K, bool), np.ones(K, bool), np.array([True, False, False])
PARTS = ("weights", "means", "covariances")
# Common axes are turned a part of the way in each step, not as the twin does it.
BY_PARTS = {"EVE", "VVE"}


def problem(name="full", seed=0, kind=GaussianMixture):
    """Rows, and a mixture beside the one that they come from."""
    random = np.random.default_rng(seed)
    mixture = random_mixture(random, name, K, D, spread=3)
    X = draw(random, mixture, N)
    weights = np.array([0.2, 0.3, 0.5])
    shifted = mixture.means + 0.4
    start = Mixture(weights, shifted, 1.5 * mixture.covariances)
    return X, with_tails(start, 5.0) if kind is StudentMixture else start


def fits_of(structure):
    """What is fixed: each part of all components, and of some where that can be."""
    for part in PARTS:
        yield {part: True}
    yield {"weights": FIRST, "means": FIRST}
    yield {"means": True, "covariances": True}
    if structure.shares_nothing:
        yield {"covariances": FIRST, "means": ~FIRST}


def of(model, part):
    """One of the parts of a model, component by component."""
    if part != "covariances":
        return getattr(model, f"{part}_")
    representation = STRUCTURES[model.covariance_type].representation
    return representation.expand(model.covariances_, *model.means_.shape)


def masks_of(given):
    return Fixed(*(np.broadcast_to(given.get(part, False), K) for part in PARTS))


def in_usual_runs(usual, *others):
    """These, and in an exhaustive run the others too."""
    return [*usual, *(pytest.param(*other, marks=EXHAUSTIVE) for other in others)]


@pytest.mark.parametrize(
    ("name", "kind"),
    in_usual_runs(
        [(name, GaussianMixture) for name in STRUCTURES]
        + [(name, StudentMixture) for name in IN_SHORT],
        *((n, StudentMixture) for n in STRUCTURES if n not in IN_SHORT),
    ),
)
def test_steps_are_exact_and_lower_nothing(name, kind):
    X, start = problem(name, kind=kind)
    given = start_of(start, name)
    if kind is StudentMixture:
        given = {**given, "degrees_of_freedom": 5.0}
    settings = {**given, "reg_covar": 0, "tol": 0, "max_iter": 4}
    for fixed in fits_of(STRUCTURES[name]):
        model = kind(**settings, fixed=fixed).fit(X)
        masks = masks_of(fixed)
        first = kind(**{**settings, "max_iter": 0}, fixed=fixed).fit(X)
        for part in PARTS:
            held, now, then = (
                getattr(masks, part),
                *(of(m, part) for m in (model, first)),
            )
            np.testing.assert_array_equal(now[held], then[held], err_msg=part)
            assert held.all() or not np.array_equal(now, then)
        assert np.diff(model.lower_bounds_).min() >= -1e-13
        assert model.score(X) >= model.lower_bounds_[-1] - 1e-13
        if name in BY_PARTS:
            continue
        twin, bounds = reference.iterate(X, start, name, 0.0, 4, fixed=masks)
        assert_close(model.lower_bounds_, bounds, 1e-10)
        for part in PARTS:
            assert_close(of(model, part), getattr(twin, part), 1e-9, part)


# Truth that needs no EM


def test_a_covariance_is_about_a_fixed_mean():
    X = np.random.default_rng(0).normal([5.0, -3.0], [1, 2], (100, 2))
    mean = np.array([4.0, -3.5])
    residuals = X - mean
    expected = residuals.T @ residuals / len(X)
    for name in STRUCTURES:
        model = GaussianMixture(
            covariance_type=name, means_init=[mean], fixed={"means": True}, reg_covar=0
        ).fit(X)
        np.testing.assert_array_equal(model.means_, [mean])
        S = of(model, "covariances")[0]
        if STRUCTURES[name].representation.has_matrices:
            np.testing.assert_allclose(S, expected, rtol=1e-12)
        np.testing.assert_allclose(np.trace(S), np.trace(expected), rtol=1e-12)


def test_a_fixed_mean_far_from_its_rows_costs_no_digits():
    X = np.random.default_rng(0).normal(1e9, 1, (100, 1))
    model = GaussianMixture(means_init=[[1e9 + 3]], fixed={"means": True}).fit(X)
    expected = np.mean((X - (1e9 + 3)) ** 2) + 1e-6
    np.testing.assert_allclose(model.covariances_, [[[expected]]], rtol=1e-12)


def test_limits_are_those_of_direct_maximisation():
    X = np.concatenate(
        [
            np.random.default_rng(0).normal(m, s, n)
            for m, s, n in ((0, 1, 60), (3, 2, 90))
        ]
    )[:, np.newaxis]
    start = {"weights_init": [0.3, 0.7], "means_init": [[0.3], [3.5]]}
    start["precisions_init"] = [[[1.0]], [[0.5]]]

    def loss(weights, means, variances):
        mixture = Mixture(*map(np.asarray, (weights, means, variances)))
        return -reference.score(
            X,
            mixture._replace(
                means=mixture.means[:, np.newaxis],
                covariances=mixture.covariances[:, np.newaxis, np.newaxis],
            ),
        )

    cases = [
        ({"fixed": {"means": True}},
         lambda p: loss([1 / (1 + np.exp(p[0])), 1 / (1 + np.exp(-p[0]))],
                        [0.3, 3.5], np.exp(p[1:3]))),
        ({"fixed": {"weights": True, "covariances": [True, False]}},
         lambda p: loss([0.3, 0.7], p[:2], [1.0, np.exp(p[2])])),
        ({"equal_weights": True, "weights_init": None},
         lambda p: loss([0.5, 0.5], [p[0], p[1] + 3], np.exp(p[2:4]))),
    ]  # fmt: skip
    for settings, objective in cases:
        model = GaussianMixture(
            2, **{**start, **settings}, reg_covar=0, tol=1e-12, max_iter=5000
        ).fit(X)
        n = 4 if "equal_weights" in settings else 3
        found = minimize(objective, np.zeros(n), method="BFGS", tol=1e-10)
        assert model.lower_bound_ == pytest.approx(-found.fun, abs=1e-9)
        again = GaussianMixture(
            *(2,),
            **{**start, **settings},
            reg_covar=0,
            accelerate=True,
            stopping="remaining_gain",
            tol=1e-6,
            max_iter=1000,
        ).fit(X)
        assert again.converged_
        assert again.lower_bound_ == pytest.approx(-found.fun, abs=1e-8)


def test_where_nothing_may_move_one_pass_is_enough():
    X, start = problem()
    given = start_of(start, "full")
    model = GaussianMixture(**given, fixed=dict.fromkeys(PARTS, True)).fit(X)
    assert model.converged_
    assert model.n_iter_ == 2  # the second sees no change
    assert model.lower_bound_ == pytest.approx(model.score(X), rel=1e-14)
    np.testing.assert_array_equal(model.weights_, start.weights)
    for stopping in ("change", "remaining_gain"):
        model.set_params(accelerate=True, stopping=stopping, tol=1e-6).fit(X)
        assert model.converged_
        np.testing.assert_array_equal(model.means_, start.means)


# Weights


def test_free_weights_share_what_fixed_ones_leave():
    X, start = problem()
    settings = {**start_of(start, "full"), "fixed": {"weights": FIRST}, "tol": 1e-10}
    model = GaussianMixture(**settings).fit(X)
    assert model.weights_[0] == start.weights[0]
    assert model.weights_.sum() == pytest.approx(1, abs=1e-15)
    shares = model.predict_proba(X).sum(axis=0)
    np.testing.assert_allclose(
        model.weights_[1:], 0.8 * shares[1:] / shares[1:].sum(), rtol=1e-4
    )
    # Of all but one the last one is what is left.
    both = GaussianMixture(**{**settings, "fixed": {"weights": ~FIRST}}).fit(X)
    np.testing.assert_array_equal(both.weights_, start.weights)


@pytest.mark.parametrize("equal", [False, True])
def test_beside_noise_weights_are_fixed_beside_each_other(equal):
    X, start = problem()
    X = np.vstack([X, np.random.default_rng(1).uniform(-30, 30, (40, D))])
    settings = start_of(with_noise(start, 0.1, 3600.0), "full")
    shares = np.full(K, 1 / K) if equal else start.weights
    if equal:
        settings |= {"equal_weights": True, "weights_init": None}
    else:
        settings["fixed"] = {"weights": True}
    model = GaussianMixture(**settings, reg_covar=0, tol=1e-10, max_iter=500).fit(X)
    left = 1 - model.noise_weight_
    np.testing.assert_allclose(model.weights_, left * shares, rtol=1e-14)
    assert model.noise_weight_ == pytest.approx(
        model.predict_proba(X)[:, -1].mean(), rel=1e-6
    )
    assert np.diff(model.lower_bounds_).min() >= -1e-13


def test_equal_weights_are_so_from_the_start():
    X, _ = problem()
    model = GaussianMixture(K, equal_weights=True, reg_covar=0, random_state=0, tol=0)
    for n_iterations in (0, 20):
        model.set_params(max_iter=n_iterations).fit(X[:100])
        np.testing.assert_array_equal(model.weights_, np.full(K, 1 / K))
    assert np.diff(model.lower_bounds_).min() >= -1e-13


# With other options


@pytest.mark.parametrize(
    "name", in_usual_runs(["full", "EVE"], *([n] for n in ("tied", "diag", "VEV")))
)
def test_longer_steps_and_the_test_of_the_end_move_nothing_fixed(name):
    X, start = problem(name, seed=1)
    given = {**start_of(start, name), "reg_covar": 0, "max_iter": 3000}
    for fixed in fits_of(STRUCTURES[name]):
        plain, fast = (
            GaussianMixture(**given, fixed=fixed, **settings).fit(X)
            for settings in (
                {"tol": 1e-10},
                {"accelerate": True, "stopping": "remaining_gain", "tol": 1e-5},
            )
        )
        assert np.diff(fast.lower_bounds_).min() >= -1e-13
        assert fast.lower_bound_ >= plain.lower_bound_ - 1e-7
        for part, mask in zip(PARTS, masks_of(fixed), strict=False):
            now, then = (of(model, part) for model in (fast, plain))
            np.testing.assert_array_equal(now[mask], then[mask])


@pytest.mark.parametrize(
    "settings",
    [
        {"equal_weights": True, "weights_init": None},
        {"fixed": {"weights": True}},
        {"fixed": {"means": [False, False, True]}},
        {"fixed": {"covariances": [False, False, True]}},
    ],
    ids=str,
)
def test_a_way_up_from_a_plateau_is_found_beside_what_is_fixed(settings):
    random = np.random.default_rng(0)
    X = np.vstack(
        [random.normal(m, 1, (n, 1)) for m, n in ((0, 90), (5, 90), (10, 60))]
    )
    twins = {
        "weights_init": [0.35, 0.35, 0.3],
        "means_init": [[2.5], [2.5 + 1e-7], [10.0]],
        "precisions_init": [[[0.1]], [[0.1]], [[1.0]]],
    }
    usual = {**twins, **settings, "reg_covar": 0, "max_iter": 500}
    plain = GaussianMixture(3, **usual, tol=1e-12).fit(X)
    model = GaussianMixture(3, **usual, stopping="remaining_gain", tol=1e-4).fit(X)
    assert model.converged_
    assert model.lower_bound_ > plain.lower_bound_ + 0.1
    for part in settings.get("fixed", {}):
        then = twins["precisions_init" if part == "covariances" else f"{part}_init"]
        np.testing.assert_array_equal(of(model, part)[2], then[2])


def test_a_component_without_rows_is_told_of_whatever_its_weight_is():
    X, start = problem("tied")
    start.means[1] = 1e4
    given = start_of(start, "tied")
    with pytest.warns(ConvergenceWarning, match="has no rows. It is component 1"):
        GaussianMixture(**given, fixed={"weights": True}).fit(X)


def test_a_ridge_is_not_added_to_fixed_covariances():
    X, start = problem()
    given = {**start_of(start, "full"), "reg_covar": 0.5, "max_iter": 5}
    first = GaussianMixture(**{**given, "max_iter": 0}).fit(X).covariances_
    model = GaussianMixture(**given, fixed={"covariances": True}).fit(X)  # no warning
    np.testing.assert_array_equal(model.covariances_, first)
    model.set_params(fixed={"covariances": FIRST})
    with pytest.warns(fastem.RegularizationWarning) as caught:
        model.fit(X)
    np.testing.assert_array_equal(model.covariances_[0], first[0])
    (warning,) = caught
    assert warning.message.degeneracy.component != 0
    assert warning.message.n_affected == 2


def test_a_component_is_reseeded_if_nothing_of_it_is_fixed():
    X, start = problem()
    start.means[1] = 1e4  # where no rows are
    settings = {**start_of(start, "full"), "on_collapse": "reseed", "reg_covar": 0}
    model = GaussianMixture(
        **settings, fixed={"weights": FIRST, "means": FIRST}, random_state=0
    ).fit(X)
    assert [c.degeneracy.component for c in model.collapses_] == [1]
    assert model.weights_[0] == start.weights[0]
    np.testing.assert_array_equal(model.means_[0], start.means[0])
    assert model.weights_.min() > 0.1
    model.set_params(fixed={"means": [False, True, False]})
    with pytest.raises(
        SingularCovarianceError, match="leaves component 1 alone, of which something"
    ):
        model.fit(X)


# The start is not within the bound.
@pytest.mark.filterwarnings("ignore:The mean log-likelihood fell")
@pytest.mark.parametrize("size", [0.03, 20.0])
@pytest.mark.parametrize("name", ["full", "spherical"])
def test_a_bound_on_eigenvalues_is_about_fixed_covariances_too(name, size):
    X, start = problem(name)
    start.covariances[0] *= size
    given = {**start_of(start, name), "fixed": {"covariances": FIRST}, "reg_covar": 0}
    model = GaussianMixture(**given, covariance_ratio=8.0, max_iter=30).fit(X)
    S = of(model, "covariances")
    if name == "full":
        S = S / np.outer(X.std(axis=0), X.std(axis=0))
    eigenvalues = np.linalg.eigvalsh(S)
    assert eigenvalues.max() == pytest.approx(8 * eigenvalues.min(), rel=1e-9)
    assert np.diff(model.lower_bounds_[1:]).min() >= -1e-12
    if name == "full":
        with pytest.raises(ValueError, match="fixed covariances have eigenvalues"):
            model.set_params(covariance_ratio=1.01).fit(X)


def test_degrees_of_freedom_beside_a_fixed_scale_are_the_likeliest():
    X = np.random.default_rng(0).standard_t(3, size=(200, 1))
    model = StudentMixture(
        weights_init=[1.0],
        means_init=[[0.2]],
        precisions_init=[[[0.5]]],
        fixed={"means": True, "covariances": True},
        tol=1e-13,
        max_iter=5000,
    ).fit(X)
    found = minimize_scalar(
        lambda v: -t.logpdf(X, v, 0.2, np.sqrt(2)).mean(),
        bounds=(0.1, 50),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert model.lower_bound_ == pytest.approx(-found.fun, abs=1e-9)
    assert model.degrees_of_freedom_[0] == pytest.approx(found.x, rel=1e-3)


def test_a_column_without_values_does_not_matter_where_all_is_fixed():
    X, start = problem()
    labels = np.repeat(np.arange(K), N // K)
    X = np.where((labels == 0)[:, np.newaxis] & [True, False], np.nan, X)
    given = {**start_of(start, "full"), "missing_values": "marginalize"}
    model = GaussianMixture(**given, fixed={"means": FIRST, "covariances": FIRST})
    model.fit(X, labels=labels)
    np.testing.assert_array_equal(model.means_[0], start.means[0])
    with pytest.raises(SingularCovarianceError, match="has no value"):
        model.set_params(fixed={"means": FIRST}).fit(X, labels=labels)


# What goes on from a fit


def test_streams_files_and_orders_keep_what_is_fixed(tmp_path):
    X, start = problem()
    fixed = {"means": FIRST, "covariances": FIRST}
    model = GaussianMixture(**start_of(start, "full"), fixed=fixed, max_iter=3).fit(X)
    held = model.means_[0], model.covariances_[0]
    n_parameters = model._n_parameters()
    model.sort_components([2, 0, 1])
    fastem.save_model(model, tmp_path / "model.json")
    for again in (fastem.load_model(tmp_path / "model.json"), model):
        assert again._n_parameters() == n_parameters
        again.partial_fit(X + 1)
        np.testing.assert_array_equal(again.means_[1], held[0])
        np.testing.assert_array_equal(again.covariances_[1], held[1])
        assert not np.allclose(again.means_[0], start.means[2])
    model.set_params(warm_start=True).fit(X)
    np.testing.assert_array_equal(model.means_[1], held[0])
    # A fit from the start has the start's numbers.
    model.set_params(warm_start=False).fit(X)
    np.testing.assert_array_equal(model.means_[0], held[0])


def test_a_file_with_other_masks_is_refused(tmp_path):
    X, start = problem()
    path = tmp_path / "model.json"
    model = GaussianMixture(**start_of(start, "full"), fixed={"means": FIRST}).fit(X)
    fastem.save_model(model, path)
    content = json.loads(path.read_text())
    for wrong in ({"means": [True]}, {"mean": True}, {"means": 1}, 3, None):
        path.write_text(json.dumps({**content, "fixed": wrong}))
        with pytest.raises(ValueError, match="fixed"):
            fastem.load_model(path)


def test_a_checkpoint_is_that_of_the_same_fixed_parts(tmp_path):
    X, start = problem()

    def stop(progress):
        raise StopFit

    settings = {**start_of(start, "full"), "tol": 0, "max_iter": 4}
    path = tmp_path / "checkpoint.json"
    model = GaussianMixture(**settings, fixed={"means": FIRST})
    model.fit(X, checkpoint=path, callback=stop)
    other = GaussianMixture(**settings, fixed={"means": ~FIRST})
    with pytest.raises(ValueError, match=re.escape("had fixed={'means': [True, False")):
        other.fit(X, checkpoint=path)
    model.fit(X, checkpoint=path)
    assert model.n_iter_ == 4


def test_what_is_fixed_has_no_standard_error():
    X, start = problem()
    fixed = {"means": FIRST, "covariances": FIRST}
    model = GaussianMixture(**start_of(start, "full"), fixed=fixed).fit(X)
    model.sort_components([1, 0, 2])
    errors = fastem.standard_errors(model, X, n_bootstrap=5, random_state=0)
    for part in ("means", "covariances"):
        assert (getattr(errors, part)[1] == 0).all()
        assert (getattr(errors, part)[0] > 0).all()
    equal = GaussianMixture(K, equal_weights=True, random_state=0).fit(X)
    errors = fastem.standard_errors(equal, X, n_bootstrap=3, random_state=0)
    assert (errors.weights == 0).all()


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("full", {}, 2 + 6 + 9),
        ("full", {"equal_weights": True}, 0 + 6 + 9),
        ("full", {"fixed": {"weights": True}}, 0 + 6 + 9),
        ("full", {"fixed": {"weights": FIRST}}, 1 + 6 + 9),
        ("full", {"fixed": {"weights": ~FIRST}}, 0 + 6 + 9),
        ("full", {"fixed": {"means": FIRST, "covariances": FIRST}}, 2 + 4 + 6),
        ("full", {"fixed": dict.fromkeys(PARTS, True)}, 0),
        ("tied", {"fixed": {"covariances": True}}, 2 + 6),
        ("tied", {"fixed": {"means": True}}, 2 + 3),
        ("VEI", {"fixed": {"covariances": True, "means": FIRST}}, 2 + 4),
    ],
)
def test_criteria_count_what_is_free(name, settings, expected):
    X, start = problem(name)
    given = start_of(start, name)
    if settings.get("equal_weights"):
        given.pop("weights_init")
    model = GaussianMixture(**given, **settings, max_iter=2).fit(X)
    likelihood = 2 * N * model.score(X)
    assert model.bic(X) == pytest.approx(expected * np.log(N) - likelihood)
    assert model.aic(X) == pytest.approx(expected * 2 - likelihood)


def test_a_choice_keeps_what_the_estimator_says_of_one_number_of_components():
    X, start = problem("spherical")
    template = GaussianMixture(means_init=start.means, fixed={"means": True})
    choose = fastem.GaussianMixtureSelector(K, ["VII", "EII"], estimator=template)
    best = choose.fit(X).best_estimator_
    np.testing.assert_array_equal(best.means_, start.means)
    with pytest.raises(ValueError, match="n_components are 2, 3"):
        choose.set_params(n_components=[2, 3]).fit(X)
    choose.set_params(n_components=K)
    template.set_params(means_init=None)
    with pytest.raises(ValueError, match="needs the estimator's means_init"):
        choose.fit(X)
    together = fastem.MixtureClassifier(
        GaussianMixture(equal_weights=True), share_across_classes=True
    )
    with pytest.raises(ValueError, match="how frequent classes are"):
        together.fit(X, X[:, 0] > 0)


# Errors


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fixed": {"mean": True}}, "fixed has 'mean', and what can be fixed are"),
        ({"fixed": {"degrees_of_freedom": True}}, "StudentMixture(degrees_of_freedom"),
        ({"fixed": {"means": [0, 2]}}, "True, False, or one of them for each of the 3"),
        ({"fixed": {"means": [True]}}, "for each of the 3 components, but is [True]"),
        ({"fixed": {"weights": True}}, "nothing says which: give weights_init"),
        ({"fixed": {"means": FIRST}}, "nothing says which: give means_init"),
        ({"fixed": {"covariances": True}}, "nothing says which: give precisions_init"),
        (
            {"fixed": {"covariances": FIRST}, "covariance_type": "VEV"},
            "fix all (True) or none",
        ),
        (
            {"fixed": {"weights": FIRST}, "weights_init": [1, 0, 0]},
            "leave nothing to the components",
        ),
        ({"fixed": {"weights": True}, "equal_weights": True}, "leave one of them out"),
        (
            {"equal_weights": True, "weights_init": [0.5, 0.25, 0.25]},
            "weights_init has others: leave it out",
        ),
        (
            {"fixed": {"means": True}, "on_collapse": "drop"},
            "fixed names components by their numbers",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(settings, words):
    X, _ = problem()
    with pytest.raises(ValueError, match=re.escape(words)):
        GaussianMixture(K, **settings).fit(X)


def test_a_partition_or_labels_say_where_fixed_parts_start():
    X, _ = problem()
    labels = np.repeat(np.arange(K), N // K)
    settings = {"reg_covar": 0, "fixed": {"means": True, "weights": True}}
    expected = reference.start_from_labels(X, labels, "full")
    by_partition = GaussianMixture(K, init_params=labels, **settings).fit(X)
    by_labels = GaussianMixture(K, **settings).fit(X, labels=labels)
    for model in (by_partition, by_labels):
        assert_close(model.means_, expected.means, 1e-12)
        assert_close(model.weights_, expected.weights, 1e-12)
