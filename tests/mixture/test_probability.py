"""A mixture as a distribution: marginals, conditionals, quantiles, levels."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_t, norm

from fastem import GaussianMixture, StudentMixture
from fastem.covariances import STRUCTURES
from tests.mixtures import parameters_of, random_mixture

# mclust 6.0.0: densityMclust of the acidity of 155 lakes, quantileMclust, cdfMclust.
ACIDITY = GaussianMixture.from_parameters(
    [0.623359500213165, 0.376640499786835],
    [[4.37094616353712], [6.32015308402614]],
    [[0.186370174780795]],
    covariance_type="tied",
)
SHARES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
QUANTILES = [
    *(3.44564459812686, 3.76497892970634, 4.26274991623942, 4.73742067046897),
    *(6.13768902953434, 6.80084639258489, 7.15511519028171),
]
VALUES = [2.928524, 3.9726755, 5.016827, 6.0609785, 7.10513]
OF_VALUES = [
    *(0.000259981936020143, 0.111033285241125, 0.581877383436388),
    *(0.726582259612561, 0.987002836030195),
]
KNOWN, OPEN = [0, 2], [1, 3]
GIVEN = {0: 0.3, 2: -1.0}
BOX = np.array([[-9.0, 8.0], [-7.0, 9.0], [-8.0, 8.0], [-9.0, 9.0]])


def model_of(kind, name="full", **more):
    """A model of four columns and three components."""
    mixture = random_mixture(np.random.default_rng(0), name, 3, 4)
    parameters = parameters_of(mixture, name)
    weights = parameters.weights * (1 - more.get("noise_weight", 0))
    return kind.from_parameters(
        *(weights, parameters.means, parameters.covariances),
        covariance_type=name,
        **more,
    )


MODELS = {
    **{name: lambda name=name: model_of(GaussianMixture, name) for name in STRUCTURES},
    **{
        f"student {name}": lambda name=name: model_of(
            StudentMixture, name, degrees_of_freedom=[2.5, 5.0, 30.0]
        )
        for name in ("full", "tied", "diag", "EII")
    },
    "noise": lambda: model_of(GaussianMixture, noise_weight=0.2, noise_bounds=BOX),
}


@pytest.mark.parametrize("name", MODELS)
def test_conditional_times_marginal_is_the_joint_density(name):
    model = MODELS[name]()
    open_values = np.random.default_rng(1).normal(size=(6, 2))
    rows = np.empty((6, 4))
    rows[:, KNOWN], rows[:, OPEN] = list(GIVEN.values()), open_values
    given = model.conditional(GIVEN)
    total = given.score_samples(open_values)
    total += model.marginal(KNOWN).score_samples(rows[:, KNOWN])
    assert total == pytest.approx(model.score_samples(rows), abs=1e-10)
    # Memberships of a row are those of what is left of it, given the rest.
    assert given.predict_proba(open_values) == pytest.approx(
        model.predict_proba(rows), abs=1e-10
    )


def test_far_from_all_components_the_rest_is_the_background():
    model = GaussianMixture.from_parameters(
        *([0.9], [[0.0, 0.0]], [np.eye(2)]),
        noise_weight=0.1,
        noise_bounds=[[-50, 50], [0, 5]],
    )
    given = model.conditional({0: 45.0})
    assert given.noise_weight_ == pytest.approx(1)
    assert given.score_samples([[3.0]]) == pytest.approx([-np.log(5)])


@pytest.mark.parametrize("name", STRUCTURES)
def test_marginal_components_have_the_structure_that_they_say(name):
    model = model_of(GaussianMixture, name)
    some = model.marginal([3, 1])
    structure = STRUCTURES[some.covariance_type]
    nearest = structure.nearest(some.covariances_)
    assert nearest == pytest.approx(some.covariances_, rel=1e-9)
    assert model.marginal(1).means_ == pytest.approx(model.means_[:, [1]])


def test_a_marginal_t_is_scipys():
    scale = [[2.0, 0.5, 0.1], [0.5, 1.0, 0.3], [0.1, 0.3, 3.0]]
    model = StudentMixture.from_parameters(
        [1.0], [[1.0, 2.0, 3.0]], [scale], degrees_of_freedom=3.5
    )
    truth = multivariate_t([3.0, 1.0], [[3.0, 0.1], [0.1, 2.0]], df=3.5)
    rows = np.random.default_rng(0).normal(size=(5, 2))
    assert model.marginal([2, 0]).score_samples(rows) == pytest.approx(
        truth.logpdf(rows)
    )


def test_columns_go_by_their_names():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=list("abc"))
    model = GaussianMixture(2, random_state=0).fit(X)
    given = model.conditional(pd.Series({"b": 0.5}))
    assert given.feature_names_in_.tolist() == ["a", "c"]
    assert model.marginal(["c", "a"]).feature_names_in_.tolist() == ["c", "a"]
    same = model.conditional([np.nan, 0.5, np.nan])
    assert given.means_ == pytest.approx(same.means_)


def test_quantiles_and_distribution_function_are_mclusts():
    assert ACIDITY.ppf(SHARES) == pytest.approx(QUANTILES, abs=1e-7)
    assert ACIDITY.cdf(VALUES) == pytest.approx(OF_VALUES, abs=1e-13)


@pytest.mark.parametrize(
    "model",
    [
        ACIDITY,
        StudentMixture.from_parameters(
            [0.4, 0.6], [[0.0], [50.0]], [[[1.0]], [[9.0]]], degrees_of_freedom=1.5
        ),
        GaussianMixture.from_parameters(
            [0.9], [[0.0]], [[[1.0]]], noise_weight=0.1, noise_bounds=[[-90.0, 50.0]]
        ),
        # A component without a weight, far away.
        GaussianMixture.from_parameters([1.0, 0.0], [[0.0], [1e9]], [[[1.0]], [[1.0]]]),
    ],
)
def test_quantiles_are_the_inverse(model):
    shares = np.r_[1e-12, np.linspace(0.001, 0.999, 99), 1 - 1e-12].reshape(-1, 1)
    values = model.ppf(shares)
    assert values.shape == shares.shape
    assert model.cdf(values) == pytest.approx(shares, abs=1e-14, rel=1e-6)
    drawn = np.sort(model.sample(20_000, random_state=0)[0][:, 0])
    distance = np.abs(model.cdf(drawn) - (np.arange(20_000) + 0.5) / 20_000).max()
    assert distance < 1.63 / np.sqrt(20_000)  # Kolmogorov: 99 %


def test_ends_and_tails_of_quantiles():
    normal = GaussianMixture.from_parameters([1.0], [[3.0]], [[[4.0]]])
    assert normal.ppf([0.0, 1.0]).tolist() == [-np.inf, np.inf]
    assert normal.ppf(1e-300) == pytest.approx(norm.ppf(1e-300, 3, 2))
    assert normal.cdf(-np.inf) == 0


def test_levels_hold_their_mass():
    masses = np.array([0.25, 0.5, 0.75, 0.95])
    x = np.linspace(0, 11, 200_001)
    density = np.exp(ACIDITY.score_samples(x[:, np.newaxis]))
    held = [
        density[density >= level].sum() * (x[1] - x[0])
        for level in np.exp(ACIDITY.density_levels(masses))
    ]
    assert held == pytest.approx(masses, abs=1e-4)
    # mclust's levels, of the 155 lakes themselves, are within what so few rows tell.
    theirs = [0.501179187894295, 0.343392464439259, 0.22823059312091, 0.08629645074882]
    assert np.exp(ACIDITY.density_levels(masses)) == pytest.approx(theirs, rel=0.06)


@pytest.mark.parametrize("name", ["full", "noise", "student full"])
def test_levels_hold_their_mass_in_several_columns(name):
    model = MODELS[name]()
    masses = [0.4, 0.75]  # more is where the background is alone, and levels are one
    levels = model.density_levels(masses, random_state=0)
    rows, _ = model.sample(50_000, random_state=1)
    densities = model.score_samples(rows)
    held = (densities[:, np.newaxis] >= levels).mean(axis=0)
    assert held == pytest.approx(masses, abs=0.01)


def test_levels_of_one_component_are_exact():
    scale = np.array([[2.0, 0.5], [0.5, 1.0]])
    for model in (
        GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [scale]),
        StudentMixture.from_parameters(
            [1.0], [[0.0, 0.0]], [scale], degrees_of_freedom=4.0
        ),
    ):
        (level,) = model.density_levels([0.8])
        rows, _ = model.sample(100_000, random_state=0)
        assert np.mean(model.score_samples(rows) >= level) == pytest.approx(
            0.8, abs=0.005
        )


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (
            lambda m: m.conditional({7: 1.0}),
            "7 is not a column of the model",
        ),
        (lambda m: m.conditional({}), "says nothing"),
        (lambda m: m.conditional(dict.fromkeys(range(4), 1.0)), "leaves nothing open"),
        (lambda m: m.conditional([1.0, np.nan]), "a row of 4 columns"),
        (lambda m: m.conditional({0: np.inf}), "must be finite, but column 0 is not"),
        (lambda m: m.marginal([0, 0]), "0 is there twice"),
        (lambda m: m.marginal([]), "name at least one"),
        (lambda m: m.ppf(0.5), r"the model has 4: .* marginal\(0\).ppf"),
        (lambda m: m.marginal(0).ppf([0.5, 1.5]), r"in \[0, 1\], but has 1.5"),
        (lambda m: m.density_levels(np.nan), r"in \[0, 1\], but has nan"),
    ],
)
def test_questions_without_an_answer(ask, text):
    with pytest.raises(ValueError, match=text):
        ask(model_of(GaussianMixture))


def test_a_background_without_bounds_has_no_quantiles():
    model = GaussianMixture.from_parameters(
        [0.9], [[0.0]], [[[1.0]]], noise_weight=0.1, noise_volume=5.0
    )
    with pytest.raises(ValueError, match="only the volume is known"):
        model.cdf(0.0)
