"""Of ordinary rows at most a share u has a p-value of u or less, on ten tables.

On average over which rows calibrate: the bound is three standard errors of that mean.
"""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from fastem import GaussianMixture, MixtureOutlierDetector, StudentMixture

DATA = Path(__file__).parent / "data"
LEVELS = (0.05, 0.2, 0.5)


def of_file(name):
    return np.loadtxt(DATA / f"{name}.csv", delimiter=",", skiprows=1)


def clouds(random, n_rows, n_columns=3):
    shifts = 6 * random.integers(3, size=(n_rows, 1))
    return random.normal(size=(n_rows, n_columns)) + shifts


def long_tailed(random, n_rows):
    return random.standard_t(3, size=(n_rows, 4))


def skewed(random, n_rows):
    return random.exponential(size=(n_rows, 5))


def whole_numbers(random, n_rows):
    return random.poisson(4, size=(n_rows, 2)).astype(float)


# Rows, how many of them are given to the detector, and what it is made of. Of real
# tables the other rows are new ones; of the others as many as of those are drawn.
SMALL = {
    "iris": (lambda _: of_file("iris"), 100, GaussianMixture(3), 5),
    "faithful": (lambda _: of_file("faithful"), 180, GaussianMixture(2), 0.5),
    "wine": (
        lambda _: load_wine().data,
        120,
        GaussianMixture(3, covariance_type="diag"),
        5,
    ),
    "long tails": (lambda r: long_tailed(r, 600), 300, GaussianMixture(1), 0.4),
    "whole numbers": (lambda r: whole_numbers(r, 800), 400, GaussianMixture(2), 4),
    "skewed": (
        lambda r: skewed(r, 200),
        100,
        GaussianMixture(2, reg_covar=1e-3),
        "auto",
    ),
}
LARGE = {
    "breast cancer": (
        lambda _: load_breast_cancer().data[:, :10],
        400,
        GaussianMixture(2, noise=True),
        10,
    ),
    "digits": (
        lambda _: load_digits().data[:, 18:22] + 0.0,
        1200,
        StudentMixture(3),
        "auto",
    ),
    "clouds": (lambda r: clouds(r, 120_000), 100_000, GaussianMixture(3), "auto"),
    "a million": (
        lambda r: clouds(r, 1_100_000, 2),
        1_000_000,
        GaussianMixture(3),
        "auto",
    ),
}
TABLES = [
    *(pytest.param(*case, 12, id=name) for name, case in SMALL.items()),
    *(
        pytest.param(*case, 8, id=name, marks=pytest.mark.exhaustive)
        for name, case in LARGE.items()
    ),
]


@pytest.mark.filterwarnings("ignore:.*did not converge")
@pytest.mark.filterwarnings("ignore::fastem.RegularizationWarning")
@pytest.mark.parametrize(
    ("draw", "n_given", "mixture", "calibration", "n_times"), TABLES
)
def test_ordinary_rows_have_no_lower_p_values_than_they_may(
    random, draw, n_given, mixture, calibration, n_times
):
    shares = []
    for i in range(n_times):
        X = random.permutation(draw(random))
        detector = MixtureOutlierDetector(
            mixture, false_alarm_rate=0.05, calibration=calibration, random_state=i
        ).fit(X[:n_given])
        new = X[n_given:]
        p_values = detector.p_values(new)
        shares.append([(p_values <= level).mean() for level in LEVELS])
        assert (detector.predict(new) == -1).mean() == shares[-1][0]
    means, errors = np.mean(shares, axis=0), np.std(shares, axis=0) / n_times**0.5
    assert (means <= np.array(LEVELS) + 3 * errors).all(), means
    # Nor far fewer than that: something is found.
    assert (means > np.array(LEVELS) / 5).all(), means
    print(means, errors)
