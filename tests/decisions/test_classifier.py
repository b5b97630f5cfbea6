"""Classes told apart by their mixtures."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn
from pyarrow import parquet
from scipy.special import log_softmax
from scipy.stats import multivariate_t
from sklearn.datasets import load_iris, load_wine
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from fastem import (
    GaussianMixture,
    GaussianMixtureSelector,
    MixtureClassifier,
    RegularizationWarning,
    SingularCovarianceError,
    StudentMixture,
)
from fastem.covariances import STRUCTURES
from fastem.sources import reading
from tests import reference
from tests.groups.test_gaps import gappy
from tests.mixtures import assert_close, draw, random_mixture

CLASSES = np.array(["a", "b", "c"])
PLAIN = {"reg_covar": 0, "random_state": 0}


def problem(name="full", n_rows=240):
    """Rows of three classes, of unequal shares, that overlap."""
    random = np.random.default_rng(3)
    mixture = random_mixture(random, name, 3, 3)
    labels = random.choice(3, size=n_rows, p=[0.2, 0.5, 0.3])
    X = np.empty((n_rows, 3))
    for k in range(3):
        one = mixture._replace(
            weights=np.ones(1),
            means=mixture.means[k:][:1],
            covariances=mixture.covariances[k:][:1],
        )
        X[labels == k] = draw(random, one, int((labels == k).sum()))
    return X, labels


def log_densities(X, labels, name):
    """Logarithms of prior times density, from a maximisation step of the twin."""
    mixture = reference.start_from_labels(X, labels, name)
    return reference.weighted_log_densities(X, mixture)


@pytest.mark.filterwarnings("ignore::fastem.RegularizationWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        MixtureClassifier(),
        MixtureClassifier(
            GaussianMixture(covariance_type="tied"), share_across_classes=True
        ),
    ]
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", STRUCTURES)
def test_one_component_for_each_class_is_one_maximisation_step(name):
    X, labels = problem(name)
    template = GaussianMixture(covariance_type=name, **PLAIN)
    together = MixtureClassifier(template, share_across_classes=True)
    together.fit(X, CLASSES[labels])
    expected = log_densities(X, labels, name)
    rounding = reference.STRUCTURES[name].tolerance
    assert_close(together.decision_function(X), expected, max(1e-10, rounding))
    assert_close(together.predict_log_proba(X), log_softmax(expected, axis=1), 1e-6)
    assert (together.predict(X) == CLASSES[expected.argmax(axis=1)]).all()
    assert all(mixture.n_iter_ == 2 for mixture in together.mixtures_)


@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_tied_across_classes_is_linear_discriminant_analysis(load):
    X, y = load(return_X_y=True)
    X, y = X[:-20], y[:-20]
    template = GaussianMixture(covariance_type="tied", **PLAIN)
    ours = MixtureClassifier(template, share_across_classes=True).fit(X, y)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(X, y)
    assert_close(ours.predict_proba(X), theirs.predict_proba(X), 1e-9)
    assert ours.score(X, y) == theirs.score(X, y)


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="scatter was divided by a row less",
)
@pytest.mark.parametrize("priors", [None, [0.2, 0.5, 0.3]])
def test_full_is_quadratic_discriminant_analysis(priors):
    X, y = load_wine(return_X_y=True)
    ours = MixtureClassifier(GaussianMixture(**PLAIN), priors=priors).fit(X, y)
    theirs = QuadraticDiscriminantAnalysis(priors=priors).fit(X, y)
    assert_close(ours.predict_log_proba(X), theirs.predict_log_proba(X), 1e-8)
    assert_close(ours.priors_, theirs.priors_, 1e-15)


def test_a_class_is_as_dense_as_its_own_mixture():
    X, labels = problem()
    template = GaussianMixture(2, tol=1e-6, max_iter=500, **PLAIN)
    classifier = MixtureClassifier(template).fit(X, labels)
    own = [
        template.fit(X[labels == k]).score_samples(X) + np.log((labels == k).mean())
        for k in range(3)
    ]
    assert_close(classifier.decision_function(X), np.column_stack(own), 1e-12)
    assert classifier.mixtures_[1].n_components == 2


def test_several_components_share_across_classes():
    """As EM climbs from the classes' own k-means, with each row in its class."""
    X, labels = problem()
    template = GaussianMixture(
        2, covariance_type="tied", tol=1e-9, max_iter=2000, **PLAIN
    )
    classifier = MixtureClassifier(template, share_across_classes=True).fit(X, labels)
    shared = {mixture.covariances_.tobytes() for mixture in classifier.mixtures_}
    assert len(shared) == 1
    # A step from the end, by the twin, leads nowhere else.
    log_density = np.column_stack(
        [
            reference.log_density(X, mean, mixture.covariances_)
            + np.log(weight * prior)
            for mixture, prior in zip(
                classifier.mixtures_, classifier.priors_, strict=True
            )
            for mean, weight in zip(mixture.means_, mixture.weights_, strict=True)
        ]
    )
    log_density[np.repeat(np.arange(3), 2) != labels[:, np.newaxis]] = -np.inf
    shares = np.exp(log_softmax(log_density, axis=1))
    step = reference.start_from_shares(X, shares, "tied", 0.0)
    means = np.concatenate([mixture.means_ for mixture in classifier.mixtures_])
    assert_close(step.means, means, 1e-4)
    assert_close(step.covariances[0], classifier.mixtures_[0].covariances_, 1e-4)


@pytest.mark.parametrize("shared", [False, True], ids=["apart", "together"])
def test_weights_are_repetitions(shared):
    X, labels = problem()
    times = np.random.default_rng(0).integers(0, 3, size=len(X))
    template = GaussianMixture(2, covariance_type="tied", **PLAIN)
    weighted, repeated = (
        MixtureClassifier(template, share_across_classes=shared) for _ in range(2)
    )
    weighted.fit(X, labels, sample_weight=7.0 * times)
    repeated.fit(np.repeat(X, times, axis=0), np.repeat(labels, times))
    assert_close(weighted.priors_, repeated.priors_, 1e-12)
    if shared:  # from the same partition, as k-means draws others by weights
        template.n_components = 1
        weighted.fit(X, labels, sample_weight=7.0 * times)
        repeated.fit(np.repeat(X, times, axis=0), np.repeat(labels, times))
        assert_close(weighted.predict_proba(X), repeated.predict_proba(X), 1e-9)


@pytest.mark.parametrize("shared", [False, True], ids=["apart", "together"])
@pytest.mark.parametrize("K", [1, 2])
def test_gaps_blocks_and_float32(K, shared, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 0)
    X, labels = problem(n_rows=1500)
    X = gappy(np.random.default_rng(1), X)
    X[np.isnan(X).all(axis=1)] = 0.0
    weights = np.random.default_rng(2).uniform(size=len(X))
    template = GaussianMixture(
        *(K,), covariance_type="VEE", missing_values="marginalize", **PLAIN
    )
    classifier = MixtureClassifier(template, share_across_classes=shared)
    in_memory = pickle.loads(pickle.dumps(classifier.fit(X, labels, weights)))
    table = pd.DataFrame(X, columns=list("xyz"))
    assert np.isfinite(in_memory.decision_function(X)).all()
    table["weight"] = weights
    parquet.write_table(pa.Table.from_pandas(table), tmp_path / "rows.parquet")
    classifier.fit(tmp_path / "rows.parquet", labels, sample_weight="weight")
    assert list(classifier.feature_names_in_) == list("xyz")
    expected = in_memory.predict_proba(X)
    of_blocks = classifier.predict_proba(tmp_path / "rows.parquet")
    assert_close(of_blocks, expected, 1e-6 if K == 1 else 0.1)
    single = MixtureClassifier(template, share_across_classes=shared)
    single.fit(X.astype(np.float32), labels, weights)
    answers = single.predict_proba(X.astype(np.float32))
    assert answers.dtype == np.float32
    if K == 1:
        assert_close(answers, expected, 1e-3)


def test_students_tails():
    X, labels = problem()
    template = StudentMixture(degrees_of_freedom=5.0, tol=1e-9, **PLAIN)
    for shared in (False, True):
        classifier = MixtureClassifier(template, share_across_classes=shared)
        classifier.fit(X, labels)
        for k, mixture in enumerate(classifier.mixtures_):
            law = multivariate_t(mixture.means_[0], mixture.covariances_[0], df=5)
            expected = law.logpdf(X) + np.log((labels == k).mean())
            assert_close(classifier.decision_function(X)[:, k], expected, 1e-9)


def test_a_background_for_each_class():
    X, labels = problem()
    template = GaussianMixture(noise=True, **PLAIN)
    classifier = MixtureClassifier(template).fit(X, labels)
    far = classifier.predict_proba(np.full((1, 3), 1e6))
    volumes = np.array(
        [m.noise_weight_ / m.noise_volume_ for m in classifier.mixtures_]
    )
    expected = volumes * classifier.priors_
    assert_close(far[0], expected / expected.sum(), 1e-9)


def test_a_selector_chooses_for_each_class():
    random = np.random.default_rng(0)
    X = np.vstack([random.normal(m, 1, (60, 2)) for m in (0, 8, 16, 24, 4)])
    y = np.repeat(["four", "four", "four", "four", "one"], 60)
    template = GaussianMixtureSelector([1, 4, 5], ["VII"], random_state=0)
    table = pd.DataFrame(X, columns=["u", "v"])
    classifier = MixtureClassifier(template).fit(table, y)
    assert [m.n_components for m in classifier.mixtures_] == [4, 1]
    assert classifier.score(table, y) > 0.97
    assert list(classifier.mixtures_[0].feature_names_in_) == ["u", "v"]


def test_a_search_over_structures():
    X, labels = problem("EEV")
    search = GridSearchCV(
        MixtureClassifier(GaussianMixture(), share_across_classes=True),
        {"mixture__covariance_type": ["tied", "EEV", "spherical"]},
        scoring="neg_log_loss",
    )
    assert search.fit(X, labels).best_params_["mixture__covariance_type"] == "EEV"


def test_two_classes_have_one_decision():
    X, labels = problem()
    two = labels < 2
    classifier = MixtureClassifier().fit(X[two], labels[two])
    decision = classifier.decision_function(X)
    assert decision.shape == (len(X),)
    logits = np.diff(classifier.predict_log_proba(X), axis=1)[:, 0]
    assert_close(decision, logits, 1e-9)
    assert (classifier.predict(X) == (decision > 0)).all()


def fit(X, labels, mixture=None, **settings):
    return MixtureClassifier(mixture, **settings).fit(X, CLASSES[labels])


@pytest.mark.parametrize("shared", [False, True], ids=["apart", "together"])
def test_errors_name_the_class(shared):
    X, labels = problem()
    constant = np.where((labels == 1)[:, np.newaxis], [0, 1, 1], 1) * X
    table = pd.DataFrame(constant, columns=["age", "size", "mass"])
    settings = {"share_across_classes": shared}
    with pytest.raises(SingularCovarianceError, match=r"lass 'b'.*'age' is constant"):
        fit(table, labels, GaussianMixture(reg_covar=0), **settings)
    few = np.flatnonzero((labels != 2) | (np.cumsum(labels == 2) <= 2))
    with pytest.raises(ValueError, match=r"class 'c': 3 components need"):
        fit(X[few], labels[few], GaussianMixture(3), **settings)
    with pytest.raises(ValueError, match="class 'a' has no row of positive weight"):
        MixtureClassifier(GaussianMixture(2), **settings).fit(
            X, CLASSES[labels], sample_weight=labels
        )
    empty = np.where((labels == 1)[:, np.newaxis], [np.nan, 1, 1], 1) * X
    gaps = GaussianMixture(missing_values="marginalize", reg_covar=0)
    with pytest.raises(ValueError, match=r"lass 'b'.*column 0"):
        fit(empty, labels, gaps, **settings)


def test_what_cannot_be_used_is_said():
    X, labels = problem()
    with pytest.raises(ValueError, match="priors must be normalized to sum to 1"):
        fit(X, labels, priors=[1, 1, 1])
    with pytest.raises(ValueError, match=r"y has 239 labels, but X has 240 rows"):
        fit(X, labels[:-1])
    with pytest.raises(ValueError, match=r"y has 239 labels, but X has 240 rows"):
        fit(pa.Table.from_pandas(pd.DataFrame(X)).to_reader(), labels[:-1])
    with pytest.raises(ValueError, match=r"class 'a': init_params .* cross-valid"):
        fit(X, labels, GaussianMixture(init_params=labels))
    for mixture, said in (
        (GaussianMixtureSelector([1]), "GridSearchCV"),
        (GaussianMixture(noise=True), "would be of no class"),
        (GaussianMixture(on_collapse="drop"), "numbers components by their classes"),
    ):
        with pytest.raises(ValueError, match=said):
            fit(X, labels, mixture, share_across_classes=True)
    failed = fit(X, labels)
    before = failed.mixtures_
    with pytest.raises(ValueError, match="y"):
        failed.fit(X, labels[:-1])
    assert failed.mixtures_ is before


def test_warnings_say_of_which_class_they_are():
    X, y = load_iris(return_X_y=True)
    X[y == 1, 3] = 1.0
    with pytest.warns(
        RegularizationWarning, match=r"^The answer depends on reg"
    ) as said:
        MixtureClassifier(GaussianMixture(random_state=0)).fit(X, CLASSES[y])
    (ridge,) = (str(w.message) for w in said)
    assert ridge.endswith("It is the mixture of class 'b'.")
    few = GaussianMixture(2, max_iter=1, random_state=0)
    with pytest.warns(ConvergenceWarning, match="^Best performing") as said:
        MixtureClassifier(few).fit(load_iris().data, y)
    texts = [str(w.message) for w in said]
    assert [text[-8:] for text in texts] == ["class 0.", "class 1.", "class 2."]
    with pytest.warns(ConvergenceWarning, match="^Best performing") as said:
        few.fit(load_iris().data)
    assert "class" not in str(said[0].message)
