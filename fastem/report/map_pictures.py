"""A picture of an image's memberships: which pixel belongs where, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline

from fastem.report.colors import NOISE, colors_of_memberships, component_colors
from fastem.report.figures import axes_or_new, panels_within

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KINDS = ("labels", "components")
_HEIGHT = 4.5  # inches
_LEGEND = 2.8
_MOST_WIDE = 4  # panels beside each other
_PIXELS_AT_ONCE = 1 << 18


class MembershipMapDisplay:
    """Where in an image the components of a mixture are.

    Each pixel has the colour of its likeliest component and is the paler, the less
    certain that is; or there is a panel for each component, the darker, the more a
    pixel belongs to it. Memberships may come from anywhere: those of pixels that are
    averaged over neighbours, those of a map's cells, nan where there is no pixel.

    Parameters
    ----------
    memberships : array-like of shape (H, W, K)
        Of the pixels. They are left as they are.
    has_noise : bool, default=False
        Whether the last of the K is the background: grey.
    names : sequence of str, default=None
        Of the components; None for their numbers.
    colors : sequence of colors, default=None
        One for each component, as matplotlib takes them: such as
        ``model.means_ / 255`` of a photograph. None for colours that differ.

    Attributes
    ----------
    ax_ : matplotlib Axes
    axes_ : array of matplotlib Axes
        The panels, of which the map in one piece is the only one.
    figure_ : matplotlib Figure
    images_ : list of matplotlib AxesImage
        What is drawn on each of them.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture, MembershipMapDisplay
    >>> image = np.random.default_rng(0).normal(size=(30, 40, 3))
    >>> image[:, 25:] += 4
    >>> model = GaussianMixture(2, random_state=0).fit(image.reshape(-1, 3))
    >>> display = MembershipMapDisplay.from_estimator(model, image)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()][:2]
    ['0: 62.5 %', '1: 37.5 %']
    """

    ax_: Axes
    axes_: NDArray[Any]
    figure_: Figure
    images_: list[Any]

    def __init__(
        self,
        memberships: ArrayLike,
        *,
        has_noise: bool = False,
        names: Sequence[str] | None = None,
        colors: Sequence[Any] | NDArray[Any] | None = None,
    ) -> None:
        self.memberships = memberships
        self.has_noise = has_noise
        self.names = names
        self.colors = colors

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        image: ArrayLike,
        *,
        kind: str = "labels",
        names: Sequence[str] | None = None,
        colors: Sequence[Any] | NDArray[Any] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Of a fitted mixture and an image, drawn.

        Parameters
        ----------
        model : GaussianMixture, or what else has ``predict_proba``
            A selector, a classifier, a pipeline.
        image : array-like of shape (H, W) or (H, W, D)
            A pixel is a row of the D columns of the model.
        kind : {'labels', 'components'}, default='labels'
        names : sequence of str, default=None
        colors : sequence of colors, default=None
            As in the constructor.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        MembershipMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the image has another shape, or pixels that the model cannot take.
        """
        pixels = np.asarray(image)
        if pixels.ndim not in (2, 3):
            raise ValueError(
                "image must have the shape (H, W) or (H, W, D), but has "
                f"{pixels.shape}: one picture, with the columns of the model last"
            )
        height, width = pixels.shape[:2]
        degrees = model.predict_proba(pixels.reshape(height * width, -1))
        last = model[-1] if isinstance(model, Pipeline) else model
        chosen = getattr(last, "best_estimator_", last)
        return cls(
            np.asarray(degrees).reshape(height, width, -1),
            has_noise=hasattr(chosen, "noise_weight_"),
            names=names,
            colors=colors,
        ).plot(ax, kind=kind)

    def plot(self, ax: Axes | None = None, *, kind: str = "labels") -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None for a new figure.
        kind : {'labels', 'components'}, default='labels'
            One map in the colours of components, or a panel for each.

        Returns
        -------
        MembershipMapDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If memberships, names or colours do not fit each other, or there is no such
            kind.
        """
        if kind not in _KINDS:
            raise ValueError(f"kind must be one of {_KINDS}, but is {kind!r}")
        degrees = _checked(self.memberships)
        n_parts = degrees.shape[2]
        names = self._names(n_parts)
        here = ~np.isnan(degrees).any(axis=2)
        shares = degrees[here].mean(axis=0) if here.any() else np.zeros(n_parts)
        told = [f"{n}: {100 * s:.1f} %" for n, s in zip(names, shares, strict=True)]
        draw = self._draw_labels if kind == "labels" else self._draw_components
        draw(ax, degrees, here, told)
        for panel in self.axes_:
            panel.set_xticks([])
            panel.set_yticks([])
        self.figure_ = self.ax_.figure  # type: ignore[assignment]
        return self

    def _draw_labels(
        self,
        ax: Axes | None,
        degrees: NDArray[Any],
        here: NDArray[Any],
        told: list[str],
    ) -> None:
        height, width, n_parts = degrees.shape
        colors = self._colors(n_parts)
        ax = axes_or_new(ax, _HEIGHT * width / height + _LEGEND, _HEIGHT)
        from matplotlib.patches import Patch

        shades = np.zeros((height * width, 4), dtype=np.uint8)
        flat, seen = degrees.reshape(-1, n_parts), here.ravel()
        for start in range(0, len(flat), _PIXELS_AT_ONCE):
            part = slice(start, start + _PIXELS_AT_ONCE)
            some = colors_of_memberships(np.nan_to_num(flat[part]), colors)
            shades[part] = np.where(seen[part, np.newaxis], np.rint(255 * some), 0)
        image = ax.imshow(shades.reshape(height, width, 4), interpolation="nearest")
        marks = [Patch(color=color) for color in [*colors, NOISE][:n_parts]]
        notes = ["the paler, the less certain"]
        if not here.all():
            notes.append(f"{np.count_nonzero(~here):,} pixels without memberships")
        ax.legend(
            [*marks, *(Patch(alpha=0) for _ in notes)],
            [*told, *notes],
            title="component, share of pixels",
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
            fontsize="small",
            alignment="left",
        )
        self.ax_, self.images_ = ax, [image]
        self.axes_ = np.array([ax], dtype=object)

    def _draw_components(
        self,
        ax: Axes | None,
        degrees: NDArray[Any],
        here: NDArray[Any],
        told: list[str],
    ) -> None:
        height, width, n_parts = degrees.shape
        n_wide = min(n_parts, _MOST_WIDE)
        n_high = -(-n_parts // n_wide)
        of_panel = 0.65 * _HEIGHT
        size = of_panel * width / height * n_wide + 1, (of_panel + 0.3) * n_high
        ax = axes_or_new(ax, *size)
        panels = panels_within(ax, n_high, n_wide)
        self.images_ = []
        for k, panel in enumerate(panels.flat):
            if k >= n_parts:
                panel.set_axis_off()
                continue
            image = panel.imshow(
                np.where(here, degrees[..., k], np.nan),
                *("Greys",),
                vmin=0,
                vmax=1,
                interpolation="nearest",
            )
            panel.set_title(told[k], fontsize="small")
            self.images_.append(image)
        self.axes_ = np.array(list(panels.flat)[:n_parts], dtype=object)
        bar = ax.figure.colorbar(
            self.images_[0], ax=list(panels.flat), fraction=0.03, pad=0.02
        )
        bar.set_label("membership; titles: component, share of pixels", fontsize=8)
        self.ax_ = ax

    def _names(self, n_parts: int) -> list[str]:
        n_components = n_parts - self.has_noise
        given = range(n_components) if self.names is None else self.names
        names = [str(name) for name in given]
        if len(names) != n_components:
            raise ValueError(
                f"names has {len(names)} names for {n_components} components"
            )
        return [*names, "background"][:n_parts]

    def _colors(self, n_parts: int) -> list[Any]:
        n_components = n_parts - self.has_noise
        if self.colors is None:
            return component_colors(n_components)
        colors = list(self.colors)
        if len(colors) != n_components:
            raise ValueError(
                f"colors has {len(colors)} colours for {n_components} components"
            )
        return colors


def _checked(memberships: ArrayLike) -> NDArray[Any]:
    """Memberships (H, W, K) in [0, 1], or nan."""
    degrees = np.asarray(memberships)
    if degrees.ndim != 3 or not degrees.size or degrees.dtype.kind not in "fiub":
        raise ValueError(
            "memberships must be numbers of shape (H, W, K), but have the shape "
            f"{degrees.shape} and the type {degrees.dtype}: reshape those of "
            "predict_proba to the image's height and width"
        )
    wrong = (degrees < 0) | (degrees > 1 + 1e-6)
    if wrong.any():
        i, j, k = np.argwhere(wrong)[0]
        raise ValueError(
            f"memberships must be in [0, 1], but pixel ({i}, {j}) has "
            f"{degrees[i, j, k]:g} of component {k}"
        )
    return degrees if degrees.dtype.kind == "f" else degrees.astype(np.float64)
