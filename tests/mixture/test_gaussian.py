"""The estimator: what scikit-learn's users rely on, and what it adds."""

import copy
import inspect
import pickle
import pydoc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.externals._numpydoc.docscrape import NumpyDocString
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastem
from fastem import GaussianMixture, Progress, SingularCovarianceError
from fastem.covariances import STRUCTURES
from tests import reference
from tests.mixtures import (
    IN_SHORT,
    assert_close,
    draw,
    parameters_of,
    random_mixture,
    start_of,
)

K, D = 3, 4
ANSWERS = ["predict", "predict_proba", "score_samples", "score", "bic", "aic"]


def of_structures(names):
    return parametrize_with_checks([GaussianMixture(covariance_type=n) for n in names])


# Some of them fit 30 columns to as few rows.
@pytest.mark.filterwarnings("ignore::fastem.RegularizationWarning")
@of_structures(IN_SHORT)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore::fastem.RegularizationWarning")
@of_structures([name for name in STRUCTURES if name not in IN_SHORT])
def test_they_pass_with_all_structures(estimator, check):
    check(estimator)


@pytest.fixture
def mixture(random, covariance_type):
    return random_mixture(random, covariance_type, K, D)


@pytest.fixture(name="X")
def rows_of_the_mixture(random, mixture):
    return draw(random, mixture, 600)


@pytest.fixture
def model(mixture, covariance_type):
    """A model made from parameters, which has seen no data."""
    parameters = parameters_of(mixture, covariance_type)
    return GaussianMixture.from_parameters(
        parameters.weights,
        parameters.means,
        parameters.covariances,
        covariance_type=covariance_type,
        random_state=0,
    )


def answers(model, X):
    return [getattr(model, name)(X) for name in ANSWERS]


def assert_same_answers(ours, theirs, X, other_X=None):
    other_X = X if other_X is None else other_X
    for one, other in zip(answers(ours, X), answers(theirs, other_X), strict=True):
        np.testing.assert_array_equal(one, other)


def state_of(estimator):
    return {
        name: value.tobytes() if isinstance(value, np.ndarray) else value
        for name, value in vars(estimator).items()
    }


# The interface


def test_constructor_is_that_of_scikit_learn_and_little_more():
    ours, theirs = GaussianMixture().get_params(), SklearnMixture().get_params()
    assert ours.pop("n_threads") is None
    assert ours.pop("stopping") == "change"
    assert ours.pop("accelerate") is False
    assert ours.pop("on_collapse") == "raise"
    assert ours.pop("forgetting") == 2
    assert ours.pop("memory") is None
    assert ours.pop("missing_values") == "error"
    assert ours.pop("fixed") is None
    assert ours.pop("equal_weights") is False
    assert ours.pop("noise") is False
    for name in ("weight_init", "volume", "bounds"):
        assert ours.pop(f"noise_{name}") is None
    assert ours.pop("covariance_ratio") is None
    assert ours.pop("outlier_share") == 0.05
    assert ours == theirs


def test_fitted_attributes_are_those_of_scikit_learn():
    X = load_iris(as_frame=True).data
    ours = GaussianMixture(2, random_state=0).fit(X)
    theirs = SklearnMixture(2, random_state=0).fit(X)
    public = {name for name in vars(theirs) if name.endswith("_")}
    assert public <= set(vars(ours))
    for name in public:
        assert type(getattr(ours, name)) is type(getattr(theirs, name)) or isinstance(
            getattr(ours, name), float | int | bool
        ), name


def test_public_methods_of_scikit_learn_are_all_there():
    missing = {name for name in dir(SklearnMixture) if not name.startswith("_")} - set(
        dir(GaussianMixture)
    )
    assert not missing


# A model without data


def test_from_parameters_answers_like_the_twin(model, mixture, X, covariance_type):
    assert_close(model.score_samples(X), reference.score_samples(X, mixture), 1e-12)
    assert_close(model.predict_proba(X), reference.responsibilities(X, mixture), 1e-12)
    assert np.array_equal(model.predict(X), reference.predict(X, mixture))
    assert model.score(X) == pytest.approx(reference.score(X, mixture), rel=1e-12)
    p = STRUCTURES[covariance_type].n_parameters(K, D) + K * D + K - 1
    log_likelihood = reference.score_samples(X, mixture).sum()
    assert model.aic(X) == pytest.approx(2 * p - 2 * log_likelihood, rel=1e-12)
    bic = p * np.log(len(X)) - 2 * log_likelihood
    assert model.bic(X) == pytest.approx(bic, rel=1e-12)


def test_from_parameters_keeps_the_parameters(model, mixture, covariance_type):
    assert np.array_equal(model.weights_, mixture.weights)
    assert np.array_equal(model.means_, mixture.means)
    compact = reference.STRUCTURES[covariance_type].compact
    assert_close(model.covariances_, compact(mixture.covariances), 1e-15)
    precisions = compact(np.linalg.inv(mixture.covariances))
    assert_close(model.precisions_, precisions, 1e-12)
    assert model.n_features_in_ == D
    assert not model.converged_
    assert model.n_iter_ == 0


def test_from_parameters_continues_fitting(model, mixture, X, covariance_type):
    model.set_params(tol=0, max_iter=5)
    with pytest.warns(ConvergenceWarning):
        model.fit(X)
    twin, lower_bounds = reference.iterate(X, mixture, covariance_type, 1e-6, 5)
    assert_close(model.means_, twin.means, 1e-11)
    assert_close(model.lower_bounds_, lower_bounds, 1e-12)


def test_from_parameters_draws_rows_of_the_mixture(model, mixture):
    rows, labels = model.sample(30_000)
    assert rows.shape == (30_000, D)
    for k in range(K):
        drawn = rows[labels == k]
        share = len(drawn) / len(rows)
        assert share == pytest.approx(mixture.weights[k], abs=0.02)
        size = np.sqrt(mixture.covariances.max())
        np.testing.assert_allclose(
            drawn.mean(axis=0), mixture.means[k], atol=0.06 * size
        )
        assert_close(np.cov(drawn.T), mixture.covariances[k], 0.1)


def test_from_parameters_checks_names_of_columns(covariance_type):
    frame = pd.DataFrame([[0.0, 1.0], [2.0, 3.0]], columns=["a", "b"])
    covariances = reference.STRUCTURES[covariance_type].compact(np.eye(2)[np.newaxis])
    model = GaussianMixture.from_parameters(
        [1.0],
        [[0.0, 0.0]],
        covariances,
        covariance_type=covariance_type,
        feature_names=["a", "b"],
    )
    model.predict(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b", "a"]])


def test_covariances_of_columns_in_units_far_apart_are_positive_definite():
    deviations = np.array([1e-10, 1.0, 1e10])
    correlations = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    covariance = correlations * np.outer(deviations, deviations)
    model = GaussianMixture.from_parameters([1.0], [[0.0] * 3], [covariance])
    expected = stats.multivariate_normal.logpdf([1.0, 2.0, 3.0], cov=correlations)
    assert model.score_samples([deviations * [1, 2, 3]])[0] == pytest.approx(
        expected - np.log(deviations).sum()
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"weights": [0.5, 0.6]}, ["weights", "sum to 1", "1.1"]),
        ({"weights": [1.5, -0.5]}, ["weights", "negative", "-0.5"]),
        ({"weights": [1.0]}, ["weights", "(2,)", "(1,)"]),
        ({"weights": [np.nan, 1.0]}, ["weights", "finite", "(0,)"]),
        ({"means": [0.0, 1.0]}, ["means", "(2,)"]),
        ({"means": np.zeros((0, 2))}, ["means", "(0, 2)"]),
        ({"means": [[0.0, np.inf], [0, 0]]}, ["means", "finite", "(0, 1)"]),
        ({"covariances": np.eye(2)}, ["covariances", "(2, 2, 2)", "(2, 2)"]),
        (
            {"covariances": [np.eye(2), -np.eye(2)]},
            ["covariances", "positive-definite", "at 1"],
        ),
        (
            {"covariances": [np.eye(2), [[1.0, 0.5], [0.0, 1.0]]]},
            ["covariances", "symmetric"],
        ),
        ({"covariance_type": "round"}, ["covariance_type", "'round'", "'full'"]),
        ({"feature_names": ["a"]}, ["feature_names", "(2,)", "(1,)"]),
    ],
    ids=str,
)
def test_from_parameters_refuses_what_is_no_mixture(changed, words):
    arguments = {
        "weights": [0.5, 0.5],
        "means": np.zeros((2, 2)),
        "covariances": np.stack([np.eye(2)] * 2),
        **changed,
    }
    with pytest.raises(ValueError) as error:  # noqa: PT011
        GaussianMixture.from_parameters(**arguments)
    for word in words:
        assert word in str(error.value)


# Fitting


def test_fit_leaves_the_estimator_as_it_was_when_it_fails(X, covariance_type):
    estimator = GaussianMixture(2, covariance_type=covariance_type, random_state=0)
    estimator.fit(pd.DataFrame(X, columns=list("abcd")))
    before = state_of(estimator)
    bad = np.full((5, 7), np.nan)
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(bad)
    assert state_of(estimator) == before
    with pytest.raises(ValueError, match="sample_weight"):
        estimator.fit(X, sample_weight=[1.0])
    assert state_of(estimator) == before
    estimator.set_params(reg_covar=0)
    before = state_of(estimator)
    constant = X.copy()
    constant[:, 1] = 3
    if covariance_type != "spherical":
        with pytest.raises(SingularCovarianceError):
            estimator.fit(constant)
    assert covariance_type == "spherical" or state_of(estimator) == before


def test_an_interrupted_fit_leaves_the_estimator_as_it_was(X, covariance_type):
    estimator = GaussianMixture(2, covariance_type=covariance_type, random_state=0)
    estimator.fit(X)
    before = state_of(estimator)

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X + 1, callback=interrupt)
    assert state_of(estimator) == before


def test_an_unfitted_estimator_stays_unfitted_when_fit_fails():
    estimator = GaussianMixture()
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit([[np.nan], [1.0]])
    with pytest.raises(NotFittedError):
        estimator.predict([[1.0]])
    assert not hasattr(estimator, "n_features_in_")


def test_constructor_arguments_are_never_changed(X, mixture, covariance_type):
    start = {
        name: value.copy() if isinstance(value, np.ndarray) else value
        for name, value in start_of(mixture, covariance_type).items()
    }
    given = copy.deepcopy(start)
    estimator = GaussianMixture(**start, max_iter=300).fit(X)
    for name, value in given.items():
        assert getattr(estimator, name) is start[name]
        np.testing.assert_array_equal(start[name], value)
    assert not np.shares_memory(estimator.means_, start["means_init"])


def test_rows_and_weights_are_never_changed(X, covariance_type):
    weights = np.linspace(0, 2, len(X))
    X_before, weights_before = X.copy(), weights.copy()
    GaussianMixture(2, covariance_type=covariance_type).fit_predict(
        X, sample_weight=weights
    )
    assert np.array_equal(X, X_before)
    assert np.array_equal(weights, weights_before)
    assert X.flags.writeable
    assert weights.flags.writeable


def test_no_iteration_gives_the_start_itself(X, mixture, covariance_type):
    estimator = GaussianMixture(**start_of(mixture, covariance_type), max_iter=0).fit(X)
    assert np.array_equal(estimator.means_, mixture.means)
    assert np.array_equal(estimator.weights_, mixture.weights)
    assert_close(estimator.score_samples(X), reference.score_samples(X, mixture), 1e-12)
    assert not estimator.converged_
    assert estimator.n_iter_ == 0
    assert estimator.lower_bound_ == -np.inf
    assert estimator.lower_bounds_ == []


def test_convergence_is_warned_of_only_when_it_was_not_met(X):
    with pytest.warns(ConvergenceWarning, match="After 2 iterations .* tol is 1e-09"):
        short = GaussianMixture(3, max_iter=2, tol=1e-9, random_state=0).fit(X)
    assert not short.converged_
    # Warnings are errors: none is given here.
    assert GaussianMixture(3, max_iter=500, random_state=0).fit(X).converged_


def test_the_warning_points_at_the_call(X):
    with pytest.warns(ConvergenceWarning) as caught:
        GaussianMixture(3, max_iter=2, tol=1e-9, random_state=0).fit(X)
    assert caught[0].filename == __file__


def test_warm_start_continues_to_where_one_fit_arrives(X, covariance_type):
    parameters = {
        "n_components": K,
        "covariance_type": covariance_type,
        "random_state": 0,
        "tol": 0,
    }
    whole = GaussianMixture(**parameters, max_iter=6)
    parts = GaussianMixture(**parameters, max_iter=2, warm_start=True)
    with pytest.warns(ConvergenceWarning):
        whole.fit(X)
    for _ in range(3):
        with pytest.warns(ConvergenceWarning):
            parts.fit(X)
    assert np.array_equal(whole.means_, parts.means_)
    assert np.array_equal(whole.covariances_, parts.covariances_)
    assert whole.lower_bounds_[4:] == parts.lower_bounds_


def test_a_fit_that_goes_on_with_other_rows_needs_no_labels_for_them(X):
    labels = np.arange(len(X)) % K
    model = GaussianMixture(K, init_params=labels, warm_start=True, random_state=0)
    assert model.fit(X).fit(X[::2]).n_samples_seen_ == len(X[::2])
    with pytest.raises(ValueError, match="a label for each row"):
        model.set_params(warm_start=False).fit(X[::2])


@pytest.mark.parametrize(
    "change", [{"n_components": 2}, {"covariance_type": "other"}, {"columns": 3}]
)
def test_warm_start_after_a_change_is_an_error(X, covariance_type, change):
    estimator = GaussianMixture(
        K, covariance_type=covariance_type, warm_start=True, random_state=0
    ).fit(X)
    means = estimator.means_.copy()
    if "columns" in change:
        X = X[:, :3]
    elif "covariance_type" in change:
        other = next(name for name in STRUCTURES if name != covariance_type)
        estimator.set_params(covariance_type=other)
    else:
        estimator.set_params(**change)
    with pytest.raises(ValueError, match=r"warm_start|covariance_type"):
        estimator.fit(X)
    assert np.array_equal(estimator.means_, means)


def test_answers_after_a_change_of_covariance_type_are_an_error(model, X):
    other = next(name for name in STRUCTURES if name != model.covariance_type)
    model.set_params(covariance_type=other)
    for name in ANSWERS:
        with pytest.raises(ValueError, match="covariance_type"):
            getattr(model, name)(X)


def test_callback_is_told_of_every_iteration(X):
    seen = []
    estimator = GaussianMixture(2, random_state=0, n_init=2)
    estimator.fit(X, callback=seen.append)
    assert all(isinstance(progress, Progress) for progress in seen)
    assert {progress.restart for progress in seen} == {0, 1}
    for restart in (0, 1):
        history = [p for p in seen if p.restart == restart]
        assert [p.iteration for p in history] == list(range(1, len(history) + 1))
        bounds = [p.lower_bound for p in history]
        np.testing.assert_allclose([p.change for p in history[1:]], np.diff(bounds))
        assert history[0].change == np.inf
        assert all(p.seconds >= 0 for p in history)
    assert estimator.lower_bounds_ in [
        [p.lower_bound for p in seen if p.restart == restart] for restart in (0, 1)
    ]


def test_restarts_that_end_singular_are_counted_and_left_out():
    # In some restarts one component is left with the three rows far from the others.
    random = np.random.default_rng(2)
    X = np.concatenate(
        [random.normal(size=(30, 2)), 0.5 * random.normal(size=(3, 2)) + 6]
    )
    estimator = GaussianMixture(
        3, n_init=12, init_params="random", reg_covar=0, random_state=3, max_iter=500
    )
    with pytest.warns(
        ConvergenceWarning, match=r"Left out .*\. \d initialisations did"
    ):
        estimator.fit(X)
    assert np.isfinite(estimator.score(X))


def test_sample_weight_counts_in_score_and_criteria(model, X, random):
    counts = random.integers(0, 4, size=len(X))
    repeated = np.repeat(X, counts, axis=0)
    assert model.score(X, sample_weight=counts) == pytest.approx(
        model.score(repeated), rel=1e-12
    )
    for criterion in (model.bic, model.aic):
        assert criterion(X, sample_weight=counts) == pytest.approx(
            criterion(repeated), rel=1e-12
        )


def test_n_threads_changes_no_digit(random, covariance_type):
    X = random.normal(size=(3000, D))
    one, many = (
        GaussianMixture(
            K,
            covariance_type=covariance_type,
            n_threads=n,
            random_state=0,
            max_iter=500,
        ).fit(X)
        for n in (1, None)
    )
    assert one.lower_bounds_ == many.lower_bounds_
    assert_same_answers(one, many, X)


# Copies


def test_a_clone_is_unfitted_with_equal_parameters(model, X):
    copied = clone(model)
    with pytest.raises(NotFittedError):
        copied.predict(X)
    for name, value in model.get_params().items():
        np.testing.assert_array_equal(copied.get_params()[name], value)


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["deepcopy", "copy", "pickle"],
)
def test_a_copy_answers_like_the_original(model, X, duplicate):
    assert_same_answers(duplicate(model), model, X)


def test_attributes_set_by_hand_are_used(model, mixture, X):
    model.means_ = mixture.means + 1
    moved = mixture._replace(means=mixture.means + 1)
    assert_close(model.score_samples(X), reference.score_samples(X, moved), 1e-12)


# Among scikit-learn's tools


def test_it_works_in_a_pipeline(X, covariance_type):
    mixture = GaussianMixture(2, covariance_type=covariance_type, random_state=0)
    pipeline = make_pipeline(StandardScaler(), mixture).fit(X)
    scaled = StandardScaler().fit_transform(X)
    assert np.array_equal(
        pipeline.predict(X), clone(mixture).fit(scaled).predict(scaled)
    )
    assert pipeline.score(X) == pytest.approx(mixture.score(scaled))


def test_it_works_in_a_grid_search(random):
    X = draw(random, random_mixture(random, "full", 3, 2, spread=10), 300)
    search = GridSearchCV(
        GaussianMixture(random_state=0),
        {"n_components": [1, 3], "covariance_type": list(STRUCTURES)},
        cv=3,
    ).fit(X)
    assert search.best_params_["n_components"] == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_metadata_routing_passes_sample_weight(random):
    X = random.normal(size=(100, 2))
    weights = np.linspace(0, 1, len(X))
    with sklearn.config_context(enable_metadata_routing=True):
        mixture = GaussianMixture(2, random_state=0)
        pipeline = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            mixture.set_fit_request(sample_weight=True),
        )
        pipeline.fit(X, sample_weight=weights)
    scaled = StandardScaler().fit_transform(X)
    expected = GaussianMixture(2, random_state=0).fit(scaled, sample_weight=weights)
    assert np.array_equal(mixture.means_, expected.means_)


# Tables


def tables(X):
    names = [f"column {j}" for j in range(X.shape[1])]
    return {
        "pandas": pd.DataFrame(X, columns=names),
        "pandas with an index": pd.DataFrame(
            X, columns=names, index=range(7, 7 + len(X))
        ),
        "polars": pl.DataFrame(X, schema=names),
        "pyarrow": pa.table(dict(zip(names, X.T, strict=True))),
    }


@pytest.mark.parametrize("kind", tables(np.zeros((1, 1))))
def test_tables_give_the_answers_of_arrays(random, kind):
    X = random.normal(size=(200, 3))
    table = tables(X)[kind]
    ours = GaussianMixture(2, random_state=0).fit(table)
    plain = GaussianMixture(2, random_state=0).fit(X)
    assert_same_answers(ours, plain, table, X)
    if kind != "pyarrow":
        assert list(ours.feature_names_in_) == ["column 0", "column 1", "column 2"]


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_renamed_and_reordered_columns_are_an_error(random, kind):
    X = random.normal(size=(50, 3))
    model = GaussianMixture(1).fit(tables(X)[kind])
    table = tables(X)[kind]
    reordered = table[["column 1", "column 0", "column 2"]]
    for name in ANSWERS:
        with pytest.raises(ValueError, match="feature names should match"):
            getattr(model, name)(reordered)


def test_rows_without_the_names_of_the_fit_are_warned_of(random):
    X = random.normal(size=(50, 3))
    model = GaussianMixture(1).fit(tables(X)["pandas"])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)


# Documentation


@pytest.mark.parametrize("name", sorted(set(fastem.__all__) - {"__version__"}))
def test_help_shows_types_that_a_person_can_read(name):
    told = pydoc.plain(pydoc.render_doc(getattr(fastem, name)))
    assert "numpy._typing" not in told


WEIGHINGS = {
    "none": (lambda w: None, None),
    "of a mean of 1": (lambda w: w * len(w) / w.sum(), None),
    "shares of rows": (lambda w: w * 0.5, None),
    "counts": (lambda w: np.ceil(w * 1e6), None),
    "a choice of rows": (lambda w: (np.arange(len(w)) < 15) * 0.9, None),
    "a sum of 1": (lambda w: w / w.sum(), "less than the"),
    "a population": (lambda w: 1e9 * w / w.sum(), "more than the"),
}


@pytest.mark.parametrize("what", WEIGHINGS)
@pytest.mark.parametrize("named", [False, True])
def test_criteria_warn_of_weights_that_are_no_numbers_of_rows(random, what, named):
    make, said = WEIGHINGS[what]
    X = pd.DataFrame(random.normal(size=(300, 2)), columns=["a", "b"])
    weights = make(random.uniform(0.5, 1.5, size=300))
    model = GaussianMixture(2, random_state=0).fit(X, sample_weight=weights)
    table, given = X, weights
    if named:
        table = X if weights is None else X.assign(w=weights)
        given = None if weights is None else "w"
    for name in ("bic", "aic"):
        criterion = getattr(model, name)
        if said is None:
            assert np.isfinite(criterion(table, sample_weight=given))
            continue
        with pytest.warns(UserWarning, match=said) as caught:
            criterion(table, sample_weight=given)
        (warning,) = caught
        assert warning.filename == __file__
        assert str(warning.message).startswith("Criteria count rows by their weights")
        assert f"For {name} they sum to {weights.sum():.4g}, " in str(warning.message)
        assert "w * len(w) / w.sum()" in str(warning.message)
        normal = weights * len(weights) / weights.sum()
        criterion(X, sample_weight=normal)
    model.score(table, sample_weight=given)  # in which a common factor has no meaning


def test_scikit_learn_finds_a_description_of_every_name(X):
    """For the tooltips of its HTML, which also need a page on the web to point to."""
    sections = NumpyDocString(inspect.getdoc(GaussianMixture))
    model = GaussianMixture(2, random_state=0).fit(pd.DataFrame(X).add_prefix("x"))
    fitted = [name for name in vars(model) if name.endswith("_")]
    for section, names in (("Parameters", model.get_params()), ("Attributes", fitted)):
        described = {entry.name for entry in sections[section] if entry.desc}
        assert set(names) <= described
