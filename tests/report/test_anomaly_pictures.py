"""The picture of what makes rows anomalies."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from fastem import AnomalyDisplay, GaussianMixture, MixtureOutlierDetector


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(name="X")
def rows(random):
    X = random.normal(size=(300, 15))
    X[7, 3], X[9, 4] = 40.0, -12.5
    return pd.DataFrame(X, columns=[f"column {j}" for j in range(15)])


@pytest.fixture(name="detector")
def fitted(X):
    mixture = GaussianMixture(covariance_type="diag")
    return MixtureOutlierDetector(
        mixture, calibration=0.5, false_alarm_rate=0.1, random_state=0
    ).fit(X)


def test_lines_are_the_rows_that_score_lowest(detector, X):
    display = AnomalyDisplay.from_estimator(detector, X, n_rows=4)
    lines = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert [line.split(":")[0] for line in lines[:2]] == ["row 7", "row 9"]
    columns = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert len(columns) == 12
    assert {"column 3", "column 4"} < set(columns)
    assert "12 of 15 columns" in display.ax_.get_xlabel()
    told = display.explanation
    shown = [list(X.columns).index(name) for name in columns]
    np.testing.assert_array_equal(display.im_.get_array(), told.parts[:, shown])
    cells = [text.get_text() for text in display.ax_.texts]
    assert cells[columns.index("column 3")].startswith("40\n(")
    assert display.figure_ is display.ax_.figure


def test_it_draws_on_given_axes_and_other_measures(detector, X):
    _, ax = plt.subplots()
    display = AnomalyDisplay(detector.explain(X.iloc[:3])).plot(measure="alone", ax=ax)
    assert display.ax_ is ax
    assert display.figure_.axes[1].get_ylim()[0] == 0
    with pytest.raises(ValueError, match="measure must be one of 'parts', 'given"):
        display.plot(measure="gain")
