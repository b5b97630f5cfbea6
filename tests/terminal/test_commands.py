import os
import pty
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as parquet
import pytest
import typer
from typer.testing import CliRunner

import fastem
from fastem import load_model
from fastem.report.scaling import fit_standardized
from fastem.runtime import compiling
from fastem.terminal.commands import app
from fastem.terminal.console import in_options
from fastem.terminal.options import number_of_starts

COLUMNS = ["speed", "load"]


def run(*arguments, code=0):
    """Run the command in this process; what it says on both streams in one line."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def run_process(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "fastem", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


@pytest.fixture
def rows(random):
    return np.vstack([random.normal(m, 1, (150, 2)) for m in (0, 8)]) * [1, 100]


@pytest.fixture
def csv(tmp_path, rows):
    path = tmp_path / "data.csv"
    lines = [f"someone,{a!r},{b!r}" for a, b in rows.tolist()]
    path.write_text("\n".join(["name,speed,load", *lines, "z,,5"]) + "\n")
    return path


@pytest.fixture
def model(csv, tmp_path):
    path = tmp_path / "model.json"
    run("fit", csv, "-k", 2, "--drop-missing", "--output", path)
    return path


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical", "EEI"])
@pytest.mark.parametrize("standardize", [[], ["--standardize"]])
def test_a_fit_writes_all_that_was_asked_for(
    csv, rows, tmp_path, covariance, standardize
):
    said = run(
        *("fit", csv, "-k", 2, "--covariance", covariance, "--drop-missing"),
        *("--output", tmp_path / "model.json", "--plot", tmp_path / "picture.png"),
        *("--assign", tmp_path / "memberships.parquet", *standardize),
    )
    assert "Left out, not numeric: name (string)." in said
    assert "Left out: 1 row with missing values." in said
    assert "Using 300 rows x 2 columns: speed, load." in said
    assert "iteration 1, mean log-likelihood" in said
    assert "converged after" in said
    assert ("is saved as such" in said) == (
        covariance == "spherical" and bool(standardize)
    )
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    memberships = parquet.read_table(tmp_path / "memberships.parquet")
    assert memberships.num_rows == 301
    assert not memberships["component"][300].is_valid
    loaded = load_model(tmp_path / "model.json")
    del loaded.feature_names_in_
    np.testing.assert_array_equal(
        memberships["component"][:300].to_numpy(), loaded.predict(rows)
    )


@pytest.mark.parametrize("standardize", [[], ["--standardize"]])
def test_rows_with_gaps_are_fitted_with_what_they_have(csv, tmp_path, standardize):
    model, degrees = tmp_path / "model.json", tmp_path / "degrees.csv"
    said = run(
        *("fit", csv, "-k", 2, "--missing", "marginalize", *standardize),
        *("-o", model, "--assign", degrees, "--plot", tmp_path / "picture.png"),
    )
    assert "Using 301 rows x 2 columns" in said
    assert "Left out: 1" not in said
    assert degrees.read_text().count("\n") == 302
    # The model knows how it was fitted, and can be told otherwise.
    again = tmp_path / "again.csv"
    run("predict", model, csv, "-o", again, "--plot", tmp_path / "more.png")
    assert again.read_text() == degrees.read_text()
    said = run("predict", model, csv, "--missing", "drop", "-o", tmp_path / "d.csv")
    assert "Left out: 1 row with missing values." in said
    predict = ("predict", model, csv, "-o", tmp_path / "e.csv")
    assert "--missing marginalize" in run(*predict, "--missing", "error", code=1)
    both = run(*predict, "--drop-missing", "--missing", "error", code=1)
    assert "--drop-missing and --missing error: use one of them" in both


def test_a_fit_with_noise_numbers_it_minus_one(csv, rows, tmp_path):
    model, degrees = tmp_path / "model.json", tmp_path / "degrees.csv"
    said = run(
        *("fit", csv, "-k", 2, "--noise", "--drop-missing", "--standardize"),
        *("-o", model, "--assign", degrees, "--plot", tmp_path / "picture.png"),
    )
    assert re.search(r"noise .*\d% .* rows that belong to no component", said)
    loaded = load_model(model)
    del loaded.feature_names_in_
    table = pyarrow.csv.read_csv(degrees)
    assert table.column_names[-3:] == ["p_0", "p_1", "p_noise"]
    labels = loaded.predict(rows)
    np.testing.assert_array_equal(table["component"].drop_null().to_numpy(), labels)
    assert "noise" in run("info", model)


def test_a_fit_with_tails_is_a_student_mixture(csv, rows, tmp_path):
    model = tmp_path / "model.json"
    run(
        *("fit", csv, "-k", 2, "--student", "--drop-missing", "--standardize"),
        *("-o", model, "--plot", tmp_path / "picture.png"),
    )
    loaded = load_model(model)
    assert isinstance(loaded, fastem.StudentMixture)
    fitted = fit_standardized(fastem.StudentMixture(2, random_state=0), rows)
    np.testing.assert_array_equal(
        loaded.degrees_of_freedom_, fitted.degrees_of_freedom_
    )
    np.testing.assert_allclose(loaded.covariances_, fitted.covariances_, rtol=1e-12)
    assert "component" in run("info", model)
    only = tmp_path / "one.csv"
    np.savetxt(only, rows[:, :1], header="a", comments="")
    run("fit", only, "-k", 2, "--student", "--plot", tmp_path / "one.png")


def test_a_fit_gives_what_the_library_gives(csv, rows, model):
    expected = fastem.GaussianMixture(2, random_state=0).fit(rows)
    np.testing.assert_array_equal(load_model(model).means_, expected.means_)


def test_a_column_of_weights_counts(tmp_path, random):
    X = random.normal(size=(40, 1))
    weights = random.integers(0, 3, 40)
    np.savetxt(tmp_path / "data.csv", np.column_stack([X, weights]), delimiter=",",
               header="a,w", comments="")  # fmt: skip
    run("fit", tmp_path / "data.csv", "-k", 1, "--weights", "w",
        "--output", tmp_path / "model.json")  # fmt: skip
    expected = np.average(X, axis=0, weights=weights)
    np.testing.assert_allclose(load_model(tmp_path / "model.json").means_[0], expected)


def test_bic_and_aic_are_told_and_kept(csv, rows, tmp_path):
    output = tmp_path / "model.json"
    said = run("fit", csv, "-k", 2, "--drop-missing", "--standardize", "-o", output)
    loaded = load_model(output)
    del loaded.feature_names_in_
    told = f"BIC {loaded.bic(rows):,.1f}, AIC {loaded.aic(rows):,.1f} (lower is better"
    assert told in said
    said = run("info", output)
    assert told in said
    assert "bic" not in said
    fastem.save_model(loaded, output)
    assert "BIC" not in run("info", output)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "folder"])
@pytest.mark.parametrize("standardize", [[], ["--standardize"]])
def test_a_column_of_labels_says_what_is_known(rows, tmp_path, suffix, standardize):
    words = np.where(np.arange(300) < 150, "small", "large").astype(object)
    words[np.arange(300) % 10 != 0] = None
    table = pd.DataFrame(rows, columns=COLUMNS).assign(kind=words)
    table.loc[7, "load"] = None
    data = tmp_path / f"data.{suffix}"
    if suffix == "csv":
        table.to_csv(data, index=False)
    else:
        data = data if suffix == "parquet" else (tmp_path / "data" / "a.parquet")
        data.parent.mkdir(exist_ok=True)
        table.to_parquet(data)
        data = data if suffix == "parquet" else data.parent
    given = ["fit", data, "--labels", "kind", "--drop-missing", *standardize]
    said = run(*given, "-k", 2, "-o", tmp_path / "model.json")
    assert "Known: the components of 30 of 299 rows (large is 0, small is 1)." in said
    assert "Using 299 rows x 2 columns: speed, load." in said
    assert load_model(tmp_path / "model.json").means_[:, 0].round() == pytest.approx(
        [8, 0], abs=0.5
    )
    said = run(*given, "-k", 1, code=1)
    assert "column 'kind' has 2 names (large, small), but there are 1 comp" in said


@pytest.mark.parametrize("in_folder", [False, True])
def test_bic_counts_rows_as_their_weights_say(tmp_path, rows, random, in_folder):
    weights = random.integers(1, 4, len(rows)).astype(float)
    columns = {"a": rows[:, 0], "b": rows[:, 1], "w": weights}
    (tmp_path / "big").mkdir()
    path = tmp_path / "big" / "rows.parquet"
    parquet.write_table(pa.table(columns), path)
    output = tmp_path / "model.json"
    data = path.parent if in_folder else path
    said = run("fit", data, "-k", 2, "--weights", "w", "-o", output)
    loaded = load_model(output)
    del loaded.feature_names_in_
    bic, aic = (f(rows, sample_weight=weights) for f in (loaded.bic, loaded.aic))
    assert f"BIC {bic:,.1f}, AIC {aic:,.1f}" in said


def test_predict_selects_columns_by_name(model, csv, rows, tmp_path):
    other = tmp_path / "other.csv"
    lines = [f"{b!r},7,{a!r}" for a, b in rows.tolist()]
    other.write_text("\n".join(["load,extra,speed", *lines]) + "\n")
    said = run("predict", model, other, "--output", tmp_path / "m.parquet")
    assert "Ignored, not in the model: extra." in said
    loaded = load_model(model)
    del loaded.feature_names_in_
    np.testing.assert_array_equal(
        parquet.read_table(tmp_path / "m.parquet")["component"], loaded.predict(rows)
    )


def test_predict_carries_columns_and_tells_log_densities(csv, model, rows, tmp_path):
    output = tmp_path / "m.parquet"
    predict = ("predict", model, csv, "--drop-missing", "-o", output, "--overwrite")
    said = run(*predict, "--keep", "name,load", "--log-density")
    assert "Ignored" not in said
    table = parquet.read_table(output)
    names = ["name", "load", "component", "probability", "p_0", "p_1", "log_density"]
    assert table.column_names == names
    assert table["name"].to_pylist() == ["someone"] * 300 + ["z"]
    assert table["load"].to_pylist() == [*rows[:, 1], 5]
    loaded = load_model(model)
    del loaded.feature_names_in_
    np.testing.assert_array_equal(
        table["log_density"].drop_null(), loaded.score_samples(rows)
    )
    assert not table["log_density"][300].is_valid
    said = run(*predict, "--keep", "nam", code=1)
    assert "no column 'nam'. Did you mean 'name'?" in said


def test_predict_carries_columns_of_folders_and_arrays(folder, rows, tmp_path):
    model = tmp_path / "m.json"
    run("fit", folder, "-k", 2, "--columns", "speed,load", "-o", model)
    first = parquet.read_table(folder / "a.parquet").to_pandas()
    first.loc[[0, 7, 49], "load"] = np.nan
    first["w"] = first["w"].astype(np.int16)  # another type than in other files
    parquet.write_table(pa.Table.from_pandas(first), folder / "a.parquet")
    expected = [
        parquet.read_table(folder / name).select(["name", "w"]).to_pandas()
        for name in ("a.parquet", "b.parquet", "more/c.parquet")
    ]
    predict = ("predict", model, folder, "--drop-missing", "--keep", "name,w")
    for output in ("parts", "one.parquet", "one.csv"):
        run(*predict, "--output", tmp_path / output)
    parts = parquet.read_table(tmp_path / "parts" / "more" / "c.parquet")
    assert parts.select(["name", "w"]).to_pandas().equals(expected[2])
    for whole in (
        parquet.read_table(tmp_path / "one.parquet"),
        pyarrow.csv.read_csv(tmp_path / "one.csv"),
    ):
        kept = whole.select(["name", "w"]).to_pandas()
        np.testing.assert_array_equal(kept, np.concatenate(expected))
        assert whole["component"].null_count == 3
    assert "no column 'q'" in run(*predict[:-1], "q", "-o", tmp_path / "q", code=1)
    np.save(tmp_path / "rows.npy", np.column_stack([rows, np.arange(300)]))
    run(
        "fit",
        tmp_path / "rows.npy",
        "-k",
        2,
        "--columns",
        "x0,x1",
        "-o",
        tmp_path / "n.json",
    )
    run(
        *("predict", tmp_path / "n.json", tmp_path / "rows.npy", "--keep", "x2"),
        *("-o", tmp_path / "n.parquet"),
    )
    numbers = parquet.read_table(tmp_path / "n.parquet")["x2"]
    assert numbers.to_pylist() == list(range(300))


@pytest.mark.parametrize("in_folder", [False, True])
def test_predict_flags_outliers_and_draws_rows(
    csv, folder, model, rows, tmp_path, in_folder
):
    loaded = load_model(model)
    data = folder if in_folder else csv
    X = read_folder(folder) if in_folder else pd.DataFrame(rows, columns=COLUMNS)
    densities = loaded.score_samples(X)
    limit = float(np.quantile(densities, 0.07))
    output, picture = tmp_path / "m.parquet", tmp_path / "rows.png"
    said = run(
        *("predict", model, data, "--drop-missing", "--outliers-below", repr(limit)),
        *("-o", output, "--plot", picture),
    )
    n_outliers = int((densities < limit).sum())
    assert f"Outliers: {n_outliers} of 300 rows (7.00%) have a log-density" in said
    table = parquet.read_table(output)
    assert table.column_names[-2:] == ["p_1", "outlier"]  # no log_density
    written = table["outlier"].drop_null().to_numpy()
    np.testing.assert_array_equal(written, densities < limit)
    assert picture.read_bytes().startswith(b"\x89PNG")
    said = run("predict", model, data, "-o", picture.with_suffix(".csv"), "--plot",
               picture, code=1)  # fmt: skip
    assert f"the file {picture} exists" in said


def test_predict_uses_columns_of_other_names(model, rows, tmp_path):
    other = tmp_path / "other.csv"
    lines = [f"{b!r},7,{a!r}" for a, b in rows.tolist()]
    other.write_text("\n".join(["l,extra,v", *lines]) + "\n")
    predict = ("predict", model, other, "-o", tmp_path / "m.parquet", "--columns")
    said = run(*predict, "v,l")
    assert "Ignored, not in the model: extra." in said
    expected = load_model(model).predict(pd.DataFrame(rows, columns=COLUMNS))
    written = parquet.read_table(tmp_path / "m.parquet")["component"]
    np.testing.assert_array_equal(written, expected)
    said = run(*predict, "v", "--overwrite", code=1)
    assert "--columns names 1, but" in said
    assert "model.json needs 2: speed, load" in said
    assert "Did you mean 'extra'?" in run(*predict, "v,exta", "--overwrite", code=1)


@pytest.mark.parametrize(
    ("column", "output", "text"),
    [
        ("component", "m.parquet", "column 'component' cannot be kept"),
        ("lists", "m.csv", "columns to keep cannot be written as .csv"),
    ],
)
def test_columns_that_cannot_be_kept_leave_no_output(
    model, rows, tmp_path, column, output, text
):
    columns = dict(zip(("speed", "load"), rows.T, strict=True))
    columns["component"] = np.arange(300)
    columns["lists"] = [[i, i] for i in range(300)]
    path = tmp_path / "odd.parquet"
    parquet.write_table(pa.table(columns), path)
    said = run(
        *("predict", model, path, "--keep", column, "-o", tmp_path / output), code=1
    )
    assert text in said
    assert not (tmp_path / output).exists()


def test_predict_names_columns_that_are_missing(model, tmp_path):
    (tmp_path / "other.csv").write_text("load,velocity\n1,2\n")
    said = run(
        "predict", model, tmp_path / "other.csv", "-o", tmp_path / "m.csv", code=1
    )
    assert "no column 'speed'; its columns are 'load', 'velocity'" in said


def test_models_of_arrays_take_arrays_of_their_width(rows, tmp_path):
    np.save(tmp_path / "data.npy", rows)
    np.save(tmp_path / "wide.npy", np.column_stack([rows, rows]))
    fastem.save_model(fastem.GaussianMixture(2).fit(rows), tmp_path / "model.json")
    out = ("-o", tmp_path / "m.csv")
    run("predict", tmp_path / "model.json", tmp_path / "data.npy", *out)
    said = run(
        *("predict", tmp_path / "model.json", tmp_path / "wide.npy", "--overwrite"),
        *out,
        code=1,
    )
    assert "wide.npy has 4 numeric columns, but" in said
    assert "model.json needs 2" in said


def test_info_shows_components_and_columns(model):
    said = run("info", model)
    for part in (
        "2 components, covariance full (VVV: own volumes, own shapes, own axes)",
        *("n_rows 300", "what sets it apart", "Mean ± standard deviation"),
    ):
        assert part in said


def test_info_describes_rows_by_the_model(csv, rows, model, tmp_path):
    said = run("info", model, csv, "--drop-missing")
    assert "Left out: 1 row with missing values." in said
    told = fastem.summary(load_model(model), pd.DataFrame(rows, columns=COLUMNS))
    assert " ".join(str(told).split()) in said
    with_gaps = run("info", model, csv, "--missing", "marginalize")
    assert "Missing: 1 of 301 rows lack values (speed 0.3%)" in with_gaps
    other = tmp_path / "other.csv"
    table = pd.DataFrame(rows, columns=["v", "l"]).assign(w=2.0)
    table.to_csv(other, index=False)
    said = run("info", model, other, "--columns", "v,l", "--weights", "w")
    assert "Rows count by their weights, which sum to 600." in said
    assert "Ignored" not in said
    swapped = run("info", csv, model, code=1)
    assert f"the model comes first, as in fastem predict {model} {csv}" in swapped


def test_the_version_is_that_of_the_library():
    assert run("--version") == f"fastem {fastem.__version__}"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["absent.csv", "-k", 2], "Error: there is no file absent.csv"),
        (["data.csv", "-k", 2], "Error: data.csv: 1 of 301 rows have missing values, "
         "in the columns 'speed' (1). To leave those rows out, use --drop-missing"),
        (["data.csv", "-k", 500, "--drop-missing"], "-k 500, but"),
        (["data.csv", "-k", 2, "--columns", "sped"], "data.csv has no column 'sped'. "
         "Did you mean 'speed'? Its columns are 'name', 'speed', 'load'"),
        (["data.csv", "-k", 2, "--columns", "name"], "'name' (string)"),
        (["data.csv", "-k", 2, "--output", "absent/m.json"], "there is no folder"),
        (["data.csv", "-k", 2, "--output", "model.pickle"], "must end in .json"),
        (["data.csv", "-k", 2, "--assign", "data.xlsx"], "end in .parquet or .csv"),
        (["data.csv", "-k", 2, "--plot", "."], "must end in .png"),
        (["data.csv", "-k", 2, "--assign", "data.csv"], "data.csv is the data"),
        (["flat.csv", "-k", 2, "--standardize"], "cannot scale 'flat', because all "
         "values are equal. Leave that out: --columns 'a,b'"),
        (["flat.csv", "-k", 2, "--reg-covar", 0], "column 'flat' is constant"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_nothing_is_written(
    csv, random, tmp_path, monkeypatch, arguments, text
):
    monkeypatch.chdir(tmp_path)
    flat = np.column_stack([random.normal(size=(40, 2)), np.full(40, 3.0)])
    np.savetxt("flat.csv", flat, delimiter=",", header="a,b,flat", comments="")
    before = sorted(tmp_path.iterdir())
    outputs = [] if "--output" in arguments else ["--output", "model.json"]
    said = run("fit", *arguments, *outputs, code=1)
    assert text in said
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["fit", "data.csv"], "several: fastem select data.csv -k 1-10"),
        (["fit", "data.csv", "-k", 0], "Invalid value for '-k' / '--components'"),
        (["fit", "data.csv", "-k", 2, "--covariance", "O"], "'O' is none of EEE, EEI"),
        (["fit", "data.csv", "-k", 2, "--init", "best"], "'best' is none of k-means++"),
        (["fit", "data.csv", "-k", 2, "--tol", -1], "Invalid value for '--tol'"),
        (["fit", "data.csv", "-k", 2, "--colums", "a"], "Possible options: --columns"),
        (["fit", "data.csv", "-k", 2, "--init", "kmean"], "Did you mean 'kmeans'?"),
        (["predict", "model.json", "data.csv"], "Missing option '--output'"),
        (["fly"], "No such command 'fly'"),
    ],
)  # fmt: skip
def test_wrong_usage_has_code_2(arguments, text):
    assert text in run(*arguments, code=2)


def test_the_share_of_outliers_is_an_option_and_kept_in_the_file(csv, tmp_path):
    fit = ("fit", csv, "-k", 2, "--drop-missing", "--init", "trimmed")
    run(*fit, "--outlier-share", 0.2, "-o", tmp_path / "model.json")
    model = load_model(tmp_path / "model.json")
    assert (model.init_params, model.outlier_share) == ("trimmed", 0.2)
    said = run(*fit, "--outlier-share", 0.5, code=1)
    assert "'outlier_share' parameter" in said


def test_names_of_scikit_learn_are_options_too(csv):
    said = run(
        *("fit", csv, "--n-components", 2, "--covariance-type", "diag"),
        "--drop-missing",
    )
    assert "Fitted in" in said


def numbered(path, first, names, n_rows=30):
    lines = [f"{first + i},{i * 7 % 11},{i * i % 17}" for i in range(n_rows)]
    path.write_text("\n".join([names, *lines]))
    return path


@pytest.mark.parametrize(
    ("first", "names"),
    [(0, "id,a,b"), (1, "id,a,b"), (0, ",a,b"), (5, ",a,b"), (9, "Unnamed: 0,a,b")],
)
def test_row_numbers_that_would_count_are_warned_of(tmp_path, first, names):
    path = numbered(tmp_path / "numbered.csv", first, names)
    name = names.split(",")[0]
    said = run("fit", path, "-k", 1)
    assert f"Warning: column {name!r} seems to number the rows" in said
    assert "Leave it out: --columns a,b." in said
    shown = name or "''"
    assert f"Using 30 rows x 3 columns: {shown}, a, b." in said
    assert "number the rows" not in run("fit", path, "-k", 1, "--columns", f"{name},a")


def test_row_numbers_are_known_where_rows_are_left_out(tmp_path):
    path = numbered(tmp_path / "numbered.csv", 0, "id,a,b")
    path.write_text(path.read_text() + "\n30,NA,3\n31,4,4")
    said = run("fit", path, "-k", 1, "--drop-missing")
    assert "Left out: 1 row" in said
    assert "column 'id' seems to number the rows" in said
    folder = tmp_path / "big"
    folder.mkdir()
    table = pyarrow.csv.read_csv(path)
    parquet.write_table(table, folder / "part-0.parquet")
    said = run("fit", folder, "-k", 1, "--drop-missing")
    assert "column 'id' seems to number the rows" in said


def test_other_whole_numbers_are_no_row_numbers(tmp_path):
    path = numbered(tmp_path / "numbered.csv", 2, "year,a,b")
    assert "number the rows" not in run("fit", path, "-k", 1)
    path = numbered(tmp_path / "few.csv", 1, "age,a,b", n_rows=5)
    assert "number the rows" not in run("fit", path, "-k", 1)


def test_swapped_and_missing_models_are_told(csv, model, tmp_path):
    out = ("-o", tmp_path / "m.csv")
    said = run("predict", csv, model, *out, code=1)
    assert f"the model comes first, as in fastem predict {model} {csv}" in said
    said = run("fit", model, "-k", 2, code=1)
    assert "It is a model; predict takes it first" in said
    assert "is no model: name the file" in run("info", csv, code=1)
    said = run("predict", tmp_path / "none.json", csv, *out, code=1)
    assert "there is no file" in said
    assert "none.json: name the model that fastem fit --output has saved" in said


def test_outputs_that_exist_are_replaced_only_if_that_is_asked_for(
    csv, model, tmp_path
):
    before = model.read_bytes()
    fit = ("fit", csv, "-k", 1, "--drop-missing")
    for option, name in (("-o", "model.json"), ("--plot", "p.png"), ("--assign", "m")):
        output = tmp_path / name
        output.touch()
        said = run(*fit, option, output, code=1)
        assert f"the file {output} exists" in said
        assert "--overwrite" in said
    assert model.read_bytes() == before
    run(*fit, "-o", model, "--overwrite")
    assert load_model(model).n_components == 1


def test_folders_that_exist_are_replaced_only_if_they_are_such(csv, model, tmp_path):
    output = tmp_path / "memberships"
    predict = ("predict", model, csv, "--drop-missing", "--output")
    output.touch()
    assert "is not replaced by a folder" in run(*predict, output, "--overwrite", code=1)
    output.unlink()
    run(*predict, output)
    assert f"the folder {output} exists" in run(*predict, output, code=1)
    (output / "part-0.parquet").rename(output / "old.parquet")
    run(*predict, output, "--overwrite")
    assert [path.name for path in output.iterdir()] == ["part-0.parquet"]
    assert not list(tmp_path.glob(".*"))
    (output / "notes.txt").touch()
    said = run(*predict, output, "--overwrite", code=1)
    assert "holds other files than Parquet files, such as" in said
    assert sorted(path.name for path in output.iterdir()) == [
        "notes.txt",
        "part-0.parquet",
    ]


def test_outputs_are_kept_apart_from_the_data(folder, tmp_path):
    run("fit", folder, "-k", 2, "--columns", "speed,load", "-o", tmp_path / "m.json")
    predict = ("predict", tmp_path / "m.json", folder, "--output")
    for output in (folder / "m.parquet", folder / "memberships"):
        said = run(*predict, output, code=1)
        assert "would be read as data the next time" in said
    predict = ("predict", tmp_path / "m.json", folder / "a.parquet", "--overwrite")
    assert "holds the data" in run(*predict, "--output", folder, code=1)


@pytest.mark.parametrize("command", ["fit", "predict", "info"])
def test_the_help_of_a_command_shows_one(command):
    assert re.search(rf"Examples?: fastem {command} \w+\.", run(command, "--help"))


def test_a_fit_that_does_not_converge_says_so_in_terms_of_options(csv):
    said = run("fit", csv, "-k", 2, "--drop-missing", "--max-iter", 1)
    assert "Warning: " in said
    assert "Increase --max-iter or --tol" in said
    assert "stopped after 1 iterations" in said


def test_only_parameters_become_options():
    assert in_options("tol=3, raise tol. n_components=5") == (
        "--tol 3, raise --tol. -k 5"
    )
    for text in ("column 'tol' is", "/tmp/tol/x.csv", "tol.csv", "a-tol"):
        assert in_options(text) == text


def test_a_process_reads_and_says_things_on_their_own_streams(csv):
    result = run_process(
        *("fit", "-", "-k", 2, "--drop-missing"), input=csv.read_text()
    )
    assert result.returncode == 0
    assert "Using 300 rows x 2 columns: speed, load." in result.stderr
    assert "component" in result.stdout
    assert "iteration 1" not in result.stdout
    assert "iteration 1, " in result.stderr
    assert "\x1b" not in result.stdout + result.stderr


def test_an_error_of_a_process_has_no_traceback(tmp_path):
    result = run_process("info", "absent.json", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == (
        "Error: there is no file absent.json: name the model that fastem fit --output "
        "has saved\n"
    )
    assert result.stdout == ""


def test_without_typer_the_extra_is_named(tmp_path):
    hidden = (
        "import sys; sys.modules['typer'] = None; from fastem.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", hidden], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr == (
        "The command line needs typer and rich: pip install 'fastem[cli]'\n"
    )


INTERRUPTED_IMPORT = """
import os
import signal
import sys

class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == interrupted:
            os.kill(os.getpid(), signal.SIGINT)

interrupted = sys.argv.pop()
sys.meta_path.insert(0, Interrupt())
from fastem.cli import main
main()
"""


@pytest.mark.parametrize("module", ["numba", "typer"])
def test_ctrl_c_ends_imports_with_130(module):
    result = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT, "--version", module],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (130, "")
    assert result.stderr == "Interrupted.\n"


def test_ctrl_c_ends_with_130_and_leaves_no_file(tmp_path, random):
    np.save(tmp_path / "data.npy", random.normal(size=(200_000, 4)))
    process = subprocess.Popen(
        [sys.executable, "-m", "fastem", "fit", "data.npy", "-k", "8", "--tol", "0",
         "--max-iter", "100000", "--init", "random", "-o", "model.json"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("iteration 1,"):
            break
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert said.splitlines()[-1] == "Interrupted: no unfinished file is left."
    assert [path.name for path in tmp_path.iterdir()] == ["data.npy"]


def test_a_closed_pipe_ends_quietly_with_all_files_written(csv, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "fastem", "fit", str(csv), "-k", "2", "--drop-missing",
         "-o", str(tmp_path / "model.json")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1
    assert "rror" not in said
    load_model(tmp_path / "model.json")


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("matplotlib", ["--plot", "clusters.png"], "fastem[plot]"),
        ("pyarrow", ["--assign", "m.csv"], "fastem[io]"),
    ],
)
def test_extras_that_outputs_need_are_named_before_the_fit(
    csv, tmp_path, monkeypatch, module, arguments, extra
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "fastem.storage.writing.find_spec",
        lambda name: None if name == module else name,
    )
    said = run("fit", csv, "-k", 2, *arguments, code=1)
    assert said == (
        f"Error: {arguments[1]} cannot be written without {module}: "
        f"pip install '{extra}'"
    )


def test_a_first_use_says_what_takes_longer(csv, monkeypatch):
    fit = fastem.GaussianMixture.fit

    def first_fit(*arguments, **options):
        for _ in range(2):  # kernels
            with compiling.told("float64 rows"):
                pass
        return fit(*arguments, **options)

    monkeypatch.setattr(fastem.GaussianMixture, "fit", first_fit)
    said = run("fit", csv, "-k", 2, "--drop-missing")
    assert said.count("Compiling for float64 rows, once for this environment") == 1
    assert re.search(r"Fitted in [\d.]+ s, and [\d.]+ s of compiling: converged", said)
    monkeypatch.undo()
    assert "ompiling" not in run("fit", csv, "-k", 2, "--drop-missing")


# A fit that compiles for long enough to be seen.
FIRST_USE = """
import sys
import time
from fastem import GaussianMixture
from fastem.cli import main
from fastem.runtime import compiling

fit = GaussianMixture.fit

def first_fit(*arguments, **options):
    with compiling.told("float64 rows"):
        time.sleep(0.5)
    time.sleep(0.5)
    return fit(*arguments, **options)

GaussianMixture.fit = first_fit
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_bar(csv):
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", FIRST_USE, "fit", str(csv), "-k", "2", "--drop-missing"],
        stdout=follower, stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    try:
        while chunk := os.read(leader, 65536):
            shown += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(leader)
    assert process.wait(timeout=60) == 0
    assert re.search(rb"Compiling \(once\).*Choosing a start", shown, re.DOTALL)
    assert re.search(rb"iteration \d+.*log-likelihood -", shown)
    assert b"converged after" in shown


@pytest.fixture
def folder(tmp_path, rows, random):
    """Three Parquet files, one of them in a folder of its own."""
    path = tmp_path / "big"
    (path / "more").mkdir(parents=True)
    X = random.permutation(rows)
    for name, part in zip(
        ("a.parquet", "b.parquet", "more/c.parquet"),
        np.split(X, [50, 200]),
        strict=True,
    ):
        columns = {
            "name": ["someone"] * len(part),
            "speed": part[:, 0],
            "load": part[:, 1],
            "w": np.full(len(part), 2.0),
        }
        parquet.write_table(pa.table(columns), path / name)
    return path


def read_folder(folder):
    files = sorted(folder.rglob("*.parquet"))
    columns = [parquet.read_table(file).select(["speed", "load"]) for file in files]
    return pa.concat_tables(columns).to_pandas()


@pytest.mark.parametrize("standardize", [[], ["--standardize"]])
def test_a_folder_is_fitted_as_its_rows_are(folder, tmp_path, standardize):
    said = run(
        *("fit", folder, "-k", 2, "--columns", "speed,load", "--weights", "w"),
        *("--output", tmp_path / "model.json", "--plot", tmp_path / "picture.png"),
        *("--assign", tmp_path / "memberships.parquet", *standardize),
    )
    assert "Using 300 rows x 2 columns: speed, load." in said
    assert "Warning" not in said
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    model = load_model(tmp_path / "model.json")
    X = read_folder(folder)
    expected = fastem.GaussianMixture(2, random_state=0)
    if standardize:
        expected = fit_standardized(expected, X.to_numpy())
    else:
        expected.fit(X)
    np.testing.assert_allclose(model.means_, expected.means_, rtol=1e-9)
    memberships = parquet.read_table(tmp_path / "memberships.parquet")
    np.testing.assert_array_equal(memberships["component"], model.predict(X))


@pytest.mark.parametrize("name", ["big/part-0.parquet", "big"])
def test_the_index_of_a_frame_is_left_out_and_said(tmp_path, random, name):
    frame = pd.DataFrame(random.normal(size=(50, 2)), columns=["a", "b"])
    (tmp_path / "big").mkdir()
    frame[frame.a > 0].to_parquet(tmp_path / "big" / "part-0.parquet")
    said = run("fit", tmp_path / name, "-k", 1)
    assert "Left out, the index of a DataFrame: __index_level_0__. Using" in said
    assert "not numeric" not in said
    assert "x 2 columns: a, b." in said


def test_question_marks_are_an_error_until_they_are_missing_values(tmp_path, rows):
    path = tmp_path / "people.csv"
    lines = [f"{a!r};{b!r}".replace(".", ",") for a, b in rows.tolist()]
    path.write_text("\n".join(["age;income", *lines, "?;5", "6;?"]))
    said = run("fit", path, "-k", 1, code=1)
    assert "'age' (row 0 holds" in said
    assert "If the comma is the decimal mark: --decimal ,." in said
    said = run("fit", path, "-k", 1, "--decimal", ",", code=1)
    assert "'age' (row 300 holds '?'), 'income' (row 301 holds '?')" in said
    assert "--na-values '?'" in said
    options = ("--decimal", ",", "--na-values", "?", "--drop-missing")
    model = tmp_path / "model.json"
    said = run("fit", path, "-k", 1, *options, "--output", model)
    assert "Using 300 rows x 2 columns: age, income." in said
    np.testing.assert_allclose(load_model(model).means_[0], rows.mean(axis=0))
    predict = ("predict", model, path, "--output", tmp_path / "m.csv")
    assert "--decimal ," in run(*predict, code=1)
    assert "Left out: 2 rows with missing values." in run(*predict, *options)
    assert "'x' is neither '.' nor ','" in run(*predict, "--decimal", "x", code=2)


def test_what_names_of_folders_say_is_left_out_and_said(folder):
    (folder / "more").rename(folder / "hour=3")
    said = run("fit", folder, "-k", 1)
    assert "Left out, not numeric: name (string). " in said
    assert "Left out, in names of folders only: hour (hour=3). " in said
    said = run("fit", folder, "-k", 1, "--columns", "speed")
    assert "Left out" not in said
    said = run("fit", folder, "-k", 1, "--columns", "hour", code=1)
    assert "'hour' in names of folders only (hour=3)" in said


def test_memberships_of_a_folder_are_files_of_the_same_names(folder, tmp_path):
    run("fit", folder, "-k", 2, "--columns", "speed,load", "-o", tmp_path / "m.json")
    output = tmp_path / "memberships"
    said = run("predict", tmp_path / "m.json", folder, "--output", f"{output}/")
    assert "Ignored, not in the model: name, w." in said
    names = [str(p.relative_to(output)) for p in sorted(output.rglob("*.parquet"))]
    assert names == ["a.parquet", "b.parquet", os.path.join("more", "c.parquet")]
    parts = [parquet.read_table(output / name) for name in names]
    assert [part.num_rows for part in parts] == [50, 150, 100]
    X = read_folder(folder)
    expected = load_model(tmp_path / "m.json").predict_proba(X)
    written = pa.concat_tables(parts)
    np.testing.assert_array_equal(written["p_1"], expected[:, 1])
    for name in ("one.csv", "one.parquet"):
        run("predict", tmp_path / "m.json", folder, "--output", tmp_path / name)
    assert parquet.read_table(tmp_path / "one.parquet").equals(written)
    assert len((tmp_path / "one.csv").read_text().splitlines()) == 301
    run("predict", tmp_path / "m.json", folder / "a.parquet", "-o", tmp_path / "few")
    (part,) = (tmp_path / "few").iterdir()
    assert parquet.read_table(part).equals(parts[0])


def test_a_folder_with_a_bad_row_leaves_no_output(folder, tmp_path):
    run("fit", folder, "-k", 2, "--columns", "speed,load", "-o", tmp_path / "m.json")
    bad = folder / "more" / "c.parquet"
    table = parquet.read_table(bad).to_pandas()
    table.loc[60, "load"] = np.nan
    parquet.write_table(pa.Table.from_pandas(table), bad)
    before = sorted(tmp_path.iterdir())
    for output in ("memberships/", "one.parquet"):
        said = run(
            *("predict", tmp_path / "m.json", folder, "-o", tmp_path / output), code=1
        )
        assert f"row 260 (row 60 of {bad}, in block 2), column 'load'" in said
        assert sorted(tmp_path.iterdir()) == before
    said = run("fit", folder, "-k", 2, "--columns", "speed,load", code=1)
    assert "row 260" in said
    assert "leave them out with --drop-missing or replace the values first" in said


def test_missing_values_in_a_folder_are_left_out_and_keep_their_rows(folder, tmp_path):
    for name, missing in (("b.parquet", [0, 7, 149]), ("a.parquet", range(50))):
        table = parquet.read_table(folder / name).to_pandas()
        table.loc[missing, "load"] = np.nan
        parquet.write_table(pa.Table.from_pandas(table), folder / name)
    options = ("--columns", "speed,load", "--drop-missing", "-o", tmp_path / "m.json")
    said = run("fit", folder, "-k", 2, *options)
    assert "Left out: 53 rows with missing values." in said
    assert "Using 247 rows x 2 columns: speed, load." in said
    X = read_folder(folder)
    kept = X.notna().all(axis=1).to_numpy()
    expected = fastem.GaussianMixture(2, random_state=0).fit(X[kept])
    model = load_model(tmp_path / "m.json")
    np.testing.assert_allclose(model.means_, expected.means_, rtol=1e-9)
    predict = ("predict", tmp_path / "m.json", folder, "--drop-missing", "--output")
    for output in ("memberships/", "one.parquet"):
        assert "Left out: 53 rows" in run(*predict, f"{tmp_path}{os.sep}{output}")
    written = [
        pa.concat_tables(
            parquet.read_table(file)
            for file in sorted((tmp_path / "memberships").rglob("*.parquet"))
        ),
        parquet.read_table(tmp_path / "one.parquet"),
    ]
    labels = model.predict(X[kept])
    for table in written:
        np.testing.assert_array_equal(table["component"].is_valid(), kept)
        np.testing.assert_array_equal(table["component"].drop_null(), labels)
    bad = parquet.read_table(folder / "b.parquet").to_pandas()
    bad.loc[9, "speed"] = np.inf
    parquet.write_table(pa.Table.from_pandas(bad), folder / "b.parquet")
    said = run("fit", folder, "-k", 2, *options[:-2], code=1)
    assert f"(row 9 of {folder / 'b.parquet'}, in block 1), column 'speed'" in said
    bad["load"] = np.nan
    (folder / "more" / "c.parquet").unlink()
    parquet.write_table(pa.Table.from_pandas(bad), folder / "b.parquet")
    said = run("fit", folder, "-k", 2, *options[:-2], code=1)
    assert "every row has a missing value in one of the columns 'speed', 'load'" in said


def test_a_large_file_is_read_block_by_block(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("fastem.sources.tables._LARGE_FILE", 100)
    monkeypatch.setattr("fastem.sources.tables.read_table", None)
    said = run("fit", folder / "a.parquet", "-k", 1, "--columns", "speed")
    assert "Using 50 rows x 1 columns: speed." in said


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("weight", lambda model: -model.weights_),
        ("mean", lambda model: model.means_[:, 0]),
        ("load", lambda model: model.means_[:, 1]),
    ],
)
def test_components_are_numbered_as_asked_for(csv, tmp_path, sort, key):
    path = tmp_path / "model.json"
    run("fit", csv, "-k", 4, "--drop-missing", "--sort", sort, "--output", path)
    assert (np.diff(key(load_model(path))) >= 0).all()
    said = run("fit", csv, "-k", 2, "--drop-missing", "--sort", "lod", code=1)
    assert "--sort 'lod' is neither weight nor mean, nor a column in use" in said
    assert "Did you mean 'load'?" in said


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_numbers_of_starts_are_numbers_or_auto(text):
    assert number_of_starts("auto") == "auto"
    assert number_of_starts("12") == "12"
    with pytest.raises(typer.BadParameter, match="neither a whole number"):
        number_of_starts(text)
