"""Common axes turned in planes: by the angle that a search of all angles finds."""

import numpy as np
import pytest

from fastem import kernels

pytestmark = pytest.mark.interpreted


def cost(weights, variances, turned):
    """What the angle is to make least."""
    return (weights[:, np.newaxis] * np.einsum("kjj->kj", turned) / variances).sum()


def rotated(spreads, angles, first, second):
    """The spreads along axes that are turned, and by which rotation."""
    rotation = np.eye(spreads.shape[1])
    rotation[first, first] = rotation[second, second] = np.cos(angles)
    rotation[second, first] = np.sin(angles)
    rotation[first, second] = -np.sin(angles)
    return rotation.T @ spreads @ rotation, rotation


def test_each_pair_is_turned_by_the_best_angle(random):
    rows = random.normal(size=(3, 20, 5))
    spreads = np.swapaxes(rows, 1, 2) @ rows
    weights = random.uniform(1, 9, 3)
    variances = np.einsum("kjj->kj", spreads).copy()
    first, second = np.array([0, 3]), np.array([4, 1])
    turned, axes = spreads.copy(), np.eye(5)
    largest = kernels.turn_in_planes(weights, variances, first, second, turned, axes)
    angles = np.arctan2(axes[second, first], axes[first, first])
    assert largest == pytest.approx(np.abs(angles).max(), rel=1e-12)
    expected, rotation = rotated(spreads, angles, first, second)
    np.testing.assert_allclose(axes, rotation, atol=1e-14)
    np.testing.assert_allclose(turned, expected, rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(turned, np.swapaxes(turned, 1, 2))
    for pair in range(2):
        # With the other pair where it is, no angle of a fine circle is better.
        found = cost(weights, variances, turned)
        for angle in np.linspace(-np.pi / 2, np.pi / 2, 721):
            tried = angles.copy()
            tried[pair] = angle
            other, _ = rotated(spreads, tried, first, second)
            assert cost(weights, variances, other) >= found - 1e-9 * abs(found)


def test_nothing_turns_where_there_is_nothing_to_choose_or_no_spread(random):
    spreads = np.stack([np.eye(3), np.zeros((3, 3))])
    variances = np.array([[1.0, 1, 1], [0, 0, 0]])
    turned, axes = spreads.copy(), np.eye(3)
    pair = np.array([0]), np.array([2])
    with np.errstate(all="ignore"):  # where it is not compiled
        largest = kernels.turn_in_planes(np.ones(2), variances, *pair, turned, axes)
    assert largest == 0
    np.testing.assert_array_equal(turned, spreads)
    np.testing.assert_array_equal(axes, np.eye(3))
