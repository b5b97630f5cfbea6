"""Scores of rows that a fit did not see, and what they say of others."""

import numpy as np
import pytest

from fastem.decisions.calibration import Calibration


def plain_p_values(calibration_scores, scores, weights):
    """By the definition, row by row."""
    total = 1 + weights.sum()
    return [
        (1 + weights[calibration_scores <= score].sum()) / total for score in scores
    ]


@pytest.mark.parametrize("rate", [0.005, 0.01, 0.05, 0.07, 0.29, 0.9])
def test_rows_below_the_threshold_are_those_whose_p_values_are_low(random, rate):
    of_ordinary = random.integers(40, size=99).astype(float)  # with ties
    scores = np.arange(-2, 42, 0.5)
    weights = random.integers(3, size=99).astype(float)
    calibration = Calibration.of(of_ordinary, weights)
    p_values = calibration.p_values(scores)
    assert p_values == pytest.approx(plain_p_values(of_ordinary, scores, weights))
    flagged = scores < calibration.threshold(rate)
    np.testing.assert_array_equal(flagged, p_values <= rate)


def test_a_weight_is_a_repetition(random):
    scores, counts = random.normal(size=50), random.integers(3, size=50)
    one = Calibration.of(scores, counts.astype(float))
    other = Calibration.of(np.repeat(scores, counts), np.ones(counts.sum()))
    at = random.normal(size=20)
    np.testing.assert_allclose(one.p_values(at), other.p_values(at))
    assert one.threshold(0.1) == other.threshold(0.1)


def test_nothing_is_below_a_threshold_that_too_few_rows_tell():
    calibration = Calibration.of(np.arange(18.0), np.ones(18))
    assert calibration.threshold(0.05) == -np.inf
    assert Calibration.of(np.arange(19.0), np.ones(19)).threshold(0.05) == 0


def test_rows_count_the_less_the_older_they_are(random):
    """However they are cut into calls."""
    scores, weights = random.normal(size=300), random.uniform(size=300)
    newer = np.cumsum(weights[::-1])[::-1] - weights
    expected = Calibration.of(scores, weights * np.exp(-newer / 5))
    calibration = Calibration.of(np.empty(0), np.empty(0))
    for cut in np.split(np.arange(300), [40, 41, 200]):
        calibration = calibration.followed_by(scores[cut], weights[cut], memory=5)
    at = random.normal(size=50)
    np.testing.assert_allclose(
        calibration.p_values(at), expected.p_values(at), rtol=1e-5
    )
    assert calibration.n_rows == pytest.approx(expected.n_rows, rel=1e-5)
    assert len(calibration.scores) < 300
