"""Warnings point at the user's line, and begin so that filters catch them."""

import ast
import re

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastem import GaussianMixture
from tests.architecture import FILES


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


def first_words(text):
    """The constant beginning of a text in the source; '' if it begins otherwise."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    first = parts[0]
    return first.value if isinstance(first, ast.Constant) else ""


def texts_of_warnings():
    """Where a module warns, and the text, where it is written there."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "warn"
                and isinstance(node.args[0], ast.JoinedStr | ast.Constant)
            ):
                yield f"{path.name}:{node.lineno}", node.args[0]


def test_the_first_sentence_of_a_warning_is_always_the_same():
    """So that a filter of Python's, which looks at beginnings, catches it."""
    beginnings = {where: first_words(text) for where, text in texts_of_warnings()}
    assert len(beginnings) >= 10
    assert [
        where for where, text in beginnings.items() if not re.search("[.:] ", text)
    ] == []


@pytest.mark.filterwarnings(
    "ignore:Best performing initialization did not converge\\. :"
    "sklearn.exceptions.ConvergenceWarning"
)
@pytest.mark.parametrize("max_iter", [1, 2, 3])
def test_a_filter_catches_a_warning_whatever_its_figures(max_iter):
    X = np.random.default_rng(0).normal(size=(100, 2))
    GaussianMixture(2, max_iter=max_iter).fit(X)
