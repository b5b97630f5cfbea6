"""Pictures on the user's axes: what is drawn is what the rows and the mixture say."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib import colors as mcolors
from scipy.integrate import trapezoid
from scipy.stats import multivariate_t
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from fastem import (
    CalibrationDisplay,
    ClusterDisplay,
    GaussianMixture,
    MergeDisplay,
    PairsDisplay,
    StudentMixture,
    UncertaintyDisplay,
    calibration,
    merge_components,
)
from fastem.report.component_marks import share_within
from fastem.report.discriminants import discriminant_directions
from fastem.report.pictures import coloured_rows
from fastem.report.views import View

MEANS = np.array([[0.0, 0.0, 1.0], [4.0, 1.0, 1.0], [0.0, 6.0, 0.0]])
COVARIANCES = np.array(
    [np.eye(3), [[2.0, 0.9, 0.0], [0.9, 1.0, 0.1], [0.0, 0.1, 0.5]], 0.3 * np.eye(3)]
)
WEIGHTS = np.array([0.5, 0.3, 0.2])
NAMES = ["speed", "load", "heat"]
BY_ROWS = (ClusterDisplay, PairsDisplay, UncertaintyDisplay)


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def model():
    return GaussianMixture.from_parameters(
        WEIGHTS, MEANS, COVARIANCES, feature_names=NAMES, random_state=0
    )


@pytest.fixture
def table(model):
    return pd.DataFrame(model.sample(600)[0], columns=NAMES)


def words_of(legend):
    texts = [legend.get_title(), *legend.get_texts()]
    return " ".join(" ".join(text.get_text() for text in texts).split())


def test_ellipses_are_those_of_the_covariances(model, table):
    display = ClusterDisplay.from_estimator(model, table, columns=["load", 0])
    assert display.ax_.get_xlabel() == "load"
    assert display.ax_.get_ylabel() == "speed"
    turn = np.linspace(0, 2 * np.pi, 50)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    for number, ellipse in enumerate(display.ellipses_):
        k = np.argsort(WEIGHTS)[number // 2]
        points = ellipse.get_patch_transform().transform(circle)
        offsets = points - MEANS[k, [1, 0]]
        within = COVARIANCES[k][np.ix_([1, 0], [1, 0])]
        distances = np.einsum("ij,ij->i", offsets @ np.linalg.inv(within), offsets)
        np.testing.assert_allclose(np.sqrt(distances), 1 + number % 2, rtol=1e-10)


def test_an_ellipse_holds_what_the_legend_says(random):
    rows = multivariate_t([0, 0], np.eye(2), df=3).rvs(40_000, random_state=0)
    distances = np.linalg.norm(rows, axis=1)
    for radius in (1, 2):
        assert share_within(radius, 3.0) == pytest.approx(
            np.mean(distances < radius), abs=0.01
        )
    model = StudentMixture.from_parameters(
        [0.5, 0.5], np.zeros((2, 2)), [np.eye(2)] * 2, degrees_of_freedom=[3.0, 1e6]
    )
    display = ClusterDisplay.from_estimator(model, rows[:300])
    held = f"{100 * share_within(2, 3.0):.0f} to 86 %"
    assert f"2 x its scale: holds {held}" in words_of(display.ax_.get_legend())


def test_points_have_the_colour_of_their_component(model, table):
    (rows,) = coloured_rows([View.of_columns([0, 1], NAMES)], model, table)
    drawn = rows.points
    order = np.lexsort(drawn.coordinates.T)
    of_table = np.lexsort(table.to_numpy()[:, :2].T)
    np.testing.assert_array_equal(
        drawn.coordinates[order], table.to_numpy()[of_table, :2]
    )
    palette = [mcolors.to_rgb(c) for c in ("#0072B2", "#E69F00", "#009E73")]
    expected = np.array(palette)[model.predict(table)[of_table]]
    np.testing.assert_allclose(drawn.shades[order, :3], expected)
    certain = model.predict_proba(table)[of_table].max(axis=1)
    assert np.corrcoef(drawn.shades[order, 3], certain)[0, 1] > 0.9


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_an_image_counts_all_rows_by_their_weights(
    model, table, kind, tmp_path, random
):
    weights = random.uniform(0, 3, len(table))
    table.loc[::7, "load"] = np.nan
    model.missing_values = "marginalize"
    frame, given = table, weights
    if kind == "folder":
        table.assign(w=weights)[:350].to_parquet(tmp_path / "a.parquet")
        table.assign(w=weights)[350:].to_parquet(tmp_path / "b.parquet")
        frame, given = tmp_path, "w"
    views = [View.of_columns([0, 1], NAMES), View.of_columns([1], NAMES)]
    plane, line = coloured_rows(
        *(views, model, frame), sample_weight=given, max_points=100, n_bins=20
    )
    assert plane.points is None
    assert plane.n_rows == 600
    assert plane.n_hidden == table["load"].isna().sum()
    here = table["load"].notna().to_numpy()
    values = table.to_numpy()[here]
    counts, *_ = np.histogram2d(
        *values[:, :2].T, 20, range=plane.limits, weights=weights[here]
    )
    np.testing.assert_allclose(plane.counts * weights.mean(), counts, atol=1e-9)
    of_line, _ = np.histogram(
        values[:, 1], len(line.counts), range=line.limits[0], weights=weights[here]
    )
    np.testing.assert_allclose(line.counts * weights.mean(), of_line, atol=1e-9)
    red = np.array([mcolors.to_rgb(c)[0] for c in ("#0072B2", "#E69F00", "#009E73")])
    reds, *_ = np.histogram2d(
        *values[:, :2].T,
        20,
        range=plane.limits,
        weights=weights[here] * red[model.predict(table)[here]],
    )
    filled = counts > 0
    np.testing.assert_allclose(
        plane.shades[filled, 0], reds[filled] / counts[filled], rtol=1e-9
    )
    display = ClusterDisplay(model, plane).plot()
    words = words_of(display.ax_.get_legend())
    assert f"{plane.n_hidden} rows are not drawn: a value is missing there." in words
    assert "Rows count by their weights." in words
    assert "the deeper, the more" in words
    assert len(display.ax_.images) == 1


@pytest.mark.parametrize("max_points", [100, 1000])
def test_rows_outside_of_what_is_shown_are_counted(model, table, max_points):
    table.loc[:2, "speed"] = 1e4
    (plane,) = coloured_rows(
        [View.of_columns([0, 1], NAMES)], model, table, max_points=max_points
    )
    values = table.to_numpy()[:, :2]
    lows, highs = np.transpose(plane.limits)
    outside = int(((values < lows) | (values >= highs)).any(axis=1).sum())
    assert plane.n_outside == outside >= 3
    words = words_of(ClusterDisplay(model, plane).plot().ax_.get_legend())
    assert f"{outside} rows lie outside of what is shown." in words
    assert f"{600 - outside}" == f"{plane.counts.sum():.0f}"


def test_few_values_are_spread_in_images_as_in_points(random):
    X = np.column_stack([random.normal(size=3000), random.integers(3, size=3000)])
    model = GaussianMixture.from_parameters([1.0], [[0.0, 1.0]], [np.eye(2)])
    view = View.of_columns([0, 1], ["x", "count"])
    for max_points in (10, 3000):
        (rows,) = coloured_rows([view], model, X, max_points=max_points)
        assert rows.spread == ("count",)
        (low, high) = rows.limits[1]
        filled = (rows.counts.sum(axis=0) > 0).mean()
        assert filled == pytest.approx(3 * 0.7 / (high - low), abs=0.03)
        assert rows.counts.sum() == pytest.approx(len(X), rel=0.02)
        if rows.points is not None:
            moved = rows.points.coordinates[:, 1]
            assert np.abs(moved - moved.round()).max() <= 0.35


def test_directions_are_those_of_linear_discriminant_analysis(random):
    centers = random.normal(0, 3, (4, 5))
    axes = random.normal(size=(5, 5))
    covariance = axes @ axes.T + np.eye(5)
    model = GaussianMixture.from_parameters(
        [0.25] * 4, centers, covariance, covariance_type="tied"
    )
    X = np.vstack([random.multivariate_normal(c, covariance, 20_000) for c in centers])
    labels = np.repeat(np.arange(4), 20_000)
    lda = LinearDiscriminantAnalysis(solver="eigen").fit(X, labels)
    directions, worth = discriminant_directions(model)
    assert np.all(worth[:3] > 1e-3)
    assert np.all(worth[3:] < 1e-12)
    for i in range(3):
        a, b = directions[:, i], lda.scalings_[:, i]
        cosine = (a @ covariance @ b) / np.sqrt(
            (a @ covariance @ a) * (b @ covariance @ b)
        )
        assert abs(cosine) > 0.999


def test_directions_see_spreads_where_means_are_equal():
    spreads = np.ones((2, 4))
    spreads[1, 2] = 25.0
    model = GaussianMixture.from_parameters(
        [0.5, 0.5], np.zeros((2, 4)), spreads, covariance_type="diag"
    )
    directions, worth = discriminant_directions(model)
    assert np.abs(directions[:, 0]).argmax() == 2
    assert np.all(worth[1:] < 1e-12)
    display = ClusterDisplay.from_estimator(
        model, model.sample(50, random_state=0)[0], space="discriminant"
    )
    assert display.ax_.get_xlabel().startswith("direction 1 (x2, ")


def test_directions_are_eigenvectors_of_means_and_spreads(model):
    mean = WEIGHTS @ MEANS
    within = sum(w * c for w, c in zip(WEIGHTS, COVARIANCES, strict=True))
    between = sum(
        w * np.outer(m - mean, m - mean) for w, m in zip(WEIGHTS, MEANS, strict=True)
    )
    total = within + between
    inverse = np.linalg.inv(total)
    kernel = between @ inverse @ between
    for w, c in zip(WEIGHTS, COVARIANCES, strict=True):
        kernel = kernel + w * (c - within) @ inverse @ (c - within)
    directions, worth = discriminant_directions(model)
    np.testing.assert_allclose(
        kernel @ directions, total @ directions * worth, atol=1e-12
    )
    np.testing.assert_allclose(directions.T @ total @ directions, np.eye(3), atol=1e-12)
    assert np.all(np.diff(worth) <= 0)


def test_directions_do_not_depend_on_units(model, table):
    scales = np.array([1e-8, 1.0, 1e6])
    other = GaussianMixture.from_parameters(
        WEIGHTS, MEANS * scales, COVARIANCES * np.outer(scales, scales)
    )
    directions, worth = discriminant_directions(model)
    of_other, worth_of_other = discriminant_directions(other)
    np.testing.assert_allclose(worth, worth_of_other, rtol=1e-9)
    np.testing.assert_allclose(of_other * scales[:, np.newaxis], directions, rtol=1e-6)


def test_rows_in_discriminant_directions_need_all_values(model, table):
    table.iloc[3, 1] = table.iloc[5, 0] = np.nan
    model.missing_values = "marginalize"
    display = ClusterDisplay.from_estimator(model, table, space="discriminant")
    assert display.rows.n_hidden == 2


def test_pairs_stand_below_densities(model, table):
    figure, ax = plt.subplots()
    display = PairsDisplay.from_estimator(model, table, ax=ax)
    assert display.figure_ is figure
    assert display.ax_ is ax
    assert display.axes_.shape == (3, 3)
    assert [panel.get_xlabel() for panel in display.axes_[2]] == NAMES
    for (i, j), rows in display.rows.items():
        panel = display.axes_[i, j]
        assert rows.view.columns == ((i,) if i == j else (j, i))
        np.testing.assert_allclose(panel.get_xlim(), display.rows[j, j].limits[0])
        if i == j:
            heights, edges, _ = panel.patches[0].get_data()
            assert heights @ np.diff(edges) == pytest.approx(1, abs=0.02)
    total = display.axes_[0, 0].lines[-1]
    area = trapezoid(total.get_ydata(), total.get_xdata())
    assert area == pytest.approx(1, abs=0.02)


def test_of_many_columns_the_best_are_shown(random):
    means = np.zeros((2, 30))
    means[1, [3, 8, 11, 20, 29]] = 5.0
    model = GaussianMixture.from_parameters(
        [0.5, 0.5], means, np.ones(2), covariance_type="spherical", random_state=0
    )
    display = PairsDisplay.from_estimator(model, model.sample(50)[0])
    assert [panel.get_xlabel() for panel in display.axes_[-1]] == [
        *("x3", "x8", "x11", "x20", "x29")
    ]
    assert "5 of 30 columns" in display.axes_[0, -1].get_title(loc="right")


def test_unsure_rows_are_dark_and_on_top(model, table):
    display = UncertaintyDisplay.from_estimator(model, table, columns=[0, 1])
    (drawn,) = (
        c for c in display.ax_.collections if len(c.get_offsets()) == len(table)
    )
    unsure = 1 - model.predict_proba(table).max(axis=1)
    order = np.argsort(unsure, kind="stable")
    np.testing.assert_allclose(
        np.asarray(drawn.get_offsets())[-20:], table.to_numpy()[order[-20:], :2]
    )
    lightness = drawn.get_facecolors()[:, :3].sum(axis=1)
    assert np.all(np.diff(lightness) < 0.02)
    assert "uncertainty" in display.colorbar_.ax.get_ylabel()
    assert "a row: unsure ones are on top" in words_of(display.ax_.get_legend())


def test_an_image_of_doubt_has_means(model, table):
    display = UncertaintyDisplay.from_estimator(model, table, columns=[2], max_points=0)
    unsure = 1 - model.predict_proba(table).max(axis=1)
    rows = display.rows
    bins = {"bins": len(rows.counts), "range": rows.limits[0]}
    sums, _ = np.histogram(table["heat"], weights=unsure, **bins)
    counts, _ = np.histogram(table["heat"], **bins)
    filled = counts > 0
    np.testing.assert_allclose(
        rows.shades[filled, 0], sums[filled] / counts[filled], rtol=1e-9
    )


def test_noise_is_one_more_choice(table):
    model = GaussianMixture.from_parameters(
        *([1 - 0.3], [[0.0, 0.0]], [np.eye(2)]),
        noise_weight=0.3,
        noise_bounds=[[-9, 9], [-9, 9]],
    )
    rows = np.array([[0.0, 0.0], [8.0, 8.0]])
    display = ClusterDisplay.from_estimator(model, rows)
    assert "noise 30.0%" in words_of(display.ax_.get_legend())
    grey = mcolors.to_rgb("#999999")
    found = [tuple(shade[:3]) for shade in display.rows.points.shades]
    assert grey in found
    assert len(set(found)) == 2
    assert UncertaintyDisplay.from_estimator(model, rows).colorbar_.vmax == 0.5


def test_the_tree_is_that_of_the_merges():
    model = GaussianMixture.from_parameters(
        *([0.1, 0.4, 0.2, 0.3], [[0.0], [20.0], [1.0], [23.0]], np.ones(4)),
        covariance_type="spherical",
        random_state=0,
    )
    X, _ = model.sample(500)
    figure, ax = plt.subplots()
    display = MergeDisplay.from_estimator(model, X, ax=ax)
    merging = merge_components(model, X)
    np.testing.assert_allclose(display.merging.entropy, merging.entropy)
    line = display.axes_[1].lines[0]
    np.testing.assert_allclose(line.get_xdata(), merging.entropy)
    assert line.get_ydata().tolist() == [1, 2, 3, 4]
    order = [int(t.get_text().split()[0]) for t in display.ax_.get_xticklabels()]
    for group in merging.groups(2):  # each is a run of leaves
        places = sorted(order.index(k) for k in group)
        assert places == list(range(places[0], places[0] + len(group)))
    assert display.figure_ is figure
    words = words_of(display.axes_[1].get_legend())
    assert f"bends at {merging.elbow} clusters" in words


def test_calibration_is_drawn_with_its_intervals(model):
    rows, labels = model.sample(700)
    X = pd.DataFrame(rows, columns=NAMES)
    figure, ax = plt.subplots()
    display = CalibrationDisplay.from_estimator(model, X, labels, level=0.9, ax=ax)
    found = calibration(model, X, labels, level=0.9)
    drawn = np.asarray(display.marks_.get_offsets())
    np.testing.assert_array_equal(drawn, np.column_stack([found.claimed, found.right]))
    (lines,) = (c for c in ax.collections if c is not display.marks_)
    ends = np.array([[low, high] for (_, low), (_, high) in lines.get_segments()])
    np.testing.assert_array_equal(ends, np.column_stack([found.low, found.high]))
    words = words_of(ax.get_legend())
    assert "700 rows by what they claim, 90% intervals" in words
    assert f"{found.mean_claimed:.3f} claimed, {found.mean_right:.3f} right" in words
    assert display.figure_ is figure


@pytest.mark.parametrize("display", BY_ROWS)
def test_axes_of_the_user_are_drawn_on(display, model, table):
    figure = plt.figure()
    for ax in (figure.add_subplot(1, 2, 1), figure.add_axes((0.6, 0.1, 0.3, 0.8))):
        drawn = display.from_estimator(model, table, ax=ax)
        assert drawn.figure_ is figure
        assert drawn.ax_ is ax
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("display", BY_ROWS)
def test_a_column_that_is_not_there_is_named(display, model, table):
    with pytest.raises(ValueError, match=r"no column 'weight'.*speed, load, heat"):
        display.from_estimator(model, table, columns=["weight", "load"])
    with pytest.raises(ValueError, match="names a column twice"):
        display.from_estimator(model, table, columns=["load", 1])
    assert not plt.get_fignums()


def test_what_cannot_be_seen_is_refused(model, table):
    one = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [np.eye(2)])
    with pytest.raises(ValueError, match="the model has one component"):
        ClusterDisplay.from_estimator(one, np.zeros((3, 2)), space="discriminant")
    with pytest.raises(ValueError, match="one or two columns"):
        ClusterDisplay.from_estimator(model, table, columns=[0, 1, 2])
    with pytest.raises(ValueError, match="space must be one of"):
        ClusterDisplay.from_estimator(model, table, space="plane")
    with pytest.raises(ValueError, match="leave out columns"):
        ClusterDisplay.from_estimator(model, table, space="discriminant", columns=[0])


@pytest.mark.parametrize("display", [*BY_ROWS, MergeDisplay])
def test_without_matplotlib_the_extra_is_named(display, model, table, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"fastem\[plot\]"):
        display.from_estimator(model, table)
