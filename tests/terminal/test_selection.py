"""`fastem select`: the best of several mixtures, shown and saved."""

import numpy as np
import pandas as pd
import pytest

from fastem import GaussianMixtureSelector, load_model
from tests.terminal.test_commands import run

FEW = ("--covariance", "diag,full")


@pytest.fixture
def rows(random):
    return np.vstack([random.normal(m, 1, (100, 2)) for m in (0, 8, 16)])


@pytest.fixture
def csv(rows, tmp_path):
    path = tmp_path / "data.csv"
    np.savetxt(path, rows, delimiter=",", header="a,b", comments="", fmt="%.17g")
    return path


def test_the_best_is_shown_and_saved_as_the_library_says(csv, rows, tmp_path):
    model, picture = tmp_path / "model.json", tmp_path / "choice.png"
    said = run("select", csv, "-k", "2-4", *FEW, "-o", model, "--plot", picture)
    selector = GaussianMixtureSelector([2, 3, 4], ["diag", "full"], random_state=0)
    best = selector.fit(pd.DataFrame(rows, columns=["a", "b"])).results_.ranked[0]
    assert f"Chosen: {best.covariance_type}, 3 components, by the lowest BIC." in said
    assert f"{best.covariance_type} 3 {best.value:,.1f} {best.log_likelihood:,.1f}" in (
        said
    )
    assert "Of 6 candidates: 6 fitted to all rows." in said
    assert "6 of 6 fits to 300 rows:" in said
    loaded = load_model(model)
    assert np.array_equal(loaded.means_, selector.best_estimator_.means_)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_spike_is_named_and_not_chosen(csv):
    csv.write_text(csv.read_text() + "30,40\n30,44\n30,47\n" * 20)
    said = run("select", csv, "-k", "4", "--covariance", "full,tied")
    assert "1 fitted to all rows, 1 that only reg_covar holds up" in said
    assert "Not chosen, though its BIC is" in said
    assert ": full, 4. The answer depends on" in said
    assert "Column 'a' is 30 in 16.7 % of all rows" in said
    assert "Chosen: tied, 4 components, by the lowest BIC." in said


def test_the_criterion_and_the_largest_number_are_told(csv):
    said = run("select", csv, "-k", "1-2", *FEW, "--criterion", "icl")
    assert "2 components, by the lowest ICL. At the largest number tried" in said


@pytest.mark.parametrize("k", [(), ("-k", "1-3")])
def test_a_fit_of_no_number_or_of_several_points_to_it(csv, k):
    said = run("fit", csv, *k, code=2)
    assert f"fastem select {csv} -k {k[1] if k else '1-10'}" in said


@pytest.mark.parametrize("text", ["0", "0-3", "5-1", "few", "1-", "-3", "1-2-3", "2.5"])
def test_other_texts_are_no_numbers_of_components(csv, text):
    said = run("select", csv, f"-k{text}", code=2)
    assert f"{text!r} is neither a whole number, 1 or more, nor a range such as" in said


def test_an_unknown_form_is_asked_back(csv):
    said = run("select", csv, "--covariance", "ful", code=2)
    assert "Did you mean 'full'?" in said


def test_rows_with_gaps_count_with_the_values_they_have(csv, rows):
    lines = csv.read_text().splitlines()
    lines[5] = lines[5].split(",")[0] + ","
    csv.write_text("\n".join(lines) + "\n")
    few = ("-k", "3", "--covariance", "diag")
    assert "'b' (1). To leave those rows out" in run("select", csv, *few, code=1)
    said = run("select", csv, *few, "--missing", "marginalize")
    assert "1 of 1 fits to 300 rows:" in said
    assert "Left out: 1 row" in run("select", csv, *few, "--missing", "drop")


def test_held_out_rows_choose(csv):
    said = run("select", csv, "-k", "2-4", *FEW, "--criterion", "held_out")
    assert "3 components, by the lowest Held-out -2 log L." in said
    assert "30 of 30 fits without a fold:" in said


def test_labels_say_what_is_known(csv, rows, tmp_path):
    kinds = np.array(["near", "far", "off"])[np.arange(300) // 100]
    table = pd.DataFrame(rows, columns=["a", "b"])
    table["kind"] = np.where(np.arange(300) % 9 == 0, kinds, None)
    data, model = tmp_path / "labelled.csv", tmp_path / "model.json"
    table.to_csv(data, index=False)
    given = ("--labels", "kind", "--covariance", "diag")
    said = run("select", data, "-k", "2-4", *given, "-o", model)
    assert "of 34 of 300 rows (far is 0, near is 1, off is 2)." in said
    assert "2 fitted to all rows, 1 without a fit" in said
    labels = table["kind"].map({"far": 0, "near": 1, "off": 2}).to_numpy()
    selector = GaussianMixtureSelector([2, 3, 4], ["diag"], random_state=0)
    best = selector.fit(table[["a", "b"]], labels=labels).best_estimator_
    assert np.array_equal(load_model(model).means_, best.means_)
    assert "but there are 2 components: raise -k" in run(
        "select", data, "-k", "1-2", *given, code=1
    )
