"""Targets given features."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastem import (
    GaussianMixture,
    GaussianMixtureSelector,
    MixtureRegressor,
    SingularCovarianceError,
    StudentMixture,
)

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 3))
Y = X @ [[1.0, 2.0], [0.5, 0.0], [0.0, -1.0]] + 0.3 * RANDOM.normal(size=(300, 2))


# Their tables have more columns than rows.
@pytest.mark.filterwarnings("ignore::fastem.RegularizationWarning")
@parametrize_with_checks([MixtureRegressor()])
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


def test_one_component_is_least_squares():
    ours = MixtureRegressor(GaussianMixture(reg_covar=0)).fit(X, Y)
    theirs = LinearRegression().fit(X, Y)
    assert ours.predict(X) == pytest.approx(theirs.predict(X), abs=1e-12)
    assert ours.score(X, Y) == pytest.approx(theirs.score(X, Y))
    _, deviations = ours.predict(X, return_std=True)
    residuals = Y - theirs.predict(X)
    assert deviations[0] == pytest.approx(np.sqrt((residuals**2).mean(axis=0)))


@pytest.mark.parametrize(
    "mixture",
    [
        GaussianMixture(3, random_state=0, missing_values="marginalize"),
        GaussianMixture(3, covariance_type="tied", random_state=0, noise=True),
        StudentMixture(2, degrees_of_freedom=6.0, random_state=0),
    ],
)
def test_answers_are_those_of_the_conditional_mixture(mixture):
    model = MixtureRegressor(mixture).fit(X, Y)
    rows = X[:4].copy()
    if mixture.missing_values == "marginalize":
        rows[0, 1] = rows[1, 0] = rows[1, 2] = np.nan
    mean, deviations = model.predict(rows, return_std=True)
    quantiles = model.predict_quantiles(rows, [0.1, 0.9])
    drawn = model.sample(rows, 4000, random_state=0)
    for i, row in enumerate(rows):
        values = {j: value for j, value in enumerate(row) if not np.isnan(value)}
        given = model.mixture_.conditional(values)
        for target in range(2):
            of_target = given.marginal(len(given.means_[0]) - 2 + target)
            truth = of_target.ppf((np.arange(20_000) + 0.5) / 20_000)
            assert mean[i, target] == pytest.approx(truth.mean(), abs=1e-3)
            assert deviations[i, target] == pytest.approx(truth.std(), rel=0.02)
            assert quantiles[i, :, target] == pytest.approx(of_target.ppf([0.1, 0.9]))
            below = (drawn[i, :, target] <= quantiles[i, 0, target]).mean()
            assert below == pytest.approx(0.1, abs=0.025)


def test_missing_targets_still_tell_of_the_features():
    y = Y[:, 0].copy()
    y[::3] = np.nan
    marginalize = GaussianMixture(missing_values="marginalize", tol=1e-9)
    model = MixtureRegressor(marginalize).fit(X, y)
    # With one component, what is known of y given X is what complete rows say.
    complete = LinearRegression().fit(X[~np.isnan(y)], y[~np.isnan(y)])
    assert model.predict(X) == pytest.approx(complete.predict(X), abs=1e-4)
    with pytest.raises(ValueError, match="row 0, and missing_values='marginalize'"):
        MixtureRegressor().fit(X, y)


def test_weights_are_repetitions():
    weights = np.arange(len(X)) % 3
    model = MixtureRegressor().fit(X, Y, sample_weight=weights)
    repeated = MixtureRegressor().fit(*(np.repeat(a, weights, axis=0) for a in (X, Y)))
    assert model.predict(X) == pytest.approx(repeated.predict(X))


def test_names_of_columns_reach_the_joint_mixture_and_its_errors():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = MixtureRegressor().fit(frame, pd.Series(Y[:, 0], name="price"))
    assert model.mixture_.feature_names_in_.tolist() == ["a", "b", "c", "price"]
    with pytest.raises(SingularCovarianceError, match="price"):
        MixtureRegressor(GaussianMixture(reg_covar=0)).fit(
            frame, pd.Series(2 * X[:, 0], name="price")
        )
    assert not hasattr(MixtureRegressor(), "mixture_")


def test_a_selector_chooses_the_joint_mixture():
    bent = np.abs(X[:, 0]) + 0.05 * RANDOM.normal(size=300)
    selector = GaussianMixtureSelector([1, 2], ["full"], random_state=0)
    model = MixtureRegressor(selector).fit(X[:, :1], bent)
    assert model.mixture_.n_components == 2
    assert model.score(X[:, :1], bent) > 0.9


def test_float32_and_blocks_of_rows_agree(monkeypatch):
    model = MixtureRegressor(GaussianMixture(2, random_state=0)).fit(X, Y)
    whole = model.predict(X)
    monkeypatch.setattr("fastem.decisions.regressor._BLOCK_VALUES", 100)
    assert np.array_equal(model.predict(X), whole)
    single = MixtureRegressor(GaussianMixture(2, random_state=0))
    assert single.fit(X.astype(np.float32), Y).predict(
        X.astype(np.float32)
    ) == pytest.approx(whole, abs=1e-3)


def test_wrong_targets_are_named():
    with pytest.raises(ValueError, match=r"has 299 .*|should have 300 rows"):
        MixtureRegressor().fit(X, Y[:-1])
    wrong = Y.copy()
    wrong[7, 1] = np.inf
    with pytest.raises(ValueError, match="in row 7"):
        MixtureRegressor().fit(X, wrong)
