import json
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import fastem
from fastem import (
    GaussianMixture,
    SingularCovarianceError,
    StudentMixture,
    load_model,
    save_model,
)
from fastem.mixture.model_file import read_model_file
from tests.mixtures import draw, random_mixture, start_of


@pytest.fixture
def model(random, covariance_type):
    X = random.normal(size=(200, 2)) * [1 / 3, 1e5]
    return GaussianMixture(
        2, covariance_type=covariance_type, tol=0.1, random_state=3
    ).fit(X)


@pytest.fixture
def content(tmp_path):
    """A small model file as a dictionary, and the path to write it to."""
    model = GaussianMixture.from_parameters(
        [0.25, 0.75],
        [[0.0, 1.0], [2.0, 3.0]],
        [[1.0, 2.0], [3.0, 4.0]],
        covariance_type="diag",
    )
    path = tmp_path / "model.json"
    save_model(model, path, columns=("a", "b"))
    return json.loads(path.read_text()), path


def test_a_model_comes_back_to_the_last_bit(model, random, tmp_path):
    path = tmp_path / "model.json"
    save_model(model, path)
    loaded = load_model(path)
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    X = random.normal(size=(50, 2)) * [1, 1e5]
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    for name in ("covariance_type", "tol", "reg_covar", "random_state", "n_iter_",
                 "converged_", "lower_bound_"):  # fmt: skip
        assert getattr(loaded, name) == getattr(model, name)


@pytest.mark.parametrize("reg_covar", [1e-3, "relative"])
def test_a_stream_goes_on_as_if_its_model_had_not_been_saved(
    random, covariance_type, reg_covar, tmp_path
):
    settings = {"forgetting": 1.5, "memory": 1000.0, "reg_covar": reg_covar}
    model = GaussianMixture(2, covariance_type=covariance_type, tol=0.1, **settings)
    X = random.normal(size=(500, 2)) * [1, 1e3]
    save_model(model.partial_fit(X[:400]), tmp_path / "model.json")
    loaded = load_model(tmp_path / "model.json")
    assert loaded.n_samples_seen_ == 400
    for one in (model, loaded):
        one.partial_fit(X[400:])
    for name in ("weights_", "means_", "covariances_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    assert {name: getattr(loaded, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("background", "weight"), None, '"weight"'),
        (("background", "weight"), 1.5, "noise_weight must be in"),
        (("background", "volume"), -1, "noise_volume must be a positive number"),
        (("background", "bounds"), [[0, 1]], r"shape \(2, 2\)"),
        (("background", "bounds"), [[0, 1], [1, 0]], "1 and 0 for column 1"),
        (("background", "noise_volume"), -1, "'noise_volume' parameter"),
        (("background",), [], '"background"'),
        (("degrees_of_freedom",), [3.0], r"shape \(2,\)"),
        (("degrees_of_freedom",), [3.0, -4.0], "is -4 for component 1"),
        (("degrees_of_freedom",), None, '"degrees_of_freedom"'),
        (("fit", "degrees_of_freedom"), "many", "'degrees_of_freedom' parameter"),
        (("format",), "fastem.OtherMixture", "is not a fastem model"),
    ],
)
def test_what_is_wrong_about_outliers_is_named(tmp_path, place, value, words):
    path = tmp_path / "model.json"
    model = StudentMixture.from_parameters(
        *([0.2, 0.7], [[0.0, 1.0], [2.0, 3.0]], [[1.0, 2.0], [3.0, 4.0]]),
        covariance_type="diag",
        noise_weight=0.1,
        noise_bounds=[[0, 1], [2, 5]],
        degrees_of_freedom=[3.0, 4.0],
    )
    save_model(model, path)
    assert isinstance(load_model(path), StudentMixture)
    content = json.loads(path.read_text())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=words) as raised:
        load_model(path)
    assert str(path) in str(raised.value)


def test_a_spike_is_an_error_in_a_stream_that_is_saved_each_time_too(random, tmp_path):
    X = np.concatenate([random.normal(size=(300, 2)), random.normal(size=(300, 2)) + 8])
    path = tmp_path / "model.json"
    save_model(
        GaussianMixture(2, memory=500, reg_covar=0, random_state=0).partial_fit(X), path
    )

    def learn():
        for _ in range(150):
            save_model(load_model(path).partial_fit(np.full((200, 2), 4.0)), path)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        with pytest.raises(SingularCovarianceError, match="columns 0 and 1 are const"):
            learn()


def test_a_file_from_before_streams_were_kept_is_read(content):
    values, path = content
    del values["stream"]
    path.write_text(json.dumps(values))
    assert not hasattr(load_model(path), "n_samples_seen_")


def test_names_of_columns_come_back(random, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(random.normal(size=(20, 2)), columns=["größe", 'a"b'])
    model = GaussianMixture(tol=9).fit(frame)
    save_model(model, tmp_path / "model.json")
    loaded = load_model(tmp_path / "model.json")
    assert list(loaded.feature_names_in_) == ["größe", 'a"b']
    loaded.predict(frame)


def test_a_person_can_read_the_file(content):
    values, path = content
    assert values["format"] == "fastem.GaussianMixture"
    assert values["format_version"] == 1
    assert values["fastem_version"] == fastem.__version__
    assert values["fit"]["lower_bound"] is None
    lines = path.read_text().splitlines()
    assert '  "weights": [0.25, 0.75],' in lines
    assert "    [2.0, 3.0]" in lines


def test_facts_about_the_fit_are_kept(model, tmp_path):
    path = tmp_path / "model.json"
    save_model(model, path, about_fit={"n_rows": 200})
    assert read_model_file(path).fit["n_rows"] == 200


def test_a_model_without_parameters_is_not_saved(tmp_path):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        save_model(GaussianMixture(), tmp_path / "model.json")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_the_old_file(content):
    _, path = content
    model = load_model(path)
    before = path.read_text()
    model.means_ = model.means_ * np.nan
    with pytest.raises(ValueError, match="JSON"):
        save_model(model, path)
    assert path.read_text() == before
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"format": "other"}, '"format" is "other", not'),
        ({"format": None}, '"format" is null'),
        ({"format_version": 2}, "newer fastem: pip install --upgrade"),
        ({"format_version": 0}, '"format_version" is 0'),
        ({"format_version": "1"}, '"format_version" must not be "1"'),
        ({"covariance_type": "round"}, '"round"; it must be one of full, tied'),
        ({"weights": None}, '"weights" must not be null'),
        ({"weights": [0.5, "0.5"]}, '"weights" must hold numbers only, not "0.5"'),
        ({"weights": [0.5, True]}, '"weights" must hold numbers only, not true'),
        ({"weights": [0.5, 0.6]}, "weights must be normalized"),
        ({"weights": [1.0]}, "weights should have the shape (2,)"),
        ({"means": [[0, 1], [2]]}, '"means" must be of equal length'),
        ({"means": [0, 1]}, '"means" must be one list of numbers for each component'),
        ({"n_components": 3}, '"n_components" is 3, but "means" has 2 rows'),
        ({"covariances": [[1, 2], [3, 0]]}, "covariances must be positive"),
        ({"covariances": [1, 2]}, "covariances should have the shape (2, 2)"),
        ({"columns": ["a"]}, '"columns" must be null or 2 names'),
        ({"columns": ["a", 1]}, '"columns" must be null or 2 names'),
        ({"fit": []}, '"fit" must not be []'),
        ({"fit": {"n_iter": 1}}, 'section fit: the key "converged" is missing'),
        ({"fit": {"tol": "small"}}, "'tol'"),
        ({"stream": 5}, '"stream" must not be 5'),
        ({"stream": {"ridge": 0}}, 'section stream: the key "n_samples_seen"'),
        ({"stream": {"n_samples_seen": 5}}, 'section stream: the key "ridge"'),
        ({"stream": {"n_samples_seen": 0, "ridge": 0}}, "must be more than 0"),
        ({"stream": {"n_samples_seen": 5, "ridge": -1}}, '"ridge" must be a number'),
        ({"stream": {"n_samples_seen": 5, "ridge": [1]}}, "or 2 of them, not [1]"),
        ({"stream": {"n_samples_seen": 5, "ridge": [1, -1]}}, "or 2 of them"),
        ({"stream": {"n_samples_seen": 5, "ridge": "1"}}, '"ridge" must not be "1"'),
        (
            {"stream": {"n_samples_seen": 5, "ridge": 0, "first_variances": [[0]]}},
            '"first_variances" must be lists of positive numbers',
        ),
        (
            {
                "stream": {
                    "n_samples_seen": 5,
                    "ridge": 0,
                    "first_variances": [[1]],
                    "largest_weights": [-1],
                }
            },
            '"largest_weights" must be numbers, none negative',
        ),
    ],
)  # fmt: skip
def test_wrong_values_are_named_with_file_and_key(content, change, text):
    values, path = content
    path.write_text(json.dumps(values | change))
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared
        load_model(path)
    assert text in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "key", ["format_version", "covariance_type", "weights", "means", "covariances",
            "n_components", "fit", "fastem_version"],
)  # fmt: skip
def test_missing_keys_are_named(content, key):
    values, path = content
    del values[key]
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=f'the key "{key}" is missing'):
        load_model(path)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a,b\n1,2\n", "is not JSON"),
        ("", "is not JSON"),
        ("[1, 2]", "must hold a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", '"format" is null'),
        ('{"weights": [NaN]}', "NaN is not a number of JSON"),
        ('{"weights": [-Infinity]}', "-Infinity is not a number of JSON"),
    ],
)
def test_other_files_are_refused(tmp_path, text, part):
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=part):
        load_model(path)


def test_numbers_that_overflow_are_refused(content):
    _, path = content
    path.write_text(path.read_text().replace("3.0]", "1e999]"))
    with pytest.raises(ValueError, match='"means" holds a number that is too large'):
        load_model(path)


def test_binary_files_are_refused(tmp_path):
    path = tmp_path / "model.json"
    path.write_bytes(b"\x80\x04\x95\xff")
    with pytest.raises(ValueError, match="not even text"):
        load_model(path)


def test_a_model_of_a_start_alone_comes_back_to_the_last_bit(
    random, tmp_path, covariance_type
):
    mixture = random_mixture(random, covariance_type, 3, 4)
    X = draw(random, mixture, 50)
    for given in ({"weights_init", "means_init"}, set()):
        start = start_of(mixture, covariance_type)
        parameters = {name: value for name, value in start.items() if name not in given}
        model = GaussianMixture(**parameters, max_iter=0, random_state=0).fit(X)
        save_model(model, tmp_path / "model.json")
        again = load_model(tmp_path / "model.json")
        for name in ("covariances_", "precisions_cholesky_", "precisions_"):
            np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
