"""A picture of a mixture: its rows, and the ellipses of its components."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from fastem.checks.rows import Rows
from fastem.mixture import GaussianMixture
from fastem.mixture.noise import background_of_model
from fastem.mixture.tails import degrees_of_freedom_of
from fastem.report.description import column_names, dense_covariances
from fastem.report.figures import new_figure, write_figure
from fastem.report.memberships import probabilities_of
from fastem.report.separation import separating_views
from fastem.sources.blocks import Source
from fastem.statistics import Array
from fastem.storage.writing import PathLike
from fastem.training.in_blocks import answerable
from fastem.training.survey import draw_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg", ".pdf")

_MOST_ROWS = 20_000


@dataclass(frozen=True)
class _Sample:
    """Rows to draw, with their components and the colours of these."""

    rows: Rows
    n_rows: int  # of which these were drawn
    labels: NDArray[np.intp]
    certainty: Array
    colors: list[Any]


def draw_clusters(
    model: GaussianMixture,
    X: Any,
    path: PathLike,
    columns: Sequence[str] | None = None,
) -> None:
    """Draw rows and components in the columns that separate these best.

    Rows (at most 20,000, always the same ones) have the colour of their likeliest
    component and are the paler the less certain that is. Ellipses lie at 1 and 2
    standard deviations. A column of few distinct values is spread at random by at
    most a third of their distance, to show how many rows there are. With a single
    column, a histogram and the densities. A line below says what is drawn.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, or made from parameters.
    X : array-like of shape (N, D), or what ``fit`` can read block by block
    path : path
        Ends in .png, .svg or .pdf.
    columns : sequence of str, default=None
        Names of the columns; by default the model's own.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    names = column_names(model) if columns is None else columns
    sample = _sample(model, X)
    views = separating_views(model)
    figure = new_figure(8 if len(views) == 1 else 13, 6)
    for axes, shown in zip(
        figure.subplots(1, len(views), squeeze=False)[0], views, strict=True
    ):
        draw = _draw_densities if len(shown) == 1 else _draw_ellipses
        draw(axes, model, sample, list(shown))
        axes.set_xlabel(names[shown[0]])
        axes.set_ylabel("density" if len(shown) == 1 else names[shown[1]])
        axes.spines[["top", "right"]].set_visible(False)
    _add_legend(figure, model, sample)
    v = degrees_of_freedom_of(model)
    caption = _caption(views, sample, names, has_tails=v is not None)
    figure.supxlabel(caption, fontsize=9, color="#555555")
    n_shown, n_rows = len(sample.rows), sample.n_rows
    of_all = "" if n_shown == n_rows else f"{n_shown:,} of "
    figure.suptitle(
        f"{'Gaussian' if v is None else 'Student'} mixture of {len(model.weights_)} "
        f"components, {of_all}{n_rows:,} rows"
    )
    write_figure(figure, path)


def _caption(
    views: Sequence[tuple[int, ...]],
    sample: _Sample,
    names: Sequence[str],
    *,
    has_tails: bool,
) -> str:
    """What rows, paleness and lines mean, for who sees such a picture first."""
    shown = sorted({column for view in views for column in view})
    if len(shown) == 1:
        return (
            "Grey: how many rows have which value. Coloured: each component's density "
            "times its weight. Black: their sum, the mixture."
        )
    held = (
        "the thick one is as large as its scale, the thin one twice as large"
        if has_tails
        else "within the thick one, at 1 standard deviation, lie 39 % of it; within "
        "the thin one, at 2, 86 %"
    )
    lines = [
        "Each point is a row, in the colour of its most likely component: the paler, "
        "the less certain. Each pair of ellipses is a component:",
        f"{held}. The number stands at its mean.",
    ]
    spread = [names[j] for j in shown if _is_discrete(sample.rows[:, j])]
    if spread:
        lines.append(
            f"Points of equal {' and '.join(spread)} are spread a little, at random."
        )
    return "\n".join(lines)


def _sample(model: GaussianMixture, X: Any) -> _Sample:
    random = np.random.default_rng(0)
    # In random order, so that the last rows of a sorted file do not hide the others.
    all_rows, _ = answerable(model, X)
    if isinstance(all_rows, Source):
        some, n_rows = draw_rows(all_rows, _MOST_ROWS, random)
        rows = some[random.permutation(len(some))]
    else:
        n_rows = len(all_rows)
        rows = all_rows[random.permutation(n_rows)[:_MOST_ROWS]]
    probabilities = np.concatenate(list(probabilities_of(model, [rows])))
    return _Sample(
        rows,
        n_rows,
        probabilities.argmax(axis=1),
        probabilities.max(axis=1).astype(np.float64),
        # Noise, which would be the next component, is grey.
        [*_colors(len(model.weights_)), "#999999"],
    )


def _colors(n_components: int) -> list[Any]:
    """As many colours as components, neighbours unlike each other."""
    from matplotlib import colormaps

    if n_components <= 10:
        return [colormaps["tab10"](k) for k in range(n_components)]
    if n_components <= 20:
        # tab20 alternates dark and light: all dark ones first.
        order = [*range(0, 20, 2), *range(1, 20, 2)]
        return [colormaps["tab20"](k) for k in order[:n_components]]
    golden_ratio = 0.618034
    return [colormaps["hsv"](k * golden_ratio % 1) for k in range(n_components)]


def _is_light(color: tuple[float, ...]) -> bool:
    """Whether black is easier to read on it than white (luminance of ITU-R BT.601)."""
    return bool(np.dot(color[:3], [0.299, 0.587, 0.114]) > 0.65)


def _limits(values: NDArray[Any]) -> tuple[float, float]:
    """Limits that outliers do not set: 99 % of the rows, and a margin."""
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [0.005, 0.995])
    margin = 0.1 * (high - low) or 1.0
    return (
        float(max(low - margin, values.min() - margin / 2)),
        float(min(high + margin, values.max() + margin / 2)),
    )


def _is_discrete(values: NDArray[Any]) -> bool:
    """Whether many rows share a few values."""
    values = values[~np.isnan(values)]
    return 2 <= len(np.unique(values)) <= min(31, len(values) // 50)


def _spread_if_discrete(values: Array) -> Array:
    """The values, moved a little at random if many rows share a few of them."""
    if not _is_discrete(values):
        return values
    reach = 0.35 * np.diff(np.unique(values[~np.isnan(values)])).min()
    moves = np.random.default_rng(1).uniform(-reach, reach, len(values))
    return np.asarray(values + moves)


def _draw_ellipses(
    axes: "Axes", model: GaussianMixture, sample: _Sample, shown: list[int]
) -> None:
    from matplotlib.colors import to_rgba_array
    from matplotlib.patches import Ellipse

    x, y = (_spread_if_discrete(sample.rows[:, j].astype(np.float64)) for j in shown)
    colors = to_rgba_array(sample.colors)[sample.labels]
    # From almost transparent to opaque, and all of it paler in a crowd.
    crowd = min(1.0, 70 / np.sqrt(len(x)))
    colors[:, 3] = crowd * np.clip(1.6 * sample.certainty - 0.6, 0.08, 1.0)
    size = np.interp(np.log10(len(x)), [2, 4.3], [36, 8])
    axes.scatter(x, y, s=size, c=colors, linewidths=0, rasterized=True)
    axes.set_xlim(*_limits(x))
    axes.set_ylim(*_limits(y))
    covariances = dense_covariances(model)[:, shown][:, :, shown]
    lightest_first = np.argsort(model.weights_)
    for k in lightest_first:
        variances, directions = np.linalg.eigh(covariances[k])
        height, length = 2 * np.sqrt(np.maximum(variances, 0))
        angle = np.degrees(np.arctan2(directions[1, 1], directions[0, 1]))
        for n_deviations, line, opacity in ((1, 2.2, 1.0), (2, 1.0, 0.7)):
            for color, width in (("white", line + 1.5), (sample.colors[k], line)):
                axes.add_patch(
                    Ellipse(
                        tuple(model.means_[k, shown]),
                        n_deviations * length,
                        n_deviations * height,
                        angle=angle,
                        fill=False,
                        edgecolor=color,
                        linewidth=width,
                        alpha=opacity,
                    )
                )
    for k in lightest_first:
        axes.annotate(
            str(k),
            tuple(model.means_[k, shown]),
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold",
            color="black" if _is_light(sample.colors[k]) else "white",
            annotation_clip=True,
            bbox={
                "boxstyle": "circle,pad=0.25",
                "facecolor": sample.colors[k],
                "edgecolor": "white",
            },
        )


def _draw_densities(
    axes: "Axes", model: GaussianMixture, sample: _Sample, shown: list[int]
) -> None:
    values = sample.rows[:, shown[0]].astype(np.float64)
    values = values[~np.isnan(values)]
    low, high = _limits(values)
    inside = values[(values >= low) & (values <= high)]
    heights = np.full(len(inside), 80 / (high - low) / len(values))
    axes.hist(inside, bins=80, range=(low, high), weights=heights, color="#dddddd")
    x = np.linspace(low, high, 2000)
    background = background_of_model(model)
    total = np.zeros_like(x)
    if background is not None:
        total += background.weight / background.volume
    variances = dense_covariances(model)[:, shown[0], shown[0]]
    v = degrees_of_freedom_of(model)
    for k, weight in enumerate(model.weights_):
        squares = (x - model.means_[k, shown[0]]) ** 2 / variances[k]
        density = weight * _fall(squares, None if v is None else v[k])
        density /= np.sqrt(variances[k])
        axes.fill_between(x, density, color=sample.colors[k], alpha=0.25, linewidth=0)
        axes.plot(x, density, color=sample.colors[k], linewidth=1.6)
        total += density
    axes.plot(x, total, color="black", linewidth=1.0)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0)


def _fall(squares: Array, v: float | None) -> Array:
    """The density at these squared distances, of a normal distribution or a t."""
    density: Array
    if v is None:
        density = np.exp(-squares / 2) / np.sqrt(2 * np.pi)
    else:
        density = student_t.pdf(np.sqrt(squares), v)
    return density


def _add_legend(figure: Any, model: GaussianMixture, sample: _Sample) -> None:
    from matplotlib.lines import Line2D

    shown = list(np.argsort(-model.weights_, kind="stable"))
    names = [f"{k}   {model.weights_[k]:.1%}" for k in shown]
    background = background_of_model(model)
    if background is not None:
        shown.append(len(model.weights_))
        names.append(f"noise   {background.weight:.1%}")
    figure.legend(
        [
            Line2D([], [], marker="o", linestyle="", color=sample.colors[k])
            for k in shown
        ],
        names,
        title="component, weight",
        loc="outside right center",
        frameon=False,
        handletextpad=0.2,
    )
