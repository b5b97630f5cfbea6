import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from fastem import GaussianMixture, RegularizationWarning, SingularCovarianceError
from fastem.covariances import STRUCTURES
from fastem.report.description import dense_covariances
from fastem.report.scaling import Scaling, UnscalableColumnsError, fit_standardized

UNITS = np.array([1e-3, 1.0, 1e4])


@pytest.fixture
def rows(random):
    groups = [
        random.normal(m, 1, (200, 3)) @ random.normal(size=(3, 3)) for m in (0, 6)
    ]
    return np.vstack(groups) * UNITS + [5.0, -3.0, 1e5]


def test_a_scaled_model_has_the_density_of_the_standardised_one(rows, covariance_type):
    scaling = Scaling.of_rows(rows)
    Z = scaling.standardize(rows)
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(Z)
    scaled = scaling.to_original_units(model)
    jacobian = np.log(scaling.deviations).sum()
    np.testing.assert_allclose(
        scaled.score_samples(rows), model.score_samples(Z) - jacobian, rtol=1e-9
    )
    np.testing.assert_allclose(
        scaled.predict_proba(rows), model.predict_proba(Z), atol=1e-9
    )
    assert scaled.lower_bound_ == pytest.approx(model.lower_bound_ - jacobian)


def test_a_scaled_model_has_the_background_of_the_standardised_one(rows):
    scaling = Scaling.of_rows(rows)
    Z = scaling.standardize(rows)
    model = GaussianMixture(2, noise=True, random_state=0).fit(Z)
    scaled = scaling.to_original_units(model)
    np.testing.assert_allclose(
        scaled.predict_proba(rows), model.predict_proba(Z), atol=1e-9
    )
    jacobian = 2 * len(rows) * np.log(scaling.deviations).sum()
    assert scaled.bic(rows) == pytest.approx(model.bic(Z) + jacobian)
    expected = np.column_stack([rows.min(axis=0), rows.max(axis=0)])
    np.testing.assert_allclose(scaled.noise_bounds_, expected, rtol=1e-9)
    assert (scaled.noise_volume, scaled.noise_bounds) == (None, None)


def test_a_scaled_model_goes_on_as_a_stream(rows, random):
    scaling = Scaling.of_rows(rows)
    model = GaussianMixture(2, random_state=0, reg_covar=1e-4)
    model.fit(scaling.standardize(rows))
    scaled = scaling.to_original_units(model)
    more = rows[random.permutation(len(rows))[:100]]
    scaled.partial_fit(more)
    model.partial_fit(scaling.standardize(more))
    assert scaled.n_samples_seen_ == model.n_samples_seen_ == 500
    expected = scaling.to_original_units(model)
    np.testing.assert_allclose(scaled.means_, expected.means_, rtol=1e-9)
    np.testing.assert_allclose(
        scaled.covariances_ / np.outer(UNITS, UNITS),
        expected.covariances_ / np.outer(UNITS, UNITS),
        rtol=1e-8,
        atol=1e-8,
    )


def test_a_scaled_model_is_that_mixture_in_the_words_of_scipy(rows, covariance_type):
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0)
    fitted = fit_standardized(model, rows)
    # Divided by their units, for scipy takes so unequal variances for singular ones.
    densities = sum(
        weight
        * multivariate_normal(mean / UNITS, covariance / np.outer(UNITS, UNITS)).pdf(
            rows / UNITS
        )
        for weight, mean, covariance in zip(
            fitted.weights_, fitted.means_, dense_covariances(fitted), strict=True
        )
    )
    expected = np.log(densities) - np.log(UNITS).sum()
    np.testing.assert_allclose(fitted.score_samples(rows), expected, rtol=1e-8)


# In other units spheres become ellipsoids in the same proportions, and where only
# axes or only shapes are equal, they are no longer.
BECOMES = {
    "EII": "EEI",
    "spherical": "VEI",
    "EVE": "EVV",
    "EEV": "EVV",
    "VVE": "full",
    "VEV": "full",
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_stay_or_become_those_of_other_units(rows, name):
    model = GaussianMixture(2, covariance_type=name, random_state=0)
    fitted = fit_standardized(model, rows)
    assert fitted.covariance_type == BECOMES.get(name, name)


def test_the_model_that_is_asked_to_be_fitted_stays_as_it_was(rows):
    model = GaussianMixture(2, random_state=0)
    fit_standardized(model, rows)
    assert not hasattr(model, "means_")


def test_weights_count_as_repetitions(rows, random):
    weights = random.integers(0, 4, len(rows))
    weighted = Scaling.of_rows(rows, weights.astype(float))
    repeated = Scaling.of_rows(np.repeat(rows, weights, axis=0))
    np.testing.assert_allclose(weighted.means, repeated.means, rtol=1e-13)
    np.testing.assert_allclose(weighted.deviations, repeated.deviations, rtol=1e-12)


def test_deviations_are_right_far_from_zero(random):
    noise = random.normal(size=(1000, 2))
    shifted = noise + 1e9
    scaling = Scaling.of_rows(shifted)
    np.testing.assert_allclose(scaling.deviations, (shifted - 1e9).std(0), rtol=1e-9)
    assert np.abs(scaling.standardize(shifted).mean(0)).max() < 2 * np.spacing(1e9)


def test_float32_stays_float32(rows):
    narrow = rows.astype(np.float32)
    assert Scaling.of_rows(narrow).standardize(narrow).dtype == np.float32


def test_constant_columns_are_an_error_with_their_numbers(rows):
    rows[:, 1] = 0.1
    with pytest.raises(UnscalableColumnsError, match=r"column 1 cannot be") as caught:
        fit_standardized(GaussianMixture(2), rows)
    assert caught.value.columns == (1,)
    with pytest.raises(UnscalableColumnsError, match=r"column 'b' cannot.*are equal"):
        fit_standardized(GaussianMixture(2), pd.DataFrame(rows, columns=list("abc")))


@pytest.mark.parametrize(
    ("value", "what"), [(1e200, "too large to be squared"), (np.nan, "1 NaN")]
)
def test_values_that_cannot_be_used_are_named_before(rows, value, what):
    rows[3, 2] = value
    with pytest.raises(ValueError, match=rf"{what}.* row 3, column 2"):
        fit_standardized(GaussianMixture(2), rows)


def test_weights_may_be_a_column_of_the_table(rows, random, tmp_path):
    weights = random.uniform(0.5, 1.5, len(rows))
    table = pd.DataFrame(rows, columns=["a", "b", "c"]).assign(w=weights)
    table.to_parquet(tmp_path / "rows.parquet")
    model = GaussianMixture(2, random_state=0)
    expected = fit_standardized(model, rows, weights)
    for X in (table, tmp_path / "rows.parquet"):
        fitted = fit_standardized(model, X, "w")
        np.testing.assert_allclose(fitted.means_, expected.means_, rtol=1e-9)
        assert fitted.feature_names_in_.tolist() == ["a", "b", "c"]


def test_warnings_and_errors_name_columns(rows):
    rows[:150, 1] = 7
    table = pd.DataFrame(rows, columns=["a", "b", "c"])
    model = GaussianMixture(3, random_state=0)
    with pytest.warns(RegularizationWarning, match="Column 'b' is 7 in"):
        fit_standardized(model, table)
    with pytest.raises(SingularCovarianceError, match="column 'b' is constant"):
        fit_standardized(model.set_params(reg_covar=0), table)


def test_the_outcome_of_the_fit_is_kept(rows):
    seen = []
    fitted = fit_standardized(
        GaussianMixture(2, random_state=0), rows, callback=seen.append
    )
    assert fitted.converged_
    assert fitted.n_iter_ == len(seen) == len(fitted.lower_bounds_)


def test_settings_are_checked_in_the_name_of_the_model(rows):
    with pytest.raises(ValueError, match="'n_components' parameter of GaussianMixture"):
        fit_standardized(GaussianMixture(0), rows)
