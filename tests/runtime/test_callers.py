"""Warnings point at the user's line, whoever stands between."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastem import GaussianMixture


@pytest.mark.parametrize(
    "fit",
    [
        lambda model, X: model.fit(X),
        lambda model, X: model.fit_predict(X),
        lambda model, X: make_pipeline(StandardScaler(), model).fit(X),
        lambda model, X: cross_val_score(model, X, cv=2),
    ],
)
def test_warnings_point_at_the_users_line(fit):
    X = np.random.default_rng(0).normal(size=(100, 2))
    with pytest.warns(ConvergenceWarning, match="did not converge") as caught:
        fit(GaussianMixture(2, max_iter=1), X)
    assert {warning.filename for warning in caught} == {__file__}
