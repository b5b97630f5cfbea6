"""The choice among candidates where labels of some rows are known."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn import config_context
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastem import GaussianMixture, GaussianMixtureSelector
from fastem.checks.known import check_known
from fastem.checks.rows import read_only
from fastem.choice.candidates import Fitter
from fastem.choice.criteria import CRITERIA, N_FOLDS
from fastem.choice.known import likeliest_labels, partitions_of_known
from fastem.training.folds import folds
from fastem.training.in_memory import RowsInMemory
from tests.choice.test_selector import CENTERS, chosen, clouds

TIGHT = {
    "stopping": "remaining_gain",
    "tol": 1e-9,
    "max_iter": 3000,
    "accelerate": True,
    "n_init": 1,
}
N = 240


@pytest.fixture(scope="module")
def problem():
    """Rows, and labels of a tenth: the clouds by numbers of their own."""
    X = clouds(N)
    nearest = ((X[:, np.newaxis] - CENTERS) ** 2).sum(axis=2).argmin(axis=1)
    members = np.array([2, 0, 1])[nearest]
    return X, np.where(np.random.default_rng(3).random(N) < 0.1, members, -1), members


def mask_of(labels, n_components):
    return (labels[:, np.newaxis] == np.arange(n_components)) | (labels == -1)[:, None]


def weighted_log_densities(model, X):
    """log(pi_k f_k), by SciPy: (N, K)."""
    structure, parameters = model._fitted()
    dense = structure.representation.expand(
        parameters.covariances, *parameters.means.shape
    )
    return np.column_stack(
        [
            np.log(weight) + multivariate_normal(mean, covariance).logpdf(X)
            for weight, mean, covariance in zip(
                model.weights_, model.means_, dense, strict=True
            )
        ]
    )


def labelled_log_likelihood(model, X, mask):
    densities = weighted_log_densities(model, X)
    return logsumexp(np.where(mask, densities, -np.inf), axis=1).sum()


def test_the_table_is_that_of_fits_with_labels_from_the_same_starts(
    problem, monkeypatch
):
    X, labels, _ = problem
    partitions = {}
    plain = Fitter.from_partitions

    def heard(self, candidate, given, *more):
        partitions[candidate] = list(given)
        return plain(self, candidate, given, *more)

    monkeypatch.setattr(Fitter, "from_partitions", heard)
    template = GaussianMixture(**TIGHT)
    selector = GaussianMixtureSelector([2, 3, 4], ["diag", "tied"], estimator=template)
    selector.set_params(random_state=0).fit(X, labels=labels)
    rows = {(r.covariance_type, r.n_components): r for r in selector.results_}
    for candidate, given in partitions.items():
        key = candidate.covariance_type, candidate.n_components
        if candidate.n_components < 3:
            assert not given
            assert "labels name component 2, and there are 2" in rows[key].reason
            assert np.isnan(rows[key].value)
            continue
        fits = [
            GaussianMixture(
                *(candidate.n_components,),
                covariance_type=candidate.covariance_type,
                **TIGHT,
                init_params=partition,
            ).fit(X, labels=labels)
            for partition in given
        ]
        assert len(fits) >= 2
        best = max(fits, key=lambda fit: fit.lower_bound_)
        mask = mask_of(labels, candidate.n_components)
        log_likelihood = labelled_log_likelihood(best, X, mask)
        bic = best._n_parameters() * np.log(N) - 2 * log_likelihood
        assert rows[key].value == pytest.approx(bic, abs=1e-6)
        assert rows[key].log_likelihood == pytest.approx(log_likelihood, abs=1e-6)
        if key == chosen(selector):
            mine = selector.best_estimator_
            assert mine.means_ == pytest.approx(best.means_, abs=1e-5)
            assert mine.covariances_ == pytest.approx(best.covariances_, abs=1e-5)
    assert chosen(selector) == ("diag", 3)


@pytest.mark.parametrize(("gaps", "noise"), [(False, False), (True, True)])
def test_components_are_labels_whatever_else_there_is(problem, gaps, noise):
    X, labels, members = problem
    X, settings = X.copy(), {"reg_covar": "relative"}
    if gaps:
        X[np.random.default_rng(1).random(N) < 0.2, 1] = np.nan
        settings["missing_values"] = "marginalize"
    if noise:
        X = np.vstack([X, np.random.default_rng(2).uniform(-30, 30, (30, 2))])
        labels = np.append(labels, np.repeat([-2, -1], 15))
    selector = GaussianMixtureSelector(
        [3, 4], ["diag"], estimator=GaussianMixture(**settings), noise=noise
    ).set_params(random_state=0, criterion="icl")
    found = selector.fit_predict(X, labels=labels)
    assert np.mean(found[:N] == members) > 0.93
    if noise:
        assert np.mean(found[N:] == -1) > 0.7


def test_masks_may_be_of_fewer_components_than_there_are(problem):
    X, labels, _ = problem
    selector = GaussianMixtureSelector([3, 4], ["diag"], random_state=0)
    values = [row.value for row in selector.fit(X, labels=labels).results_]
    for n_columns in (3, 4):
        selector.fit(X, labels=mask_of(labels, n_columns))
        again = [row.value for row in selector.results_]
        assert again == pytest.approx(values, rel=1e-12)
    torn = mask_of(labels, 3)
    torn[labels == 2, 1] = True  # one of two: no number is sure
    selector.set_params(n_components=3).fit(X, labels=torn)
    model = selector.best_estimator_
    expected = labelled_log_likelihood(model, X, torn)
    best = selector.results_.ranked[0]
    assert best.n_components == 3
    price = model._n_parameters() * np.log(N)
    assert best.value == pytest.approx(price - 2 * expected, rel=1e-10)


def test_labels_that_say_nothing_leave_all_rows_to_the_fit(problem):
    X, _, truth = problem
    nothing = np.full(len(X), -1)
    model = GaussianMixture(3, random_state=0).fit(X, labels=nothing)
    assert adjusted_rand_score(truth, model.predict(X)) > 0.9
    selector = GaussianMixtureSelector([1, 3], ["full"], random_state=0)
    assert selector.fit(X, labels=nothing).best_estimator_.n_components == 3


def test_known_rows_are_not_torn(problem):
    """ICL: a row counts with the most that it can be, and a known one with its own."""
    X, labels, _ = problem
    selector = GaussianMixtureSelector(3, ["diag"], criterion="icl", random_state=0)
    model = selector.fit(X, labels=labels).best_estimator_
    densities = np.where(mask_of(labels, 3), weighted_log_densities(model, X), -np.inf)
    expected = model._n_parameters() * np.log(N) - 2 * densities.max(axis=1).sum()
    assert selector.results_.rows[0].value == pytest.approx(expected, rel=1e-10)


def test_held_out_rows_are_judged_with_their_labels(problem):
    X, labels, _ = problem
    model = GaussianMixture(3, covariance_type="diag", **TIGHT).fit(X, labels=labels)
    told = CRITERIA["held_out"].of(model, model._training_rows(X, None, labels), 5)
    total = 0.0
    for fold in folds(N_FOLDS, 5):
        out = fold.weights(0, X, np.empty(0), 1.0) > 0
        start = GaussianMixture.from_parameters(
            *(model.weights_, model.means_, model.covariances_),
            **{"covariance_type": "diag", **TIGHT},
        )
        fit = start.fit(X[~out], labels=labels[~out])
        total -= 2 * labelled_log_likelihood(fit, X[out], mask_of(labels, 3)[out])
    assert told == pytest.approx(total, abs=1e-3)


def test_samples_have_rows_of_each_label_that_count_as_all(tmp_path):
    X = clouds(40_000)
    labels = np.full(len(X), -1)
    labels[:3000] = 0
    labels[5000:5004] = 1
    weights = np.random.default_rng(0).integers(1, 4, len(X)).astype(float)
    weights[100:200] = 0
    estimator = GaussianMixture(2)
    table = pd.DataFrame(X, columns=["a", "b"]).assign(w=weights, kind=labels)
    table.to_parquet(tmp_path / "0.parquet")
    in_memory = estimator._training_rows(X, weights, labels)
    in_blocks = estimator._training_rows(tmp_path, "w", ("column", "kind"))
    for rows in (in_memory, in_blocks):
        sample = rows.drawn(2000, np.random.RandomState(0))
        kinds = sample.known.kinds - 2
        assert [np.count_nonzero(kinds == k) for k in (-1, 0, 1)] == [2000, 1000, 4]
        own = {tuple(row) for row in X[5000:5004]}
        assert {tuple(row) for row in sample.values[kinds == 1]} == own
        shares = [sample.weights[kinds == k].sum(dtype=float) for k in (-1, 0, 1)]
        expected = [weights[labels == k].sum() for k in (-1, 0, 1)]
        assert np.divide(shares, sum(shares)) == pytest.approx(
            np.divide(expected, sum(expected)), rel=1e-6
        )


def test_large_tables_lead_to_the_choice_of_all_rows(tmp_path):
    X = clouds(7000)
    labels = np.full(len(X), -1)
    labels[:90] = ((X[:90, np.newaxis] - CENTERS) ** 2).sum(axis=2).argmin(axis=1)
    selector = GaussianMixtureSelector([2, 3], ["diag"], random_state=0)
    table = pd.DataFrame(X, columns=["a", "b"]).assign(kind=labels)
    table.to_parquet(tmp_path / "0.parquet")
    selector.fit(X, labels=labels)
    assert len({row.n_rows for row in selector.results_}) == 2
    means = selector.best_estimator_.means_
    assert chosen(selector) == ("diag", 3)
    assert np.abs(means - CENTERS).max() < 0.2
    best = selector.results_.ranked[0]
    log_likelihood = labelled_log_likelihood(
        selector.best_estimator_, X, mask_of(labels, 3)
    )
    assert best.log_likelihood == pytest.approx(log_likelihood, rel=1e-8)
    in_files = selector.fit(tmp_path, labels=("column", "kind"))
    assert in_files.best_estimator_.means_ == pytest.approx(means, abs=0.01)
    assert in_files.results_.ranked[0].value == pytest.approx(best.value, abs=0.1)


def test_partitions_are_numbered_by_the_labels_and_keep_known_rows():
    random = np.random.default_rng(0)
    members = np.arange(90) % 3
    X = random.normal(size=(90, 2)) + 9 * np.array([[0, 0], [1, 0], [0, 1]])[members]
    labels = np.where(np.arange(90) < 12, (members + 1) % 3, -1)
    labels[0] = 0  # who is another's, but by the label
    known = check_known(labels, 90, 3, noise=False)
    rows = RowsInMemory(read_only(X), read_only(np.empty(0)), 90.0, False, known)
    shares, numbered = partitions_of_known(
        rows, [members.astype(np.int32)], 3, np.random.RandomState(0), 1
    )
    assert np.flatnonzero(numbered != (members + 1) % 3).tolist() == [0]
    assert numbered[0] == 0
    assert (shares[:12].argmax(axis=1) == labels[:12]).all()
    assert shares[12:] == pytest.approx(np.full((78, 3), 1 / 3))
    model = GaussianMixture(3, random_state=0).fit(X, labels=labels)
    assert likeliest_labels(model, rows).tolist() == numbered.tolist()


def test_starts_of_ones_own_take_the_place_of_partitions(problem, monkeypatch):
    X, labels, _ = problem
    given = {}
    plain = Fitter.from_partitions

    def heard(self, candidate, partitions, mixtures):
        given[candidate.n_components] = len(partitions), len(mixtures)
        return plain(self, candidate, partitions, mixtures)

    monkeypatch.setattr(Fitter, "from_partitions", heard)
    template = GaussianMixture(**{**TIGHT, "n_init": "auto"})
    selector = GaussianMixtureSelector([2, 3], ["diag"], estimator=template)
    selector.set_params(random_state=0).fit(X)
    # The tree, and a cut of the fit with a component less.
    assert {K: n for K, (n, _) in given.items()} == {2: 1, 3: 2}
    assert all(n >= 1 for _, n in given.values())
    values = [row.value for row in selector.results_]
    template = GaussianMixture(3, covariance_type="diag", **TIGHT)
    own = template.set_params(n_init="auto", random_state=0).fit(X)
    assert values[1] <= own.bic(X) + 1e-6
    selector.fit(X, labels=labels)
    assert given[3][1] == 0  # labels name all: there is but one start
    assert given[2] == (0, 0)


def test_labels_are_routed_as_metadata(problem):
    X, labels, members = problem
    with config_context(enable_metadata_routing=True):
        selector = GaussianMixtureSelector(3, ["diag"], random_state=0)
        pipeline = make_pipeline(
            StandardScaler(), selector.set_fit_request(labels=True)
        )
        assert np.mean(pipeline.fit(X, labels=labels).predict(X) == members) > 0.95


@pytest.mark.parametrize(
    ("numbers", "labels", "text"),
    [
        ([1, 2], np.arange(N) % 3, r"from 0 to 1, or -1 .* has 2 in row 2"),
        ([1, 2, 3], np.arange(N + 1) % 3, r"a label for each row of X"),
        ([4], np.arange(N) % 3, "No candidate can be chosen.*no start has rows"),
        ([2], np.ones((N, 3), bool), r"as booleans in the shape \(240, 2\)"),
    ],
)
def test_labels_that_cannot_be_used_are_errors(problem, numbers, labels, text):
    with pytest.raises(ValueError, match=text):
        GaussianMixtureSelector(numbers, ["diag"]).fit(problem[0], labels=labels)


def test_a_partition_is_one_start(problem):
    X, _, members = problem
    told = []
    model = GaussianMixture(3, n_init=3, max_iter=2, tol=0)
    rows = model._training_rows(X, None)
    model._fit_rows(rows, members.astype(np.int32), callback=told.append)
    assert [(progress.restart, progress.iteration) for progress in told] == [
        (0, 1),
        (0, 2),
    ]
