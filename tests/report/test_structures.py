import numpy as np
import pytest

from fastem.covariances import STRUCTURES
from fastem.report.structures import draw_structures


def test_each_structure_has_a_panel_with_two_clusters_and_what_it_makes_of_them():
    figure = draw_structures()
    panels = {panel.get_title().partition(" ")[0]: panel for panel in figure.axes}
    assert {s.code for s in STRUCTURES.values()} == set(panels) - {""}
    sizes = {
        code: np.array([(p.width, p.height) for p in panel.patches])
        for code, panel in panels.items()
        if code
    }
    assert all(size.shape == (4, 2) for size in sizes.values())
    np.testing.assert_allclose(sizes["VVV"][:2], sizes["VVV"][2:])
    np.testing.assert_allclose(sizes["EEV"][2], sizes["EEV"][3])
    np.testing.assert_allclose(sizes["VII"][2, 0], sizes["VII"][2, 1])


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("EII", "EII: equal volumes, spheres"),
        ("VEI", "VEI: own volumes, equal shapes, axes along the columns"),
        ("full", "VVV: own volumes, own shapes, own axes"),
    ],
)
def test_a_structure_says_in_words_what_its_letters_mean(name, description):
    assert STRUCTURES[name].description == description
