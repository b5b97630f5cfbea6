"""Directions in which the components of a mixture differ most, in means or spreads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import eigh

from fastem.mixture import GaussianMixture
from fastem.report.description import dense_covariances, overall_moments
from fastem.report.views import View
from fastem.statistics import Array

_N_NAMED = 2  # columns in the name of a direction


def discriminant_directions(model: GaussianMixture) -> tuple[Array, Array]:
    """Directions that tell components apart, the best first, and what each is worth.

    With S the covariance of the mixture and B that of its means, the generalised
    eigenvectors of B S^-1 B + sum_k w_k (S_k - W) S^-1 (S_k - W) with respect to S,
    where W is the mean of the components' S_k: means count, and covariances that
    differ [1]_. Of the mixture, not of rows: no pass is needed. They do not depend on
    the columns' units.

    Parameters
    ----------
    model : GaussianMixture
        Student's scale matrices stand for covariances.

    Returns
    -------
    directions : array of shape (D, D)
        In columns; each has variance 1 in the mixture. The column that counts most in
        a direction, in its own standard deviations, has a positive sign.
    worth : array of shape (D,)
        Eigenvalues; nearly 0 where components do not differ.

    Raises
    ------
    ValueError
        If there is one component only, or one column.

    References
    ----------
    .. [1] L. Scrucca, "Dimension reduction for model-based clustering", Statistics and
       Computing 20 (2010), 471-484.
    """
    if len(model.weights_) < 2 or model.means_.shape[1] < 2:
        few = "component" if len(model.weights_) < 2 else "column"
        raise ValueError(
            "discriminant coordinates tell components apart by several columns, and "
            f"the model has one {few}: use space='columns'"
        )
    shares = model.weights_ / model.weights_.sum()
    # In units of the columns' deviations, which may be far apart.
    mean, deviations = overall_moments(model)
    offsets = (model.means_ - mean) / deviations
    covariances = dense_covariances(model) / np.outer(deviations, deviations)
    within = np.tensordot(shares, covariances, 1)
    between = (shares[:, np.newaxis] * offsets).T @ offsets
    total, differences = within + between, covariances - within
    by_means = between @ np.linalg.solve(total, between)
    by_spreads = np.tensordot(
        shares, differences @ np.linalg.solve(total, differences), 1
    )
    worth, vectors = eigh(by_means + by_spreads, total)
    worth, vectors = worth[::-1], vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(len(worth))])
    return vectors / deviations[:, np.newaxis], np.maximum(worth, 0)


def discriminant_view(model: GaussianMixture, names: Sequence[str]) -> View:
    """The view in the best two of these directions."""
    directions, _ = discriminant_directions(model)
    origin, deviations = overall_moments(model)
    labels = []
    for i in range(2):
        largest = np.argsort(-np.abs(directions[:, i]) * deviations, kind="stable")
        named = [names[j] for j in largest[:_N_NAMED]]
        others = ", ..." if len(names) > _N_NAMED else ""
        labels.append(f"direction {i + 1} ({', '.join(named)}{others})")
    return View(tuple(labels), origin, directions[:, :2])
