"""How the components of a mixture are drawn: as ellipses and densities, with words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student_t

from fastem.mixture import GaussianMixture
from fastem.mixture.noise import background_of_model
from fastem.mixture.tails import degrees_of_freedom_of
from fastem.report.colors import NOISE, component_colors, is_light
from fastem.report.views import View
from fastem.statistics import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# How far an ellipse is out, in standard deviations, how thick, and how opaque.
_RINGS = ((1, 2.2, 1.0), (2, 1.0, 0.7))


def draw_ellipses(
    axes: Axes,
    model: GaussianMixture,
    view: View,
    colors: Sequence[Any],
    *,
    numbered: bool = True,
) -> list[Any]:
    """Two ellipses for each component, the heaviest on top, and its number."""
    from matplotlib.patches import Ellipse

    means, covariances = view.means(model), view.covariances(model)
    drawn = []
    lightest_first = np.argsort(model.weights_)
    for k in lightest_first:
        variances, directions = np.linalg.eigh(covariances[k])
        height, length = 2 * np.sqrt(np.maximum(variances, 0))
        angle = np.degrees(np.arctan2(directions[1, 1], directions[0, 1]))
        for n_deviations, line, opacity in _RINGS:
            for color, width in (("white", line + 1.5), (colors[k], line)):
                ellipse = Ellipse(
                    tuple(means[k]),
                    n_deviations * length,
                    n_deviations * height,
                    angle=angle,
                    fill=False,
                    edgecolor=color,
                    linewidth=width,
                    alpha=opacity,
                )
                axes.add_patch(ellipse)
            drawn.append(ellipse)
    for k in lightest_first if numbered else ():
        _draw_number(axes, int(k), means[k], colors[k])
    return drawn


def _draw_number(axes: Axes, k: int, mean: Array, color: Any) -> None:
    axes.annotate(
        str(k),
        (float(mean[0]), float(mean[1])),
        ha="center",
        va="center",
        fontsize=9,
        fontweight="bold",
        color="black" if is_light(color) else "white",
        annotation_clip=True,
        bbox={"boxstyle": "circle,pad=0.25", "facecolor": color, "edgecolor": "white"},
    )


def draw_densities(
    axes: Axes,
    model: GaussianMixture,
    view: View,
    colors: Sequence[Any],
    limits: tuple[float, float],
) -> list[Any]:
    """The density of each component times its weight, and their sum."""
    x = np.linspace(*limits, 2000)
    total = np.zeros_like(x)
    background = background_of_model(model)
    if background is not None:
        columns = np.array(view.columns, np.intp)
        background = background.marginal(columns, model.means_.shape[1])
        total += background.weight / background.volume
    means, covariances = view.means(model)[:, 0], view.covariances(model)[:, 0, 0]
    v = degrees_of_freedom_of(model)
    lines = []
    for k, weight in enumerate(model.weights_):
        squares = (x - means[k]) ** 2 / covariances[k]
        density = weight * _fall(squares, None if v is None else v[k])
        density /= np.sqrt(covariances[k])
        axes.fill_between(x, density, color=colors[k], alpha=0.25, linewidth=0)
        lines += axes.plot(x, density, color=colors[k], linewidth=1.6)
        total += density
    lines += axes.plot(x, total, color="black", linewidth=1.0)
    axes.set_xlim(*limits)
    axes.set_ylim(bottom=0)
    return lines


def _fall(squares: Array, v: float | None) -> Array:
    """The density at these squared distances, of a normal distribution or a t."""
    density: Array
    if v is None:
        density = np.exp(-squares / 2) / np.sqrt(2 * np.pi)
    else:
        density = student_t.pdf(np.sqrt(squares), v)
    return density


def share_within(n_deviations: float, v: float | None = None) -> float:
    """Share of a component that an ellipse in two coordinates holds.

    Of a normal distribution, or of a t with ``v`` degrees of freedom, whose deviations
    are those of its scale matrix: half the squared distance is F-distributed.
    """
    if v is None:
        return float(-np.expm1(-(n_deviations**2) / 2))
    return float(-np.expm1(-v / 2 * np.log1p(n_deviations**2 / v)))


def held_by_rings(model: GaussianMixture) -> list[tuple[str, str]]:
    """Where the inner and the outer ellipse of a component lie, and what they hold."""
    v = degrees_of_freedom_of(model)
    told = []
    for n_deviations, _, _ in _RINGS:
        if v is None:
            unit = f"{n_deviations} standard deviation{'s' * (n_deviations > 1)}"
            shares = [share_within(n_deviations)]
        else:
            unit = f"{n_deviations} x its scale"
            shares = [share_within(n_deviations, float(value)) for value in v]
        least, most = f"{100 * min(shares):.0f}", f"{100 * max(shares):.0f}"
        told.append((unit, f"{least} %" if least == most else f"{least} to {most} %"))
    return told


def component_handles(
    model: GaussianMixture, colors: Sequence[Any] | None = None
) -> tuple[list[Any], list[str]]:
    """A mark for each component, the heaviest first, and its number and weight."""
    from matplotlib.lines import Line2D

    if colors is None:
        colors = component_colors(len(model.weights_))
    shown = [int(k) for k in np.argsort(-model.weights_, kind="stable")]
    names = [f"{k}   {model.weights_[k]:.1%}" for k in shown]
    of_marks = [colors[k] for k in shown]
    background = background_of_model(model)
    if background is not None:
        of_marks.append(NOISE)
        names.append(f"noise   {background.weight:.1%}")
    marks = [Line2D([], [], marker="o", linestyle="", color=c) for c in of_marks]
    return list(marks), names


def ring_handles(model: GaussianMixture) -> tuple[list[Any], list[str]]:
    """Lines like those of the ellipses, and what these are."""
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color="#444444", linewidth=width, alpha=opacity)
        for _, width, opacity in _RINGS
    ]
    words = [f"{unit}: holds {held} of it" for unit, held in held_by_rings(model)]
    return list(lines), words
