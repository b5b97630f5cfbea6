"""The map of an image's memberships: colours are those of the pixels' components."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib import colors as mcolors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastem import GaussianMixture, GaussianMixtureSelector, MembershipMapDisplay

PALETTE = [mcolors.to_rgb(c) for c in ("#0072B2", "#E69F00", "#009E73")]


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def image(random):
    """Three regions: left, right above, right below."""
    pixels = random.normal(size=(20, 30, 2))
    pixels[:, 12:] += 20
    pixels[8:, 12:, 0] += 20
    return pixels


@pytest.fixture
def regions():
    where = np.zeros((20, 30), dtype=int)
    where[:, 12:] = 1
    where[8:, 12:] = 2
    return where


MEANS = np.array([[0.0, 0.0], [20.0, 20.0], [40.0, 20.0]])


def mixture(**settings):
    return GaussianMixture.from_parameters(
        np.full(3, (1 - settings.get("noise_weight", 0)) / 3),
        MEANS,
        [np.eye(2)] * 3,
        **settings,
    )


def words_of(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_each_pixel_has_the_colour_of_its_region(image, regions):
    display = MembershipMapDisplay.from_estimator(mixture(), image)
    shown = np.asarray(display.images_[0].get_array())
    assert shown.shape == (20, 30, 4)
    np.testing.assert_allclose(
        shown[..., :3] / 255, np.array(PALETTE)[regions], atol=0.01
    )
    assert (shown[..., 3] == 255).all()
    words = words_of(display.ax_.get_legend())
    assert words == [
        "0: 40.0 %",
        "1: 24.0 %",
        "2: 36.0 %",
        "the paler, the less certain",
    ]
    assert display.figure_ is display.ax_.figure


def test_pixels_are_the_paler_the_less_certain():
    degrees = np.zeros((2, 3, 2))
    degrees[..., 0] = [[1.0, 0.9, 0.7], [0.5, 0.2, np.nan]]
    degrees[..., 1] = 1 - degrees[..., 0]
    display = MembershipMapDisplay(degrees, names=["sea", "land"]).plot()
    opacity = np.asarray(display.images_[0].get_array())[..., 3].astype(int)
    assert opacity[0, 0] > opacity[0, 1] > opacity[0, 2] > opacity[1, 0] > 0
    assert opacity[1, 2] == 0  # no pixel
    words = words_of(display.ax_.get_legend())
    assert words[:2] == ["sea: 66.0 %", "land: 34.0 %"]
    assert words[-1] == "1 pixels without memberships"


def test_a_panel_for_each_component_shows_its_memberships(random):
    degrees = random.dirichlet(np.ones(6), size=(4, 5))
    display = MembershipMapDisplay(degrees).plot(kind="components")
    assert len(display.axes_) == len(display.images_) == 6
    for k, shown in enumerate(display.images_):
        np.testing.assert_array_equal(shown.get_array(), degrees[..., k])
        assert shown.get_clim() == (0, 1)
        share = 100 * degrees[..., k].mean()
        assert display.axes_[k].get_title() == f"{k}: {share:.1f} %"


def test_the_background_is_grey_and_colours_may_be_given(image):
    model = mixture(noise_weight=0.1, noise_volume=1e4)
    image[3, 4] = 500.0
    _, ax = plt.subplots()
    display = MembershipMapDisplay.from_estimator(
        model, image, colors=["red", "white", "blue"], names="abc", ax=ax
    )
    assert display.ax_ is ax
    shown = np.asarray(display.images_[0].get_array())
    assert shown[3, 4].tolist() == [153, 153, 153, 255]
    assert shown[3, 5, :3].tolist() == [255, 0, 0]
    words = words_of(ax.get_legend())
    assert words[0].startswith("a: ")
    assert words[3].startswith("background: ")


def test_it_takes_what_has_memberships_and_one_channel(image):
    grey = image[..., 0].astype(np.float32)
    selector = GaussianMixtureSelector(3, "tied", noise=True, random_state=0)
    selector.fit(grey.reshape(-1, 1))
    display = MembershipMapDisplay.from_estimator(selector, grey)
    assert display.has_noise
    assert display.memberships.shape == (20, 30, 4)
    np.testing.assert_array_equal(
        display.memberships.argmax(axis=2).ravel(),
        selector.predict_proba(grey.reshape(-1, 1)).argmax(axis=1),
    )


def test_pixels_may_lack_channels(image, regions):
    image[2, 3, 0] = np.nan
    model = mixture(missing_values="marginalize")
    display = MembershipMapDisplay.from_estimator(model, image)
    np.testing.assert_array_equal(display.memberships.argmax(axis=2), regions)


@pytest.mark.parametrize(
    ("memberships", "settings", "message"),
    [
        (np.ones((3, 2)), {}, r"shape \(H, W, K\), but have the shape \(3, 2\)"),
        (np.full((1, 1, 1), "a"), {}, "must be numbers"),
        ([[[0.5, 0.5], [2.0, -1.0]]], {}, r"pixel \(0, 1\) has 2 of component 0"),
        (np.ones((1, 1, 2)), {"names": ["a"]}, "names has 1 names for 2 components"),
        (np.ones((1, 1, 2)), {"colors": ["red"]}, "colors has 1 colours for 2"),
    ],
)
def test_what_cannot_be_drawn_is_named(memberships, settings, message):
    with pytest.raises(ValueError, match=message):
        MembershipMapDisplay(memberships, **settings).plot()


def test_an_image_of_another_shape_is_named(image):
    with pytest.raises(ValueError, match=r"image must have the shape \(H, W\)"):
        MembershipMapDisplay.from_estimator(mixture(), image[np.newaxis])
    with pytest.raises(ValueError, match="kind must be one of"):
        MembershipMapDisplay.from_estimator(mixture(), image, kind="hard")


def test_the_background_of_a_pipelines_mixture_is_one(image):
    model = GaussianMixture(3, noise=True, random_state=0)
    steps = make_pipeline(StandardScaler(), model).fit(image.reshape(-1, 2))
    display = MembershipMapDisplay.from_estimator(steps, image, names=["a", "b", "c"])
    assert display.has_noise
