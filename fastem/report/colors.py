"""Colours of components; up to eight differ also to who sees few colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.statistics import Array

NOISE = "#999999"
# M. Okabe, K. Ito, "Color universal design" (2008), without black.
_FEW = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
# P. Tol, "Colour schemes" (2021), the muted one.
_SOME = (
    *("#332288", "#CC6677", "#117733", "#DDCC77"),
    *("#88CCEE", "#882255", "#44AA99", "#999933"),
)


def component_colors(n_components: int) -> list[Any]:
    """As many colours as components, neighbours unlike each other."""
    from matplotlib import colormaps

    for palette in (_FEW, _SOME):
        if n_components <= len(palette):
            return list(palette[:n_components])
    if n_components <= 20:
        # tab20 alternates dark and light: all dark ones first.
        order = [*range(0, 20, 2), *range(1, 20, 2)]
        return [colormaps["tab20"](k) for k in order[:n_components]]
    golden_ratio = 0.618034
    return [colormaps["hsv"](k * golden_ratio % 1) for k in range(n_components)]


def is_light(color: Any) -> bool:
    """Whether black is easier to read on it than white (luminance of ITU-R BT.601)."""
    from matplotlib.colors import to_rgb

    return bool(np.dot(to_rgb(color), [0.299, 0.587, 0.114]) > 0.65)


def colors_of_memberships(degrees: NDArray[Any], colors: list[Any]) -> Array:
    """The colour of the likeliest component, the paler, the less certain: (n, 4).

    Of the background, which would be the next component, grey.
    """
    from matplotlib.colors import to_rgba_array

    table: Array = to_rgba_array([*colors, NOISE])
    shades: Array = table[degrees.argmax(axis=1)]
    certainty = degrees.max(axis=1).astype(np.float64)
    shades[:, 3] = np.clip(1.6 * certainty - 0.6, 0.08, 1.0)
    return shades
