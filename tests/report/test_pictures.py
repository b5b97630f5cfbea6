from itertools import product

import numpy as np
import pytest
from matplotlib import get_backend, rc_context
from matplotlib.image import imread

from fastem import GaussianMixture
from fastem.report.pictures import draw_clusters
from fastem.report.separation import separating_views
from fastem.report.views import View


@pytest.mark.parametrize(
    ("n_components", "n_features"),
    [
        *((1, 1), (1, 2), (1, 3), (25, 25)),
        *(
            pytest.param(*size, marks=pytest.mark.exhaustive)
            for size in (
                (1, 25),
                *product((3, 12), (1, 2, 3, 25)),
                *product([25], (1, 2, 3)),
            )
        ),
    ],
)
def test_any_size_of_model_can_be_drawn(random, tmp_path, n_features, n_components):
    means = random.normal(0, 5, (n_components, n_features))
    model = GaussianMixture.from_parameters(
        np.full(n_components, 1 / n_components),
        means,
        np.ones(n_components),
        covariance_type="spherical",
        random_state=0,
    )
    X, _ = model.sample(500)
    draw_clusters(model, X, tmp_path / "picture.png")
    pixels = imread(tmp_path / "picture.png")
    assert pixels.shape[0] > 500
    assert pixels.std() > 0.01


def test_backend_and_folder_stay_as_they_were(tmp_path):
    before = get_backend(auto_select=False)
    model = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [np.eye(2)])
    draw_clusters(model, np.zeros((5, 2)), tmp_path / "picture.svg")
    assert get_backend(auto_select=False) == before
    assert [path.name for path in tmp_path.iterdir()] == ["picture.svg"]


def test_the_same_rows_give_the_same_picture(random, tmp_path):
    X = random.normal(size=(300, 2))
    model = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [np.eye(2)])
    for name in ("a.png", "b.png"):
        draw_clusters(model, X, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def words_of(model, X, path):
    with rc_context({"svg.fonttype": "none"}):
        draw_clusters(model, X, path)
    return path.read_text()


def test_the_picture_says_what_points_and_ellipses_mean(random, tmp_path):
    model = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [np.eye(2)])
    X = random.normal(size=(20_000, 2))
    distances = np.linalg.norm(X, axis=1)
    words = words_of(model, X, tmp_path / "picture.svg")
    assert "the paler, the less certain" in words
    for deviations, ellipse in ((1, "within the thick one, at 1"), (2, "one, at 2")):
        assert ellipse in words
        assert f"{np.floor(100 * np.mean(distances < deviations)):.0f} %" in words
    assert "at random" not in words
    more = np.vstack([X, X[:1]])
    assert "the deeper, the more rows" in words_of(model, more, tmp_path / "more.svg")


def test_the_picture_says_which_column_it_spreads(random, tmp_path):
    model = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [np.eye(2)])
    X = np.column_stack([random.normal(size=500), random.integers(4, size=500)])
    words = words_of(model, X, tmp_path / "picture.svg")
    assert "Points of equal x1 are spread a little, at random." in words


def test_the_picture_of_one_column_says_what_its_lines_are(random, tmp_path):
    model = GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
    words = words_of(model, random.normal(size=(500, 1)), tmp_path / "picture.svg")
    assert "Black: their sum, the mixture." in words
    assert "ellipse" not in words


def test_outliers_do_not_set_the_limits(random):
    model = GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
    values = np.append(random.normal(size=1000), 1e6)[:, np.newaxis]
    ((low, high),) = View.of_columns([0], ["x0"]).limits(model, values)
    assert -6 < low < -2
    assert 2 < high < 6


def test_the_columns_shown_are_those_that_separate():
    means = np.zeros((3, 5))
    means[1, 3] = means[2, 1] = 9.0
    model = GaussianMixture.from_parameters(
        [0.4, 0.3, 0.3], means, np.ones(3), covariance_type="spherical"
    )
    assert separating_views(model)[0] == (1, 3)


def test_the_second_view_separates_what_the_first_does_not():
    means = np.zeros((4, 4))
    means[1, 0], means[2, 1], means[3, 2:] = 20.0, 20.0, 4.0
    model = GaussianMixture.from_parameters(
        [0.4, 0.25, 0.25, 0.1], means, np.ones(4), covariance_type="spherical"
    )
    assert separating_views(model) == [(0, 1), (2, 3)]


def test_without_matplotlib_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    model = GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
    with pytest.raises(ImportError, match=r"fastem\[plot\]"):
        draw_clusters(model, np.zeros((2, 1)), tmp_path / "picture.png")
