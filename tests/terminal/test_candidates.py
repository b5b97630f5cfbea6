"""`-k 1-5`: a fit of each number of components, and which one is kept."""

import numpy as np
import pandas as pd
import pytest

from fastem import GaussianMixture, load_model
from tests.terminal.test_commands import run


@pytest.fixture
def rows(random):
    return np.vstack([random.normal(m, 1, (100, 2)) for m in (0, 8, 16)])


@pytest.fixture
def csv(rows, tmp_path):
    path = tmp_path / "data.csv"
    np.savetxt(path, rows, delimiter=",", header="a,b", comments="", fmt="%.17g")
    return path


@pytest.mark.parametrize("standardize", [[], ["--standardize"]])
def test_the_fit_with_the_lowest_bic_is_shown_and_saved(
    csv, rows, tmp_path, standardize
):
    output = tmp_path / "model.json"
    said = run("fit", csv, "-k", "2-4", "-o", output, *standardize)
    for n_components in (2, 3, 4):
        assert f"{n_components} components: iteration 1," in said
    assert "Chosen: 3 components, by the lowest BIC. ┏" in said
    model = load_model(output)
    assert model.n_components == 3
    assert f"BIC {model.bic(pd.DataFrame(rows, columns=['a', 'b'])):,.1f}, " in said
    alone = run("fit", csv, "-k", "3-3", *standardize)
    assert "Chosen" not in alone
    assert f"mean log-likelihood {model.lower_bound_:.6f}" in alone


def test_the_table_says_what_the_library_says(csv, rows):
    said = run("fit", csv, "-k", "1-3")
    for n_components in (1, 2, 3):
        model = GaussianMixture(n_components, random_state=0).fit(rows)
        line = (
            f" {n_components} {model.score(rows) * len(rows):,.1f} "
            f"{model._n_parameters()} {model.bic(rows):,.1f} {model.aic(rows):,.1f} yes"
        )
        assert line in said
    assert "At the largest number tried it still falls: try more." in said


def test_fits_that_turn_singular_are_left_out_and_said(csv, tmp_path):
    csv.write_text(csv.read_text() + "40,40\n" * 20)
    strict = ("fit", csv, "--reg-covar", 0)
    said = run(*strict, "-k", "1-2")
    assert "2 components: Left out: Component 1 (weight 0.0625, 20 rows)" in said
    assert "raise --reg-covar" in said
    assert "Chosen: 1 component, by the lowest BIC. ┏" in said
    said = run(*strict, "-k", "2-3", code=1)
    assert said.count("Left out: ") == 1
    assert "3 components: Error: Component" in said


@pytest.mark.parametrize("text", ["0", "0-3", "5-1", "few", "1-", "-3", "1-2-3", "2.5"])
def test_other_texts_are_no_numbers_of_components(csv, text):
    said = run("fit", csv, f"-k{text}", code=2)
    assert f"{text!r} is neither a whole number, 1 or more, nor a range such as" in said


def test_a_checkpoint_is_of_one_fit(csv, tmp_path):
    said = run("fit", csv, "-k", "1-2", "--checkpoint", tmp_path / "c.json", code=1)
    assert "--checkpoint keeps the state of one fit: give -k one number" in said
