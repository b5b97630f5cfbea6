"""The picture of a choice."""

import numpy as np
import pytest

from fastem import GaussianMixtureSelector, SelectionDisplay
from fastem.report.choice_pictures import draw_selection
from tests.choice.test_selector import clouds


@pytest.fixture(scope="module")
def selector():
    return GaussianMixtureSelector([1, 2, 3], ["diag", "tied"], random_state=0).fit(
        clouds(20_000)
    )


def test_each_structure_has_a_line_through_its_values(selector):
    display = SelectionDisplay.from_estimator(selector)
    names = [line.get_label() for line in display.lines_]
    assert names == ["diag", "tied"]
    for line in display.lines_:
        rows = [r for r in selector.results_ if r.covariance_type == line.get_label()]
        assert np.array_equal(line.get_xdata(), [row.n_components for row in rows])
        assert np.array_equal(line.get_ydata(), [row.value for row in rows])
    assert display.figure_ is display.ax_.figure
    told = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert told == ["diag", "tied", "chosen: diag, 3"]
    assert "open: estimates from some" in display.ax_.get_title()


def test_a_file_is_whole_or_absent(selector, tmp_path):
    draw_selection(selector.results_, tmp_path / "choice.svg")
    assert "<svg" in (tmp_path / "choice.svg").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["choice.svg"]
